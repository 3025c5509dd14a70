//! Messages: into the outbox, and what became of them.

use std::time::Duration;

use quipu_protocol::entry::{self, Kind};
use quipu_protocol::limits::BODY_BYTES_MAX;
use quipu_protocol::{Blob, MessageId, RoomId};
use tokio::time::{Instant, timeout_at};

use super::{Client, Draft, Sent, Undelivered};
use crate::error::{Error, ErrorCode, Retry};
use crate::store::outbox::{self, Outcome};
use crate::store::refused;

/// Refused messages told at once: with every word they are about a megabyte at most.
const UNDELIVERED_PAGE: usize = 64;

impl Client {
    /// Puts a message into the outbox. One that was refused is tried again. It is on disk when this returns, and sent as
    /// soon as there is a connection, in the order of the calls within a room; the outcome comes as an event, or from [`Client::wait_sent`].
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] for an empty or too large body, or an id used for another content;
    /// [`ErrorCode::NotJoined`], [`ErrorCode::Busy`] when the outbox is full, [`ErrorCode::Storage`].
    pub async fn send(&self, room: RoomId, draft: Draft) -> Result<MessageId, Error> {
        let ids = self.send_all(room, vec![draft]).await?;
        ids.first().copied().ok_or_else(|| Error::never(ErrorCode::Internal, "a message without an id"))
    }

    /// Puts many messages into the outbox of one room, in order, all or none: one write to the disk for all.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_all(&self, room: RoomId, drafts: Vec<Draft>) -> Result<Vec<MessageId>, Error> {
        if self.whoami().await?.is_none() {
            return Err(Error::never(ErrorCode::NotJoined, "this profile has not joined a server yet"));
        }
        let drafts: Vec<entry::Draft> =
            drafts.into_iter().map(|draft| self.checked(room, draft)).collect::<Result<_, _>>()?;
        let ids = drafts.iter().map(|draft| draft.message).collect();
        let now_ms = self.core().now_ms();
        self.core().store.run(move |db| outbox::put(db, &drafts, now_ms)).await?;
        self.core().outbox_changed();
        Ok(ids)
    }

    fn checked(&self, room: RoomId, draft: Draft) -> Result<entry::Draft, Error> {
        let has_files = draft.ext.files.as_ref().is_some_and(|files| !files.is_empty());
        if draft.kind == Kind::TEXT && draft.body.is_empty() && !has_files {
            return Err(Error::usage("the message is empty"));
        }
        if draft.kind == Kind::TEXT && std::str::from_utf8(&draft.body).is_err() {
            return Err(Error::usage("the message is not UTF-8 text"));
        }
        let too_large = |body: bytes::Bytes| {
            Error::usage(format!("the message has {} bytes, and {BODY_BYTES_MAX} are allowed", body.len()))
        };
        let body = Blob::new(draft.body).map_err(too_large)?;
        let message = draft.id.unwrap_or_else(|| MessageId::from_bytes(self.core().random_id()));
        Ok(entry::Draft { room, message, kind: draft.kind, body, ext: draft.ext })
    }

    /// Waits for the outcome of a message: its place in the log.
    ///
    /// # Errors
    /// The refusal; [`ErrorCode::Timeout`] after `wait`, and the message stays in the outbox; at once what makes
    /// waiting for a connection pointless; [`ErrorCode::NotFound`] for an unknown id.
    pub async fn wait_sent(&self, id: MessageId, wait: Duration) -> Result<Sent, Error> {
        let deadline = Instant::now() + wait;
        let (mut changed, mut state) = (self.core().outbox.subscribe(), self.core().state.subscribe());
        loop {
            // Marked before looking, so that a change after the look still wakes us.
            changed.borrow_and_update();
            let stopped = match &*state.borrow_and_update() {
                crate::state::ConnState::Stopped { why } => Some(why.clone()),
                _ => None,
            };
            match self.core().store.run(move |db| outbox::outcome(db, id)).await? {
                Outcome::Sent(sent) => return Ok(sent),
                Outcome::Refused(refusal) => return Err(refusal.into()),
                Outcome::Unknown => return Err(unknown(id)),
                Outcome::Queued => {}
            }
            if let Some(why) = stopped {
                return Err(why);
            }
            let news = async {
                tokio::select! {
                    biased;
                    _ = changed.changed() => {}
                    _ = state.changed() => {}
                }
            };
            if timeout_at(deadline, news).await.is_err() {
                return Err(Error::new(
                    ErrorCode::Timeout,
                    Retry::WhenOnline,
                    "not sent yet; it is in the outbox",
                ));
            }
        }
    }

    /// Sends a refused message again, under the same id, behind all others.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when no message with this id was refused.
    pub async fn retry(&self, id: MessageId) -> Result<(), Error> {
        let now_ms = self.core().now_ms();
        let found = self.core().store.run(move |db| outbox::retry(db, id, now_ms)).await?;
        self.core().outbox_changed();
        if found { Ok(()) } else { Err(unknown(id)) }
    }

    /// Takes a message out of the outbox. One that is on its way may still arrive.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when it is not there, because it was sent for instance.
    pub async fn cancel_send(&self, id: MessageId) -> Result<(), Error> {
        let found = self.core().store.run(move |db| outbox::cancel(db, id)).await?;
        self.core().outbox_changed();
        if found { Ok(()) } else { Err(unknown(id)) }
    }

    /// Messages that were refused for good and not dismissed yet, of one room or of all; the oldest, as many as are told at
    /// once. They stay until [`Client::dismiss`] or [`Client::retry`].
    ///
    /// # Errors
    /// [`ErrorCode::Storage`].
    pub async fn undelivered(&self, room: Option<RoomId>) -> Result<Vec<Undelivered>, Error> {
        self.core().store.run(move |db| refused::untold(db, room, UNDELIVERED_PAGE)).await
    }

    /// A person was told that these were refused. What is not refused is left as it is; the id of one that expired stays
    /// taken, because it may have arrived.
    ///
    /// # Errors
    /// [`ErrorCode::Storage`].
    pub async fn dismiss(&self, messages: &[MessageId]) -> Result<(), Error> {
        let messages = messages.to_vec();
        self.core().store.run(move |db| refused::told(db, &messages)).await
    }

    /// Messages in the outbox that are still to be sent.
    ///
    /// # Errors
    /// [`ErrorCode::Storage`].
    pub async fn unsent(&self) -> Result<u64, Error> {
        self.core().store.run(|db| outbox::count(db)).await
    }
}

fn unknown(id: MessageId) -> Error {
    Error::never(ErrorCode::NotFound, format!("there is no message {id} in the outbox"))
}
