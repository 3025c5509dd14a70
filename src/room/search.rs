//! Search: rooms the asker may read now, walked back in time together, newest message first.
//!
//! ```text
//!   #lobby  ●────●───○ front         every room stands at its front: a message the index named, or a stretch of
//!   #ops    ●──○ front               the log that was not looked through yet. The newest front moves: a message
//!   @bob    ●──────────●──○ front    is shown, a stretch is looked through.
//! ```
//!
//! Each room is looked up by itself, so what a search costs and what it says depends on nothing but rooms the asker
//! is in. A search that has gone far enough says where it stands; the next one goes on from there.
//!
//! Invariant: what was not looked through is older than every message that is given, or said to be left.

#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeMap;

use quipu_protocol::limits::{HITS_MAX, IGNORED_MAX};
use quipu_protocol::request::{Found, PartialRoom, Search};
use quipu_protocol::{Code, List, Refusal, RoomId, Seq, Text};
use tokio_util::sync::CancellationToken;

use super::chat::Rooms;
use super::footing::readable;
use super::rules;
use crate::auth::Authenticated;
use crate::limits::{INDEX_STEP_ENTRIES, INVITATIONS_MAX, ROOMS_PER_USER_MAX};
use crate::store::{Reads, RoomRow, StoreError, Wanted, WriteError};

use walk::{Bounds, Walk};

impl Rooms {
    /// Messages that say this, in rooms the asker has joined.
    ///
    /// # Errors
    /// As for reading a room that is named; [`Code::BAD_REQUEST`] when nothing is asked for, or a limit of zero.
    pub async fn search(&self, who: &Authenticated, ask: Search) -> Result<Found, Refusal> {
        let wanted = Wanted {
            author: ask.author,
            has_file: ask.has_file == Some(true),
            ..Wanted::words(ask.words.as_str())
        };
        if ask.limit == 0 || (wanted.is_empty() && ask.words.as_str().trim().is_empty()) {
            return Err(Refusal::because(
                Code::BAD_REQUEST,
                "a search has words, an author or a file, and a limit above zero",
            ));
        }
        if wanted.is_empty() {
            // Words that can only be left out, or not be looked up at all.
            return Ok(Found { ignored: List::first(vec![ask.words]), ..nothing() });
        }
        let (who, now_ms) = (who.clone(), self.now_ms());
        let turn = self.search_turn().await;
        let question = self.storage().read(move |store| {
            // Until the walk is over, also when nobody waits for it any more.
            let _turn = turn;
            match searched(store, &who, &ask)? {
                Ok(rooms) => found(store, &wanted, rooms, &ask, (now_ms, Bounds::default())).map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            }
        });
        question.await.map_err(|error| error.refusal())?
    }

    /// Brings into the index what was there before it, step by step between what people do; false when it was told to
    /// stop before the end.
    ///
    /// # Errors
    /// When the store fails; what was done stays done.
    pub async fn complete_index(&self, stopping: &CancellationToken) -> Result<bool, WriteError> {
        while self.storage().write(|store| Ok(store.index_more(INDEX_STEP_ENTRIES)?)).await? {
            if stopping.is_cancelled() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The rooms that are searched, each as it was when the asker's right to read it was looked up.
fn searched(
    store: &dyn Reads,
    who: &Authenticated,
    ask: &Search,
) -> Result<Result<Vec<RoomRow>, Refusal>, StoreError> {
    let Some(named) = &ask.rooms else {
        let rooms = store.rooms_of(who.user(), None, ROOMS_PER_USER_MAX + INVITATIONS_MAX)?;
        let may_read = |(room, member): &(RoomRow, _)| rules::may_read(who, room, Some(member)).is_ok();
        return Ok(Ok(rooms.into_iter().filter(may_read).map(|(room, _)| room).collect()));
    };
    let mut rooms: BTreeMap<RoomId, RoomRow> = BTreeMap::new();
    for id in named.iter() {
        match readable(store, who, *id)? {
            Ok((room, _)) => rooms.insert(*id, room),
            Err(refusal) => return Ok(Err(refusal)),
        };
    }
    Ok(Ok(rooms.into_values().collect()))
}

fn found(
    store: &dyn Reads,
    wanted: &Wanted,
    rooms: Vec<RoomRow>,
    ask: &Search,
    (now_ms, bounds): (u64, Bounds),
) -> Result<Found, StoreError> {
    let mut partial = Vec::new();
    for room in &rooms {
        let since = store.indexed_from(room.room)?;
        if since > room.floor {
            partial.push(PartialRoom { room: room.room, since });
        }
    }
    let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX).min(HITS_MAX);
    let (hits, next) = Walk::new(store, wanted, ask, now_ms, rooms.len(), bounds).run(rooms, limit)?;
    let ignored = wanted.ignored().iter().take(IGNORED_MAX).map(|part| Text::cut(part.clone())).collect();
    Ok(Found { hits: List::first(hits), ignored: List::first(ignored), partial: List::first(partial), next })
}

fn nothing() -> Found {
    Found { hits: List::default(), ignored: List::default(), partial: List::default(), next: None }
}

/// The first position of a log that is not before `is_before` holds no longer; one behind the head when it holds for
/// all. Times of a log never go back, so halving finds it.
fn first_behind(
    store: &dyn Reads,
    room: &RoomRow,
    is_before: impl Fn(u64, Seq) -> bool,
) -> Result<Seq, StoreError> {
    let (mut low, mut high) = (room.floor.0.max(1), room.head.seq.0 + 1);
    // Most searches want all of a room.
    if walk::newest_before(store, room.room, Seq(high))?.is_none_or(|(at_ms, seq)| is_before(at_ms, seq)) {
        return Ok(Seq(high));
    }
    while low < high {
        let middle = low + (high - low) / 2;
        match walk::oldest_from(store, room.room, Seq(middle))? {
            Some((at_ms, seq)) if seq.0 < high && is_before(at_ms, seq) => low = seq.0 + 1,
            _ => high = middle,
        }
    }
    Ok(Seq(low))
}
