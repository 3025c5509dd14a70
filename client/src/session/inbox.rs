//! What the server sends on its own: the streams it opens, and datagrams.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, RecvStream};
use quipu_protocol::datagram::{self, Typing};
use quipu_protocol::inbox::{
    Heads, InboxReady, Membership, PersonPresence, Presence, PresenceAnew, Receipts, SettingsChanged,
};
use quipu_protocol::request::MembershipState;
use quipu_protocol::room::Opened;
use quipu_protocol::{Frame, ResetCode, UniType};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::frames::{FrameReader, in_time};
use crate::core::Core;
use crate::ending::Ending;
use crate::event::Event;
use crate::limits::STREAM_TIMEOUT;
use crate::store::vanishing;

/// A ROOM stream, as far as its first frame.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) opened: Opened,
    pub(super) reader: FrameReader,
}

/// Takes the streams the server opens. Each is a task of its own, so that none holds up another.
pub(super) async fn accept(core: Arc<Core>, connection: Connection, rooms: mpsc::Sender<Arrival>) -> Ending {
    let mut streams: JoinSet<Result<(), Ending>> = JoinSet::new();
    loop {
        // Biased, so that a simulation replays.
        tokio::select! {
            biased;
            Some(ended) = streams.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(ending)) => return ending,
                Err(error) => return super::of_panic(&error),
            },
            stream = connection.accept_uni() => match stream {
                Ok(stream) => { streams.spawn(take(Arc::clone(&core), stream, rooms.clone())); }
                Err(error) => return error.into(),
            },
        }
    }
}

/// Finds out what a stream is. What goes wrong before that hurts this stream alone.
async fn take(core: Arc<Core>, stream: RecvStream, rooms: mpsc::Sender<Arrival>) -> Result<(), Ending> {
    let mut reader = FrameReader::new(stream);
    let Ok(ty) = in_time(STREAM_TIMEOUT, "a stream's type", reader.stream_type()).await else {
        return Ok(());
    };
    match UniType::from_number(ty) {
        Some(UniType::Inbox) => follow(&core, reader).await,
        Some(UniType::Room) => {
            if let Ok(opened) = in_time(STREAM_TIMEOUT, "a room's head", first(&mut reader)).await {
                // Nobody takes it any more when the session ends.
                let _ = rooms.send(Arrival { opened, reader }).await;
            }
            Ok(())
        }
        None => {
            reader.stop(ResetCode::UnknownStream);
            Ok(())
        }
    }
}

async fn first(reader: &mut FrameReader) -> Result<Opened, Ending> {
    loop {
        let frame = reader.next().await?.ok_or(Ending::Finished("a room before it began"))?;
        if frame.is::<Opened>() {
            return Ok(frame.decode()?);
        } else if frame.ty.is_critical() {
            return Err(frame.unexpected().into());
        }
    }
}

async fn follow(core: &Core, mut reader: FrameReader) -> Result<(), Ending> {
    // A stopping server ends this stream first; answers to publishes may still come.
    const LATER: Duration = Duration::from_secs(5);
    // What an earlier connection told of rooms and people ended with it.
    core.heads().clear();
    core.events.push([Event::PresenceAnew]);
    while let Some(frame) = reader.next().await? {
        tell(core, &frame).await?;
    }
    sleep(LATER).await;
    Err(Ending::Finished("the inbox"))
}

async fn tell(core: &Core, frame: &Frame) -> Result<(), Ending> {
    if frame.is::<Heads>() {
        let heads: Heads = frame.decode()?;
        for head in heads.rooms.into_vec() {
            core.note_head(&head);
            core.events.push([Event::Head(head)]);
        }
    } else if frame.is::<Membership>() {
        let Membership { info } = frame.decode()?;
        if info.membership != MembershipState::JOINED {
            core.heads().remove(&info.room);
        }
        if info.deleted == Some(true) {
            let room = info.room;
            core.store.run(move |db| vanishing::forget_room(db, room)).await?;
        }
        core.events.push([Event::Membership { info }]);
    } else if frame.is::<Presence>() {
        let presence: Presence = frame.decode()?;
        let people = presence.people.into_vec().into_iter();
        core.events.push(people.map(|person| {
            let PersonPresence { user, state, text } = person;
            Event::Presence { user, state, text }
        }));
    } else if frame.is::<PresenceAnew>() {
        core.events.push([Event::PresenceAnew]);
    } else if frame.is::<Receipts>() {
        let Receipts { room, rows } = frame.decode()?;
        core.events.push([Event::Receipts { room, rows: rows.into_vec() }]);
    } else if frame.is::<SettingsChanged>() {
        core.events.push([Event::Settings(frame.decode::<SettingsChanged>()?.settings)]);
    } else if frame.is::<InboxReady>() {
        core.events.push([Event::InboxReady { rooms: frame.decode::<InboxReady>()?.rooms }]);
    } else if frame.ty.is_critical() {
        return Err(frame.unexpected().into());
    }
    Ok(())
}

/// Takes datagrams. A bad one is as good as a lost one.
pub(super) async fn typing(core: Arc<Core>, connection: Connection) -> Ending {
    loop {
        let datagram = match connection.read_datagram().await {
            Ok(datagram) => datagram,
            Err(error) => return error.into(),
        };
        let notice = datagram::decode(&datagram).and_then(|frame| frame.decode::<Typing>());
        if let Ok(Typing { room, user: Some(user), ttl_ms }) = notice {
            core.events.push([Event::Typing { room, user, ttl_ms }]);
        }
    }
}

#[cfg(test)]
mod tests {
    use quipu_protocol::inbox::{HeadExt, PresenceState};
    use quipu_protocol::stream::grease_frame;
    use quipu_protocol::{Cursor, FrameType, Incarnation, List, Message, RoomId, Seq, UserId};

    use super::*;
    use crate::config::Config;
    use crate::store;

    fn frame(message: &impl Message) -> Frame {
        let mut decoder = quipu_protocol::FrameDecoder::default();
        decoder.feed(&message.to_frame());
        decoder.next_frame().unwrap().unwrap()
    }

    /// Goal: what a later server tells of is skipped, and nothing that is known is lost for it.
    #[tokio::test]
    async fn what_an_older_client_does_not_know_is_skipped_or_ends_the_connection() {
        let (store, folder) = store::testing::store().await;
        let core = Core::new(Config::new(folder.path()), store);
        let head = quipu_protocol::inbox::Head {
            room: RoomId::from_bytes([1; 16]),
            head: Cursor { incarnation: Incarnation(1), seq: Seq(7) },
            marker: Seq(3),
            unread: 4,
            ext: HeadExt::default(),
        };
        for ty in [0x6d, 0x6f, grease_frame(0), grease_frame(3)] {
            // Not even CBOR.
            let later = Frame { ty: FrameType(ty), ..frame(&InboxReady { rooms: 1 }) };
            tell(&core, &later).await.unwrap();
        }
        tell(&core, &frame(&Heads { rooms: List::first(vec![head.clone()]) })).await.unwrap();
        assert_eq!(core.heads().get(&head.room), Some(&head));
        // A state that was made up later is as good as being there.
        let person =
            PersonPresence { user: UserId::from_bytes([2; 16]), state: PresenceState(9), text: None };
        tell(&core, &frame(&Presence { people: List::first(vec![person]) })).await.unwrap();
        assert_eq!(PresenceState(9).word(), "online");

        let critical = Frame { ty: FrameType(0x6a), ..frame(&InboxReady { rooms: 1 }) };
        assert!(tell(&core, &critical).await.is_err());
    }
}
