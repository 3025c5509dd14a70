//! Identifiers and positions, each a type of its own. Parsing is the only way in, also for serde.
//!
//! Ids are sixteen random bytes, written as 32 lowercase hexadecimal digits for people. They name, they never
//! order: order within a room is a [`Seq`], and nothing orders across rooms.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wire::wire_array;

/// A string that is not the 32 hexadecimal digits of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hexadecimal digits, not {len} characters like these")]
pub struct IdError {
    len: usize,
}

macro_rules! id {
    ($($(#[$meta:meta])* $name:ident;)+) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The id with these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self { Self(bytes) }
            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> { parse_hex(text).map(Self) }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;
            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                bytes.try_into().map(Self).map_err(|_| IdError { len: bytes.len() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_bytes(IdVisitor).map(Self)
            }
        }
    )+ };
}

id! {
    /// A room.
    RoomId;
    /// An account.
    UserId;
    /// One device of an account: one key, one client.
    DeviceId;
    /// A message as its author names it before the server numbers it. A retry carries the same one.
    MessageId;
    /// An invite, without its secret.
    InviteId;
    /// An upload of one account, as its client names it. A retry carries the same one.
    UploadId;
    /// A webhook, without its secret.
    HookId;
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = [u8; 16];
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string of 16 bytes")
    }
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<[u8; 16], E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

fn parse_hex(text: &str) -> Result<[u8; 16], IdError> {
    let error = IdError { len: text.chars().count() };
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return Err(error);
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or(error);
        *byte = (digit(0)? * 16 + digit(1)?) as u8;
    }
    Ok(bytes)
}

macro_rules! number {
    ($($(#[$meta:meta])* $name:ident;)+) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    )+ };
}

number! {
    /// Position of an entry in its room's log: 1, 2, 3 … without holes. Zero is the place before the first.
    Seq;
    /// Which life of a log a position belongs to. It changes when a log is restored from a backup, so that a
    /// cursor from before is recognised instead of believed.
    Incarnation;
}

impl Seq {
    /// Before every entry.
    pub const ZERO: Self = Self(0);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

wire_array! {
    /// How far a reader has come: everything up to and including `seq` of this incarnation.
    #[derive(Copy, PartialOrd, Ord, Hash, Default)]
    pub struct Cursor {
        /// The log's life.
        incarnation: Incarnation,
        /// The last entry read.
        seq: Seq,
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.seq)
    }
}

/// A string that is not `incarnation.seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is two numbers with a dot between them, such as 1.42")]
pub struct CursorError;

impl FromStr for Cursor {
    type Err = CursorError;
    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (incarnation, seq) = text.split_once('.').ok_or(CursorError)?;
        let number = |digits: &str| digits.parse().map_err(|_| CursorError);
        Ok(Self { incarnation: Incarnation(number(incarnation)?), seq: Seq(number(seq)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_what_it_prints() {
        let id = RoomId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "00", &"0".repeat(31), &"g".repeat(32), &"é".repeat(16), &"0".repeat(33)] {
            assert!(bad.parse::<RoomId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cursor_reads_what_it_prints() {
        let cursor = Cursor { incarnation: Incarnation(7), seq: Seq(41) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "7", "7.", ".41", "7.x", "-1.2"] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
