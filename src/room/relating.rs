//! Entries about entries: what a draft may refer to, and what it does to that.
//!
//! ```text
//!   draft ──check──▶ (in the write transaction) ──judge──▶ Deed ──▶ an entry, and what follows from it
//! ```
//!
//! An entry's place is for ever and its content is not: an edit rewrites what it is about, a redaction erases it, and
//! both are entries themselves, so whoever reads on learns of it. Nothing here knows how any of it is stored.
//! Invariant: what an entry refers to was there, below it, when it came.

use quipu_protocol::entry::{Edited, Erasure};
use quipu_protocol::limits::{EDITS_MAX, EMOJI_PER_ENTRY_MAX, PINS_MAX, TEXT_BYTES_MAX};
use quipu_protocol::request::Permissions;
use quipu_protocol::{Code, Draft, Emoji, Entry, Ext, Kind, Refusal, Seq};

use super::footing::Footing;
use super::rules;
use crate::auth::Authenticated;
use crate::store::{Appended, NewEntry, Reads, RoomRow, WriteError, Writes};

/// What a draft does beside becoming an entry.
pub(super) enum Deed {
    /// Nothing.
    Speaks,
    /// The entry there reads as the draft says.
    Edits(Box<Entry>),
    /// The entry there is gone.
    Erases(Seq, Erasure),
    /// It says what is so already, by the entry there: no further one is needed.
    Repeats(Seq),
}

/// What can be judged without the log.
pub(super) fn check(draft: &Draft) -> Result<(), Refusal> {
    let (kind, ext) = (draft.kind, &draft.ext);
    let calls = ext.mentions.is_some() || ext.mentions_room.is_some();
    let answers = ext.reply_to.is_some() || ext.thread_root.is_some();
    if kind.has_target() != ext.target.is_some()
        || answers && kind != Kind::TEXT
        || calls && !matches!(kind, Kind::TEXT | Kind::EDIT)
    {
        return bad("an entry has the references of its kind, and no others");
    }
    let text = std::str::from_utf8(&draft.body).ok();
    let has_files = ext.files.as_ref().is_some_and(|files| !files.is_empty());
    match (kind, text) {
        (Kind::TEXT, Some("")) if has_files => Ok(()),
        (Kind::TEXT | Kind::EDIT, Some("") | None) => {
            bad("a message is text in utf-8, and not empty without files")
        }
        (Kind::REDACTION, Some(text)) if text.len() <= TEXT_BYTES_MAX => Ok(()),
        (Kind::REDACTION, _) => bad("a reason is a sentence of text in utf-8"),
        (Kind::REACTION | Kind::UNREACTION, text) => match text.map(str::parse::<Emoji>) {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => bad(&error.to_string()),
            None => bad("a reaction is text in utf-8"),
        },
        (Kind::PIN | Kind::UNPIN, text) if text != Some("") => bad("a pin says nothing"),
        _ => Ok(()),
    }
}

/// What a draft would do now, in the write transaction, at the head of the log.
pub(super) fn judge(
    store: &dyn Reads,
    who: &Authenticated,
    at: &Footing,
    new: &NewEntry,
) -> Result<Deed, WriteError> {
    let room = &at.room;
    refers(store, room, &new.ext)?;
    if new.ext.mentions_room == Some(true) {
        rules::may(who, at, Permissions::MENTION_ROOM)?;
    }
    let Some(target) = new.ext.target else { return Ok(Deed::Speaks) };
    let target = find(store, room, target)?;
    if target.is_erased() || target.is_expired(new.now_ms) {
        return Err(Refusal::because(Code::GONE, "what it is about was erased").into());
    }
    let reacts = new.kind == Kind::REDACTION && target.kind == Kind::REACTION;
    if target.kind != Kind::TEXT && !reacts {
        return Err(
            Refusal::because(Code::BAD_REQUEST, "only messages are edited, reacted to or pinned").into()
        );
    }
    let is_own = target.user == Some(who.user());
    match new.kind {
        Kind::EDIT if !is_own => {
            Err(Refusal::because(Code::FORBIDDEN, "only its author edits a message").into())
        }
        Kind::EDIT => edits(store, room, target),
        // A reason is something that is said.
        Kind::REDACTION if is_own => {
            let takes = if new.body.is_empty() { Permissions::READ } else { Permissions::SEND };
            rules::may(who, at, takes)?;
            Ok(Deed::Erases(target.seq, Erasure::RETRACTED))
        }
        Kind::REDACTION => {
            rules::may(who, at, Permissions::REDACT_ANY)?;
            Ok(Deed::Erases(target.seq, Erasure::REMOVED))
        }
        Kind::REACTION | Kind::UNREACTION => reaction(store, who, room, target.seq, new),
        _ => pin(store, room, target.seq, new.kind),
    }
}

/// Gives the entry its place, and does what follows from it, once.
pub(super) fn append(
    store: &mut dyn Writes,
    who: &Authenticated,
    new: NewEntry,
    deed: Deed,
) -> Result<Appended, WriteError> {
    if let Deed::Repeats(first) = deed {
        return Ok(match store.find(&new)? {
            Some(before) => before,
            None => store.settle(&new, first)?,
        });
    }
    let (room, body, ext) = (new.room, new.body.clone(), new.ext.clone());
    let appended = store.append(new)?;
    let Appended::New(place) = &appended else { return Ok(appended) };
    match deed {
        Deed::Edits(target) => {
            let edited = Some(Edited { by: who.user(), at_ms: place.at_ms });
            // The new text says whom it calls.
            let Ext { mentions, mentions_room, .. } = ext;
            let ext = Ext { edited, mentions, mentions_room, ..target.ext };
            store.rewrite(room, &Entry { body, ext, ..*target })?;
        }
        Deed::Erases(target, why) => {
            store.erase(room, target, why)?;
        }
        Deed::Speaks | Deed::Repeats(_) => {}
    }
    Ok(appended)
}

/// That an answer and a thread begin at what is there.
fn refers(store: &dyn Reads, room: &RoomRow, ext: &Ext) -> Result<(), WriteError> {
    if let Some(reply_to) = ext.reply_to {
        find(store, room, reply_to)?;
    }
    let Some(root) = ext.thread_root else { return Ok(()) };
    let root = find(store, room, root)?;
    if root.kind != Kind::TEXT || root.ext.thread_root.is_some() {
        let text = "a thread begins at a message that is in no thread itself";
        return Err(Refusal::because(Code::BAD_REQUEST, text).into());
    }
    Ok(())
}

/// The entry at a place.
fn find(store: &dyn Reads, room: &RoomRow, seq: Seq) -> Result<Entry, WriteError> {
    if seq == Seq::ZERO || seq > room.head.seq {
        return Err(Refusal::because(Code::NOT_FOUND, format!("there is no entry {seq} in this room")).into());
    }
    let gone = || Refusal::because(Code::GONE, format!("entry {seq} is not kept any more"));
    Ok(store.entry(room.room, seq)?.ok_or_else(gone)?)
}

fn edits(store: &dyn Reads, room: &RoomRow, target: Entry) -> Result<Deed, WriteError> {
    let before = store.about(room.room, target.seq, Kind::EDIT, Seq::ZERO, EDITS_MAX)?;
    if before.len() >= EDITS_MAX {
        return Err(
            Refusal::because(Code::QUOTA, format!("a message is edited at most {EDITS_MAX} times")).into()
        );
    }
    Ok(Deed::Edits(Box::new(target)))
}

fn reaction(
    store: &dyn Reads,
    who: &Authenticated,
    room: &RoomRow,
    target: Seq,
    new: &NewEntry,
) -> Result<Deed, WriteError> {
    let emoji = std::str::from_utf8(&new.body).unwrap_or_default();
    match (new.kind, store.reaction(room.room, target, who.user(), emoji)?) {
        (Kind::REACTION, Some(first)) => Ok(Deed::Repeats(first)),
        (Kind::REACTION, None) if store.has_emoji(room.room, target, emoji)? => Ok(Deed::Speaks),
        (Kind::REACTION, None) if store.emoji(room.room, target)? >= EMOJI_PER_ENTRY_MAX as u64 => {
            let text = format!("a message has at most {EMOJI_PER_ENTRY_MAX} different reactions");
            Err(Refusal::because(Code::QUOTA, text).into())
        }
        (Kind::REACTION, None) | (_, Some(_)) => Ok(Deed::Speaks),
        (_, None) => Err(Refusal::because(Code::NOT_FOUND, "there is no such reaction of yours").into()),
    }
}

fn pin(store: &dyn Reads, room: &RoomRow, target: Seq, kind: Kind) -> Result<Deed, WriteError> {
    match (kind, store.pin(room.room, target)?) {
        (Kind::PIN, Some(first)) => Ok(Deed::Repeats(first)),
        (Kind::PIN, None) if store.pins(room.room)? >= PINS_MAX as u64 => {
            Err(Refusal::because(Code::QUOTA, format!("a room has at most {PINS_MAX} pinned messages"))
                .into())
        }
        (Kind::PIN, None) | (_, Some(_)) => Ok(Deed::Speaks),
        (_, None) => Err(Refusal::because(Code::NOT_FOUND, "it is not pinned").into()),
    }
}

fn bad(text: &str) -> Result<(), Refusal> {
    Err(Refusal::because(Code::BAD_REQUEST, text))
}
