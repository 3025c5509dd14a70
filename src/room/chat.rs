//! What people do in rooms: publish, read, mark as read.
//!
//! A publish is a job in the store's write transaction: membership and role are looked up at the head of the
//! log, so a removal that races a message has one outcome, and the log shows which came first.

use std::sync::Arc;

use quipu_protocol::publish::Ack;
use quipu_protocol::request::{MarkRead, Permissions, RoomInfo, ServerRole, SubscribeRoom};
use quipu_protocol::room::Opened;
use quipu_protocol::{Code, Draft, Ext, Kind, Refusal, RoomId, Seq};

use super::footing::Footing;
use super::live::Live;
use super::subscription::Subscription;
use super::{directory, rules};
use crate::auth::Authenticated;
use crate::seams::Seams;
use crate::store::{Appended, Lane, NewEntry, Pending, Reads, Storage, StoreError, WriteError, Writes};

/// The rooms of one server.
#[derive(Clone)]
pub struct Rooms {
    storage: Storage,
    live: Arc<Live>,
    seams: Seams,
}

/// A room that was opened for reading.
pub struct OpenedRoom {
    /// The cursor and its wake-up.
    pub subscription: Subscription,
    /// Where it begins. The subscription's number is the transport's to give.
    pub opened: Opened,
    /// What the room is, for a reader without a cursor.
    pub snapshot: Option<RoomInfo>,
}

impl Rooms {
    /// `live` must be the observer of `storage`.
    pub fn new(storage: Storage, live: Arc<Live>, seams: Seams) -> Self {
        Self { storage, live, seams }
    }

    /// What is alive.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    pub(super) fn storage(&self) -> &Storage {
        &self.storage
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.seams.clock.now_ms()
    }

    pub(super) fn random_id(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.seams.entropy.fill(&mut bytes);
        bytes
    }

    /// Gives a draft its place in the queue of the log; await the result for the answer. Drafts whose places
    /// were taken in an order are numbered in that order, and those of a lane not at all behind one that failed.
    ///
    /// # Errors
    /// What is wrong with the draft itself. Everything else is the answer's.
    pub async fn publish(
        &self,
        who: &Authenticated,
        draft: Draft,
        lane: &Lane,
    ) -> Result<Pending<Ack>, Refusal> {
        check(&draft)?;
        let (who, clock, live) = (who.clone(), Arc::clone(&self.seams.clock), Arc::clone(&self.live));
        let (room, user) = (draft.room, who.user());
        let pending = self
            .storage
            .enqueue_in(lane, move |store| append(store, &who, draft, clock.now_ms()))
            .await
            .map_err(WriteError::refusal)?;
        Ok(Box::pin(async move {
            let ack = pending.await?;
            if !ack.duplicate {
                // Own entries never count as unread, and that is seen at once on the account's other devices.
                live.marked(user, room);
            }
            Ok(ack)
        }))
    }

    /// Opens a room for reading.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when the room is hidden from the asker, [`Code::FORBIDDEN`] when they are no member.
    pub async fn subscribe(&self, who: &Authenticated, ask: &SubscribeRoom) -> Result<OpenedRoom, Refusal> {
        // Attached first: a departure while we look is seen by the subscription.
        let mut subscription = Subscription::attach(&self.live, &self.storage, ask.room, who.user());
        let (id, asker, now_ms) = (ask.room, who.clone(), self.now_ms());
        let question = move |store: &dyn crate::store::Reads| {
            let Some(room) = store.room(id)? else {
                return Ok(Err(Code::NOT_FOUND.into()));
            };
            let member = store.member(id, asker.user())?;
            let allowed = rules::may_read(&asker, &room, member.as_ref());
            let info = directory::info(store, asker.user(), now_ms, room.clone(), member)?;
            Ok(allowed.and(Ok((info, room))))
        };
        let (info, room) = self.storage.read(question).await.map_err(|error| error.refusal())??;
        let start = subscription.begin(room.head, room.floor, ask.after, ask.backlog);
        let opened = Opened { subscription: 0, room: id, start, head: room.head.seq, floor: room.floor };
        let snapshot = ask.after.is_none().then_some(info);
        Ok(OpenedRoom { subscription, opened, snapshot })
    }

    /// Moves the asker's marker forward. Never back; asking again is harmless.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when the room is hidden from the asker, [`Code::FORBIDDEN`] when they are no member.
    pub async fn mark_read(&self, who: &Authenticated, ask: MarkRead) -> Result<Seq, Refusal> {
        let asker = who.clone();
        let job = self.storage.write(move |store| {
            let room = store.room(ask.room)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
            rules::may_read(&asker, &room, store.member(ask.room, asker.user())?.as_ref())?;
            Ok(store.mark_read(ask.room, asker.user(), ask.seq)?)
        });
        let marker = job.await.map_err(WriteError::refusal)?;
        self.live.marked(who.user(), ask.room);
        Ok(marker)
    }

    /// Whether the asker may be heard in a room beyond the log: that it reads the room is known to the caller.
    pub fn typing(&self, who: &Authenticated, room: RoomId, ttl_ms: u64) {
        if !who.scope().has(Permissions::SEND) {
            return;
        }
        self.live.typing(quipu_protocol::datagram::Typing { room, user: Some(who.user()), ttl_ms });
    }
}

/// What can be judged without the log.
fn check(draft: &Draft) -> Result<(), Refusal> {
    if draft.kind != Kind::TEXT {
        return Err(Refusal::because(
            Code::UNSUPPORTED,
            format!("entries of kind {} are not published", draft.kind.0),
        ));
    }
    let ext = &draft.ext;
    let not_yet = ext.thread_root.is_some()
        || ext.expires_ms.is_some()
        || ext.target.is_some()
        || ext.files.is_some()
        || ext.reason.is_some()
        || ext.mentions_room.is_some();
    if ext.is_presumptuous() || not_yet {
        return Err(Refusal::because(Code::UNSUPPORTED, "the draft uses a field that is not for it"));
    }
    if draft.kind == Kind::TEXT && (draft.body.is_empty() || std::str::from_utf8(&draft.body).is_err()) {
        return Err(Refusal::because(Code::BAD_REQUEST, "a message is text in utf-8 and not empty"));
    }
    Ok(())
}

/// The author as they are at the head of the log: what a bot may do can have changed since it was authenticated.
fn now(store: &dyn Reads, who: &Authenticated) -> Result<Authenticated, StoreError> {
    match who.role() {
        ServerRole::BOT => Ok(who.clone().held_to(store.bot(who.user())?)),
        _ => Ok(who.clone()),
    }
}

fn append(store: &mut dyn Writes, who: &Authenticated, draft: Draft, now_ms: u64) -> Result<Ack, WriteError> {
    let message = draft.message;
    let if_head = draft.ext.if_head;
    let at = Footing::of(&*store, draft.room, who.user(), now_ms)?;
    let said_ms = at.said_ms(&*store, who.user())?;
    let entry = NewEntry {
        room: draft.room,
        now_ms,
        author: Some((who.user(), who.device())),
        message: Some(message),
        kind: draft.kind,
        body: draft.body,
        ext: Ext { if_head: None, ..draft.ext },
        membership: None,
    };
    let stale = if_head.is_some_and(|seq| seq != at.room.head.seq);
    let who = now(&*store, who)?;
    let allowed = rules::may_send(&who, &at, said_ms);
    let allowed = match &entry.ext.origin {
        Some(_) => allowed.and_then(|()| rules::may(&who, &at, Permissions::MANAGE_ROOM)),
        None => allowed,
    };
    let appended = match allowed.and_then(|()| if stale { Err(Code::STALE_HEAD.into()) } else { Ok(()) }) {
        Ok(()) => store.append(entry)?,
        // What was acknowledged once stays acknowledged, whatever has changed since.
        Err(refusal) => store.find(&entry)?.ok_or(refusal)?,
    };
    let ack = |placed: crate::store::Placed, duplicate| Ack {
        message,
        at: placed.at,
        at_ms: placed.at_ms,
        duplicate,
    };
    match appended {
        Appended::New(placed) => Ok(ack(placed, false)),
        Appended::Duplicate(placed) => Ok(ack(placed, true)),
        Appended::Conflict => Err(Refusal::from(Code::MESSAGE_CONFLICT).into()),
    }
}
