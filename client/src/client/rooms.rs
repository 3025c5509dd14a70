//! Rooms a person looks at: opening, closing, history.

use std::collections::BTreeMap;

use quipu_protocol::entry::Entry;
use quipu_protocol::limits::{BACKLOG_ENTRIES_MAX, PAGE_ENTRIES_MAX};
use quipu_protocol::request::{Anchor, AnchorKind, History, MarkRead, Tally};
use quipu_protocol::{Cursor, RoomId, Seq};

use super::{Client, OpenFrom, Page};
use crate::error::{Error, ErrorCode};
use crate::limits::FIRST_LOOK_ENTRIES;
use crate::open::Begin;
use crate::session::request::{Link, Read};
use crate::store::{identity, log, vanishing};

impl Client {
    /// Opens a room: its entries come as events from here on, through every reconnection, until
    /// [`Client::close_room`]. Opening an open room starts it over: events of the room whose number is not above the
    /// one returned belong to the earlier opening.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] beyond 32 rooms. A refusal by the server comes as [`crate::Event::RoomEnded`].
    pub async fn open_room(&self, room: RoomId, from: OpenFrom) -> Result<u64, Error> {
        let (begin, told, fill) = match from {
            OpenFrom::Cursor(cursor) => (Begin::Start, Some(cursor), true),
            OpenFrom::Start => (Begin::Start, None, true),
            OpenFrom::Since(ms) => (Begin::Since(ms), None, true),
            OpenFrom::Latest(newest) => (Begin::Latest(newest.min(BACKLOG_ENTRIES_MAX)), None, false),
            OpenFrom::Resume => match self.core().store.run(move |db| log::shown(db, room)).await? {
                Some(cursor) => (Begin::Start, Some(cursor), true),
                None => (Begin::Latest(FIRST_LOOK_ENTRIES), None, true),
            },
        };
        self.core().rooms.open(room, begin, told, fill, || {
            let last = self.core().events.last();
            self.core().shown.opened(room, last);
            last
        })
    }

    /// "Everything in this room up to here was shown": [`OpenFrom::Resume`] goes on behind it. Only a program that
    /// ends needs it; [`Client::next_events`] says the same of all that it gave before. Never moves backwards.
    ///
    /// # Errors
    /// [`ErrorCode::Storage`].
    pub async fn shown(&self, room: RoomId, cursor: Cursor) -> Result<(), Error> {
        let places = [(room, cursor)].into();
        self.core().store.run(move |db| log::show(db, &places)).await
    }

    /// Up to where a program has shown this room, as [`OpenFrom::Resume`] would go on; none if it never was.
    ///
    /// # Errors
    /// [`ErrorCode::Storage`].
    pub async fn shown_up_to(&self, room: RoomId) -> Result<Option<Cursor>, Error> {
        self.core().store.run(move |db| log::shown(db, room)).await
    }

    /// Closes a room. Idempotent.
    pub async fn close_room(&self, room: RoomId) {
        self.core().rooms.close(room);
        self.core().shown.closed(room);
    }

    /// A page of a room's log, from the server, or from the profile when there is no connection. What the profile
    /// has may have holes.
    ///
    /// # Errors
    /// A refusal; or why there is no connection, when the profile has nothing either.
    pub async fn history(&self, room: RoomId, anchor: Anchor, limit: u64) -> Result<Page, Error> {
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX as u64);
        let question = History { room, anchor: anchor.clone(), limit, thread: None };
        match self.page(&question).await {
            Ok(page) => Ok(page),
            Err(error) if is_offline(&error) => self.cached(room, &anchor, limit).await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// A page of the thread that begins at `root`, from the server alone.
    ///
    /// # Errors
    /// A refusal, or why there is no connection.
    pub async fn thread(&self, room: RoomId, root: Seq, anchor: Anchor, limit: u64) -> Result<Page, Error> {
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX as u64);
        self.page(&History { room, anchor, limit, thread: Some(root) }).await
    }

    async fn page(&self, question: &History) -> Result<Page, Error> {
        let patience = self.core().config.patience;
        let ask = |link: Link| async move { link.page(question, patience).await };
        let Read { page, entries, tallies } = self.core().ask(patience, ask).await?;
        let (room, life, floor) = (question.room, page.incarnation, page.floor);
        self.core().store.run(move |db| vanishing::forget_below(db, room, life, floor)).await?;
        Ok(Page {
            entries: entries.into_iter().map(|(entry, _)| entry).collect(),
            incarnation: page.incarnation,
            floor: page.floor,
            head: page.head,
            more_before: page.more_before,
            more_after: page.more_after,
            reactions: tallies.into_iter().map(|of| (of.seq, of.tallies.into_vec())).collect(),
            from_cache: false,
        })
    }

    /// The same as [`Client::history`] from the profile alone, without asking anybody; none when it has nothing there.
    ///
    /// # Errors
    /// [`ErrorCode::Storage`].
    pub async fn cached(&self, room: RoomId, anchor: &Anchor, limit: u64) -> Result<Option<Page>, Error> {
        const END: Seq = Seq(u64::MAX);
        let half = limit.div_ceil(2);
        let before = |seq: Seq| Seq(seq.0.saturating_sub(1));
        // Ranges between two exclusive positions, and whether their newest entries are wanted.
        let ranges = match anchor.kind {
            AnchorKind::BEFORE => vec![((Seq::ZERO, anchor.seq), true, limit)],
            AnchorKind::AFTER => vec![((anchor.seq, END), false, limit)],
            AnchorKind::BETWEEN => vec![((anchor.seq, anchor.to), false, limit)],
            AnchorKind::AROUND => {
                vec![((Seq::ZERO, anchor.seq), true, limit - half), ((before(anchor.seq), END), false, half)]
            }
            _ => vec![((Seq::ZERO, END), true, limit)],
        };
        let local_ms = self.core().now_ms();
        let found = self.core().store.run(move |db| {
            let Some(cursor) = log::cursor(db, room)? else {
                return Ok(None);
            };
            let mut entries = Vec::new();
            for (range, newest, limit) in ranges {
                entries.extend(log::between(db, room, range, newest, limit, local_ms)?);
            }
            let floor = log::between(db, room, (Seq::ZERO, END), false, 1, local_ms)?;
            let me = identity::membership(db)?.map(|membership| membership.account.user);
            let reactions = match (entries.first(), entries.last(), me) {
                (Some(first), Some(last), Some(me)) => log::reactions(db, room, (first.seq, last.seq), me)?,
                _ => BTreeMap::new(),
            };
            Ok(Some((cursor, entries, reactions, floor.first().map(|entry| entry.seq))))
        });
        let Some((cursor, entries, reactions, Some(floor))) = found.await? else {
            return Ok(None);
        };
        Ok(Some(Page {
            incarnation: cursor.incarnation,
            floor,
            head: cursor.seq,
            more_before: entries.first().is_some_and(|first| first.seq > floor),
            more_after: entries.last().is_some_and(|last| last.seq < cursor.seq),
            reactions: without_erased(reactions, &entries),
            entries,
            from_cache: true,
        }))
    }

    /// "I have read up to here." Markers only move forward; what was marked as unread again is read up to here.
    ///
    /// # Errors
    /// A refusal, or why there is no connection.
    pub async fn mark_read(&self, room: RoomId, seq: Seq) -> Result<(), Error> {
        self.done(&MarkRead { room, seq }).await
    }
}

/// With an entry its reactions are gone.
fn without_erased(mut reactions: BTreeMap<Seq, Vec<Tally>>, entries: &[Entry]) -> BTreeMap<Seq, Vec<Tally>> {
    reactions.retain(|seq, _| entries.iter().any(|entry| entry.seq == *seq && !entry.is_erased()));
    reactions
}

fn is_offline(error: &Error) -> bool {
    use ErrorCode as E;
    matches!(
        error.code,
        E::Unresolved | E::Unreachable | E::Timeout | E::Disconnected | E::Busy | E::NotStarted
    )
}
