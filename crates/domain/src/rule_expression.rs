//! What inclusion rules say (`spec/api.md` section 9): parsed here, evaluated by the engine.

use std::fmt;

use uuid::Uuid;

use crate::expression::{ExpressionError, Token, Tokens};
use crate::{Timestamp, limits};

/// Which sites a rule names. `-and` binds more tightly than `-or`; texts are compared without regard to letter case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteExpression {
    DisplayNameContains(String),
    WebUrlContains(String),
    ModifiedSince(Timestamp),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

/// What a site expression looks at.
#[derive(Debug, Clone, Copy)]
pub struct SiteFacts<'a> {
    pub display_name: &'a str,
    pub web_url: &'a str,
    pub last_modified: Timestamp,
}

impl SiteExpression {
    /// # Errors
    /// With the place of what cannot be understood.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut tokens = Tokens::of(text)?;
        let expression = alternatives(&mut tokens)?;
        tokens.expect_end()?;
        Ok(expression)
    }

    #[must_use]
    pub fn matches(&self, site: SiteFacts<'_>) -> bool {
        let contains = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        match self {
            Self::DisplayNameContains(part) => contains(site.display_name, part),
            Self::WebUrlContains(part) => contains(site.web_url, part),
            Self::ModifiedSince(since) => site.last_modified >= *since,
            Self::And(left, right) => left.matches(site) && right.matches(site),
            Self::Or(left, right) => left.matches(site) || right.matches(site),
        }
    }
}

/// In the form that [`SiteExpression::parse`] reads, every part in parentheses.
impl fmt::Display for SiteExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| text.replace('\'', "''");
        match self {
            Self::DisplayNameContains(part) => {
                write!(f, "(displayName -contains '{}')", quoted(part))
            }
            Self::WebUrlContains(part) => write!(f, "(webUrl -contains '{}')", quoted(part)),
            Self::ModifiedSince(since) => write!(f, "(lastModifiedDateTime -ge '{since}')"),
            Self::And(left, right) => write!(f, "({left} -and {right})"),
            Self::Or(left, right) => write!(f, "({left} -or {right})"),
        }
    }
}

fn alternatives(tokens: &mut Tokens) -> Result<SiteExpression, ExpressionError> {
    let mut left = conjunction(tokens)?;
    while tokens.take_word("-or") {
        left = SiteExpression::Or(Box::new(left), Box::new(conjunction(tokens)?));
    }
    Ok(left)
}

fn conjunction(tokens: &mut Tokens) -> Result<SiteExpression, ExpressionError> {
    let mut left = term(tokens)?;
    while tokens.take_word("-and") {
        left = SiteExpression::And(Box::new(left), Box::new(term(tokens)?));
    }
    Ok(left)
}

fn term(tokens: &mut Tokens) -> Result<SiteExpression, ExpressionError> {
    if tokens.take_open()? {
        let inner = alternatives(tokens)?;
        tokens.expect_close()?;
        return Ok(inner);
    }
    if tokens.take_word("displayName") {
        tokens.expect_word("-contains")?;
        return Ok(SiteExpression::DisplayNameContains(keyword(tokens)?));
    }
    if tokens.take_word("webUrl") {
        tokens.expect_word("-contains")?;
        return Ok(SiteExpression::WebUrlContains(keyword(tokens)?));
    }
    if tokens.take_word("lastModifiedDateTime") {
        tokens.expect_word("-ge")?;
        let place = tokens.position();
        let since = tokens.expect_text()?.parse().map_err(|_| ExpressionError {
            position: place,
            message: "expected an ISO 8601 date and time such as '2026-01-31T10:00:00Z'".to_owned(),
        })?;
        return Ok(SiteExpression::ModifiedSince(since));
    }
    Err(tokens.error("expected '(', displayName, webUrl or lastModifiedDateTime"))
}

/// A text to look for: an empty one would name everything.
fn keyword(tokens: &mut Tokens) -> Result<String, ExpressionError> {
    let place = tokens.position();
    let text = tokens.expect_text()?;
    if text.trim().is_empty() {
        return Err(ExpressionError { position: place, message: "the text is empty".to_owned() });
    }
    Ok(text)
}

/// Which users' drives or mailboxes a rule names: `(memberOf -any (group.id -in ['…', '…']))`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupExpression {
    pub groups: Vec<Uuid>,
}

/// Why a group expression is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupExpressionError {
    #[error(transparent)]
    Malformed(#[from] ExpressionError),
    #[error("a rule names at most {} groups", limits::GROUPS_PER_RULE)]
    TooManyGroups,
}

impl GroupExpression {
    /// # Errors
    /// With the place of what cannot be understood; or when there are too many groups.
    pub fn parse(text: &str) -> Result<Self, GroupExpressionError> {
        let mut tokens = Tokens::of(text)?;
        tokens.expect(&Token::Open, "'('")?;
        tokens.expect_word("memberOf")?;
        tokens.expect_word("-any")?;
        tokens.expect(&Token::Open, "'('")?;
        tokens.expect_word("group.id")?;
        tokens.expect_word("-in")?;
        tokens.expect(&Token::OpenList, "'['")?;
        let mut groups = Vec::new();
        loop {
            let place = tokens.position();
            let text = tokens.expect_text()?;
            let group = if text.len() == 36 { Uuid::try_parse(&text).ok() } else { None };
            let group = group.ok_or_else(|| ExpressionError {
                position: place,
                message: "expected the GUID of a group".to_owned(),
            })?;
            if !groups.contains(&group) {
                groups.push(group);
            }
            if !tokens.take(&Token::Comma) {
                break;
            }
        }
        tokens.expect(&Token::CloseList, "',' or ']'")?;
        tokens.expect(&Token::Close, "')'")?;
        tokens.expect(&Token::Close, "')'")?;
        tokens.expect_end()?;
        if groups.len() > limits::GROUPS_PER_RULE {
            return Err(GroupExpressionError::TooManyGroups);
        }
        Ok(Self { groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(display_name: &'static str, web_url: &'static str) -> SiteFacts<'static> {
        let last_modified = "2026-03-04T10:00:00Z".parse().expect("a time");
        SiteFacts { display_name, web_url, last_modified }
    }

    #[track_caller]
    fn check(text: &str, matching: bool) {
        let expression = SiteExpression::parse(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            expression.matches(site("Finance EMEA", "https://contoso/sites/fin")),
            matching,
            "{text}"
        );
        assert_eq!(SiteExpression::parse(&expression.to_string()), Ok(expression), "{text}");
    }

    #[test]
    fn and_binds_more_tightly_than_or() {
        check("(displayName -contains 'finance')", true);
        check(
            "displayName -contains 'x' -and displayName -contains 'y' -or webUrl -contains 'FIN'",
            true,
        );
        check(
            "displayName -contains 'x' -and (displayName -contains 'y' -or webUrl -contains 'FIN')",
            false,
        );
        check("((DISPLAYNAME -Contains 'Legal') -OR (displayName -contains 'Finance'))", true);
        check("(lastModifiedDateTime -ge '2026-03-04T10:00:00Z')", true);
        check("(lastModifiedDateTime -ge '2026-03-04T11:00:01+01:00')", false);
        check("(displayName -contains 'it''s')", false);
    }

    #[track_caller]
    fn refused(text: &str, position: usize) {
        let error = SiteExpression::parse(text).expect_err(text);
        assert_eq!(error.position, position, "{text}: {error}");
    }

    #[test]
    fn errors_name_the_place() {
        refused("", 1);
        refused("   ", 4);
        refused("(displayName", 13);
        refused("(displayName -like 'x')", 14);
        refused("(displayName -contains 'x'", 27);
        refused("(displayName -contains 'x) -or", 24);
        refused("(displayName -contains 'x') (webUrl -contains 'y')", 29);
        refused("(owner -contains 'x')", 2);
        refused("(displayName -contains \"x\")", 24);
        refused("(displayName -contains '')", 24);
        refused("(lastModifiedDateTime -ge 'yesterday')", 27);
        refused(&"(".repeat(1000), 51);
        refused(&"x".repeat(20_000), EXPRESSION_TOO_LONG);
    }

    const EXPRESSION_TOO_LONG: usize = 16 * 1024;

    #[test]
    fn groups_are_counted() {
        let group = |number: u32| format!("'0000000d-0001-4000-8000-0000000d{number:04x}'");
        let of = |count: u32| {
            let groups: Vec<String> = (0..count).map(group).collect();
            format!("(memberOf -any (group.id -in [{}]))", groups.join(", "))
        };
        assert_eq!(GroupExpression::parse(&of(100)).map(|found| found.groups.len()), Ok(100));
        assert_eq!(GroupExpression::parse(&of(101)), Err(GroupExpressionError::TooManyGroups));
        for malformed in [
            "(memberOf -any (group.id -in []))",
            "memberOf -any (group.id -in ['0000000d-0001-4000-8000-0000000d0001'])",
            "(memberOf -any (group.id -in ['x']))",
            "(displayName -contains 'x')",
        ] {
            assert!(GroupExpression::parse(malformed).is_err(), "{malformed}");
        }
    }
}
