//! Incoming webhooks: HTTP in, entries of a room out. Off unless the operator names an address.
//!
//! ```text
//!   POST /hook/<secret> ─▶ head, in time ─▶ whose secret? ─▶ rate ─▶ body, bounded ─▶ text ─▶ Rooms::publish ─▶ 200
//! ```
//!
//! There is no TLS here: whoever wants to be reached from elsewhere puts it in front. Nothing here knows QUIC, and what a
//! webhook may do is decided where everybody's drafts are judged, for the bot it speaks as.
//! Invariant: 200 is answered after the entry is durable, and the same `Idempotency-Key` is the same entry.

mod answer;
mod message;
mod serve;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quipu_protocol::publish::Ack;
use quipu_protocol::request::MembershipState;
use quipu_protocol::token::sha256;
use quipu_protocol::{Draft, Ext, HookId, Kind, MessageId, RoomId};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::answer::No;
use self::message::Delivery;
use crate::auth::Auth;
use crate::limits::HOOK_RATES_MAX;
use crate::rate::{Rates, TokenBucket};
use crate::room::Rooms;
use crate::seams::Seams;
use crate::store::{Lane, WriteError};

/// Messages a second of one webhook in the long run.
const HOOK_PER_SECOND: u32 = 2;
/// Messages of one webhook at once after a silence: a build that fails says a dozen things.
const HOOK_BURST: u32 = 30;

/// A listener that is bound and takes nobody in yet.
pub struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// Binds.
    ///
    /// # Errors
    /// What the system says.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(address).await? })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stopping`, and then until what is under way is answered.
    pub async fn run(self, hooks: Arc<Hooks>, stopping: CancellationToken) {
        serve::run(self.socket, hooks, stopping).await;
    }
}

/// What a delivery needs: who a secret is, where it leads, and how fast it may go there.
pub struct Hooks {
    auth: Arc<Auth>,
    rooms: Rooms,
    seams: Seams,
    rates: Rates<HookId>,
    room_rates: Arc<Rates<RoomId>>,
}

impl Hooks {
    /// Webhooks of these rooms, which are charged to `room_rates` like what members say.
    pub fn new(auth: Arc<Auth>, rooms: Rooms, seams: Seams, room_rates: Arc<Rates<RoomId>>) -> Self {
        let rates = Rates::new(TokenBucket::new(HOOK_PER_SECOND, HOOK_BURST), HOOK_RATES_MAX);
        Self { auth, rooms, seams, rates, room_rates }
    }

    /// Who a secret is. Before the body is read: a stranger sends none.
    async fn find(&self, secret: [u8; 16]) -> Result<Target, No> {
        let found = self.auth.hook(secret).await.map_err(|error| No::from(error.refusal()))?;
        let (hook, bot) = found.ok_or(No::Unknown)?;
        Ok(Target { hook: hook.hook, room: hook.room, bot })
    }

    /// Takes one message from the webhook's rate; else says when to come again. Before the body is read.
    fn take_turn(&self, hook: HookId) -> Result<(), No> {
        if self.rates.try_take(hook, Instant::now()) { Ok(()) } else { Err(No::TooFast) }
    }

    /// Takes one message from the room's rate, which its members alone do: a bot that is none is refused by the room.
    async fn take_rooms_turn(&self, target: &Target) -> Result<(), No> {
        let info = self.rooms.info(target.bot.user(), target.room).await;
        let is_member = matches!(info, Ok(info) if info.membership == MembershipState::JOINED);
        let ready = !is_member || self.room_rates.try_take(target.room, Instant::now());
        if ready { Ok(()) } else { Err(No::TooFast) }
    }

    /// Makes the entry, and returns when it is durable.
    async fn deliver(&self, target: Target, delivery: Delivery) -> Result<Ack, No> {
        let message = match &delivery.key {
            Some(key) => message_id(target.hook, key),
            None => self.random_id(),
        };
        let draft =
            Draft { room: target.room, message, kind: Kind::TEXT, body: delivery.body, ext: Ext::default() };
        self.take_rooms_turn(&target).await?;
        let pending = self.rooms.publish(&target.bot, draft, &Lane::default()).await?;
        Ok(pending.await.map_err(WriteError::refusal)?)
    }

    fn random_id(&self) -> MessageId {
        let mut bytes = [0; 16];
        self.seams.entropy.fill(&mut bytes);
        MessageId::from_bytes(bytes)
    }
}

/// Where a delivery goes, and as whom.
struct Target {
    hook: HookId,
    room: RoomId,
    bot: crate::auth::Authenticated,
}

/// A message's id from the key its sender gives it: the same key of the same webhook is the same message.
fn message_id(hook: HookId, key: &[u8]) -> MessageId {
    let hash = sha256(&[b"quipu-hook-v1", &hook.as_bytes()[..], key].concat());
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    MessageId::from_bytes(id)
}
