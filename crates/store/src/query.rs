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
    /// Any two values.
    Relate(Term<C>, Comparison, Term<C>),
    /// The first text has the second one, without regard to case.
    Text(Term<C>, TextMatch, Term<C>),
    /// All these flags are among those that the text lists, separated by commas.
    Has(Term<C>, Vec<String>),
    /// Something that belongs to the row.
    Any(Part),
    /// Something in a list, written as JSON, for which the filter holds.
    AnyElement(Term<C>, Box<Filter<ElementColumn>>),
    And(Box<Filter<C>>, Box<Filter<C>>),
    Or(Box<Filter<C>>, Box<Filter<C>>),
    Not(Box<Filter<C>>),
}

impl<C> Filter<C> {
    #[must_use]
    pub fn equal(column: C, value: impl Into<Value>) -> Self {
        Self::Compare(column, Comparison::Equal, value.into())
    }

    /// The text in a column has `part`, without regard to case.
    pub fn text(column: C, how: TextMatch, part: impl Into<String>) -> Self {
        Self::Text(Term::Column(column), how, Term::Value(Value::Text(part.into())))
    }

    /// The column has one of the values. One value is compared by itself, since lists in the order of an index follow from that.
    #[must_use]
    pub fn one_of(column: C, mut values: Vec<Value>) -> Self {
        match (values.pop(), values.is_empty()) {
            (Some(only), true) => Self::equal(column, only),
            (last, _) => {
                values.extend(last);
                Self::In(column, values)
            }
        }
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
    RulesOfPolicy(Box<Filter<RuleColumn>>),
    BulkJobsOfPolicy(Box<Filter<BulkJobColumn>>),
    ExclusionsOfPolicy(Box<Filter<ExclusionColumn>>),
    ArtifactsOfSession(Box<Filter<ArtifactColumn>>),
    BulkRequestsOfSession(Box<Filter<BulkRestoreColumn>>),
}

/// What a row has a value of. Whatever is made of null is null, and so is what cannot be calculated.
#[derive(Debug, Clone, PartialEq)]
pub enum Term<C> {
    Column(C),
    /// A member of the JSON in a column, by SQLite's path: a text, a number, or JSON.
    Json(C, &'static str),
    Value(Value),
    /// With as many arguments as the function takes.
    Call(Function, Vec<Self>),
    /// Times and durations are microseconds. What does not fit is a floating-point number.
    Arithmetic(Box<Self>, Arithmetic, Box<Self>),
    /// Null for rows that the filter does not let through.
    Where(Box<Filter<C>>, Box<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    ToLower,
    ToUpper,
    Trim,
    Length,
    /// Of the second text in the first, from 0; -1 when it is not there.
    IndexOf,
    /// Of a text, from a position, counted from 0, and as long as the third argument, if there is one, says.
    Substring,
    Concat,
    /// Of times, in UTC.
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// `2026-03-04`
    Date,
    /// The first argument that is not null.
    FirstOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
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

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
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
    /// Of the elements of a list. `Id` is the place.
    ElementColumn { Value }
);
columns!(
    /// Of policies. `Status` is the published one; `RetentionSettings` is a list as Graph shows it, for [`Filter::AnyElement`].
    PolicyColumn { DisplayName, Status, IsEnabled, Workload, Mode, RetentionSettings, UnitsTotal, UnitsCompleted, UnitsInProgress, UnitsFailed, CreatedBy, CreatedDateTime, LastModifiedBy, LastModifiedDateTime }
);
columns!(
    /// Of units. `PolicyId` is null for detached ones.
    UnitColumn { PolicyId, Status, Workload, Resource, Name, WebUrl, Email, Sources, OffboardRequestedDateTime, RetentionDays, BillingPolicy, Error, CreatedBy, CreatedDateTime, LastModifiedBy, LastModifiedDateTime }
);
columns!(
    /// Of restore points. `PolicyId` is the unit's present one.
    RestorePointColumn { UnitId, PolicyId, UnitWorkload, UnitStatus, UnitResource, UnitName, UnitWebUrl, UnitEmail, UnitSources, UnitError, ProtectionDateTime, ExpirationDateTime }
);
columns!(
    /// Of restore sessions. `Status` is the published one, `failed` included.
    RestoreSessionColumn { Status, Workload, Kind, PolicyId, ArtifactsTotal, ArtifactsCompleted, ArtifactsInProgress, ArtifactsFailed, Error, CreatedBy, CreatedDateTime, LastModifiedBy, LastModifiedDateTime, CompletedDateTime }
);
columns!(
    /// Of browse sessions.
    BrowseSessionColumn { Workload, Status, Resource, Error, RestorePointDateTime, CreatedDateTime, ExpirationDateTime }
);
columns!(
    /// Of restore artifacts. `ShownId` is the item's key, where there is one.
    ArtifactColumn { SessionId, Part, ItemKey, ShownId, BrowseSessionId, SearchResponseId, Status, DestinationType, RestorePointId, RestorePointDateTime, WebUrl, RestoredId, RestoredName, RestoredWebUrl, RestoredItemPath, RestoredItemWebUrl, Error, CreatedDateTime, StartDateTime, CompletionDateTime }
);
columns!(
    /// Of inclusion rules.
    RuleColumn { PolicyId, Workload, IsDynamic, Expression, Status, Error, CreatedBy, CreatedDateTime, LastModifiedBy, LastModifiedDateTime }
);
columns!(
    /// Of bulk addition and exclusion jobs.
    BulkJobColumn { PolicyId, Workload, Purpose, DisplayName, Names, Ids, Status, Error, CreatedBy, CreatedDateTime, LastModifiedBy, LastModifiedDateTime }
);
columns!(
    /// Of exclusion units.
    ExclusionColumn { PolicyId, Workload, Resource, CreatedBy, CreatedDateTime, LastModifiedBy, LastModifiedDateTime }
);
columns!(
    /// Of bulk restore requests.
    BulkRestoreColumn { SessionId, Workload, DisplayName, Names, Ids, DestinationType, Preference, PeriodStart, PeriodEnd, Status, Error, CreatedBy, CreatedDateTime, LastModifiedBy, LastModifiedDateTime }
);
columns!(
    /// Of controller applications.
    ServiceAppColumn { Status, RegistrationDateTime, EffectiveDateTime, LastModifiedBy, LastModifiedDateTime }
);
columns!(
    /// Of the activity log. `Details` is JSON with the properties of derived types.
    ActivityColumn { Operation, Result, Workload, ServiceType, PerformedBy, Details, Error, EventDateTime }
);
columns!(
    /// Of mails.
    MailColumn { Status, Recipient, WrittenDateTime }
);
