//! `$filter`, parsed once and evaluated on what the answer would show. Nothing of it becomes SQL.

use std::cmp::Ordering;

use holdfast_domain::Timestamp;
use serde_json::Value;

use crate::problem::{Answer, Problem};

const DEPTH_LIMIT: u32 = 64;

#[derive(Debug)]
pub(crate) enum Filter {
    Or(Box<Filter>, Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Compare(Operand, Comparison, Operand),
    In(Operand, Vec<Operand>),
    Call(TextTest, Operand, Operand),
    /// `collection/any(x:x eq 'v')`
    Any(Vec<String>, Option<(String, Box<Filter>)>),
}

#[derive(Debug, Clone)]
pub(crate) enum Operand {
    Path(Vec<String>),
    Literal(Value),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

impl Filter {
    pub(crate) fn parse(text: &str) -> Answer<Self> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
        let filter = parser.or()?;
        if parser.at == parser.tokens.len() { Ok(filter) } else { Err(invalid()) }
    }

    pub(crate) fn matches(&self, subject: &Value) -> bool {
        self.holds(subject, None)
    }

    fn holds(&self, subject: &Value, bound: Option<(&str, &Value)>) -> bool {
        match self {
            Self::Or(a, b) => a.holds(subject, bound) || b.holds(subject, bound),
            Self::And(a, b) => a.holds(subject, bound) && b.holds(subject, bound),
            Self::Not(inner) => !inner.holds(subject, bound),
            Self::Compare(a, comparison, b) => {
                let (a, b) = (a.value(subject, bound), b.value(subject, bound));
                let ordering = compare(&a, &b);
                match comparison {
                    Comparison::Eq => ordering == Some(Ordering::Equal),
                    Comparison::Ne => ordering != Some(Ordering::Equal),
                    Comparison::Gt => ordering == Some(Ordering::Greater),
                    Comparison::Ge => ordering.is_some_and(Ordering::is_ge),
                    Comparison::Lt => ordering == Some(Ordering::Less),
                    Comparison::Le => ordering.is_some_and(Ordering::is_le),
                }
            }
            Self::In(operand, choices) => {
                let value = operand.value(subject, bound);
                choices.iter().any(|choice| {
                    compare(&value, &choice.value(subject, bound)) == Some(Ordering::Equal)
                })
            }
            Self::Call(test, operand, argument) => {
                let (value, argument) =
                    (operand.value(subject, bound), argument.value(subject, bound));
                let (Some(value), Some(argument)) = (value.as_str(), argument.as_str()) else {
                    return false;
                };
                let (value, argument) = (value.to_lowercase(), argument.to_lowercase());
                match test {
                    TextTest::StartsWith => value.starts_with(&argument),
                    TextTest::EndsWith => value.ends_with(&argument),
                    TextTest::Contains => value.contains(&argument),
                }
            }
            Self::Any(path, predicate) => {
                let value = Operand::Path(path.clone()).value(subject, bound);
                let Some(elements) = value.as_array() else { return false };
                match predicate {
                    None => !elements.is_empty(),
                    Some((name, filter)) => {
                        elements.iter().any(|element| filter.holds(subject, Some((name, element))))
                    }
                }
            }
        }
    }
}

impl Operand {
    fn value(&self, subject: &Value, bound: Option<(&str, &Value)>) -> Value {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Path(path) => {
                let (mut value, rest) = match bound {
                    Some((name, element)) if path[0] == name => (element, &path[1..]),
                    _ => (subject, &path[..]),
                };
                for step in rest {
                    match value.get(step) {
                        Some(found) => value = found,
                        None => return Value::Null,
                    }
                }
                value.clone()
            }
        }
    }
}

/// Order of two JSON values of one kind; times compare as times, texts without regard to case.
pub(crate) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => {
            match (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
                (Ok(a), Ok(b)) => Some(a.cmp(&b)),
                _ => Some(a.to_lowercase().cmp(&b.to_lowercase())),
            }
        }
        _ => None,
    }
}

fn invalid() -> Problem {
    Problem::bad_query("Invalid filter clause.")
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Comma,
    Colon,
    Literal(Value),
    Word(String),
}

fn tokens(text: &str) -> Answer<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let used = match first {
            '(' | ')' | ',' => {
                tokens.push(match first {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Comma,
                });
                1
            }
            ':' => {
                tokens.push(Token::Colon);
                1
            }
            '\'' => {
                let (value, used) = quoted(rest).ok_or_else(invalid)?;
                tokens.push(Token::Literal(Value::String(value)));
                used
            }
            _ => {
                let end = rest
                    .find(|c: char| c.is_whitespace() || "(),'".contains(c))
                    .unwrap_or(rest.len());
                let mut word = &rest[..end];
                // `x:x eq …` in a lambda; times have colons too and start with a digit.
                if !first.is_ascii_digit()
                    && let Some((variable, _)) = word.split_once(':')
                {
                    word = variable;
                }
                if word.is_empty() {
                    return Err(invalid());
                }
                tokens.push(
                    literal(word).map_or_else(|| Token::Word(word.to_owned()), Token::Literal),
                );
                word.len()
            }
        };
        rest = rest[used..].trim_start();
    }
    Ok(tokens)
}

fn quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            value.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == '\'') {
            value.push('\'');
            chars.next();
        } else {
            return Some((value, at + 1));
        }
    }
    None
}

fn literal(word: &str) -> Option<Value> {
    match word {
        "true" => return Some(Value::Bool(true)),
        "false" => return Some(Value::Bool(false)),
        "null" => return Some(Value::Null),
        _ => {}
    }
    if let Ok(number) = word.parse::<i64>() {
        return Some(Value::from(number));
    }
    let first = word.chars().next()?;
    if (first.is_ascii_digit() || first == '-')
        && let Ok(number) = word.parse::<f64>()
    {
        return Some(Value::from(number));
    }
    let guid = word.len() == 36 && uuid::Uuid::try_parse(word).is_ok();
    (guid || word.parse::<Timestamp>().is_ok()).then(|| Value::String(word.to_owned()))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
}

impl Parser {
    fn peek_word(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek_word() == Some(word);
        self.at += usize::from(found);
        found
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &Token) -> Answer<()> {
        if self.take(token) { Ok(()) } else { Err(invalid()) }
    }

    fn or(&mut self) -> Answer<Filter> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(invalid());
        }
        let mut left = self.and()?;
        while self.take_word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Answer<Filter> {
        let mut left = self.unary()?;
        while self.take_word("and") {
            left = Filter::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Answer<Filter> {
        if self.take_word("not") {
            self.depth += 1;
            if self.depth > DEPTH_LIMIT {
                return Err(invalid());
            }
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Filter::Not(Box::new(inner)));
        }
        if self.take(&Token::Open) {
            let inner = self.or()?;
            self.expect(&Token::Close)?;
            return Ok(inner);
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Answer<Filter> {
        let test = match self.peek_word() {
            Some("startswith" | "startsWith") => Some(TextTest::StartsWith),
            Some("endswith" | "endsWith") => Some(TextTest::EndsWith),
            Some("contains") => Some(TextTest::Contains),
            _ => None,
        };
        if let Some(test) = test {
            self.at += 1;
            self.expect(&Token::Open)?;
            let operand = self.operand()?;
            self.expect(&Token::Comma)?;
            let argument = self.operand()?;
            self.expect(&Token::Close)?;
            // Some clients compare the call with `true`.
            if self.take_word("eq") {
                self.expect(&Token::Literal(Value::Bool(true)))?;
            }
            return Ok(Filter::Call(test, operand, argument));
        }
        if let Some(collection) = self.peek_word().and_then(|word| word.strip_suffix("/any")) {
            let path = collection.split('/').map(str::to_owned).collect();
            self.at += 1;
            self.expect(&Token::Open)?;
            if self.take(&Token::Close) {
                return Ok(Filter::Any(path, None));
            }
            let variable = self.peek_word().ok_or_else(invalid)?.to_owned();
            self.at += 1;
            self.expect(&Token::Colon)?;
            let predicate = self.or()?;
            self.expect(&Token::Close)?;
            return Ok(Filter::Any(path, Some((variable, Box::new(predicate)))));
        }
        let left = self.operand()?;
        if self.take_word("in") {
            self.expect(&Token::Open)?;
            let mut choices = vec![self.operand()?];
            while self.take(&Token::Comma) {
                choices.push(self.operand()?);
            }
            self.expect(&Token::Close)?;
            return Ok(Filter::In(left, choices));
        }
        let comparison = match self.peek_word() {
            Some("eq") => Comparison::Eq,
            Some("ne") => Comparison::Ne,
            Some("gt") => Comparison::Gt,
            Some("ge") => Comparison::Ge,
            Some("lt") => Comparison::Lt,
            Some("le") => Comparison::Le,
            _ => return Err(invalid()),
        };
        self.at += 1;
        Ok(Filter::Compare(left, comparison, self.operand()?))
    }

    fn operand(&mut self) -> Answer<Operand> {
        let operand = match self.tokens.get(self.at) {
            Some(Token::Literal(value)) => Operand::Literal(value.clone()),
            Some(Token::Word(word)) => Operand::Path(word.split('/').map(str::to_owned).collect()),
            _ => return Err(invalid()),
        };
        self.at += 1;
        Ok(operand)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: bool) {
        let subject = json!({"name": "O'Brien", "size": 5, "when": "2026-01-02T03:04:05Z",
            "enabled": true, "owner": {"id": "x"}, "types": ["Unified"], "gone": null});
        assert_eq!(Filter::parse(text).unwrap().matches(&subject), expected, "{text}");
    }

    #[test]
    fn evaluates() {
        check("name eq 'o''brien'", true);
        check("size gt 4 and size le 5", true);
        check("not (size eq 5) or enabled eq true", true);
        check("when ge 2026-01-02T04:04:05+01:00", true);
        check("when gt 2026-01-02T03:04:05Z", false);
        check("owner/id in ('y','x')", true);
        check("types/any(c:c eq 'Unified')", true);
        check("types/any(c: c eq 'Other')", false);
        check("startswith(name,'o') and not endswith(name,'x')", true);
        check("missing eq null and gone eq null", true);
        check("name ne 'x'", true);
    }

    #[test]
    fn refuses_what_does_not_parse() {
        for text in [
            "",
            "name",
            "name eq",
            "name eq 'x",
            "(name eq 'x'",
            "eq eq",
            "name like 'x'",
            "a eq 1 b",
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
        assert!(Filter::parse(&"(".repeat(100_000)).is_err());
        assert!(Filter::parse(&"not ".repeat(100_000)).is_err());
    }
}
