//! PUBLISH: drafts in, answers out, in the same order.
//!
//! An [`Ack`] means the entry is on stable storage and has a place in the log for ever. No answer means the
//! outcome is unknown: publish again with the same message id, and the first place is given again.

use crate::error::Refusal;
use crate::frame::messages;
use crate::id::{Cursor, MessageId};
use crate::wire::wire_array;

wire_array! {
    /// The draft is an entry now.
    pub struct Ack {
        /// Which draft.
        message: MessageId,
        /// Its place.
        at: Cursor,
        /// When the server took it, unix milliseconds.
        at_ms: u64,
        /// Whether it already was one: this is the answer to a retry.
        duplicate: bool,
    }
}

wire_array! {
    /// The draft is not an entry, and will not become one unless it is published again.
    pub struct Refused {
        /// Which draft.
        message: MessageId,
        /// Why.
        refusal: Refusal,
    }
}

messages! {
    0x22 => Ack,
    0x24 => Refused,
}
