//! Lines of a file, compressed or not, or of standard input.
//!
//! A line is a record and its number, from 0, the offset. Nothing here looks into a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`", path.display())]
pub struct FileError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// The lines of a file.
pub struct Lines {
    path: PathBuf,
    name: String,
    reader: Box<dyn BufRead + Send>,
    next: i64,
    bytes: u64,
}

/// A line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 0.
    pub number: i64,
    /// Its bytes; of a line longer than [`Lines::LONGEST`] the first of them.
    pub bytes: &'a [u8],
}

const BUFFER: usize = 1 << 20;

impl Lines {
    /// Of a longer line only this much is kept, so that no file can fill the memory.
    pub const LONGEST: usize = 16 << 20;

    /// Opens a file; `-` is standard input. What is compressed by gzip or zstd is told by its first bytes.
    ///
    /// # Errors
    /// When it is not there or not readable.
    pub fn open(path: &Path) -> Result<Lines, FileError> {
        let reader = open(path).map_err(|source| FileError {
            path: path.to_owned(),
            source,
        })?;
        let name = path.to_string_lossy().into_owned();
        Ok(Lines {
            path: path.to_owned(),
            name,
            reader,
            next: 0,
            bytes: 0,
        })
    }

    /// The file's path as text, which stands for the topic in dead letters.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes were read, decompressed.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// Reads the next line into `line`, whose memory is used again. `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read further, or its compression is broken.
    pub fn next<'b>(&mut self, line: &'b mut Vec<u8>) -> Result<Option<Line<'b>>, FileError> {
        line.clear();
        let broken = |source| FileError {
            path: self.path.clone(),
            source,
        };
        let limit = Lines::LONGEST as u64 + 1;
        let read = (&mut self.reader)
            .take(limit)
            .read_until(b'\n', line)
            .map_err(broken)?;
        if read == 0 {
            return Ok(None);
        }
        self.bytes += read as u64;
        match line.last() {
            Some(b'\n') => _ = line.pop(),
            _ if line.len() > Lines::LONGEST => {
                self.bytes += self.reader.skip_until(b'\n').map_err(broken)? as u64;
            }
            _ => {}
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let number = self.next;
        self.next += 1;
        Ok(Some(Line {
            number,
            bytes: line,
        }))
    }
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let raw: Box<dyn Read + Send> = match path == Path::new("-") {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path)?),
    };
    let mut raw = BufReader::with_capacity(BUFFER, raw);
    let start = raw.fill_buf()?;
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(raw))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(BufReader::with_capacity(
            BUFFER,
            zstd::Decoder::with_buffer(raw)?,
        )),
        _ => Box::new(raw),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn lines(bytes: &[u8]) -> Vec<(i64, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, bytes).unwrap();
        let mut lines = Lines::open(&path).unwrap();
        let (mut line, mut seen) = (Vec::new(), Vec::new());
        while let Some(line) = lines.next(&mut line).unwrap() {
            seen.push((line.number, line.bytes.to_vec()));
        }
        seen
    }

    const TWO: [(i64, &[u8]); 3] = [(0, b"one"), (1, b""), (2, b"two")];

    fn is_two(seen: Vec<(i64, Vec<u8>)>) -> bool {
        seen.iter()
            .map(|(number, line)| (*number, line.as_slice()))
            .eq(TWO)
    }

    #[test]
    fn a_line_ends_with_or_without_a_carriage_return_and_the_last_needs_no_end() {
        assert!(is_two(lines(b"one\n\ntwo\n")));
        assert!(is_two(lines(b"one\r\n\r\ntwo")));
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn compressed_files_are_read_as_they_are() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"one\n\ntwo\n").unwrap();
        assert!(is_two(lines(&gzip.finish().unwrap())));
        assert!(is_two(lines(
            &zstd::encode_all(&b"one\n\ntwo\n"[..], 3).unwrap()
        )));
    }

    #[test]
    fn of_an_endless_line_only_the_start_is_kept() {
        let mut bytes = vec![b'x'; Lines::LONGEST + 5000];
        bytes.extend_from_slice(b"\nnext\n");
        let seen = lines(&bytes);
        assert_eq!(seen[0].1.len(), Lines::LONGEST + 1);
        assert_eq!(seen[1], (1, b"next".to_vec()));
    }

    #[test]
    fn a_missing_file_is_named() {
        let missing = Lines::open(Path::new("no/such/file")).err().unwrap();
        assert_eq!(missing.to_string(), "cannot read `no/such/file`");
    }
}
