//! `quipu-client`: everything a program needs to take part in a Quipu conversation, and no user interface.
//!
//! ```text
//!   program ──calls──▶ Client ──▶ store (outbox, entries, cursors)
//!      ▲                 │          ▲
//!      └─ numbered events┘          │ before anything is told
//!                        keeper ──▶ session ──▶ one QUIC connection
//! ```
//!
//! [`Client`] is the whole surface: actions return once they are on disk, outcomes come as numbered [`Event`]s.
//! It is asynchronous wherever it may ever wait, so that bindings for other languages need not change later.
//! Nothing here prints, asks or depends on a server.

mod account;
mod auth;
mod backoff;
mod client;
mod config;
mod core;
mod diagnose;
mod ending;
mod error;
mod event;
mod event_log;
mod keeper;
mod limits;
mod local;
mod net;
mod open;
pub mod seams;
mod session;
mod shown;
mod state;
mod store;
pub mod tls;
mod vanish;

pub use account::{Account, InvitePreview, fingerprint};
pub use client::{
    Calls, Client, Draft, NewBot, NewInvite, OpenFrom, Page, Pinned, Presence, Progress, RoomSummary, Sent,
    Undelivered,
};
pub use config::{Blocking, Config};
pub use diagnose::{Check, Report, Verdict};
pub use error::{Error, ErrorCode, Retry};
pub use event::{Event, Numbered, Security};
pub use local::LocalFile;
pub use net::transport::{Family, Resolving, SystemTransport, Transport};
pub use quipu_protocol as protocol;
pub use seams::Seams;
pub use state::{AppState, ConnState, Network};
