//! Load is what waits for the store's writer.

use super::*;
use crate::limits::LOADED_JOBS;

/// Goal: the measure rises with the jobs that wait behind one that takes long, and falls when they are done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_waits_for_the_store_and_then_does_not() {
    let live = Arc::new(Live::default());
    let storage = Storage::start(Box::new(MemoryStore::new()), Blocking::Pool, live.clone()).unwrap();
    let rooms = Rooms::new(storage.clone(), live, Seams::system());
    assert!(!rooms.load().is_high());

    let (began, begins) = tokio::sync::oneshot::channel();
    let (go_on, waits) = std::sync::mpsc::channel::<()>();
    let slow = storage.enqueue(move |_| {
        began.send(()).unwrap();
        waits.recv().unwrap();
        Ok(())
    });
    let slow = slow.await.unwrap();
    begins.await.unwrap();
    let mut jobs = Vec::new();
    for queued in 0..LOADED_JOBS {
        assert!(!rooms.load().is_high(), "{queued} jobs");
        jobs.push(storage.enqueue(|_| Ok(())).await.unwrap());
    }
    assert!(rooms.load().is_high());

    go_on.send(()).unwrap();
    slow.await.unwrap();
    for job in jobs {
        job.await.unwrap();
    }
    assert!(!rooms.load().is_high());
    rooms.load().set_jobs_max(0);
    assert!(rooms.load().is_high(), "the switch");
}
