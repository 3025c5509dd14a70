//! `edit`, `redact`, `react`, `pin`, `topic`, `rename` … : what is said about what was said, and about the room.
//!
//! What becomes an entry goes through the outbox as a message does: done means that the server has it.

use quipu_client::protocol::request::{ReactionInfo, Tally};
use quipu_client::protocol::{Seq, UserId};
use quipu_client::{Client, Draft, Pinned};
use serde_json::{Value, json};

use super::args::{Calls, Edit, OneEntry, OneRoom, React, Redact, Rename, TopicOf};
use super::context::Context;
use super::exit::Failure;
use super::history::log_line;
use super::out::{Out, note};
use super::record::Record;
use super::room::{Room, describe, find, person};
use super::send::deliver;
use super::{entry, record, render};

/// Says something about an entry.
async fn about(context: &Context, out: &mut Out, at: &OneEntry, draft: Draft) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &at.room).await?;
    let id = session.client.send(room.id, draft).await?;
    deliver(&session.client, out, &room, id, context.timeout).await
}

/// Changes a text.
pub(crate) async fn edit(context: &Context, out: &mut Out, args: Edit) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &args.at.room).await?;
    let draft = Draft::edit(Seq(args.at.seq), args.text.join(" "));
    let draft = calling(&session.client, draft, &args.calls).await?;
    let id = session.client.send(room.id, draft).await?;
    deliver(&session.client, out, &room, id, context.timeout).await
}

/// The draft with those it calls.
pub(crate) async fn calling(client: &Client, draft: Draft, calls: &Calls) -> Result<Draft, Failure> {
    let mut users: Vec<UserId> = Vec::new();
    for nickname in &calls.mention {
        users.push(person(client, nickname).await?);
    }
    let draft = draft.mentioning(users);
    Ok(if calls.mention_room { draft.mentioning_room() } else { draft })
}

/// Erases what was said.
pub(crate) async fn redact(context: &Context, out: &mut Out, args: Redact) -> Result<(), Failure> {
    let reason = args.why.reason.map(|reason| reason.as_str().to_owned());
    about(context, out, &args.at, Draft::redaction(Seq(args.at.seq), reason)).await
}

/// Reacts.
pub(crate) async fn react(context: &Context, out: &mut Out, args: React) -> Result<(), Failure> {
    about(context, out, &args.at, Draft::reaction(Seq(args.at.seq), &args.emoji)).await
}

/// Takes a reaction back.
pub(crate) async fn unreact(context: &Context, out: &mut Out, args: React) -> Result<(), Failure> {
    about(context, out, &args.at, Draft::unreaction(Seq(args.at.seq), &args.emoji)).await
}

/// Pins a message.
pub(crate) async fn pin(context: &Context, out: &mut Out, args: OneEntry) -> Result<(), Failure> {
    about(context, out, &args, Draft::pin(Seq(args.seq))).await
}

/// Takes a pin off.
pub(crate) async fn unpin(context: &Context, out: &mut Out, args: OneEntry) -> Result<(), Failure> {
    about(context, out, &args, Draft::unpin(Seq(args.seq))).await
}

/// Lists who reacts how.
pub(crate) async fn reactions(context: &Context, out: &mut Out, args: OneEntry) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &args.room).await?;
    let mut rows = session.client.reactions(room.id, Seq(args.seq)).await?;
    rows.sort_by_key(|row| (row.emoji.clone(), row.nickname.folded()));
    let records: Vec<_> = rows.iter().map(|row| reacted(&room, args.seq, row)).collect();
    out.rows(&records, |at| {
        vec![render::emoji(rows[at].emoji.as_str()).into_owned(), rows[at].nickname.to_string()]
    })?;
    if rows.is_empty() && !out.is_json() {
        note("nobody reacts to it");
    }
    Ok(())
}

/// `reacted`: how somebody reacts to an entry.
fn reacted(room: &Room, seq: u64, row: &ReactionInfo) -> Record {
    Record::new("reacted")
        .of_room(room)
        .with("seq", row.seq.0)
        .with("target", seq)
        .with("emoji", row.emoji.as_str())
        .with("user", row.user.to_string())
        .with("nickname", row.nickname.as_str())
}

/// Lists what is pinned.
pub(crate) async fn pins(context: &Context, out: &mut Out, args: OneRoom) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &args.room).await?;
    let pins = session.client.pins(room.id).await?;
    let mut names = session.names();
    entry::fetch_names(&mut names, &session.client, pins.iter().map(|pinned| &pinned.entry)).await;
    names.fetch(&session.client, pins.iter().filter_map(|pinned| pinned.pin.by)).await;
    for pinned in &pins {
        let by = pinned.pin.by.map(|by| format!(" (pinned by {})", names.label(by))).unwrap_or_default();
        out.put(&record(&room, pinned), || format!("{}{by}", log_line(context, &pinned.entry, &names)))?;
    }
    if pins.is_empty() && !out.is_json() {
        note("nothing is pinned");
    }
    Ok(())
}

/// `pinned`: an entry that is.
fn record(room: &Room, pinned: &Pinned) -> Record {
    Record::new("pinned")
        .of_room(room)
        .with("seq", pinned.entry.seq.0)
        .moment(pinned.entry.at_ms)
        .maybe("user", pinned.entry.user.map(|user| user.to_string()))
        .maybe("text", pinned.entry.text())
        .with("pin", pinned.pin.pin.0)
        .maybe("pinned_by", pinned.pin.by.map(|by| by.to_string()))
        .with("pinned_ms", pinned.pin.at_ms)
}

/// Says what a room is about, or shows it.
pub(crate) async fn topic(context: &Context, out: &mut Out, args: TopicOf) -> Result<(), Failure> {
    let session = context.start().await?;
    let mut info = describe(&session.client, &args.room).await?;
    if args.none || args.topic.is_some() {
        info = session.client.set_topic(info.room, args.topic).await?;
    }
    let label = Room::of(&info).label;
    out.put(&record::room(&info, None, None), || match &info.topic {
        Some(topic) => format!("{label}: {}", render::line(topic.as_str())),
        None => format!("{label} has no topic"),
    })
}

/// Calls a room differently.
pub(crate) async fn rename(context: &Context, out: &mut Out, args: Rename) -> Result<(), Failure> {
    let session = context.start().await?;
    let before = describe(&session.client, &args.room).await?;
    let info = session.client.rename_room(before.room, args.name).await?;
    let text = || format!("{} is {} now", Room::of(&before).label, Room::of(&info).label);
    out.put(&record::room(&info, None, None), text)
}

/// ` [👍 2]`, for each reaction.
pub(crate) fn tallies(tallies: &[Tally]) -> String {
    tallies
        .iter()
        .map(|tally| format!(" [{} {}]", render::emoji(tally.emoji.as_str()), tally.users))
        .collect()
}

/// The same for programs.
pub(crate) fn objects(tallies: &[Tally]) -> Vec<Value> {
    let object =
        |tally: &Tally| json!({"emoji": tally.emoji.as_str(), "users": tally.users, "own": tally.own});
    tallies.iter().map(object).collect()
}
