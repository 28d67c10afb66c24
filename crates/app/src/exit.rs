//! How a command ends: the exit codes, and the errors that have one of their own.

use std::io;

use mainstay_connectors::kafka::topics::TopicError;
use mainstay_connectors::kafka::{CommandError, RuntimeError};

use crate::config::Mistakes;

/// How a command ended that did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It failed.
    Failed = 1,
    /// Its arguments or its config are wrong.
    Usage = 2,
    /// Kafka cannot be reached.
    NoKafka = 3,
    /// It was told to stop before it was done.
    Interrupted = 130,
}

/// Arguments that cannot be told to be wrong before a command looks at them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUsage(pub String);

/// The operator stopped a command before it was done.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Exit {
    /// How an error ends the process; `None` where it is none: nobody reads our output any more.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Option<Exit> {
        if error.chain().any(is_closed_pipe) {
            return None;
        }
        let is_usage = error.is::<Mistakes>() || error.is::<WrongUsage>();
        Some(if is_usage {
            Exit::Usage
        } else if is_no_kafka(error) {
            Exit::NoKafka
        } else if error.is::<Interrupted>() {
            Exit::Interrupted
        } else {
            Exit::Failed
        })
    }
}

fn is_no_kafka(error: &anyhow::Error) -> bool {
    let topics = if let Some(RuntimeError::Topics(topics)) = error.downcast_ref() {
        Some(topics)
    } else {
        error.downcast_ref::<TopicError>()
    };
    if let Some(CommandError::Kafka { .. }) = error.downcast_ref() {
        return true;
    }
    matches!(topics, Some(TopicError::Unreachable { .. }))
}

fn is_closed_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    let io = cause.downcast_ref::<io::Error>();
    io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_keeps_its_exit_code_under_what_is_told_around_it() {
        let around = |error: anyhow::Error| Exit::of(&error.context("while checking"));
        assert_eq!(around(WrongUsage(String::new()).into()), Some(Exit::Usage));
        assert_eq!(around(TopicError::NoInputs.into()), Some(Exit::Failed));
        assert_eq!(around(Interrupted.into()), Some(Exit::Interrupted));
        assert_eq!(around(anyhow::anyhow!("disk full")), Some(Exit::Failed));
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let closed = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(
            Exit::of(&closed.context("while printing").unwrap_err()),
            None
        );
    }
}
