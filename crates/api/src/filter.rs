//! From OData's untyped expressions to typed filters: names become columns, literals values of the columns' types, and what
//! cannot be asked is refused by name.

use holdfast_graph_model::odata::{
    ComparisonOperator, Condition, Expression, Literal, Quantifier, Search, TextFunction,
};
use holdfast_graph_model::{ErrorCode, types};
use holdfast_store::query::{Column, Comparison, Filter, TextMatch, Value as StoredValue};

use crate::listing::{Field, FieldKind, unknown_property};
use crate::problem::Problem;

/// What a collection's rows can be asked.
pub(crate) trait Vocabulary<C>: Sync {
    /// The column of a property.
    fn field(&self, name: &str) -> Option<Field<C>>;

    /// Which rows are of the type with that name. `None`: there is no such type here.
    fn of_type(&self, type_name: &str) -> Option<Filter<C>>;

    /// Which rows list something at the property for which `holds`. `None`: there is no such list to ask.
    fn any(&self, property: &str, holds: Option<Expression>) -> Result<Option<Filter<C>>, Problem>;
}

/// Resolves names to columns and checks literals against their types.
pub(crate) fn typed<C: Column>(
    expression: Expression,
    vocabulary: &dyn Vocabulary<C>,
) -> Result<Filter<C>, Problem> {
    let two = |left: Box<Expression>, right: Box<Expression>| {
        Ok::<_, Problem>((
            Box::new(typed(*left, vocabulary)?),
            Box::new(typed(*right, vocabulary)?),
        ))
    };
    Ok(match expression {
        Expression::And(left, right) => {
            let (left, right) = two(left, right)?;
            Filter::And(left, right)
        }
        Expression::Or(left, right) => {
            let (left, right) = two(left, right)?;
            Filter::Or(left, right)
        }
        Expression::Not(inner) => Filter::Not(Box::new(typed(*inner, vocabulary)?)),
        Expression::IsOf(None, type_name) => vocabulary
            .of_type(&type_name)
            .ok_or_else(|| refused(&type_name, "is no type of this collection"))?,
        Expression::IsOf(Some(property), _) => {
            return Err(refused(&property, "cannot be asked for its type"));
        }
        Expression::Lambda(quantifier, property, condition) => {
            lambda(quantifier, &property, condition, vocabulary)?
        }
        Expression::Compare(name, operator, literal) => {
            let (cast, field) = resolve(&name, vocabulary)?;
            let operator = comparison(operator);
            let ordered = !matches!(operator, Comparison::Equal | Comparison::NotEqual);
            if ordered && !matches!(field.kind, FieldKind::Text | FieldKind::Id | FieldKind::Time) {
                return Err(refused(&name, "can only be compared with eq, ne and in"));
            }
            let value = value(&name, field.kind, literal)?;
            // Of a row of another type the property is null.
            let with_null = match operator {
                Comparison::Equal => value == StoredValue::Null,
                Comparison::NotEqual => value != StoredValue::Null,
                _ => false,
            };
            of_cast(cast, Filter::Compare(field.column, operator, value), with_null)
        }
        Expression::In(name, literals) => {
            let (cast, field) = resolve(&name, vocabulary)?;
            let values = literals.into_iter().map(|literal| value(&name, field.kind, literal));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            let with_null = values.contains(&StoredValue::Null);
            of_cast(cast, Filter::In(field.column, values), with_null)
        }
        Expression::Has(name, literal) => {
            let (cast, field) = resolve(&name, vocabulary)?;
            let FieldKind::Flags(_) = field.kind else {
                return Err(refused(&name, "holds no flags: use eq"));
            };
            let flags = match value(&name, field.kind, literal)? {
                StoredValue::Text(flags) => flags.split(',').map(str::to_owned).collect(),
                _ => return Err(refused(&name, "must be asked for flags by name")),
            };
            of_cast(cast, Filter::Has(field.column, flags), false)
        }
        Expression::Text(function, name, text) => {
            let (cast, field) = resolve(&name, vocabulary)?;
            if !matches!(field.kind, FieldKind::Text) {
                return Err(refused(&name, "is no text to search in"));
            }
            let function = match function {
                TextFunction::StartsWith => TextMatch::StartsWith,
                TextFunction::EndsWith => TextMatch::EndsWith,
                TextFunction::Contains => TextMatch::Contains,
            };
            of_cast(cast, Filter::Text(field.column, function, text), false)
        }
    })
}

/// Rows in one of whose `columns` every term is found as the `$search` says.
pub(crate) fn searched<C: Column>(search: Search, columns: &[C]) -> Filter<C> {
    let two = |left: Box<Search>, right: Box<Search>| {
        (Box::new(searched(*left, columns)), Box::new(searched(*right, columns)))
    };
    match search {
        Search::Term(term) => columns
            .iter()
            .map(|column| Filter::Text(*column, TextMatch::Contains, term.clone()))
            .reduce(|left, right| Filter::Or(Box::new(left), Box::new(right)))
            .unwrap_or_else(|| Filter::constant(false)),
        Search::And(left, right) => {
            let (left, right) = two(left, right);
            Filter::And(left, right)
        }
        Search::Or(left, right) => {
            let (left, right) = two(left, right);
            Filter::Or(left, right)
        }
        Search::Not(inner) => Filter::Not(Box::new(searched(*inner, columns))),
    }
}

/// The column of a property, which may begin with a cast: `microsoft.graph.siteProtectionUnit/siteId`.
fn resolve<C: Column>(
    name: &str,
    vocabulary: &dyn Vocabulary<C>,
) -> Result<(Option<Filter<C>>, Field<C>), Problem> {
    let (cast, property) = match name.split_once('/') {
        Some((head, rest)) if head.contains('.') => {
            let type_name = head.rsplit('.').next().unwrap_or_default();
            let cast = vocabulary
                .of_type(type_name)
                .ok_or_else(|| refused(head, "is no type of this collection"))?;
            let is_there = rest.contains('/') || {
                let own = types().get(type_name).map(|info| info.name.as_str()).unwrap_or_default();
                types().has_property(own, rest)
            };
            if !is_there {
                return Err(unknown_property("$filter", name));
            }
            (Some(cast), rest)
        }
        Some(_) | None => (None, name),
    };
    let field = vocabulary.field(property).ok_or_else(|| unknown_property("$filter", name))?;
    Ok((cast, field))
}

/// What holds for rows of a type by `filter`, and for all others because their property is null.
fn of_cast<C: Column>(cast: Option<Filter<C>>, filter: Filter<C>, with_null: bool) -> Filter<C> {
    match cast {
        None => filter,
        Some(cast) if with_null => {
            Filter::Or(Box::new(Filter::Not(Box::new(cast))), Box::new(filter))
        }
        Some(cast) => cast.and(filter),
    }
}

fn lambda<C: Column>(
    quantifier: Quantifier,
    property: &str,
    condition: Option<Condition>,
    vocabulary: &dyn Vocabulary<C>,
) -> Result<Filter<C>, Problem> {
    // `microsoft.graph.sharePointProtectionPolicy/siteProtectionUnits`: policies of other types have no such units.
    let name = match property.split_once('/') {
        Some((head, rest)) if head.contains('.') => rest,
        _ => property,
    };
    let holds = condition.map(|condition| in_part(*condition.holds, &condition.variable));
    let holds = holds.transpose()?;
    // Everything fulfils a condition when nothing breaks it.
    let asked = match (quantifier, holds) {
        (Quantifier::All, Some(holds)) => Some(Expression::Not(Box::new(holds))),
        (_, holds) => holds,
    };
    let found = vocabulary
        .any(name, asked)?
        .ok_or_else(|| refused(property, "is no collection that can be asked with any and all"))?;
    Ok(match quantifier {
        Quantifier::Any => found,
        Quantifier::All => Filter::Not(Box::new(found)),
    })
}

/// The condition of a lambda as one on the part: `variable/` goes.
fn in_part(expression: Expression, variable: &str) -> Result<Expression, Problem> {
    let own = |name: String| -> Result<String, Problem> {
        let rest = name.strip_prefix(variable).and_then(|rest| rest.strip_prefix('/'));
        rest.map(str::to_owned).ok_or_else(|| {
            refused(&name, &format!("must begin with '{variable}/' there, and name a property"))
        })
    };
    let inner = |expression: Box<Expression>| in_part(*expression, variable).map(Box::new);
    Ok(match expression {
        Expression::Compare(name, operator, literal) => {
            Expression::Compare(own(name)?, operator, literal)
        }
        Expression::In(name, literals) => Expression::In(own(name)?, literals),
        Expression::Has(name, literal) => Expression::Has(own(name)?, literal),
        Expression::Text(function, name, text) => Expression::Text(function, own(name)?, text),
        Expression::IsOf(name, type_name) => match name {
            Some(name) if name == variable => Expression::IsOf(None, type_name),
            Some(name) => Expression::IsOf(Some(own(name)?), type_name),
            None => return Err(refused("isof", "must name the variable there")),
        },
        Expression::Lambda(_, name, _) => {
            return Err(refused(&name, "cannot be asked inside another any or all"));
        }
        Expression::And(left, right) => Expression::And(inner(left)?, inner(right)?),
        Expression::Or(left, right) => Expression::Or(inner(left)?, inner(right)?),
        Expression::Not(of) => Expression::Not(inner(of)?),
    })
}

fn comparison(operator: ComparisonOperator) -> Comparison {
    match operator {
        ComparisonOperator::Equal => Comparison::Equal,
        ComparisonOperator::NotEqual => Comparison::NotEqual,
        ComparisonOperator::Less => Comparison::Less,
        ComparisonOperator::LessOrEqual => Comparison::LessOrEqual,
        ComparisonOperator::Greater => Comparison::Greater,
        ComparisonOperator::GreaterOrEqual => Comparison::GreaterOrEqual,
    }
}

fn value(name: &str, kind: FieldKind, literal: Literal) -> Result<StoredValue, Problem> {
    // `microsoft.graph.protectionUnitStatus'protected'` is the member's text, if there is such an enum.
    let literal = match literal {
        Literal::Member { type_name, members }
            if matches!(kind, FieldKind::Member(_) | FieldKind::Flags(_)) =>
        {
            if types().get(&type_name).is_none_or(|info| info.kind != "enum") {
                return Err(refused(&type_name, "is no enumeration"));
            }
            Literal::Text(members)
        }
        literal => literal,
    };
    match (kind, literal) {
        (_, Literal::Null) => Ok(StoredValue::Null),
        (FieldKind::Text, Literal::Text(text)) => Ok(StoredValue::Text(text)),
        (FieldKind::Id, Literal::Text(text)) if text.is_empty() => Ok(StoredValue::Null),
        (FieldKind::Id, Literal::Text(text)) => Ok(StoredValue::Text(text.to_ascii_lowercase())),
        (FieldKind::Time, Literal::Time(time)) => Ok(StoredValue::Time(time)),
        // Some clients quote times.
        (FieldKind::Time, Literal::Text(text)) => text
            .parse()
            .map(StoredValue::Time)
            .map_err(|_| refused(name, "must be compared with a date and time")),
        (FieldKind::Member(is_member), Literal::Text(text)) => {
            if is_member(&text) {
                Ok(StoredValue::Text(text))
            } else {
                Err(refused(name, &format!("has no member '{text}'")))
            }
        }
        (FieldKind::Flags(canonical), Literal::Text(text)) => canonical(&text)
            .map(StoredValue::Text)
            .ok_or_else(|| refused(name, &format!("has no flags '{text}'"))),
        (FieldKind::Time, _) => Err(refused(name, "must be compared with a date and time")),
        (FieldKind::Text | FieldKind::Id | FieldKind::Member(_) | FieldKind::Flags(_), _) => {
            Err(refused(name, "must be compared with a quoted text"))
        }
    }
}

fn refused(name: &str, why: &str) -> Problem {
    Problem::at(ErrorCode::BadRequest, "$filter", format!("$filter: '{name}' {why}."))
}
