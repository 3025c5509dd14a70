//! One flat error: a stable code, when to try again, and a sentence for people.
//!
//! Flat, because bindings for other languages show little else; stable, because the command line turns codes into
//! exit codes. Messages never hold a body, a token or a key.

use std::fmt;

use quipu_protocol::link::LinkError;
use quipu_protocol::name::NameError;
use quipu_protocol::{Code, DecodeError, Refusal};

/// What went wrong with an action of [`crate::Client`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure: for programs.
    pub code: ErrorCode,
    /// When the same call may succeed.
    pub retry: Retry,
    /// What happened, for people: lowercase, one sentence, without a full stop.
    pub message: String,
}

/// When the same call may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not before something else changes.
    Never,
    /// At once. Asking again does no harm.
    Now,
    /// After so many milliseconds.
    AfterMs(u64),
    /// When there is a connection.
    WhenOnline,
}

macro_rules! error_codes {
    ($($(#[$meta:meta])* $variant:ident = $word:literal,)+) => {
        /// Kinds of failure. The words are stable; new ones may be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$meta])* $variant,)+
            /// The server said no, with this number.
            Refused(Code),
        }
        impl ErrorCode {
            /// Its stable word, for JSON and for bindings.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ Self::Refused(_) => "refused" }
            }
        }
    };
}

error_codes! {
    /// The caller's mistake: an impossible name, an empty message, a call out of order.
    Usage = "usage",
    /// The text is no invite link, or was mangled on the way.
    LinkDamaged = "link-damaged",
    /// The profile has no account yet.
    NotJoined = "not-joined",
    /// The client was not started, or was stopped.
    NotStarted = "not-started",
    /// The profile belongs to an account already.
    AlreadyJoined = "already-joined",
    /// No such room, user, message or device; or not to be seen by this account.
    NotFound = "not-found",
    /// Known, and not allowed.
    Forbidden = "forbidden",
    /// This device, its token or its account was revoked.
    Revoked = "revoked",
    /// The server does not accept this device's proof.
    Unauthenticated = "unauthenticated",
    /// The invite was used up or taken back.
    InviteUsed = "invite-used",
    /// The invite is past its time.
    InviteExpired = "invite-expired",
    /// The server knows no such invite.
    InviteUnknown = "invite-unknown",
    /// The nickname is taken.
    NicknameTaken = "nickname-taken",
    /// The name does not resolve.
    Unresolved = "unresolved",
    /// Nothing answers there over UDP.
    Unreachable = "unreachable",
    /// The server is not the one the invite named.
    PinMismatch = "pin-mismatch",
    /// The right server, but its certificate's dates do not fit this machine's clock.
    Clock = "clock",
    /// The two have no version of the protocol in common.
    Version = "version",
    /// No answer in time; whether it happened is unknown.
    Timeout = "timeout",
    /// The connection ended while waiting.
    Disconnected = "disconnected",
    /// Another device took this connection's place.
    Replaced = "replaced",
    /// The server broke the protocol.
    Protocol = "protocol",
    /// The server is overloaded, full or stopping.
    Busy = "busy",
    /// The profile cannot be read or written.
    Storage = "storage",
    /// The profile was written by a later version of this program.
    StorageNewer = "storage-newer",
    /// A file of this machine cannot be read or written, or is not what it should be.
    File = "file",
    /// Another process uses the profile.
    Locked = "locked",
    /// The client was shut down.
    Stopped = "stopped",
    /// A fault of this library.
    Internal = "internal",
}

impl Error {
    pub(crate) fn new(code: ErrorCode, retry: Retry, message: impl Into<String>) -> Self {
        Self { code, retry, message: message.into() }
    }

    pub(crate) fn never(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(code, Retry::Never, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::never(ErrorCode::Usage, message)
    }

    pub(crate) fn storage(message: impl fmt::Display) -> Self {
        Self::never(ErrorCode::Storage, format!("the profile cannot be used: {message}"))
    }

    pub(crate) fn file(message: impl fmt::Display) -> Self {
        Self::never(ErrorCode::File, message.to_string())
    }

    /// Whether trying again without a person's help is pointless.
    pub fn is_final(&self) -> bool {
        self.retry == Retry::Never
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.code {
            Code::NOT_FOUND => ErrorCode::NotFound,
            Code::FORBIDDEN => ErrorCode::Forbidden,
            Code::UNAUTHENTICATED => ErrorCode::Unauthenticated,
            Code::TIMEOUT => ErrorCode::Timeout,
            Code::UNAVAILABLE | Code::RATE | Code::STREAM_LIMIT => ErrorCode::Busy,
            Code::INVALID_NAME => ErrorCode::Usage,
            other => ErrorCode::Refused(other),
        };
        let retry = match refusal.retry_after_ms {
            _ if !refusal.code.retryable() => Retry::Never,
            Some(ms) => Retry::AfterMs(ms),
            None => Retry::Now,
        };
        Self::new(code, retry, refusal.to_string())
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::never(ErrorCode::Protocol, format!("the server sent what is not in the protocol: {error}"))
    }
}

impl From<LinkError> for Error {
    fn from(error: LinkError) -> Self {
        let code = match error {
            LinkError::Version(_) => ErrorCode::Version,
            _ => ErrorCode::LinkDamaged,
        };
        Self::never(code, error.to_string())
    }
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::storage(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::storage(error)
    }
}
