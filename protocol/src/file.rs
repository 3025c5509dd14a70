//! UPLOAD and DOWNLOAD: one file a stream. A frame says what is to come, then the content itself, without frames.
//!
//! ```text
//!   client   UPLOAD    Upload ──▶                       content from there ──▶ FIN
//!   server                        ◀── SendFrom (offset)                           ◀── Uploaded · FIN
//!
//!   client   DOWNLOAD  Download ──▶ FIN
//!   server                        ◀── Content · content from the offset asked for · FIN
//! ```
//!
//! Either answer may be a [`crate::Refusal`] instead. What a file is called is said by the message that refers to it, a
//! [`crate::entry::FileRef`]; the transfer knows the content only.

use crate::frame::messages;
use crate::id::{RoomId, Seq, UploadId};
use crate::limits::MEDIA_TYPE_BYTES_MAX;
use crate::wire::{Blob, Text, wire_map};

wire_map! {
    /// "I want to bring this." Asking again with the same id goes on where it stopped, on whichever connection.
    pub struct Upload {
        required {
            /// The asker's name for this upload, random or derived from the content.
            1 => upload: UploadId,
            /// Where a message shall refer to it. The asker must be allowed to publish there.
            2 => room: RoomId,
            /// Size of the content, bytes.
            3 => size: u64,
            /// SHA-256 of the content.
            4 => hash: Blob<32>,
            /// Its media type, as `image/png`: the asker's word, compared with what the server takes.
            5 => media_type: Text<MEDIA_TYPE_BYTES_MAX>,
        }
        optional {}
    }
}

wire_map! {
    /// "Send the content from here." At the size of the file there is nothing left to send: just finish.
    pub struct SendFrom {
        required {
            /// Bytes that need not be sent.
            1 => offset: u64,
        }
        optional {}
    }
}

wire_map! {
    /// The content is on stable storage, and it is what was announced. A message may refer to it.
    pub struct Uploaded {
        required {
            /// Until when a message must, unix milliseconds; without one it goes then.
            1 => until_ms: u64,
        }
        optional {}
    }
}

wire_map! {
    /// "Give me this file": one that an entry refers to, or a part of it.
    pub struct Download {
        required {
            /// The room of the entry. The asker must be allowed to read it.
            1 => room: RoomId,
            /// The entry.
            2 => seq: Seq,
            /// SHA-256 of the content.
            3 => hash: Blob<32>,
            /// Where to begin, in bytes.
            4 => offset: u64,
        }
        optional {
            /// How much is wanted at most, in bytes; left out: all that is left.
            5 => length: u64,
        }
    }
}

wire_map! {
    /// Stands before the content.
    pub struct Content {
        required {
            /// Size of the whole file, bytes.
            1 => size: u64,
            /// Bytes that follow.
            2 => length: u64,
        }
        optional {}
    }
}

messages! {
    0x120 => Upload,
    0x122 => SendFrom,
    0x124 => Uploaded,
    0x126 => Download,
    0x128 => Content,
}
