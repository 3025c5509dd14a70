//! What follows from entries about entries, as lists: who reacts how, and what is pinned.

use bytes::Bytes;
use quipu_protocol::limits::{PINS_MAX, ROWS_MAX};
use quipu_protocol::request::{ListPins, ListReactions, PinInfo, Pins, ReactionInfo, Reactions};
use quipu_protocol::{List, Refusal, RoomId};

use super::chat::Rooms;
use super::fading;
use super::footing::readable;
use crate::auth::Authenticated;
use crate::limits::PAGE_BYTES_MAX;
use crate::store::{ReactionRow, Reads, StoreError};

impl Rooms {
    /// Who reacts how to an entry, a page by emoji and account. An entry that is not there has no reactions.
    ///
    /// # Errors
    /// As for reading the room.
    pub async fn reactions(&self, who: &Authenticated, ask: ListReactions) -> Result<Reactions, Refusal> {
        let rows = self.reading(who, ask.room, move |store| {
            let after = ask.after.as_ref().map(|key| (key.emoji.as_str(), key.user));
            store.reactions(ask.room, ask.seq, after, ROWS_MAX + 1)
        });
        let mut rows = rows.await?;
        let more = rows.len() > ROWS_MAX;
        rows.truncate(ROWS_MAX);
        let info = |ReactionRow { emoji, user, nickname, seq }| ReactionInfo { emoji, user, nickname, seq };
        Ok(Reactions { reactions: List::first(rows.into_iter().map(info).collect()), more })
    }

    /// What is pinned, a page by position, and the entries as they read now.
    ///
    /// # Errors
    /// As for reading the room.
    pub async fn pins(&self, who: &Authenticated, ask: ListPins) -> Result<(Pins, Vec<Bytes>), Refusal> {
        let now_ms = self.now_ms();
        self.reading(who, ask.room, move |store| pinned(store, &ask, now_ms)).await
    }

    /// Asks the store about a room the asker may read.
    async fn reading<T: Send + 'static>(
        &self,
        who: &Authenticated,
        room: RoomId,
        question: impl FnOnce(&dyn Reads) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let who = who.clone();
        let answer = self.storage().read(move |store| match readable(store, &who, room)? {
            Ok(_) => question(store).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        });
        answer.await.map_err(|error| error.refusal())?
    }
}

fn pinned(store: &dyn Reads, ask: &ListPins, now_ms: u64) -> Result<(Pins, Vec<Bytes>), StoreError> {
    let (mut pins, mut frames, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (seq, pin) in store.pinned(ask.room, ask.after.unwrap_or_default(), PINS_MAX)? {
        let (Some(entry), Some(note)) = (store.entry(ask.room, seq)?, store.entry(ask.room, pin)?) else {
            continue;
        };
        let frame = fading::shown(entry, now_ms).frame();
        bytes += frame.len();
        if bytes > PAGE_BYTES_MAX && !frames.is_empty() {
            return Ok((Pins { pins: List::first(pins), more: true }, frames));
        }
        pins.push(PinInfo { seq, pin, at_ms: note.at_ms, by: note.user });
        frames.push(frame);
    }
    Ok((Pins { pins: List::first(pins), more: false }, frames))
}
