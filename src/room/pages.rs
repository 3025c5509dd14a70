//! History: pages of a log, in both directions, for whoever may read it.

use std::collections::BTreeMap;

use bytes::Bytes;
use quipu_protocol::limits::PAGE_ENTRIES_MAX;
use quipu_protocol::request::{AnchorKind, History, Page, Tallies, Tally};
use quipu_protocol::{Code, List, Message as _, Refusal, RoomId, Seq};

use super::chat::Rooms;
use super::fading;
use super::footing::readable;
use crate::auth::Authenticated;
use crate::limits::PAGE_BYTES_MAX;
use crate::store::{Reads, StoreError, StoredEntry};

impl Rooms {
    /// A page and its Entry frames, ascending, with the reactions to each before it.
    ///
    /// # Errors
    /// As for reading the room; [`Code::BAD_REQUEST`] for an anchor of an unknown kind or a limit of zero.
    pub async fn history(&self, who: &Authenticated, ask: History) -> Result<(Page, Vec<Bytes>), Refusal> {
        if ask.limit == 0 || ask.anchor.kind > AnchorKind::BETWEEN {
            return Err(Refusal::because(
                Code::BAD_REQUEST,
                "a page has an anchor of a known kind and a limit above zero",
            ));
        }
        let asker = who.clone();
        let now_ms = self.now_ms();
        let question = self.storage().read(move |store| page(store, &asker, &ask, now_ms));
        question.await.map_err(|error| error.refusal())?
    }
}

fn page(
    store: &dyn Reads,
    who: &Authenticated,
    ask: &History,
    now_ms: u64,
) -> Result<Result<(Page, Vec<Bytes>), Refusal>, StoreError> {
    let room = match readable(store, who, ask.room)? {
        Ok((room, _)) => room,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let head = room.head.seq;
    let log = Log { store, room: ask.room, thread: ask.thread };
    let mut entries = fading::as_shown(store, ask.room, now_ms, || entries(&log, ask, head))?;
    // Each question sees its own moment; what came after the first is another page's.
    entries.retain(|entry| entry.seq <= head);
    let (first, last) = match (entries.first(), entries.last()) {
        (Some(first), Some(last)) => (first.seq, last.seq),
        // Nothing here: what lies before and after is told by where the page would have been.
        _ => empty_place(ask, head),
    };
    let page = Page {
        entries: entries.len() as u64,
        floor: room.floor,
        head,
        more_before: log.goes_on_before(first, room.floor)?,
        more_after: log.goes_on_after(last, head)?,
        incarnation: room.head.incarnation,
    };
    Ok(Ok((page, with_reactions(store, who, ask, entries)?)))
}

/// The frames of a page, each entry that has reactions behind a frame that says how many.
fn with_reactions(
    store: &dyn Reads,
    who: &Authenticated,
    ask: &History,
    entries: Vec<StoredEntry>,
) -> Result<Vec<Bytes>, StoreError> {
    let ranges: Vec<(Seq, Seq)> = match (ask.thread, entries.first(), entries.last()) {
        (None, Some(first), Some(last)) => vec![(first.seq, last.seq)],
        // What lies between the entries of a thread is none of the page's business.
        _ => entries.iter().map(|entry| (entry.seq, entry.seq)).collect(),
    };
    let mut tallies: BTreeMap<Seq, Vec<Tally>> = BTreeMap::new();
    for range in ranges {
        for (seq, tally) in store.tallies(ask.room, range, who.user())? {
            tallies.entry(seq).or_default().push(tally);
        }
    }
    let mut frames = Vec::with_capacity(entries.len() + tallies.len());
    for entry in entries {
        if let Some(tallies) = tallies.remove(&entry.seq) {
            frames.push(Tallies { seq: entry.seq, tallies: List::first(tallies) }.to_frame());
        }
        frames.push(entry.frame);
    }
    Ok(frames)
}

/// The log of a room, or what of it is in a thread.
struct Log<'a> {
    store: &'a dyn Reads,
    room: RoomId,
    thread: Option<Seq>,
}

impl Log<'_> {
    fn after(&self, seq: Seq, limit: usize, bytes_max: usize) -> Result<Vec<StoredEntry>, StoreError> {
        match self.thread {
            Some(root) => self.store.thread_after(self.room, root, seq, limit, bytes_max),
            None => self.store.entries_after(self.room, seq, limit, bytes_max),
        }
    }

    fn before(&self, seq: Seq, limit: usize, bytes_max: usize) -> Result<Vec<StoredEntry>, StoreError> {
        match self.thread {
            Some(root) => self.store.thread_before(self.room, root, seq, limit, bytes_max),
            None => self.store.entries_before(self.room, seq, limit, bytes_max),
        }
    }

    fn goes_on_before(&self, first: Seq, floor: Seq) -> Result<bool, StoreError> {
        Ok(first > floor && (self.thread.is_none() || !self.before(first, 1, 0)?.is_empty()))
    }

    fn goes_on_after(&self, last: Seq, head: Seq) -> Result<bool, StoreError> {
        Ok(last < head && (self.thread.is_none() || !self.after(last, 1, 0)?.is_empty()))
    }
}

fn entries(log: &Log<'_>, ask: &History, head: Seq) -> Result<Vec<StoredEntry>, StoreError> {
    let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX).min(PAGE_ENTRIES_MAX);
    let anchor = ask.anchor.clone();
    match anchor.kind {
        AnchorKind::BEFORE => log.before(anchor.seq, limit, PAGE_BYTES_MAX),
        AnchorKind::AFTER => log.after(anchor.seq, limit, PAGE_BYTES_MAX),
        AnchorKind::AROUND => {
            let half = limit.div_ceil(2);
            let mut entries = log.before(anchor.seq, limit - half, PAGE_BYTES_MAX / 2)?;
            let from = Seq(anchor.seq.0.saturating_sub(1));
            entries.extend(log.after(from, half, PAGE_BYTES_MAX / 2)?);
            Ok(entries)
        }
        AnchorKind::BETWEEN => {
            let mut entries = log.after(anchor.seq, limit, PAGE_BYTES_MAX)?;
            entries.retain(|entry| entry.seq < anchor.to);
            Ok(entries)
        }
        _ => log.before(head.next(), limit, PAGE_BYTES_MAX),
    }
}

fn empty_place(ask: &History, head: Seq) -> (Seq, Seq) {
    match ask.anchor.kind {
        AnchorKind::BEFORE => (ask.anchor.seq, Seq(ask.anchor.seq.0.saturating_sub(1))),
        AnchorKind::AFTER => (ask.anchor.seq.next(), ask.anchor.seq),
        AnchorKind::BETWEEN => (ask.anchor.seq.next(), ask.anchor.seq),
        _ => (Seq(1), head),
    }
}
