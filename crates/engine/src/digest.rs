//! What a digest says. Names in it come from tenants: they stay within their line, whatever they contain.

use std::fmt::Write;

use holdfast_domain::{Notice, NoticeKind, Timestamp, limits};

/// Characters of one text of somebody else's.
const LINE_CHARACTERS: usize = 400;

/// What one recipient is told.
#[derive(Default)]
pub(crate) struct Digest<'a> {
    pub(crate) notices: Vec<&'a Notice>,
    /// Recipients beyond the limit.
    pub(crate) left_out: usize,
    /// Who holds the roles that are to be told could not be asked.
    pub(crate) directory_refused: bool,
}

/// The same for every tenant: a subject is a header, and nothing of a tenant's belongs in one.
pub(crate) fn subject(now: Timestamp) -> String {
    let date = now.to_string();
    format!("Microsoft 365 backup: daily digest of {}", date.get(..10).unwrap_or(&date))
}

impl Digest<'_> {
    pub(crate) fn body(&self, now: Timestamp) -> String {
        let mut body = format!("What was done to this tenant's backup until {now}\n");
        let mut room = limits::DIGEST_LINES;
        for (kind, title) in [
            (NoticeKind::Harmful, "Ends or weakens protection, or changes who is told:"),
            (NoticeKind::Routine, "Policies and restores:"),
        ] {
            let of_kind: Vec<_> =
                self.notices.iter().filter(|notice| notice.kind == kind).collect();
            if of_kind.is_empty() {
                continue;
            }
            line(&mut body, format_args!("\n{title}\n"));
            for notice in of_kind.iter().take(room) {
                let what = one_line(&notice.what);
                let (about, by) = (one_line(&notice.about), one_line(&notice.by));
                line(&mut body, format_args!("- {} {what}", notice.at));
                line(&mut body, format_args!("  {about}"));
                line(&mut body, format_args!("  by {by}"));
            }
            let more = of_kind.len().saturating_sub(room);
            room = room.saturating_sub(of_kind.len());
            if more > 0 {
                line(&mut body, format_args!("- and {more} more: see the activity log"));
            }
        }
        if self.left_out > 0 {
            let (left_out, most) = (self.left_out, limits::NOTIFICATION_RECIPIENTS);
            line(
                &mut body,
                format_args!(
                    "\nThere are {left_out} more recipients than the {most} that a digest goes to."
                ),
            );
        }
        if self.directory_refused {
            let text = "\nThe directory did not say who holds the roles that are to be told: the backup application lacks a permission.";
            line(&mut body, format_args!("{text}"));
        }
        body
    }
}

fn line(body: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(body, "{text}").expect("a text takes everything");
}

/// Without what would end the line or turn its direction, and not longer than a person reads.
pub(crate) fn one_line(text: &str) -> String {
    let is_plain = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    let mut plain: String = text
        .chars()
        .take(LINE_CHARACTERS)
        .map(|c| if is_plain(c) { c } else { '\u{FFFD}' })
        .collect();
    if text.chars().nth(LINE_CHARACTERS).is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use holdfast_domain::Recipients;

    use super::*;

    fn notice(kind: NoticeKind, about: &str) -> Notice {
        Notice {
            tenant: "00000000-0000-4000-8000-00000000000a".parse().expect("a GUID"),
            at: Timestamp::from_unix_seconds(1_800_000_000).expect("in range"),
            kind,
            recipients: Recipients::custom(vec!["a@contoso.com".to_owned()]),
            what: "backupPolicyPaused".to_owned(),
            about: about.to_owned(),
            by: "somebody".to_owned(),
        }
    }

    fn body(notices: &[Notice]) -> String {
        let digest = Digest { notices: notices.iter().collect(), ..Digest::default() };
        digest.body(Timestamp::from_unix_seconds(1_800_003_600).expect("in range"))
    }

    #[test]
    fn what_harms_comes_first() {
        let body = body(&[
            notice(NoticeKind::Routine, "policyName: Routine"),
            notice(NoticeKind::Harmful, "policyName: Harm"),
        ]);
        let expected = "What was done to this tenant's backup until 2027-01-15T09:00:00Z

Ends or weakens protection, or changes who is told:

- 2027-01-15T08:00:00Z backupPolicyPaused
  policyName: Harm
  by somebody

Policies and restores:

- 2027-01-15T08:00:00Z backupPolicyPaused
  policyName: Routine
  by somebody
";
        assert_eq!(body, expected);
    }

    #[test]
    fn names_stay_within_their_line() {
        let plain = body(&[notice(NoticeKind::Harmful, "N")]);
        let nasty = "N\r\n.\r\nMAIL FROM:<x@y.z>\n- forged\u{2028}\u{85}\u{202E}\u{0}\u{1B}[31m";
        let body = body(&[notice(NoticeKind::Harmful, nasty)]);
        assert_eq!(body.lines().count(), plain.lines().count());
        assert!(body.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(!body.contains(['\u{2028}', '\u{202E}']));
        assert!(body.contains("  N\u{FFFD}\u{FFFD}.\u{FFFD}\u{FFFD}MAIL FROM:<x@y.z>"), "{body}");
    }

    #[test]
    fn too_much_is_counted() {
        let mut many = vec![notice(NoticeKind::Harmful, "x"); limits::DIGEST_LINES - 1];
        many.extend(vec![notice(NoticeKind::Routine, &"é".repeat(1000)); 3]);
        let body = body(&many);
        assert_eq!(body.matches("\n- 2027").count(), limits::DIGEST_LINES);
        assert!(body.contains("- and 2 more"));
        assert!(body.contains(&format!("  {}…\n", "é".repeat(LINE_CHARACTERS))));
    }
}
