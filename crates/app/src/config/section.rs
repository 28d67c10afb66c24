//! A section of the config: one field for each option, and all else follows from the fields.
//!
//! [`section!`] takes a struct with a doc comment, a type and a default on every field, and makes of it
//! the reader, the list of known keys and the section's page of the reference file.

use super::mistake::{Report, nearest};
use super::setting::{Setting, Shown};
use super::tree::{Node, Table};

/// A part of the config that stands under one key at the top.
pub(super) trait Part: Default {
    /// Reads it over the defaults.
    fn read(node: &Node, key: &str, report: &mut Report) -> Self;

    /// Writes it, documented, as it stands in the reference file.
    fn write(&self, key: &str, page: &mut String);

    /// The paths of its keys, to find the nearest to one at the wrong place.
    fn paths(key: &str) -> Vec<String>;
}

/// What [`section!`] makes of a struct.
pub(super) trait Section: Default {
    const ABOUT: &'static [&'static str];
    const KEYS: &'static [&'static str];

    /// Replaces the fields that the table has; the keys are known already.
    fn take(&mut self, table: &Table, key: &str, report: &mut Report);

    /// Writes each field with its documentation.
    fn write_fields(&self, page: &mut String);
}

macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub struct $Section:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $Type:ty = $default:expr $(, in $range:expr)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Section {
            $($(#[doc = $doc])+ pub $field: $Type,)+
        }

        impl Default for $Section {
            fn default() -> $Section {
                $Section { $($field: $default,)+ }
            }
        }

        impl $crate::config::section::Section for $Section {
            const ABOUT: &'static [&'static str] = &[$($about),+];
            const KEYS: &'static [&'static str] = &[$(stringify!($field)),+];

            fn take(
                &mut self,
                table: &$crate::config::tree::Table,
                key: &str,
                report: &mut $crate::config::mistake::Report,
            ) {
                $(
                    if let Some(entry) = table.0.get(stringify!($field)) {
                        let key = format!("{key}.{}", stringify!($field));
                        let read = <$Type as $crate::config::setting::Setting>::read;
                        if let Some(value) = read(&entry.node, &key, report) {
                            $($crate::config::section::within(
                                &value, &$range, &entry.node, &key, report,
                            );)?
                            self.$field = value;
                        }
                    }
                )+
            }

            fn write_fields(&self, page: &mut String) {
                $(
                    let range: Option<String> = None$(.or_else(|| {
                        Some($crate::config::section::range_text(&$range))
                    }))?;
                    $crate::config::section::write_field(
                        page,
                        &[$($doc),+],
                        range.as_deref(),
                        stringify!($field),
                        $crate::config::setting::Setting::shown(&self.$field),
                    );
                )+
            }
        }
    };
}
pub(super) use section;

impl<S: Section> Part for S {
    fn read(node: &Node, key: &str, report: &mut Report) -> S {
        let mut section = S::default();
        read_over(&mut section, node, key, report);
        section
    }

    fn write(&self, key: &str, page: &mut String) {
        page.push('\n');
        write_comment(page, S::ABOUT);
        page.push_str(&format!("[{key}]\n"));
        self.write_fields(page);
    }

    fn paths(key: &str) -> Vec<String> {
        S::KEYS.iter().map(|name| format!("{key}.{name}")).collect()
    }
}

/// Reads a section over what it holds already.
pub(super) fn read_over<S: Section>(section: &mut S, node: &Node, key: &str, report: &mut Report) {
    let Some(table) = node.value.table() else {
        if !node.is_empty() {
            report.unfit(&node.at, key, &node.value, "a section", None);
        }
        return;
    };
    for (name, entry) in &table.0 {
        if !S::KEYS.contains(&name.as_str()) {
            let key = format!("{key}.{name}");
            report.unknown_key(&entry.key_at, &key, nearest_key::<S>(name));
        }
    }
    section.take(table, key, report);
}

fn nearest_key<S: Section>(name: &str) -> Option<String> {
    nearest(name, S::KEYS.iter().copied()).or_else(|| super::path_ending_in(name))
}

/// Tells the report of a value out of its range.
pub(super) fn within<T: Setting + PartialOrd>(
    value: &T,
    range: &std::ops::RangeInclusive<T>,
    node: &Node,
    key: &str,
    report: &mut Report,
) {
    if !range.contains(value) {
        report.unfit(&node.at, key, &node.value, &range_text(range), None);
    }
}

pub(super) fn range_text<T: Setting>(range: &std::ops::RangeInclusive<T>) -> String {
    let bare = |value: &T| match value.shown() {
        Shown::Default(text) | Shown::Unset(text) => text.replace('"', ""),
    };
    format!("{} to {}", bare(range.start()), bare(range.end()))
}

pub(super) fn write_field(
    page: &mut String,
    doc: &[&str],
    range: Option<&str>,
    name: &str,
    shown: Shown,
) {
    write_comment(page, doc);
    if let Some(range) = range {
        page.push_str(&format!("# From {range}.\n"));
    }
    match shown {
        Shown::Default(value) => page.push_str(&format!("{name} = {value}\n")),
        Shown::Unset(example) => page.push_str(&format!("# {name} = {example}\n")),
    }
}

fn write_comment(page: &mut String, doc: &[&str]) {
    for line in doc {
        page.push_str(format!("#{line}").trim_end());
        page.push('\n');
    }
}
