//! The one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfast_server::main()
}
