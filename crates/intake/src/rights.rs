//! What a broker lets the asking principal do with topics and groups.
//!
//! The broker answers for whoever asks, so this takes no right of its own but to see the thing, and it tells
//! what the authorizer decides in the end, not which rules it has. A broker without one allows everything.

use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka_sys as sys;

use crate::ffi::{Event, Queue};

macro_rules! operations {
    ($($operation:ident = $number:literal,)*) => {
        /// Something that may be done with a topic or a group.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the names are Kafka's own")]
        pub enum Operation {
            $($operation,)*
        }

        impl Operation {
            /// Its name, as Kafka's tools take it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Operation::$operation => stringify!($operation),)* }
            }

            /// By its number in Kafka's protocol.
            fn numbered(number: u32) -> Option<Operation> {
                [$(($number, Operation::$operation)),*]
                    .into_iter()
                    .find_map(|(of, operation)| (of == number).then_some(operation))
            }
        }
    };
}

operations! {
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    ClusterAction = 9,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
}

/// What may be done with one thing; none, where a broker does not say.
pub type Allowed = Result<Option<Vec<Operation>>, RDKafkaErrorCode>;

/// Asks what we may do with each of these topics, which must all be different. A topic that is not there, or
/// that we may not even see, has an error.
///
/// # Errors
/// When no broker answers within `wait`, or it does not know the question.
pub fn allowed_on_topics<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    wait: Duration,
) -> KafkaResult<Vec<(String, Allowed)>> {
    let names = Names::new(topics)?;
    let kind = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    let event = ask(client, kind, wait, |client, options, queue| {
        let mut pointers = names.pointers();
        // SAFETY: everything handed over is alive; librdkafka copies the names and the options. What it makes
        // of the names is destroyed here and nowhere else.
        unsafe {
            let collection =
                sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            sys::rd_kafka_DescribeTopics(client, collection, options, queue);
            sys::rd_kafka_TopicCollection_destroy(collection);
        }
    })?;
    // SAFETY: the event lives until the end of this function, and what is read of it belongs to it; a result
    // that is no such result is null.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event.as_ptr());
        if result.is_null() {
            return Err(KafkaError::AdminOp(RDKafkaErrorCode::Fail));
        }
        let mut count = 0;
        let found = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        let found = (0..count).filter_map(|index| NonNull::new((*found.add(index)).cast_mut()));
        let told = found.map(|topic| {
            let topic = topic.as_ptr();
            let name = text(sys::rd_kafka_TopicDescription_name(topic));
            let error = code(sys::rd_kafka_TopicDescription_error(topic));
            let mut count = 0;
            let first = sys::rd_kafka_TopicDescription_authorized_operations(topic, &mut count);
            (
                name,
                error.map_or_else(|| Ok(operations(first, count)), Err),
            )
        });
        Ok(told.collect())
    }
}

/// Asks what we may do with a group.
///
/// # Errors
/// When no broker answers within `wait`, or it does not know the question.
pub fn allowed_on_group<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    wait: Duration,
) -> KafkaResult<Allowed> {
    let names = Names::new(&[group])?;
    let kind = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    let event = ask(client, kind, wait, |client, options, queue| {
        let mut pointers = names.pointers();
        let (first, count) = (pointers.as_mut_ptr(), pointers.len());
        // SAFETY: everything handed over is alive; librdkafka copies the name and the options.
        unsafe { sys::rd_kafka_DescribeConsumerGroups(client, first, count, options, queue) }
    })?;
    // SAFETY: as above.
    unsafe {
        let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event.as_ptr());
        if result.is_null() {
            return Err(KafkaError::AdminOp(RDKafkaErrorCode::Fail));
        }
        let mut count = 0;
        let found = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
        if count == 0 {
            return Err(KafkaError::AdminOp(RDKafkaErrorCode::Fail));
        }
        let group = *found;
        if let Some(error) = code(sys::rd_kafka_ConsumerGroupDescription_error(group)) {
            return Ok(Err(error));
        }
        let mut count = 0;
        let first = sys::rd_kafka_ConsumerGroupDescription_authorized_operations(group, &mut count);
        Ok(Ok(operations(first, count)))
    }
}

/// Names as librdkafka takes them.
struct Names(Vec<CString>);

impl Names {
    fn new(names: &[&str]) -> KafkaResult<Names> {
        let names = names.iter().map(|name| CString::new(*name));
        Ok(Names(names.collect::<Result<_, _>>()?))
    }

    fn pointers(&self) -> Vec<*const c_char> {
        self.0.iter().map(|name| name.as_ptr()).collect()
    }
}

/// Asks a question with "and say what I may do", and waits for the answer.
fn ask<C: ClientContext>(
    client: &Client<C>,
    kind: sys::rd_kafka_admin_op_t,
    wait: Duration,
    question: impl FnOnce(
        *mut sys::rd_kafka_t,
        *const sys::rd_kafka_AdminOptions_t,
        *mut sys::rd_kafka_queue_t,
    ),
) -> KafkaResult<Event> {
    let client = client.native_ptr();
    let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is borrowed by the caller, so it lives longer than the queue and the options.
    let queue = unsafe { Queue::new(client) };
    // SAFETY: as above; the options are destroyed below, after the question was asked, and an error is ours to
    // destroy. The text of an error is not asked for.
    unsafe {
        let options = sys::rd_kafka_AdminOptions_new(client, kind);
        let refused = sys::rd_kafka_AdminOptions_set_request_timeout(
            options,
            wait_ms,
            std::ptr::null_mut(),
            0,
        );
        debug_assert_eq!(
            refused,
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        );
        let error = sys::rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
        if !error.is_null() {
            sys::rd_kafka_error_destroy(error);
        }
        question(client, options, queue.as_ptr());
        sys::rd_kafka_AdminOptions_destroy(options);
    }
    // The client itself ends the wait with an error; should it fail to, this does a little later.
    let event = queue.poll(wait_ms.saturating_add(1000));
    let event = event.ok_or(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut))?;
    match event.error() {
        None => Ok(event),
        Some(code) => Err(KafkaError::AdminOp(code)),
    }
}

/// # Safety
/// `first` is null or begins `count` operations.
unsafe fn operations(
    first: *const sys::rd_kafka_AclOperation_t,
    count: usize,
) -> Option<Vec<Operation>> {
    if first.is_null() {
        return None;
    }
    // Read as numbers: a later librdkafka may know operations that the enum of its bindings does not.
    let first: *const u32 = first.cast();
    // SAFETY: the caller's promise; the enum is made of `u32`s.
    let numbers = (0..count).map(|index| unsafe { *first.add(index) });
    Some(numbers.filter_map(Operation::numbered).collect())
}

/// # Safety
/// `error` is null or an error that is alive.
unsafe fn code(error: *const sys::rd_kafka_error_t) -> Option<RDKafkaErrorCode> {
    // SAFETY: the caller's promise; null has the code of no error.
    let code = unsafe { sys::rd_kafka_error_code(error) };
    (code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| code.into())
}

/// # Safety
/// `text` is a C string that is alive.
unsafe fn text(text: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}
