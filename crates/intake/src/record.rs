//! What a queue delivers: records, the end of the partition, errors.

use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys as sys;

use crate::ffi::{self, Message};

/// What the client delivered.
#[derive(Debug)]
pub enum Delivered<'a> {
    /// A record of the partition.
    Record(Record<'a>),
    /// All that a fetch could see was delivered. Said once each time the end is reached, and only where
    /// the consumer has `enable.partition.eof`.
    End {
        /// The offset that the next record will have, or a higher one.
        offset: i64,
    },
    /// The client could not go on with the partition.
    Failed {
        /// Why, as a code.
        code: RDKafkaErrorCode,
        /// Why, in the client's words.
        text: String,
    },
}

/// A record, as the client holds it.
pub struct Record<'a>(&'a Message);

impl<'a> Record<'a> {
    /// Its offset.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.0.fields().offset
    }

    /// Its partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.0.fields().partition
    }

    /// Its timestamp in milliseconds since 1970, where it has one.
    #[must_use]
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.0.timestamp_ms()
    }

    /// Its key, or none.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        let fields = self.0.fields();
        // SAFETY: librdkafka keeps `key_len` bytes there until the message is destroyed, which the
        // borrow of 'a rules out.
        unsafe { ffi::bytes(fields.key, fields.key_len) }
    }

    /// Its value, or none.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        let fields = self.0.fields();
        // SAFETY: as for the key.
        unsafe { ffi::bytes(fields.payload, fields.len) }
    }

    /// Calls `each` with the name and the value of every header, in their order.
    pub fn for_each_header(&self, each: impl FnMut(&[u8], Option<&[u8]>)) {
        self.0.headers(each);
    }
}

impl std::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({} at {})", self.partition(), self.offset())
    }
}

/// Reads the kind of a message off its error field.
pub(crate) fn delivered(message: &Message) -> Delivered<'_> {
    let fields = message.fields();
    match fields.err {
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Delivered::Record(Record(message)),
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => Delivered::End {
            offset: fields.offset,
        },
        code => Delivered::Failed {
            code: code.into(),
            text: message.error_text(),
        },
    }
}
