//! Typed list queries as SQL. Values are always bound; only names from the match arms below become text.

use holdfast_domain::{TenantId, Timestamp};
use holdfast_store::StoreError;
use holdfast_store::query::{
    ActivityColumn, ArtifactColumn, BrowseSessionColumn, BulkJobColumn, BulkRestoreColumn, Column,
    Comparison, Cursor, Direction, ExclusionColumn, Filter, ListQuery, Page, Part, PolicyColumn,
    RestorePointColumn, RestoreSessionColumn, RuleColumn, ServiceAppColumn, TextMatch, UnitColumn,
    Value,
};
use rusqlite::types::Value as SqlValue;

use crate::rows::Columns;
use crate::{SqliteTx, failed};

/// A column's place in SQL.
pub(crate) trait SqlColumn: Column {
    /// The table, with the joins that the columns need.
    const FROM: &'static str;
    const OWN_ORDER: &'static [(Self, Direction)];

    fn expression(self) -> &'static str;

    fn is_time(self) -> bool;

    /// A column with an index of its own, whose values belong to one tenant each. When a filter fixes it, that index is used
    /// and not one that begins with the tenant: SQLite, which has no statistics, might think otherwise.
    const NARROW: Option<Self>;
}

/// `Column = "expression"`; times are marked with `time`.
macro_rules! sql_columns {
    ($($column:ident from $from:literal by $order:ident $direction:ident $(narrowed by $narrow:ident)? {
        $($member:ident = $(($time:ident))? $expression:literal),* $(,)?
    })*) => {
        $(impl SqlColumn for $column {
            const FROM: &'static str = $from;
            const OWN_ORDER: &'static [(Self, Direction)] =
                &[(Self::$order, Direction::$direction)];
            const NARROW: Option<Self> = narrow!($($narrow)?);

            fn expression(self) -> &'static str {
                match self { $(Self::$member => $expression),* }
            }

            fn is_time(self) -> bool {
                match self { $(Self::$member => is_time!($($time)?)),* }
            }
        })*
    };
}

macro_rules! narrow {
    () => {
        None
    };
    ($column:ident) => {
        Some(Self::$column)
    };
}

macro_rules! is_time {
    () => {
        false
    };
    (time) => {
        true
    };
}

sql_columns! {
    PolicyColumn from "policies t" by CreatedDateTime Descending {
        Id = "t.id", DisplayName = "t.display_name", Status = "t.status", Workload = "t.workload", Mode = "t.mode",
        CreatedDateTime = (time) "t.created_at", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    UnitColumn from "units t" by CreatedDateTime Descending narrowed by PolicyId {
        Id = "t.id", PolicyId = "t.policy", Status = "t.status", Workload = "t.workload", Resource = "t.resource", Name = "t.name",
        WebUrl = "t.web_url", Sources = "t.sources",
        CreatedDateTime = (time) "t.created_at", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    RestorePointColumn from "restore_points t JOIN units u ON u.id = t.unit" by ProtectionDateTime Descending narrowed by UnitId {
        Id = "t.id", UnitId = "t.unit", PolicyId = "u.policy", UnitWorkload = "u.workload",
        ProtectionDateTime = (time) "t.protection_date_time", ExpirationDateTime = (time) "t.expires_at",
    }
    RestoreSessionColumn from "restore_sessions t" by CreatedDateTime Descending {
        Id = "t.id", Status = "t.status", Workload = "t.workload", Kind = "t.kind", PolicyId = "t.policy",
        CreatedDateTime = (time) "t.created_at", LastModifiedDateTime = (time) "t.last_modified_at", CompletedDateTime = (time) "t.completed_at",
    }
    ArtifactColumn from "restore_artifacts t" by CreatedDateTime Ascending narrowed by SessionId {
        Id = "t.id", SessionId = "t.session", Part = "t.part", ItemKey = "t.item_key", BrowseSessionId = "t.browse_session", Status = "t.status",
        DestinationType = "t.destination", RestorePointId = "t.restore_point",
        CreatedDateTime = (time) "t.created_at", StartDateTime = (time) "t.started_at", CompletionDateTime = (time) "t.ended_at",
    }
    BrowseSessionColumn from "browse_sessions t" by CreatedDateTime Descending {
        Id = "t.id", Workload = "t.workload", Status = "t.status", RestorePointDateTime = (time) "t.protection_date_time",
        CreatedDateTime = (time) "t.created_at", ExpirationDateTime = (time) "t.expires_at",
    }
    RuleColumn from "rules t" by CreatedDateTime Descending {
        Id = "t.id", PolicyId = "t.policy", Workload = "t.workload", Kind = "t.kind", Status = "t.status",
        CreatedDateTime = (time) "t.created_at", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    BulkJobColumn from "bulk_addition_jobs t" by CreatedDateTime Descending {
        Id = "t.id", PolicyId = "t.policy", Workload = "t.workload", Purpose = "t.purpose", DisplayName = "t.display_name", Status = "t.status",
        CreatedDateTime = (time) "t.created_at", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    ExclusionColumn from "exclusion_units t" by CreatedDateTime Descending {
        Id = "t.id", PolicyId = "t.policy", Workload = "t.workload", Resource = "t.resource",
        CreatedDateTime = (time) "t.created_at", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    BulkRestoreColumn from "bulk_restore_requests t" by CreatedDateTime Descending {
        Id = "t.id", SessionId = "t.session", Workload = "t.workload", DisplayName = "t.display_name", Status = "t.status",
        CreatedDateTime = (time) "t.created_at", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    ServiceAppColumn from "service_apps t" by RegistrationDateTime Descending {
        Id = "t.id", Status = "t.status", RegistrationDateTime = (time) "t.registered_at", EffectiveDateTime = (time) "t.effective_at",
        LastModifiedDateTime = (time) "t.last_modified_at",
    }
    ActivityColumn from "activities t" by EventDateTime Descending {
        Id = "t.id", Operation = "t.operation", Result = "t.result", Workload = "t.workload", PerformedBy = "t.performed_by",
        EventDateTime = (time) "t.at",
    }
}

/// Runs a list query of one tenant and reads each row with `read`.
pub(crate) fn list<C: SqlColumn, T>(
    tx: &SqliteTx,
    tenant: TenantId,
    query: &ListQuery<C>,
    read: impl Fn(&Columns<'_>) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let mut order: Vec<(C, Direction)> =
        if query.order.is_empty() { C::OWN_ORDER.to_vec() } else { query.order.clone() };
    if !order.iter().any(|(column, _)| *column == C::ID) {
        order.push((C::ID, Direction::Ascending));
    }
    let mut statement = Statement::new(tenant, query.filter.as_ref());
    if let Some(filter) = &query.filter {
        statement.text.push_str(" AND ");
        statement.push_filter(filter);
    }
    if let Some(cursor) = &query.after {
        statement.push_position(&order, cursor)?;
        // The alternatives above are no range of an index; this says the same less exactly, and is one. Columns of a
        // collection's own order are never null.
        if let (true, Some((column, direction)), Some(value)) =
            (query.order.is_empty(), order.first(), cursor.0.first())
        {
            let bound = match direction {
                Direction::Ascending => ">=",
                Direction::Descending => "<=",
            };
            statement.push(&format!(" AND {} {bound} ?", column.expression()), sql_value(value));
        }
    }
    let keys: Vec<&str> = order.iter().map(|(column, _)| column.expression()).collect();
    let sorted: Vec<String> = order
        .iter()
        .map(|(column, direction)| {
            format!("{} {}", column.expression(), direction_text(*direction))
        })
        .collect();
    let text = format!(
        "SELECT t.*, {} FROM {} WHERE {} ORDER BY {} LIMIT {} OFFSET {}",
        keys.iter()
            .enumerate()
            .map(|(index, key)| format!("{key} AS order_{index}"))
            .collect::<Vec<_>>()
            .join(", "),
        C::FROM,
        statement.text,
        sorted.join(", "),
        u64::from(query.limit) + 1,
        if query.after.is_none() { query.skip } else { 0 },
    );
    let mut prepared = tx.sql().prepare_cached(&text).map_err(failed)?;
    let mut found = prepared.query(rusqlite::params_from_iter(statement.values)).map_err(failed)?;
    let mut page = Page { rows: Vec::new(), next: None };
    let mut last = None;
    while let Some(row) = found.next().map_err(failed)? {
        if page.rows.len() == query.limit as usize {
            page.next = last;
            break;
        }
        page.rows.push(read(&Columns::of(row))?);
        let mut position = Vec::with_capacity(order.len());
        for (index, (column, _)) in order.iter().enumerate() {
            let value: SqlValue = row.get(format!("order_{index}").as_str()).map_err(failed)?;
            position.push(value_of(value, column.is_time())?);
        }
        last = Some(Cursor(position));
    }
    Ok(page)
}

/// Counts the rows of one tenant that `filter` lets through.
pub(crate) fn count<C: SqlColumn>(
    tx: &SqliteTx,
    tenant: TenantId,
    filter: Option<&Filter<C>>,
) -> Result<u64, StoreError> {
    let mut statement = Statement::new(tenant, filter);
    if let Some(filter) = filter {
        statement.text.push_str(" AND ");
        statement.push_filter(filter);
    }
    let text = format!("SELECT count(*) FROM {} WHERE {}", C::FROM, statement.text);
    let mut prepared = tx.sql().prepare_cached(&text).map_err(failed)?;
    prepared
        .query_row(rusqlite::params_from_iter(statement.values), |row| row.get::<_, i64>(0))
        .map(|count| u64::try_from(count).unwrap_or(0))
        .map_err(failed)
}

/// Does everything that the filter lets through have one value of the column?
fn fixes<C: SqlColumn>(filter: &Filter<C>, column: C) -> bool {
    match filter {
        Filter::Compare(other, Comparison::Equal, value) => {
            *other == column && *value != Value::Null
        }
        Filter::And(left, right) => fixes(left, column) || fixes(right, column),
        _ => false,
    }
}

pub(crate) fn direction_text(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    }
}

struct Statement {
    text: String,
    values: Vec<SqlValue>,
}

impl Statement {
    fn new<C: SqlColumn>(tenant: TenantId, filter: Option<&Filter<C>>) -> Self {
        let is_narrow =
            filter.is_some_and(|filter| C::NARROW.is_some_and(|column| fixes(filter, column)));
        let text = if is_narrow { "+t.tenant = ?" } else { "t.tenant = ?" };
        Self { text: text.to_owned(), values: vec![SqlValue::Text(tenant.to_string())] }
    }

    fn push(&mut self, text: &str, value: SqlValue) {
        self.text.push_str(text);
        self.values.push(value);
    }

    fn push_filter<C: SqlColumn>(&mut self, filter: &Filter<C>) {
        self.text.push('(');
        match filter {
            Filter::Compare(column, comparison, value) => {
                self.push_comparison(*column, *comparison, value)
            }
            Filter::In(column, values) => {
                self.text.push('0');
                for value in values {
                    self.text.push_str(" OR ");
                    self.push_comparison(*column, Comparison::Equal, value);
                }
            }
            Filter::Text(column, how, text) => {
                let column = column.expression();
                let folded = SqlValue::Text(text.to_lowercase());
                match how {
                    TextMatch::Contains => {
                        self.push(&format!("instr(fold({column}), ?) > 0"), folded)
                    }
                    TextMatch::StartsWith => {
                        self.push(&format!("instr(fold({column}), ?) = 1"), folded)
                    }
                    TextMatch::EndsWith if text.is_empty() => {
                        self.text.push_str(&format!("{column} IS NOT NULL"));
                    }
                    TextMatch::EndsWith => {
                        let characters = text.to_lowercase().chars().count();
                        self.push(&format!("substr(fold({column}), -{characters}) = ?"), folded);
                    }
                }
            }
            Filter::Has(column, flags) => {
                self.text.push('1');
                for flag in flags {
                    let listed =
                        format!(" AND instr(',' || {} || ',', ?) > 0", column.expression());
                    self.push(&listed, SqlValue::Text(format!(",{flag},")));
                }
            }
            Filter::Any(Part::UnitsOfPolicy(filter)) => self.push_part("t.policy", filter),
            Filter::Any(Part::ArtifactsOfSession(filter)) => self.push_part("t.session", filter),
            Filter::And(left, right) => {
                self.push_filter(left);
                self.text.push_str(" AND ");
                self.push_filter(right);
            }
            Filter::Or(left, right) => {
                self.push_filter(left);
                self.text.push_str(" OR ");
                self.push_filter(right);
            }
            Filter::Not(inner) => {
                // A comparison with null is false in OData, not unknown: its negation is true.
                self.text.push_str("NOT coalesce(");
                self.push_filter(inner);
                self.text.push_str(", 0)");
            }
        }
        self.text.push(')');
    }

    /// The row's id is among the `owner`s of what `filter` lets through. Inside, `t` is the part and no longer the row.
    fn push_part<C: SqlColumn>(&mut self, owner: &str, filter: &Filter<C>) {
        let tenant = self.values[0].clone();
        self.push(&format!("t.id IN (SELECT {owner} FROM {} WHERE t.tenant = ?", C::FROM), tenant);
        self.text.push_str(" AND ");
        self.push_filter(filter);
        self.text.push(')');
    }

    fn push_comparison<C: SqlColumn>(&mut self, column: C, comparison: Comparison, value: &Value) {
        let operator = match comparison {
            Comparison::Equal => " IS ?",
            Comparison::NotEqual => " IS NOT ?",
            Comparison::Less => " < ?",
            Comparison::LessOrEqual => " <= ?",
            Comparison::Greater => " > ?",
            Comparison::GreaterOrEqual => " >= ?",
        };
        self.push(&format!("{}{operator}", column.expression()), sql_value(value));
    }

    /// Rows after `cursor` in `order`, in which null comes before everything.
    fn push_position<C: SqlColumn>(
        &mut self,
        order: &[(C, Direction)],
        cursor: &Cursor,
    ) -> Result<(), StoreError> {
        if cursor.0.len() != order.len() {
            return Err(StoreError::Inconsistent("a cursor of another order".to_owned()));
        }
        self.text.push_str(" AND (0");
        for (index, ((column, direction), value)) in order.iter().zip(&cursor.0).enumerate() {
            self.text.push_str(" OR (1");
            for ((equal, _), same) in order.iter().zip(&cursor.0).take(index) {
                self.push(&format!(" AND {} IS ?", equal.expression()), sql_value(same));
            }
            let column = column.expression();
            match (direction, value) {
                (Direction::Ascending, Value::Null) => {
                    self.text.push_str(&format!(" AND {column} IS NOT NULL"))
                }
                (Direction::Ascending, value) => {
                    self.push(&format!(" AND {column} > ?"), sql_value(value))
                }
                (Direction::Descending, Value::Null) => self.text.push_str(" AND 0"),
                (Direction::Descending, value) => {
                    self.push(&format!(" AND ({column} < ? OR {column} IS NULL)"), sql_value(value))
                }
            }
            self.text.push(')');
        }
        self.text.push(')');
        Ok(())
    }
}

fn sql_value(value: &Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Bool(flag) => SqlValue::Integer(i64::from(*flag)),
        Value::Integer(number) => SqlValue::Integer(*number),
        Value::Text(text) => SqlValue::Text(text.clone()),
        Value::Time(time) => SqlValue::Integer(time.unix_micros()),
    }
}

fn value_of(value: SqlValue, is_time: bool) -> Result<Value, StoreError> {
    match value {
        SqlValue::Null => Ok(Value::Null),
        SqlValue::Integer(micros) if is_time => Timestamp::from_unix_micros(micros)
            .map(Value::Time)
            .ok_or_else(|| StoreError::Inconsistent("a time out of range".to_owned())),
        SqlValue::Integer(number) => Ok(Value::Integer(number)),
        SqlValue::Text(text) => Ok(Value::Text(text)),
        SqlValue::Real(_) | SqlValue::Blob(_) => {
            Err(StoreError::Inconsistent("an order column of no sortable type".to_owned()))
        }
    }
}
