//! `$filter`: text to a tree. A recursive descent with bounded depth and a bounded number of comparisons.

use holdfast_domain::Timestamp;
use holdfast_domain::limits::FILTER_TERMS;

use super::QueryError;

/// A boolean expression over properties.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// `property operator literal`; the sides are swapped where the literal came first.
    Compare(String, ComparisonOperator, Literal),
    /// `property in (literal, …)`
    In(String, Vec<Literal>),
    /// `startswith(property, 'text')` and the like.
    Text(TextFunction, String, String),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparisonOperator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFunction {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    Bool(bool),
    Integer(i64),
    /// Quoted text, or a GUID without quotes.
    Text(String),
    Time(Timestamp),
}

impl Expression {
    /// Reads a `$filter`.
    ///
    /// # Errors
    /// When it is not understood, or has more than [`FILTER_TERMS`] comparisons or levels.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens, next: 0, comparisons: 0, depth: 0 };
        let expression = parser.or()?;
        match parser.peek() {
            None => Ok(expression),
            Some(token) => Err(unexpected(token)),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Comma,
    /// A name, keyword, path, number, time or GUID.
    Word(String),
    Quoted(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(&character) = rest.peek() {
        match character {
            ' ' | '\t' => {
                rest.next();
            }
            '(' | ')' | ',' => {
                rest.next();
                tokens.push(match character {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Comma,
                });
            }
            '\'' => {
                rest.next();
                let mut quoted = String::new();
                loop {
                    match rest.next() {
                        Some('\'') if rest.peek() == Some(&'\'') => {
                            rest.next();
                            quoted.push('\'');
                        }
                        Some('\'') => break,
                        Some(other) => quoted.push(other),
                        None => return Err(malformed("a quoted text is not closed")),
                    }
                }
                tokens.push(Token::Quoted(quoted));
            }
            _ => {
                let mut word = String::new();
                while let Some(&other) = rest.peek() {
                    if matches!(other, ' ' | '\t' | '(' | ')' | ',' | '\'') {
                        break;
                    }
                    word.push(other);
                    rest.next();
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    comparisons: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Result<Token, QueryError> {
        let token =
            self.peek().cloned().ok_or_else(|| malformed("it ends where more is expected"))?;
        self.next += 1;
        Ok(token)
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word == keyword);
        if found {
            self.next += 1;
        }
        found
    }

    fn expect(&mut self, expected: &Token) -> Result<(), QueryError> {
        let token = self.take()?;
        if token == *expected { Ok(()) } else { Err(unexpected(&token)) }
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
        } else if self.peek() == Some(&Token::Open) {
            self.next += 1;
            let inner = self.or()?;
            self.expect(&Token::Close)?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn comparison(&mut self) -> Result<Expression, QueryError> {
        self.comparisons += 1;
        if self.comparisons > FILTER_TERMS {
            return Err(QueryError::TooLong { limit: FILTER_TERMS });
        }
        let first = self.take()?;
        if let Token::Word(word) = &first
            && let Some(function) = text_function(word)
            && self.peek() == Some(&Token::Open)
        {
            return self.text_function(function);
        }
        if let Some(literal) = literal(&first) {
            let operator = self.operator()?;
            let property = self.property()?;
            return Ok(Expression::Compare(property, mirrored(operator), literal));
        }
        let Token::Word(property) = first else { return Err(unexpected(&first)) };
        if self.take_keyword("in") {
            self.expect(&Token::Open)?;
            let mut values = vec![self.literal()?];
            while self.peek() == Some(&Token::Comma) {
                self.next += 1;
                self.comparisons += 1;
                if self.comparisons > FILTER_TERMS {
                    return Err(QueryError::TooLong { limit: FILTER_TERMS });
                }
                values.push(self.literal()?);
            }
            self.expect(&Token::Close)?;
            return Ok(Expression::In(property, values));
        }
        let operator = self.operator()?;
        Ok(Expression::Compare(property, operator, self.literal()?))
    }

    fn text_function(&mut self, function: TextFunction) -> Result<Expression, QueryError> {
        self.expect(&Token::Open)?;
        let property = self.property()?;
        self.expect(&Token::Comma)?;
        let text = match self.take()? {
            Token::Quoted(text) => text,
            other => return Err(unexpected(&other)),
        };
        self.expect(&Token::Close)?;
        // `contains(name,'x') eq true` means the same as the function alone.
        if self.take_keyword("eq") {
            return match self.literal()? {
                Literal::Bool(true) => Ok(Expression::Text(function, property, text)),
                Literal::Bool(false) => {
                    Ok(Expression::Not(Box::new(Expression::Text(function, property, text))))
                }
                _ => Err(malformed("a text function can only be compared with true or false")),
            };
        }
        Ok(Expression::Text(function, property, text))
    }

    fn property(&mut self) -> Result<String, QueryError> {
        match self.take()? {
            Token::Word(word) => Ok(word),
            other => Err(unexpected(&other)),
        }
    }

    fn operator(&mut self) -> Result<ComparisonOperator, QueryError> {
        let token = self.take()?;
        let Token::Word(word) = &token else { return Err(unexpected(&token)) };
        match word.as_str() {
            "eq" => Ok(ComparisonOperator::Equal),
            "ne" => Ok(ComparisonOperator::NotEqual),
            "lt" => Ok(ComparisonOperator::Less),
            "le" => Ok(ComparisonOperator::LessOrEqual),
            "gt" => Ok(ComparisonOperator::Greater),
            "ge" => Ok(ComparisonOperator::GreaterOrEqual),
            _ => Err(malformed(&format!(
                "'{word}' is no operator; use eq, ne, lt, le, gt, ge, in, and, or, not"
            ))),
        }
    }

    fn literal(&mut self) -> Result<Literal, QueryError> {
        let token = self.take()?;
        literal(&token).ok_or_else(|| unexpected(&token))
    }
}

fn text_function(word: &str) -> Option<TextFunction> {
    match word.to_ascii_lowercase().as_str() {
        "startswith" => Some(TextFunction::StartsWith),
        "endswith" => Some(TextFunction::EndsWith),
        "contains" => Some(TextFunction::Contains),
        _ => None,
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

fn literal(token: &Token) -> Option<Literal> {
    let word = match token {
        Token::Quoted(text) => return Some(Literal::Text(text.clone())),
        Token::Word(word) => word,
        Token::Open | Token::Close | Token::Comma => return None,
    };
    match word.as_str() {
        "null" => return Some(Literal::Null),
        "true" => return Some(Literal::Bool(true)),
        "false" => return Some(Literal::Bool(false)),
        _ => {}
    }
    if let Ok(number) = word.parse() {
        return Some(Literal::Integer(number));
    }
    if let Ok(time) = word.parse() {
        return Some(Literal::Time(time));
    }
    is_guid(word).then(|| Literal::Text(word.to_ascii_lowercase()))
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
    let text = match token {
        Token::Open => "(",
        Token::Close => ")",
        Token::Comma => ",",
        Token::Word(text) | Token::Quoted(text) => text,
    };
    malformed(&format!("'{text}' is not expected there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(property: &str, operator: ComparisonOperator, literal: Literal) -> Expression {
        Expression::Compare(property.to_owned(), operator, literal)
    }

    #[track_caller]
    fn check(text: &str, expected: Expression) {
        assert_eq!(Expression::parse(text), Ok(expected), "{text}");
    }

    #[test]
    fn comparisons_with_every_literal() {
        use ComparisonOperator::{Equal, Greater, LessOrEqual, NotEqual};
        check("id eq 'it''s'", compare("id", Equal, Literal::Text("it's".to_owned())));
        check("a/b ne null", compare("a/b", NotEqual, Literal::Null));
        check("a eq true", compare("a", Equal, Literal::Bool(true)));
        check("5 ge a", compare("a", LessOrEqual, Literal::Integer(5)));
        let time = "2026-11-25T19:08:45Z".parse().expect("a time");
        check("t gt 2026-11-25T20:08:45+01:00", compare("t", Greater, Literal::Time(time)));
        check(
            "id eq 00000002-0001-4000-8000-0000000200AB",
            compare("id", Equal, Literal::Text("00000002-0001-4000-8000-0000000200ab".to_owned())),
        );
    }

    #[test]
    fn and_binds_more_tightly_than_or() {
        let term =
            |name: &str| Box::new(compare(name, ComparisonOperator::Equal, Literal::Integer(1)));
        check(
            "a eq 1 or b eq 1 and not (c eq 1)",
            Expression::Or(
                term("a"),
                Box::new(Expression::And(term("b"), Box::new(Expression::Not(term("c"))))),
            ),
        );
    }

    #[test]
    fn lists_and_text_functions() {
        check(
            "status in ('a','b')",
            Expression::In(
                "status".to_owned(),
                vec![Literal::Text("a".to_owned()), Literal::Text("b".to_owned())],
            ),
        );
        check(
            "startswith(name, 'x')",
            Expression::Text(TextFunction::StartsWith, "name".to_owned(), "x".to_owned()),
        );
        check(
            "contains(name,'x') eq true",
            Expression::Text(TextFunction::Contains, "name".to_owned(), "x".to_owned()),
        );
    }

    #[test]
    fn malformed_filters_are_refused() {
        for text in [
            "",
            "id",
            "id eq",
            "id eq 'x",
            "id eq 'x' and",
            "(id eq 'x'",
            "id eq 'x')",
            "id like 'x'",
            "eq eq eq",
            "id in ()",
            "id in ('a'",
            "not",
            "contains(id)",
            "contains(id,5)",
            "'a' eq 'b'",
            "id eq 2026-13-45T00:00:00Z",
        ] {
            assert!(matches!(Expression::parse(text), Err(QueryError::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn long_and_deep_filters_are_refused() {
        let too_long = Err(QueryError::TooLong { limit: FILTER_TERMS });
        let joined = |count: usize| vec!["id eq 'x'"; count].join(" or ");
        assert!(Expression::parse(&joined(FILTER_TERMS)).is_ok());
        assert_eq!(Expression::parse(&joined(FILTER_TERMS + 1)), too_long);
        let deep = format!("{}id eq 'x'{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(Expression::parse(&deep), too_long);
        assert_eq!(Expression::parse(&"not ".repeat(100_000)), too_long);
        let list = vec!["'x'"; FILTER_TERMS + 1].join(",");
        assert_eq!(Expression::parse(&format!("id in ({list})")), too_long);
    }
}
