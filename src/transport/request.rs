//! REQUEST: one question, one answer, on a stream of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quipu_protocol::limits::PAGE_ENTRIES_MAX;
use quipu_protocol::request::{
    CreateInvite, CreateRoom, DeleteAccount, DeleteRoom, Direct, Done, ExportAccount, History, InviteMember,
    Join, Leave, ListDevices, ListFiles, ListInvites, ListMembers, ListPins, ListReactions, ListRooms,
    LookUp, MarkRead, RemoveMember, RenameRoom, RevokeDevice, RevokeInvite, RoomAnswer, RoomInfo, Search,
    SetRetention, SetTopic, Subscribe, SubscribeRoom, Subscribed, SubscribedRoom,
};
use quipu_protocol::{Code, Frame, List, Message, Refusal, ResetCode, RoomId};
use tokio::time::{Instant, timeout, timeout_at};

use super::frames::{FrameReader, FrameWriter, StreamError};
use super::session::Session;
use super::{bots, moderation, pace, presence, room_stream, unread};
use crate::limits::{OPEN_TIMEOUT, REQUEST_TIMEOUT};
use crate::room::OpenedRoom;

/// Beside the rooms that are not looked at.
const PRIORITY: i32 = 40;

/// Serves one REQUEST stream to its end.
pub(super) async fn serve(session: &Arc<Session>, mut reader: FrameReader, mut writer: FrameWriter) {
    writer.priority(PRIORITY);
    let answered = match timeout(REQUEST_TIMEOUT, question(&mut reader)).await {
        // What a closed connection had asked before is not answered.
        Ok(Ok(Some(_))) if session.is_over() => Ok(()),
        Ok(Ok(Some(frame))) => answer(session, &frame, &mut writer).await,
        Ok(Ok(None)) => Ok(()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(StreamError::Stalled),
    };
    match answered {
        Ok(()) => writer.finish(),
        Err(error) => {
            let reason = error.fault().unwrap_or(ResetCode::Cancelled);
            reader.stop(reason);
            writer.reset(reason);
            session.fault(&error);
        }
    }
}

/// The one critical frame of the stream.
async fn question(reader: &mut FrameReader) -> Result<Option<Frame>, StreamError> {
    loop {
        match reader.next().await? {
            Some(frame) if !frame.ty.is_critical() => {}
            question => return Ok(question),
        }
    }
}

/// Either answer, in the form the writer takes.
pub(super) async fn say<T: Message>(
    writer: &mut FrameWriter,
    answer: Result<T, Refusal>,
) -> Result<(), StreamError> {
    match answer {
        Ok(answer) => writer.send(&answer).await,
        Err(refusal) => writer.send(&refusal).await,
    }
}

async fn answer(session: &Arc<Session>, frame: &Frame, writer: &mut FrameWriter) -> Result<(), StreamError> {
    let (who, rooms, auth) = (&session.who, &session.shared.rooms, &session.shared.auth);
    match frame.ty {
        Subscribe::TYPE => subscribe(session, frame.decode()?, writer).await,
        History::TYPE => history(session, frame.decode()?, writer).await,
        Search::TYPE => search(session, frame.decode()?, writer).await,
        ListRooms::TYPE => say(writer, rooms.list(who, frame.decode()?).await).await,
        ListMembers::TYPE => say(writer, rooms.members(who, frame.decode()?).await).await,
        ListReactions::TYPE => say(writer, rooms.reactions(who, frame.decode()?).await).await,
        ListPins::TYPE => pins(session, frame.decode()?, writer).await,
        ListFiles::TYPE => say(writer, rooms.files(who, frame.decode()?).await).await,
        LookUp::TYPE => say(writer, rooms.look_up(frame.decode()?).await).await,
        CreateRoom::TYPE
        | Join::TYPE
        | Leave::TYPE
        | InviteMember::TYPE
        | RemoveMember::TYPE
        | Direct::TYPE
        | SetTopic::TYPE
        | RenameRoom::TYPE
        | SetRetention::TYPE => change(session, frame, writer).await,
        MarkRead::TYPE => say(writer, rooms.mark_read(who, frame.decode()?).await.map(|_| Done {})).await,
        CreateInvite::TYPE => {
            say(writer, auth.create_invite(who, frame.decode()?, rooms.leads()).await).await
        }
        ListInvites::TYPE => say(writer, auth.invites(who, frame.decode()?).await).await,
        RevokeInvite::TYPE => say(writer, done(auth.revoke_invite(who, frame.decode()?).await)).await,
        ListDevices::TYPE => {
            let _: ListDevices = frame.decode()?;
            let online = |device| session.shared.sessions.is_online(device);
            say(writer, auth.devices(who, online).await).await
        }
        RevokeDevice::TYPE => say(writer, revoke_device(session, frame.decode()?).await).await,
        ty if moderation::QUESTIONS.contains(&ty) => moderation::answer(session, frame, writer).await,
        ty if presence::QUESTIONS.contains(&ty) => presence::answer(session, frame, writer).await,
        ty if unread::QUESTIONS.contains(&ty) => unread::answer(session, frame, writer).await,
        DeleteRoom::TYPE => say(writer, done(rooms.delete(who, frame.decode()?).await)).await,
        DeleteAccount::TYPE => delete_account(session, frame.decode()?, writer).await,
        ExportAccount::TYPE => export(session, frame.decode()?, writer).await,
        ty if bots::QUESTIONS.contains(&ty) => bots::answer(session, frame, writer).await,
        _ => Err(frame.unexpected().into()),
    }
}

/// Questions whose answer is an entry of a log: they wait for their turn as drafts do.
async fn change(session: &Session, frame: &Frame, writer: &mut FrameWriter) -> Result<(), StreamError> {
    pace::own_turn(session).await;
    if session.is_over() {
        return Ok(());
    }
    let (who, rooms) = (&session.who, &session.shared.rooms);
    match frame.ty {
        CreateRoom::TYPE => say(writer, room(rooms.create(who, frame.decode()?).await)).await,
        Direct::TYPE => say(writer, room(rooms.direct(who, frame.decode()?).await)).await,
        Join::TYPE => {
            let ask: Join = frame.decode()?;
            let (was_in, joined) = (session.inbox.follows(ask.room), rooms.join(who, ask.room).await);
            // Who is in already makes no entry.
            say(writer, room(if was_in { joined } else { made(session, ask.room, joined) })).await
        }
        Leave::TYPE => {
            let ask: Leave = frame.decode()?;
            let (was_in, left) = (session.inbox.follows(ask.room), rooms.leave(who, ask.room).await);
            say(writer, room(if was_in { made(session, ask.room, left) } else { left })).await
        }
        SetTopic::TYPE => {
            let ask: SetTopic = frame.decode()?;
            let (of, set) = (ask.room, rooms.set_topic(who, ask).await);
            say(writer, room(made(session, of, set))).await
        }
        RenameRoom::TYPE => {
            let ask: RenameRoom = frame.decode()?;
            let (of, renamed) = (ask.room, rooms.rename(who, ask).await);
            say(writer, room(made(session, of, renamed))).await
        }
        InviteMember::TYPE => {
            let ask: InviteMember = frame.decode()?;
            let (of, invited) = (ask.room, rooms.invite_member(who, ask).await);
            say(writer, done(made(session, of, invited))).await
        }
        RemoveMember::TYPE => {
            let ask: RemoveMember = frame.decode()?;
            let (of, removed) = (ask.room, rooms.remove_member(who, ask).await);
            say(writer, done(made(session, of, removed))).await
        }
        SetRetention::TYPE => {
            let ask: SetRetention = frame.decode()?;
            let (of, set) = (ask.room, rooms.set_retention(who, ask).await);
            say(writer, room(made(session, of, set))).await
        }
        _ => Err(frame.unexpected().into()),
    }
}

/// Charges the room for what was granted. Not before: whoever is refused must not slow its members down.
pub(super) fn made<T>(session: &Session, room: RoomId, answer: Result<T, Refusal>) -> Result<T, Refusal> {
    answer.inspect(|_| pace::entry_made(&session.shared, room))
}

pub(super) fn room(info: Result<RoomInfo, Refusal>) -> Result<RoomAnswer, Refusal> {
    info.map(|info| RoomAnswer { info })
}

pub(super) fn done(unit: Result<(), Refusal>) -> Result<Done, Refusal> {
    unit.map(|()| Done {})
}

async fn revoke_device(session: &Session, ask: RevokeDevice) -> Result<Done, Refusal> {
    session.shared.auth.revoke_device(&session.who, ask.device).await?;
    // Durable first: whoever reconnects between the two is refused.
    session.shared.sessions.revoke(ask.device);
    Ok(Done {})
}

/// Answers before the connections close: the asker's own may be among them.
async fn delete_account(
    session: &Session,
    ask: DeleteAccount,
    writer: &mut FrameWriter,
) -> Result<(), StreamError> {
    let devices = match session.shared.auth.delete_account(&session.who, ask).await {
        Ok(devices) => devices,
        Err(refusal) => return writer.send(&refusal).await,
    };
    session.shared.rooms.someone_left();
    let said = farewell(writer).await;
    devices.into_iter().for_each(|device| session.shared.sessions.revoke(device));
    said
}

/// Says that it is done before the connection is closed because of it. Closing throws away what is under way, and
/// whoever deleted their account or gave their role away shall learn that it happened.
pub(super) async fn farewell(writer: &mut FrameWriter) -> Result<(), StreamError> {
    let said = writer.send(&Done {}).await;
    writer.finish();
    let _ = timeout(FAREWELL, writer.stopped()).await;
    said
}

/// How long the answer to a connection's last question may take to arrive.
const FAREWELL: Duration = Duration::from_secs(1);

async fn export(session: &Session, ask: ExportAccount, writer: &mut FrameWriter) -> Result<(), StreamError> {
    let Ok(_permit) = session.histories.acquire().await else {
        return Ok(());
    };
    let (exported, records) = match session.shared.rooms.export(&session.who, ask).await {
        Ok(page) => page,
        Err(refusal) => return writer.send(&refusal).await,
    };
    let mut frames = Vec::with_capacity(records.len() + 1);
    frames.push(exported.to_frame());
    frames.extend(records);
    writer.send_frames(&mut frames).await
}

async fn history(session: &Session, ask: History, writer: &mut FrameWriter) -> Result<(), StreamError> {
    let Ok(_permit) = session.histories.acquire().await else {
        return Ok(());
    };
    let (page, frames) = match session.shared.rooms.history(&session.who, ask).await {
        Ok(page) => page,
        Err(refusal) => return writer.send(&refusal).await,
    };
    debug_assert!(page.entries <= PAGE_ENTRIES_MAX as u64);
    list(page, frames, writer).await
}

/// What is pinned, a page like those of history.
async fn pins(session: &Session, ask: ListPins, writer: &mut FrameWriter) -> Result<(), StreamError> {
    let Ok(_permit) = session.histories.acquire().await else {
        return Ok(());
    };
    match session.shared.rooms.pins(&session.who, ask).await {
        Ok((pins, frames)) => list(pins, frames, writer).await,
        Err(refusal) => writer.send(&refusal).await,
    }
}

async fn list(first: impl Message, rest: Vec<Bytes>, writer: &mut FrameWriter) -> Result<(), StreamError> {
    let mut frames = Vec::with_capacity(rest.len() + 1);
    frames.push(first.to_frame());
    frames.extend(rest);
    writer.send_frames(&mut frames).await
}

/// One at a time: a connection that asks for many waits for itself.
async fn search(session: &Session, ask: Search, writer: &mut FrameWriter) -> Result<(), StreamError> {
    let found = match session.searches.acquire().await {
        Ok(_permit) => session.shared.rooms.search(&session.who, ask).await,
        Err(_) => return Ok(()),
    };
    say(writer, found).await
}

async fn subscribe(
    session: &Arc<Session>,
    ask: Subscribe,
    writer: &mut FrameWriter,
) -> Result<(), StreamError> {
    let mut rows = Vec::with_capacity(ask.rooms.len());
    // One wait for all of them: a client that grants no streams does not get its answer a minute later.
    let credit_until = Instant::now() + OPEN_TIMEOUT;
    for wanted in ask.rooms.iter() {
        let opened = open(session, wanted, credit_until).await;
        let (subscription, refusal) = match opened {
            Ok(subscription) => (Some(subscription), None),
            Err(refusal) => (None, Some(refusal)),
        };
        rows.push(SubscribedRoom { room: wanted.room, subscription, refusal });
    }
    writer.send(&Subscribed { rooms: List::first(rows) }).await
}

/// Opens one room: the right to read it, a place among the open ones, and a stream.
async fn open(session: &Arc<Session>, wanted: &SubscribeRoom, credit_until: Instant) -> Result<u64, Refusal> {
    let subscription = session.open_room(wanted.room).map_err(|already| match already {
        true => Refusal::because(Code::CONFLICT, "the room is open on this connection"),
        false => Refusal::because(Code::STREAM_LIMIT, "too many rooms are open"),
    })?;
    let place = Place { session, room: Some(wanted.room) };
    let OpenedRoom { subscription: cursor, mut opened, snapshot } =
        session.shared.rooms.subscribe(&session.who, wanted).await?;
    opened.subscription = subscription;
    let stream = match timeout_at(credit_until, session.connection.open_uni()).await {
        Ok(Ok(stream)) => stream,
        _ => {
            return Err(
                Refusal::because(Code::STREAM_LIMIT, "the client grants no more streams").retry_after(1_000)
            );
        }
    };
    let opened = OpenedRoom { subscription: cursor, opened, snapshot };
    // Before the stream's task, which gives the place back when it ends.
    place.keep();
    session.spawn(room_stream::serve(Arc::clone(session), opened, FrameWriter::new(stream)));
    Ok(subscription)
}

/// Gives a place among the open rooms back unless a stream took it over.
struct Place<'a> {
    session: &'a Session,
    room: Option<RoomId>,
}

impl Place<'_> {
    fn keep(mut self) {
        if let Some(room) = self.room.take() {
            self.session.room_opened(room);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(room) = self.room {
            self.session.close_room(room);
        }
    }
}
