//! The runtime on Kafka: carries out what `mainstay-commit` decides.
//!
//! One consumer keeps the membership on an empty topic, a second reads the inputs by hand, workers apply
//! records and close slices, one transactional producer commits them with the positions, and a changelog
//! holds the state. [`Runtime`] puts these together; the operator's commands stand beside it as plain
//! functions.
//!
//! Nothing here knows what a record means.

mod cap;
mod client;
mod closed;
mod committer;
mod data;
mod dead_letters;
mod embedded;
mod ends;
mod event;
pub mod inspect;
mod membership;
mod observer;
mod offsets;
mod options;
mod partitioner;
mod place;
mod producer;
mod random;
mod reset;
mod restore;
mod running;
mod runtime;
mod scan;
mod settings;
mod slot;
mod source;
mod status;
mod suspects;
pub mod topics;
mod wait;
mod watch;
mod worker;

pub use client::{ClientError, check_options};
pub use dead_letters::{Redriven, StoredLetter, dead_letter_at, each_dead_letter, redrive};
pub use embedded::Embedded;
pub use ends::{Each, Reader, Sender};
pub use event::{Fault, RuntimeError};
pub use mainstay_commit::ShardNo;
pub use mainstay_commit::start::OnDataLoss;
pub use observer::{Committed, Lag, NoObserver, Observer, Told};
pub use options::{USUAL_OPTIONS, WrongOption, wrong_options};
pub use partitioner::{librdkafka_partition_of, partition_of};
pub use reset::{Moved, drop_state, offsets_from_state};
pub use restore::{MakeShard, Refusal, Unusable};
pub use runtime::{Runtime, Stop};
pub use scan::CommandError;
pub use settings::{KafkaSettings, RuntimeSettings, SourceSettings, StartAt};
pub use slot::{Slot, SlotError};
pub use status::{MemberStatus, ShardStatus, SourceStatus, StartStatus, Status, status};
