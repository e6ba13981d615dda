//! A recursive descent over the tokens of a `$filter`, with bounded depth and a bounded number of terms.
//!
//! Parentheses stand around conditions and around operands alike, so that both are read by the same functions, and told apart
//! where they are used.

use holdfast_domain::Timestamp;
use holdfast_domain::limits::FILTER_TERMS;

use super::QueryError;
use super::expression::{
    ArithmeticOperator, ComparisonOperator, Condition, Expression, Function, Literal, Operand,
    Quantifier, TextFunction,
};
use super::lexer::{Kind, Token, tokens};

/// Functions that are understood, for the refusal of others.
const FUNCTIONS: &str = "contains, startswith, endswith, tolower, toupper, trim, length, indexof, substring, concat, \
                         year, month, day, hour, minute, second, date, now, isof, cast, any and all";

/// No names of properties.
const KEYWORDS: [&str; 19] = [
    "null", "true", "false", "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "in", "has",
    "add", "sub", "mul", "div", "mod",
];

pub(super) struct Parser {
    tokens: Vec<Token>,
    next: usize,
    terms: usize,
    depth: usize,
}

/// What has been read, and at which character it begins.
struct Parsed {
    what: What,
    at: usize,
}

enum What {
    Condition(Expression),
    Operand(Operand),
}

impl Parsed {
    fn condition(self) -> Result<Expression, QueryError> {
        match self.what {
            What::Condition(condition) => Ok(condition),
            // A property of type Boolean is a condition by itself.
            What::Operand(property @ Operand::Property(_)) => {
                let yes = Operand::Literal(Literal::Bool(true));
                Ok(Expression::Compare(property, ComparisonOperator::Equal, yes))
            }
            What::Operand(_) => Err(malformed(&format!(
                "what begins at character {} is a value and no condition",
                self.at
            ))),
        }
    }

    fn operand(self) -> Result<Operand, QueryError> {
        match self.what {
            What::Operand(operand) => Ok(operand),
            What::Condition(_) => Err(malformed(&format!(
                "what begins at character {} is a condition and no value",
                self.at
            ))),
        }
    }
}

impl Parser {
    pub(super) fn of(text: &str) -> Result<Self, QueryError> {
        Ok(Self { tokens: tokens(text, '\'', "$filter")?, next: 0, terms: 0, depth: 0 })
    }

    pub(super) fn whole(mut self) -> Result<Expression, QueryError> {
        let expression = self.or()?.condition()?;
        match self.tokens.get(self.next) {
            None => Ok(expression),
            Some(token) => Err(unexpected(token)),
        }
    }

    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn take(&mut self) -> Result<Token, QueryError> {
        let token = self
            .tokens
            .get(self.next)
            .cloned()
            .ok_or_else(|| malformed("it ends where more is expected"))?;
        self.next += 1;
        Ok(token)
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Kind::Word(word)) if word == keyword);
        if found {
            self.next += 1;
        }
        found
    }

    fn expect(&mut self, expected: &Kind) -> Result<(), QueryError> {
        let token = self.take()?;
        if token.kind == *expected { Ok(()) } else { Err(unexpected(&token)) }
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(0, |token| token.at)
    }

    /// Bounds the recursion of this parser and of everything that walks the tree later.
    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        self.depth += 1;
        if self.depth > FILTER_TERMS {
            return Err(QueryError::TooLong { limit: FILTER_TERMS });
        }
        let read = read(self)?;
        self.depth -= 1;
        Ok(read)
    }

    /// Counts what costs a term of SQL.
    fn counted(&mut self) -> Result<(), QueryError> {
        self.terms += 1;
        if self.terms > FILTER_TERMS {
            return Err(QueryError::TooLong { limit: FILTER_TERMS });
        }
        Ok(())
    }

    fn or(&mut self) -> Result<Parsed, QueryError> {
        self.joined("or", Self::and, Expression::Or)
    }

    fn and(&mut self) -> Result<Parsed, QueryError> {
        self.joined("and", Self::negation, Expression::And)
    }

    fn joined(
        &mut self,
        keyword: &str,
        part: fn(&mut Self) -> Result<Parsed, QueryError>,
        join: fn(Box<Expression>, Box<Expression>) -> Expression,
    ) -> Result<Parsed, QueryError> {
        let mut left = part(self)?;
        while self.take_keyword(keyword) {
            let at = left.at;
            let both = join(Box::new(left.condition()?), Box::new(part(self)?.condition()?));
            left = Parsed { what: What::Condition(both), at };
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Parsed, QueryError> {
        let at = self.at();
        if !self.take_keyword("not") {
            return self.comparison();
        }
        let inner = self.deeper(|parser| parser.negation()?.condition())?;
        Ok(Parsed { what: What::Condition(Expression::Not(Box::new(inner))), at })
    }

    fn comparison(&mut self) -> Result<Parsed, QueryError> {
        let left = self.sum()?;
        let Some(Kind::Word(word)) = self.peek() else { return Ok(left) };
        let (word, at) = (word.clone(), left.at);
        let condition = match word.as_str() {
            "and" | "or" => return Ok(left),
            "in" => {
                self.next += 1;
                self.list(left.operand()?)?
            }
            "has" => {
                let token = self.take()?;
                let Operand::Property(property) = left.operand()? else {
                    return Err(unexpected(&token));
                };
                Expression::Has(property, self.literal()?)
            }
            _ => {
                let operator = self.operator()?;
                compared(left, operator, self.sum()?)?
            }
        };
        Ok(Parsed { what: What::Condition(condition), at })
    }

    fn sum(&mut self) -> Result<Parsed, QueryError> {
        let operators = [ArithmeticOperator::Add, ArithmeticOperator::Subtract];
        self.calculated(&operators, Self::product)
    }

    fn product(&mut self) -> Result<Parsed, QueryError> {
        let operators =
            [ArithmeticOperator::Multiply, ArithmeticOperator::Divide, ArithmeticOperator::Modulo];
        self.calculated(&operators, Self::primary)
    }

    fn calculated(
        &mut self,
        operators: &[ArithmeticOperator],
        part: fn(&mut Self) -> Result<Parsed, QueryError>,
    ) -> Result<Parsed, QueryError> {
        let mut left = part(self)?;
        while let Some(operator) =
            operators.iter().find(|operator| self.take_keyword(operator.name()))
        {
            self.counted()?;
            let at = left.at;
            let (one, other) = (Box::new(left.operand()?), Box::new(part(self)?.operand()?));
            left = Parsed { what: What::Operand(Operand::Arithmetic(one, *operator, other)), at };
        }
        Ok(left)
    }

    fn primary(&mut self) -> Result<Parsed, QueryError> {
        let first = self.take()?;
        if first.kind == Kind::Open {
            let inner = self.deeper(Self::or)?;
            self.expect(&Kind::Close)?;
            return Ok(Parsed { at: first.at, ..inner });
        }
        let what = if let Kind::Word(word) = &first.kind
            && self.peek() == Some(&Kind::Open)
            && word != "in"
        {
            self.next += 1;
            self.deeper(|parser| parser.call(word, &first))?
        } else if let Some(literal) = literal(&first)? {
            What::Operand(Operand::Literal(literal))
        } else {
            self.counted()?;
            What::Operand(Operand::Property(path(&first)?))
        };
        Ok(Parsed { what, at: first.at })
    }

    fn list(&mut self, operand: Operand) -> Result<Expression, QueryError> {
        self.expect(&Kind::Open)?;
        let mut values = vec![self.literal()?];
        while self.peek() == Some(&Kind::Comma) {
            self.next += 1;
            self.counted()?;
            values.push(self.literal()?);
        }
        self.expect(&Kind::Close)?;
        Ok(Expression::In(operand, values))
    }

    /// A function or lambda, after its parenthesis.
    fn call(&mut self, word: &str, token: &Token) -> Result<What, QueryError> {
        let lambda = [("/any", Quantifier::Any), ("/all", Quantifier::All)];
        for (suffix, quantifier) in lambda {
            if let Some(collection) = word.strip_suffix(suffix) {
                let collection = Token { kind: Kind::Word(collection.to_owned()), at: token.at };
                return self.lambda(quantifier, path(&collection)?).map(What::Condition);
            }
        }
        let name = word.to_ascii_lowercase();
        let text_function = match name.as_str() {
            "startswith" => TextFunction::StartsWith,
            "endswith" => TextFunction::EndsWith,
            "contains" => TextFunction::Contains,
            "isof" => return self.is_of().map(What::Condition),
            "cast" => return self.cast().map(What::Operand),
            _ => {
                let known = Function::ALL.into_iter().find(|(known, ..)| *known == name);
                let Some((_, function, least, most)) = known else {
                    return Err(malformed(&format!(
                        "the function {word} at character {} is not supported; {FUNCTIONS} are",
                        token.at
                    )));
                };
                let arguments = self.arguments(token, least, most)?;
                return Ok(What::Operand(Operand::Call(function, arguments)));
            }
        };
        let mut arguments = self.arguments(token, 2, 2)?.into_iter();
        match (arguments.next(), arguments.next()) {
            (Some(text), Some(part)) => {
                Ok(What::Condition(Expression::Text(text_function, text, part)))
            }
            _ => Err(unexpected(token)),
        }
    }

    /// To the closing parenthesis.
    fn arguments(
        &mut self,
        function: &Token,
        least: usize,
        most: usize,
    ) -> Result<Vec<Operand>, QueryError> {
        let mut arguments = Vec::new();
        if self.peek() != Some(&Kind::Close) {
            arguments.push(self.sum()?.operand()?);
            while self.peek() == Some(&Kind::Comma) {
                self.next += 1;
                arguments.push(self.sum()?.operand()?);
            }
        }
        self.expect(&Kind::Close)?;
        if (least..=most).contains(&arguments.len()) {
            return Ok(arguments);
        }
        Err(malformed(&format!(
            "{} at character {} has {} arguments, which is not as many as it takes",
            function.shown(),
            function.at,
            arguments.len()
        )))
    }

    fn cast(&mut self) -> Result<Operand, QueryError> {
        let operand = self.sum()?.operand()?;
        self.expect(&Kind::Comma)?;
        let token = self.take()?;
        self.expect(&Kind::Close)?;
        match token.kind {
            Kind::Word(name) | Kind::Quoted(name) if name.contains('.') => {
                Ok(Operand::Cast(Box::new(operand), name))
            }
            _ => Err(unexpected(&token)),
        }
    }

    fn is_of(&mut self) -> Result<Expression, QueryError> {
        let first = self.take()?;
        let (property, type_token) = if self.peek() == Some(&Kind::Comma) {
            self.next += 1;
            (Some(path(&first)?), self.take()?)
        } else {
            (None, first)
        };
        self.expect(&Kind::Close)?;
        let (Kind::Word(name) | Kind::Quoted(name)) = &type_token.kind else {
            return Err(unexpected(&type_token));
        };
        Ok(Expression::IsOf(property, unqualified(name).to_owned()))
    }

    fn lambda(
        &mut self,
        quantifier: Quantifier,
        collection: String,
    ) -> Result<Expression, QueryError> {
        self.counted()?;
        if quantifier == Quantifier::Any && self.peek() == Some(&Kind::Close) {
            self.next += 1;
            return Ok(Expression::Lambda(quantifier, collection, None));
        }
        let token = self.take()?;
        let Kind::Word(word) = &token.kind else { return Err(unexpected(&token)) };
        // The colon may touch the variable, what follows, both or neither.
        let (variable, rest) = match word.split_once(':') {
            Some((variable, rest)) => (variable.to_owned(), rest.to_owned()),
            None => {
                let colon = self.take()?;
                match &colon.kind {
                    Kind::Word(text) if text.starts_with(':') => {
                        (word.clone(), text[1..].to_owned())
                    }
                    _ => return Err(unexpected(&colon)),
                }
            }
        };
        if !is_identifier(&variable) {
            return Err(unexpected(&token));
        }
        if !rest.is_empty() {
            let at = token.at + variable.chars().count() + 1;
            self.next -= 1;
            self.tokens[self.next] = Token { kind: Kind::Word(rest), at };
        }
        let holds = Box::new(self.or()?.condition()?);
        self.expect(&Kind::Close)?;
        Ok(Expression::Lambda(quantifier, collection, Some(Condition { variable, holds })))
    }

    fn operator(&mut self) -> Result<ComparisonOperator, QueryError> {
        let token = self.take()?;
        let Kind::Word(word) = &token.kind else { return Err(unexpected(&token)) };
        match word.as_str() {
            "eq" => Ok(ComparisonOperator::Equal),
            "ne" => Ok(ComparisonOperator::NotEqual),
            "lt" => Ok(ComparisonOperator::Less),
            "le" => Ok(ComparisonOperator::LessOrEqual),
            "gt" => Ok(ComparisonOperator::Greater),
            "ge" => Ok(ComparisonOperator::GreaterOrEqual),
            _ => Err(malformed(&format!(
                "'{word}' at character {} is no operator; use eq, ne, lt, le, gt, ge, in, has, and, or, not, add, sub, mul, div, mod",
                token.at
            ))),
        }
    }

    fn literal(&mut self) -> Result<Literal, QueryError> {
        let token = self.take()?;
        literal(&token)?.ok_or_else(|| unexpected(&token))
    }
}

/// What stands on both sides of an operator.
fn compared(
    left: Parsed,
    operator: ComparisonOperator,
    right: Parsed,
) -> Result<Expression, QueryError> {
    let at = left.at;
    let (left, right) = match (left.what, right.what) {
        (What::Operand(left), What::Operand(right)) => (left, right),
        // `contains(name,'x') eq true` means the same as the function alone.
        (What::Condition(condition), What::Operand(Operand::Literal(Literal::Bool(wanted))))
        | (What::Operand(Operand::Literal(Literal::Bool(wanted))), What::Condition(condition)) => {
            return match (operator, wanted) {
                (ComparisonOperator::Equal, true) | (ComparisonOperator::NotEqual, false) => {
                    Ok(condition)
                }
                (ComparisonOperator::Equal, false) | (ComparisonOperator::NotEqual, true) => {
                    Ok(Expression::Not(Box::new(condition)))
                }
                _ => Err(malformed("a condition of it is compared with more than eq and ne")),
            };
        }
        _ => return Err(malformed("a condition of it can only be compared with true or false")),
    };
    match (left, right) {
        (Operand::Literal(_), Operand::Literal(_)) => {
            Err(malformed(&format!("what begins at character {at} compares two literals")))
        }
        (literal @ Operand::Literal(_), other) => {
            Ok(Expression::Compare(other, mirrored(operator), literal))
        }
        (left, right) => Ok(Expression::Compare(left, operator, right)),
    }
}

fn mirrored(operator: ComparisonOperator) -> ComparisonOperator {
    match operator {
        ComparisonOperator::Equal => ComparisonOperator::Equal,
        ComparisonOperator::NotEqual => ComparisonOperator::NotEqual,
        ComparisonOperator::Less => ComparisonOperator::Greater,
        ComparisonOperator::LessOrEqual => ComparisonOperator::GreaterOrEqual,
        ComparisonOperator::Greater => ComparisonOperator::Less,
        ComparisonOperator::GreaterOrEqual => ComparisonOperator::LessOrEqual,
    }
}

/// `None` when the token is no literal.
fn literal(token: &Token) -> Result<Option<Literal>, QueryError> {
    let word = match &token.kind {
        Kind::Quoted(text) => return Ok(Some(Literal::Text(text.clone()))),
        Kind::Prefixed(prefix, text) => return prefixed(prefix, text, token).map(Some),
        Kind::Word(word) => word,
        Kind::Open | Kind::Close | Kind::Comma => return Ok(None),
    };
    Ok(match word.as_str() {
        "null" => Some(Literal::Null),
        "true" => Some(Literal::Bool(true)),
        "false" => Some(Literal::Bool(false)),
        _ => number(word).or_else(|| {
            if let Ok(time) = word.parse() {
                return Some(Literal::Time(time));
            }
            if let Some(midnight) = day(word) {
                return Some(Literal::Date(midnight));
            }
            is_guid(word).then(|| Literal::Text(word.to_ascii_lowercase()))
        }),
    })
}

/// The moment at which the day `2026-03-04` begins.
fn day(word: &str) -> Option<Timestamp> {
    if word.len() == "2026-03-04".len() { format!("{word}T00:00:00Z").parse().ok() } else { None }
}

fn prefixed(prefix: &str, text: &str, token: &Token) -> Result<Literal, QueryError> {
    if prefix.eq_ignore_ascii_case("duration") && is_duration(text) {
        return Ok(Literal::Duration(text.to_owned()));
    }
    let type_name = unqualified(prefix);
    if type_name != prefix && is_identifier(type_name) {
        let (type_name, members) = (type_name.to_owned(), text.to_owned());
        return Ok(Literal::Member { type_name, members });
    }
    Err(unexpected(token))
}

fn number(word: &str) -> Option<Literal> {
    if let Ok(number) = word.parse() {
        return Some(Literal::Integer(number));
    }
    // What Rust takes for a number as well, such as `inf`, is a property's name here.
    let digits = word.trim_start_matches(['-', '+']);
    let number: f64 =
        word.parse().ok().filter(|_| digits.starts_with(|first: char| first.is_ascii_digit()))?;
    number.is_finite().then_some(Literal::Decimal(number))
}

/// `PnDTnHnMn.nS`, with a sign; years, months and weeks as well, which the API's own periods use.
fn is_duration(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let Some(text) = text.strip_prefix('P') else { return false };
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let fields = |text: &str, units: &str| {
        let mut left = units.chars();
        let mut digits = 0;
        text.chars().all(|character| match character {
            '0'..='9' | '.' => {
                digits += 1;
                true
            }
            _ => std::mem::take(&mut digits) > 0 && left.any(|unit| unit == character),
        }) && digits == 0
    };
    (!date.is_empty() || time.is_some())
        && fields(date, "YMWD")
        && time.is_none_or(|time| !time.is_empty() && fields(time, "HMS"))
}

/// Without `microsoft.graph.` or `graph.`; other names as they are.
fn unqualified(name: &str) -> &str {
    ["microsoft.graph.", "graph."]
        .into_iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name)
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// A property's path: identifiers and qualified type names, separated by slashes.
fn path(token: &Token) -> Result<String, QueryError> {
    let Kind::Word(word) = &token.kind else { return Err(unexpected(token)) };
    let is_path = word.split('/').all(|part| part.split('.').all(is_identifier))
        // An operator where a property should be.
        && !KEYWORDS.contains(&word.as_str());
    if is_path { Ok(word.clone()) } else { Err(unexpected(token)) }
}

fn is_guid(word: &str) -> bool {
    word.len() == 36
        && word.char_indices().all(|(index, character)| match index {
            8 | 13 | 18 | 23 => character == '-',
            _ => character.is_ascii_hexdigit(),
        })
}

fn malformed(why: &str) -> QueryError {
    QueryError::Malformed(format!("The $filter cannot be read: {why}."))
}

fn unexpected(token: &Token) -> QueryError {
    malformed(&format!("{} at character {} is not expected there", token.shown(), token.at))
}
