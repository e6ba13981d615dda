//! Browse sessions: a restore point as rows to walk through (`spec/api.md` section 12).

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::{
    BrowseSessionId, MalformedId, PublicError, RestorePoint, RestorePointId, TenantId, Timestamp,
    TransitionError, UnitId, Workload, limits,
};

/// `browseSessionBase` and what derives from it, of a site's or drive's restore point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowseSession {
    pub id: BrowseSessionId,
    pub tenant: TenantId,
    pub workload: Workload,
    pub restore_point: RestorePointId,
    /// `restorePointDateTime`
    pub protection_date_time: Timestamp,
    /// The unit's: `siteId` or `directoryObjectId`.
    pub resource: String,
    pub state: BrowseState,
    /// `backupSizeInBytes`
    pub size_bytes: u64,
    pub created_at: Timestamp,
    /// Then it is gone, without a call.
    pub expires_at: Timestamp,
}

impl BrowseSession {
    /// A session that waits for its rows.
    #[must_use]
    pub fn creating(
        id: BrowseSessionId,
        point: &RestorePoint,
        workload: Workload,
        resource: String,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            tenant: point.tenant,
            workload,
            restore_point: point.id,
            protection_date_time: point.protection_date_time,
            resource,
            state: BrowseState::Creating,
            size_bytes: point.size_bytes,
            created_at: now,
            expires_at: now.plus(limits::BROWSE_SESSION),
        }
    }

    #[must_use]
    pub fn unit(&self) -> UnitId {
        self.restore_point.unit()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrowseState {
    /// Its rows are being written.
    Creating,
    /// It can be browsed.
    Created,
    Failed {
        error: PublicError,
    },
}

impl BrowseState {
    /// The published `browseSessionStatus`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Failed { .. } => "failed",
        }
    }

    /// All rows are there.
    ///
    /// # Errors
    /// When it was not being created.
    pub fn finish(&self) -> Result<Self, TransitionError> {
        self.only_creating("finish").map(|()| Self::Created)
    }

    /// The point cannot be read.
    ///
    /// # Errors
    /// When it was not being created.
    pub fn fail(&self, error: PublicError) -> Result<Self, TransitionError> {
        self.only_creating("fail").map(|()| Self::Failed { error })
    }

    fn only_creating(&self, event: &'static str) -> Result<(), TransitionError> {
        match self {
            Self::Creating => Ok(()),
            Self::Created | Self::Failed { .. } => {
                Err(TransitionError { event, state: self.status() })
            }
        }
    }
}

/// `itemKey`: the GUIDs of site and web; of a library also its list's; of a file or folder also its own. Unique in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemKey {
    pub site: Uuid,
    pub web: Uuid,
    pub list: Option<Uuid>,
    /// Only of an item in a list.
    pub item: Option<Uuid>,
}

impl ItemKey {
    #[must_use]
    pub const fn of_site(site: Uuid, web: Uuid) -> Self {
        Self { site, web, list: None, item: None }
    }

    #[must_use]
    pub const fn library(self, list: Uuid) -> Self {
        Self { list: Some(list), item: None, ..self }
    }

    #[must_use]
    pub const fn item(self, item: Uuid) -> Self {
        Self { item: Some(item), ..self }
    }

    /// The GUID of the thing itself.
    #[must_use]
    pub fn own(self) -> Uuid {
        self.item.or(self.list).unwrap_or(self.web)
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.site, self.web)?;
        for part in [self.list, self.item].into_iter().flatten() {
            write!(f, ",{part}")?;
        }
        Ok(())
    }
}

impl FromStr for ItemKey {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let mut parts = Vec::with_capacity(4);
        for part in text.split(',') {
            if part.len() != 36 {
                return Err(MalformedId);
            }
            parts.push(Uuid::try_parse(part).map_err(|_| MalformedId)?);
        }
        match parts[..] {
            [site, web] => Ok(Self::of_site(site, web)),
            [site, web, list] => Ok(Self::of_site(site, web).library(list)),
            [site, web, list, item] => Ok(Self::of_site(site, web).library(list).item(item)),
            _ => Err(MalformedId),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_two_to_four_parts() {
        let part = "0000000e-0001-4000-8000-0000000e0001";
        for parts in 0..6 {
            let text = vec![part; parts].join(",");
            let parsed: Result<ItemKey, _> = text.parse();
            if (2..=4).contains(&parts) {
                assert_eq!(parsed.expect("well-formed").to_string(), text);
            } else {
                assert_eq!(parsed, Err(MalformedId), "{text}");
            }
        }
        assert_eq!(format!("{part},x").parse::<ItemKey>(), Err(MalformedId));
    }

    #[test]
    fn it_is_created_or_fails_once() {
        let error = PublicError::new("UnknownError", "It failed.");
        let failed = BrowseState::Creating.fail(error.clone()).expect("it was being created");
        assert_eq!(BrowseState::Creating.finish(), Ok(BrowseState::Created));
        for ended in [BrowseState::Created, failed] {
            assert!(ended.finish().is_err() && ended.fail(error.clone()).is_err());
        }
    }
}
