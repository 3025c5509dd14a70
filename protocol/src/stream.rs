//! Stream types: the varint every stream begins with. Unknown types are reset without hurting the connection.

/// Streams the client opens, read and written by both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BidiType {
    /// Exactly one, the first: who am I, who are you, and when does it end.
    Control,
    /// Messages to rooms, answered in order.
    Publish,
    /// One question and its answer.
    Request,
    /// A file to the server.
    Upload,
    /// A file from the server.
    Download,
}

impl BidiType {
    /// Its number on the wire.
    pub const fn number(self) -> u64 {
        match self {
            Self::Control => 0x00,
            Self::Publish => 0x01,
            Self::Request => 0x02,
            Self::Upload => 0x03,
            Self::Download => 0x04,
        }
    }

    /// The type with this number, if this version knows it.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            0x00 => Some(Self::Control),
            0x01 => Some(Self::Publish),
            0x02 => Some(Self::Request),
            0x03 => Some(Self::Upload),
            0x04 => Some(Self::Download),
            _ => None,
        }
    }
}

/// Streams the server opens, written by it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UniType {
    /// One room's log, from a cursor onwards.
    Room,
    /// What happens in all other rooms, in short; one per connection.
    Inbox,
}

impl UniType {
    /// Its number on the wire.
    pub const fn number(self) -> u64 {
        match self {
            Self::Room => 0x01,
            Self::Inbox => 0x02,
        }
    }

    /// The type with this number, if this version knows it.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            0x01 => Some(Self::Room),
            0x02 => Some(Self::Inbox),
            _ => None,
        }
    }
}

/// The `n`th stream type that no version will ever give a meaning, to test tolerance: it is reset with
/// [`crate::ResetCode::UnknownStream`] and nothing else happens.
pub const fn grease(n: u64) -> u64 {
    0x1f * n + 0x21
}

/// The `n`th frame type that no version will ever give a meaning: an odd one, so it is skipped. Only every
/// second [`grease`] number is odd, and an even one (0x40) is Opened.
pub const fn grease_frame(n: u64) -> u64 {
    grease(2 * n)
}
