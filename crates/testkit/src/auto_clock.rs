//! A clock that moves itself on when somebody sleeps, so that patience costs a test no time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_domain::{Clock, Timestamp};

use crate::ManualClock;

/// The most that time moves on before others get a turn: less than any lease's margin.
const STRIDE: Duration = Duration::from_secs(5);

/// Shows the time of a [`ManualClock`] and moves it on instead of waiting. For the part of a system that pauses between
/// attempts; parts that sleep to do something regularly must have the manual clock itself, or time flies.
#[derive(Debug, Clone)]
pub struct AutoClock(Arc<ManualClock>);

impl AutoClock {
    #[must_use]
    pub fn new(clock: Arc<ManualClock>) -> Self {
        Self(clock)
    }
}

#[async_trait]
impl Clock for AutoClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        while self.0.now() < at {
            let step = at.since(self.0.now()).min(STRIDE);
            self.0.advance(step);
            // Whoever renews a lease was woken by this: it writes on a blocking thread and needs its turn.
            for _ in 0..4 {
                tokio::task::yield_now().await;
                let turn = tokio::task::spawn_blocking(|| {});
                turn.await.expect("an empty task does not panic");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleeping_moves_time_on() {
        let start = Timestamp::from_unix_seconds(1_000).expect("in range");
        let manual = Arc::new(ManualClock::new(start));
        let clock = AutoClock::new(manual.clone());
        let at = start.plus(Duration::from_secs(17));
        clock.sleep_until(at).await;
        assert_eq!(manual.now(), at);
        clock.sleep_until(start).await;
        assert_eq!(manual.now(), at);
    }
}
