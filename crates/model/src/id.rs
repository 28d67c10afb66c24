//! Names that companies give: of accounts, users, events, sources.

use std::borrow::Cow;
use std::ops::Deref;

/// A name given by the sender: never empty or blank, at most [`Id::MAX_CHARS`] characters.
///
/// What the characters are is the sender's business (quotes, newlines, emoji): whoever writes an id
/// escapes it, and no id ever becomes part of a file's or a topic's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id<'a>(Cow<'a, str>);

impl<'a> Id<'a> {
    /// The longest id, in characters.
    pub const MAX_CHARS: usize = 128;

    /// `None` when the text is blank or too long.
    #[must_use]
    pub fn new(text: Cow<'a, str>) -> Option<Id<'a>> {
        let fits = text.len() <= Id::MAX_CHARS || text.chars().count() <= Id::MAX_CHARS;
        let blank = text.chars().all(char::is_whitespace);
        (fits && !blank).then_some(Id(text))
    }

    /// The text of the id, borrowed where it was.
    #[must_use]
    pub fn into_text(self) -> Cow<'a, str> {
        self.0
    }

    /// The same id, which borrows from nothing.
    #[must_use]
    pub fn into_owned(self) -> Id<'static> {
        Id(Cow::Owned(self.0.into_owned()))
    }

    /// The id as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Id<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_never_blank_and_has_128_characters_at_most() {
        let id = |text: String| Id::new(Cow::Owned(text)).is_some();
        assert!(id("acc_1".into()));
        assert!(!id(String::new()));
        assert!(!id(" \t\n".into()));
        assert!(id("é".repeat(128)));
        assert!(!id("é".repeat(129)));
    }
}
