//! Files: JSON lines in, a file for each output topic out.

mod sink;
mod source;

pub use sink::FileSink;
pub use source::{FileError, Line, Lines};
