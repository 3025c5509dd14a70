//! `quipu-protocol`: what Quipu peers say to each other.
//!
//! ```text
//!   bytes ──▶ frame ──▶ cbor profile ──▶ control · publish · request · room · inbox · datagram
//! ```
//!
//! Everything here is a value or a pure function: no sockets, no clock, no files, no runtime. The normative
//! description is `spec/quipu.cddl`; `spec/PROTOCOL.md` explains it to whoever writes another client.
//!
//! Invariant: nothing a peer sends is trusted for an allocation; a length is compared with its bound in
//! [`limits`] before the bytes behind it are kept.

pub mod cbor;
pub mod control;
pub mod datagram;
pub mod entry;
pub mod error;
pub mod file;
pub mod frame;
pub mod id;
pub mod inbox;
pub mod key;
pub mod limits;
pub mod link;
pub mod name;
pub mod note;
pub mod publish;
pub mod request;
pub mod room;
pub mod sign;
pub mod stream;
pub mod table;
pub mod token;
mod unseen;
pub mod varint;
mod wire;

pub use entry::{Draft, Entry, Ext, Kind};
pub use error::{CloseCode, Code, DecodeError, Refusal, ResetCode};
pub use frame::{Frame, FrameDecoder, FrameType, Message};
pub use id::{Cursor, DeviceId, HookId, Incarnation, InviteId, MessageId, RoomId, Seq, UploadId, UserId};
pub use link::InviteLink;
pub use name::{AwayText, DeviceName, Emoji, FileName, Nickname, RoomName, Topic};
pub use stream::{BidiType, UniType};
pub use unseen::is_unseen;
pub use wire::{Blob, List, Text};

/// The application protocol both ends name in the TLS handshake (ALPN, RFC 7301).
pub const ALPN: &[u8] = b"quipu/1";
/// The highest minor version this code understands; exchanged in `Hello`, never negotiated by refusal.
pub const MINOR: u64 = 0;
/// The port a link means when it names none.
pub const PORT: u16 = 4433;
