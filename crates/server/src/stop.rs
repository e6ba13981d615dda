//! Being told to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Interrupt and terminate.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Waits for the first signal; from then on a second one ends the process at once, with code 3.
pub(crate) async fn told_to_stop() {
    let listen = |kind| signal(kind).expect("signals can be handled");
    let mut signals = Signals {
        interrupt: listen(SignalKind::interrupt()),
        terminate: listen(SignalKind::terminate()),
    };
    signals.next().await;
    tokio::spawn(async move {
        signals.next().await;
        eprintln!("holdfast: told to stop again; ending at once");
        std::process::exit(3);
    });
}
