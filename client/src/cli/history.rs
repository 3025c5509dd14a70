//! `history`: a room's log, read back, always printed in ascending order.

use std::collections::BTreeMap;

use quipu_client::protocol::Seq;
use quipu_client::protocol::entry::Entry;
use quipu_client::protocol::limits::PAGE_ENTRIES_MAX;
use quipu_client::protocol::request::{Anchor, Tally};
use quipu_client::protocol::{Cursor, Incarnation};
use quipu_client::{Client, Page};

use super::args::History;
use super::context::Context;
use super::entry::{self, Lines};
use super::exit::Failure;
use super::out::{Out, note};
use super::relating;
use super::room::{Names, Room, find_to_read};

/// Prints a part of a room's log.
pub(crate) async fn run(context: &Context, out: &mut Out, args: History) -> Result<(), Failure> {
    let session = context.start().await?;
    let (room, offline) = find_to_read(&session.client, &args.room).await?;
    let thread = args.thread.map(Seq);
    let mut pages = Pages { client: &session.client, room: &room, thread, offline };
    let read = match (args.before, args.after) {
        (_, Some(after)) => forwards(&mut pages, Seq(after), args.limit).await?,
        (before, None) => match args.around {
            // There always is more, in both directions: whoever wants it says which.
            Some(seq) => Read::of(pages.ask(Anchor::around(Seq(seq)), args.limit).await?, false),
            None => backwards(&mut pages, before.map(Seq), args.limit).await?,
        },
    };
    match (read.from_server, pages.offline) {
        (_, false) => {}
        (false, true) => note("not connected: this is what the profile has"),
        (true, true) => note("the connection was lost: a part of this is what the profile has"),
    }
    for pair in read.entries.windows(2).filter(|_| pages.offline) {
        let (from, to) = (pair[0].seq.0 + 1, pair[1].seq.0 - 1);
        if from <= to {
            note(format!("the profile does not have entries {from} to {to}"));
        }
    }
    let mut names = session.names();
    entry::fetch_names(&mut names, &session.client, read.entries.iter()).await;
    for entry in &read.entries {
        let cursor = Cursor { incarnation: read.incarnation, seq: entry.seq };
        let tallies = read.reactions.get(&entry.seq).map_or(&[][..], Vec::as_slice);
        let record = entry::record(&room, cursor, entry, &names, session.me);
        let record = record.maybe("reactions", (!tallies.is_empty()).then(|| relating::objects(tallies)));
        out.put(&record, || format!("{}{}", log_line(context, entry, &names), relating::tallies(tallies)))?;
    }
    if read.more && !out.is_json() {
        out.remark(hint(&args, &read.entries))?;
    }
    Ok(())
}

/// `2026-11-23 09:15  [42] maria: hello`, one line whatever it says.
pub(crate) fn log_line(context: &Context, entry: &Entry, names: &Names) -> String {
    let at = context.time.day_and_minute(entry.at_ms);
    format!("{at} [{}] {}", entry.seq, entry::text(entry, names, Lines::One))
}

fn hint(args: &History, entries: &[Entry]) -> String {
    let seq = |entry: Option<&Entry>| entry.map_or(0, |entry| entry.seq.0);
    match args.after {
        Some(_) => format!("there is more: --after {}", seq(entries.last())),
        None => format!("there is more: --before {}", seq(entries.first())),
    }
}

/// What was read, ascending.
struct Read {
    entries: Vec<Entry>,
    reactions: BTreeMap<Seq, Vec<Tally>>,
    incarnation: Incarnation,
    more: bool,
    /// Whether any of it comes from the server.
    from_server: bool,
}

impl Read {
    fn of(page: Page, more: bool) -> Self {
        let Page { entries, reactions, incarnation, from_cache, .. } = page;
        let from_server = !from_cache;
        Self { entries, reactions, incarnation, more, from_server }
    }
}

/// Where pages come from.
struct Pages<'a> {
    client: &'a Client,
    room: &'a Room,
    /// Only this thread.
    thread: Option<Seq>,
    /// From the profile alone: once there was no connection, it is not waited for again.
    offline: bool,
}

impl Pages<'_> {
    async fn ask(&mut self, anchor: Anchor, limit: u64) -> Result<Page, Failure> {
        let (room, limit) = (self.room.id, at_most(limit));
        if let Some(root) = self.thread {
            return Ok(self.client.thread(room, root, anchor, limit).await?);
        }
        if self.offline {
            let page = self.client.cached(room, &anchor, limit).await?;
            let nothing = || Failure::NotFound(format!("the profile has nothing of {}", self.room.label));
            return page.ok_or_else(nothing);
        }
        let page = self.client.history(room, anchor, limit).await?;
        self.offline = page.from_cache;
        Ok(page)
    }
}

async fn forwards(pages: &mut Pages<'_>, after: Seq, limit: u64) -> Result<Read, Failure> {
    let first = pages.ask(Anchor::after(after), limit).await?;
    let more = first.more_after;
    let mut read = Read::of(first, more);
    while let (true, Some(last), rest @ 1..) =
        (read.more, read.entries.last(), limit.saturating_sub(read.len()))
    {
        let page = pages.ask(Anchor::after(last.seq), rest).await?;
        // A page may be empty: everything up to the head is known, or retention overtook us.
        read.more = page.more_after && !page.entries.is_empty();
        read.reactions.extend(page.reactions);
        read.entries.extend(page.entries);
    }
    Ok(read)
}

async fn backwards(pages: &mut Pages<'_>, before: Option<Seq>, limit: u64) -> Result<Read, Failure> {
    let anchor = before.map_or(Anchor::LATEST, Anchor::before);
    let first = pages.ask(anchor, limit).await?;
    let more = first.more_before;
    let mut read = Read::of(first, more);
    while let (true, Some(oldest), rest @ 1..) =
        (read.more, read.entries.first(), limit.saturating_sub(read.len()))
    {
        let mut page = pages.ask(Anchor::before(oldest.seq), rest).await?;
        read.more = page.more_before && !page.entries.is_empty();
        read.reactions.append(&mut page.reactions);
        page.entries.append(&mut read.entries);
        read.entries = page.entries;
    }
    Ok(read)
}

impl Read {
    fn len(&self) -> u64 {
        self.entries.len() as u64
    }
}

fn at_most(limit: u64) -> u64 {
    limit.min(PAGE_ENTRIES_MAX as u64)
}
