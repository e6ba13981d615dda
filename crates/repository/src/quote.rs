//! Names as restic writes them: quoted like a Go string, and that text then put into JSON.

use std::fmt::Write;

/// The inside of Go's `strconv.Quote(name)`.
pub(crate) fn quote(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            ' '..='~' => quoted.push(character),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            '\0'..='\x1f' | '\x7f' => push_escape(&mut quoted, 'x', 2, character),
            _ if is_printable(character) => quoted.push(character),
            '\0'..='\u{ffff}' => push_escape(&mut quoted, 'u', 4, character),
            _ => push_escape(&mut quoted, 'U', 8, character),
        }
    }
    quoted
}

fn push_escape(quoted: &mut String, letter: char, digits: usize, character: char) {
    write!(quoted, "\\{letter}{:0digits$x}", u32::from(character))
        .expect("a String takes all text");
}

/// Go's `unicode.IsPrint` for characters beyond ASCII: letters, marks, numbers, punctuation and symbols.
///
/// The standard library decides the same when it escapes for `Debug`, except that it escapes a combining mark at the
/// start of a string; hence the letter in front.
fn is_printable(character: char) -> bool {
    if character.is_alphanumeric() {
        return true;
    }
    let mut text = String::from('a');
    text.push(character);
    text.escape_debug().nth(1) == Some(character)
}

/// Reverses [`quote`], for any text that Go's `strconv.Unquote` accepts and that is UTF-8.
pub(crate) fn unquote(quoted: &str) -> Option<String> {
    if !quoted.contains(['\\', '"', '\n']) {
        return Some(quoted.to_owned());
    }
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        let mut push = |character: char| {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        };
        match character {
            '"' | '\n' => return None,
            '\\' => match characters.next()? {
                'a' => push('\x07'),
                'b' => push('\x08'),
                'f' => push('\x0c'),
                'n' => push('\n'),
                'r' => push('\r'),
                't' => push('\t'),
                'v' => push('\x0b'),
                '"' => push('"'),
                '\\' => push('\\'),
                // A byte and not a character: several of them may form one.
                'x' => bytes.push(u8::try_from(digits(&mut characters, 2, 16)?).ok()?),
                'u' => push(char::from_u32(digits(&mut characters, 4, 16)?)?),
                'U' => push(char::from_u32(digits(&mut characters, 8, 16)?)?),
                first @ '0'..='7' => {
                    let high = first.to_digit(8)? * 64;
                    bytes.push(u8::try_from(high + digits(&mut characters, 2, 8)?).ok()?);
                }
                _ => return None,
            },
            _ => push(character),
        }
    }
    String::from_utf8(bytes).ok()
}

fn digits(characters: &mut std::str::Chars<'_>, count: usize, radix: u32) -> Option<u32> {
    (0..count).try_fold(0, |number, _| Some(number * radix + characters.next()?.to_digit(radix)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_quoted_as_go_does() {
        for (name, quoted) in [
            ("plain name.docx", "plain name.docx"),
            ("say \"hi\" \\ bye", r#"say \"hi\" \\ bye"#),
            ("\x07\x08\x0c\n\r\t\x0b", r"\a\b\f\n\r\t\v"),
            ("\x01\x1f\x7f", r"\x01\x1f\x7f"),
            ("Übersicht Ümlaut 日本語 😀", "Übersicht Ümlaut 日本語 😀"),
            ("e\u{301}", "e\u{301}"),
            ("\u{301}", "\u{301}"),
            ("no\u{a0}break", r"no\u00a0break"),
            ("soft\u{ad}hyphen", r"soft\u00adhyphen"),
            ("zero\u{200b}width", r"zero\u200bwidth"),
            ("\u{80}", r"\u0080"),
            ("\u{2028}", r"\u2028"),
            ("\u{feff}", r"\ufeff"),
            ("\u{e000}", r"\ue000"),
            ("\u{e0001}", r"\U000e0001"),
        ] {
            assert_eq!(quote(name), quoted);
            assert_eq!(unquote(quoted).as_deref(), Some(name));
        }
        assert_eq!(unquote(r"\xc3\xa4\101").as_deref(), Some("äA"));
        for malformed in [r"\", r"\q", r"\x1", r"\ud800", r"\xff", "\"", r"\400"] {
            assert_eq!(unquote(malformed), None, "{malformed}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in any::<String>()) {
            prop_assert_eq!(unquote(&quote(&name)), Some(name));
        }
    }
}
