//! Files as offices have them: some compress well, some not at all, and their names are whatever people type.

use crate::random::Random;

const WORDS: &[&str] = &[
    "budget",
    "meeting",
    "the",
    "of",
    "and",
    "quarterly",
    "review",
    "customer",
    "to",
    "in",
    "shall",
    "agreement",
    "delivery",
    "Montag",
    "rapport",
    "été",
    "price",
    "0.00",
    "1,250",
    "2026-03-31",
    "see",
    "annex",
    "table",
    "figure",
    "responsible",
    "department",
    "approved",
    "pending",
    "invoice",
    "total",
    "per",
    "unit",
    "risk",
    "schedule",
];

/// Names that have broken other programs, all of them legal in SharePoint.
const ODD_NAMES: &[&str] = &[
    "résumé (1) + a&b = 100% #1's.txt",
    "Ünïcödé – naïve.docx",
    "日本語の文書.xlsx",
    "emoji 🗂️ folder plan.txt",
    "two  spaces.txt",
    "trailing.dots...txt",
    "100%25 encoded.txt",
    "semi;colon,comma.txt",
    "[brackets] {braces}.txt",
    "'quoted'.txt",
    "UPPER and lower.TXT",
    "a.very.long.name.with.many.dots.and.words.that.nobody.would.type.but.exporters.do.2026.11.25.final.v2.txt",
    "נתונים.txt",
    "tilde~1.txt",
    "@at $dollar ^caret `tick`.txt",
];

const EXTENSIONS: &[&str] = &["txt", "docx", "xlsx", "pdf", "csv", "jpg", "pptx", "md"];

/// A content of this length: text-like (compresses) or zip-like (does not), half each.
pub(crate) fn content(random: &mut Random, length: usize) -> Vec<u8> {
    if random.below(2) == 0 { random.bytes(length) } else { text(random, length) }
}

fn text(random: &mut Random, length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 16);
    while text.len() < length {
        text.extend_from_slice(random.one_of(WORDS).as_bytes());
        text.push(if random.below(12) == 0 { b'\n' } else { b' ' });
    }
    text.truncate(length);
    text
}

/// A file's name; `number` makes it unique, also without regard to case.
pub(crate) fn name(random: &mut Random, number: usize) -> String {
    if random.below(10) == 0 {
        return format!("{number} {}", random.one_of(ODD_NAMES));
    }
    let (first, second) = (random.one_of(WORDS), random.one_of(WORDS));
    format!("{first} {second} {number}.{}", random.one_of(EXTENSIONS))
}
