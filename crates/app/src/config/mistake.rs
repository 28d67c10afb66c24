//! What is wrong with a config, said all at once.

use std::fmt;
use std::path::PathBuf;

use super::tree::Place;

/// Everything that is wrong with a config.
#[derive(Debug)]
pub struct Mistakes {
    file: Option<PathBuf>,
    list: Vec<Mistake>,
}

impl std::error::Error for Mistakes {}

/// One line for each: place, path of the key, what was found, what was expected, the nearest name.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = if self.list.len() == 1 { "" } else { "s" };
        write!(f, "{} mistake{many} in the config", self.list.len())?;
        for told in self.iter() {
            write!(f, "\n  {told}")?;
        }
        Ok(())
    }
}

impl Mistakes {
    /// Each of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = Told> + '_ {
        self.list
            .iter()
            .map(|mistake| mistake.told(self.file.as_ref()))
    }
}

/// A mistake in words, as it is printed and as `check --json` gives it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Told {
    /// The file, the variable or the argument; empty where something is missing altogether.
    pub place: String,
    /// The line in the file.
    pub line: Option<usize>,
    /// The column in the file, in characters.
    pub column: Option<usize>,
    /// The key's path, `time.zone`; empty where the whole file is meant.
    pub key: String,
    /// What was found and what was expected.
    pub message: String,
    /// The nearest name that would be right.
    pub nearest: Option<String>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            f.write_str(&self.place)?;
            if let (Some(line), Some(column)) = (self.line, self.column) {
                write!(f, ":{line}:{column}")?;
            }
            f.write_str(": ")?;
        }
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => Ok(()),
        }
    }
}

#[derive(Debug)]
struct Mistake {
    at: Place,
    key: String,
    message: String,
    nearest: Option<String>,
}

impl Mistake {
    fn told(&self, file: Option<&PathBuf>) -> Told {
        let file = || {
            file.map(|file| file.display().to_string())
                .unwrap_or_default()
        };
        let (place, line, column) = match &self.at {
            Place::File { line, column } => (file(), Some(*line), Some(*column)),
            Place::Variable(name) => (name.clone(), None, None),
            Place::Argument(text) => (format!("--set {text}"), None, None),
            Place::Nowhere => (file(), None, None),
        };
        Told {
            place,
            line,
            column,
            key: self.key.clone(),
            message: self.message.clone(),
            nearest: self.nearest.clone(),
        }
    }
}

/// Gathers mistakes while a config is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    list: Vec<Mistake>,
    is_in_part: bool,
}

impl Report {
    /// A file, or some of it, that could not be read: what is not known is not called missing then.
    pub(super) fn unread(&mut self, at: &Place, message: impl Into<String>) {
        self.is_in_part = true;
        self.push(at, "", message.into(), None);
    }

    /// Text that is no `section.key=value`; a variable that is not there; an option that may not be set.
    pub(super) fn broken(&mut self, at: &Place, key: &str, message: impl Into<String>) {
        self.push(at, key, message.into(), None);
    }

    /// A key that nothing reads.
    pub(super) fn unknown_key(&mut self, at: &Place, key: &str, nearest: Option<String>) {
        self.push(at, key, "there is no such key".to_owned(), nearest);
    }

    /// A value that does not fit.
    pub(super) fn unfit(
        &mut self,
        at: &Place,
        key: &str,
        found: &dyn fmt::Display,
        expected: &str,
        nearest: Option<String>,
    ) {
        let message = format!("found {found}, expected {expected}");
        self.push(at, key, message, nearest);
    }

    /// A key that has to be there.
    pub(super) fn missing(&mut self, key: &str, expected: &str) {
        if self.is_in_part {
            return;
        }
        self.push(
            &Place::Nowhere,
            key,
            format!("is missing, expected {expected}"),
            None,
        );
    }

    fn push(&mut self, at: &Place, key: &str, message: String, nearest: Option<String>) {
        self.list.push(Mistake {
            at: at.clone(),
            key: key.to_owned(),
            message,
            nearest,
        });
    }

    /// All that was gathered, or nothing.
    pub(super) fn finish(mut self, file: Option<PathBuf>) -> Result<(), Mistakes> {
        if self.list.is_empty() {
            return Ok(());
        }
        self.list
            .sort_by(|a, b| (&a.at, &a.key).cmp(&(&b.at, &b.key)));
        Err(Mistakes {
            file,
            list: self.list,
        })
    }
}

/// The name nearest to a mistyped one, if one is near.
pub(crate) fn nearest<'a>(
    written: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let written = written.to_lowercase();
    let far = 1 + written.chars().count() / 3;
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(&written, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let names = ["zone", "lateness", "idle"];
        assert_eq!(nearest("zoen", names), Some("zone".to_owned()));
        assert_eq!(nearest("Lateness", names), Some("lateness".to_owned()));
        assert_eq!(nearest("colour", names), None);
    }
}
