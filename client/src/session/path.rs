//! The path under the connection: moving it when the network changes, and noticing when it did not survive.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::control::word;
use crate::core::Core;
use crate::ending::Ending;
use crate::limits::{PATH_ROUND_TRIPS, PATH_TIMEOUT_MIN};
use crate::net::dial::Dialled;
use crate::net::endpoint::Dialler;

/// Follows what the platform says about the network. Returns when the path is dead.
pub(super) async fn watch(
    core: Arc<Core>,
    dialler: Dialler,
    dialled: Dialled,
    frames: mpsc::Sender<Bytes>,
) -> Ending {
    let mut platform = core.platform.subscribe();
    let mut seen = *platform.borrow_and_update();
    loop {
        if platform.changed().await.is_err() {
            return Ending::Stopped;
        }
        let now = *platform.borrow_and_update();
        if now.slept != seen.slept {
            return Ending::PathDead;
        }
        if now.moved != seen.moved && !survives(&dialler, &dialled, &frames).await {
            return Ending::PathDead;
        }
        seen = now;
    }
}

/// Moves the connection to a fresh socket, says something, and looks whether anything comes back.
pub(crate) async fn survives(dialler: &Dialler, dialled: &Dialled, frames: &mpsc::Sender<Bytes>) -> bool {
    let connection = &dialled.connection;
    if let Err(error) = dialler.rebind(&dialled.endpoint) {
        tracing::info!(%error, "no socket to move to");
        return false;
    }
    let before = connection.stats().udp_rx.datagrams;
    // quinn pings after a move; this makes sure that something is said whatever it does.
    let _ = frames.try_send(word());
    sleep((connection.rtt() * PATH_ROUND_TRIPS).max(PATH_TIMEOUT_MIN)).await;
    connection.stats().udp_rx.datagrams != before
}
