//! `chat`: talk in a room, line by line, on any terminal or pipe.
//!
//! ```text
//!   keyboard ──thread──▶ typed ──▶ outbox            server ──▶ events ──▶ `09:15 maria: hello`
//! ```
//!
//! A person's own words appear when they are in the room's log and not before: what is shown is the log. Conversation
//! goes to standard output, remarks (`-- …`) to standard error.
//! Invariant: leaving loses nothing: what was typed is acknowledged, or in the outbox and counted.

mod begin;
mod marker;

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use quipu_client::protocol::entry::Kind;
use quipu_client::protocol::limits::TYPING_TTL_MS;
use quipu_client::protocol::request::MembershipState;
use quipu_client::protocol::{Emoji, Entry, Seq, UserId};
use quipu_client::{ConnState, Draft, Event, Numbered, Presence, RoomSummary};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use begin::{enter, origin};
use marker::Marker;

use super::args::OneRoom;
use super::context::{Context, Session, trouble};
use super::entry::{self, Lines};
use super::exit::Failure;
use super::follow::{EVENTS_MAX, EVENTS_WAIT, Follow};
use super::input::{Line, Source};
use super::out::{Out, note};
use super::render::{self, count};
use super::room::{Names, Room, describe};
use super::send::{is_undecided, undecided};
use super::typed::{Typed, Waiting};
use super::{interrupted, presence, record, rooms, stoppable, undelivered};

/// Talks until standard input ends, `/quit`, or Ctrl-C.
pub(crate) async fn run(context: &Context, out: &mut Out, args: OneRoom) -> Result<(), Failure> {
    if out.is_json() {
        return Err(Failure::Usage("chat is for people; programs use send and tail --json".into()));
    }
    stoppable(Chat::begin(context, &args)).await?.run(out).await
}

/// A conversation in one room.
struct Chat<'a> {
    context: &'a Context,
    session: Session,
    room: Room,
    follow: Follow,
    names: Names,
    /// What was typed and has no place in the log yet.
    waiting: Waiting,
    /// The furthest of our own messages, and the furthest entry that was shown.
    sent_to: Seq,
    shown_to: Seq,
    /// Where unread entries begin, until that was said.
    unread_after: Option<Seq>,
    /// Up to here everything had been read before.
    read_to: Seq,
    /// The newest message of others, and our own: what a short command is about.
    last_heard: Option<Seq>,
    last_said: Option<Seq>,
    day: String,
    told_offline: bool,
    /// Who was shown to type, and when.
    typists: HashMap<UserId, Instant>,
    leaving: Option<Leaving>,
}

/// The conversation is over; what was typed is still on its way.
#[derive(Debug, Clone, Copy)]
struct Leaving {
    give_up: Instant,
    interrupted: bool,
}

impl<'a> Chat<'a> {
    async fn begin(context: &'a Context, args: &OneRoom) -> Result<Self, Failure> {
        let session = context.start().await?;
        let client = session.client.clone();
        client.wait_online(context.timeout).await?;
        let earlier = client.unsent().await?;
        if earlier > 0 {
            note(format!("-- {} from earlier in the outbox", count(earlier, "message")));
        }
        let info = enter(&client, describe(&client, &args.room).await?).await?;
        rooms::inbox(&client).await;
        let summaries = client.rooms(true).await?;
        let summary = summaries.iter().find(|summary| summary.info.room == info.room);
        let marker = summary.and_then(RoomSummary::read_to);
        let unread = summary.and_then(|summary| summary.unread).unwrap_or(0);

        let room = Room::of(&info);
        let topic = info
            .topic
            .as_ref()
            .map(|topic| format!(": {}", render::line(topic.as_str())))
            .unwrap_or_default();
        note(format!("-- {}{topic} ({}); /help for help", room.label, count(info.members, "member")));
        let mut follow = Follow::default();
        follow.open(&client, room.id, origin(marker, info.head)).await?;
        Ok(Self {
            context,
            names: session.names(),
            session,
            room,
            follow,
            waiting: Waiting::default(),
            sent_to: Seq::ZERO,
            shown_to: Seq::ZERO,
            unread_after: marker.filter(|_| unread > 0),
            read_to: marker.unwrap_or(Seq::ZERO),
            last_heard: None,
            last_said: None,
            day: String::new(),
            told_offline: false,
            typists: HashMap::new(),
            leaving: None,
        })
    }

    async fn run(&mut self, out: &mut Out) -> Result<(), Failure> {
        let mut marker = Marker::new(self.session.client.clone(), self.room.id, self.read_to);
        let result = self.converse(&mut marker, out).await;
        marker.finish(self.shown_to).await;
        self.farewell(result)
    }

    async fn converse(&mut self, marker: &mut Marker, out: &mut Out) -> Result<(), Failure> {
        let client = self.session.client.clone();
        let (lines, typing) = Source::Stdin.lines_as_typed()?;
        let mut lines = Some(lines);
        let mut stop = pin!(interrupted());
        while !self.is_over() {
            let give_up = self.leaving.map_or_else(Instant::now, |leaving| leaving.give_up);
            // Every arm can be dropped without loss; the work is done after the choice.
            tokio::select! {
                line = next_line(&mut lines), if lines.is_some() && !self.waiting.is_full() => {
                    let goes_on = match line {
                        Some(line) => self.typed(line, out).await?,
                        None => false,
                    };
                    if !goes_on {
                        lines = None;
                        self.leave(false);
                    }
                }
                events = client.next_events(EVENTS_MAX, EVENTS_WAIT) => self.happened(events, out).await?,
                () = marker.answered() => {}
                () = typing.notified() => client.typing(self.room.id),
                () = &mut stop => {
                    if self.leaving.is_some() {
                        break;
                    }
                    lines = None;
                    self.leave(true);
                    stop.set(interrupted());
                }
                () = sleep_until(give_up), if self.leaving.is_some() => break,
            }
            marker.tell(self.shown_to);
        }
        Ok(())
    }

    /// What somebody typed. False when they want to go.
    async fn typed(&mut self, line: Line, out: &mut Out) -> Result<bool, Failure> {
        match Typed::of(line) {
            Typed::Nothing => {}
            Typed::Quit => return Ok(false),
            Typed::Help => out.remark(HELP)?,
            Typed::Who => self.who(out).await?,
            Typed::Away(words) => match presence::text(&words) {
                Ok(text) => self.appear(Presence::Away(text), "away", out).await?,
                Err(failure) => out.remark(format!("-- {failure}"))?,
            },
            Typed::Back => self.appear(Presence::Online, "here", out).await?,
            Typed::Typing => self.session.client.typing(self.room.id),
            Typed::Wrong(why) => out.remark(format!("-- not sent: {why}"))?,
            Typed::Message(text) => self.say(Draft::text(&text), &text, out).await?,
            Typed::Edit(text) => match self.last_said {
                Some(seq) => self.say(Draft::edit(seq, &text), &text, out).await?,
                None => out.remark(format!("-- not sent, you said nothing yet: {}", render::block(&text)))?,
            },
            Typed::Reply(text) => match self.last_heard {
                Some(seq) => self.say(Draft::text(&text).replying_to(seq), &text, out).await?,
                None => {
                    out.remark(format!("-- not sent, nobody said anything yet: {}", render::block(&text)))?
                }
            },
            Typed::React(emoji) => self.react(&emoji, out).await?,
        }
        Ok(true)
    }

    async fn react(&mut self, text: &str, out: &mut Out) -> Result<(), Failure> {
        match (text.parse::<Emoji>(), self.last_heard) {
            (Ok(emoji), Some(seq)) => self.say(Draft::reaction(seq, &emoji), text, out).await,
            (Ok(_), None) => out.remark("-- not sent, nobody said anything yet"),
            (Err(error), _) => out.remark(format!("-- not sent: {error}")),
        }
    }

    async fn say(&mut self, draft: Draft, words: &str, out: &mut Out) -> Result<(), Failure> {
        match self.session.client.send(self.room.id, draft).await {
            Ok(id) => self.waiting.add(id),
            Err(error) => {
                let words = render::block(words);
                return out.remark(format!("-- not sent ({}): {words}", render::line(&error.message)));
            }
        }
        if self.told_offline {
            out.remark(format!("-- {} until there is a connection", count(self.waiting.len(), "message")))?;
        }
        Ok(())
    }

    async fn who(&mut self, out: &mut Out) -> Result<(), Failure> {
        if !self.session.client.state().is_online() {
            return out.remark("-- not connected");
        }
        let text = match self.session.client.members(self.room.id).await {
            Ok(mut members) => {
                members.sort_by_key(|member| member.nickname.folded());
                members.retain(|member| member.membership == MembershipState::JOINED);
                presence::who_is_where(&members)
            }
            Err(error) => format!("-- {}", render::line(&error.message)),
        };
        out.remark(&text)
    }

    async fn appear(&mut self, presence: Presence, word: &str, out: &mut Out) -> Result<(), Failure> {
        match self.session.client.appear(presence).await {
            Ok(_) => out.remark(format!("-- you are {word}")),
            Err(error) => out.remark(format!("-- {}", render::line(&error.message))),
        }
    }

    async fn happened(&mut self, events: Vec<Numbered>, out: &mut Out) -> Result<(), Failure> {
        let entries = events.iter().filter_map(|numbered| match &numbered.event {
            Event::Entry { entry, .. } => Some(&**entry),
            _ => None,
        });
        entry::fetch_names(&mut self.names, &self.session.client, entries).await;
        let typists = events.iter().filter_map(|numbered| match numbered.event {
            Event::Typing { user, .. } => Some(user),
            _ => None,
        });
        self.names.fetch(&self.session.client, typists).await;
        for Numbered { number, event } in events {
            if matches!(event, Event::Lagged { .. }) {
                self.follow.recover(&self.session.client).await?;
                self.reconcile(out).await?;
            }
            if self.follow.takes(number, &event) {
                self.show(event, out).await?;
            }
        }
        out.flush()
    }

    async fn show(&mut self, event: Event, out: &mut Out) -> Result<(), Failure> {
        match event {
            Event::Entry { entry, .. } => self.entry(&entry, out),
            Event::Gap { from, to, .. } => {
                out.remark(format!("-- entries {from} to {to}: quipu history {}", self.room.label))
            }
            Event::Sent { id, room, at, .. } => {
                if self.waiting.remove(id) && room == self.room.id {
                    self.sent_to = self.sent_to.max(at.seq);
                }
                Ok(())
            }
            Event::Refused { id, room, .. } if room == self.room.id => {
                self.waiting.remove(id);
                self.undelivered(out).await
            }
            Event::State(state) => self.state(state, out),
            Event::RoomEnded { reason, refusal, .. } => Err(match refusal {
                Some(refusal) => Failure::Client(refusal.into()),
                None => Failure::NotAllowed(format!(
                    "{} ended: {}",
                    self.room.label,
                    reason.map_or("unknown", record::end_word)
                )),
            }),
            Event::Typing { room, user, .. } if room == self.room.id => self.typing(user, out),
            Event::Notice { text } => out.remark(format!("-- the server says: {}", render::line(&text))),
            _ => Ok(()),
        }
    }

    /// Tells what was refused here. It would stay in the outbox for a retry that a line mode cannot offer; what was meant
    /// for other rooms is told when this command ends.
    async fn undelivered(&self, out: &mut Out) -> Result<(), Failure> {
        out.flush()?;
        Ok(undelivered::tell(&self.session.client, Some(self.room.id)).await?)
    }

    /// Said once for as long as somebody goes on typing.
    fn typing(&mut self, user: UserId, out: &mut Out) -> Result<(), Failure> {
        let now = Instant::now();
        self.typists.retain(|_, last| now.duration_since(*last) < STILL_TYPING);
        if self.typists.insert(user, now).is_some() {
            return Ok(());
        }
        out.remark(format!("-- {} is typing", self.names.label(user)))
    }

    fn entry(&mut self, entry: &Entry, out: &mut Out) -> Result<(), Failure> {
        self.shown_to = entry.seq;
        if let Some(user) = entry.user {
            self.typists.remove(&user);
        }
        let day = self.context.time.day(entry.at_ms);
        if day != self.day {
            out.remark(format!("-- {day}"))?;
            self.day = day;
        }
        let is_own = entry.user == Some(self.session.me);
        if entry.kind == Kind::TEXT && !entry.is_erased() {
            *(if is_own { &mut self.last_said } else { &mut self.last_heard }) = Some(entry.seq);
        }
        let is_news = entry.kind == Kind::TEXT && !is_own;
        if is_news && self.unread_after.is_some_and(|marker| entry.seq > marker) {
            self.unread_after = None;
            out.remark("-- unread from here")?;
        }
        let minute = self.context.time.minute(entry.at_ms);
        out.text(&format!("{minute} {}", entry::text(entry, &self.names, Lines::Many)))
    }

    fn state(&mut self, state: ConnState, out: &mut Out) -> Result<(), Failure> {
        match state {
            ConnState::Stopped { why } => Err(why.into()),
            ConnState::Waiting { why, .. } if !self.told_offline => {
                self.told_offline = true;
                out.remark(format!("-- not connected ({}); trying again", render::line(&why.message)))
            }
            ConnState::Online { .. } if self.told_offline => {
                self.told_offline = false;
                out.remark("-- connected again")
            }
            _ => Ok(()),
        }
    }

    /// Outcomes may have been among the events that were lost: asks for each.
    async fn reconcile(&mut self, out: &mut Out) -> Result<(), Failure> {
        let client = self.session.client.clone();
        for id in self.waiting.ids() {
            match self.session.client.wait_sent(id, Duration::ZERO).await {
                Ok(sent) => {
                    self.waiting.remove(id);
                    self.sent_to = self.sent_to.max(sent.at.seq);
                }
                Err(error) if is_undecided(&client, &error) => {}
                Err(_) => {
                    self.waiting.remove(id);
                }
            }
        }
        self.undelivered(out).await
    }

    fn leave(&mut self, by_signal: bool) {
        if self.leaving.is_none() && !self.waiting.is_empty() && !self.session.client.state().is_online() {
            note("-- waiting for a connection; Ctrl-C leaves the rest in the outbox");
        }
        let give_up = Instant::now() + self.context.timeout;
        self.leaving.get_or_insert(Leaving { give_up, interrupted: by_signal });
    }

    /// Over, when it is to be and everything said was seen in the log.
    fn is_over(&mut self) -> bool {
        let Some(leaving) = &mut self.leaving else {
            return false;
        };
        if !self.waiting.is_empty() {
            return false;
        }
        // All is acknowledged: for the sight of it nobody waits long.
        leaving.give_up = leaving.give_up.min(Instant::now() + SIGHT_WAIT);
        self.shown_to >= self.sent_to
    }

    /// However it ended: what waits is counted.
    fn farewell(&self, result: Result<(), Failure>) -> Result<(), Failure> {
        let count = self.waiting.len();
        match (result, self.session.client.state(), self.leaving) {
            (Err(Failure::OutputClosed), ..) => Err(Failure::OutputClosed),
            (_, ConnState::Stopped { .. }, _) if count > 0 => Err(undecided(&self.session.client, count)),
            (Ok(()), state, _) if count > 0 => Err(Failure::Queued { count, why: trouble(&state) }),
            (Err(failure), ..) if count > 0 => Err(Failure::Queued { count, why: failure.to_string() }),
            (Ok(()), _, Some(Leaving { interrupted: true, .. })) => Err(Failure::Interrupted),
            (result, ..) => result,
        }
    }
}

async fn next_line(lines: &mut Option<mpsc::Receiver<Line>>) -> Option<Line> {
    match lines {
        Some(lines) => lines.recv().await,
        None => None,
    }
}

/// How long to wait for the sight of the last own message after its acknowledgement.
const SIGHT_WAIT: Duration = Duration::from_secs(2);

/// Whoever was seen typing so short a time ago is still at it.
const STILL_TYPING: Duration = Duration::from_millis(2 * TYPING_TTL_MS);

const HELP: &str = "\
-- every line is a message; it appears when the server has it
-- /reply  TEXT answers the newest message of somebody else
-- /react  EMOJI reacts to it
-- /edit   TEXT is what your own newest message reads from now on
-- /who    who is in the room, and how they are there
-- /away   you are elsewhere, and what you say about it; /back: here again
-- /typing tell the others that an answer is coming
-- /quit   leave the conversation (not the room), as do Ctrl-D and Ctrl-C
-- /help   this
-- //text  a message that begins with /";
