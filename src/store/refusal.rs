//! What the store's failures mean to whoever asked: the same words wherever they asked.

use quipu_protocol::{Code, Refusal};
use tracing::error;

use super::{StoreError, WriteError};

/// When to ask again after a disk failed, in milliseconds: an operator has to act first.
const DISK_RETRY_MS: u64 = 10_000;
/// When to ask again after a server stopped, in milliseconds.
const RESTART_RETRY_MS: u64 = 1_000;

impl StoreError {
    /// The answer to a peer. The reason itself goes to the log.
    pub fn refusal(&self) -> Refusal {
        error!(error = %self, "the store failed");
        let (text, retry_ms) = match self {
            Self::Full => ("the server's disk is full", DISK_RETRY_MS),
            Self::Closed => ("the server stops", RESTART_RETRY_MS),
            _ => ("the server cannot read or write its data", DISK_RETRY_MS),
        };
        Refusal::because(Code::UNAVAILABLE, text).retry_after(retry_ms)
    }
}

impl WriteError {
    /// For questions: a no that is an answer, or the failure to find one.
    pub fn answer<T>(self) -> Result<Result<T, Refusal>, StoreError> {
        match self {
            Self::Refused(refusal) => Ok(Err(refusal)),
            Self::Store(error) | Self::Unknown(error) => Err(error),
        }
    }

    /// The answer to a peer: the job's own no, or what the failure means.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Store(error) => error.refusal(),
            Self::Unknown(error) => {
                error!(%error, "the outcome of a batch is unknown");
                Refusal::because(Code::TIMEOUT, "ask again with the same id")
            }
        }
    }
}
