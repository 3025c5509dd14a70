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

/// What time it is for the server, as far as can be known.
pub(crate) async fn now_ms(core: &Core) -> u64 {
    let local_ms = core.now_ms();
    // Without a profile there is still our clock.
    core.store.run(move |db| vanishing::now_ms(db, local_ms)).await.unwrap_or(local_ms)
}

/// Takes from events what is over: they may have waited for long.
pub(crate) fn veil(mut events: Vec<Numbered>, now_ms: u64) -> Vec<Numbered> {
    for numbered in &mut events {
        if let Event::Entry { entry, .. } = &mut numbered.event
            && entry.is_expired(now_ms)
        {
            **entry = vanishing::shown((**entry).clone(), now_ms);
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use quipu_protocol::entry::{Entry, Ext, Kind};
    use quipu_protocol::{Blob, Cursor, Incarnation, RoomId, Seq};

    use super::*;
    use crate::{Client, Config};

    fn vanishing_at(expires_ms: u64, seq: u64) -> Event {
        let entry = Entry {
            seq: Seq(seq),
            at_ms: 1,
            user: None,
            device: None,
            message: None,
            kind: Kind::TEXT,
            body: Blob::new(b"a secret".to_vec()).unwrap(),
            ext: Ext { expires_ms: Some(expires_ms), ..Ext::default() },
        };
        let cursor = Cursor { incarnation: Incarnation(1), seq: entry.seq };
        Event::Entry { room: RoomId::from_bytes([1; 16]), cursor, entry: Box::new(entry) }
    }

    /// Goal: whoever waits for events beside other things, and drops the waiting again and again, misses none.
    #[tokio::test]
    async fn waiting_for_events_is_cancelled_at_any_moment_without_loss() {
        let folder = tempfile::tempdir().unwrap();
        let client = Client::open(Config::new(folder.path())).await.unwrap();
        client.core().events.push([vanishing_at(u64::MAX, 1), vanishing_at(2, 2)]);
        // Cancelled where it waits first, and where it does whenever it goes on from there.
        for _ in 0..100 {
            let waiting = client.next_events(9, Duration::from_secs(9));
            if let Ok(events) = tokio::time::timeout(Duration::ZERO, waiting).await {
                assert_eq!(events.len(), 2);
                return;
            }
            tokio::task::yield_now().await;
        }
        let events = client.next_events(9, Duration::from_secs(9)).await;
        let texts = events.iter().map(|numbered| match &numbered.event {
            Event::Entry { entry, .. } => entry.text(),
            _ => None,
        });
        assert_eq!(texts.collect::<Vec<_>>(), [Some("a secret"), None], "and what is over stays hidden");
    }
}
