//! Entries whose time is over leave the profile and the events, whether or not anything happens meanwhile.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::sleep;

use crate::core::Core;
use crate::event::{Event, Numbered};
use crate::store::vanishing;

/// Longest sleep: a clock that was moved is noticed after that.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Empties what is over as long as the client runs.
pub(crate) async fn run(core: &Core) -> Infallible {
    loop {
        let local_ms = core.now_ms();
        let wait = match core.store.run(move |db| vanishing::erase(db, local_ms)).await {
            Ok(next_ms) => {
                next_ms.map_or(LOOK_EVERY, |next_ms| LOOK_EVERY.min(Duration::from_millis(next_ms)))
            }
            Err(error) => {
                tracing::warn!(%error, "what is over could not be erased");
                LOOK_EVERY
            }
        };
        tokio::select! {
            biased;
            () = core.vanishes.notified() => {}
            () = sleep(wait) => {}
        }
    }
}

/// Takes from events what is over: they may have waited for long.
pub(crate) async fn veil(core: &Core, mut events: Vec<Numbered>) -> Vec<Numbered> {
    let vanishes = |numbered: &Numbered| matches!(&numbered.event, Event::Entry { entry, .. } if entry.ext.expires_ms.is_some());
    if !events.iter().any(vanishes) {
        return events;
    }
    let local_ms = core.now_ms();
    // Without a profile there is still our clock.
    let now_ms = core.store.run(move |db| vanishing::now_ms(db, local_ms)).await.unwrap_or(local_ms);
    for numbered in &mut events {
        if let Event::Entry { entry, .. } = &mut numbered.event
            && entry.is_expired(now_ms)
        {
            **entry = vanishing::shown((**entry).clone(), now_ms);
        }
    }
    events
}
