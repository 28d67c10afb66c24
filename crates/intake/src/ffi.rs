//! Owners of what librdkafka allocates: each destroys what it holds exactly once.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;
use std::thread::Thread;

use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys as sys;

/// A queue of librdkafka. Whoever holds one also holds its client, and drops the client later.
pub(crate) struct Queue(NonNull<sys::rd_kafka_queue_t>);

// SAFETY: librdkafka locks its queues inside; any thread may use and destroy them.
unsafe impl Send for Queue {}

impl Queue {
    /// The queue into which the client delivers a partition.
    ///
    /// # Safety
    /// `client` is a live client, and stays so until the queue is dropped.
    pub(crate) unsafe fn of_partition(
        client: *mut sys::rd_kafka_t,
        topic: &CStr,
        partition: i32,
    ) -> Option<Queue> {
        // SAFETY: the caller's promise; the name is copied by librdkafka.
        let queue = unsafe { sys::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition) };
        NonNull::new(queue).map(Queue)
    }

    /// A queue of its own, into which the client delivers answers.
    ///
    /// # Safety
    /// `client` is a live client, and stays so until the queue is dropped.
    pub(crate) unsafe fn new(client: *mut sys::rd_kafka_t) -> Queue {
        // SAFETY: the caller's promise.
        let queue = unsafe { sys::rd_kafka_queue_new(client) };
        Queue(NonNull::new(queue).expect("librdkafka ends the process where there is no memory"))
    }

    /// The queue, for a call that is handed one.
    pub(crate) fn as_ptr(&self) -> *mut sys::rd_kafka_queue_t {
        self.0.as_ptr()
    }

    /// Waits for an answer.
    pub(crate) fn poll(&self, timeout_ms: i32) -> Option<Event> {
        // SAFETY: the queue is alive; the answer is ours to destroy.
        let event = unsafe { sys::rd_kafka_queue_poll(self.0.as_ptr(), timeout_ms) };
        NonNull::new(event).map(Event)
    }

    /// Keeps what is delivered here out of the consumer's common queue, from now on.
    pub(crate) fn separate(&self) {
        // SAFETY: the queue is alive.
        unsafe { sys::rd_kafka_queue_forward(self.0.as_ptr(), std::ptr::null_mut()) }
    }

    /// Moves up to `into.capacity()` messages into `into`, which must be empty.
    pub(crate) fn consume(&self, timeout_ms: i32, into: &mut Vec<Message>) {
        debug_assert!(into.is_empty());
        // SAFETY: `Message` is a transparent pointer; librdkafka writes at most `capacity` of them, all
        // of them not null and from now on ours to destroy, and says how many.
        unsafe {
            let taken = sys::rd_kafka_consume_batch_queue(
                self.0.as_ptr(),
                timeout_ms,
                into.as_mut_ptr().cast(),
                into.capacity(),
            );
            into.set_len(usize::try_from(taken).unwrap_or(0));
        }
    }

    /// Wakes `thread` whenever something is delivered into the empty queue, until the answer is dropped.
    pub(crate) fn wake(&self, thread: Thread) -> Waking {
        let thread = Box::into_raw(Box::new(thread));
        // SAFETY: `wake_thread` gets the pointer that is handed over here; it is freed only after the
        // callback was taken out, which librdkafka does under the queue's lock.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.0.as_ptr(), Some(wake_thread), thread.cast());
        }
        Waking {
            queue: self.0,
            thread,
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made by librdkafka for us, destroyed only here.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

/// An answer of librdkafka.
pub(crate) struct Event(NonNull<sys::rd_kafka_event_t>);

impl Event {
    /// The answer, to be read. What is read of it lives as long.
    pub(crate) fn as_ptr(&self) -> *mut sys::rd_kafka_event_t {
        self.0.as_ptr()
    }

    /// Why it is no answer, if it is none.
    pub(crate) fn error(&self) -> Option<RDKafkaErrorCode> {
        // SAFETY: alive until dropped.
        let code = unsafe { sys::rd_kafka_event_error(self.0.as_ptr()) };
        (code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| code.into())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: handed over by `poll`, destroyed only here.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

/// A thread is being woken by a queue. Dropped before the queue.
pub(crate) struct Waking {
    queue: NonNull<sys::rd_kafka_queue_t>,
    thread: *mut Thread,
}

// SAFETY: a `Thread` may be used and dropped anywhere, and so may a queue.
unsafe impl Send for Waking {}

impl Drop for Waking {
    fn drop(&mut self) {
        // SAFETY: the queue is alive, see above; after this call no callback runs or begins, because
        // librdkafka calls it under the lock that this call takes.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, std::ptr::null_mut());
            drop(Box::from_raw(self.thread));
        }
    }
}

unsafe extern "C" fn wake_thread(_: *mut sys::rd_kafka_t, thread: *mut c_void) {
    // SAFETY: the pointer of `Queue::wake`, alive while the callback is set.
    unsafe { (*thread.cast::<Thread>()).unpark() }
}

/// A message of librdkafka.
#[repr(transparent)]
pub(crate) struct Message(NonNull<sys::rd_kafka_message_t>);

// SAFETY: a message may be read and destroyed by any one thread.
unsafe impl Send for Message {}

impl Message {
    /// The message's fields.
    pub(crate) fn fields(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: alive until dropped.
        unsafe { self.0.as_ref() }
    }

    /// Its timestamp in milliseconds since 1970, or none.
    pub(crate) fn timestamp_ms(&self) -> Option<i64> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: alive until dropped; `kind` is written by the call.
        let ms = unsafe { sys::rd_kafka_message_timestamp(self.0.as_ptr(), &mut kind) };
        (ms >= 0).then_some(ms)
    }

    /// What the client says of an error that was delivered in place of a record.
    pub(crate) fn error_text(&self) -> String {
        // SAFETY: alive until dropped; the answer is a C string that lives as long, or null.
        unsafe {
            let text = sys::rd_kafka_message_errstr(self.0.as_ptr());
            if text.is_null() {
                return String::new();
            }
            CStr::from_ptr(text).to_string_lossy().into_owned()
        }
    }

    /// Calls `each` with every header, in their order.
    pub(crate) fn headers(&self, mut each: impl FnMut(&[u8], Option<&[u8]>)) {
        let mut headers = std::ptr::null_mut();
        // SAFETY: alive until dropped. Headers are parsed on demand into the message, which no other
        // thread sees: `Message` is not `Sync`. Names and values live as long as the message.
        unsafe {
            let found = sys::rd_kafka_message_headers(self.0.as_ptr(), &mut headers);
            if found != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
            for index in 0.. {
                let got =
                    sys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut size);
                if got != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return;
                }
                each(CStr::from_ptr(name).to_bytes(), bytes(value, size));
            }
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: handed over by `consume`, destroyed only here.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// The bytes at `start`, or none where there is nothing: a payload of no bytes is not the same as none.
///
/// # Safety
/// `start` is null or points to `len` bytes that live for `'a`.
pub(crate) unsafe fn bytes<'a>(start: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), len) })
}
