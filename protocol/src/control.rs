//! CONTROL: the client's first stream. Who am I, who are you, and when does it end.
//!
//! ```text
//!   client  Hello · Redeem? · Refresh? · Auth ………………… Refresh
//!   server  Hello · Token?  · Token?   · Authenticated … Token … Notice … Goaway
//! ```
//!
//! Answers come in the order of the questions; an Error answers the question it stands for. A client may send
//! Hello and Auth at once and open its other streams without waiting: the server leaves them unread until Auth
//! is granted.

use crate::error::Refusal;
use crate::frame::messages;
use crate::id::{DeviceId, UserId};
use crate::key::CoseKey;
use crate::limits::{
    AGENT_BYTES_MAX, FEATURES_MAX, PROOF_BYTES_MAX, REDIRECT_BYTES_MAX, TEXT_BYTES_MAX, TOKEN_BYTES_MAX,
};
use crate::name::{DeviceName, Nickname};
use crate::request::Permissions;
use crate::wire::{Blob, List, Text, wire_map};

wire_map! {
    /// What a peer understands. Both send one, first.
    pub struct Hello {
        required {
            /// Highest minor version understood.
            1 => minor: u64,
            /// Features understood; a new critical behaviour needs one that both named.
            2 => features: List<u64, FEATURES_MAX>,
        }
        optional {
            /// Name and version of the program.
            3 => agent: Text<AGENT_BYTES_MAX>,
        }
    }
}

wire_map! {
    /// "I am this device": a token, and the proof that its key is here, on this connection.
    pub struct Auth {
        required {
            /// A CWT in a COSE_Sign1, as the server gave it.
            1 => token: Blob<TOKEN_BYTES_MAX>,
            /// A COSE_Sign1, see [`crate::token`].
            2 => proof: Blob<PROOF_BYTES_MAX>,
        }
        optional {}
    }
}

wire_map! {
    /// The server's yes to an [`Auth`], with what binds this connection.
    pub struct Authenticated {
        required {
            /// The account.
            1 => user: UserId,
            /// The device.
            2 => device: DeviceId,
            /// What people see.
            3 => nickname: Nickname,
            /// The server's clock, unix milliseconds.
            4 => now_ms: u64,
            /// When the token ends, unix milliseconds.
            5 => expires_ms: u64,
            /// Role on the server, see [`crate::request::ServerRole`].
            6 => role: u64,
            /// What this server grants.
            7 => limits: Limits,
        }
        optional {
            /// What a bot may do at most; left out for people, who are held back in nothing.
            8 => scope: Permissions,
        }
    }
}

wire_map! {
    /// Bounds that the server sets and a client should respect.
    pub struct Limits {
        required {
            /// Largest payload of a frame, in bytes.
            1 => frame_bytes: u64,
            /// Largest body of a message, in bytes.
            2 => body_bytes: u64,
            /// Rooms open at once.
            3 => rooms_open: u64,
            /// Publishes unanswered on one stream.
            4 => publishes_in_flight: u64,
            /// Publishes a second, in the long run.
            5 => publishes_per_second: u64,
        }
        optional {}
    }
}

wire_map! {
    /// "Let me in": an invite's secret, and the key the new device will use. The same secret with the same key
    /// may be redeemed again and gives the same device, so a lost answer costs nothing.
    pub struct Redeem {
        required {
            /// The secret of the link.
            1 => secret: Blob<16>,
            /// The new device's public key.
            2 => key: CoseKey,
            /// What the person wants to be called.
            3 => nickname: Nickname,
            /// What the device is called.
            4 => device_name: DeviceName,
            /// A COSE_Sign1, see [`crate::token`].
            5 => proof: Blob<PROOF_BYTES_MAX>,
        }
        optional {}
    }
}

wire_map! {
    /// "A new token, please": before Auth when the old one has ended, after it when it soon will.
    pub struct Refresh {
        required {
            /// Which device asks.
            1 => device: DeviceId,
            /// A COSE_Sign1, see [`crate::token`].
            2 => proof: Blob<PROOF_BYTES_MAX>,
        }
        optional {}
    }
}

wire_map! {
    /// The answer to a [`Redeem`] or a [`Refresh`].
    pub struct Token {
        required {
            /// A CWT in a COSE_Sign1: opaque to the client.
            1 => token: Blob<TOKEN_BYTES_MAX>,
            /// When it ends, unix milliseconds.
            2 => expires_ms: u64,
            /// The account.
            3 => user: UserId,
            /// The device.
            4 => device: DeviceId,
        }
        optional {}
    }
}

wire_map! {
    /// The server stops, or wants this client elsewhere. Finish what is in flight, then close.
    pub struct Goaway {
        required {
            /// How long the server still waits, in milliseconds.
            1 => grace_ms: u64,
        }
        optional {
            /// Where to go instead, `host:port`.
            2 => redirect: Text<REDIRECT_BYTES_MAX>,
        }
    }
}

wire_map! {
    /// Something a person should read. May be skipped.
    pub struct Notice {
        required {
            /// A sentence.
            1 => text: Text<TEXT_BYTES_MAX>,
        }
        optional {}
    }
}

messages! {
    0x00 => Hello,
    0x02 => Auth,
    0x04 => Authenticated,
    0x06 => Refusal,
    0x08 => Goaway,
    0x0a => Refresh,
    0x0c => Redeem,
    0x0e => Token,
    0x0f => Notice,
}
