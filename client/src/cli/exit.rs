//! How a command fails: one enum, one table from failures to exit codes, one table to advice.
//!
//! | exit | meaning | | exit | meaning |
//! |------|---------|-|------|---------|
//! | 0 | done | | 5 | not reachable, or timed out before anything was sent |
//! | 1 | another failure | | 6 | the server's key is not the pinned one |
//! | 2 | usage | | 7 | no common version |
//! | 3 | no such room, user or message | | 8 | kept in the outbox, not yet acknowledged |
//! | 4 | not allowed, revoked, invite used or expired | | 130 | interrupted |
//!
//! Invariant: every [`ErrorCode`] has its place in [`of_code`]; scripts rely on it.

use std::io;

use quipu_client::protocol::Code;
use quipu_client::{Error, ErrorCode};
use thiserror::Error;

use super::render;

/// Why a command did not do what it was asked.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The library's word.
    #[error("{}", render::line(&.0.message))]
    Client(#[from] Error),
    /// The caller's mistake.
    #[error("{}", render::line(.0))]
    Usage(String),
    /// What was named is not there.
    #[error("{}", render::line(.0))]
    NotFound(String),
    /// Known, and not allowed.
    #[error("{}", render::line(.0))]
    NotAllowed(String),
    /// Messages that are safe on disk and not on the server.
    #[error("{} not acknowledged yet ({}): kept in the outbox, sent by the next run",
        render::count(*count, "message"), render::line(why))]
    Queued {
        /// How many.
        count: u64,
        /// What is known about the reason.
        why: String,
    },
    /// A library failure, with what it did to the command's work.
    #[error("{}: {}", render::line(before), render::line(&error.message))]
    After {
        /// How far the command had come.
        before: String,
        /// What happened then.
        error: Error,
    },
    /// A file or a stream of this machine.
    #[error("{}: {source}", render::line(what))]
    Io {
        /// Which.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// A program that was run for an entry, and what it did.
    #[error("{}", render::line(.0))]
    Program(String),
    /// A check of `doctor` that failed: its report was printed already.
    #[error("{name} does not work")]
    Check {
        /// Which check.
        name: &'static str,
        /// What kind of failure.
        error: Option<ErrorCode>,
    },
    /// Ctrl-C or a signal to end.
    #[error("interrupted")]
    Interrupted,
    /// Whoever read our output went away. Nothing is wrong.
    #[error("output closed")]
    OutputClosed,
}

impl Failure {
    /// A failure of a file or stream.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Client(error) | Self::After { error, .. } => of_code(error.code),
            Self::Usage(_) => USAGE,
            Self::NotFound(_) => NOT_FOUND,
            Self::NotAllowed(_) => NOT_ALLOWED,
            Self::Queued { .. } => QUEUED,
            Self::Io { .. } | Self::Program(_) => FAILED,
            Self::Check { name, error } => of_check(name, *error),
            Self::Interrupted => INTERRUPTED,
            Self::OutputClosed => DONE,
        }
    }

    /// What a person could do about it.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Client(error) | Self::After { error, .. } => advice(error.code),
            _ => None,
        }
    }

    /// Whether the person knows already, so that nothing needs to be said.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self, Self::OutputClosed | Self::Interrupted)
    }
}

const DONE: u8 = 0;
const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;
const NOT_ALLOWED: u8 = 4;
pub(crate) const UNREACHABLE: u8 = 5;
const WRONG_KEY: u8 = 6;
const WRONG_VERSION: u8 = 7;
const QUEUED: u8 = 8;
const INTERRUPTED: u8 = 130;

/// The exit code for a kind of failure. A kind that is new and unknown here is "another failure".
fn of_code(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::Usage | ErrorCode::LinkDamaged | ErrorCode::AlreadyJoined => USAGE,
        ErrorCode::NotFound => NOT_FOUND,
        // Without an account everything is forbidden: what gh calls "auth".
        ErrorCode::NotJoined
        | ErrorCode::Forbidden
        | ErrorCode::Revoked
        | ErrorCode::Unauthenticated
        | ErrorCode::InviteUsed
        | ErrorCode::InviteExpired
        | ErrorCode::InviteUnknown => NOT_ALLOWED,
        // Busy is here because a script should do the same: try again later.
        ErrorCode::Unresolved
        | ErrorCode::Unreachable
        | ErrorCode::Timeout
        | ErrorCode::Disconnected
        | ErrorCode::Busy => UNREACHABLE,
        ErrorCode::PinMismatch => WRONG_KEY,
        ErrorCode::Version => WRONG_VERSION,
        ErrorCode::Refused(code) => of_refusal(code),
        ErrorCode::NicknameTaken
        | ErrorCode::NotStarted
        | ErrorCode::Clock
        | ErrorCode::Replaced
        | ErrorCode::Protocol
        | ErrorCode::Storage
        | ErrorCode::StorageNewer
        | ErrorCode::File
        | ErrorCode::Locked
        | ErrorCode::Stopped
        | ErrorCode::Internal => FAILED,
        _ => FAILED,
    }
}

/// The exit code for a refusal that has no kind of its own.
fn of_refusal(code: Code) -> u8 {
    match code {
        Code::NOT_FOUND | Code::GONE => NOT_FOUND,
        Code::BAD_REQUEST | Code::TOO_LARGE | Code::INVALID_NAME => USAGE,
        Code(200..=299) => NOT_ALLOWED,
        _ => FAILED,
    }
}

/// The exit code for a check of `doctor` that failed.
fn of_check(name: &str, error: Option<ErrorCode>) -> u8 {
    match name {
        // Signing in that took too long says nothing about who may.
        "auth" if matches!(error, Some(ErrorCode::Timeout | ErrorCode::Disconnected | ErrorCode::Busy)) => {
            UNREACHABLE
        }
        "resolve" | "handshake" => UNREACHABLE,
        "alpn" => WRONG_VERSION,
        "pin" => WRONG_KEY,
        "auth" => NOT_ALLOWED,
        _ => FAILED,
    }
}

/// What a person could do. One text per kind, so that no two failures look alike.
pub(crate) fn advice(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::LinkDamaged => "copy the whole link again, from quipu:// to its last character",
        ErrorCode::NotJoined => "quipu join LINK makes one; the link comes from whoever runs the server",
        ErrorCode::AlreadyJoined => "for another account choose another profile: --profile NAME",
        ErrorCode::NotFound => "quipu rooms --all lists the rooms you can see; it may be hidden from you",
        ErrorCode::Forbidden => {
            "a public room has to be entered first (quipu enter ROOM); the rest is for whoever moderates it to decide"
        }
        ErrorCode::Revoked => "this device was shut out: ask for a new invite and join with another profile",
        ErrorCode::Unauthenticated => "check this machine's clock; if it is right, ask for a new invite",
        ErrorCode::InviteUsed => "every invite works only as often as it says: ask for a new one",
        ErrorCode::InviteExpired => {
            "ask for a new invite; quipu invite new --expires 7d makes one that lives longer"
        }
        ErrorCode::InviteUnknown => "it was taken back, or belongs to another server: ask for a new one",
        ErrorCode::NicknameTaken => "choose another one with --nick; the invite is still good",
        ErrorCode::Unresolved => "check the host's name in the link, and this machine's name servers",
        ErrorCode::Unreachable => {
            "the server may be down, or a firewall drops UDP on the way: quipu doctor tries each step"
        }
        ErrorCode::PinMismatch => {
            "do not go on: somebody may be in between, or the server was set up anew. \
             Ask its operator for the fingerprint, by another way than this network"
        }
        ErrorCode::Clock => "set this machine's clock, or ask the operator to renew the server's certificate",
        ErrorCode::Version => "update the older of the two, this program or the server",
        ErrorCode::Timeout => "it may have happened or not; the same command again does no harm",
        ErrorCode::Disconnected => "try again: the connection ended while waiting",
        ErrorCode::Replaced => "another program uses this device's key: one profile runs in one place",
        ErrorCode::Busy => "try again in a while",
        ErrorCode::StorageNewer => "use the newer version of this program that wrote the profile",
        ErrorCode::Locked => "end the other quipu that uses this profile, or choose another: --profile NAME",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use quipu_client::Retry;

    const ALL: &[(ErrorCode, u8)] = &[
        (ErrorCode::Usage, 2),
        (ErrorCode::LinkDamaged, 2),
        (ErrorCode::NotJoined, 4),
        (ErrorCode::NotStarted, 1),
        (ErrorCode::AlreadyJoined, 2),
        (ErrorCode::NotFound, 3),
        (ErrorCode::Forbidden, 4),
        (ErrorCode::Revoked, 4),
        (ErrorCode::Unauthenticated, 4),
        (ErrorCode::InviteUsed, 4),
        (ErrorCode::InviteExpired, 4),
        (ErrorCode::InviteUnknown, 4),
        (ErrorCode::NicknameTaken, 1),
        (ErrorCode::Unresolved, 5),
        (ErrorCode::Unreachable, 5),
        (ErrorCode::PinMismatch, 6),
        (ErrorCode::Clock, 1),
        (ErrorCode::Version, 7),
        (ErrorCode::Timeout, 5),
        (ErrorCode::Disconnected, 5),
        (ErrorCode::Replaced, 1),
        (ErrorCode::Protocol, 1),
        (ErrorCode::Busy, 5),
        (ErrorCode::Storage, 1),
        (ErrorCode::StorageNewer, 1),
        (ErrorCode::File, 1),
        (ErrorCode::Locked, 1),
        (ErrorCode::Stopped, 1),
        (ErrorCode::Internal, 1),
    ];

    fn failure(code: ErrorCode) -> Failure {
        Failure::Client(Error { code, retry: Retry::Never, message: "m".into() })
    }

    #[test]
    fn every_kind_of_failure_has_its_exit_code() {
        for (code, exit) in ALL {
            assert_eq!(failure(*code).exit_code(), *exit, "{code:?}");
        }
        let refusals = [
            (Code::BAD_REQUEST, 2),
            (Code::TOO_LARGE, 2),
            (Code::UNSUPPORTED, 1),
            (Code::EXPIRED, 4),
            (Code::USED, 4),
            (Code(299), 4),
            (Code::CONFLICT, 1),
            (Code::MESSAGE_CONFLICT, 1),
            (Code::STALE_HEAD, 1),
            (Code::GONE, 3),
            (Code::QUOTA, 1),
            (Code::ROOM_FULL, 1),
            (Code::INTERNAL, 1),
        ];
        for (code, exit) in refusals {
            assert_eq!(failure(ErrorCode::Refused(code)).exit_code(), exit, "{code}");
        }
    }

    #[test]
    fn what_is_not_the_librarys_doing_has_its_code_too() {
        assert_eq!(Failure::Usage(String::new()).exit_code(), 2);
        assert_eq!(Failure::Queued { count: 1, why: "offline".into() }.exit_code(), 8);
        assert_eq!(Failure::Interrupted.exit_code(), 130);
        assert_eq!(Failure::OutputClosed.exit_code(), 0);
        let checks = [("resolve", 5), ("handshake", 5), ("alpn", 7), ("pin", 6), ("auth", 4), ("clock", 1)];
        for (name, exit) in checks {
            assert_eq!(Failure::Check { name, error: None }.exit_code(), exit, "{name}");
        }
    }

    #[test]
    fn no_two_failures_get_the_same_advice() {
        let texts: Vec<_> = ALL.iter().filter_map(|(code, _)| advice(*code)).collect();
        assert_eq!(texts.iter().collect::<HashSet<_>>().len(), texts.len());
        // Everything that can happen to a newcomer has one.
        for code in [
            ErrorCode::LinkDamaged,
            ErrorCode::InviteUsed,
            ErrorCode::InviteExpired,
            ErrorCode::InviteUnknown,
            ErrorCode::NicknameTaken,
            ErrorCode::Unresolved,
            ErrorCode::Unreachable,
            ErrorCode::PinMismatch,
            ErrorCode::Clock,
            ErrorCode::Version,
        ] {
            assert!(advice(code).is_some(), "{code:?}");
        }
    }

    #[test]
    fn what_a_server_says_reaches_the_terminal_harmless() {
        let error = Error { code: ErrorCode::Internal, retry: Retry::Never, message: "\u{1b}[2Jgone".into() };
        assert_eq!(Failure::Client(error).to_string(), "\\u{1b}[2Jgone");
        // Names of files come from elsewhere, too: from an archive, say.
        let evil = || "day\u{1b}[2J\n.json".to_owned();
        let io = Failure::io(evil(), io::Error::other("broken"));
        for failure in [Failure::Usage(evil()), Failure::NotFound(evil()), Failure::Program(evil()), io] {
            assert!(failure.to_string().starts_with("day\\u{1b}[2J\\n.json"), "{failure}");
        }
    }
}
