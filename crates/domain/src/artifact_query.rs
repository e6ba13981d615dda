//! Which items of a mailbox a search of restore points looks for (`spec/api.md` section 11): the text form and the structured
//! form, as one.

use std::fmt;

use crate::Timestamp;
use crate::expression::{ExpressionError, Tokens};
use crate::named::named;

/// Conditions on an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactQuery {
    Text(ItemProperty, TextPattern),
    HasAttachment(bool),
    Kind(ItemKind),
    /// `PitrDumpsterActionTriggeredTime -gt`: deleted later than that.
    DeletedAfter(Timestamp),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

named! {
    /// What a text is looked for in.
    ItemProperty { Subject = "Subject", Sender = "Sender", Participants = "Participants" }
}

named! {
    /// `microsoft.graph.granularRestoreItems`
    ItemKind { Email = "Email", Note = "Note", Task = "Task", Contact = "Contact", Calendar = "Calendar" }
}

/// A text and how it is compared; letter case is the same to all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPattern {
    Is(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
}

/// The structured form (beta): alternatives in each list, all lists together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StructuredQuery {
    pub senders: Vec<String>,
    pub recipients: Vec<String>,
    pub subjects: Vec<String>,
    pub has_attachment: Option<bool>,
    pub kinds: Vec<ItemKind>,
}

impl StructuredQuery {
    /// `None` when it names nothing.
    #[must_use]
    pub fn query(&self) -> Option<ArtifactQuery> {
        let texts = |property: ItemProperty, texts: &[String]| {
            let patterns = texts.iter().cloned().map(TextPattern::Contains);
            any(patterns.map(|pattern| ArtifactQuery::Text(property, pattern)))
        };
        let parts = [
            texts(ItemProperty::Sender, &self.senders),
            texts(ItemProperty::Participants, &self.recipients),
            texts(ItemProperty::Subject, &self.subjects),
            self.has_attachment.map(ArtifactQuery::HasAttachment),
            any(self.kinds.iter().copied().map(ArtifactQuery::Kind)),
        ];
        parts
            .into_iter()
            .flatten()
            .reduce(|left, right| ArtifactQuery::And(Box::new(left), Box::new(right)))
    }
}

fn any(queries: impl Iterator<Item = ArtifactQuery>) -> Option<ArtifactQuery> {
    queries.reduce(|left, right| ArtifactQuery::Or(Box::new(left), Box::new(right)))
}

impl ArtifactQuery {
    /// Reads a `queryExpression`, in any letter case.
    ///
    /// # Errors
    /// With the place of what cannot be understood.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut tokens = Tokens::of(text)?;
        let query = alternatives(&mut tokens)?;
        tokens.expect_end()?;
        Ok(query)
    }
}

fn alternatives(tokens: &mut Tokens) -> Result<ArtifactQuery, ExpressionError> {
    let mut left = conjunction(tokens)?;
    while tokens.take_word("-or") {
        left = ArtifactQuery::Or(Box::new(left), Box::new(conjunction(tokens)?));
    }
    Ok(left)
}

fn conjunction(tokens: &mut Tokens) -> Result<ArtifactQuery, ExpressionError> {
    let mut left = term(tokens)?;
    while tokens.take_word("-and") {
        left = ArtifactQuery::And(Box::new(left), Box::new(term(tokens)?));
    }
    Ok(left)
}

fn term(tokens: &mut Tokens) -> Result<ArtifactQuery, ExpressionError> {
    if tokens.take_open()? {
        let inner = alternatives(tokens)?;
        tokens.expect_close()?;
        return Ok(inner);
    }
    for (name, property) in [
        ("Subject", ItemProperty::Subject),
        ("Sender", ItemProperty::Sender),
        ("Participants", ItemProperty::Participants),
        // As the oldest page writes it.
        ("Recipient", ItemProperty::Participants),
    ] {
        if tokens.take_word(name) {
            return Ok(ArtifactQuery::Text(property, pattern(tokens)?));
        }
    }
    if tokens.take_word("HasAttachment") {
        tokens.expect_word("-eq")?;
        let place = tokens.position();
        return match tokens.expect_text()?.to_ascii_lowercase().as_str() {
            "true" => Ok(ArtifactQuery::HasAttachment(true)),
            "false" => Ok(ArtifactQuery::HasAttachment(false)),
            _ => Err(at(place, "expected 'true' or 'false'")),
        };
    }
    if tokens.take_word("MessageKind") {
        tokens.expect_word("-eq")?;
        let place = tokens.position();
        let text = tokens.expect_text()?;
        let kinds = ["Email", "Note", "Task", "Contact", "Calendar"];
        let kind = kinds.into_iter().find(|kind| kind.eq_ignore_ascii_case(&text));
        return kind
            .and_then(ItemKind::from_name)
            .map(ArtifactQuery::Kind)
            .ok_or_else(|| at(place, "expected 'Email', 'Note', 'Task', 'Contact' or 'Calendar'"));
    }
    if tokens.take_word("PitrDumpsterActionTriggeredTime") {
        tokens.expect_word("-gt")?;
        let place = tokens.position();
        let time = tokens.expect_text()?.parse();
        return time
            .map(ArtifactQuery::DeletedAfter)
            .map_err(|_| at(place, "expected an ISO 8601 date and time"));
    }
    Err(tokens.error("expected '(', Subject, Sender, Participants, HasAttachment or MessageKind"))
}

fn at(position: usize, message: &str) -> ExpressionError {
    ExpressionError { position, message: message.to_owned() }
}

/// `-like` with a star at either end, `-contains`, or `-eq`.
fn pattern(tokens: &mut Tokens) -> Result<TextPattern, ExpressionError> {
    let operator = ["-like", "-contains", "-eq"].into_iter().find(|word| tokens.take_word(word));
    let Some(operator) = operator else {
        return Err(tokens.error("expected -like, -contains or -eq"));
    };
    let place = tokens.position();
    let text = tokens.expect_text()?;
    let (start, end) = (text.starts_with('*'), text.len() > 1 && text.ends_with('*'));
    let bare = text.trim_matches('*').to_owned();
    if bare.trim().is_empty() {
        return Err(at(place, "the text is empty"));
    }
    if bare.contains('*') {
        return Err(at(place, "a star can stand at the ends only"));
    }
    Ok(match operator {
        "-eq" => TextPattern::Is(text),
        "-contains" => TextPattern::Contains(bare),
        _ => match (start, end) {
            (false, false) => TextPattern::Is(bare),
            (false, true) => TextPattern::StartsWith(bare),
            (true, false) => TextPattern::EndsWith(bare),
            (true, true) => TextPattern::Contains(bare),
        },
    })
}

/// In the form that [`ArtifactQuery::parse`] reads.
impl fmt::Display for ArtifactQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| text.replace('\'', "''");
        match self {
            Self::Text(property, pattern) => {
                let (operator, text) = match pattern {
                    TextPattern::Is(text) => ("-eq", quoted(text)),
                    TextPattern::StartsWith(text) => ("-like", format!("{}*", quoted(text))),
                    TextPattern::EndsWith(text) => ("-like", format!("*{}", quoted(text))),
                    TextPattern::Contains(text) => ("-contains", quoted(text)),
                };
                write!(f, "({} {operator} '{text}')", property.name())
            }
            Self::HasAttachment(flag) => write!(f, "(HasAttachment -eq '{flag}')"),
            Self::Kind(kind) => write!(f, "(MessageKind -eq '{}')", kind.name()),
            Self::DeletedAfter(time) => {
                write!(f, "(PitrDumpsterActionTriggeredTime -gt '{time}')")
            }
            Self::And(left, right) => write!(f, "({left} -and {right})"),
            Self::Or(left, right) => write!(f, "({left} -or {right})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn round_trip(text: &str) -> ArtifactQuery {
        let query = ArtifactQuery::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(ArtifactQuery::parse(&query.to_string()).as_ref(), Ok(&query), "{text}");
        query
    }

    #[test]
    fn published_forms_are_read() {
        round_trip("((Subject -like 'abc*') -and (Sender -like 'abc*'))");
        round_trip("(Subject -like '*abc*') -or (subject -contains 'x')");
        round_trip("(Sender -eq 'alex@contoso.com' -and HasAttachment -eq 'True')");
        round_trip("(recipient -eq 'alex')");
        round_trip("(PitrDumpsterActionTriggeredTime -gt '2025-03-04T10:15:30Z')");
        assert_eq!(round_trip("(MESSAGEKIND -EQ 'email')"), ArtifactQuery::Kind(ItemKind::Email));
    }

    #[test]
    fn malformed_queries_name_the_place() {
        for (text, position) in [
            ("", 1),
            ("(Subject)", 9),
            ("(Subject -like '*')", 16),
            ("(Subject -like 'a*b')", 16),
            ("(HasAttachment -eq 'maybe')", 20),
            ("(MessageKind -eq 'Fax')", 18),
            ("(Body -like 'x')", 2),
            ("(Subject -like 'x'", 19),
        ] {
            let error = ArtifactQuery::parse(text).expect_err(text);
            assert_eq!(error.position, position, "{text}: {error}");
        }
    }

    #[test]
    fn lists_are_alternatives() {
        let structured = StructuredQuery {
            senders: vec!["alex".to_owned(), "mia".to_owned()],
            has_attachment: Some(true),
            ..StructuredQuery::default()
        };
        let text = structured.query().expect("names something").to_string();
        assert_eq!(
            text,
            "(((Sender -contains 'alex') -or (Sender -contains 'mia')) -and (HasAttachment -eq 'true'))"
        );
        assert_eq!(StructuredQuery::default().query(), None);
    }
}
