//! Functions of SQL that SQLite lacks, or has for ASCII only. Whatever is made of null is null.

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;

/// `fold` and `unfold` change case, `ends_with` compares, `part_of_text` cuts by characters and takes any numbers.
pub(crate) fn define_text_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("fold", 1, flags, |context| {
        Ok(text(context, 0)?.map(|text| text.to_lowercase()))
    })?;
    connection.create_scalar_function("unfold", 1, flags, |context| {
        Ok(text(context, 0)?.map(|text| text.to_uppercase()))
    })?;
    connection.create_scalar_function("ends_with", 2, flags, |context| {
        let both = text(context, 0)?.zip(text(context, 1)?);
        Ok(both.map(|(text, end)| text.ends_with(&end)))
    })?;
    connection.create_scalar_function("part_of_text", 2, flags, |context| {
        let both = text(context, 0)?.zip(number(context, 1));
        Ok(both.map(|(text, from)| part(&text, from, i64::MAX)))
    })?;
    connection.create_scalar_function("part_of_text", 3, flags, |context| {
        let range = number(context, 1).zip(number(context, 2));
        Ok(text(context, 0)?.zip(range).map(|(text, (from, length))| part(&text, from, length)))
    })
}

fn text(context: &Context<'_>, argument: usize) -> rusqlite::Result<Option<String>> {
    context.get(argument)
}

/// Sums that do not fit come as floating-point numbers.
#[expect(clippy::cast_possible_truncation, reason = "what is too large means the end of the text")]
fn number(context: &Context<'_>, argument: usize) -> Option<i64> {
    match context.get_raw(argument) {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Real(number) => Some(number as i64),
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => None,
    }
}

fn part(text: &str, from: i64, length: i64) -> String {
    let count = |number: i64| usize::try_from(number.max(0)).unwrap_or(usize::MAX);
    text.chars().skip(count(from)).take(count(length)).collect()
}
