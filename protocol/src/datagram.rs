//! Datagrams (RFC 9221): typing, and nothing else. A lost one does no harm; a lost "went offline" would.
//!
//! A datagram is one frame, as on a stream.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::frame::{Frame, FrameDecoder, messages};
use crate::id::{RoomId, UserId};
use crate::limits::DATAGRAM_BYTES_MAX;
use crate::wire::wire_array;

wire_array! {
    /// Somebody is typing.
    pub struct Typing {
        /// Where.
        room: RoomId,
        /// Who; the client leaves it out, the server fills it in.
        user: Option<UserId>,
        /// For how long this holds, in milliseconds.
        ttl_ms: u64,
    }
}

messages! {
    0x71 => Typing,
}

/// The one frame of a datagram.
///
/// # Errors
/// As [`FrameDecoder::next_frame`]; [`DecodeError::Truncated`] when the datagram is not exactly one frame.
pub fn decode(datagram: &Bytes) -> Result<Frame, DecodeError> {
    let mut decoder = FrameDecoder::new(DATAGRAM_BYTES_MAX);
    decoder.feed(datagram);
    let frame = decoder.next_frame()?.ok_or(DecodeError::Truncated { missing: 1 })?;
    decoder.finish()?;
    Ok(frame)
}
