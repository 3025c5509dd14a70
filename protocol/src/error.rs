//! What goes wrong between peers, and the three number spaces that say so on the wire.
//!
//! ```text
//!   CloseCode   ends a connection     (QUIC application close)
//!   ResetCode   ends one stream       (RESET_STREAM, STOP_SENDING)
//!   Code        refuses one request   (inside an Error frame, a Refused or a row)
//! ```
//!
//! Meanings and numbers stand here only, in both directions. Numbers are never reused.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::TEXT_BYTES_MAX;
use crate::wire::{Text, wire_map};

/// Why bytes from a peer could not become a message. Always the peer's doing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A varint in a longer form than its value needs.
    #[error("varint {value} written in {size} bytes")]
    LongVarint {
        /// What it says.
        value: u64,
        /// In how many bytes.
        size: usize,
    },
    /// A frame announces more than this stream may carry.
    #[error("frame of {len} bytes exceeds the limit of {max}")]
    FrameTooLarge {
        /// The length announced.
        len: u64,
        /// The limit.
        max: usize,
    },
    /// A frame whose type is critical and unknown here, or not allowed on this stream.
    #[error("frame type {ty:#x} is not expected here")]
    UnexpectedFrame {
        /// The type.
        ty: u64,
    },
    /// A payload outside the CBOR profile.
    #[error("not in the cbor profile at byte {at}: {what}")]
    Profile {
        /// Where in the payload.
        at: usize,
        /// Which rule it breaks.
        what: &'static str,
    },
    /// A payload that is CBOR but not the message its type promises.
    #[error("{len} bytes are not a valid {expected}")]
    Malformed {
        /// Size of the payload.
        len: usize,
        /// The message that was expected.
        expected: &'static str,
    },
    /// The stream ended inside a frame.
    #[error("stream ended {missing} bytes before its frame did")]
    Truncated {
        /// At least so many bytes are missing.
        missing: usize,
    },
}

impl DecodeError {
    /// The code a stream is reset with because of this.
    pub fn reset_code(&self) -> ResetCode {
        match self {
            Self::FrameTooLarge { .. } => ResetCode::TooLarge,
            Self::UnexpectedFrame { .. } => ResetCode::UnknownFrame,
            _ => ResetCode::BadCbor,
        }
    }
}

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant = $number,)+ }
        impl $name {
            /// All of them, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
            /// Its number on the wire.
            pub const fn number(self) -> u32 { self as u32 }
            /// The code with this number, if this version knows it.
            pub fn from_number(number: u64) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{self:?} ({:#x})", self.number())
            }
        }
    };
}

codes! {
    /// Why a connection was closed.
    CloseCode {
        /// Nothing is said: also what a QUIC library sends when its handles are dropped. Reconnect with back-off.
        None = 0x00,
        /// The server failed. Reconnect with back-off.
        Internal = 0x01,
        /// The peer broke the protocol. Report it, do not loop.
        Protocol = 0x02,
        /// No authentication in time.
        AuthTimeout = 0x03,
        /// Authentication was refused. Refresh the token once, then enrol again.
        AuthFailed = 0x04,
        /// The device, its token or its user was revoked. Wipe the credentials.
        Revoked = 0x05,
        /// The server stops, after a Goaway. Reconnect, elsewhere if the Goaway said so.
        Shutdown = 0x06,
        /// More work than the server grants this peer. Back off.
        ExcessiveLoad = 0x07,
        /// The peer did not read what was sent to it.
        SlowConsumer = 0x08,
        /// A newer connection of the same device took this one's place. Stay quiet.
        Replaced = 0x09,
        /// Too many connections.
        Limit = 0x0a,
    }
}

codes! {
    /// Why one stream was reset or stopped; the connection lives.
    ResetCode {
        /// Whoever wanted it wants it no longer.
        Cancelled = 0x40,
        /// A stream type this peer does not know.
        UnknownStream = 0x41,
        /// A critical frame type that is unknown or does not belong here.
        UnknownFrame = 0x42,
        /// A frame above the limit.
        TooLarge = 0x43,
        /// Not a frame, or not the CBOR it should be.
        BadCbor = 0x44,
        /// Nothing was read for too long.
        Slow = 0x45,
        /// The right to this stream was taken away.
        Revoked = 0x46,
        /// The server stops.
        Shutdown = 0x47,
        /// The server failed.
        Internal = 0x48,
        /// More streams of this type than allowed.
        Limit = 0x49,
    }
}

/// Why a request was refused. Unknown codes act by their hundreds digit, see [`Code::retryable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(pub u16);

impl Code {
    /// The request makes no sense.
    pub const BAD_REQUEST: Self = Self(100);
    /// Above a size limit.
    pub const TOO_LARGE: Self = Self(101);
    /// Understood, and not offered by this server.
    pub const UNSUPPORTED: Self = Self(102);
    /// A name outside its rules.
    pub const INVALID_NAME: Self = Self(103);
    /// Say who you are first, or: the proof was not accepted.
    pub const UNAUTHENTICATED: Self = Self(200);
    /// Known, and not allowed.
    pub const FORBIDDEN: Self = Self(201);
    /// Not there, or not to be seen by the asker: the two are not told apart.
    pub const NOT_FOUND: Self = Self(202);
    /// A token or an invite past its time.
    pub const EXPIRED: Self = Self(203);
    /// An invite that was used up or revoked.
    pub const USED: Self = Self(204);
    /// The name is taken, or the state forbids it.
    pub const CONFLICT: Self = Self(300);
    /// This message id was used before with another content.
    pub const MESSAGE_CONFLICT: Self = Self(301);
    /// The room's head is not where `if_head` expects it.
    pub const STALE_HEAD: Self = Self(302);
    /// The encrypted group's epoch is not the one expected. Reserved.
    pub const STALE_EPOCH: Self = Self(303);
    /// It was there, and is no longer.
    pub const GONE: Self = Self(304);
    /// Too fast; `retry_after_ms` says when.
    pub const RATE: Self = Self(400);
    /// A quota is used up.
    pub const QUOTA: Self = Self(401);
    /// Too many streams open, or no credit to open one in time.
    pub const STREAM_LIMIT: Self = Self(402);
    /// The room takes no more members.
    pub const ROOM_FULL: Self = Self(403);
    /// The server failed; nothing happened.
    pub const INTERNAL: Self = Self(500);
    /// The server cannot do it now (it stops, or its disk does not take writes); nothing happened.
    pub const UNAVAILABLE: Self = Self(501);
    /// The outcome is unknown: ask again with the same id.
    pub const TIMEOUT: Self = Self(502);

    /// Whether the same request may succeed later: the limits (4xx) and the server's own troubles (5xx).
    pub const fn retryable(self) -> bool {
        matches!(self.0 / 100, 4 | 5)
    }

    /// A few words for people; programs look at the number.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::BAD_REQUEST => "bad request",
            Self::TOO_LARGE => "too large",
            Self::UNSUPPORTED => "not supported by this server",
            Self::INVALID_NAME => "invalid name",
            Self::UNAUTHENTICATED => "not authenticated",
            Self::FORBIDDEN => "not allowed",
            Self::NOT_FOUND => "not found",
            Self::EXPIRED => "expired",
            Self::USED => "already used",
            Self::CONFLICT => "conflict",
            Self::MESSAGE_CONFLICT => "message id used before with another content",
            Self::STALE_HEAD => "the room has moved on",
            Self::STALE_EPOCH => "the group's epoch has moved on",
            Self::GONE => "gone",
            Self::RATE => "too fast",
            Self::QUOTA => "quota used up",
            Self::STREAM_LIMIT => "too many streams",
            Self::ROOM_FULL => "room is full",
            Self::INTERNAL => "server error",
            Self::UNAVAILABLE => "unavailable",
            Self::TIMEOUT => "outcome unknown",
            _ => "unknown code",
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.meaning(), self.0)
    }
}

wire_map! {
    /// A request that was not granted (`err` in the CDDL): the payload of an Error frame, and part of others.
    pub struct Refusal {
        required {
            /// What kind of no.
            1 => code: Code,
        }
        optional {
            /// For people. Says numbers and names of limits, never contents.
            2 => text: Text<TEXT_BYTES_MAX>,
            /// When to try again, in milliseconds from now.
            3 => retry_after_ms: u64,
        }
    }
}

impl Refusal {
    /// A refusal with the code alone.
    pub fn new(code: Code) -> Self {
        Self { code, text: None, retry_after_ms: None }
    }

    /// A refusal with a sentence for people, cut to the limit.
    pub fn because(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: Some(Text::cut(text.into())), retry_after_ms: None }
    }

    /// The same, with a time to wait in milliseconds.
    #[must_use]
    pub fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl std::error::Error for Refusal {}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.text {
            Some(text) => write!(f, "{}: {}", self.code.meaning(), text.as_str()),
            None => f.write_str(self.code.meaning()),
        }
    }
}
