//! The list of messages that call somebody: what may be shown of it, and how much at once.

use quipu_protocol::List;
use quipu_protocol::request::{ListMentions, SearchPlace};

use super::*;
use crate::limits::PAGE_BYTES_MAX;
use crate::store::NewEntry;

impl World {
    /// Ada calls Bob, in an entry that may have been over long ago.
    async fn calls(&self, number: u64, bytes: usize, expires_ms: Option<u64>) -> Seq {
        let mentions = Some(List::first(vec![self.bob.user()]));
        let entry = NewEntry {
            room: self.room,
            now_ms: number,
            author: Some((self.ada.user(), self.ada.device())),
            message: None,
            kind: Kind::TEXT,
            body: Blob::new(vec![b'x'; bytes]).unwrap(),
            ext: Ext { mentions, expires_ms, ..Ext::default() },
            membership: None,
        };
        let room = self.room;
        let job = self.rooms.storage().write(move |store| {
            store.append(entry)?;
            Ok(store.room(room)?.unwrap().head.seq)
        });
        job.await.unwrap()
    }

    async fn called(&self, after: Option<SearchPlace>) -> (Vec<Entry>, Option<SearchPlace>, usize) {
        let ask = ListMentions { limit: 64, after, unread: None };
        let (mentions, frames) = self.rooms.mentions(&self.bob, ask).await.unwrap();
        assert_eq!(mentions.rows.len(), frames.len());
        let bytes = frames.iter().map(Bytes::len).sum();
        (frames.iter().map(entry).collect(), mentions.next, bytes)
    }
}

#[tokio::test]
async fn a_message_whose_time_is_over_is_not_shown_to_whom_it_called() {
    let world = World::new().await;
    let stays = world.calls(1, 5, None).await;
    world.calls(2, 5, Some(1)).await;
    let (entries, next, _) = world.called(None).await;
    assert_eq!((entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), next), (vec![stays], None));
}

#[tokio::test]
async fn a_page_of_mentions_is_bounded_in_bytes_and_goes_on() {
    let world = World::new().await;
    let mut expected = Vec::new();
    for number in 0..40 {
        expected.insert(0, world.calls(number, 16_000, None).await);
        world.calls(number, 16_000, Some(1)).await;
    }
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let (entries, next, bytes) = world.called(after).await;
        assert!(bytes <= PAGE_BYTES_MAX, "{bytes} bytes in a page");
        seen.extend(entries.iter().map(|entry| entry.seq));
        (after, pages) = (next, pages + 1);
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (expected, 3));
}
