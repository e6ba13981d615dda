//! Restore points (`spec/api.md` section 11).

use std::fmt;
use std::str::FromStr;

use crate::{MalformedId, TenantId, Timestamp, UnitId};

/// `restorePoint.id`: the unit and the moment, `<unit id>_<microseconds since 1970>`. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RestorePointId {
    unit: UnitId,
    protection_micros: i64,
}

impl RestorePointId {
    #[must_use]
    pub fn new(unit: UnitId, protection_date_time: Timestamp) -> Self {
        Self { unit, protection_micros: protection_date_time.unix_micros() }
    }

    #[must_use]
    pub fn unit(self) -> UnitId {
        self.unit
    }
}

impl fmt::Display for RestorePointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.unit, self.protection_micros)
    }
}

impl FromStr for RestorePointId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let (unit, micros) = text.split_once('_').ok_or(MalformedId)?;
        let protection_micros: i64 = micros.parse().map_err(|_| MalformedId)?;
        let id = Self { unit: unit.parse()?, protection_micros };
        // One spelling for each id: no plus sign, no leading zeros.
        if id.protection_micros.to_string() == micros { Ok(id) } else { Err(MalformedId) }
    }
}

/// A whole picture of a unit at one moment. It restores without reading any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePoint {
    pub id: RestorePointId,
    pub tenant: TenantId,
    pub unit: UnitId,
    /// Nothing newer is inside. Grows strictly for each unit.
    pub protection_date_time: Timestamp,
    /// When the run began that made the point.
    pub started_at: Timestamp,
    pub expires_at: Timestamp,
    /// Hexadecimal id of the snapshot in the unit's repository.
    pub snapshot: String,
    pub items: u64,
    pub size_bytes: u64,
    /// Items that could not be read; listed under `/holdfast/v1`.
    pub gaps: u64,
}

/// An item that a restore point lacks, or of which it carries an older version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub drive: String,
    pub item: String,
    /// Path in the library at that time.
    pub path: String,
    pub reason: String,
    pub since: Timestamp,
    /// An older version is stored in its place.
    pub stale: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_each_id() {
        let text = "00000002-0001-4000-8000-000000020001_1741047000000000";
        let id: RestorePointId = text.parse().expect("well-formed");
        assert_eq!(id.to_string(), text);
        for malformed in [
            "",
            "x",
            "00000002-0001-4000-8000-000000020001",
            "00000002-0001-4000-8000-000000020001_",
            "00000002-0001-4000-8000-000000020001_+1",
            "00000002-0001-4000-8000-000000020001_01",
        ] {
            assert_eq!(malformed.parse::<RestorePointId>(), Err(MalformedId), "{malformed}");
        }
    }
}
