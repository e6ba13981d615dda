//! Counts calls and makes one of them fail, or the end of the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What happens at the chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call has no effect and answers with an error.
    Fail,
    /// The process ends before the call takes effect.
    KillBefore,
    /// The call takes effect, then the process ends: whoever comes next does the step again.
    KillAfter,
}

/// A place where calls are counted. After a kill no call is answered any more: callers wait until they are dropped.
#[derive(Debug)]
pub struct Faults {
    state: Mutex<State>,
    dead: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    calls: u64,
    planned: Option<(u64, Fault)>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { state: Mutex::default(), dead: watch::Sender::new(false) }
    }
}

impl Faults {
    /// Another place of the same process: a kill at either ends both.
    #[must_use]
    pub fn beside(other: &Self) -> Self {
        Self { state: Mutex::default(), dead: other.dead.clone() }
    }

    /// Plans `fault` for the call number `at`, counted from 1 from now on.
    pub fn plan(&self, at: u64, fault: Fault) {
        *self.state() = State { calls: 0, planned: Some((at, fault)) };
    }

    /// Calls since the last plan.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Was the planned call reached?
    #[must_use]
    pub fn has_struck(&self) -> bool {
        self.state().planned.is_none()
    }

    /// Counts from 0 again and plans nothing.
    pub fn reset(&self) {
        *self.state() = State::default();
    }

    /// Ends the process now.
    pub fn kill(&self) {
        self.dead.send_replace(true);
    }

    /// Ready when the process has ended.
    pub async fn killed(&self) {
        // The sender lives in self, so that waiting ends only by a kill.
        drop(self.dead.subscribe().wait_for(|dead| *dead).await);
    }

    /// Makes a call, unless a fault is due.
    ///
    /// # Errors
    /// Whatever the call gives; `Err(None)` stands for the planned failure.
    pub async fn call<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Option<E>> {
        let fault = self.next();
        match fault {
            Some(Fault::Fail) => return Err(None),
            Some(Fault::KillBefore) => self.kill(),
            Some(Fault::KillAfter) | None => {}
        }
        self.stop_if_dead().await;
        let answer = call.await;
        if fault == Some(Fault::KillAfter) {
            self.kill();
        }
        self.stop_if_dead().await;
        answer.map_err(Some)
    }

    fn next(&self) -> Option<Fault> {
        let mut state = self.state();
        state.calls += 1;
        let (at, fault) = state.planned?;
        if at != state.calls {
            return None;
        }
        state.planned = None;
        Some(fault)
    }

    async fn stop_if_dead(&self) {
        if *self.dead.borrow() {
            std::future::pending::<()>().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn strikes_once_at_the_planned_call() {
        let faults = Faults::default();
        faults.plan(2, Fault::Fail);
        assert_eq!(faults.call(async { Ok::<_, ()>(1) }).await, Ok(1));
        assert_eq!(faults.call(async { Ok::<_, ()>(2) }).await, Err(None));
        assert_eq!(faults.call(async { Err::<(), _>(3) }).await, Err(Some(3)));
        assert!(faults.has_struck());
        assert_eq!(faults.calls(), 3);
    }

    #[tokio::test]
    async fn after_a_kill_nothing_is_answered() {
        let faults = Faults::default();
        faults.plan(1, Fault::KillAfter);
        let effect = Mutex::new(0);
        let call = faults.call(async {
            *effect.lock().expect("no panic") += 1;
            Ok::<_, ()>(())
        });
        tokio::select! {
            _ = call => panic!("a dead process got an answer"),
            () = faults.killed() => {}
        }
        assert_eq!(*effect.lock().expect("no panic"), 1);
    }
}
