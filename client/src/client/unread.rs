//! What is unread again, what is worth a signal, and who calls.

use quipu_protocol::limits::ROWS_MAX;
use quipu_protocol::request::{ListMentions, MarkUnread, Notify, SearchPlace, SetNotify};
use quipu_protocol::{RoomId, Seq};

use super::{Calls, Client};
use crate::error::Error;
use crate::session::request::Link;

impl Client {
    /// "Everything from here on is unread again", on all devices. The marker stays where it is.
    ///
    /// # Errors
    /// A refusal, or why there is no connection; the same for those below.
    pub async fn mark_unread(&self, room: RoomId, from: Seq) -> Result<(), Error> {
        self.done(&MarkUnread { room, from }).await
    }

    /// Sets what of a room is worth a signal on all devices: ask [`Notify::signals`] before giving one.
    pub async fn set_notify(&self, room: RoomId, level: Notify) -> Result<(), Error> {
        self.done(&SetNotify { room, level }).await
    }

    /// Messages that call this account, in all its rooms, newest first: behind a place, or the newest.
    pub async fn mentions(
        &self,
        after: Option<SearchPlace>,
        unread: bool,
        limit: u64,
    ) -> Result<Calls, Error> {
        let limit = limit.clamp(1, ROWS_MAX as u64);
        let question = ListMentions { limit, after, unread: unread.then_some(true) };
        let patience = self.core().config.patience;
        let question = &question;
        let ask = |link: Link| async move { link.mentions(question, patience).await };
        let (rows, next) = self.core().ask(patience, ask).await?;
        Ok(Calls { calls: rows, next })
    }
}
