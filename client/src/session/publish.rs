//! PUBLISH: the outbox goes out in order and pipelined, and every answer is on disk before it is told.
//!
//! ```text
//!   outbox ──write──▶ stream ──▶ server
//!      ▲    in flight: front … back    │
//!      └────── read ◀── Ack, Refused ◀─┘     answers come in the order of the questions
//! ```
//!
//! When the stream breaks, what is in flight has an unknown outcome: it is still in the outbox, and goes out again
//! under the same ids. A room that says "later" waits alone ([`Holds`]): what is meant for others goes on, and when its time
//! has come a new stream begins with the oldest message.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quipu_protocol::entry::Draft;
use quipu_protocol::frame::{Message as _, seal};
use quipu_protocol::limits::RETRY_MS;
use quipu_protocol::publish::{Ack, Refused};
use quipu_protocol::{BidiType, Code, Frame, MessageId, Refusal, RoomId};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use super::frames::{FrameReader, FrameWriter, open, priority};
use super::holds::{self, Holds, Verdict};
use super::request::Link;
use super::track::MAX;
use crate::backoff::Backoff;
use crate::core::Core;
use crate::ending::Ending;
use crate::event::Event;
use crate::limits::{BACKOFF_MAX, IN_FLIGHT_MAX};
use crate::store::outbox::{self, Queued};

/// Messages taken from the outbox at once.
const BATCH: usize = 32;
/// What is said of a message that may have arrived.
const UNKNOWN_OUTCOME: &str =
    "no answer came for days and it may have arrived; send it under a new id if it is not there";

/// Sends the outbox for as long as the session lasts.
pub(super) async fn run(core: Arc<Core>, link: Link, in_flight: watch::Sender<usize>) -> Ending {
    let mut backoff = Backoff::default();
    let holds = Holds::default();
    loop {
        let pipe = Pipe::new(&core, &link, &in_flight, &holds);
        let ended = pipe.run(&link).await;
        in_flight.send_replace(0);
        if pipe.has_settled() {
            backoff.reset();
        }
        let Err(ending) = ended else {
            holds.release();
            continue;
        };
        let wait = match &ending {
            // However long the server says: it is only a server.
            Ending::Refused(refusal) => {
                Duration::from_millis(refusal.retry_after_ms.unwrap_or(0)).min(BACKOFF_MAX)
            }
            Ending::Reset(_) | Ending::Finished(_) | Ending::Late(_) => Duration::ZERO,
            _ => return ending,
        };
        sleep(wait.max(backoff.wait(core.random_u32()))).await;
    }
}

/// One PUBLISH stream.
struct Pipe<'a> {
    core: &'a Arc<Core>,
    flying: Mutex<VecDeque<(MessageId, RoomId)>>,
    permits: Semaphore,
    /// Messages whose answer is not on disk yet.
    in_flight: &'a watch::Sender<usize>,
    holds: &'a Holds,
    /// Whether any message got its final answer. "Later" is none: it must not make the next try come sooner.
    settled: AtomicBool,
}

impl<'a> Pipe<'a> {
    fn new(core: &'a Arc<Core>, link: &Link, in_flight: &'a watch::Sender<usize>, holds: &'a Holds) -> Self {
        let granted = usize::try_from(link.limits.publishes_in_flight).unwrap_or(usize::MAX);
        Self {
            core,
            flying: Mutex::default(),
            permits: Semaphore::new(granted.clamp(1, IN_FLIGHT_MAX)),
            in_flight,
            holds,
            settled: AtomicBool::new(false),
        }
    }

    /// Sends until something goes wrong, or a room that said "later" is to be tried again.
    async fn run(&self, link: &Link) -> Result<(), Ending> {
        // No stream before there is something to say.
        let Some(first) = self.queued(0).await? else { return Ok(()) };
        let (mut writer, mut reader) =
            open(&link.connection, BidiType::Publish, priority::PUBLISH, &[]).await?;
        // Both live until one fails or nothing is left to answer, so neither is ever cancelled in between.
        tokio::select! {
            biased;
            ended = self.read(&mut reader) => ended,
            ended = self.write(&mut writer, first) => ended,
        }
    }

    fn has_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    /// The next messages behind a place that may go out, waiting for them; none when a room is to be tried again.
    async fn queued(&self, mut after: i64) -> Result<Option<Vec<Queued>>, Ending> {
        let mut changed = self.core.outbox.subscribe();
        while !self.holds.are_over() {
            let (now_ms, held) = (self.core.now_ms(), self.holds.rooms());
            let taking = self.core.store.run(move |db| {
                let mut queued = outbox::next(db, after, BATCH)?;
                let last = queued.last().map(|last| last.place);
                queued.retain(|queued| !held.contains(&queued.room));
                outbox::launching(db, &queued, now_ms)?;
                Ok((queued, last))
            });
            let (queued, last) = taking.await?;
            if !queued.is_empty() {
                return Ok(Some(queued));
            }
            // All of these wait with their rooms: what is behind them does not.
            if let Some(last) = last {
                after = last;
                continue;
            }
            tokio::select! {
                biased;
                changed = changed.changed() => if changed.is_err() { return Err(Ending::Stopped) },
                () = self.holds.change() => {}
            }
        }
        Ok(None)
    }

    async fn write(&self, writer: &mut FrameWriter, first: Vec<Queued>) -> Result<(), Ending> {
        let mut queued = first;
        loop {
            let mut place = 0;
            let mut frames = Vec::new();
            for message in queued {
                place = message.place;
                if self.is_too_old(&message) {
                    let refusal = Refusal::because(Code::EXPIRED, UNKNOWN_OUTCOME);
                    let refused = Refused { message: message.message, refusal };
                    self.keep_refusals(vec![(message.room, refused)]).await?;
                    continue;
                }
                if self.permits.available_permits() == 0 {
                    writer.send(&mut frames).await?;
                    frames.clear();
                }
                if self.launch(&message).await {
                    frames.push(seal(Draft::TYPE, &message.payload));
                }
            }
            writer.send(&mut frames).await?;
            match self.queued(place).await? {
                Some(next) => queued = next,
                None => break,
            }
        }
        // What is on its way is answered first. Nobody drops the other end of this.
        let _ = self.in_flight.subscribe().wait_for(|count| *count == 0).await;
        writer.finish();
        Ok(())
    }

    /// Whether it went out so long ago that sending it again could make it two. One that never went out may wait.
    fn is_too_old(&self, message: &Queued) -> bool {
        let age_ms = |since| self.core.now_ms().saturating_sub(since);
        message.first_sent_ms.is_some_and(|since| age_ms(since) > RETRY_MS)
    }

    /// Gives a message its place among those in flight; `false` when its room has said "later" meanwhile.
    async fn launch(&self, message: &Queued) -> bool {
        let permit = self.permits.acquire().await.expect("the semaphore is never closed");
        if self.holds.hold(message.room) {
            return false;
        }
        permit.forget();
        let mut flying = self.flying.lock().unwrap_or_else(PoisonError::into_inner);
        flying.push_back((message.message, message.room));
        self.in_flight.send_replace(flying.len());
        true
    }

    /// The message this answer is about: the one that waits longest.
    fn land(&self, message: MessageId) -> Result<RoomId, Ending> {
        let mut flying = self.flying.lock().unwrap_or_else(PoisonError::into_inner);
        match flying.pop_front() {
            Some((first, room)) if first == message => {
                self.permits.add_permits(1);
                Ok(room)
            }
            _ => Err(Ending::Order("an answer to another message than the oldest")),
        }
    }

    async fn read(&self, reader: &mut FrameReader) -> Result<(), Ending> {
        loop {
            let mut frame = Some(reader.next().await?.ok_or(Ending::Finished("the stream of answers"))?);
            let (mut acks, mut refusals, mut failed) = (Vec::new(), Vec::new(), None);
            while let Some(next) = frame {
                match self.answer(&next)? {
                    // One write to the disk for all of a kind in a row, told in the order they came.
                    Some(Answer::Ack(room, ack)) => {
                        self.refused(std::mem::take(&mut refusals)).await?;
                        acks.push((room, ack));
                    }
                    Some(Answer::Refused(room, refused)) => {
                        self.acked(std::mem::take(&mut acks)).await?;
                        match holds::verdict(refused.refusal.code) {
                            Verdict::Final => refusals.push((room, refused)),
                            Verdict::RoomLater => self.holds.add(room, &refused.refusal),
                            Verdict::StreamLater => failed = failed.or(Some(refused.refusal)),
                        }
                    }
                    None => {}
                }
                frame = reader.ready()?;
            }
            self.acked(acks).await?;
            self.refused(refusals).await?;
            if let Some(refusal) = failed {
                // What follows it in the pipe must not overtake it for good: begin again with the oldest.
                return Err(Ending::Refused(refusal));
            }
            let left = self.flying.lock().unwrap_or_else(PoisonError::into_inner).len();
            self.in_flight.send_replace(left);
        }
    }

    fn answer(&self, frame: &Frame) -> Result<Option<Answer>, Ending> {
        if frame.is::<Ack>() {
            let ack: Ack = frame.decode()?;
            if [ack.at.incarnation.0, ack.at.seq.0, ack.at_ms].iter().any(|n| *n > MAX) {
                return Err(Ending::Order("an answer with a number beyond its bounds"));
            }
            Ok(Some(Answer::Ack(self.land(ack.message)?, ack)))
        } else if frame.is::<Refused>() {
            let refused: Refused = frame.decode()?;
            Ok(Some(Answer::Refused(self.land(refused.message)?, refused)))
        } else if frame.ty.is_critical() {
            Err(frame.unexpected().into())
        } else {
            Ok(None)
        }
    }

    /// On disk first, then told. Both in the profile's own time, so that a session that ends in between does not
    /// leave an outcome untold.
    async fn acked(&self, acks: Vec<(RoomId, Ack)>) -> Result<(), Ending> {
        if acks.is_empty() {
            return Ok(());
        }
        self.settled.store(true, Ordering::Relaxed);
        let core = Arc::clone(self.core);
        let keeping = self.core.store.run(move |db| {
            let news = outbox::acked(db, acks)?;
            core.events.push(news.into_iter().map(|(room, ack)| Event::Sent {
                id: ack.message,
                room,
                at: ack.at,
                at_ms: ack.at_ms,
                duplicate: ack.duplicate,
            }));
            core.outbox_changed();
            Ok(())
        });
        Ok(keeping.await?)
    }

    async fn refused(&self, refusals: Vec<(RoomId, Refused)>) -> Result<(), Ending> {
        if refusals.is_empty() {
            return Ok(());
        }
        self.settled.store(true, Ordering::Relaxed);
        self.keep_refusals(refusals).await
    }

    /// As with acks: on disk first, then told.
    async fn keep_refusals(&self, refusals: Vec<(RoomId, Refused)>) -> Result<(), Ending> {
        let core = Arc::clone(self.core);
        let keeping = self.core.store.run(move |db| {
            let (rooms, refusals): (Vec<RoomId>, Vec<Refused>) = refusals.into_iter().unzip();
            outbox::refused(db, &refusals)?;
            core.events.push(rooms.into_iter().zip(refusals).map(|(room, refused)| Event::Refused {
                id: refused.message,
                room,
                refusal: refused.refusal,
            }));
            core.outbox_changed();
            Ok(())
        });
        Ok(keeping.await?)
    }
}

enum Answer {
    Ack(RoomId, Ack),
    Refused(RoomId, Refused),
}
