//! The tokens of `$filter` and `$search`, each with its place.

use std::iter::{Enumerate, Peekable};
use std::str::Chars;

use super::QueryError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Open,
    Close,
    Comma,
    /// A name, keyword, path, number, time or GUID.
    Word(String),
    Quoted(String),
    /// `prefix'text'`
    Prefixed(String, String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Of its first character, counted from 1.
    pub(super) at: usize,
}

impl Token {
    /// As errors show it.
    pub(super) fn shown(&self) -> String {
        match &self.kind {
            Kind::Open => "(".to_owned(),
            Kind::Close => ")".to_owned(),
            Kind::Comma => ",".to_owned(),
            Kind::Word(text) => text.clone(),
            Kind::Quoted(text) => format!("'{text}'"),
            Kind::Prefixed(prefix, text) => format!("{prefix}'{text}'"),
        }
    }
}

/// Splits `text`; `quote` stands around quoted text and, doubled, inside it. `option` is for errors.
pub(super) fn tokens(text: &str, quote: char, option: &str) -> Result<Vec<Token>, QueryError> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().enumerate().peekable();
    while let Some(&(index, character)) = rest.peek() {
        let at = index + 1;
        let kind = match character {
            ' ' | '\t' => {
                rest.next();
                continue;
            }
            '(' | ')' | ',' => {
                rest.next();
                match character {
                    '(' => Kind::Open,
                    ')' => Kind::Close,
                    _ => Kind::Comma,
                }
            }
            _ if character == quote => Kind::Quoted(quoted(&mut rest, quote, option)?),
            _ => {
                let mut word = String::new();
                let ends = |other: char| matches!(other, ' ' | '\t' | '(' | ')' | ',');
                while let Some(&(_, other)) = rest.peek()
                    && !ends(other)
                    && other != quote
                {
                    word.push(other);
                    rest.next();
                }
                if rest.peek().is_some_and(|(_, next)| *next == quote) {
                    Kind::Prefixed(word, quoted(&mut rest, quote, option)?)
                } else {
                    Kind::Word(word)
                }
            }
        };
        tokens.push(Token { kind, at });
    }
    Ok(tokens)
}

/// Reads from the opening quote to the closing one.
fn quoted(
    rest: &mut Peekable<Enumerate<Chars<'_>>>,
    quote: char,
    option: &str,
) -> Result<String, QueryError> {
    let at = rest.next().map_or(0, |(index, _)| index + 1);
    let mut text = String::new();
    while let Some((_, character)) = rest.next() {
        if character != quote {
            text.push(character);
        } else if rest.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Ok(text);
        }
    }
    Err(QueryError::Malformed(format!(
        "The {option} cannot be read: the quotation that begins at character {at} is not closed."
    )))
}
