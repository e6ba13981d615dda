//! The one binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// The threads of the server pass what they allocate to each other, which costs the system's allocator a lock each time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    holdfast_server::main()
}
