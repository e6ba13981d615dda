//! Reading collections: list, `$count`, get and `$expand`, once for all nouns. A [`Resource`] says what is its own.

use std::marker::PhantomData;
use std::str::FromStr;

use async_trait::async_trait;
use holdfast_domain::limits::PAGE;
use holdfast_domain::{Timestamp, Workload};
use holdfast_graph_model::odata::{Expand, Expression, QueryOptions};
use holdfast_graph_model::{ErrorCode, Version, types};
use holdfast_store::query::{Filter, Page, Term};
use holdfast_store::{AnyTx, Listed, Noun, Versioned};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::call::{Call, allow_inside};
use crate::filter::{Elements, Vocabulary, any_element, typed};
use crate::listing::{
    self, Field, FieldKind, Listing, count_filter, expanded_query, select_with_expanded,
    unknown_property,
};
use crate::problem::Problem;
use crate::workload::Wording;
use crate::{policies, restore_sessions};

/// Which of the collections that hold a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The root's collection of the base type: `/protectionUnits`.
    All,
    /// The root's collection of one workload: `/siteProtectionUnits`.
    Of(Workload),
    /// The collection in a policy or restore session: `/sharePointProtectionPolicies/{id}/siteProtectionUnits`.
    In(Workload),
}

impl At {
    pub(crate) fn workload(self) -> Option<Workload> {
        match self {
            Self::All => None,
            Self::Of(workload) | Self::In(workload) => Some(workload),
        }
    }
}

/// What contains a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parent {
    Root,
    Policy,
    Session,
}

/// See [`Resource::PLACE_COLUMNS`].
pub(crate) struct PlaceColumns<C> {
    pub(crate) workload: Option<C>,
    pub(crate) parent: Option<C>,
}

/// See [`Resource::RECORDED`].
pub(crate) struct Recorded<C> {
    pub(crate) error: Option<C>,
    pub(crate) created_by: Option<C>,
    pub(crate) last_modified_by: Option<C>,
}

impl<C> Recorded<C> {
    pub(crate) const NOTHING: Self = Self { error: None, created_by: None, last_modified_by: None };

    fn field(self, name: &str) -> Option<Field<C>> {
        let (document, member) = name.split_once('/').unwrap_or((name, ""));
        let column = match document {
            "error" => self.error?,
            "createdBy" => self.created_by?,
            "lastModifiedBy" => self.last_modified_by?,
            _ => return None,
        };
        let path = match (document, member) {
            (_, "") => return Some(Field::column(column, FieldKind::Object)),
            ("error", "code") => "$.code",
            ("error", "message") => "$.message",
            ("error", "target") => "$.target",
            ("error", _) => return None,
            (_, "application/id") => "$.application.id",
            (_, "application/displayName") => "$.application.displayName",
            (_, "user/id") => "$.user.id",
            (_, "user/displayName") => "$.user.displayName",
            _ => return None,
        };
        Some(Field { term: Term::Json(column, path), kind: FieldKind::Text })
    }
}

/// A kind of object that clients read from collections.
#[async_trait]
pub(crate) trait Resource: Send + Sync + 'static {
    type Noun: Noun<Id: FromStr> + Clone;

    /// The most general type, for `$select`: the properties of what derives from it can be selected, too.
    const BASE: &'static str;
    const PARENT: Parent = Parent::Root;
    /// For ids that are not well-formed.
    const MALFORMED: ErrorCode = ErrorCode::ResourceNotFound;
    /// For well-formed ids of nothing.
    const NOT_FOUND: ErrorCode = ErrorCode::ResourceNotFound;
    /// In messages: `policy`.
    const WORD: &'static str;
    const EXPANDABLE: &'static [&'static str] = &[];
    const DEFAULT_PAGE: u32 = PAGE;

    /// The collection's name.
    fn segment(at: At) -> String;

    /// What may be filtered and sorted by, beside what [`Resource::RECORDED`] says. Names only for those who may read them, since a
    /// filter tells what it matches.
    fn field(name: &str, call: &Call) -> Option<Field<<Self::Noun as Noun>::Column>>;

    /// Where `$search` looks; nowhere: it is refused.
    fn searchable(_call: &Call) -> &'static [<Self::Noun as Noun>::Column] {
        &[]
    }

    /// For `any` and `all`: which objects list something at the property for which `holds`. `None`: it is no such list.
    fn any(
        _property: &str,
        _holds: Option<Expression>,
        _call: &Call,
    ) -> Result<Option<Filter<<Self::Noun as Noun>::Column>>, Problem> {
        Ok(None)
    }

    /// For `isof` and casts to types that no workload tells apart, and of what `property` leads to.
    fn of_type(
        _property: Option<&str>,
        _type_name: &str,
    ) -> Option<Filter<<Self::Noun as Noun>::Column>> {
        None
    }

    /// The columns with the `error`, and with who made and changed the object, where the noun has them.
    const RECORDED: Recorded<<Self::Noun as Noun>::Column>;

    /// The columns of the workload and of the parent's id, where the noun has them.
    const PLACE_COLUMNS: PlaceColumns<<Self::Noun as Noun>::Column>;

    /// The workload and the parent of one object.
    fn place(noun: &Self::Noun) -> (Option<Workload>, Option<String>);

    /// Is the noun one of this resource's? Where several resources share a type of noun.
    fn includes(_noun: &Self::Noun) -> bool {
        true
    }

    /// What is asked of the rows wherever they are read: the same as [`Resource::includes`], of a query.
    fn visible(_call: &Call) -> Option<Filter<<Self::Noun as Noun>::Column>> {
        None
    }

    /// One object, as `options` asks for it.
    async fn shown(
        noun: &Self::Noun,
        tx: &mut AnyTx,
        call: &Call,
        options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem>;

    /// The noun with that key, in any place.
    async fn find(
        tx: &mut AnyTx,
        call: &Call,
        key: &str,
        _parent: Option<&str>,
    ) -> Result<Option<Versioned<Self::Noun>>, Problem>
    where
        AnyTx: Listed<Self::Noun>,
    {
        let id: <Self::Noun as Noun>::Id = key
            .parse()
            .map_err(|_| Problem::new(Self::MALFORMED, format!("'{key}' is no well-formed id.")))?;
        Ok(Listed::<Self::Noun>::get(tx, call.caller.tenant, &id).await?)
    }
}

type ColumnOf<R> = <<R as Resource>::Noun as Noun>::Column;

/// The [`Vocabulary`] of a resource for one caller.
pub(crate) struct Words<'a, R> {
    call: &'a Call,
    /// Before every name: the property through which the resource is reached.
    prefix: &'a str,
    resource: PhantomData<fn() -> R>,
}

impl<'a, R: Resource> Words<'a, R> {
    pub(crate) fn of(call: &'a Call) -> Self {
        Self { call, prefix: "", resource: PhantomData }
    }
}

impl<R: Resource> Vocabulary<ColumnOf<R>> for Words<'_, R> {
    fn field(&self, name: &str) -> Option<Field<ColumnOf<R>>> {
        let name = format!("{}{name}", self.prefix);
        R::field(&name, self.call).or_else(|| R::RECORDED.field(&name))
    }

    fn of_type(&self, property: Option<&str>, type_name: &str) -> Option<Filter<ColumnOf<R>>> {
        if let Some(filter) = R::of_type(property, type_name) {
            return Some(filter);
        }
        if property.is_some() || !self.prefix.is_empty() {
            return None;
        }
        if type_name == R::BASE {
            return Some(Filter::constant(true));
        }
        types().family(R::BASE).find(|info| info.name == type_name)?;
        // Of the types that derive from the base, those for a workload are told apart by its column; there are no others.
        match workload_of_type(type_name) {
            Some(workload) => Some(Filter::equal(R::PLACE_COLUMNS.workload?, workload.name())),
            None => Some(Filter::constant(false)),
        }
    }

    fn any(
        &self,
        property: &str,
        holds: Option<Expression>,
    ) -> Result<Option<Filter<ColumnOf<R>>>, Problem> {
        match R::RECORDED.error {
            Some(error) if property == "error/details" => {
                let list = Term::Json(error, "$.details");
                any_element(list, Elements::ErrorDetails, holds, self.now()).map(Some)
            }
            _ => R::any(property, holds, self.call),
        }
    }

    fn now(&self) -> Timestamp {
        self.call.now()
    }
}

/// The workload of a type that is of one, by the type's name.
pub(crate) fn workload_of_type(type_name: &str) -> Option<Workload> {
    Workload::ALL.into_iter().find(|workload| {
        type_name.starts_with(workload.prefix()) || type_name.starts_with(workload.product())
    })
}

type PartOf<R> = (Workload, Box<Filter<ColumnOf<R>>>);

/// For a parent's [`Resource::any`]: the workload whose collection of `R` the property is, and what is asked of its rows.
pub(crate) fn part<R: Resource>(
    property: &str,
    holds: Option<&Expression>,
    call: &Call,
) -> Result<Option<PartOf<R>>, Problem> {
    let is_it = |workload: &Workload| R::segment(At::Of(*workload)) == property;
    let Some(workload) = Workload::ALL.into_iter().find(is_it) else { return Ok(None) };
    let holds = holds.map(|holds| typed(holds.clone(), &Words::<R>::of(call))).transpose()?;
    let asked = [R::visible(call), holds].into_iter().flatten().reduce(Filter::and);
    Ok(Some((workload, Box::new(asked.unwrap_or_else(|| Filter::constant(true))))))
}

/// What is always asked of the rows of a collection.
fn scope<R: Resource>(at: At, parent: Option<&str>, call: &Call) -> Option<Filter<ColumnOf<R>>> {
    let place = R::PLACE_COLUMNS;
    let of_workload = place.workload.and_then(|column| match at.workload() {
        Some(workload) => Some(Filter::equal(column, workload.name())),
        // What the caller's roles do not cover is not shown.
        None => call.caller.covered().map(|covered| {
            let names = covered.into_iter().map(|workload| workload.name().into());
            Filter::one_of(column, names.collect())
        }),
    });
    let of_parent = place.parent.zip(parent).map(|(column, id)| Filter::equal(column, id));
    [of_parent, of_workload, R::visible(call)].into_iter().flatten().reduce(Filter::and)
}

/// The parent's id; it must exist, since the parts of nothing are 404 and not an empty list.
async fn parent_id<R: Resource>(
    tx: &mut AnyTx,
    call: &Call,
    at: At,
) -> Result<Option<String>, Problem> {
    let At::In(workload) = at else { return Ok(None) };
    Ok(match R::PARENT {
        Parent::Root => None,
        Parent::Policy => {
            Some(policies::load(tx, call, Some(workload)).await?.value.id.to_string())
        }
        Parent::Session => {
            Some(restore_sessions::load(tx, call, Some(workload)).await?.value.id.to_string())
        }
    })
}

/// The collection's address below the root.
fn context<R: Resource>(at: At, parent: Option<&str>) -> String {
    let segment = R::segment(at);
    match (at, R::PARENT, parent) {
        (At::In(workload), Parent::Policy, Some(id)) => {
            format!("/{}('{id}')/{segment}", workload.policies())
        }
        (At::In(workload), Parent::Session, Some(id)) => {
            format!("/{}('{id}')/{segment}", workload.sessions())
        }
        _ => format!("/{segment}"),
    }
}

pub(crate) fn asked_of<'a, R: Resource>(
    scope: Option<Filter<ColumnOf<R>>>,
    words: &'a Words<'a, R>,
) -> listing::Collection<'a, ColumnOf<R>> {
    listing::Collection {
        scope,
        vocabulary: words,
        searchable: R::searchable(words.call),
        default_page: R::DEFAULT_PAGE,
    }
}

/// `GET` of a collection.
pub(crate) async fn list<R: Resource>(call: Call, at: At) -> Result<Answer, Problem>
where
    AnyTx: Listed<R::Noun>,
{
    let mut tx = call.read().await?;
    let parent = parent_id::<R>(&mut *tx, &call, at).await?;
    let scope = scope::<R>(at, parent.as_deref(), &call);
    let words = Words::<R>::of(&call);
    let mut listing = Listing::of(&call, &asked_of::<R>(scope, &words))?;
    check_names::<R>(&listing.options, call.viewer.version)?;
    for expand in &listing.options.expand {
        if let Some(filter) = narrowing::<R>(&call, expand)? {
            listing.filter = Some(match listing.filter.take() {
                Some(before) => before.and(filter),
                None => filter,
            });
        }
    }
    listing.query.filter.clone_from(&listing.filter);
    let (mut rows, mut next) = (Vec::new(), None);
    if listing.wants_rows() {
        let page = Listed::<R::Noun>::list(&mut *tx, call.caller.tenant, &listing.query).await?;
        next = page.next;
        for noun in &page.rows {
            rows.push(R::shown(noun, &mut *tx, &call, &listing.options).await?);
        }
    }
    let count = match listing.options.count {
        true => Some(
            Listed::<R::Noun>::count(&mut *tx, call.caller.tenant, listing.filter.as_ref()).await?,
        ),
        false => None,
    };
    Ok(listing.answer(&call, &context::<R>(at, parent.as_deref()), rows, next.as_ref(), count))
}

/// Does the path of properties and casts lead anywhere from the type? Not through navigation: what is there is expanded.
fn leads(type_name: &str, path: &str, version: Version) -> bool {
    let (first, rest) = match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    if let (Some(cast), Some(rest)) = (first.strip_prefix("microsoft.graph."), rest) {
        let is_heir = types().family(type_name).any(|heir| heir.name == cast);
        return is_heir && leads(cast, rest, version);
    }
    let Some(property) = types().property(type_name, first, version) else { return false };
    let Some(rest) = rest else { return true };
    let inner = property.type_name.trim_start_matches("Collection(").trim_end_matches(')');
    let inner = inner.strip_prefix("microsoft.graph.");
    !property.navigation && inner.is_some_and(|inner| leads(inner, rest, version))
}

/// Does the property lead to one object?
fn is_single(base: &str, property: &str) -> bool {
    types()
        .family(base)
        .flat_map(|info| &info.properties)
        .any(|found| found.name == property && !found.type_name.starts_with("Collection("))
}

/// A filter inside `$expand` of a single object narrows the list itself, as the published page on restore points has it.
fn narrowing<R: Resource>(
    call: &Call,
    expand: &Expand,
) -> Result<Option<Filter<ColumnOf<R>>>, Problem> {
    let Some(text) = &expand.options.filter else { return Ok(None) };
    if !is_single(R::BASE, &expand.property) {
        return Ok(None);
    }
    let prefix = format!("{}/", expand.property);
    let words = Words::<R> { call, prefix: &prefix, resource: PhantomData };
    Ok(Some(typed(Expression::parse(text)?, &words)?))
}

/// `GET …/$count`
pub(crate) async fn count<R: Resource>(call: Call, at: At) -> Result<Answer, Problem>
where
    AnyTx: Listed<R::Noun>,
{
    let mut tx = call.read().await?;
    let parent = parent_id::<R>(&mut *tx, &call, at).await?;
    let scope = scope::<R>(at, parent.as_deref(), &call);
    let words = Words::<R>::of(&call);
    let filter = count_filter(&call, &asked_of::<R>(scope, &words))?;
    let count = Listed::<R::Noun>::count(&mut *tx, call.caller.tenant, filter.as_ref()).await?;
    Ok(Answer::count(count))
}

/// The object of the path's last key, in its place.
pub(crate) async fn load<R: Resource>(
    tx: &mut AnyTx,
    call: &Call,
    at: At,
) -> Result<Versioned<R::Noun>, Problem>
where
    AnyTx: Listed<R::Noun>,
{
    let parent = parent_id::<R>(tx, call, at).await?;
    load_in::<R>(tx, call, at, parent).await
}

/// The same, with the parent known.
pub(crate) async fn load_in<R: Resource>(
    tx: &mut AnyTx,
    call: &Call,
    at: At,
    parent: Option<String>,
) -> Result<Versioned<R::Noun>, Problem>
where
    AnyTx: Listed<R::Noun>,
{
    let key = call.keys.get(usize::from(parent.is_some())).map_or("", String::as_str);
    let not_found =
        || Problem::new(R::NOT_FOUND, format!("There is no {} with the id {key}.", R::WORD));
    let found = R::find(tx, call, key, parent.as_deref()).await?.ok_or_else(not_found)?;
    // In another collection than the one named: as good as not there.
    let (workload, container) = R::place(&found.value);
    let is_here = R::includes(&found.value)
        && (at.workload().is_none() || workload.is_none() || at.workload() == workload)
        && (parent.is_none() || parent == container);
    if !is_here {
        return Err(not_found());
    }
    if let Some(workload) = workload {
        call.caller.require_workload(workload)?;
    }
    Ok(found)
}

/// `GET` of one object.
pub(crate) async fn get<R: Resource>(call: Call, at: At) -> Result<Answer, Problem>
where
    AnyTx: Listed<R::Noun>,
{
    call.allow_options(&["$select", "$expand"])?;
    check_names::<R>(&call.options, call.viewer.version)?;
    let mut tx = call.read().await?;
    let noun = load::<R>(&mut *tx, &call, at).await?.value;
    let parent = match at {
        At::In(_) => call.keys.first().cloned(),
        At::All | At::Of(_) => None,
    };
    let body = R::shown(&noun, &mut *tx, &call, &call.options).await?;
    let context = format!("{}/$entity", context::<R>(at, parent.as_deref()));
    Ok(Answer::ok(entity(&call, &context, body)))
}

/// One object with `$select` applied and its context.
pub(crate) fn entity(
    call: &Call,
    context: &str,
    mut body: Map<String, Value>,
) -> Map<String, Value> {
    if let Some(names) = &call.options.select {
        select_with_expanded(&mut body, names, &call.options.expand);
    }
    body.insert("@odata.context".to_owned(), json!(call.context(context)));
    body
}

/// The first page of a contained collection, for `$expand`, with its annotations.
pub(crate) async fn expanded<R: Resource>(
    tx: &mut AnyTx,
    call: &Call,
    workload: Workload,
    parent: &str,
    expand: &Expand,
) -> Result<Map<String, Value>, Problem>
where
    AnyTx: Listed<R::Noun>,
{
    let options = &expand.options;
    check_names::<R>(options, call.viewer.version)?;
    let words = Words::<R>::of(call);
    let scope = scope::<R>(At::In(workload), Some(parent), call);
    let query = expanded_query(options, &asked_of::<R>(scope, &words))?;
    let (mut rows, mut body) = (Vec::new(), Map::new());
    if options.count {
        let filter = query.filter.as_ref();
        let count = Listed::<R::Noun>::count(tx, call.caller.tenant, filter).await?;
        body.insert(format!("{}@odata.count", expand.property), json!(count));
    }
    let mut page = Page { rows: Vec::new(), next: None };
    if query.limit > 0 {
        page = Listed::<R::Noun>::list(tx, call.caller.tenant, &query).await?;
    }
    if let Some(next) = &page.next {
        let url = call.url(&context::<R>(At::In(workload), Some(parent)));
        let link = listing::next_link(&url, &expand.query, next);
        body.insert(format!("{}@odata.nextLink", expand.property), json!(link));
    }
    for noun in &page.rows {
        let mut row = R::shown(noun, tx, call, options).await?;
        if let Some(names) = &options.select {
            select_with_expanded(&mut row, names, &options.expand);
        }
        rows.push(Value::Object(row));
    }
    body.insert(expand.property.clone(), Value::Array(rows));
    Ok(body)
}

/// Refuses names in `$select` and `$expand` that the type does not have.
pub(crate) fn check_names<R: Resource>(
    options: &QueryOptions,
    version: Version,
) -> Result<(), Problem> {
    check_names_of(R::BASE, R::EXPANDABLE, options, version)
}

/// The same by the names of a type and of what can be expanded.
pub(crate) fn check_names_of(
    base: &str,
    expandable: &[&str],
    options: &QueryOptions,
    version: Version,
) -> Result<(), Problem> {
    for name in options.select.iter().flatten() {
        if name != "*" && !types().family(base).any(|info| leads(&info.name, name, version)) {
            return Err(unknown_property("$select", name));
        }
    }
    for expand in &options.expand {
        if !expandable.contains(&expand.property.as_str()) {
            return Err(unknown_property("$expand", &expand.property));
        }
        if is_single(base, &expand.property) {
            // Its $filter narrows the list itself, see `narrowing`.
            allow_inside(expand, &["$select", "$filter"])?;
        }
    }
    Ok(())
}
