//! A file for each output topic, a line for each record.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::FileError;
use crate::{Slice, Topic};

/// Writes slices into `DIR/<topic>.jsonl`.
pub struct FileSink {
    files: BTreeMap<Topic, (PathBuf, BufWriter<File>)>,
}

impl FileSink {
    /// Makes the folder and an empty file for each topic, so that what was not said is seen to be nothing.
    ///
    /// # Errors
    /// When the folder or a file cannot be made.
    pub fn create(folder: &Path) -> Result<FileSink, FileError> {
        let failed = |path: &Path, source| FileError {
            path: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        let outputs = Topic::ALL.iter().filter(|topic| !topic.is_internal());
        let files = outputs.map(|topic| {
            let path = folder.join(format!("{}.jsonl", topic.name()));
            let file = File::create(&path).map_err(|error| failed(&path, error))?;
            Ok((*topic, (path, BufWriter::with_capacity(1 << 20, file))))
        });
        Ok(FileSink {
            files: files.collect::<Result<_, _>>()?,
        })
    }

    /// Writes the values of a slice's records. Tombstones and what is for us alone leave no line.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn write(&mut self, slice: &Slice) -> Result<(), FileError> {
        for record in slice.records() {
            let (Some((path, file)), Some(value)) =
                (self.files.get_mut(&record.topic), record.value)
            else {
                continue;
            };
            file.write_all(value)
                .and_then(|()| file.write_all(b"\n"))
                .map_err(|source| FileError {
                    path: path.clone(),
                    source,
                })?;
        }
        Ok(())
    }

    /// Brings everything to the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn finish(mut self) -> Result<(), FileError> {
        for (path, file) in self.files.values_mut() {
            file.flush().map_err(|source| FileError {
                path: path.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_its_file_and_tombstones_leave_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = FileSink::create(folder.path()).unwrap();
        let mut slice = Slice::default();
        slice.push(Topic::AccountDaily, Some(b"k"), Some(b"{}"), Vec::new());
        slice.push(Topic::AccountDaily, Some(b"k"), None, Vec::new());
        slice.push(Topic::Changelog, Some(b"k"), Some(b"x"), Vec::new());
        sink.write(&slice).unwrap();
        sink.finish().unwrap();
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(text("account-daily.jsonl"), "{}\n");
        assert_eq!(text("account-metrics.jsonl"), "");
        assert!(!folder.path().join("changelog.jsonl").exists());
    }
}
