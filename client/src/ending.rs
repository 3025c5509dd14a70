//! How attempts and connections end, in one table: what a person is told, and what is done next.
//!
//! Invariant: every way a connection can end has a sentence of its own and a reaction of its own.

use std::time::Duration;

use quinn::{ApplicationClose, ConnectionError, ReadError, WriteError};
use quipu_protocol::{CloseCode, Code, DecodeError, Refusal};

use crate::error::{Error, ErrorCode, Retry};
use crate::limits::BACKOFF_MAX;
use crate::tls;

/// Why an attempt or a connection ended. Also what stream work inside a session fails with.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The host's name gave no address.
    Unresolved(String),
    /// No answer from there in time, or no way there.
    Unreachable(String),
    /// TLS refused the server.
    Identity(tls::Refusal),
    /// No application protocol in common.
    Version,
    /// The server refused who we are, or what we asked for.
    Refused(Refusal),
    /// The connection broke or was closed.
    Closed(ConnectionError),
    /// The server reset a stream we need.
    Reset(u64),
    /// A stream ended that should not have.
    Finished(&'static str),
    /// No answer in time.
    Late(&'static str),
    /// The server sent what is not in the protocol.
    Decode(DecodeError),
    /// The server sent what may be sent, but not now.
    Order(&'static str),
    /// The server stops, or sends us elsewhere.
    Goaway(Duration),
    /// The path went silent after a move, or slept too long.
    PathDead,
    /// Our own profile failed.
    Store(Error),
    /// The program said so.
    Stopped,
}

/// What to do about an [`Ending`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Dial again by the back-off.
    Backoff,
    /// The same, but not before so long.
    BackoffFrom(Duration),
    /// Dial again at once.
    Now,
    /// Dial again, and ask for a new token first; stop when that was the last try already.
    Reauthenticate,
    /// The peer broke the protocol: dial again a few times, then stop.
    Suspicious,
    /// Do nothing until a person does something.
    Stop,
}

impl Ending {
    /// What to do next.
    pub(crate) fn reaction(&self) -> Reaction {
        match self {
            Self::Unresolved(_)
            | Self::Unreachable(_)
            | Self::Reset(_)
            | Self::Finished(_)
            | Self::Late(_) => Reaction::Backoff,
            // The clock or the certificate may be put right; all else is another server.
            Self::Identity(tls::Refusal::Expired { .. } | tls::Refusal::NotYetValid { .. }) => {
                Reaction::BackoffFrom(BACKOFF_MAX)
            }
            Self::Identity(_) | Self::Version | Self::Stopped => Reaction::Stop,
            Self::Refused(refusal) => of_refusal(refusal),
            Self::Closed(ConnectionError::ApplicationClosed(close)) => of_close(close),
            Self::Closed(ConnectionError::VersionMismatch) => Reaction::Stop,
            Self::Closed(_) => Reaction::Backoff,
            Self::Decode(_) | Self::Order(_) => Reaction::Suspicious,
            Self::Goaway(wait) => Reaction::BackoffFrom(*wait),
            Self::PathDead => Reaction::Now,
            Self::Store(error) if error.code == ErrorCode::Stopped => Reaction::Stop,
            Self::Store(_) => Reaction::BackoffFrom(BACKOFF_MAX),
        }
    }

    /// What a caller or a person is told.
    pub(crate) fn error(&self) -> Error {
        use ErrorCode as E;
        let (code, message) = match self {
            Self::Unresolved(what) => (E::Unresolved, what.clone()),
            Self::Unreachable(what) => (E::Unreachable, what.clone()),
            Self::Identity(refusal) => (of_identity(refusal), refusal.to_string()),
            Self::Version => (
                E::Version,
                "the server speaks no version of the protocol this program knows; update it".into(),
            ),
            Self::Refused(refusal) => return refusal.clone().into(),
            Self::Closed(error) => return of_connection(error),
            Self::Reset(code) => {
                (E::Disconnected, format!("the server reset the stream with code {code:#x}"))
            }
            Self::Finished(what) => (E::Disconnected, format!("the server ended {what}")),
            Self::Late(what) => (E::Timeout, format!("no answer in time to {what}")),
            Self::Decode(error) => return error.clone().into(),
            Self::Order(what) => (E::Protocol, format!("the server broke the protocol: {what}")),
            Self::Goaway(_) => (E::Busy, "the server is stopping".into()),
            Self::PathDead => (E::Disconnected, "the connection did not survive a change of network".into()),
            Self::Store(error) => return error.clone(),
            Self::Stopped => (E::Stopped, "the client was stopped".into()),
        };
        Error::new(code, self.retry(), message)
    }

    fn retry(&self) -> Retry {
        match self.reaction() {
            Reaction::Stop => Retry::Never,
            Reaction::Suspicious => Retry::Never,
            Reaction::BackoffFrom(wait) => Retry::AfterMs(wait.as_millis() as u64),
            Reaction::Backoff => Retry::WhenOnline,
            Reaction::Now | Reaction::Reauthenticate => Retry::Now,
        }
    }

    /// Whether the connection is gone, so that the same request may be made on the next.
    pub(crate) fn is_disconnection(&self) -> bool {
        matches!(
            self,
            Self::Closed(_) | Self::Finished(_) | Self::Goaway(_) | Self::PathDead | Self::Reset(_)
        )
    }

    /// The code we close the connection with because of this.
    pub(crate) fn close_code(&self) -> CloseCode {
        match self {
            Self::Decode(_) | Self::Order(_) => CloseCode::Protocol,
            Self::Store(_) => CloseCode::Internal,
            _ => CloseCode::None,
        }
    }
}

fn of_refusal(refusal: &Refusal) -> Reaction {
    match (refusal.code, refusal.retry_after_ms) {
        (Code::UNAUTHENTICATED | Code::EXPIRED, _) => Reaction::Reauthenticate,
        (_, Some(ms)) => Reaction::BackoffFrom(Duration::from_millis(ms).min(BACKOFF_MAX)),
        (code, None) if code.retryable() => Reaction::Backoff,
        _ => Reaction::Stop,
    }
}

fn of_close(close: &ApplicationClose) -> Reaction {
    match CloseCode::from_number(close.error_code.into_inner()) {
        Some(CloseCode::AuthFailed) => Reaction::Reauthenticate,
        Some(CloseCode::Revoked | CloseCode::Replaced) => Reaction::Stop,
        Some(CloseCode::Protocol) => Reaction::Suspicious,
        Some(CloseCode::ExcessiveLoad | CloseCode::Limit | CloseCode::SlowConsumer) => {
            Reaction::BackoffFrom(Duration::from_secs(2))
        }
        _ => Reaction::Backoff,
    }
}

fn of_identity(refusal: &tls::Refusal) -> ErrorCode {
    match refusal {
        tls::Refusal::Expired { .. } | tls::Refusal::NotYetValid { .. } => ErrorCode::Clock,
        _ => ErrorCode::PinMismatch,
    }
}

fn of_connection(error: &ConnectionError) -> Error {
    use ErrorCode as E;
    let (code, retry, message) = match error {
        ConnectionError::ApplicationClosed(close) => return of_application_close(close),
        ConnectionError::VersionMismatch => {
            (E::Version, Retry::Never, "the server speaks another version of QUIC".into())
        }
        ConnectionError::TimedOut => {
            (E::Disconnected, Retry::WhenOnline, "the connection was silent for too long".into())
        }
        ConnectionError::Reset => (E::Disconnected, Retry::WhenOnline, "the server restarted".into()),
        ConnectionError::LocallyClosed => {
            (E::Disconnected, Retry::WhenOnline, "the connection was closed".into())
        }
        other => (E::Disconnected, Retry::WhenOnline, format!("the connection broke: {other}")),
    };
    Error::new(code, retry, message)
}

fn of_application_close(close: &ApplicationClose) -> Error {
    use ErrorCode as E;
    let number = close.error_code.into_inner();
    let (code, retry, message) = match CloseCode::from_number(number) {
        Some(CloseCode::Revoked) => (E::Revoked, Retry::Never, "this device was revoked".into()),
        Some(CloseCode::AuthFailed) => {
            (E::Unauthenticated, Retry::Now, "the server does not accept this device".into())
        }
        Some(CloseCode::AuthTimeout) => {
            (E::Disconnected, Retry::WhenOnline, "signing in took the server too long".into())
        }
        Some(CloseCode::Replaced) => {
            (E::Replaced, Retry::Never, "another connection of this device took this one's place".into())
        }
        Some(CloseCode::Protocol) => {
            (E::Protocol, Retry::Never, "the server says that this program broke the protocol".into())
        }
        Some(CloseCode::Shutdown) => (E::Busy, Retry::WhenOnline, "the server is stopping".into()),
        Some(CloseCode::ExcessiveLoad | CloseCode::Limit) => {
            (E::Busy, Retry::AfterMs(2_000), "the server takes no more connections now".into())
        }
        Some(CloseCode::SlowConsumer) => {
            (E::Busy, Retry::AfterMs(2_000), "this program read too slowly for the server".into())
        }
        Some(CloseCode::Internal) => (E::Busy, Retry::WhenOnline, "the server failed".into()),
        Some(CloseCode::None) | None => (
            E::Disconnected,
            Retry::WhenOnline,
            format!("the server closed the connection with code {number:#x}"),
        ),
    };
    Error::new(code, retry, message)
}

impl From<ConnectionError> for Ending {
    fn from(error: ConnectionError) -> Self {
        Self::Closed(error)
    }
}

impl From<ReadError> for Ending {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::Reset(code.into_inner()),
            ReadError::ConnectionLost(error) => Self::Closed(error),
            _ => Self::Finished("a stream that is being read"),
        }
    }
}

impl From<WriteError> for Ending {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(code) => Self::Reset(code.into_inner()),
            WriteError::ConnectionLost(error) => Self::Closed(error),
            _ => Self::Finished("a stream that is being written"),
        }
    }
}

impl From<DecodeError> for Ending {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quinn::VarInt;

    fn closed(code: CloseCode) -> Ending {
        let close =
            ApplicationClose { error_code: VarInt::from_u32(code.number()), reason: Default::default() };
        Ending::Closed(ConnectionError::ApplicationClosed(close))
    }

    #[test]
    fn every_close_code_has_its_reaction_and_its_sentence() {
        let mut sentences = std::collections::BTreeSet::new();
        for code in CloseCode::ALL {
            let ending = closed(*code);
            let expected = match code {
                CloseCode::AuthFailed => Reaction::Reauthenticate,
                CloseCode::Revoked | CloseCode::Replaced => Reaction::Stop,
                CloseCode::Protocol => Reaction::Suspicious,
                CloseCode::ExcessiveLoad | CloseCode::SlowConsumer | CloseCode::Limit => {
                    Reaction::BackoffFrom(Duration::from_secs(2))
                }
                _ => Reaction::Backoff,
            };
            assert_eq!(ending.reaction(), expected, "{code}");
            sentences.insert(ending.error().message);
        }
        assert_eq!(sentences.len(), CloseCode::ALL.len() - 1, "only the two limits share one");
    }

    #[test]
    fn another_server_stops_us_and_a_wrong_clock_does_not() {
        assert_eq!(Ending::Identity(tls::Refusal::WrongKey).reaction(), Reaction::Stop);
        assert_eq!(Ending::Identity(tls::Refusal::WrongKey).error().code, ErrorCode::PinMismatch);
        let clock = Ending::Identity(tls::Refusal::Expired { now_secs: 2, not_after_secs: 1 });
        assert_eq!(clock.error().code, ErrorCode::Clock);
        assert_ne!(clock.reaction(), Reaction::Stop);
        assert_eq!(Ending::Version.reaction(), Reaction::Stop);
        assert_eq!(Ending::Version.error().code, ErrorCode::Version);
    }

    #[test]
    fn refusals_act_by_their_hundreds() {
        let reaction = |code| Ending::Refused(Refusal::new(code)).reaction();
        assert_eq!(reaction(Code::UNAUTHENTICATED), Reaction::Reauthenticate);
        assert_eq!(reaction(Code::UNAVAILABLE), Reaction::Backoff);
        assert_eq!(reaction(Code(599)), Reaction::Backoff);
        assert_eq!(reaction(Code::FORBIDDEN), Reaction::Stop);
        let later = Ending::Refused(Refusal::new(Code::RATE).retry_after(700)).reaction();
        assert_eq!(later, Reaction::BackoffFrom(Duration::from_millis(700)));
    }
}
