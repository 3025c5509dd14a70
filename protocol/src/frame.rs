//! Frames: a type, a length, exactly one CBOR item.
//!
//! ```text
//!   varint type · varint length · payload          even types are critical, odd ones may be skipped
//! ```
//!
//! The type is outside CBOR, so a frame is dispatched or skipped without parsing its payload. [`FrameDecoder`]
//! takes bytes as they come and gives frames; it does not know streams and it never waits.
//! Invariant: a length is compared with the limit before a byte behind it is kept.

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cbor;
use crate::error::DecodeError;
use crate::limits::FRAME_BYTES_MAX;
use crate::varint;

/// What a frame is, by number. See the CDDL for the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameType(pub u64);

impl FrameType {
    /// Whether a peer that does not know the type must refuse it: even types. Odd ones are skipped.
    pub const fn is_critical(self) -> bool {
        self.0.is_multiple_of(2)
    }
}

/// A message with a frame type of its own.
pub trait Message: Serialize + DeserializeOwned {
    /// Its frame type.
    const TYPE: FrameType;
    /// Its name, for errors.
    const NAME: &'static str;

    /// The whole frame: type, length, payload.
    fn to_frame(&self) -> Bytes {
        seal(Self::TYPE, &cbor::encode(self))
    }
}

/// Gives types their frame numbers and names, and lists them for [`crate::table`].
macro_rules! messages {
    ($($number:literal => $name:ty,)+) => {
        /// The messages of this module, by number.
        pub(crate) const MESSAGES: &[($crate::frame::FrameType, &str)] =
            &[$(($crate::frame::FrameType($number), stringify!($name)),)+];
        $(
        impl $crate::frame::Message for $name {
            const TYPE: $crate::frame::FrameType = $crate::frame::FrameType($number);
            const NAME: &'static str = stringify!($name);
        }
        )+
    };
}
pub(crate) use messages;

/// Puts type and length before a payload.
pub fn seal(ty: FrameType, payload: &[u8]) -> Bytes {
    let len = payload.len() as u64;
    let mut frame = BytesMut::with_capacity(varint::len(ty.0) + varint::len(len) + payload.len());
    varint::put(&mut frame, ty.0);
    varint::put(&mut frame, len);
    frame.extend_from_slice(payload);
    frame.freeze()
}

/// One frame as it came: its payload is not yet parsed.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub ty: FrameType,
    /// The bytes behind its length.
    pub payload: Bytes,
}

impl Frame {
    /// Whether this frame carries a `T`.
    pub fn is<T: Message>(&self) -> bool {
        self.ty == T::TYPE
    }

    /// The message inside.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedFrame`] when the type is not `T`'s, else what its payload breaks.
    pub fn decode<T: Message>(&self) -> Result<T, DecodeError> {
        if !self.is::<T>() {
            return Err(self.unexpected());
        }
        cbor::decode(&self.payload, T::NAME)
    }

    /// That this frame does not belong here.
    pub fn unexpected(&self) -> DecodeError {
        DecodeError::UnexpectedFrame { ty: self.ty.0 }
    }
}

/// Shows type and size, never contents.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({:#x}, {} bytes)", self.ty.0, self.payload.len())
    }
}

/// Turns the bytes of one stream into frames.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: BytesMut,
    payload_bytes_max: usize,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new(FRAME_BYTES_MAX)
    }
}

impl FrameDecoder {
    /// A decoder that refuses payloads above `payload_bytes_max` bytes.
    pub fn new(payload_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), payload_bytes_max }
    }

    /// Takes bytes that arrived. It keeps at most what was fed and not yet taken as frames.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// A varint that stands before the frames: the type of the stream. `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`DecodeError::LongVarint`].
    pub fn next_varint(&mut self) -> Result<Option<u64>, DecodeError> {
        let Some((value, size)) = varint::take(&self.buffer)? else {
            return Ok(None);
        };
        let _ = self.buffer.split_to(size);
        Ok(Some(value))
    }

    /// The next whole frame, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`DecodeError::FrameTooLarge`] as soon as the length is known, [`DecodeError::LongVarint`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        let Some((ty, ty_size)) = varint::take(&self.buffer)? else {
            return Ok(None);
        };
        let Some((len, len_size)) = varint::take(&self.buffer[ty_size..])? else {
            return Ok(None);
        };
        if len > self.payload_bytes_max as u64 {
            return Err(DecodeError::FrameTooLarge { len, max: self.payload_bytes_max });
        }
        let head = ty_size + len_size;
        let end = head + len as usize;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let payload = self.buffer.split_to(end).freeze().slice(head..);
        Ok(Some(Frame { ty: FrameType(ty), payload }))
    }

    /// What was fed and is no frame: on streams that go on without frames, behind the last of them.
    pub fn take_rest(&mut self) -> Bytes {
        self.buffer.split().freeze()
    }

    /// That the stream may end here: nothing half-read is left.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.buffer.is_empty() { Ok(()) } else { Err(DecodeError::Truncated { missing: 1 }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_from_any_cut() {
        let mut bytes = Vec::new();
        for (ty, len) in [(0u64, 0usize), (0x42, 5), (0x4001, 300)] {
            bytes.extend_from_slice(&seal(FrameType(ty), &vec![7; len]));
        }
        for step in [1, 2, 3, 7, bytes.len()] {
            let mut decoder = FrameDecoder::default();
            let mut seen = Vec::new();
            for chunk in bytes.chunks(step) {
                decoder.feed(chunk);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    seen.push((frame.ty.0, frame.payload.len()));
                }
            }
            assert_eq!(seen, [(0, 0), (0x42, 5), (0x4001, 300)], "step {step}");
            assert_eq!(decoder.finish(), Ok(()));
        }
    }

    #[test]
    fn a_length_above_the_limit_is_refused_at_once() {
        let mut decoder = FrameDecoder::new(100);
        let mut head = Vec::new();
        varint::put(&mut head, 0x42);
        varint::put(&mut head, 1 << 30);
        decoder.feed(&head);
        assert_eq!(decoder.next_frame(), Err(DecodeError::FrameTooLarge { len: 1 << 30, max: 100 }));
    }

    #[test]
    fn an_end_inside_a_frame_is_noticed() {
        let mut decoder = FrameDecoder::default();
        let frame = seal(FrameType(2), &[0x00]);
        decoder.feed(&frame[..frame.len() - 1]);
        assert_eq!(decoder.next_frame(), Ok(None));
        assert!(decoder.finish().is_err());
    }
}
