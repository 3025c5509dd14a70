//! The index of words: what goes in with a batch, and what is looked up.
//!
//! ```text
//!   entered, changed, emptied ──▶ Batch::reworded … ──▶ the end of the batch: one segment of FTS5
//! ```
//!
//! FTS5 would write a segment at every savepoint, and every job is one. So a batch remembers what changed and brings
//! it in at its end, in the same transaction. A segment for each batch instead of one for each message is what
//! makes it cheap.
//!
//! FTS5 looks for the first match of a whole expression before it minds the range of rowids it was given, so a rare
//! pair of frequent words would be looked for in everything, once for every stretch. Therefore each message also has
//! a word for the *block* of its room it stands in, a question asks for one block at a time, and it asks for words
//! alone: a phrase that is no match is cheaper to read than to look for.
//!
//! FTS5 goes up through rowids much faster than down, and the newest is wanted first: rowids count positions down.
//!
//! Invariant: the index holds exactly the messages from `searched.since` on, each with the words it has now. Taking
//! words out needs the very words that were put in: they come from the frame that is replaced.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use quipu_protocol::{Entry, RoomId, Seq};
use rusqlite::{Connection, params};

use super::fault::store_error;
use super::reads::{count, many, one, page};
use super::rows::{kept, number, position};
use super::writes::Batch;
use crate::store::common::decoded;
use crate::store::search::{Term, Wanted, Word, start_of, version, words};
use crate::store::{StoreError, StoredEntry};

/// Bits of a rowid that are the position, counted down; those above are the room's number.
const SEQ_BITS: u32 = 36;
const SEQ_MAX: i64 = (1 << SEQ_BITS) - 1;
/// Bits of a position that are its place in a block: as many messages are walked through for one question at most.
const BLOCK_BITS: u32 = 16;
/// Bytes of entries one step brings into the index, beyond the first.
const STEP_BYTES_MAX: usize = 256 * 1024;

/// A message whose words change with the batch.
pub(super) struct Reworded {
    rowid: i64,
    /// As the index has it.
    before: Option<Entry>,
    after: Option<Entry>,
}

impl Batch<'_> {
    /// A message came, reads differently, or is gone. What has no text, before or after, is no matter.
    pub(super) fn reworded(
        &mut self,
        room: RoomId,
        before: Option<&Entry>,
        after: Option<&Entry>,
    ) -> Result<(), StoreError> {
        let [before, after] =
            [before, after].map(|entry| entry.filter(|entry| entry.text().is_some()).cloned());
        let Some(seq) = before.as_ref().or(after.as_ref()).map(|entry| entry.seq) else { return Ok(()) };
        let (of, since) = match searched(self.conn, room)? {
            Some(found) => found,
            None => (self.number(room)?, Seq::ZERO),
        };
        // What is not in there yet comes as it reads then.
        if seq >= since
            && let Some(rowid) = rowid(of, seq)
        {
            self.reworded.push(Reworded { rowid, before, after });
        }
        Ok(())
    }

    /// A room that came to be with this version: all of it is in the index.
    fn number(&self, room: RoomId) -> Result<i64, StoreError> {
        self.execute("INSERT INTO searched (room, since) VALUES (?1, 0)", [room.as_bytes()])?;
        Ok(self.conn.last_insert_rowid())
    }

    /// Brings a part of what was there before the index into it, newest first; false when there is nothing left.
    pub(super) fn index_more(&mut self, entries_max: usize) -> Result<bool, StoreError> {
        let sql = "SELECT number, room, since FROM searched WHERE since > 0 ORDER BY number LIMIT 1";
        let next = one(self.conn, sql, [], |row| {
            Ok((row.get::<_, i64>(0)?, RoomId::from_bytes(row.get(1)?), Seq(number(row, 2)?)))
        })?;
        let Some((of, room, since)) = next else { return Ok(false) };
        let sql = "SELECT seq, checksum, frame FROM entries WHERE room = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3";
        let entries: Vec<StoredEntry> = page(self.conn, sql, room, since, entries_max, STEP_BYTES_MAX)?;
        for stored in &entries {
            let entry = decoded(&stored.frame)?;
            if entry.text().is_some()
                && let Some(rowid) = rowid(of, entry.seq)
            {
                self.reworded.push(Reworded { rowid, before: None, after: Some(entry) });
            }
        }
        let since = entries.last().map_or(Seq::ZERO, |oldest| oldest.seq);
        self.execute("UPDATE searched SET since = ?2 WHERE number = ?1", params![of, kept(since.0)])?;
        Ok(true)
    }

    /// The end of the batch.
    pub(super) fn write_words(&mut self) -> Result<(), StoreError> {
        // In the order of rowids: FTS5 begins a new segment whenever one is smaller than that before.
        let mut changes: BTreeMap<i64, (Option<Entry>, Option<Entry>)> = BTreeMap::new();
        for Reworded { rowid, before, after } in self.reworded.drain(..) {
            changes.entry(rowid).or_insert((before, None)).1 = after;
        }
        for (rowid, (before, after)) in changes {
            if let Some(gone) = before.as_ref().map(|entry| tokens(entry, rowid)) {
                let sql = "INSERT INTO words (words, rowid, text) VALUES ('delete', ?1, ?2)";
                self.execute(sql, params![rowid, gone])?;
            }
            if let Some(new) = after.as_ref().map(|entry| tokens(entry, rowid)) {
                self.execute("INSERT INTO words (rowid, text) VALUES (?1, ?2)", params![rowid, new])?;
            }
        }
        Ok(())
    }
}

/// Positions that may match, newest first.
pub(super) fn matching(
    conn: &Connection,
    room: RoomId,
    wanted: &Wanted,
    (from, to): (Seq, Seq),
    limit: usize,
) -> Result<Vec<Seq>, StoreError> {
    let Some(expression) = expression(wanted) else { return Ok(Vec::new()) };
    let Some((of, _)) = searched(conn, room)? else { return Ok(Vec::new()) };
    let head = one(conn, "SELECT head FROM rooms WHERE room = ?1", [room.as_bytes()], |row| number(row, 0))?;
    let edge = |seq: Seq| of << SEQ_BITS | (SEQ_MAX - position(seq).min(SEQ_MAX));
    let (newest, oldest) = (edge(to.min(Seq(head.unwrap_or(0)))), edge(from));
    let sql =
        "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid LIMIT ?4";
    let mut found = Vec::new();
    for block in newest >> BLOCK_BITS..=oldest >> BLOCK_BITS {
        let left = i64::try_from(limit - found.len()).unwrap_or(i64::MAX);
        if left == 0 {
            break;
        }
        let within = format!("{} AND {expression}", quoted(&block_word(block)));
        found.extend(many(conn, sql, params![within, newest, oldest, left], |row| {
            Ok(Seq((SEQ_MAX - (row.get::<_, i64>(0)? & SEQ_MAX)).cast_unsigned()))
        })?);
    }
    Ok(found)
}

/// From which entry on a room is in the index.
pub(super) fn indexed_from(conn: &Connection, room: RoomId) -> Result<Seq, StoreError> {
    Ok(searched(conn, room)?.map_or(Seq::ZERO, |(_, since)| since))
}

/// Empties an index whose words were made by other rules. It fills again as after an upgrade.
pub(super) fn check_version(conn: &mut Connection) -> Result<(), StoreError> {
    let known = version();
    let same = "SELECT count(*) FROM words_version WHERE version = ?1";
    if count(conn, same, [&known])? > 0 {
        return Ok(());
    }
    let transaction = conn.transaction().map_err(store_error)?;
    if count(&transaction, "SELECT count(*) FROM words_version", [])? > 0 {
        let again = "INSERT INTO words (words) VALUES ('delete-all');
            UPDATE searched SET since = coalesce((SELECT head + 1 FROM rooms WHERE rooms.room = searched.room), 0);
            DELETE FROM words_version;";
        transaction.execute_batch(again).map_err(store_error)?;
    }
    transaction.execute("INSERT INTO words_version (version) VALUES (?1)", [&known]).map_err(store_error)?;
    transaction.commit().map_err(store_error)
}

/// A room's number in the index, and from where on it is there.
fn searched(conn: &Connection, room: RoomId) -> Result<Option<(i64, Seq)>, StoreError> {
    let sql = "SELECT number, since FROM searched WHERE room = ?1";
    one(conn, sql, [room.as_bytes()], |row| Ok((row.get(0)?, Seq(number(row, 1)?))))
}

/// None beyond 68 billion entries in a room or 134 million rooms.
fn rowid(of: i64, seq: Seq) -> Option<i64> {
    let fits = of <= i64::MAX >> SEQ_BITS && seq.0 <= SEQ_MAX.cast_unsigned();
    fits.then(|| of << SEQ_BITS | (SEQ_MAX - position(seq)))
}

/// A message as the index has it: the words of its texts, then what else it is found by.
fn tokens(entry: &Entry, rowid: i64) -> String {
    let files = entry.ext.files.iter().flat_map(|files| files.iter()).map(|file| file.name.as_str());
    let texts: Vec<Vec<Word>> = entry.text().into_iter().chain(files).map(words).collect();
    let mut tokens = String::new();
    let mut push = |mark: &str, word: &str| tokens.extend([mark, word, " "]);
    for text in &texts {
        text.iter().for_each(|word| push("", &word.folded));
        push(BREAK, "");
    }
    let starts: BTreeSet<&str> = texts.iter().flatten().filter_map(Word::start).collect();
    starts.into_iter().for_each(|start| push(START, start));
    if let Some(user) = entry.user {
        push(AUTHOR, &user.to_string());
    }
    if texts.len() > 1 {
        push(FILE, "");
    }
    push("", &block_word(rowid >> BLOCK_BITS));
    tokens
}

/// The word of every message in a block.
fn block_word(block: i64) -> String {
    format!("{BLOCK}{block:x}")
}

// What tells tokens from words of people: no word has such a character.
/// Stands between texts of one message, so that no phrase reaches across.
const BREAK: &str = "\u{e000}";
const START: &str = "\u{e001}";
const AUTHOR: &str = "\u{e002}";
const FILE: &str = "\u{e003}";
const BLOCK: &str = "\u{e004}";

/// The question in the language of FTS5, of quoted words alone: no word has a quote in it. It asks for more than is
/// wanted where words follow each other or one goes on. None when it would ask for everything.
fn expression(wanted: &Wanted) -> Option<String> {
    let mut all: Vec<String> = wanted.asked.terms.iter().flat_map(wants).collect();
    all.extend(wanted.author.map(|user| quoted(&format!("{AUTHOR}{user}"))));
    all.extend(wanted.has_file.then(|| quoted(FILE)));
    let without = wanted.asked.without.iter().filter(|term| !term.goes_on && term.words.len() == 1);
    let without: Vec<String> = without.map(|term| quoted(&term.words[0])).collect();
    match (all.is_empty(), without.is_empty()) {
        (true, _) => None,
        (false, true) => Some(all.join(" AND ")),
        (false, false) => Some(format!("({}) NOT ({})", all.join(" AND "), without.join(" OR "))),
    }
}

fn wants(term: &Term) -> Vec<String> {
    let mut words: Vec<String> = term.words.iter().map(|word| quoted(word)).collect();
    if term.goes_on
        && let (Some(last), Some(quoted_last)) = (term.words.last(), words.last_mut())
    {
        // A single character is its own beginning.
        let start = start_of(last).unwrap_or(last);
        *quoted_last = quoted(&format!("{START}{start}"));
    }
    words
}

fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}
