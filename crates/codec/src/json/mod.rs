//! JSON, as far as a format needs it.
//!
//! Formats read with a [`Reader`] over the bytes of a record, field by field, into what they need and no
//! tree. It is a reader of our own because a refusal must say precisely why: too deep (also inside fields
//! that nobody reads), a lone surrogate, a key twice, money that would only survive as a float, and the byte.

mod door;
mod reader;

pub(crate) use door::document;
pub(crate) use reader::{Kind, Reader};

use mainstay_model::{Code, Rejection};

/// The start of a text that came from outside, fit to stand in a message.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN: usize = 40;
    let start: String = text
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    match text.chars().nth(SHOWN) {
        Some(_) => format!("`{start}…`"),
        None => format!("`{start}`"),
    }
}

/// Whether a refusal is about the text itself and not about a field of it.
fn is_of_text(code: Code) -> bool {
    matches!(code, Code::NotJson | Code::NotUtf8 | Code::TooDeep)
}

/// Puts a key before the path of a refusal that is about a field.
#[cold]
pub(crate) fn under(key: &str, mut refused: Rejection) -> Rejection {
    if is_of_text(refused.code) {
        return refused;
    }
    let key: String = key.chars().take(128).flat_map(char::escape_debug).collect();
    refused.field = match refused.field.as_str() {
        "" => key,
        index if index.starts_with('[') => format!("{key}{index}"),
        field => format!("{key}.{field}"),
    };
    refused
}
