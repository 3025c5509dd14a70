//! What people do in rooms: publish, read, mark as read.
//!
//! A publish is a job in the store's write transaction: membership and role are looked up at the head of the
//! log, so a removal that races a message has one outcome, and the log shows which came first.

use std::sync::Arc;

use quipu_protocol::publish::Ack;
use quipu_protocol::request::{MarkRead, RoomInfo, SubscribeRoom};
use quipu_protocol::room::Opened;
use quipu_protocol::{Code, Draft, Ext, Refusal, RoomId, Seq};

use super::live::Live;
use super::subscription::Subscription;
use super::{directory, relating, rules};
use crate::auth::Authenticated;
use crate::seams::Seams;
use crate::store::{Appended, Lane, NewEntry, Pending, Storage, WriteError, Writes};

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
        let (who, now_ms, live) = (who.clone(), self.now_ms(), Arc::clone(&self.live));
        let (room, user) = (draft.room, who.user());
        let pending = self
            .storage
            .enqueue_in(lane, move |store| append(store, &who, draft, now_ms))
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
        let (id, asker) = (ask.room, who.clone());
        let question = move |store: &dyn crate::store::Reads| {
            let Some(room) = store.room(id)? else {
                return Ok(Err(Code::NOT_FOUND.into()));
            };
            let member = store.member(id, asker.user())?;
            let allowed = rules::may_read(&asker, &room, member.as_ref());
            Ok(allowed.and(Ok((directory::info(store, asker.user(), &room, member.as_ref())?, room))))
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
        self.live.typing(quipu_protocol::datagram::Typing { room, user: Some(who.user()), ttl_ms });
    }
}

/// What can be judged without the log.
fn check(draft: &Draft) -> Result<(), Refusal> {
    if !draft.kind.is_publishable() {
        return Err(Refusal::because(
            Code::UNSUPPORTED,
            format!("entries of kind {} are not published", draft.kind.0),
        ));
    }
    let ext = &draft.ext;
    let not_yet =
        ext.expires_ms.is_some() || ext.files.is_some() || ext.reason.is_some() || ext.origin.is_some();
    if ext.is_presumptuous() || not_yet {
        return Err(Refusal::because(Code::UNSUPPORTED, "the draft uses a field that is not for it"));
    }
    relating::check(draft)
}

fn append(store: &mut dyn Writes, who: &Authenticated, draft: Draft, now_ms: u64) -> Result<Ack, WriteError> {
    let message = draft.message;
    let if_head = draft.ext.if_head;
    let room = store.room(draft.room)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
    let member = store.member(draft.room, who.user())?;
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
    let stale = if_head.is_some_and(|seq| seq != room.head.seq);
    let allowed = rules::may_publish(who, &room, member.as_ref());
    let allowed = allowed.and_then(|()| if stale { Err(Code::STALE_HEAD.into()) } else { Ok(()) });
    let judged = match allowed {
        Ok(()) => relating::judge(&*store, who, &room, member.as_ref(), &entry),
        Err(refusal) => Err(refusal.into()),
    };
    let appended = match judged {
        Ok(deed) => relating::append(store, who, entry, deed)?,
        // What was acknowledged once stays acknowledged, whatever has changed since.
        Err(WriteError::Refused(refusal)) => store.find(&entry)?.ok_or(refusal)?,
        Err(failure) => return Err(failure),
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
