//! Words, texts and brackets: the tokens that rule expressions and artifact queries are made of.

/// Characters of one expression.
const EXPRESSION_CHARACTERS: usize = 16 * 1024;
/// Parentheses in each other.
const DEPTH: usize = 50;

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {message}")]
pub struct ExpressionError {
    /// Counted in characters, from 1.
    pub position: usize,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    /// A name or an operator.
    Word(String),
    /// A quoted text, its quotes removed.
    Text(String),
}

/// Reads tokens one after the other.
pub(crate) struct Tokens {
    tokens: Vec<(usize, Token)>,
    next: usize,
    /// Behind the last character.
    end: usize,
    depth: usize,
}

impl Tokens {
    pub(crate) fn of(text: &str) -> Result<Self, ExpressionError> {
        let characters: Vec<char> = text.chars().collect();
        let end = characters.len() + 1;
        if characters.len() > EXPRESSION_CHARACTERS {
            let message = format!("an expression has at most {EXPRESSION_CHARACTERS} characters");
            return Err(ExpressionError { position: EXPRESSION_CHARACTERS, message });
        }
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(&character) = characters.get(at) {
            let start = at;
            at += 1;
            let token = match character {
                character if character.is_whitespace() => continue,
                '(' => Token::Open,
                ')' => Token::Close,
                '[' => Token::OpenList,
                ']' => Token::CloseList,
                ',' => Token::Comma,
                '\'' => {
                    let mut quoted = String::new();
                    loop {
                        match (characters.get(at), characters.get(at + 1)) {
                            // A quote inside is doubled.
                            (Some('\''), Some('\'')) => {
                                quoted.push('\'');
                                at += 2;
                            }
                            (Some('\''), _) => {
                                at += 1;
                                break;
                            }
                            (Some(character), _) => {
                                quoted.push(*character);
                                at += 1;
                            }
                            (None, _) => {
                                let message = "this quote is not closed".to_owned();
                                return Err(ExpressionError { position: start + 1, message });
                            }
                        }
                    }
                    Token::Text(quoted)
                }
                character if is_word(character) => {
                    let length = characters[start..].iter().take_while(|c| is_word(**c)).count();
                    at = start + length;
                    Token::Word(characters[start..at].iter().collect())
                }
                other => {
                    let message = format!("'{}' has no place here", other.escape_default());
                    return Err(ExpressionError { position: start + 1, message });
                }
            };
            tokens.push((start + 1, token));
        }
        Ok(Self { tokens, next: 0, end, depth: 0 })
    }

    /// Where the next token is.
    pub(crate) fn position(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(position, _)| *position)
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> ExpressionError {
        ExpressionError { position: self.position(), message: message.into() }
    }

    pub(crate) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    /// Takes the token if it is next.
    pub(crate) fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, token: &Token, what: &str) -> Result<(), ExpressionError> {
        if self.take(token) { Ok(()) } else { Err(self.error(format!("expected {what}"))) }
    }

    /// An opening parenthesis; not too many in each other.
    pub(crate) fn take_open(&mut self) -> Result<bool, ExpressionError> {
        if self.peek() != Some(&Token::Open) {
            return Ok(false);
        }
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.error(format!("at most {DEPTH} parentheses may be in each other")));
        }
        self.next += 1;
        Ok(true)
    }

    pub(crate) fn expect_close(&mut self) -> Result<(), ExpressionError> {
        self.depth = self.depth.saturating_sub(1);
        self.expect(&Token::Close, "')'")
    }

    /// Takes the word if it is next, in any letter case.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    pub(crate) fn expect_word(&mut self, word: &str) -> Result<(), ExpressionError> {
        if self.take_word(word) { Ok(()) } else { Err(self.error(format!("expected {word}"))) }
    }

    pub(crate) fn expect_text(&mut self) -> Result<String, ExpressionError> {
        match self.tokens.get(self.next) {
            Some((_, Token::Text(text))) => {
                let text = text.clone();
                self.next += 1;
                Ok(text)
            }
            _ => Err(self.error("expected a text in single quotes")),
        }
    }

    pub(crate) fn expect_end(&self) -> Result<(), ExpressionError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("expected the end, -and or -or")),
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '.' | '_')
}
