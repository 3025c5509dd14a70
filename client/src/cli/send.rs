//! `send`: one message, or every line as one.
//!
//! ```text
//!   lines ──▶ drafts ──▶ outbox (on disk) ──▶ window of unacknowledged ids ──▶ sent · refused · still queued
//! ```
//!
//! Lines are pipelined: while acknowledgements are awaited the next lines go into the outbox, at most
//! [`WINDOW_MAX`] ahead. Order is that of the input; acknowledgements come in the same order.
//! Invariant: a command that fails says how many lines the server has, so that nothing is guessed.

use std::collections::VecDeque;
use std::time::Duration;

use quipu_client::protocol::limits::{BODY_BYTES_MAX, PUBLISHES_IN_FLIGHT_MAX};
use quipu_client::protocol::{MessageId, Seq};
use quipu_client::{Client, ConnState, Draft, Error, ErrorCode, Sent};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::args::{Send, Wait};
use super::context::{Context, Session, trouble};
use super::exit::Failure;
use super::input::{Line, Source};
use super::out::{Out, note};
use super::parse::Key;
use super::relating::calling;
use super::render::count;
use super::room::{Room, find};
use super::upload::attach;
use super::{record, stoppable};

/// Sends what the arguments say.
pub(crate) async fn run(context: &Context, out: &mut Out, args: Send) -> Result<(), Failure> {
    match Input::of(&args)? {
        Input::Text(text) => stoppable(one(context, out, args, text)).await,
        Input::Whole(source) => {
            let text = stoppable(source.whole()).await?;
            stoppable(one(context, out, args, text)).await
        }
        Input::Lines(source) => many(context, out, args, source).await,
    }
}

/// Where the words come from.
#[derive(Debug, PartialEq, Eq)]
enum Input {
    Text(String),
    Whole(Source),
    Lines(Source),
}

impl Input {
    /// Standard input is read only when `-` or `--each-line` say so: a command in a loop must not swallow the loop's.
    fn of(args: &Send) -> Result<Self, Failure> {
        let dash = args.text == ["-"];
        if args.each_line && !args.text.is_empty() && !dash {
            return Err(Failure::Usage(
                "--each-line reads standard input or --file: leave the text out".into(),
            ));
        }
        if args.each_line && (args.calls.mention_room || !args.calls.mention.is_empty()) {
            return Err(Failure::Usage("--each-line calls nobody".into()));
        }
        let source = match &args.file {
            Some(path) if path.as_os_str() == "-" => Some(Source::Stdin),
            Some(path) => Some(Source::File(path.clone())),
            None if dash || args.each_line => Some(Source::Stdin),
            None => None,
        };
        Ok(match source {
            Some(source) if args.each_line => Self::Lines(source),
            Some(source) => Self::Whole(source),
            None => Self::Text(args.text.join(" ")),
        })
    }
}

async fn one(context: &Context, out: &mut Out, args: Send, text: String) -> Result<(), Failure> {
    if text.is_empty() && args.attach.is_empty() {
        return Err(Failure::Usage("an empty message cannot be sent".into()));
    }
    if text.len() > BODY_BYTES_MAX {
        return Err(Failure::Usage(format!(
            "{} bytes are more than the {BODY_BYTES_MAX} a message may have",
            text.len()
        )));
    }
    let (session, room) = begin(context, &args).await?;
    let mut draft = Draft::text(text);
    draft.id = args.id.as_ref().map(Key::id);
    draft.ext.reply_to = args.reply_to.map(Seq);
    draft.ext.thread_root = args.thread.map(Seq);
    let mut draft = calling(&session.client, draft, &args.calls).await?;
    if let Some(life) = args.expires {
        let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        draft = draft.vanishing_at(session.client.server_time_ms().await?.saturating_add(life_ms));
    }
    if !args.attach.is_empty() {
        draft = draft.with_files(attach(&session.client, &room, &args.attach).await?);
    }
    let id = session.client.send(room.id, draft).await?;
    let patience = match args.wait {
        Wait::Ack => context.timeout,
        Wait::Queued => Duration::ZERO,
    };
    deliver(&session.client, out, &room, id, patience).await
}

/// Waits until something that is in the outbox has its place in the log, and says so.
pub(crate) async fn deliver(
    client: &Client,
    out: &mut Out,
    room: &Room,
    id: MessageId,
    patience: Duration,
) -> Result<(), Failure> {
    match outcome(client, id, patience).await {
        Ok(sent) if out.is_json() => out.record(&record::sent(room, &sent, None)),
        Ok(_) => Ok(()),
        Err(failure) => {
            if out.is_json() && matches!(failure, Failure::Queued { .. }) {
                out.record(&record::queued(room, id, None))?;
            }
            Err(failure)
        }
    }
}

async fn begin(context: &Context, args: &Send) -> Result<(Session, Room), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &args.room).await.map_err(|failure| match failure {
        Failure::Client(error) => Failure::After { before: "nothing was sent".into(), error },
        other => other,
    })?;
    Ok((session, room))
}

/// Waits for one message's place in the log.
async fn outcome(client: &Client, id: MessageId, patience: Duration) -> Result<Sent, Failure> {
    let error = match client.wait_sent(id, patience).await {
        Ok(sent) => return Ok(sent),
        Err(error) => error,
    };
    if is_undecided(client, &error) {
        return Err(undecided(client, 1));
    }
    // Nobody will retry it, and in the outbox it would stand in the way of another text under the same id.
    let _ = client.dismiss(&[id]).await;
    Err(error.into())
}

/// Whether a message may still be sent: nobody refused it, and it is in the outbox.
pub(crate) fn is_undecided(client: &Client, error: &Error) -> bool {
    error.code == ErrorCode::Timeout || matches!(client.state(), ConnState::Stopped { .. })
}

/// How a command ends that leaves messages in the outbox.
pub(crate) fn undecided(client: &Client, waiting: u64) -> Failure {
    match client.state() {
        ConnState::Stopped { why } => {
            Failure::After { before: format!("{} kept in the outbox", count(waiting, "message")), error: why }
        }
        state => Failure::Queued { count: waiting, why: trouble(&state) },
    }
}

async fn many(context: &Context, out: &mut Out, args: Send, source: Source) -> Result<(), Failure> {
    let (session, room) = stoppable(begin(context, &args)).await?;
    let lines = source.lines()?;
    let mut pipeline = Pipeline {
        client: session.client,
        room,
        key: args.id,
        wait: args.wait,
        patience: context.timeout,
        source: source.label(),
        waiting: VecDeque::new(),
        progress: Instant::now(),
        tally: Tally::default(),
    };
    let result = stoppable(pipeline.run(lines, out)).await;
    let tally = Tally { queued: pipeline.tally.queued + pipeline.waiting.len() as u64, ..pipeline.tally };
    if !out.is_json() || result.is_err() || tally.skipped > 0 {
        note(tally.text(&pipeline.room.label));
    }
    result
}

/// Lines on their way.
struct Pipeline {
    client: Client,
    room: Room,
    key: Option<Key>,
    wait: Wait,
    /// How long nothing may be acknowledged while something waits.
    patience: Duration,
    source: String,
    /// In the outbox and not yet acknowledged, in order, with the number of their line.
    waiting: VecDeque<(MessageId, u64)>,
    /// When something was acknowledged last, or began to wait.
    progress: Instant,
    tally: Tally,
}

impl Pipeline {
    /// Takes lines until there are no more, and acknowledgements until none is missing.
    async fn run(&mut self, lines: mpsc::Receiver<Line>, out: &mut Out) -> Result<(), Failure> {
        let mut lines = Some(lines);
        let mut broken = None;
        let mut batch = Vec::new();
        while lines.is_some() || !self.waiting.is_empty() {
            let free = (WINDOW_MAX - self.waiting.len()).min(BATCH_MAX);
            let front = self.waiting.front().copied();
            // Both arms may be dropped at any time: lines stay in their queue, outcomes in the profile.
            tokio::select! {
                taken = take(&mut lines, &mut batch, free), if lines.is_some() && free > 0 => {
                    if taken == 0 {
                        lines = None;
                    } else if let Err(failure) = self.queue(&mut batch, out).await {
                        // What was before the bad line is on its way: see it through, then say what is wrong.
                        (lines, broken) = (None, Some(failure));
                    }
                }
                result = settle(&self.client, front, self.progress + self.patience), if front.is_some() => {
                    self.settled(result, out)?;
                }
            }
        }
        match (broken, self.tally.queued) {
            (Some(failure), _) => Err(failure),
            (None, 0) => Ok(()),
            (None, count) => Err(Failure::Queued { count, why: "not waited for".into() }),
        }
    }

    /// Puts a batch into the outbox, up to the first line that cannot be a message.
    async fn queue(&mut self, batch: &mut Vec<Line>, out: &mut Out) -> Result<(), Failure> {
        let (mut drafts, mut numbers, mut bad) = (Vec::new(), Vec::new(), Ok(()));
        for Line { number, content } in batch.drain(..) {
            match content.text() {
                Ok(text) if text.is_empty() => self.tally.skipped += 1,
                Ok(text) => {
                    let mut draft = Draft::text(text);
                    draft.id = self.key.as_ref().map(|key| key.id_of_line(number));
                    drafts.push(draft);
                    numbers.push(number);
                }
                Err(error) => {
                    bad = Err(Failure::Usage(format!("{}: line {number}: {error}", self.source)));
                    break;
                }
            }
        }
        if !drafts.is_empty() {
            let ids = self
                .client
                .send_all(self.room.id, drafts)
                .await
                .map_err(|error| self.stopped(&numbers, error))?;
            self.queued(ids.into_iter().zip(numbers), out)?;
        }
        bad
    }

    fn queued(&mut self, ids: impl Iterator<Item = (MessageId, u64)>, out: &mut Out) -> Result<(), Failure> {
        if self.waiting.is_empty() {
            self.progress = Instant::now();
        }
        for (id, number) in ids {
            if self.wait == Wait::Ack {
                self.waiting.push_back((id, number));
                continue;
            }
            self.tally.queued += 1;
            if out.is_json() {
                out.record(&record::queued(&self.room, id, Some(number)))?;
            }
        }
        out.flush()
    }

    /// Notes the outcome of the message in front.
    fn settled(&mut self, result: Result<Sent, Error>, out: &mut Out) -> Result<(), Failure> {
        let still_waiting = self.waiting.len() as u64;
        let Some((_, number)) = self.waiting.pop_front() else {
            return Ok(());
        };
        match result {
            Ok(sent) => {
                self.tally.sent += 1;
                self.progress = Instant::now();
                if out.is_json() {
                    out.record(&record::sent(&self.room, &sent, Some(number)))?;
                    out.flush()?;
                }
                Ok(())
            }
            Err(error) if is_undecided(&self.client, &error) => {
                self.tally.queued += 1; // It was taken from those that wait.
                Err(undecided(&self.client, still_waiting))
            }
            Err(error) => Err(self.stopped(&[number], error)),
        }
    }

    fn stopped(&self, numbers: &[u64], error: Error) -> Failure {
        let line = numbers.first().copied().unwrap_or_default();
        Failure::After { before: format!("stopped at line {line}"), error }
    }
}

/// The next lines, at least one unless there are no more.
async fn take(lines: &mut Option<mpsc::Receiver<Line>>, batch: &mut Vec<Line>, max: usize) -> usize {
    match lines {
        Some(lines) => lines.recv_many(batch, max).await,
        None => 0,
    }
}

/// Waits for the message in front, until the time is over.
async fn settle(client: &Client, front: Option<(MessageId, u64)>, give_up: Instant) -> Result<Sent, Error> {
    match front {
        Some((id, _)) => client.wait_sent(id, give_up.saturating_duration_since(Instant::now())).await,
        None => std::future::pending().await,
    }
}

/// What became of the lines.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    sent: u64,
    queued: u64,
    skipped: u64,
}

impl Tally {
    fn text(self, room: &str) -> String {
        let mut text = format!("{} acknowledged in {room}", count(self.sent, "message"));
        if self.queued > 0 {
            text += &format!(", {} in the outbox", self.queued);
        }
        if self.skipped > 0 {
            text +=
                &format!(", {} skipped: an empty message cannot be sent", count(self.skipped, "empty line"));
        }
        text
    }
}

/// Messages that may wait for their acknowledgement: a full stream of them, and the next one at hand.
const WINDOW_MAX: usize = 2 * PUBLISHES_IN_FLIGHT_MAX;
/// Lines that go into the outbox together, in one transaction.
const BATCH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Command};
    use clap::Parser as _;

    fn input(line: &str) -> Result<Input, Failure> {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Send(args) => Input::of(&args),
            _ => unreachable!("every line here is a send"),
        }
    }

    #[test]
    fn standard_input_is_read_only_when_asked_for() {
        let text = |text: &str| Input::Text(text.into());
        assert_eq!(input("quipu send lobby hello world").unwrap(), text("hello world"));
        assert_eq!(input("quipu send lobby a - b").unwrap(), text("a - b"));
        assert_eq!(input("quipu send lobby -- --each-line").unwrap(), text("--each-line"));
        assert_eq!(input("quipu send lobby -").unwrap(), Input::Whole(Source::Stdin));
        assert_eq!(input("quipu send lobby --each-line").unwrap(), Input::Lines(Source::Stdin));
        assert_eq!(input("quipu send lobby - --each-line").unwrap(), Input::Lines(Source::Stdin));
        assert_eq!(input("quipu send lobby --file f").unwrap(), Input::Whole(Source::File("f".into())));
        assert_eq!(input("quipu send lobby --file -").unwrap(), Input::Whole(Source::Stdin));
        assert_eq!(
            input("quipu send lobby --file f --each-line").unwrap(),
            Input::Lines(Source::File("f".into()))
        );
        assert_eq!(input("quipu send lobby hi --each-line").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn the_tally_says_what_was_left_out() {
        let tally = Tally { sent: 2, queued: 0, skipped: 1 };
        let expected = "2 messages acknowledged in #a, 1 empty line skipped: an empty message cannot be sent";
        assert_eq!(tally.text("#a"), expected);
        assert_eq!(
            Tally { sent: 1, queued: 3, skipped: 0 }.text("#a"),
            "1 message acknowledged in #a, 3 in the outbox"
        );
    }
}
