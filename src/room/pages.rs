//! History: pages of a log, in both directions, for whoever may read it.

use bytes::Bytes;
use quipu_protocol::limits::PAGE_ENTRIES_MAX;
use quipu_protocol::request::{AnchorKind, History, Page};
use quipu_protocol::{Code, Refusal, Seq};

use super::chat::Rooms;
use super::{fading, rules};
use crate::auth::Authenticated;
use crate::limits::PAGE_BYTES_MAX;
use crate::store::{Reads, StoreError, StoredEntry};

impl Rooms {
    /// A page and its Entry frames, ascending.
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
    let Some(room) = store.room(ask.room)? else {
        return Ok(Err(Code::NOT_FOUND.into()));
    };
    if let Err(refusal) = rules::may_read(who, &room, store.member(ask.room, who.user())?.as_ref()) {
        return Ok(Err(refusal));
    }
    let head = room.head.seq;
    let mut entries = fading::as_shown(store, ask.room, entries(store, ask, head)?, now_ms)?;
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
        more_before: first > room.floor,
        more_after: last < head,
        incarnation: room.head.incarnation,
    };
    Ok(Ok((page, entries.into_iter().map(|entry| entry.frame).collect())))
}

fn entries(store: &dyn Reads, ask: &History, head: Seq) -> Result<Vec<StoredEntry>, StoreError> {
    let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX).min(PAGE_ENTRIES_MAX);
    let (room, anchor) = (ask.room, ask.anchor.clone());
    match anchor.kind {
        AnchorKind::BEFORE => store.entries_before(room, anchor.seq, limit, PAGE_BYTES_MAX),
        AnchorKind::AFTER => store.entries_after(room, anchor.seq, limit, PAGE_BYTES_MAX),
        AnchorKind::AROUND => {
            let half = limit.div_ceil(2);
            let mut entries = store.entries_before(room, anchor.seq, limit - half, PAGE_BYTES_MAX / 2)?;
            let from = Seq(anchor.seq.0.saturating_sub(1));
            entries.extend(store.entries_after(room, from, half, PAGE_BYTES_MAX / 2)?);
            Ok(entries)
        }
        AnchorKind::BETWEEN => {
            let mut entries = store.entries_after(room, anchor.seq, limit, PAGE_BYTES_MAX)?;
            entries.retain(|entry| entry.seq < anchor.to);
            Ok(entries)
        }
        _ => store.entries_before(room, head.next(), limit, PAGE_BYTES_MAX),
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
