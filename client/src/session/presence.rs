//! How this device is there, said once more on a new connection: every connection begins online.

use std::future::pending;
use std::sync::Arc;

use quipu_protocol::request::{PresenceSet, SetPresence};

use super::request::Link;
use crate::core::Core;
use crate::ending::Ending;
use crate::limits::ANSWER_TIMEOUT;

/// Says it, and is done for as long as the session lasts.
pub(super) async fn run(core: Arc<Core>, link: Link) -> Ending {
    if let Some(question) = core.appearance() {
        // Presence is no reason to end a session: whoever is refused appears online.
        let _ = link.ask::<SetPresence, PresenceSet>(&question, ANSWER_TIMEOUT).await;
    }
    pending().await
}
