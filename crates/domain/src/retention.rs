//! How long restore points are kept (`spec/api.md` section 7, `spec/behaviour.md` section 2.2).

use std::time::Duration;

use crate::{Timestamp, limits};

const DAY: u64 = 24 * 60 * 60;

/// A recovery window in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetentionDays(u32);

impl RetentionDays {
    /// The window of a policy that says nothing.
    pub const DEFAULT: Self = Self(365);

    /// The windows that can be chosen.
    pub const CHOICES: [u32; 12] =
        [90, 180, 365, 730, 1095, 1460, 1825, 2190, 2555, 2920, 3285, 3650];

    #[must_use]
    pub fn new(days: u32) -> Option<Self> {
        Self::CHOICES.contains(&days).then_some(Self(days))
    }

    #[must_use]
    pub fn days(self) -> u32 {
        self.0
    }

    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0) * DAY)
    }

    /// When a point of that time expires.
    #[must_use]
    pub fn expiry_of(self, protection_date_time: Timestamp) -> Timestamp {
        protection_date_time.plus(self.duration())
    }
}

/// A policy's recovery window, and a shorter one that waits for its grace to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub window: RetentionDays,
    pub pending: Option<PendingRetention>,
}

/// `pendingRetentionPeriodChange`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingRetention {
    pub target: RetentionDays,
    pub effective_at: Timestamp,
}

impl Default for Retention {
    fn default() -> Self {
        Self { window: RetentionDays::DEFAULT, pending: None }
    }
}

impl Retention {
    /// A longer window holds at once; a shorter one after [`limits::RETENTION_GRACE`], since it destroys points.
    #[must_use]
    pub fn change(self, target: RetentionDays, now: Timestamp) -> Self {
        if target >= self.window {
            return Self { window: target, pending: None };
        }
        match self.pending {
            Some(pending) if pending.target == target => self,
            _ => {
                let effective_at = now.plus(limits::RETENTION_GRACE);
                Self {
                    window: self.window,
                    pending: Some(PendingRetention { target, effective_at }),
                }
            }
        }
    }

    /// Becomes the window of `policy`, and waits for the shorter one that it waits for. What would be lost has its whole grace, whatever
    /// is left of the policy's.
    #[must_use]
    pub fn follow(self, policy: Self, now: Timestamp) -> Self {
        let (own, policy) = (self.at(now), policy.at(now));
        let kept = Self { window: own.window.max(policy.window), pending: own.pending };
        kept.change(policy.pending.map_or(policy.window, |pending| pending.target), now)
    }

    /// What it has become by `now`.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        match self.pending {
            Some(pending) if pending.effective_at <= now => {
                Self { window: pending.target, pending: None }
            }
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_at_once_and_shorter_after_the_grace() {
        let now: Timestamp = "2026-03-04T10:00:00Z".parse().expect("a time");
        let days = |days| RetentionDays::new(days).expect("a choice");
        let year = Retention::default();
        assert_eq!(year.change(days(730), now).window, days(730));
        let shortened = year.change(days(90), now);
        assert_eq!(shortened.window, days(365));
        let effective_at = shortened.pending.expect("waits").effective_at;
        assert_eq!(effective_at.since(now), limits::RETENTION_GRACE);
        // Asked for again, the grace does not begin anew.
        assert_eq!(shortened.change(days(90), effective_at), shortened);
        assert_eq!(shortened.at(now), shortened);
        assert_eq!(shortened.at(effective_at), Retention { window: days(90), pending: None });
        // Taken back.
        assert_eq!(shortened.change(days(365), now), year);
        assert_eq!(RetentionDays::new(91), None);
    }

    #[test]
    fn a_unit_follows_its_policy_and_loses_nothing_before_its_grace() {
        let now: Timestamp = "2026-03-04T10:00:00Z".parse().expect("a time");
        let days = |days| RetentionDays::new(days).expect("a choice");
        let window = |days: u32| Retention { window: RetentionDays(days), pending: None };
        let later = now.plus(Duration::from_secs(20 * DAY));
        // Longer at once, also when the policy waits for a shorter one.
        assert_eq!(window(90).follow(window(365), now), window(365));
        let waiting = window(365).change(days(180), now);
        let followed = window(90).follow(waiting, now);
        assert_eq!(followed, waiting);
        // What joins late has its whole grace.
        let late = window(365).follow(waiting, later);
        let pending = late.pending.expect("waits");
        assert_eq!((late.window, pending.target), (days(365), days(180)));
        assert_eq!(pending.effective_at.since(later), limits::RETENTION_GRACE);
        // Asked for again, nothing changes: not what the policy has, nor what waits.
        let joined = window(730).follow(window(365), now);
        assert_eq!(joined.window, days(730));
        assert_eq!(joined.follow(window(365), later), joined);
        assert_eq!(joined.follow(window(730), later), window(730));
        let end = joined.pending.expect("waits").effective_at;
        assert_eq!(joined.follow(window(365), end), window(365));
    }
}
