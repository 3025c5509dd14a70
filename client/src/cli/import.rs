//! `import`: what was said elsewhere, brought into rooms of ours as what it is: data about who said what, and when.
//!
//! ```text
//!   irc, slack ──▶ Told (pure) ──▶ drafts: origin, and an id made of the source ──▶ outbox ──▶ acknowledged
//! ```
//!
//! Whoever imports is the author of the entries; who said it first, and when, is their `origin`. Nobody is called by it.
//! Invariant: the same words of the same source have the same id, so an import that was broken off, or is done once
//! more by the same account, adds what is missing and nothing else.

mod irc;
mod slack;

pub(crate) use irc::day;

use std::collections::HashMap;
use std::time::Duration;

use quipu_client::protocol::entry::Origin;
use quipu_client::protocol::limits::{BODY_BYTES_MAX, PUBLISHES_IN_FLIGHT_MAX};
use quipu_client::protocol::{MessageId, Seq, Text};
use quipu_client::{Client, Draft};

use super::args::ImportCommand;
use super::context::Context;
use super::exit::Failure;
use super::out::{Out, note};
use super::parse::Key;
use super::record::Record;
use super::render::count;
use super::room::Room;

/// Brings something in.
pub(crate) async fn run(context: &Context, out: &mut Out, command: ImportCommand) -> Result<(), Failure> {
    match command {
        ImportCommand::Irc(args) => irc::run(context, out, args).await,
        ImportCommand::Slack(args) => slack::run(context, out, args).await,
    }
}

/// Something that was said elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    /// What distinguishes it from everything else in its source.
    key: String,
    /// When it was said, unix milliseconds.
    at_ms: u64,
    /// Who said it.
    author: String,
    /// What.
    text: String,
    /// The key of what began the thread it belongs to.
    thread: Option<String>,
}

/// One room's import.
struct Import<'a> {
    client: &'a Client,
    room: Room,
    patience: Duration,
    /// Told and not yet handed over.
    waiting: Vec<Told>,
    /// Where things are that began a thread.
    places: HashMap<String, Seq>,
    tally: Tally,
}

/// What became of everything.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    /// Entries that are new.
    added: u64,
    /// Entries that were there.
    known: u64,
    /// What is no message, or says nothing.
    left_out: u64,
}

impl<'a> Import<'a> {
    fn new(client: &'a Client, room: Room, patience: Duration) -> Self {
        let (waiting, places) = (Vec::new(), HashMap::new());
        Self { client, room, patience, waiting, places, tally: Tally::default() }
    }

    /// Takes the next thing that was said; none when it was nothing to bring in.
    async fn take(&mut self, told: Option<Told>) -> Result<(), Failure> {
        let Some(told) = told.filter(|told| !told.text.trim().is_empty()) else {
            self.tally.left_out += 1;
            return Ok(());
        };
        // A thread's first message must have its place before anything can be said in the thread.
        let is_waiting = |root: &String| self.waiting.iter().any(|waiting| waiting.key == *root);
        if self.waiting.len() >= WINDOW_MAX || told.thread.as_ref().is_some_and(is_waiting) {
            self.settle().await?;
        }
        self.waiting.push(told);
        Ok(())
    }

    /// Hands over what waits, and waits until all of it is acknowledged.
    async fn settle(&mut self) -> Result<(), Failure> {
        let mut drafts = Vec::new();
        let mut keys = Vec::new();
        for told in self.waiting.drain(..) {
            let root = told.thread.as_ref().and_then(|root| self.places.get(root)).copied();
            for (part, text) in parts(&told.text).enumerate() {
                let key = if part == 0 { told.key.clone() } else { format!("{}\n{part}", told.key) };
                drafts.push(draft(&self.room, &key, &told, text, root));
                keys.push((key, told.at_ms));
            }
        }
        let ids = self.client.send_all(self.room.id, drafts).await?;
        for (id, (key, at_ms)) in ids.into_iter().zip(keys) {
            self.acknowledged(id, key, at_ms).await?;
        }
        Ok(())
    }

    async fn acknowledged(&mut self, id: MessageId, key: String, at_ms: u64) -> Result<(), Failure> {
        let sent = self.client.wait_sent(id, self.patience).await.map_err(|error| Failure::After {
            before: format!("{}; stopped at what was said at {}", self.said(), super::clock::rfc3339(at_ms)),
            error,
        })?;
        if sent.duplicate {
            self.tally.known += 1;
        } else {
            self.tally.added += 1;
        }
        self.places.insert(key, sent.at.seq);
        Ok(())
    }

    /// Finishes, and says what was done.
    async fn end(mut self, out: &mut Out) -> Result<(), Failure> {
        self.settle().await?;
        if out.is_json() {
            return out.record(&self.record());
        }
        note(self.said());
        Ok(())
    }

    fn record(&self) -> Record {
        let Tally { added, known, left_out } = self.tally;
        Record::new("imported")
            .of_room(&self.room)
            .with("added", added)
            .with("known", known)
            .with("left_out", left_out)
    }

    fn said(&self) -> String {
        let Tally { added, known, left_out } = self.tally;
        let mut text = format!("{} imported into {}", count(added, "message"), self.room.label);
        if known > 0 {
            text += &format!(", {known} were there already");
        }
        if left_out > 0 {
            text += &format!(", {} left out that say nothing", count(left_out, "line"));
        }
        text
    }
}

fn draft(room: &Room, key: &str, told: &Told, text: &str, root: Option<Seq>) -> Draft {
    let id = Key::of(&format!("quipu-import-v1\n{}\n{key}", room.id)).id();
    let mut draft = Draft::text(text).with_id(id);
    draft.ext.origin = Some(Origin { at_ms: told.at_ms, author: Text::cut(told.author.clone()) });
    draft.ext.thread_root = root;
    draft
}

/// The text in pieces that are no larger than a message may be.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, behind) = rest.split_at(rest.floor_char_boundary(BODY_BYTES_MAX));
        rest = behind;
        Some(part)
    })
}

/// Messages handed over together: as many as may be on their way.
const WINDOW_MAX: usize = PUBLISHES_IN_FLIGHT_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "ä".repeat(BODY_BYTES_MAX / 2 + 1);
        let text = format!("x{long}");
        let parts: Vec<&str> = parts(&text).collect();
        assert_eq!((parts.len(), parts.concat()), (2, text.clone()));
        assert!(parts.iter().all(|part| part.len() <= BODY_BYTES_MAX));
        assert_eq!(super::parts("short").collect::<Vec<_>>(), ["short"]);
    }

    #[test]
    fn an_id_is_that_of_the_source_in_its_room() {
        let told = |text: &str| Told {
            key: format!("irc\n{text}"),
            at_ms: 1,
            author: "a".repeat(40),
            text: text.into(),
            thread: None,
        };
        let room = |n| Room {
            id: quipu_client::protocol::RoomId::from_bytes([n; 16]),
            name: None,
            label: "#a".into(),
        };
        let made = |n, text: &str| draft(&room(n), &told(text).key, &told(text), text, None);
        assert_eq!(made(1, "x"), made(1, "x"));
        assert!(made(1, "x").id != made(1, "y").id && made(1, "x").id != made(2, "x").id);
        assert_eq!(made(1, "x").ext.origin.unwrap().author.as_str().len(), 32);
    }
}
