//! `export-room`: a room's whole log as JSON lines, which `quipu-server import-room` makes the same log of again.
//!
//! The first line says what the room is; then each entry is the object that `history --json` prints, with what that leaves
//! open in `exact`: the kind, the body where it is no text, and everything beside the body, both as bytes.
//! Invariant: what is printed has no hole and is of one life of the log, or the command fails.

use quipu_client::protocol::entry::Entry;
use quipu_client::protocol::limits::PAGE_ENTRIES_MAX;
use quipu_client::protocol::request::{Anchor, RoomInfo};
use quipu_client::protocol::{Cursor, Ext, Incarnation, Seq, cbor};
use quipu_client::{Client, Page};
use serde_json::{Map, Value};

use super::args::OneRoom;
use super::context::Context;
use super::entry::{self, hex};
use super::exit::Failure;
use super::out::{Out, note};
use super::record::{self, Record};
use super::room::{Room, describe};

/// Prints the room and its log.
pub(crate) async fn run(context: &Context, out: &mut Out, args: OneRoom) -> Result<(), Failure> {
    let session = context.start().await?;
    let info = describe(&session.client, &args.room).await?;
    let room = Room::of(&info);
    let first = page(&session.client, &info, Seq::ZERO).await?;
    // What is said from now on is not in it.
    let (head, incarnation) = (first.head, first.incarnation);
    let floor = first.entries.first().map_or(first.floor, |entry| entry.seq);
    if floor == Seq::ZERO || head.0 > SEQ_MAX {
        return Err(Failure::Client(quipu_client::Error {
            code: quipu_client::ErrorCode::Protocol,
            retry: quipu_client::Retry::Never,
            message: "the server's log begins or ends where none can".into(),
        }));
    }
    out.record(&header(&room, &info, incarnation, floor, head))?;
    let mut names = session.names();
    let (mut next, mut page_now) = (floor, first);
    loop {
        if page_now.incarnation != incarnation {
            return Err(changed(&room));
        }
        entry::fetch_names(&mut names, &session.client, page_now.entries.iter()).await;
        for entry in page_now.entries.iter().take_while(|entry| entry.seq <= head) {
            if entry.seq != next {
                return Err(changed(&room));
            }
            let cursor = Cursor { incarnation, seq: entry.seq };
            let record = entry::record(&room, cursor, entry, &names, session.me);
            out.record(&record.with("exact", exact(entry)))?;
            next = entry.seq.next();
        }
        if next > head {
            break;
        }
        page_now = page(&session.client, &info, Seq(next.0 - 1)).await?;
        if page_now.entries.is_empty() {
            return Err(changed(&room));
        }
    }
    note(format!("{} entries of {} exported", next.0 - floor.0, room.label));
    Ok(())
}

async fn page(client: &Client, info: &RoomInfo, after: Seq) -> Result<Page, Failure> {
    let page = client.history(info.room, Anchor::after(after), PAGE_ENTRIES_MAX as u64).await?;
    if page.from_cache {
        return Err(Failure::Client(quipu_client::Error {
            code: quipu_client::ErrorCode::Unreachable,
            retry: quipu_client::Retry::WhenOnline,
            message: "the connection was lost, and what the profile has may have holes".into(),
        }));
    }
    Ok(page)
}

fn changed(room: &Room) -> Failure {
    Failure::NotFound(format!("entries of {} went while they were read: try again", room.label))
}

fn header(room: &Room, info: &RoomInfo, incarnation: Incarnation, floor: Seq, head: Seq) -> Record {
    let settings = info.settings.clone().unwrap_or_default();
    record::Record::new("room-export")
        .of_room(room)
        .with("visibility", info.visibility.word())
        .maybe("topic", info.topic.as_ref().map(|topic| topic.as_str()))
        .with("incarnation", incarnation.0)
        .with("floor", floor.0)
        .with("head", head.0)
        .with("read_only", settings.read_only.unwrap_or_default())
        .with("invite_only", settings.invite_only.unwrap_or_default())
        .with("slow_ms", settings.slow_ms.unwrap_or_default())
}

/// The last place a log can have: numbers on the wire are kept as signed ones.
const SEQ_MAX: u64 = i64::MAX as u64;

/// What the words for people do not say.
fn exact(entry: &Entry) -> Map<String, Value> {
    let mut exact = Map::new();
    exact.insert("kind".into(), entry.kind.0.into());
    if entry.text().is_none() && !entry.body.is_empty() {
        exact.insert("body".into(), hex(&entry.body).into());
    }
    if entry.ext != Ext::default() {
        exact.insert("ext".into(), hex(&cbor::encode(&entry.ext)).into());
    }
    exact
}
