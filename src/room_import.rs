//! A room made from its export: the operator's act, on a server that does not run.
//!
//! ```text
//!   lines ─▶ what the room is · entries without a hole ─▶ one transaction: room, log, who is in it ─▶ compared
//! ```
//!
//! Nobody may do this over the wire, whatever their role: it writes in the names of others. Who holds the disk can anyway.
//! Positions, times, authors, kinds, ids, contents and what stands beside them are those of the export; the life of the log
//! is a new one, so that nobody's cursor is mistaken for a place in it.
//! Invariant: the log is entry by entry the one that was exported, or there is none.

mod lines;
mod people;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use quipu_protocol::request::Visibility;
use quipu_protocol::{Cursor, Entry, Ext, Incarnation, Nickname, RoomId, RoomName, Seq, UserId};

use self::lines::{Header, Lines};
use self::people::People;
use crate::config::Config;
use crate::seams::Seams;
use crate::store::sqlite::SqliteStore;
use crate::store::{Appended, CommitError, NewEntry, RoomRow, Settings, Store as _, StoreError, Writes};

/// How the operator wants it.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// What `quipu export-room` printed.
    pub file: &'a Path,
    /// What the room is called here; as before when left out.
    pub name: Option<&'a RoomName>,
    /// An account that owns it whatever the log says.
    pub owner: Option<&'a Nickname>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The room.
    pub name: RoomName,
    /// Entries of its log.
    pub entries: u64,
    /// Members that have an account here.
    pub members: u64,
}

/// Why there is no room.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is not one of an export, or not in its place.
    #[error("line {number}: {why}")]
    Line {
        /// Which, from 1.
        number: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The room cannot be here as it is.
    #[error("{0}")]
    Refused(String),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store cannot keep it.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Makes the room, on the server of `config`, which must not run.
///
/// # Errors
/// Then there is no room.
pub fn import(config: &Config, wish: Wish<'_>, seams: &Seams) -> Result<Imported, ImportError> {
    let failed = |source| ImportError::Io { path: wish.file.to_owned(), source };
    let mut lines = Some(Lines::new(BufReader::new(File::open(wish.file).map_err(failed)?)));
    let mut store = SqliteStore::open(&config.data)?;
    let mut outcome = Err(ImportError::Refused("the store did nothing".into()));
    let mut random = || {
        let mut bytes = [0; 16];
        seams.entropy.fill(&mut bytes);
        bytes
    };
    store.commit(&mut |store| {
        let Some(lines) = lines.take() else { return };
        outcome = in_one_job(store, |store| bring(store, lines, wish, &mut random));
    })?;
    outcome
}

fn in_one_job<T>(
    store: &mut dyn Writes,
    work: impl FnOnce(&mut dyn Writes) -> Result<T, ImportError>,
) -> Result<T, ImportError> {
    store.begin_job()?;
    let done = work(store);
    store.end_job(done.is_ok())?;
    done
}

fn bring(
    store: &mut dyn Writes,
    mut lines: Lines,
    wish: Wish<'_>,
    random: &mut dyn FnMut() -> [u8; 16],
) -> Result<Imported, ImportError> {
    let header = lines.header()?;
    let name = name(store, &header, wish)?;
    let id = match store.room(header.room)? {
        None => header.room,
        Some(_) => RoomId::from_bytes(random()),
    };
    let mut first = lines.entry()?.ok_or_else(|| ImportError::Refused("the export has no entries".into()))?;
    store.insert_room(&row(store, &header, id, name.clone(), &first, random())?)?;
    let mut people = People::default();
    let mut erased = Vec::new();
    let mut expected = header.floor;
    loop {
        if first.seq != expected || first.seq > header.head {
            let why = format!(
                "entry {} where {expected} should be, of {} to {}",
                first.seq, header.floor, header.head
            );
            return Err(lines.wrong(why));
        }
        people.note(&first);
        put(store, id, &first).map_err(|error| lines.at(error))?;
        if first.is_erased() && first.kind.is_countable() {
            erased.push(first);
        }
        let Some(next) = lines.entry()? else { break };
        (first, expected) = (next, expected.next());
    }
    if expected != header.head {
        return Err(ImportError::Refused(format!("the export ends at entry {expected} of {}", header.head)));
    }
    for entry in erased {
        erase(store, id, &entry)?;
    }
    let owner = owner(store, wish)?;
    let members = people.settle(store, id, owner)?;
    Ok(Imported { name, entries: expected.0 - header.floor.0 + 1, members })
}

/// What it is called here, which must be free.
fn name(store: &dyn Writes, header: &Header, wish: Wish<'_>) -> Result<RoomName, ImportError> {
    let name = wish.name.or(header.name.as_ref()).cloned();
    let name =
        name.ok_or_else(|| ImportError::Refused("a direct room comes back under a name: say --name".into()))?;
    match store.room_by_name(&name)? {
        None => Ok(name),
        Some(_) => {
            Err(ImportError::Refused(format!("there is a room called {name}: say --name for another one")))
        }
    }
}

fn owner(store: &dyn Writes, wish: Wish<'_>) -> Result<Option<UserId>, ImportError> {
    let Some(owner) = wish.owner else { return Ok(None) };
    match store.user_by_nickname(&owner.folded())? {
        Some(user) => Ok(Some(user.user)),
        None => Err(ImportError::Refused(format!("nobody here is called {owner}"))),
    }
}

fn row(
    store: &dyn Writes,
    header: &Header,
    room: RoomId,
    name: RoomName,
    first: &Entry,
    random: [u8; 16],
) -> Result<RoomRow, ImportError> {
    let mut life = [0; 4];
    life.copy_from_slice(&random[..4]);
    // As random as that of a new room.
    let incarnation = Incarnation(u64::from(u32::from_be_bytes(life)) + 1);
    let creator = match first.user {
        Some(user) => store.user(user)?.map(|row| row.user),
        None => None,
    };
    // A room of two people who cannot leave is made by them alone.
    let visibility =
        if header.visibility == Visibility::PUBLIC { Visibility::PUBLIC } else { Visibility::PRIVATE };
    Ok(RoomRow {
        room,
        name: Some(name),
        visibility,
        topic: header.topic.clone(),
        direct: None,
        head: Cursor { incarnation, seq: Seq(header.floor.0 - 1) },
        floor: header.floor,
        members: 0,
        creator,
        created_ms: first.at_ms,
        settings: Settings {
            read_only: header.read_only,
            invite_only: header.invite_only,
            slow_ms: header.slow_ms,
        },
    })
}

/// Gives an entry its place, and looks whether it is what it was. A message that was erased comes first as one that says
/// nothing: what reactions to it follow is forgotten when all is there and it is erased once more.
fn put(store: &mut dyn Writes, room: RoomId, entry: &Entry) -> Result<(), ImportError> {
    let again = entry.is_erased() && entry.kind.is_countable();
    let ext = if again { Ext { erased: None, ..entry.ext.clone() } } else { entry.ext.clone() };
    let new = NewEntry {
        room,
        now_ms: entry.at_ms,
        author: entry.user.zip(entry.device),
        message: entry.message,
        kind: entry.kind,
        body: entry.body.clone(),
        ext,
        membership: None,
    };
    if !matches!(store.append(new)?, Appended::New(_)) {
        return Err(ImportError::Refused("its author used its id before".into()));
    }
    if again { Ok(()) } else { is_the_same(store, room, entry) }
}

fn erase(store: &mut dyn Writes, room: RoomId, entry: &Entry) -> Result<(), ImportError> {
    if let Some(why) = entry.ext.erased {
        store.erase(room, entry.seq, why)?;
    }
    is_the_same(store, room, entry)
}

fn is_the_same(store: &dyn Writes, room: RoomId, entry: &Entry) -> Result<(), ImportError> {
    if store.entry(room, entry.seq)?.as_ref() == Some(entry) {
        return Ok(());
    }
    Err(ImportError::Refused(format!("entry {} cannot be kept as it was", entry.seq)))
}
