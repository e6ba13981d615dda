//! Being told to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Interrupt and terminate, which end the process no more once this is made.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// To be called before the process says that it is there. Needs the runtime.
    pub(crate) fn listen() -> Self {
        let listen = |kind| signal(kind).expect("signals can be handled");
        Self {
            interrupt: listen(SignalKind::interrupt()),
            terminate: listen(SignalKind::terminate()),
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for the first signal; from then on a second one ends the process at once, with code 3.
    pub(crate) async fn told_to_stop(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            eprintln!("holdfast: told to stop again; ending at once");
            std::process::exit(3);
        });
    }
}
