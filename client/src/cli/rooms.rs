//! `rooms`, `create`, `enter`, `leave`, `add`, `remove`, `members`: rooms and who is in them.

use std::time::Duration;

use quipu_client::protocol::request::{MembershipState, RoomInfo, Visibility};
use quipu_client::{Client, Event, RoomSummary};
use tokio::time::{Instant, timeout_at};

use super::args::{Create, OneRoom, RoomAndPerson, Rooms};
use super::context::Context;
use super::exit::Failure;
use super::follow::{EVENTS_MAX, EVENTS_WAIT};
use super::out::{Out, note};
use super::room::{Room, describe, person};
use super::{presence, record, render};

/// Lists rooms: by name, direct rooms last.
pub(crate) async fn list(context: &Context, out: &mut Out, args: Rooms) -> Result<(), Failure> {
    let session = context.start().await?;
    session.client.wait_online(context.timeout).await?;
    inbox(&session.client).await;
    let mut rooms = session.client.rooms(!args.all).await?;
    rooms.sort_by_key(|summary| (summary.info.name.is_none(), Room::of(&summary.info).label));
    let records: Vec<_> = rooms.iter().map(record::summary).collect();
    out.rows(&records, |at| row(&rooms[at]))?;
    if rooms.is_empty() && !out.is_json() {
        note("no rooms; quipu rooms --all lists those you could enter");
    }
    Ok(())
}

/// Waits until the inbox told how each room stands, which makes the unread counts exact; `false` when it did not. They may
/// be missing when the server is slow; nothing else is.
pub(crate) async fn inbox(client: &Client) -> bool {
    let give_up = Instant::now() + INBOX_WAIT;
    let ready = async {
        loop {
            let events = client.next_events(EVENTS_MAX, EVENTS_WAIT).await;
            if events.iter().any(|numbered| matches!(numbered.event, Event::InboxReady { .. })) {
                return;
            }
        }
    };
    timeout_at(give_up, ready).await.is_ok()
}

fn row(summary: &RoomSummary) -> Vec<String> {
    let info = &summary.info;
    let unread = match summary.unread {
        Some(0) => String::new(),
        Some(unread) => match summary.mentions.unwrap_or(0) {
            0 => format!("{unread} unread"),
            mentions => format!("{unread} unread, {}", render::count(mentions, "mention")),
        },
        None if info.membership == MembershipState::JOINED => "?".into(),
        None => String::new(),
    };
    vec![
        Room::of(info).label,
        info.visibility.word().into(),
        standing(info).into(),
        render::count(info.members, "member"),
        unread,
        info.topic.as_ref().map(|topic| render::line(topic.as_str()).into_owned()).unwrap_or_default(),
    ]
}

/// How this account stands to a room: its role, or why it has none.
fn standing(info: &RoomInfo) -> &'static str {
    match info.membership {
        MembershipState::JOINED => info.role.word(),
        MembershipState::INVITED => "invited",
        _ => "-",
    }
}

/// Makes a room.
pub(crate) async fn create(context: &Context, out: &mut Out, args: Create) -> Result<(), Failure> {
    let session = context.start().await?;
    let visibility = if args.private { Visibility::PRIVATE } else { Visibility::PUBLIC };
    let info = session.client.create_room(args.name, visibility, args.topic).await?;
    changed(out, &info, "made")
}

/// Becomes a member.
pub(crate) async fn enter(context: &Context, out: &mut Out, args: OneRoom) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = describe(&session.client, &args.room).await?;
    let info = session.client.join_room(room.room).await?;
    changed(out, &info, "entered")
}

/// Is a member no longer.
pub(crate) async fn leave(context: &Context, out: &mut Out, args: OneRoom) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = describe(&session.client, &args.room).await?;
    let info = session.client.leave_room(room.room).await?;
    changed(out, &info, "left")
}

fn changed(out: &mut Out, info: &RoomInfo, what: &str) -> Result<(), Failure> {
    if out.is_json() {
        return out.record(&record::room(info, None, None));
    }
    note(format!("{what} {}", Room::of(info).label));
    Ok(())
}

/// Allows somebody in.
pub(crate) async fn add(context: &Context, out: &mut Out, args: RoomAndPerson) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = Room::of(&describe(&session.client, &args.room).await?);
    let user = person(&session.client, &args.person).await?;
    session.client.invite_member(room.id, user).await?;
    done(out, "added", user.to_string(), || format!("{} may enter {}", args.person, room.label))
}

/// Sends somebody out.
pub(crate) async fn remove(context: &Context, out: &mut Out, args: RoomAndPerson) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = Room::of(&describe(&session.client, &args.room).await?);
    let user = person(&session.client, &args.person).await?;
    session.client.remove_member(room.id, user).await?;
    done(out, "removed", user.to_string(), || format!("{} is out of {}", args.person, room.label))
}

/// Says that something was changed.
pub(crate) fn done(
    out: &mut Out,
    what: &'static str,
    id: String,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if out.is_json() {
        return out.record(&record::done(what, id));
    }
    note(text());
    Ok(())
}

/// Lists who is in a room: by name.
pub(crate) async fn members(context: &Context, out: &mut Out, args: OneRoom) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = super::room::find(&session.client, &args.room).await?;
    let mut members = session.client.members(room.id).await?;
    members.sort_by_key(|member| member.nickname.folded());
    let records: Vec<_> = members.iter().map(|member| record::member(&room, member)).collect();
    out.rows(&records, |at| {
        let member = &members[at];
        let role = match member.membership {
            MembershipState::INVITED => "invited",
            _ => member.role.word(),
        };
        vec![member.nickname.to_string(), role.into(), presence::standing(member)]
    })
}

/// How long the list waits for unread counts.
const INBOX_WAIT: Duration = Duration::from_secs(2);
