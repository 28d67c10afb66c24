//! What the engine keeps of an account, each fact in its own file.
//!
//! Facts hold no opinion: they take events in, forget what no question can reach any more, and answer
//! questions as of a day. Each writes and reads its own binary form.

pub(crate) mod early;
pub(crate) mod firsts;
pub(crate) mod history;
pub(crate) mod ids;
pub(crate) mod invoices;
pub(crate) mod lifecycle;
pub(crate) mod membership;
pub(crate) mod past;
pub(crate) mod sessions;
pub(crate) mod shelf;
pub(crate) mod totals;
pub(crate) mod users;
