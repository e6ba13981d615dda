//! SPDX licence expressions, as far as crates use them: `OR`, `AND`, `WITH`, parentheses, and the old `/` for `OR`.

/// Whether the expression can be satisfied with allowed licences alone; `None` when it is no expression.
///
/// `AND` binds more tightly than `OR`; a licence `WITH` an exception is allowed when the licence is, because an exception
/// only gives further rights.
pub(crate) fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    let value = parser.alternatives()?;
    parser.words.is_empty().then_some(value)
}

struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    fn alternatives(&mut self) -> Option<bool> {
        let mut value = self.conjunction()?;
        while self.take("OR") {
            value |= self.conjunction()?;
        }
        Some(value)
    }

    fn conjunction(&mut self) -> Option<bool> {
        let mut value = self.term()?;
        while self.take("AND") {
            value &= self.term()?;
        }
        Some(value)
    }

    fn term(&mut self) -> Option<bool> {
        if self.take("(") {
            let value = self.alternatives()?;
            return self.take(")").then_some(value);
        }
        let licence = self.next()?;
        if matches!(licence, "OR" | "AND" | "WITH" | ")") {
            return None;
        }
        if self.take("WITH") {
            self.next()?;
        }
        Some((self.allowed)(licence))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.first() == Some(&word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str) -> Option<bool> {
        satisfied(expression, &|licence| matches!(licence, "MIT" | "Apache-2.0"))
    }

    #[test]
    fn expressions() {
        assert_eq!(check("MIT"), Some(true));
        assert_eq!(check("GPL-3.0-only"), Some(false));
        assert_eq!(check("GPL-3.0-only OR MIT"), Some(true));
        assert_eq!(check("GPL-3.0-only/MIT"), Some(true));
        assert_eq!(check("MIT AND ISC"), Some(false));
        assert_eq!(check("ISC OR MIT AND Apache-2.0"), Some(true));
        assert_eq!(check("(ISC OR MIT) AND GPL-3.0-only"), Some(false));
        assert_eq!(check("Apache-2.0 WITH LLVM-exception"), Some(true));
    }

    #[test]
    fn what_is_no_expression() {
        for wrong in ["", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", "AND MIT", "MIT WITH"] {
            assert_eq!(check(wrong), None, "{wrong:?}");
        }
    }
}
