//! QUIC without chat: endpoint, connections, and one file per kind of stream.
//!
//! ```text
//!   endpoint ─▶ connection ─▶ control ─▶ session ─┬─▶ publish · request · upload · download · datagrams   (the client's)
//!      │             └─▶ health (hq-29)            └─▶ room_stream · inbox_stream       (the server's)
//!      └─ gate: Retry, caps     excess: whoever makes work that leads to nothing
//! ```
//!
//! Every task belongs to a connection's set and ends with it. Every quinn type stays in this folder.
//! Invariant: nothing but control is read before a connection is authenticated.

mod bots;
mod connection;
mod control;
mod datagrams;
mod download;
mod endpoint;
mod excess;
mod frames;
mod gate;
mod health;
mod inbox_stream;
mod moderation;
mod pace;
mod presence;
mod publish;
mod request;
mod room_stream;
mod session;
mod sessions;
mod soft_news;
mod transfer;
mod unread;
mod upload;

pub use endpoint::serve;

use std::sync::{Arc, OnceLock};

use quipu_protocol::{RoomId, UserId};
use tokio_util::sync::CancellationToken;

use crate::auth::Auth;
use crate::config::Limits;
use crate::files::Depot;
use crate::limits::{AUTHOR_RATES_MAX, REFUSAL_LINES_EVERY, ROOM_RATES_MAX};
use crate::rate::{OneOfMany, Rates, TokenBucket};
use crate::room::Rooms;
use crate::seams::Seams;

/// What all connections share.
pub struct Shared {
    /// Who people are.
    pub auth: Arc<Auth>,
    /// Where they talk.
    pub rooms: Rooms,
    /// The room every new account joins.
    pub lobby: RoomId,
    /// Where files are.
    pub files: Depot,
    /// What the operator grants.
    pub limits: Limits,
    /// Clock and randomness.
    pub seams: Seams,
    /// Cancelled when the server is to stop.
    pub stopping: CancellationToken,
    /// Where webhooks come in, as `http://host:port`, once they do.
    pub hooks_at: OnceLock<String>,
    /// How fast all members of a room together may write to it, whichever way they come.
    pub room_rates: Arc<Rates<RoomId>>,
    /// How fast each account may write, on all its connections together.
    author_rates: Rates<UserId>,
    /// Lines of the log about those who were not let in.
    refusals: OneOfMany,
    sessions: sessions::Sessions,
    gate: gate::Gate,
}

impl Shared {
    /// What connections need, before there are any.
    pub fn new(
        auth: Arc<Auth>,
        rooms: Rooms,
        lobby: RoomId,
        files: Depot,
        limits: Limits,
        seams: Seams,
        stopping: CancellationToken,
    ) -> Arc<Self> {
        let gate = gate::Gate::new(&limits);
        let sessions = sessions::Sessions::new(limits.connections_per_device as usize);
        let per_second = limits.room_publish_per_second;
        let room_rates = Arc::new(Rates::new(TokenBucket::new(per_second, per_second), ROOM_RATES_MAX));
        let author = TokenBucket::new(limits.publish_per_second, limits.publish_burst);
        let author_rates = Rates::new(author, AUTHOR_RATES_MAX);
        let hooks_at = OnceLock::new();
        Arc::new(Self {
            auth,
            rooms,
            lobby,
            files,
            limits,
            seams,
            stopping,
            hooks_at,
            room_rates,
            author_rates,
            refusals: OneOfMany::new(REFUSAL_LINES_EVERY),
            sessions,
            gate,
        })
    }
}
