//! `$search`: words and quoted phrases joined by AND, OR and NOT; terms side by side are joined by AND.

use super::QueryError;
use super::lexer::{Kind, Token, tokens};

/// Terms in one `$search`.
const TERMS: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// A word or a phrase, to be found anywhere in a text.
    Term(String),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
}

impl Search {
    /// Reads a `$search`.
    ///
    /// # Errors
    /// When it is not understood, or has more terms or levels than allowed.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let tokens = tokens(text, '"', "$search")?;
        let mut parser = Parser { tokens, next: 0, terms: 0 };
        let search = parser.or()?;
        match parser.tokens.get(parser.next) {
            None => Ok(search),
            Some(token) => Err(unexpected(token)),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    terms: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Kind::Word(word)) if word == keyword);
        if found {
            self.next += 1;
        }
        found
    }

    fn or(&mut self) -> Result<Search, QueryError> {
        let mut left = self.and()?;
        while self.take_keyword("OR") {
            left = Search::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Search, QueryError> {
        let mut left = self.term()?;
        loop {
            let goes_on = match self.peek() {
                None | Some(Kind::Close) => false,
                Some(Kind::Word(word)) => word != "OR",
                Some(_) => true,
            };
            if !goes_on {
                return Ok(left);
            }
            self.take_keyword("AND");
            left = Search::And(Box::new(left), Box::new(self.term()?));
        }
    }

    fn term(&mut self) -> Result<Search, QueryError> {
        // Every level and every repetition passes here, so this bounds the depth, too.
        self.terms += 1;
        if self.terms > TERMS {
            return Err(malformed(&format!("it has more than {TERMS} terms")));
        }
        if self.take_keyword("NOT") {
            return Ok(Search::Not(Box::new(self.term()?)));
        }
        let token = self
            .tokens
            .get(self.next)
            .cloned()
            .ok_or_else(|| malformed("it ends where more is expected"))?;
        self.next += 1;
        match token.kind {
            Kind::Open => {
                let inner = self.or()?;
                let close = self.tokens.get(self.next);
                if close.map(|token| &token.kind) != Some(&Kind::Close) {
                    return Err(malformed("a parenthesis is not closed"));
                }
                self.next += 1;
                Ok(inner)
            }
            Kind::Quoted(text) if !text.trim().is_empty() => Ok(Search::Term(text)),
            Kind::Word(ref text) if !matches!(text.as_str(), "AND" | "OR") => {
                Ok(Search::Term(text.clone()))
            }
            _ => Err(unexpected(&token)),
        }
    }
}

fn malformed(why: &str) -> QueryError {
    QueryError::Malformed(format!("The $search cannot be read: {why}."))
}

fn unexpected(token: &Token) -> QueryError {
    malformed(&format!("{} at character {} is not expected there", token.shown(), token.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Search) {
        assert_eq!(Search::parse(text), Ok(expected), "{text}");
    }

    fn term(text: &str) -> Box<Search> {
        Box::new(Search::Term(text.to_owned()))
    }

    #[test]
    fn words_phrases_and_operators() {
        check("sales", *term("sales"));
        check("\"all of it\"", *term("all of it"));
        check("\"say \"\"hi\"\"\"", *term("say \"hi\""));
        check("a b OR c", Search::Or(Box::new(Search::And(term("a"), term("b"))), term("c")));
        check(
            "a AND NOT (b OR c)",
            Search::And(
                term("a"),
                Box::new(Search::Not(Box::new(Search::Or(term("b"), term("c"))))),
            ),
        );
    }

    #[test]
    fn malformed_searches_are_refused() {
        for text in ["", "\"open", "a OR", "OR a", "(a", "a)", "NOT", "\" \"", "a,b"] {
            assert!(matches!(Search::parse(text), Err(QueryError::Malformed(_))), "{text}");
        }
        assert!(Search::parse(&"NOT ".repeat(10_000)).is_err());
        assert!(Search::parse(&"(".repeat(10_000)).is_err());
        assert!(Search::parse(&"a ".repeat(TERMS + 1)).is_err());
    }
}
