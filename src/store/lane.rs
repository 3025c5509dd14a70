//! Lanes: jobs that must not overtake each other, even when the store fails in between.
//!
//! Jobs run in the order of their places, but a batch may fail and the next succeed. Whoever sends the failed
//! ones again would find the later ones before them. A lane closes with its first failure: everything behind it is
//! refused until the sender opens a new one and starts again from what failed.
//!
//! A room may also say "later" to one message, in slow mode for instance. Then what follows it in that room would find the
//! room ready a moment later and overtake it, so it waits as well; other rooms go on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quipu_protocol::{Code, MessageId, Refusal, RoomId};

/// A sequence of jobs that fails as a whole from its first failure onwards.
#[derive(Debug, Clone, Default)]
pub struct Lane(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    closed: AtomicBool,
    /// By room the message that is to come again first, and why it was refused: as many as rooms that one account is in.
    later: Mutex<BTreeMap<RoomId, (MessageId, Refusal)>>,
}

impl Lane {
    /// Whether an earlier job of the lane met a failure of the store. Only the writer's task asks.
    pub(super) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.0.closed.store(true, Ordering::Relaxed);
    }

    /// Why a message has to wait: the room refused an earlier one of the lane for now, and that has not come again.
    pub fn waits(&self, room: RoomId, message: MessageId) -> Option<Refusal> {
        self.later().get(&room).filter(|(first, _)| *first != message).map(|(_, refusal)| refusal.clone())
    }

    /// Notes how a message was answered; a refusal that passes holds up what follows it in its room.
    pub fn answered(&self, room: RoomId, message: MessageId, refusal: Option<&Refusal>) {
        let mut later = self.later();
        if later.get(&room).is_some_and(|(first, _)| *first != message) {
            return;
        }
        match refusal.filter(|refusal| refusal.code == Code::RATE) {
            Some(refusal) => later.insert(room, (message, refusal.clone())),
            None => later.remove(&room),
        };
    }

    fn later(&self) -> MutexGuard<'_, BTreeMap<RoomId, (MessageId, Refusal)>> {
        self.0.later.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::{
        Blocking, CommitError, Effect, Observer, Reads, Storage, Store, StoreError, WriteError, Writes,
    };

    /// Fails its first commit.
    struct Flaky(MemoryStore, bool);

    impl Store for Flaky {
        fn reader(&self) -> Result<Box<dyn Reads>, StoreError> {
            self.0.reader()
        }

        fn commit(&mut self, work: &mut dyn FnMut(&mut dyn Writes)) -> Result<Vec<Effect>, CommitError> {
            if std::mem::replace(&mut self.1, false) {
                return Err(CommitError::Undone(StoreError::Full));
            }
            self.0.commit(work)
        }
    }

    struct Nobody;

    impl Observer for Nobody {
        fn committed(&self, _: &[Effect]) {}
    }

    #[tokio::test]
    async fn nothing_overtakes_what_failed() {
        let store = Box::new(Flaky(MemoryStore::new(), true));
        let storage = Storage::start(store, Blocking::Inline, Arc::new(Nobody)).unwrap();
        let (one, other) = (Lane::default(), Lane::default());
        let first = storage.enqueue_in(&one, |_| Ok(1)).await.unwrap().await;
        assert!(matches!(first, Err(WriteError::Store(StoreError::Full))));
        // The store is well again, but the lane is not.
        let second = storage.enqueue_in(&one, |_| Ok(2)).await.unwrap().await;
        assert!(matches!(second, Err(WriteError::Store(_))));
        assert!(matches!(storage.enqueue_in(&other, |_| Ok(3)).await.unwrap().await, Ok(3)));
    }

    #[test]
    fn what_a_room_refused_for_now_is_not_overtaken_in_that_room() {
        let (room, other) = (RoomId::from_bytes([1; 16]), RoomId::from_bytes([2; 16]));
        let [first, second] = [1, 2].map(|n| MessageId::from_bytes([n; 16]));
        let later = Refusal::new(Code::RATE).retry_after(7);
        let lane = Lane::default();
        lane.answered(room, first, Some(&later));
        assert_eq!(lane.waits(room, second), Some(later.clone()));
        lane.answered(room, second, Some(&later));
        assert_eq!((lane.waits(room, first), lane.waits(other, second)), (None, None));
        // It came again, and got its place or a final no.
        lane.answered(room, first, Some(&Refusal::new(Code::FORBIDDEN)));
        assert_eq!(lane.waits(room, second), None);
    }

    #[tokio::test]
    async fn a_job_that_says_no_does_not_close_its_lane() {
        let store = Box::new(Flaky(MemoryStore::new(), false));
        let storage = Storage::start(store, Blocking::Inline, Arc::new(Nobody)).unwrap();
        let lane = Lane::default();
        let no = |_: &mut dyn Writes| {
            Err::<(), _>(quipu_protocol::Refusal::from(quipu_protocol::Code::FORBIDDEN).into())
        };
        assert!(storage.enqueue_in(&lane, no).await.unwrap().await.is_err());
        assert!(storage.enqueue_in(&lane, |_| Ok(())).await.unwrap().await.is_ok());
    }
}
