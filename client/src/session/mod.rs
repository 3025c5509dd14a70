//! One authenticated connection, from Auth granted until it ends for whatever reason.
//!
//! ```text
//!              ┌─ control ── tokens, notices, goaway        every task below belongs to the session
//!   connection ┼─ publish ── outbox ▶ acks                  and ends with it; the first that fails
//!              ├─ accept ─┬─ inbox                          ends all
//!              │          └─ rooms ── one task a room
//!              ├─ typing    └─ nudge    ├─ path    └─ presence
//! ```
//!
//! It does not dial and does not decide what happens next: it returns an [`Ending`].

pub(crate) mod connect;
mod control;
pub(crate) mod frames;
pub(crate) mod greeting;
mod holds;
mod inbox;
mod path;
mod presence;
mod publish;
pub(crate) mod request;
mod room;
mod rooms;
mod track;
mod transfer;

use std::sync::Arc;

use quinn::VarInt;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::core::Core;
use crate::ending::Ending;
use crate::limits::{CLOSE_TIMEOUT, CONTROL_FRAMES_MAX, UNI_STREAMS_MAX};
use crate::net::dial::Dialled;
use crate::session::connect::Online;
use crate::session::request::Link;
use crate::state::ConnState;
pub(crate) use control::write as speak;
pub(crate) use path::survives;

/// Runs a session to its end, and closes its connection.
pub(crate) async fn run(core: &Arc<Core>, online: Online, stop: &CancellationToken) -> Ending {
    let dialled = online.dialled.clone();
    let link =
        Link { connection: dialled.connection.clone(), limits: Arc::new(online.granted.limits.clone()) };
    let mut tasks = spawn(core, online, &link);
    core.link.send_replace(Some(link));
    core.set_state(ConnState::Online { remote: dialled.connection.remote_address() });
    let ending = tokio::select! {
        biased;
        () = stop.cancelled() => Ending::Stopped,
        Some(ended) = tasks.join_next() => ended.unwrap_or_else(|error| of_panic(&error)),
    };
    // Why the connection is gone tells more than which of its streams noticed first.
    let ending = match dialled.connection.close_reason() {
        Some(reason) if !matches!(ending, Ending::Stopped | Ending::PathDead) => Ending::Closed(reason),
        _ => ending,
    };
    core.link.send_replace(None);
    tasks.shutdown().await;
    close(&dialled, &ending).await;
    ending
}

fn spawn(core: &Arc<Core>, online: Online, link: &Link) -> JoinSet<Ending> {
    let mut tasks = JoinSet::new();
    let connection = link.connection.clone();
    let (frames, outgoing) = mpsc::channel(CONTROL_FRAMES_MAX);
    let (arriving, arrivals) = mpsc::channel(UNI_STREAMS_MAX as usize);
    let (in_flight, unanswered) = watch::channel(0);
    let life = control::Life::new(&online);
    tasks.spawn(control::write(online.writer, outgoing));
    tasks.spawn(control::read(Arc::clone(core), online.reader, life.clone(), unanswered.clone()));
    tasks.spawn(control::refresh(online.credentials, connection.clone(), life, frames.clone()));
    tasks.spawn(control::nudge(frames.clone(), unanswered));
    tasks.spawn(publish::run(Arc::clone(core), link.clone(), in_flight));
    tasks.spawn(rooms::run(Arc::clone(core), link.clone(), arrivals));
    tasks.spawn(inbox::accept(Arc::clone(core), connection.clone(), arriving));
    tasks.spawn(inbox::typing(Arc::clone(core), connection));
    tasks.spawn(presence::run(Arc::clone(core), link.clone()));
    tasks.spawn(path::watch(Arc::clone(core), online.dialler, online.dialled, frames));
    tasks
}

/// Says goodbye, and gives it a moment to leave.
pub(crate) async fn close(dialled: &Dialled, ending: &Ending) {
    dialled.connection.close(VarInt::from_u32(ending.close_code().number()), b"");
    if matches!(ending, Ending::Stopped) {
        // Nobody is told less when it does not leave in time.
        let _ = timeout(CLOSE_TIMEOUT, dialled.endpoint.wait_idle()).await;
    }
}

fn of_panic(error: &tokio::task::JoinError) -> Ending {
    use crate::error::{Error, ErrorCode};
    Ending::Store(Error::never(ErrorCode::Internal, format!("a part of the session failed: {error}")))
}
