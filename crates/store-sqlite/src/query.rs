//! Typed list queries as SQL. Values are always bound; only names from the match arms below become text.

use holdfast_domain::{TenantId, Timestamp};
use holdfast_store::StoreError;
use holdfast_store::query::{
    ActivityColumn, Arithmetic, ArtifactColumn, BrowseSessionColumn, BulkJobColumn,
    BulkRestoreColumn, Column, Comparison, Cursor, Direction, ElementColumn, ExclusionColumn,
    Filter, Function, ListQuery, MailColumn, Page, Part, PolicyColumn, RestorePointColumn,
    RestoreSessionColumn, RuleColumn, ServiceAppColumn, Term, TextMatch, UnitColumn, Value,
};
use rusqlite::types::Value as SqlValue;

use crate::rows::Columns;
use crate::{SqliteTx, failed};

/// A column's place in SQL.
pub(crate) trait SqlColumn: Column {
    fn expression(self) -> &'static str;
}

/// Columns of which there are lists.
pub(crate) trait TableColumn: SqlColumn {
    /// The table, with the joins that the columns need.
    const FROM: &'static str;
    const OWN_ORDER: &'static [(Self, Direction)];

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
            fn expression(self) -> &'static str {
                match self { $(Self::$member => $expression),* }
            }
        }

        impl TableColumn for $column {
            const FROM: &'static str = $from;
            const OWN_ORDER: &'static [(Self, Direction)] =
                &[(Self::$order, Direction::$direction)];
            const NARROW: Option<Self> = narrow!($($narrow)?);

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
        Id = "t.id", DisplayName = "t.display_name", Status = "t.status",
        IsEnabled = "(t.status IN ('active', 'activeWithErrors') OR t.goal IS 'active')",
        Workload = "t.workload", Mode = "t.mode",
        RetentionSettings = "json_array(json_object('interval', 'R/PT10M', 'period', 'P2W'), json_object('interval', 'R/P1W', 'period', iif(t.retention_days = 365, 'P1Y', 'P' || t.retention_days || 'D')))",
        UnitsTotal = "(SELECT count(*) FROM units u WHERE u.policy = t.id)",
        UnitsCompleted = "(SELECT count(*) FROM units u WHERE u.policy = t.id AND u.state = 'protected')",
        UnitsInProgress = "(SELECT count(*) FROM units u WHERE u.policy = t.id AND u.state IN ('protectRequested', 'unprotectRequested', 'removeRequested'))",
        UnitsFailed = "(SELECT count(*) FROM units u WHERE u.policy = t.id AND u.state = 'unprotected' AND u.error IS NOT NULL)",
        CreatedBy = "t.created_by", CreatedDateTime = (time) "t.created_at",
        LastModifiedBy = "t.last_modified_by", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    UnitColumn from "units t" by CreatedDateTime Descending narrowed by PolicyId {
        Id = "t.id", PolicyId = "t.policy", Status = "t.status", Workload = "t.workload", Resource = "t.resource", Name = "t.name",
        WebUrl = "t.web_url", Email = "t.email", Sources = "t.sources",
        OffboardRequestedDateTime = (time) "t.state_since",
        RetentionDays = "t.retention_days", BillingPolicy = "t.billing_policy", Error = "t.error",
        CreatedBy = "t.created_by", CreatedDateTime = (time) "t.created_at",
        LastModifiedBy = "t.last_modified_by", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    RestorePointColumn from "restore_points t JOIN units u ON u.id = t.unit" by ProtectionDateTime Descending narrowed by UnitId {
        Id = "t.id", UnitId = "t.unit", PolicyId = "u.policy", UnitWorkload = "t.workload", UnitStatus = "u.status", UnitResource = "u.resource",
        UnitName = "u.name", UnitWebUrl = "u.web_url", UnitEmail = "u.email", UnitSources = "u.sources", UnitError = "u.error",
        ProtectionDateTime = (time) "t.protection_date_time", ExpirationDateTime = (time) "t.expires_at",
    }
    RestoreSessionColumn from "restore_sessions t" by CreatedDateTime Descending {
        Id = "t.id", Status = "t.status", Workload = "t.workload", Kind = "t.kind", PolicyId = "t.policy",
        ArtifactsTotal = "(SELECT count(*) FROM restore_artifacts a WHERE a.session = t.id)",
        ArtifactsCompleted = "(SELECT count(*) FROM restore_artifacts a WHERE a.session = t.id AND a.status = 'succeeded')",
        ArtifactsInProgress = "(SELECT count(*) FROM restore_artifacts a WHERE a.session = t.id AND a.status IN ('scheduling', 'scheduled', 'inProgress'))",
        ArtifactsFailed = "(SELECT count(*) FROM restore_artifacts a WHERE a.session = t.id AND a.status = 'failed')",
        Error = "t.error", CreatedBy = "t.created_by", CreatedDateTime = (time) "t.created_at",
        LastModifiedBy = "t.last_modified_by", LastModifiedDateTime = (time) "t.last_modified_at", CompletedDateTime = (time) "t.completed_at",
    }
    ArtifactColumn from "restore_artifacts t" by CreatedDateTime Ascending narrowed by SessionId {
        Id = "t.id", SessionId = "t.session", Part = "t.part", ItemKey = "t.item_key", ShownId = "coalesce(t.item_key, t.id)",
        BrowseSessionId = "t.browse_session",
        SearchResponseId = "t.search_response", Status = "t.status", DestinationType = "t.destination", RestorePointId = "t.restore_point",
        RestorePointDateTime = (time) "(SELECT p.protection_date_time FROM restore_points p WHERE p.id = t.restore_point)",
        WebUrl = "t.item_web_url", RestoredId = "t.restored_id", RestoredName = "t.restored_name", RestoredWebUrl = "t.restored_web_url",
        RestoredItemPath = "t.restored_item_path", RestoredItemWebUrl = "t.restored_item_web_url", Error = "t.error",
        CreatedDateTime = (time) "t.created_at", StartDateTime = (time) "t.started_at", CompletionDateTime = (time) "t.ended_at",
    }
    BrowseSessionColumn from "browse_sessions t" by CreatedDateTime Descending {
        Id = "t.id", Workload = "t.workload", Status = "t.status",
        Resource = "iif(t.workload = 'sharePoint', substr(t.resource, instr(t.resource, ',') + 1, 36), t.resource)", Error = "t.error",
        RestorePointDateTime = (time) "t.protection_date_time", CreatedDateTime = (time) "t.created_at", ExpirationDateTime = (time) "t.expires_at",
    }
    RuleColumn from "rules t" by CreatedDateTime Descending {
        Id = "t.id", PolicyId = "t.policy", Workload = "t.workload", IsDynamic = "(t.kind = 'dynamic')", Expression = "t.expression",
        Status = "t.status", Error = "t.error", CreatedBy = "t.created_by", CreatedDateTime = (time) "t.created_at",
        LastModifiedBy = "t.last_modified_by", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    BulkJobColumn from "bulk_addition_jobs t" by CreatedDateTime Descending {
        Id = "t.id", PolicyId = "t.policy", Workload = "t.workload", Purpose = "t.purpose", DisplayName = "t.display_name",
        Names = "t.names", Ids = "t.ids", Status = "t.status", Error = "t.error", CreatedBy = "t.created_by",
        CreatedDateTime = (time) "t.created_at", LastModifiedBy = "t.last_modified_by", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    ExclusionColumn from "exclusion_units t" by CreatedDateTime Descending {
        Id = "t.id", PolicyId = "t.policy", Workload = "t.workload", Resource = "t.resource", CreatedBy = "t.created_by",
        CreatedDateTime = (time) "t.created_at", LastModifiedBy = "t.last_modified_by", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    BulkRestoreColumn from "bulk_restore_requests t" by CreatedDateTime Descending {
        Id = "t.id", SessionId = "t.session", Workload = "t.workload", DisplayName = "t.display_name", Names = "t.names", Ids = "t.ids",
        DestinationType = "t.destination", Preference = "t.preference", PeriodStart = (time) "t.period_start", PeriodEnd = (time) "t.period_end",
        Status = "t.status", Error = "t.error", CreatedBy = "t.created_by", CreatedDateTime = (time) "t.created_at",
        LastModifiedBy = "t.last_modified_by", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    ServiceAppColumn from "service_apps t" by RegistrationDateTime Descending {
        Id = "t.id", Status = "t.status", RegistrationDateTime = (time) "t.registered_at", EffectiveDateTime = (time) "t.effective_at",
        LastModifiedBy = "t.last_modified_by", LastModifiedDateTime = (time) "t.last_modified_at",
    }
    ActivityColumn from "activities t" by EventDateTime Descending {
        Id = "t.id", Operation = "t.operation", Result = "t.result", Workload = "t.workload",
        ServiceType = "iif(t.workload = 'oneDrive', 'oneDriveForBusiness', t.workload)",
        PerformedBy = "t.performed_by", Details = "t.details", Error = "t.error", EventDateTime = (time) "t.at",
    }
    MailColumn from "mails t" by WrittenDateTime Descending {
        Id = "t.id", Status = "t.state", Recipient = "t.recipient", WrittenDateTime = (time) "t.written_at",
    }
}

impl SqlColumn for ElementColumn {
    fn expression(self) -> &'static str {
        match self {
            Self::Id => "e.key",
            Self::Value => "e.value",
        }
    }
}

/// Runs a list query of one tenant and reads each row with `read`.
pub(crate) fn list<C: TableColumn, T>(
    tx: &SqliteTx,
    tenant: TenantId,
    query: &ListQuery<C>,
    read: impl Fn(&Columns<'_>) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let PageStatement { text, values, order } = page_statement(tenant, query)?;
    let mut prepared = tx.sql().prepare_cached(&text).map_err(failed)?;
    let mut found = prepared.query(rusqlite::params_from_iter(values)).map_err(failed)?;
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

struct PageStatement<C> {
    text: String,
    values: Vec<SqlValue>,
    /// The columns by which the rows come, whose values follow those of the table as `order_0` and so on.
    order: Vec<(C, Direction)>,
}

fn page_statement<C: TableColumn>(
    tenant: TenantId,
    query: &ListQuery<C>,
) -> Result<PageStatement<C>, StoreError> {
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
    Ok(PageStatement { text, values: statement.values, order })
}

/// Counts the rows of one tenant that `filter` lets through.
pub(crate) fn count<C: TableColumn>(
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
fn fixes<C: Column>(filter: &Filter<C>, column: C) -> bool {
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
    fn new<C: TableColumn>(tenant: TenantId, filter: Option<&Filter<C>>) -> Self {
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
            Filter::Relate(left, comparison, right) => {
                self.push_term(left);
                self.text.push_str(operator(*comparison));
                self.push_term(right);
            }
            Filter::Text(text, how, part) => self.push_text_match(text, *how, part),
            Filter::Has(term, flags) => {
                self.text.push('1');
                for flag in flags {
                    self.text.push_str(" AND instr(',' || ");
                    self.push_term(term);
                    self.push(" || ',', ?) > 0", SqlValue::Text(format!(",{flag},")));
                }
            }
            Filter::Any(Part::UnitsOfPolicy(filter)) => self.push_part("t.policy", filter),
            Filter::Any(Part::RulesOfPolicy(filter)) => self.push_part("t.policy", filter),
            Filter::Any(Part::BulkJobsOfPolicy(filter)) => self.push_part("t.policy", filter),
            Filter::Any(Part::ExclusionsOfPolicy(filter)) => self.push_part("t.policy", filter),
            Filter::Any(Part::ArtifactsOfSession(filter)) => self.push_part("t.session", filter),
            Filter::Any(Part::BulkRequestsOfSession(filter)) => self.push_part("t.session", filter),
            Filter::AnyElement(list, filter) => {
                self.text.push_str("EXISTS (SELECT 1 FROM json_each(");
                self.push_term(list);
                self.text.push_str(") e WHERE ");
                self.push_filter(filter);
                self.text.push(')');
            }
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
    fn push_part<C: TableColumn>(&mut self, owner: &str, filter: &Filter<C>) {
        let tenant = self.values[0].clone();
        self.push(&format!("t.id IN (SELECT {owner} FROM {} WHERE t.tenant = ?", C::FROM), tenant);
        self.text.push_str(" AND ");
        self.push_filter(filter);
        self.text.push(')');
    }

    fn push_text_match<C: SqlColumn>(&mut self, text: &Term<C>, how: TextMatch, part: &Term<C>) {
        let (before, between, after) = match how {
            TextMatch::Contains => ("instr(fold(", "), fold(", ")) > 0"),
            TextMatch::StartsWith => ("instr(fold(", "), fold(", ")) = 1"),
            TextMatch::EndsWith => ("ends_with(fold(", "), fold(", "))"),
        };
        self.text.push_str(before);
        self.push_term(text);
        self.text.push_str(between);
        self.push_term(part);
        self.text.push_str(after);
    }

    fn push_term<C: SqlColumn>(&mut self, term: &Term<C>) {
        match term {
            Term::Column(column) => self.text.push_str(column.expression()),
            Term::Json(column, path) => {
                self.push(
                    &format!("({} ->> ?)", column.expression()),
                    SqlValue::Text((*path).to_owned()),
                );
            }
            Term::Value(value) => self.push("?", sql_value(value)),
            Term::Call(function, arguments) => self.push_call(*function, arguments),
            Term::Arithmetic(left, operator, right) => {
                self.text.push('(');
                self.push_term(left);
                self.text.push_str(match operator {
                    Arithmetic::Add => " + ",
                    Arithmetic::Subtract => " - ",
                    Arithmetic::Multiply => " * ",
                    Arithmetic::Divide => " / ",
                    Arithmetic::Modulo => " % ",
                });
                self.push_term(right);
                self.text.push(')');
            }
            Term::Where(filter, term) => {
                self.text.push_str("iif(");
                self.push_filter(filter);
                self.text.push_str(", ");
                self.push_term(term);
                self.text.push_str(", NULL)");
            }
        }
    }

    /// What stands before the first argument, before each other, and after the last.
    fn push_call<C: SqlColumn>(&mut self, function: Function, arguments: &[Term<C>]) {
        let part_of_time = |format: &str| {
            (format!("CAST(strftime('{format}', "), "", " / 1000000, 'unixepoch') AS INTEGER)")
        };
        let (before, between, after) = match function {
            Function::ToLower => ("fold(".to_owned(), "", ")"),
            Function::ToUpper => ("unfold(".to_owned(), "", ")"),
            Function::Trim => ("trim(".to_owned(), "", ")"),
            Function::Length => ("length(".to_owned(), "", ")"),
            Function::IndexOf => ("(instr(".to_owned(), ", ", ") - 1)"),
            Function::Substring => ("part_of_text(".to_owned(), ", ", ")"),
            Function::Concat => ("(".to_owned(), " || ", ")"),
            Function::Year => part_of_time("%Y"),
            Function::Month => part_of_time("%m"),
            Function::Day => part_of_time("%d"),
            Function::Hour => part_of_time("%H"),
            Function::Minute => part_of_time("%M"),
            Function::Second => part_of_time("%S"),
            Function::FirstOf => ("coalesce(".to_owned(), ", ", ")"),
            Function::Date => ("strftime('%Y-%m-%d', ".to_owned(), "", " / 1000000, 'unixepoch')"),
        };
        self.text.push_str(&before);
        for (index, argument) in arguments.iter().enumerate() {
            if index > 0 {
                self.text.push_str(between);
            }
            self.push_term(argument);
        }
        self.text.push_str(after);
    }

    fn push_comparison<C: SqlColumn>(&mut self, column: C, comparison: Comparison, value: &Value) {
        self.push(&format!("{}{}?", column.expression(), operator(comparison)), sql_value(value));
    }

    /// Rows after `cursor` in `order`, in which null comes before everything.
    fn push_position<C: TableColumn>(
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

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => " IS ",
        Comparison::NotEqual => " IS NOT ",
        Comparison::Less => " < ",
        Comparison::LessOrEqual => " <= ",
        Comparison::Greater => " > ",
        Comparison::GreaterOrEqual => " >= ",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SqliteStore;

    /// The steps by which SQLite finds the first page.
    async fn plan<C: TableColumn>(filter: Filter<C>) -> Vec<String> {
        let tenant = "00000000-0000-4000-8000-00000000000a".parse().expect("a GUID");
        let query = ListQuery::first(5, Some(filter));
        let statement = page_statement(tenant, &query).expect("no cursor");
        let store = SqliteStore::in_memory();
        let connection = store.writer.lock().await;
        let plan = format!("EXPLAIN QUERY PLAN {}", statement.text);
        let mut plan = connection.prepare(&plan).expect("prepares");
        let steps = plan.query_map(rusqlite::params_from_iter(statement.values), |row| row.get(3));
        steps.expect("explains").collect::<Result<_, _>>().expect("reads")
    }

    /// A user whose roles cover one workload sees a page of a large tenant without reading what they do not cover.
    #[tokio::test]
    async fn lists_of_one_workload_come_in_the_order_of_an_index() {
        let workload = |column| Filter::one_of(column, vec!["exchange".into()]);
        let steps = plan(workload(RestorePointColumn::UnitWorkload)).await;
        assert!(
            steps[0].contains("restore_points_by_workload (tenant=? AND workload=?)"),
            "{steps:?}"
        );
        assert!(!steps.iter().any(|step| step.contains("B-TREE")), "{steps:?}");
        let steps = plan(Filter::one_of(UnitColumn::Workload, vec!["exchange".into()])).await;
        assert!(steps[0].contains("units_by_workload (tenant=? AND workload=?)"), "{steps:?}");
        assert_eq!(steps.len(), 1, "nothing is sorted");
        let of_workload = Filter::equal(UnitColumn::Workload, "exchange");
        let steps = plan(of_workload.and(Filter::equal(UnitColumn::Status, "protected"))).await;
        assert!(steps[0].contains("units_by_workload_and_status"), "{steps:?}");
        assert_eq!(steps.len(), 1, "nothing is sorted");
    }
}
