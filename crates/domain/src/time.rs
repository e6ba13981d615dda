//! Time as an argument: [`Timestamp`] and [`Clock`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;

/// A moment in UTC, to the microsecond. Ordered, copied freely, never read from the system except by [`SystemClock`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The year 1, which Graph writes for some unset times (`spec/api.md` section 4).
    pub const YEAR_ONE: &'static str = "0001-01-01T00:00:00Z";

    /// From microseconds since 1970. `None` when the year is outside -9999..=9999.
    #[must_use]
    pub fn from_unix_micros(micros: i64) -> Option<Self> {
        jiff::Timestamp::from_microsecond(micros).ok().map(Self)
    }

    /// From seconds since 1970. `None` when the year is outside -9999..=9999.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        jiff::Timestamp::from_second(seconds).ok().map(Self)
    }

    #[must_use]
    pub fn unix_micros(self) -> i64 {
        self.0.as_microsecond()
    }

    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.unix_micros().div_euclid(1_000_000)
    }

    /// The same moment without its fraction of a second: what SharePoint keeps of a file's times.
    #[must_use]
    pub fn whole_seconds(self) -> Self {
        Self::from_unix_seconds(self.unix_seconds()).unwrap_or(self)
    }

    /// Later by `duration`; saturates at the end of the calendar.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_unix_micros(self.unix_micros().saturating_add(micros))
            .unwrap_or(Self(jiff::Timestamp::MAX))
    }

    /// Earlier by `duration`; saturates at the start of the calendar.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_unix_micros(self.unix_micros().saturating_sub(micros))
            .unwrap_or(Self(jiff::Timestamp::MIN))
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(
            u64::try_from(self.unix_micros() - earlier.unix_micros()).unwrap_or(0),
        )
    }
}

/// ISO 8601 in UTC with `Z`; a fraction only where there is one.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Accepts `Z`, an offset (converted to UTC) and up to nine fractional digits; the rest below a microsecond is dropped.
impl FromStr for Timestamp {
    type Err = NotATimestamp;

    fn from_str(text: &str) -> Result<Self, NotATimestamp> {
        // jiff also takes a space for the `T` and lower case letters; Graph does not.
        let shape = text.len() >= 20 && text.as_bytes()[10] == b'T' && text.is_ascii();
        let parsed: jiff::Timestamp = if shape {
            text.parse().map_err(|_| NotATimestamp)?
        } else {
            return Err(NotATimestamp);
        };
        Self::from_unix_micros(parsed.as_microsecond()).ok_or(NotATimestamp)
    }
}

/// The text is no ISO 8601 date and time with a zone designator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 8601 date and time with a zone designator")]
pub struct NotATimestamp;

/// Where time comes from. Production uses [`SystemClock`], tests a manual one.
#[async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Returns at or after `at`. A test that advances its clock wakes it.
    async fn sleep_until(&self, at: Timestamp);
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(jiff::Timestamp::now().as_microsecond())
            .expect("the system's clock is within the calendar")
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that waits by the system's clock")]
    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(at.since(self.now())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(text.parse::<Timestamp>().ok().map(|t| t.to_string()).as_deref(), expected);
    }

    #[test]
    fn parses_what_graph_clients_send() {
        check("2026-11-25T19:08:45Z", Some("2026-11-25T19:08:45Z"));
        check("2026-11-25T19:08:45.110731+00:00", Some("2026-11-25T19:08:45.110731Z"));
        check("2025-03-04T10:15:30.1234567Z", Some("2025-03-04T10:15:30.123456Z"));
        check("2026-11-25T20:08:45+01:00", Some("2026-11-25T19:08:45Z"));
    }

    #[test]
    fn refuses_malformed_times() {
        for text in [
            "",
            "2015-06-19T12-01-03.45Z",
            "2026-11-25",
            "2026-11-25T19:08:45",
            "2026-13-01T00:00:00Z",
            "2026-11-25 19:08:45Z",
            "é026-11-25T19:08:45Z",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn whole_seconds_rounds_down_before_1970_too() {
        let before = Timestamp::from_unix_micros(-1_500_000).expect("in range");
        assert_eq!(before.whole_seconds().unix_seconds(), -2);
    }
}
