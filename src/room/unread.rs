//! What is unread: how far somebody has read, what they want to be told of, and which messages call them.
//!
//! Counting is the store's; here is who may ask, and that all devices of the account hear of what one of them says.
//! Invariant: nothing is told of a room that the asker may not read now.

use quipu_protocol::limits::ROWS_MAX;
use quipu_protocol::request::{
    ListMentions, MarkRead, MarkUnread, Mention, Mentions, Notify, SearchPlace, SetNotify,
};
use quipu_protocol::{Code, Cursor, Entry, List, Refusal, RoomId, Seq};

use bytes::Bytes;

use super::chat::Rooms;
use super::footing::readable;
use super::{receipts, rules};
use crate::auth::Authenticated;
use crate::limits::{INVITATIONS_MAX, PAGE_BYTES_MAX, ROOMS_PER_USER_MAX};
use crate::store::{CallRow, Reads, RoomRow, StoreError, WriteError, Writes};

impl Rooms {
    /// Moves the asker's marker forward. Never back; asking again is harmless.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when the room is hidden from the asker, [`Code::FORBIDDEN`] when they are no member. The
    /// same for those below.
    pub async fn mark_read(&self, who: &Authenticated, ask: MarkRead) -> Result<Seq, Refusal> {
        let asker = who.clone();
        let marks = move |store: &mut dyn Writes, room: &RoomRow| {
            let marker = store.mark_read(ask.room, asker.user(), ask.seq)?;
            Ok((marker, receipts::reached(store, room, &asker, marker)?))
        };
        let (marker, is_told) = self.note(who, ask.room, marks).await?;
        if is_told {
            self.live().receipts_changed(who.user(), ask.room);
        }
        Ok(marker)
    }

    /// Lets everything from a position on be unread again. The marker, and what others are told of it, stay.
    pub async fn mark_unread(&self, who: &Authenticated, ask: MarkUnread) -> Result<(), Refusal> {
        let user = who.user();
        // What is gone cannot be unread.
        let marks = move |store: &mut dyn Writes, room: &RoomRow| {
            store.mark_unread(ask.room, user, ask.from.max(room.floor))
        };
        self.note(who, ask.room, marks).await
    }

    /// Sets what of a room the asker wants to be told of.
    ///
    /// # Errors
    /// As above; [`Code::BAD_REQUEST`] for a level there is not.
    pub async fn set_notify(&self, who: &Authenticated, ask: SetNotify) -> Result<(), Refusal> {
        if ![Notify::ALL, Notify::MENTIONS, Notify::NOTHING].contains(&ask.level) {
            return Err(Refusal::because(Code::BAD_REQUEST, "the levels are all, mentions and nothing"));
        }
        let user = who.user();
        let notes = move |store: &mut dyn Writes, _: &RoomRow| store.set_notify(ask.room, user, ask.level);
        self.note(who, ask.room, notes).await
    }

    /// Messages that call the asker, and their frames.
    ///
    /// # Errors
    /// [`Code::BAD_REQUEST`] for a limit of zero.
    pub async fn mentions(
        &self,
        who: &Authenticated,
        ask: ListMentions,
    ) -> Result<(Mentions, Vec<Bytes>), Refusal> {
        if ask.limit == 0 {
            return Err(Refusal::because(Code::BAD_REQUEST, "a list has a limit above zero"));
        }
        let (who, now_ms) = (who.clone(), self.now_ms());
        let question = self.storage().read(move |store| mentions(store, &who, &ask, now_ms));
        question.await.map_err(|error| error.refusal())
    }

    /// Writes what an account notes about a room it reads, and tells all its devices.
    async fn note<T: Send + 'static>(
        &self,
        who: &Authenticated,
        room: RoomId,
        note: impl FnOnce(&mut dyn Writes, &RoomRow) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let asker = who.clone();
        let job = self.storage().write(move |store| {
            let (row, _) = readable(&*store, &asker, room)??;
            Ok(note(store, &row)?)
        });
        let noted = job.await.map_err(WriteError::refusal)?;
        self.live().marked(who.user(), room);
        Ok(noted)
    }
}

/// A message that calls the asker, in a room as it was when the right to read it was looked up.
struct Call {
    row: CallRow,
    room: RoomRow,
    marker: Seq,
}

impl Call {
    fn place(&self) -> (u64, RoomId, Seq) {
        (self.row.at_ms, self.room.room, self.row.seq)
    }
}

fn mentions(
    store: &dyn Reads,
    who: &Authenticated,
    ask: &ListMentions,
    now_ms: u64,
) -> Result<(Mentions, Vec<Bytes>), StoreError> {
    let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX).min(ROWS_MAX);
    let mut calls: Vec<Call> = Vec::new();
    for (room, member) in store.rooms_of(who.user(), None, ROOMS_PER_USER_MAX + INVITATIONS_MAX)? {
        if rules::may_read(who, &room, Some(&member)).is_err() {
            continue;
        }
        let after = if ask.unread == Some(true) { member.marker } else { Seq::ZERO };
        let before = before(ask.after.as_ref(), room.room);
        let rows = store.calls(room.room, who.user(), (after, before), limit + 1)?;
        calls.extend(rows.into_iter().map(|row| Call { row, room: room.clone(), marker: member.marker }));
        calls.sort_by_key(|call| std::cmp::Reverse(call.place()));
        calls.truncate(limit + 1);
    }
    let more = calls.len() > limit;
    calls.truncate(limit);
    let mut next = calls.last().filter(|_| more).map(Call::place);
    let (mut rows, mut frames, mut bytes, mut looked) = (Vec::new(), Vec::new(), 0, None);
    for call in calls {
        let (place, Call { row, room, marker }) = (call.place(), call);
        // It may have been erased since, a reader has no transaction; or its time is over.
        let is_there = |entry: &Entry| !entry.is_erased() && !entry.is_expired(now_ms);
        if let Some(entry) = store.entry(room.room, row.seq)?.filter(is_there) {
            let frame = entry.frame();
            bytes += frame.len();
            if bytes > PAGE_BYTES_MAX && !frames.is_empty() {
                next = looked;
                break;
            }
            let at = Cursor { incarnation: room.head.incarnation, seq: row.seq };
            rows.push(Mention { room: room.room, at, unread: row.seq > marker, everybody: row.everybody });
            frames.push(frame);
        }
        looked = Some(place);
    }
    let next = next.map(|(at_ms, room, seq)| SearchPlace { at_ms, room, seq });
    Ok((Mentions { rows: List::first(rows), next }, frames))
}

/// What of a room lies behind a place, as a time and a position that are not among it.
fn before(place: Option<&SearchPlace>, room: RoomId) -> (u64, Seq) {
    match place {
        None => (u64::MAX, Seq::ZERO),
        Some(place) if room == place.room => (place.at_ms, place.seq),
        Some(place) if room < place.room => (place.at_ms.saturating_add(1), Seq::ZERO),
        Some(place) => (place.at_ms, Seq::ZERO),
    }
}
