//! Subscriptions: keeps the open ROOM streams in line with the rooms the program wants open.
//!
//! ```text
//!   wishes ──sync──▶ Subscribe ──▶ granted(number) ──Arrival(number)──▶ a task that follows the room
//!      ▲                                                                    │ slow, reset: asked for again
//!      └────────────── told up to, ended ───────────────────────────────────┘
//! ```
//!
//! One task owns all of this, so a stream that overtakes the answer that announces it simply waits in the queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use quipu_protocol::limits::BACKLOG_ENTRIES_MAX;
use quipu_protocol::request::{Subscribe, SubscribeRoom, Subscribed, SubscribedRoom};
use quipu_protocol::{Code, Cursor, List, Refusal, ResetCode, RoomId};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::inbox::Arrival;
use super::request::Link;
use super::room::{self, Followed};
use crate::core::Core;
use crate::ending::Ending;
use crate::event::Event;
use crate::limits::{ANSWER_TIMEOUT, BACKOFF_MAX};
use crate::open::{Begin, Wish};
use crate::store::vanishing;

/// Wait before a room that broke is asked for again.
const AGAIN: Duration = Duration::from_secs(1);
/// The same when the server has not yet noticed that we let go of an earlier stream of the room.
const CLOSING: Duration = Duration::from_millis(50);
/// Wait for a stream that was granted.
const GRANTED: Duration = Duration::from_secs(10);

/// Follows the wishes for as long as the session lasts.
pub(super) async fn run(core: Arc<Core>, link: Link, arrivals: mpsc::Receiver<Arrival>) -> Ending {
    let rooms = Rooms { core, link, arrivals, states: BTreeMap::new(), tasks: JoinSet::new() };
    match rooms.run().await {
        Ok(never) => match never {},
        Err(ending) => ending,
    }
}

/// How long to wait after a refusal that passes, however long the server says.
fn patience(refusal: &Refusal) -> Duration {
    Duration::from_millis(refusal.retry_after_ms.unwrap_or(0)).clamp(AGAIN, BACKOFF_MAX)
}

enum Never {}

struct Rooms {
    core: Arc<Core>,
    link: Link,
    arrivals: mpsc::Receiver<Arrival>,
    states: BTreeMap<RoomId, (u64, State)>,
    tasks: JoinSet<(RoomId, u64, Result<Followed, Ending>)>,
}

/// Where the opening of a room with this generation stands.
enum State {
    /// A stream with this number will come, until then.
    Granted(u64, Instant),
    /// A task follows the stream.
    Following(AbortHandle),
    /// To be asked for again then.
    Later(Instant),
}

impl Rooms {
    async fn run(mut self) -> Result<Never, Ending> {
        let core = Arc::clone(&self.core);
        let mut changed = core.rooms.changed.subscribe();
        loop {
            changed.borrow_and_update();
            self.sync().await?;
            let next = self.next_deadline();
            tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next() => self.ended(ended)?,
                Some(arrival) = self.arrivals.recv() => self.arrived(arrival),
                wished = changed.changed() => if wished.is_err() { return Err(Ending::Stopped) },
                () = sleep_until(next) => {}
            }
        }
    }

    /// Lets go of what is wished no longer, and asks for what is wished and not there.
    async fn sync(&mut self) -> Result<(), Ending> {
        let wishes = self.core.rooms.wishes();
        self.states.retain(|room, (generation, state)| {
            let keep = wishes.get(room).is_some_and(|wish| wish.generation == *generation);
            if let (false, State::Following(task)) = (keep, state) {
                task.abort(); // Dropping the stream tells the server to stop.
            }
            keep
        });
        let now = Instant::now();
        let missing = wishes.into_iter().filter(|(room, _)| match self.states.get(room) {
            None => true,
            Some((_, State::Granted(_, until) | State::Later(until))) => *until <= now,
            Some((_, State::Following(_))) => false,
        });
        let missing: Vec<(RoomId, Wish)> = missing.collect();
        if missing.is_empty() { Ok(()) } else { self.subscribe(missing).await }
    }

    async fn subscribe(&mut self, missing: Vec<(RoomId, Wish)>) -> Result<(), Ending> {
        let mut rows = Vec::new();
        let mut asked = Vec::new();
        // Finding a place by its time takes many questions one after the other, so all rooms do it at once.
        let found = join_all(missing.iter().map(|(room, wish)| self.row(*room, wish))).await;
        for ((room, wish), found) in missing.into_iter().zip(found) {
            match found? {
                Ok(row) => {
                    rows.push(row);
                    asked.push((room, wish));
                }
                // Without the place to begin at, another range than the one wished would be told.
                Err(wait) => {
                    let later = State::Later(Instant::now() + wait);
                    self.states.insert(room, (wish.generation, later));
                }
            }
        }
        let missing = asked;
        if missing.is_empty() {
            return Ok(());
        }
        let rooms = List::new(rows).expect("no more rooms can be open than be asked for at once");
        let question = Subscribe { rooms, priority: None };
        let answer = self.link.ask::<Subscribe, Subscribed>(&question, ANSWER_TIMEOUT).await;
        let rows = match answer {
            Ok(answer) => answer.rooms.into_vec(),
            Err(Ending::Refused(refusal)) => {
                let row = |(room, _): &(RoomId, Wish)| SubscribedRoom {
                    room: *room,
                    subscription: None,
                    refusal: Some(refusal.clone()),
                };
                missing.iter().map(row).collect()
            }
            Err(Ending::Late(_) | Ending::Reset(_) | Ending::Finished(_)) => Vec::new(),
            Err(ending) => return Err(ending),
        };
        for (room, wish) in missing {
            let row = rows.iter().find(|row| row.room == room);
            if row.and_then(|row| row.refusal.as_ref()).is_some_and(|refusal| refusal.code == Code::GONE) {
                // Deleted while nobody here was told.
                self.core.store.run(move |db| vanishing::forget_room(db, room)).await?;
            }
            self.answered(room, &wish, row);
        }
        Ok(())
    }

    /// What to ask for one room, or how long to wait before it can be known.
    async fn row(&self, room: RoomId, wish: &Wish) -> Result<Result<SubscribeRoom, Duration>, Ending> {
        let after = match (wish.told, wish.begin) {
            (None, Begin::Since(ms)) => match self.since(room, wish, ms).await? {
                Ok(after) => after,
                Err(wait) => return Ok(Err(wait)),
            },
            (told, _) => told,
        };
        let backlog = match (after, wish.begin) {
            (None, Begin::Latest(newest)) => newest.min(BACKLOG_ENTRIES_MAX),
            _ => BACKLOG_ENTRIES_MAX,
        };
        Ok(Ok(SubscribeRoom { room, after, backlog }))
    }

    /// The place before the first entry at or after a time; after a passing failure, how long to wait. A final
    /// refusal is left to the subscription to tell.
    async fn since(
        &self,
        room: RoomId,
        wish: &Wish,
        ms: u64,
    ) -> Result<Result<Option<Cursor>, Duration>, Ending> {
        match room::place_before(&self.link, room, ms).await {
            Ok(place) => {
                self.core.rooms.advance(room, wish.generation, place, || {});
                Ok(Ok(Some(place)))
            }
            Err(Ending::Refused(refusal)) if !refusal.code.retryable() => Ok(Ok(None)),
            Err(Ending::Refused(refusal)) => Ok(Err(patience(&refusal))),
            Err(Ending::Late(_) | Ending::Reset(_) | Ending::Finished(_)) => Ok(Err(AGAIN)),
            Err(ending) => Err(ending),
        }
    }

    fn answered(&mut self, room: RoomId, wish: &Wish, row: Option<&SubscribedRoom>) {
        let now = Instant::now();
        let state = match row {
            Some(SubscribedRoom { subscription: Some(number), .. }) => State::Granted(*number, now + GRANTED),
            Some(SubscribedRoom { refusal: Some(Refusal { code: Code::CONFLICT, .. }), .. }) => {
                State::Later(now + CLOSING)
            }
            Some(SubscribedRoom { refusal: Some(refusal), .. }) if !refusal.code.retryable() => {
                self.refused(room, wish.generation, refusal.clone());
                return;
            }
            Some(SubscribedRoom { refusal: Some(refusal), .. }) => State::Later(now + patience(refusal)),
            _ => State::Later(now + AGAIN),
        };
        self.states.insert(room, (wish.generation, state));
    }

    fn refused(&mut self, room: RoomId, generation: u64, refusal: Refusal) {
        self.states.remove(&room);
        self.core.rooms.end(room, generation, || {
            self.core.events.push([Event::RoomEnded { room, reason: None, refusal: Some(refusal) }]);
        });
    }

    fn arrived(&mut self, Arrival { opened, reader }: Arrival) {
        let room = opened.room;
        let granted = match self.states.get(&room) {
            Some((generation, State::Granted(number, _))) if *number == opened.subscription => {
                Some(*generation)
            }
            _ => None,
        };
        let wish = self.core.rooms.wishes().get(&room).copied();
        match (granted, wish) {
            (Some(generation), Some(wish)) if wish.generation == generation => {
                let following = room::follow(Arc::clone(&self.core), self.link.clone(), opened, reader, wish);
                let task = self.tasks.spawn(async move { (room, generation, following.await) });
                self.states.insert(room, (generation, State::Following(task)));
            }
            // Closed meanwhile, or left over from an earlier opening.
            _ => reader.stop(ResetCode::Cancelled),
        }
    }

    fn ended(
        &mut self,
        ended: Result<(RoomId, u64, Result<Followed, Ending>), tokio::task::JoinError>,
    ) -> Result<(), Ending> {
        let (room, generation, followed) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_cancelled() => return Ok(()),
            Err(error) => return Err(super::of_panic(&error)),
        };
        if self.states.get(&room).is_none_or(|(present, _)| *present != generation) {
            return Ok(());
        }
        match followed {
            Ok(Followed::Ended(reason)) => {
                self.states.remove(&room);
                self.core.rooms.end(room, generation, || {
                    self.core.events.push([Event::RoomEnded { room, reason: Some(reason), refusal: None }]);
                });
                Ok(())
            }
            Ok(Followed::Broken) => {
                self.states.insert(room, (generation, State::Later(Instant::now() + AGAIN)));
                Ok(())
            }
            Err(ending) => Err(ending),
        }
    }

    fn next_deadline(&self) -> Instant {
        let deadlines = self.states.values().filter_map(|(_, state)| match state {
            State::Granted(_, until) | State::Later(until) => Some(*until),
            State::Following(_) => None,
        });
        // An hour stands for never: the loop only looks again.
        deadlines.min().unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600))
    }
}
