//! Somebody who listens, from the first entry on, through every crash of the server and some of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quipu_client::protocol::entry::Kind;
use quipu_client::protocol::{Cursor, Entry, RoomId, Seq, UserId};
use quipu_client::{Client, Event, OpenFrom};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::peer::Peer;
use crate::binaries::SOON;

/// How a reader behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Tells the server all the time how far it has read.
    Marking,
    /// Says nothing at all: it notices a dead server only by its own keep-alive.
    Silent,
}

/// A reader at work.
pub(crate) struct Reader {
    seen: Arc<Mutex<Vec<Entry>>>,
    crashes: Option<mpsc::UnboundedSender<()>>,
    told: watch::Receiver<Seq>,
    working: JoinHandle<Client>,
    room: RoomId,
}

impl Reader {
    /// Begins to listen, from the oldest entry on.
    pub(crate) fn start(peer: Peer, room: RoomId, habit: Habit) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (crashes, orders) = mpsc::unbounded_channel();
        let (tell, told) = watch::channel(Seq::ZERO);
        let work = Work { peer, room, habit, seen: Arc::clone(&seen), last: None, tell };
        Self { seen, crashes: Some(crashes), told, working: tokio::spawn(work.run(orders)), room }
    }

    /// The reader's program dies and is started again, with nothing but its last cursor.
    pub(crate) fn crash(&self) {
        self.crashes.as_ref().expect("it works").send(()).unwrap();
    }

    /// Everything it was told.
    pub(crate) fn log(&self) -> Vec<Entry> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until it has seen so many messages; gives the newest entry then.
    pub(crate) async fn head(&self, messages: usize) -> Seq {
        let mut told = self.told.clone();
        let texts = || {
            let seen = self.seen.lock().unwrap();
            seen.iter().filter(|entry| entry.kind == Kind::TEXT).count()
        };
        while texts() < messages {
            let moved = timeout(SOON, told.changed()).await;
            assert!(moved.is_ok(), "{} of {messages} messages were told", texts());
            moved.unwrap().unwrap();
        }
        *told.borrow()
    }

    /// Waits until it has come as far as `head`.
    pub(crate) async fn reaches(&mut self, head: Seq) {
        let reached = timeout(SOON, self.told.wait_for(|seq| *seq >= head)).await.is_ok();
        assert!(reached, "at {} of {head} entries", self.log().len());
    }

    /// Stops listening, says "read up to `marker`", and compares what the server then calls unread.
    pub(crate) async fn unread_is_exact(mut self, marker: Seq, log: &[Entry]) {
        self.crashes = None; // The end of its orders is its order to end.
        let client = self.working.await.unwrap();
        client.mark_read(self.room, marker).await.unwrap();
        let me = client.whoami().await.unwrap().unwrap().user;
        let head = log.last().unwrap().seq;
        // Markers only move forward, and this reader may have been further already.
        let at_marker = async {
            loop {
                let rooms = client.rooms(true).await.unwrap();
                let summary = rooms.into_iter().find(|summary| summary.info.room == self.room).unwrap();
                if let (Some(unread), Some(at)) = (summary.unread, summary.marker)
                    && at >= marker
                    && summary.info.head.seq == head
                    && unread == expected(log, at, me)
                {
                    return;
                }
                sleep(Duration::from_millis(20)).await; // The inbox sums up several times a second.
            }
        };
        if timeout(Duration::from_secs(10), at_marker).await.is_err() {
            let rooms = client.rooms(true).await.unwrap();
            panic!("marker {marker}, head {head}: {rooms:#?}");
        }
        client.shutdown().await;
    }
}

/// Messages of others behind a marker.
fn expected(log: &[Entry], marker: Seq, me: UserId) -> u64 {
    let counts = |entry: &&Entry| entry.seq > marker && entry.kind == Kind::TEXT && entry.user != Some(me);
    log.iter().filter(counts).count() as u64
}

struct Work {
    peer: Peer,
    room: RoomId,
    habit: Habit,
    seen: Arc<Mutex<Vec<Entry>>>,
    last: Option<Cursor>,
    tell: watch::Sender<Seq>,
}

impl Work {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<()>) -> Client {
        let mut opened = self.open().await;
        let mut marking = self.mark();
        loop {
            let events = tokio::select! {
                order = orders.recv() => match order {
                    Some(()) => {
                        marking.abort();
                        let _ = marking.await; // It holds the client too.
                        self.peer.crash().await;
                        opened = self.open().await;
                        marking = self.mark();
                        continue;
                    }
                    None => break,
                },
                events = self.peer.client.next_events(256, Duration::from_secs(1)) => events,
            };
            for numbered in events {
                if numbered.number <= opened {
                    continue;
                }
                match numbered.event {
                    Event::Entry { cursor, entry, .. } => self.note(cursor, *entry),
                    Event::Gap { from, to, .. } => panic!("{from} to {to} were not told"),
                    Event::RoomEnded { reason, refusal, .. } => panic!("ended: {reason:?} {refusal:?}"),
                    Event::Lagged { .. } => opened = self.open().await,
                    _ => {}
                }
            }
        }
        marking.abort();
        let _ = marking.await;
        self.peer.client
    }

    async fn open(&self) -> u64 {
        let from = self.last.map_or(OpenFrom::Start, OpenFrom::Cursor);
        self.peer.client.open_room(self.room, from).await.unwrap()
    }

    fn note(&mut self, cursor: Cursor, entry: Entry) {
        assert_eq!(cursor.seq, entry.seq);
        if let Some(last) = self.last {
            assert_eq!(last.incarnation, cursor.incarnation, "the log began anew");
            assert_eq!(last.seq.0 + 1, cursor.seq.0, "told twice, or left out");
        }
        self.last = Some(cursor);
        self.seen.lock().unwrap().push(entry);
        self.tell.send_replace(cursor.seq);
    }

    /// A task that tells the server how far this reader is.
    fn mark(&self) -> JoinHandle<()> {
        let (client, room, habit) = (self.peer.client.clone(), self.room, self.habit);
        let mut told = self.tell.subscribe();
        tokio::spawn(async move {
            while habit == Habit::Marking && told.changed().await.is_ok() {
                let seq = *told.borrow_and_update();
                let _ = client.mark_read(room, seq).await; // The next one corrects it.
            }
        })
    }
}

/// The whole log of a room, from the store, page by page or however the server likes.
pub(crate) async fn whole_log(client: &Client, room: RoomId, head: Seq) -> Vec<Entry> {
    let opened = client.open_room(room, OpenFrom::Start).await.unwrap();
    let mut log: HashMap<Seq, Entry> = HashMap::new();
    while log.len() < usize::try_from(head.0).unwrap() {
        let events = timeout(SOON, client.next_events(256, SOON)).await.unwrap();
        assert!(!events.is_empty(), "{} of {head} entries", log.len());
        for numbered in events.into_iter().filter(|numbered| numbered.number > opened) {
            if let Event::Entry { entry, .. } = numbered.event {
                assert!(log.insert(entry.seq, *entry).is_none(), "told twice");
            }
        }
    }
    let mut log: Vec<Entry> = log.into_values().collect();
    log.sort_by_key(|entry| entry.seq);
    log
}
