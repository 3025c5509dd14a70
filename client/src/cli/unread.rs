//! `read`, `unread`, `notify`, `mentions`: what was read, what is worth a signal, and who called.

use std::collections::HashMap;

use quipu_client::protocol::Seq;
use quipu_client::protocol::entry::Entry;
use quipu_client::protocol::limits::ROWS_MAX;
use quipu_client::protocol::request::{self, MembershipState, Mention};
use quipu_client::{Client, Error, ErrorCode, Retry, RoomSummary};

use super::args::{Mentions, Notify, Read, Unread};
use super::context::Context;
use super::entry;
use super::exit::Failure;
use super::history::log_line;
use super::out::{Out, note};
use super::room::{Room, describe, find};
use super::rooms::{self, done};

/// Marks a room as read, up to an entry or all of it.
pub(crate) async fn read(context: &Context, out: &mut Out, args: Read) -> Result<(), Failure> {
    let session = context.start().await?;
    let info = describe(&session.client, &args.room).await?;
    let (room, seq) = (Room::of(&info), args.seq.map_or(info.head.seq, Seq));
    session.client.mark_read(room.id, seq).await?;
    done(out, "read", room.id.to_string(), || format!("{} is read up to [{seq}]", room.label))
}

/// Lets a room be unread again from an entry on.
pub(crate) async fn unread(context: &Context, out: &mut Out, args: Unread) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &args.room).await?;
    session.client.mark_unread(room.id, Seq(args.seq)).await?;
    done(out, "unread", room.id.to_string(), || format!("{} is unread from [{}] on", room.label, args.seq))
}

/// Says what of a room is worth a signal, or shows it.
pub(crate) async fn notify(context: &Context, out: &mut Out, args: Notify) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &args.room).await?;
    if let Some(level) = args.level {
        let level = request::Notify::from(level);
        session.client.set_notify(room.id, level).await?;
        let text = || format!("{}: {}", room.label, level.word());
        return done(out, "notify-set", room.id.to_string(), text);
    }
    session.client.wait_online(context.timeout).await?;
    let told = rooms::inbox(&session.client).await;
    let rooms = session.client.rooms(true).await?;
    let missing = || Failure::NotAllowed(format!("you are not in {}", room.label));
    let is_it = |summary: &&RoomSummary| {
        summary.info.room == room.id && summary.info.membership == MembershipState::JOINED
    };
    let summary = rooms.iter().find(is_it).ok_or_else(missing)?;
    let late = || {
        Failure::Client(Error {
            code: ErrorCode::Timeout,
            retry: Retry::WhenOnline,
            message: format!("the server did not tell in time how {} stands", room.label),
        })
    };
    let level = summary.notify.filter(|_| told).ok_or_else(late)?;
    out.put(&super::record::summary(summary), || format!("{}: {}", room.label, level.word()))
}

/// Lists messages that call this account, newest first.
pub(crate) async fn mentions(context: &Context, out: &mut Out, args: Mentions) -> Result<(), Failure> {
    let session = context.start().await?;
    let (calls, more) = gather(&session.client, &args).await?;
    let known = session.client.rooms(true).await?;
    let labels = |summary: &RoomSummary| (summary.info.room, Room::of(&summary.info));
    let rooms: HashMap<_, _> = known.iter().map(labels).collect();
    let mut names = session.names();
    entry::fetch_names(&mut names, &session.client, calls.iter().map(|(_, entry)| entry)).await;
    for (mention, entry) in &calls {
        let room = rooms.get(&mention.room).cloned().unwrap_or_else(|| Room::unnamed(mention.room));
        let record = entry::record(&room, mention.at, entry, &names, session.me)
            .with("unread", mention.unread)
            .with("calls", if mention.everybody { "everybody" } else { "you" });
        let mark = if mention.unread { "*" } else { " " };
        out.put(&record, || format!("{mark} {} {}", room.label, log_line(context, entry, &names)))?;
    }
    if calls.is_empty() && !out.is_json() {
        note(if args.unread { "nobody calls you in what is unread" } else { "nobody has called you" });
    }
    if more && !out.is_json() {
        out.remark(format!("there is more: --limit {}", args.limit.saturating_mul(2)))?;
    }
    Ok(())
}

/// As many as are wanted, and whether there are more.
async fn gather(client: &Client, args: &Mentions) -> Result<(Vec<(Mention, Entry)>, bool), Failure> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let left = args.limit.saturating_sub(all.len() as u64);
        if left == 0 {
            return Ok((all, after.is_some()));
        }
        let page = client.mentions(after, args.unread, left.min(ROWS_MAX as u64)).await?;
        all.extend(page.calls);
        after = page.next;
        if after.is_none() {
            return Ok((all, false));
        }
    }
}
