//! Somebody who never stops talking: a full pipe of messages under names of their own choice, through every crash.
//!
//! ```text
//!   said (in memory, the truth) ──send_all──▶ client ──▶ server          after a crash of its own:
//!      ▲                                        │                        everything without an acknowledgement,
//!      └────── acknowledged at ◀──── events ────┘                        and some that has one, is handed in again
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quipu_client::protocol::{Cursor, MessageId, RoomId};
use quipu_client::{Client, Draft, ErrorCode, Event};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::peer::Peer;
use super::verdict::Spoken;
use crate::binaries::{Dice, SOON};

/// Messages without an acknowledgement at most: more than the client has in flight, so its pipe is always full.
const WINDOW: usize = 96;
/// Messages handed in at once, at most.
const BATCH_MAX: u64 = 16;
/// Acknowledged messages that are handed in once more after a crash.
const AGAIN: usize = 20;

/// An author at work.
pub(crate) struct Author {
    acked: Arc<AtomicU64>,
    orders: mpsc::UnboundedSender<Order>,
    working: JoinHandle<Spoken>,
}

enum Order {
    Crash,
    Finish,
}

impl Author {
    /// Begins to talk.
    pub(crate) fn start(number: usize, peer: Peer, room: RoomId) -> Self {
        let acked = Arc::new(AtomicU64::new(0));
        let (orders, inbox) = mpsc::unbounded_channel();
        let work = Work {
            number: number as u64,
            dice: Dice::new(number as u64),
            peer,
            room,
            spoken: Spoken::default(),
            acked: Arc::clone(&acked),
        };
        Self { acked, orders, working: tokio::spawn(work.run(inbox)) }
    }

    /// Messages acknowledged so far.
    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// The author's program dies and is started again, at its own next step.
    pub(crate) fn crash(&self) {
        self.orders.send(Order::Crash).unwrap();
    }

    /// Says nothing new, waits until everything is acknowledged, and tells what was said.
    pub(crate) async fn finish(self) -> Spoken {
        self.orders.send(Order::Finish).unwrap();
        self.working.await.unwrap()
    }
}

struct Work {
    number: u64,
    dice: Dice,
    peer: Peer,
    room: RoomId,
    spoken: Spoken,
    acked: Arc<AtomicU64>,
}

impl Work {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) -> Spoken {
        let mut talking = true;
        let mut progress = Instant::now();
        while talking || self.unanswered() > 0 {
            match orders.try_recv() {
                Ok(Order::Crash) => self.crash().await,
                Ok(Order::Finish) => talking = false,
                Err(_) => {}
            }
            if talking && self.unanswered() < WINDOW {
                self.say().await;
            }
            if self.listen().await > 0 {
                progress = Instant::now();
            }
            assert!(progress.elapsed() < SOON, "author {}: no answer for {SOON:?}", self.number);
        }
        self.client().shutdown().await;
        self.spoken
    }

    fn client(&self) -> &Client {
        &self.peer.client
    }

    fn unanswered(&self) -> usize {
        self.spoken.said.len() - self.spoken.acked.len()
    }

    /// Hands in a few new messages, mostly short, a few long.
    async fn say(&mut self) {
        let first = self.spoken.said.len();
        for number in first..=first + usize::try_from(self.dice.below(BATCH_MAX)).unwrap() {
            let long = if self.dice.below(100) == 0 { 4_000 } else { 0 };
            let padding = "x".repeat(long + usize::try_from(self.dice.below(100)).unwrap());
            let body = format!("{} {number} {padding}", self.number);
            self.spoken.said.push((self.id(number), body.into_bytes()));
        }
        self.hand_in(first, self.spoken.said.len()).await;
    }

    /// Author and number, so that the same message has the same name whoever hands it in.
    fn id(&self, number: usize) -> MessageId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.number.to_be_bytes());
        bytes[8..].copy_from_slice(&(number as u64).to_be_bytes());
        MessageId::from_bytes(bytes)
    }

    async fn hand_in(&self, from: usize, to: usize) {
        let draft = |(id, body): &(MessageId, Vec<u8>)| {
            Draft::text(String::from_utf8(body.clone()).unwrap()).with_id(*id)
        };
        let drafts = self.spoken.said[from..to].iter().map(draft).collect();
        self.client().send_all(self.room, drafts).await.unwrap();
    }

    /// Takes what has happened, waiting a little when there is nothing else to do; gives how many were answered.
    async fn listen(&mut self) -> usize {
        let before = self.spoken.acked.len();
        let wait = if self.unanswered() < WINDOW { Duration::ZERO } else { Duration::from_millis(50) };
        for numbered in self.client().next_events(256, wait).await {
            match numbered.event {
                Event::Sent { id, at, duplicate, .. } => self.note(id, at, duplicate),
                Event::Refused { id, refusal, .. } => panic!("{id} was refused: {refusal}"),
                Event::Lagged { .. } => panic!("events were lost though they are taken at once"),
                _ => {}
            }
        }
        let answered = self.spoken.acked.len() - before;
        self.acked.fetch_add(answered as u64, Ordering::Relaxed);
        answered
    }

    /// Acknowledged means: here, and for ever here.
    fn note(&mut self, id: MessageId, at: Cursor, duplicate: bool) {
        let before = self.spoken.acked.insert(id, at.seq);
        assert!(before.is_none_or(|before| before == at.seq), "{id} moved from {before:?} to {at:?}");
        if before.is_none() && duplicate {
            self.spoken.duplicates += 1;
        }
    }

    /// Dies without a word, starts again, and repeats what it does not know the outcome of, and a little more.
    async fn crash(&mut self) {
        self.peer.crash().await;
        let unanswered = |(id, _): &(MessageId, Vec<u8>)| !self.spoken.acked.contains_key(id);
        let total = self.spoken.said.len();
        let first = self.spoken.said.iter().position(unanswered).unwrap_or(total);
        self.hand_in(first.saturating_sub(AGAIN), total).await;
        // Acknowledgements the program was not told before it died are in its profile.
        for number in first..total {
            let id = self.spoken.said[number].0;
            match self.client().wait_sent(id, Duration::ZERO).await {
                Ok(sent) => self.note(id, sent.at, false),
                Err(error) => assert_eq!(error.code, ErrorCode::Timeout, "{error}"),
            }
        }
    }
}
