//! Entries about entries: a call for each, which go through the outbox like messages, and lists of what follows from them.

use quipu_protocol::request::{
    ListPins, ListReactions, ReactionInfo, ReactionKey, Reactions, RenameRoom, RoomInfo, SetTopic,
};
use quipu_protocol::{Emoji, MessageId, RoomId, RoomName, Seq, Topic};

use super::requests::goes_on;
use super::{Client, Draft, Pinned};
use crate::error::Error;
use crate::session::request::Link;

impl Client {
    /// Changes the text of a message of one's own.
    ///
    /// # Errors
    /// As [`Client::send`], for this and all that give a message id; what the server thinks of it comes as an event, or from
    /// [`Client::wait_sent`].
    pub async fn edit(&self, room: RoomId, target: Seq, text: impl Into<String>) -> Result<MessageId, Error> {
        self.send(room, Draft::edit(target, text)).await
    }

    /// Erases what was said, for everybody; one's own, or with the permission what others said.
    ///
    /// # Errors
    /// As [`Client::edit`].
    pub async fn redact(
        &self,
        room: RoomId,
        target: Seq,
        reason: Option<String>,
    ) -> Result<MessageId, Error> {
        self.send(room, Draft::redaction(target, reason)).await
    }

    /// Reacts to a message. Reacting so again is harmless.
    ///
    /// # Errors
    /// As [`Client::edit`].
    pub async fn react(&self, room: RoomId, target: Seq, emoji: &Emoji) -> Result<MessageId, Error> {
        self.send(room, Draft::reaction(target, emoji)).await
    }

    /// Takes a reaction back.
    ///
    /// # Errors
    /// As [`Client::edit`].
    pub async fn unreact(&self, room: RoomId, target: Seq, emoji: &Emoji) -> Result<MessageId, Error> {
        self.send(room, Draft::unreaction(target, emoji)).await
    }

    /// Pins a message. Pinning it again is harmless.
    ///
    /// # Errors
    /// As [`Client::edit`].
    pub async fn pin(&self, room: RoomId, target: Seq) -> Result<MessageId, Error> {
        self.send(room, Draft::pin(target)).await
    }

    /// Takes a pin off.
    ///
    /// # Errors
    /// As [`Client::edit`].
    pub async fn unpin(&self, room: RoomId, target: Seq) -> Result<MessageId, Error> {
        self.send(room, Draft::unpin(target)).await
    }

    /// Answers an entry.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn reply(&self, room: RoomId, to: Seq, text: impl Into<String>) -> Result<MessageId, Error> {
        self.send(room, Draft::text(text).replying_to(to)).await
    }

    /// Says something in the thread that begins at a message.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn say_in_thread(
        &self,
        room: RoomId,
        root: Seq,
        text: impl Into<String>,
    ) -> Result<MessageId, Error> {
        self.send(room, Draft::text(text).in_thread(root)).await
    }

    /// Who reacts how to an entry, by emoji.
    ///
    /// # Errors
    /// A refusal, or why there is no connection; the same for all below.
    pub async fn reactions(&self, room: RoomId, seq: Seq) -> Result<Vec<ReactionInfo>, Error> {
        let mut rows: Vec<ReactionInfo> = Vec::new();
        loop {
            let key = |row: &ReactionInfo| ReactionKey { emoji: row.emoji.clone(), user: row.user };
            let page: Reactions = self.ask(&ListReactions { room, seq, after: rows.last().map(key) }).await?;
            let more = goes_on("reactions", rows.len(), page.reactions.len(), page.more)?;
            rows.extend(page.reactions.into_vec());
            if !more {
                return Ok(rows);
            }
        }
    }

    /// What is pinned in a room, in the order of its log.
    pub async fn pins(&self, room: RoomId) -> Result<Vec<Pinned>, Error> {
        let patience = self.core().config.patience;
        let mut pinned: Vec<Pinned> = Vec::new();
        loop {
            let question = ListPins { room, after: pinned.last().map(|last| last.pin.seq) };
            let question = &question;
            let ask = |link: Link| async move { link.pins(question, patience).await };
            let (page, entries) = self.core().ask(patience, ask).await?;
            let more = goes_on("pins", pinned.len(), page.pins.len(), page.more)?;
            let rows = page.pins.into_vec().into_iter().zip(entries);
            pinned.extend(rows.map(|(pin, entry)| Pinned { pin, entry }));
            if !more {
                return Ok(pinned);
            }
        }
    }

    /// Says what a room is about; with none: nothing in particular.
    pub async fn set_topic(&self, room: RoomId, topic: Option<Topic>) -> Result<RoomInfo, Error> {
        self.room(&SetTopic { room, topic }).await
    }

    /// Calls a room differently.
    pub async fn rename_room(&self, room: RoomId, name: RoomName) -> Result<RoomInfo, Error> {
        self.room(&RenameRoom { room, name }).await
    }
}
