//! `quipu-client`: everything a program needs to take part in a Quipu conversation, and no user interface.
//!
//! ```text
//!   program ──calls──▶ Client ──▶ store (outbox, entries, cursors)
//!      ▲                 │          ▲
//!      └─ numbered events┘          │ before anything is emitted
//!                        keeper ──▶ session ──▶ one QUIC connection
//! ```
//!
//! [`Client`] is the whole surface: actions return once they are on disk, outcomes come as numbered [`Event`]s.
//! It is asynchronous wherever it may ever wait, so that bindings for other languages need not change later.
//! Nothing here prints, asks or depends on a server.

mod account;
mod client;
mod config;
mod diagnose;
mod error;
mod event;
mod net;
pub mod seams;
mod state;
pub mod tls;

pub use account::{Account, InvitePreview};
pub use client::{Client, Draft, NewInvite, OpenFrom, Page, RoomSummary, Sent};
pub use config::{Blocking, Config};
pub use diagnose::{Check, Report, Verdict};
pub use error::{Error, ErrorCode, Retry};
pub use event::{Event, Numbered, Security};
pub use net::transport::{Family, Resolving, SystemTransport, Transport};
pub use quipu_protocol as protocol;
pub use seams::Seams;
pub use state::{AppState, ConnState, Network};
