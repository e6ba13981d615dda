//! A recursive descent over the tokens of a `$filter`, with bounded depth and a bounded number of comparisons.

use holdfast_domain::limits::FILTER_TERMS;

use super::QueryError;
use super::expression::{
    ComparisonOperator, Condition, Expression, Literal, Quantifier, TextFunction,
};
use super::lexer::{Kind, Token, tokens};

/// Functions that are understood, for the refusal of others.
const FUNCTIONS: &str = "contains, startswith, endswith, isof, any and all";

pub(super) struct Parser {
    tokens: Vec<Token>,
    next: usize,
    comparisons: usize,
    depth: usize,
}

impl Parser {
    pub(super) fn of(text: &str) -> Result<Self, QueryError> {
        Ok(Self { tokens: tokens(text, '\'', "$filter")?, next: 0, comparisons: 0, depth: 0 })
    }

    pub(super) fn whole(mut self) -> Result<Expression, QueryError> {
        let expression = self.or()?;
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

    fn or(&mut self) -> Result<Expression, QueryError> {
        let mut left = self.and()?;
        while self.take_keyword("or") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, QueryError> {
        let mut left = self.unary()?;
        while self.take_keyword("and") {
            left = Expression::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, QueryError> {
        // Bounds the recursion of this parser and of everything that walks the tree later.
        self.depth += 1;
        if self.depth > FILTER_TERMS {
            return Err(QueryError::TooLong { limit: FILTER_TERMS });
        }
        let expression = if self.take_keyword("not") {
            Expression::Not(Box::new(self.unary()?))
        } else if self.peek() == Some(&Kind::Open) {
            self.next += 1;
            let inner = self.or()?;
            self.expect(&Kind::Close)?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    /// Counts what costs a comparison.
    fn counted(&mut self) -> Result<(), QueryError> {
        self.comparisons += 1;
        if self.comparisons > FILTER_TERMS {
            return Err(QueryError::TooLong { limit: FILTER_TERMS });
        }
        Ok(())
    }

    fn comparison(&mut self) -> Result<Expression, QueryError> {
        self.counted()?;
        let first = self.take()?;
        if let Kind::Word(word) = &first.kind
            && self.peek() == Some(&Kind::Open)
            && word != "in"
        {
            self.next += 1;
            return self.call(word, &first);
        }
        if let Some(literal) = literal(&first)? {
            let operator = self.operator()?;
            let property = self.property()?;
            return Ok(Expression::Compare(property, mirrored(operator), literal));
        }
        let property = path(&first)?;
        match self.peek() {
            Some(Kind::Word(word)) if word == "in" => {
                self.next += 1;
                self.list(property)
            }
            Some(Kind::Word(word)) if word == "has" => {
                self.next += 1;
                Ok(Expression::Has(property, self.literal()?))
            }
            // A property of type Boolean is a condition by itself.
            None | Some(Kind::Close) => Ok(is_true(property)),
            Some(Kind::Word(word)) if word == "and" || word == "or" => Ok(is_true(property)),
            Some(_) => {
                let operator = self.operator()?;
                Ok(Expression::Compare(property, operator, self.literal()?))
            }
        }
    }

    fn list(&mut self, property: String) -> Result<Expression, QueryError> {
        self.expect(&Kind::Open)?;
        let mut values = vec![self.literal()?];
        while self.peek() == Some(&Kind::Comma) {
            self.next += 1;
            self.counted()?;
            values.push(self.literal()?);
        }
        self.expect(&Kind::Close)?;
        Ok(Expression::In(property, values))
    }

    /// A function or lambda, after its parenthesis.
    fn call(&mut self, word: &str, token: &Token) -> Result<Expression, QueryError> {
        let lambda = [("/any", Quantifier::Any), ("/all", Quantifier::All)];
        for (suffix, quantifier) in lambda {
            if let Some(collection) = word.strip_suffix(suffix) {
                let collection = Token { kind: Kind::Word(collection.to_owned()), at: token.at };
                return self.lambda(quantifier, path(&collection)?);
            }
        }
        let call = match word.to_ascii_lowercase().as_str() {
            "startswith" => self.text_function(TextFunction::StartsWith)?,
            "endswith" => self.text_function(TextFunction::EndsWith)?,
            "contains" => self.text_function(TextFunction::Contains)?,
            "isof" => self.is_of()?,
            _ => {
                return Err(malformed(&format!(
                    "the function {word} at character {} is not supported; {FUNCTIONS} are",
                    token.at
                )));
            }
        };
        // `contains(name,'x') eq true` means the same as the function alone.
        let equal = self.take_keyword("eq");
        if !equal && !self.take_keyword("ne") {
            return Ok(call);
        }
        match self.literal()? {
            Literal::Bool(wanted) if wanted == equal => Ok(call),
            Literal::Bool(_) => Ok(Expression::Not(Box::new(call))),
            _ => Err(malformed("a function of it can only be compared with true or false")),
        }
    }

    fn text_function(&mut self, function: TextFunction) -> Result<Expression, QueryError> {
        let first = self.take()?;
        if let (Kind::Word(word), Some(Kind::Open)) = (&first.kind, self.peek()) {
            return Err(malformed(&format!(
                "the function {word} at character {} is not supported; {FUNCTIONS} are",
                first.at
            )));
        }
        let property = path(&first)?;
        self.expect(&Kind::Comma)?;
        let token = self.take()?;
        let Kind::Quoted(text) = token.kind else { return Err(unexpected(&token)) };
        self.expect(&Kind::Close)?;
        Ok(Expression::Text(function, property, text))
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
        self.depth += 1;
        if self.depth > FILTER_TERMS {
            return Err(QueryError::TooLong { limit: FILTER_TERMS });
        }
        let holds = Box::new(self.or()?);
        self.depth -= 1;
        self.expect(&Kind::Close)?;
        Ok(Expression::Lambda(quantifier, collection, Some(Condition { variable, holds })))
    }

    fn property(&mut self) -> Result<String, QueryError> {
        path(&self.take()?)
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
                "'{word}' at character {} is no operator; use eq, ne, lt, le, gt, ge, in, has, and, or, not",
                token.at
            ))),
        }
    }

    fn literal(&mut self) -> Result<Literal, QueryError> {
        let token = self.take()?;
        literal(&token)?.ok_or_else(|| unexpected(&token))
    }
}

fn is_true(property: String) -> Expression {
    Expression::Compare(property, ComparisonOperator::Equal, Literal::Bool(true))
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
            is_guid(word).then(|| Literal::Text(word.to_ascii_lowercase()))
        }),
    })
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
        && !matches!(word.as_str(), "null" | "true" | "false" | "and" | "or" | "not");
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
