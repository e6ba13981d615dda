//! A clock that stands still until a test moves it.

use std::time::Duration;

use async_trait::async_trait;
use holdfast_domain::{Clock, Timestamp};
use tokio::sync::watch;

/// Time as a test sets it. Whoever sleeps wakes when the clock has passed the wanted moment.
#[derive(Debug)]
pub struct ManualClock(watch::Sender<Timestamp>);

impl ManualClock {
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(watch::Sender::new(start))
    }

    /// Moves time on and wakes sleepers.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = now.plus(by));
    }

    /// Sets the time, which may go backwards as a machine's clock does.
    pub fn set(&self, now: Timestamp) {
        self.0.send_replace(now);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut watched = self.0.subscribe();
        // The sender lives in self, so that waiting ends only by the time coming.
        let _ = watched.wait_for(|now| *now >= at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn advancing_wakes_sleepers() {
        let start = Timestamp::from_unix_seconds(1_000).expect("in range");
        let clock = Arc::new(ManualClock::new(start));
        let at = start.plus(Duration::from_secs(60));
        let sleeper = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move {
                clock.sleep_until(at).await;
                clock.now()
            }
        });
        clock.advance(Duration::from_secs(30));
        clock.advance(Duration::from_secs(30));
        assert_eq!(sleeper.await.expect("no panic"), at);
    }
}
