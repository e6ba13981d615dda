//! A list request as types: what OData's options become before they become SQL.

use holdfast_domain::Timestamp;

/// A column that lists may filter and sort by. Each noun has its own enum, so a filter cannot name another's column.
pub trait Column: Copy + Eq + Send + Sync + std::fmt::Debug + 'static {
    /// The unique column that every order ends with.
    const ID: Self;
}

/// One page of a collection.
#[derive(Debug, Clone)]
pub struct ListQuery<C> {
    pub filter: Option<Filter<C>>,
    /// Empty: the collection's own order. The id is always appended, so that paging is stable.
    pub order: Vec<(C, Direction)>,
    /// Continue after this position, which an earlier page of the same query gave.
    pub after: Option<Cursor>,
    /// Rows to leave out first. Only for first pages: those after a position begin there.
    pub skip: u32,
    pub limit: u32,
}

impl<C> ListQuery<C> {
    /// The first `limit` rows that `filter` lets through, in the collection's own order.
    #[must_use]
    pub fn first(limit: u32, filter: Option<Filter<C>>) -> Self {
        Self { filter, order: Vec::new(), after: None, skip: 0, limit }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// The order columns' values in the last row of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor(pub Vec<Value>);

/// Rows, and where the next page begins, if there is one.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub next: Option<Cursor>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Filter<C> {
    Compare(C, Comparison, Value),
    In(C, Vec<Value>),
    /// Text functions compare without regard to case.
    Text(C, TextMatch, String),
    /// All these flags are among those that the column lists, separated by commas.
    Has(C, Vec<String>),
    /// Something that belongs to the row.
    Any(Part),
    And(Box<Filter<C>>, Box<Filter<C>>),
    Or(Box<Filter<C>>, Box<Filter<C>>),
    Not(Box<Filter<C>>),
}

impl<C> Filter<C> {
    #[must_use]
    pub fn equal(column: C, value: impl Into<Value>) -> Self {
        Self::Compare(column, Comparison::Equal, value.into())
    }

    /// Lets every row through, or none.
    #[must_use]
    pub fn constant(every: bool) -> Self
    where
        C: Column,
    {
        let none = Self::In(C::ID, Vec::new());
        if every { Self::Not(Box::new(none)) } else { none }
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::And(Box::new(self), Box::new(other))
    }
}

/// What belongs to a row, and what is asked of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    UnitsOfPolicy(Box<Filter<UnitColumn>>),
    ArtifactsOfSession(Box<Filter<ArtifactColumn>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextMatch {
    StartsWith,
    EndsWith,
    Contains,
}

/// A literal. Null sorts before everything else.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    Time(Timestamp),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

macro_rules! columns {
    ($(#[$meta:meta])* $name:ident { $($variant:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { Id, $($variant),* }

        impl Column for $name {
            const ID: Self = Self::Id;
        }
    };
}

columns!(
    /// Of policies. `Status` is the published one.
    PolicyColumn { DisplayName, Status, Workload, Mode, CreatedDateTime, LastModifiedDateTime }
);
columns!(
    /// Of units. `PolicyId` is null for detached ones.
    UnitColumn { PolicyId, Status, Workload, Resource, Name, WebUrl, Sources, CreatedDateTime, LastModifiedDateTime }
);
columns!(
    /// Of restore points. `PolicyId` is the unit's present one.
    RestorePointColumn { UnitId, PolicyId, UnitWorkload, ProtectionDateTime, ExpirationDateTime }
);
columns!(
    /// Of restore sessions. `Status` is the published one, `failed` included.
    RestoreSessionColumn { Status, Workload, Kind, PolicyId, CreatedDateTime, LastModifiedDateTime, CompletedDateTime }
);
columns!(
    /// Of browse sessions.
    BrowseSessionColumn { Workload, Status, RestorePointDateTime, CreatedDateTime, ExpirationDateTime }
);
columns!(
    /// Of restore artifacts.
    ArtifactColumn { SessionId, Part, ItemKey, BrowseSessionId, Status, DestinationType, RestorePointId, CreatedDateTime, StartDateTime, CompletionDateTime }
);
columns!(
    /// Of inclusion rules.
    RuleColumn { PolicyId, Workload, Kind, Status, CreatedDateTime, LastModifiedDateTime }
);
columns!(
    /// Of bulk addition and exclusion jobs.
    BulkJobColumn { PolicyId, Workload, Purpose, DisplayName, Status, CreatedDateTime, LastModifiedDateTime }
);
columns!(
    /// Of exclusion units.
    ExclusionColumn { PolicyId, Workload, Resource, CreatedDateTime, LastModifiedDateTime }
);
columns!(
    /// Of bulk restore requests.
    BulkRestoreColumn { SessionId, Workload, DisplayName, Status, CreatedDateTime, LastModifiedDateTime }
);
columns!(
    /// Of controller applications.
    ServiceAppColumn { Status, RegistrationDateTime, EffectiveDateTime, LastModifiedDateTime }
);
columns!(
    /// Of the activity log.
    ActivityColumn { Operation, Result, Workload, PerformedBy, EventDateTime }
);
