//! From OData's untyped expressions to typed filters: names become columns, literals values of the columns' types, and what
//! cannot be asked is refused by name. What has a value is in `operands`.

use holdfast_domain::Timestamp;
use holdfast_graph_model::ErrorCode;
use holdfast_graph_model::odata::{
    ComparisonOperator, Condition, Expression, Operand, Quantifier, Search, TextFunction,
};
use holdfast_store::query::{
    Column, Comparison, ElementColumn, Filter, Term, TextMatch, Value as StoredValue,
};

use crate::listing::{Field, FieldKind};
use crate::operands::{Typed, as_text, operand, property, value};
use crate::problem::Problem;
use crate::render;

/// What a collection's rows can be asked.
pub(crate) trait Vocabulary<C>: Sync {
    /// What a property is in the store.
    fn field(&self, name: &str) -> Option<Field<C>>;

    /// Which rows are of the type with that name, or lead by `property` to one that is. `None`: there is no such type here.
    fn of_type(&self, property: Option<&str>, type_name: &str) -> Option<Filter<C>>;

    /// Which rows list something at the property for which `holds`. `None`: there is no such list to ask.
    fn any(&self, property: &str, holds: Option<Expression>) -> Result<Option<Filter<C>>, Problem>;

    /// What `now()` is.
    fn now(&self) -> Timestamp;
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
        Expression::IsOf(property, type_name) => {
            vocabulary.of_type(property.as_deref(), &type_name).ok_or_else(|| match property {
                None => refused(&type_name, "is no type of this collection"),
                Some(property) => refused(&property, &format!("is never a {type_name}")),
            })?
        }
        Expression::Lambda(quantifier, property, condition) => {
            lambda(quantifier, &property, condition, vocabulary)?
        }
        Expression::Compare(left, operator, right) => {
            let left = operand(left, vocabulary)?;
            compare(left, comparison(operator), operand(right, vocabulary)?)?
        }
        Expression::In(left, literals) => {
            let left = operand(left, vocabulary)?.not_literal("in")?;
            let values = literals.into_iter().map(|literal| value(&left.name, left.kind, literal));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            match left.term {
                Term::Column(column) => Filter::In(column, values),
                term => values
                    .into_iter()
                    .map(|value| {
                        Filter::Relate(term.clone(), Comparison::Equal, Term::Value(value))
                    })
                    .reduce(|left, right| Filter::Or(Box::new(left), Box::new(right)))
                    .unwrap_or_else(|| Filter::constant(false)),
            }
        }
        Expression::Has(name, literal) => {
            let asked = property(&name, vocabulary)?;
            let FieldKind::Flags(_) = asked.kind else {
                return Err(refused(&name, "holds no flags: use eq"));
            };
            let flags = match value(&name, asked.kind, literal)? {
                StoredValue::Text(flags) => flags.split(',').map(str::to_owned).collect(),
                _ => return Err(refused(&name, "must be asked for flags by name")),
            };
            Filter::Has(asked.term, flags)
        }
        Expression::Text(function, text, part) => {
            let (function, name) = match function {
                TextFunction::StartsWith => (TextMatch::StartsWith, "startswith"),
                TextFunction::EndsWith => (TextMatch::EndsWith, "endswith"),
                TextFunction::Contains => (TextMatch::Contains, "contains"),
            };
            let text = as_text(operand(text, vocabulary)?, name)?;
            Filter::Text(text, function, as_text(operand(part, vocabulary)?, name)?)
        }
    })
}

fn compare<C: Column>(
    left: Typed<C>,
    comparison: Comparison,
    right: Typed<C>,
) -> Result<Filter<C>, Problem> {
    let left = left.not_literal("the left side")?;
    let ordered = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if ordered && !left.kind.is_ordered() {
        return Err(refused(&left.name, "can only be compared with eq, ne and in"));
    }
    let right = match right {
        Typed::Literal(literal) => {
            let value = value(&left.name, left.kind, literal)?;
            if let Term::Column(column) = left.term {
                return Ok(Filter::Compare(column, comparison, value));
            }
            Term::Value(value)
        }
        Typed::Valued(right) if left.kind.compares_with(right.kind) => right.term,
        Typed::Valued(right) => {
            return Err(refused(&left.name, &format!("cannot be compared with '{}'", right.name)));
        }
    };
    Ok(Filter::Relate(left.term, comparison, right))
}

/// Rows in one of whose `columns` every term is found as the `$search` says.
pub(crate) fn searched<C: Column>(search: Search, columns: &[C]) -> Filter<C> {
    let two = |left: Box<Search>, right: Box<Search>| {
        (Box::new(searched(*left, columns)), Box::new(searched(*right, columns)))
    };
    match search {
        Search::Term(term) => columns
            .iter()
            .map(|column| Filter::text(*column, TextMatch::Contains, term.clone()))
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

/// The name of the element itself, in a list of values.
const ITSELF: &str = "$it";

/// The condition of a lambda as one on the part: `variable/` goes.
fn in_part(expression: Expression, variable: &str) -> Result<Expression, Problem> {
    let own = |name: String| own_name(name, variable);
    let inner = |expression: Box<Expression>| in_part(*expression, variable).map(Box::new);
    let value = |operand: Operand| operand_in_part(operand, variable);
    Ok(match expression {
        Expression::Compare(left, operator, right) => {
            Expression::Compare(value(left)?, operator, value(right)?)
        }
        Expression::In(operand, literals) => Expression::In(value(operand)?, literals),
        Expression::Has(name, literal) => Expression::Has(own(name)?, literal),
        Expression::Text(function, text, part) => {
            Expression::Text(function, value(text)?, value(part)?)
        }
        Expression::IsOf(name, type_name) => match name {
            Some(name) if name == variable => Expression::IsOf(None, type_name),
            Some(name) => Expression::IsOf(Some(own(name)?), type_name),
            None => return Err(refused("isof", "must name the variable there")),
        },
        // What is inside has a variable of its own, and cannot reach out.
        Expression::Lambda(quantifier, name, condition) => {
            Expression::Lambda(quantifier, own(name)?, condition)
        }
        Expression::And(left, right) => Expression::And(inner(left)?, inner(right)?),
        Expression::Or(left, right) => Expression::Or(inner(left)?, inner(right)?),
        Expression::Not(of) => Expression::Not(inner(of)?),
    })
}

fn operand_in_part(operand: Operand, variable: &str) -> Result<Operand, Problem> {
    let inner = |operand: Box<Operand>| operand_in_part(*operand, variable).map(Box::new);
    Ok(match operand {
        Operand::Property(name) => Operand::Property(own_name(name, variable)?),
        Operand::Literal(literal) => Operand::Literal(literal),
        Operand::Call(function, arguments) => {
            let arguments = arguments.into_iter().map(|operand| operand_in_part(operand, variable));
            Operand::Call(function, arguments.collect::<Result<_, _>>()?)
        }
        Operand::Arithmetic(left, operator, right) => {
            Operand::Arithmetic(inner(left)?, operator, inner(right)?)
        }
        Operand::Cast(operand, type_name) => Operand::Cast(inner(operand)?, type_name),
    })
}

fn own_name(name: String, variable: &str) -> Result<String, Problem> {
    if name == variable {
        return Ok(ITSELF.to_owned());
    }
    let rest = name.strip_prefix(variable).and_then(|rest| rest.strip_prefix('/'));
    rest.map(str::to_owned).ok_or_else(|| {
        refused(&name, &format!("must begin with '{variable}/' there, and name a property"))
    })
}

/// What the elements of a list are that is stored as JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Elements {
    Texts,
    /// `publicErrorDetail`
    ErrorDetails,
    /// `retentionSetting`
    RetentionSettings,
}

/// Rows whose `list` has an element for which `holds`; any element, when nothing is asked.
pub(crate) fn any_element<C>(
    list: Term<C>,
    elements: Elements,
    holds: Option<Expression>,
    now: Timestamp,
) -> Result<Filter<C>, Problem> {
    let filter = match holds {
        Some(holds) => typed(holds, &ElementWords { elements, now })?,
        None => Filter::constant(true),
    };
    Ok(Filter::AnyElement(list, Box::new(filter)))
}

struct ElementWords {
    elements: Elements,
    now: Timestamp,
}

impl Vocabulary<ElementColumn> for ElementWords {
    fn field(&self, name: &str) -> Option<Field<ElementColumn>> {
        let member = |path| Term::Json(ElementColumn::Value, path);
        let (term, kind) = match (self.elements, name) {
            (Elements::Texts, ITSELF) => (Term::Column(ElementColumn::Value), FieldKind::Text),
            (Elements::ErrorDetails, "code") => (member("$.code"), FieldKind::Text),
            (Elements::ErrorDetails, "message") => (member("$.message"), FieldKind::Text),
            (Elements::ErrorDetails, "target") => (member("$.target"), FieldKind::Text),
            (Elements::RetentionSettings, "interval") => (member("$.interval"), FieldKind::Text),
            (Elements::RetentionSettings, "period") => {
                (member("$.period"), FieldKind::Period(render::shown_period))
            }
            _ => return None,
        };
        Some(Field { term, kind })
    }

    fn of_type(&self, _: Option<&str>, _: &str) -> Option<Filter<ElementColumn>> {
        None
    }

    fn any(
        &self,
        _: &str,
        _: Option<Expression>,
    ) -> Result<Option<Filter<ElementColumn>>, Problem> {
        Ok(None)
    }

    fn now(&self) -> Timestamp {
        self.now
    }
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

pub(crate) fn refused(name: &str, why: &str) -> Problem {
    Problem::at(ErrorCode::BadRequest, "$filter", format!("$filter: '{name}' {why}."))
}
