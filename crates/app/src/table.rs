//! Tables for people: columns in line, no frame.

use std::io::{self, Write};

/// Writes rows under their heads; the last column may be of any length.
pub(crate) fn write<const N: usize>(
    out: &mut dyn Write,
    heads: [&str; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let heads = heads.map(str::to_uppercase);
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows
            .iter()
            .chain([&heads])
            .map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    });
    for row in [&heads].into_iter().chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// What a stranger wrote, for a terminal: control characters could make it do things.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_stand_in_line_and_nothing_follows_the_last_one() {
        let mut out = Vec::new();
        let rows = [["dau", "users"], ["stickiness", "of them"]].map(|row| row.map(str::to_owned));
        super::write(&mut out, ["id", "what"], &rows).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "ID          WHAT\ndau         users\nstickiness  of them\n"
        );
    }
}
