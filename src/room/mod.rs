//! Rooms: an ordered log each, and the cursors that read it. Chat without transport.
//!
//! ```text
//!   publish ──job──▶ store ──committed──▶ Live ──▶ Tail ──▶ Subscription::next
//!                                           └────▶ Inbox::take (everything without a subscription)
//! ```
//!
//! An entry is encoded once, in the store; every reader shares those bytes. Nothing here knows QUIC, and nothing
//! here waits for a member: a reader is a cursor and a wake-up.
//! Invariant: a cursor is never ahead of what is durable.

mod chat;
mod directory;
mod inbox;
mod live;
mod pages;
mod rules;
mod subscription;
mod tail;

pub use chat::{OpenedRoom, Rooms};
pub use inbox::{Inbox, News};
pub use live::Live;
pub use subscription::{Next, Subscription, Typists};
pub use tail::Tail;

use quipu_protocol::{Code, Refusal};

use crate::store::{StoreError, WriteError};

/// What a failed store means to whoever asked.
pub(crate) fn refusal(error: WriteError) -> Refusal {
    match error {
        WriteError::Refused(refusal) => refusal,
        WriteError::Store(error) => store_refusal(&error),
        WriteError::Unknown(_) => Refusal::because(Code::TIMEOUT, "ask again with the same id"),
    }
}

/// What a failed question to the store means to whoever asked.
pub(crate) fn store_refusal(error: &StoreError) -> Refusal {
    tracing::error!(%error, "the store failed");
    match error {
        StoreError::Full => Refusal::because(Code::UNAVAILABLE, "the server's disk is full").retry_after(10_000),
        StoreError::Closed => Refusal::because(Code::UNAVAILABLE, "the server stops").retry_after(1_000),
        _ => Refusal::because(Code::UNAVAILABLE, "the server cannot read or write its data").retry_after(10_000),
    }
}
