//! `chat`: talk in a room, line by line, on any terminal or pipe.
//!
//! ```text
//!   keyboard ──thread──▶ typed ──▶ outbox            server ──▶ events ──▶ `09:15 maria: hello`
//! ```
//!
//! A person's own words appear when they are in the room's log and not before: what is shown is the log. Conversation
//! goes to standard output, remarks (`-- …`) to standard error.
//! Invariant: leaving loses nothing: what was typed is acknowledged, or in the outbox and counted.

use std::collections::HashMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use quipu_client::protocol::entry::Kind;
use quipu_client::protocol::inbox::PresenceState;
use quipu_client::protocol::limits::TYPING_TTL_MS;
use quipu_client::protocol::request::{MemberInfo, MembershipState, RoomInfo, Visibility};
use quipu_client::protocol::{Cursor, Entry, Seq, UserId};
use quipu_client::{Client, ConnState, Draft, Event, Numbered, OpenFrom, Presence, RoomSummary};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::args::OneRoom;
use super::context::{Context, Session, trouble};
use super::entry::{self, Lines};
use super::exit::Failure;
use super::follow::{EVENTS_MAX, EVENTS_WAIT, Follow};
use super::input::{Line, Source};
use super::out::{Out, note};
use super::render::{self, count};
use super::room::{Names, Room, describe};
use super::send::is_undecided;
use super::typed::{Typed, Waiting};
use super::{interrupted, presence, record, rooms, stoppable};

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
    marked_to: Seq,
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

type Marking = Option<Pin<Box<dyn Future<Output = ()>>>>;

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
            marked_to: marker.unwrap_or(Seq::ZERO),
            day: String::new(),
            told_offline: false,
            typists: HashMap::new(),
            leaving: None,
        })
    }

    async fn run(&mut self, out: &mut Out) -> Result<(), Failure> {
        let client = self.session.client.clone();
        let (lines, typing) = Source::Stdin.lines_as_typed()?;
        let mut lines = Some(lines);
        let mut stop = pin!(interrupted());
        let mut marking: Marking = None;
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
                () = marked(&mut marking) => marking = None,
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
            if marking.is_none() {
                marking = self.mark();
            }
        }
        self.farewell()
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
            Typed::Message(text) => self.say(text, out).await?,
        }
        Ok(true)
    }

    async fn say(&mut self, text: String, out: &mut Out) -> Result<(), Failure> {
        let excerpt = render::excerpt(&text);
        match self.session.client.send(self.room.id, Draft::text(text)).await {
            Ok(id) => self.waiting.add(id, excerpt),
            Err(error) => {
                return out.remark(format!("-- not sent ({}): {excerpt}", render::line(&error.message)));
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
                who_is_where(&members)
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
                if self.waiting.remove(id).is_some() && room == self.room.id {
                    self.sent_to = self.sent_to.max(at.seq);
                }
                Ok(())
            }
            Event::Refused { id, refusal, .. } => {
                let what = self.waiting.remove(id).unwrap_or_else(|| "a message from earlier".into());
                // It would stay in the outbox for a retry that a line mode cannot offer.
                let _ = self.session.client.cancel_send(id).await;
                out.remark(format!("-- not delivered ({}): {what}", render::line(&refusal.to_string())))
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
        let is_news = entry.kind == Kind::TEXT && entry.user != Some(self.session.me);
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
                Err(error) => {
                    let what = self.waiting.remove(id).unwrap_or_default();
                    let _ = self.session.client.cancel_send(id).await;
                    out.remark(format!("-- not delivered ({}): {what}", render::line(&error.message)))?;
                }
            }
        }
        Ok(())
    }

    /// Tells the account's other devices how far was read, at most one question at a time.
    fn mark(&mut self) -> Marking {
        let (client, room, seq) = (self.session.client.clone(), self.room.id, self.shown_to);
        if seq <= self.marked_to || !client.state().is_online() {
            return None;
        }
        self.marked_to = seq;
        Some(Box::pin(async move {
            // A marker that was not taken is corrected by the next one.
            let _ = client.mark_read(room, seq).await;
        }))
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

    fn farewell(&self) -> Result<(), Failure> {
        if !self.waiting.is_empty() {
            let why = trouble(&self.session.client.state());
            return Err(Failure::Queued { count: self.waiting.len(), why });
        }
        match self.leaving {
            Some(Leaving { interrupted: true, .. }) => Err(Failure::Interrupted),
            _ => Ok(()),
        }
    }
}

/// Becomes a member where that needs nobody's leave.
async fn enter(client: &Client, info: RoomInfo) -> Result<RoomInfo, Failure> {
    let open = info.visibility == Visibility::PUBLIC || info.membership == MembershipState::INVITED;
    if info.membership == MembershipState::JOINED || !open {
        return Ok(info);
    }
    let info = client.join_room(info.room).await?;
    note(format!("-- entered {}", Room::of(&info).label));
    Ok(info)
}

/// Who is here, who is not, and who may be either.
fn who_is_where(members: &[MemberInfo]) -> String {
    let here = members.iter().filter(|member| member.online).map(|member| {
        match (presence::standing(member), member.presence) {
            (_, Some(PresenceState::ONLINE)) => member.nickname.to_string(),
            (standing, _) => format!("{} ({standing})", member.nickname),
        }
    });
    let here = here.collect::<Vec<_>>().join(", ");
    let names = |presence: Option<PresenceState>| {
        let members = members.iter().filter(|member| !member.online && member.presence == presence);
        members.map(|member| member.nickname.as_str()).collect::<Vec<_>>().join(", ")
    };
    let parts = [("here", here), ("not here", names(Some(PresenceState::OFFLINE))), ("members", names(None))];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    format!("-- {}", parts.map(|(what, names)| format!("{what}: {names}")).collect::<Vec<_>>().join("; "))
}

/// Where the conversation begins: at what is unread, with a little before it.
fn origin(marker: Option<Seq>, head: Cursor) -> OpenFrom {
    let before = head.seq.0.saturating_sub(CONTEXT_ENTRIES);
    let start = marker.map_or(before, |marker| marker.0.min(before));
    if head.seq.0 - start > UNREAD_ENTRIES_MAX {
        return OpenFrom::Latest(UNREAD_ENTRIES_MAX);
    }
    OpenFrom::Cursor(Cursor { seq: Seq(start), ..head })
}

async fn next_line(lines: &mut Option<mpsc::Receiver<Line>>) -> Option<Line> {
    match lines {
        Some(lines) => lines.recv().await,
        None => None,
    }
}

async fn marked(marking: &mut Marking) {
    match marking {
        Some(marking) => marking.await,
        None => std::future::pending().await,
    }
}

/// Entries shown before what is unread.
const CONTEXT_ENTRIES: u64 = 20;
/// Unread entries shown at most: more than anybody scrolls through. `history` has the rest.
const UNREAD_ENTRIES_MAX: u64 = 500;
/// How long to wait for the sight of the last own message after its acknowledgement.
const SIGHT_WAIT: Duration = Duration::from_secs(2);

/// Whoever was seen typing so short a time ago is still at it.
const STILL_TYPING: Duration = Duration::from_millis(2 * TYPING_TTL_MS);

const HELP: &str = "\
-- every line is a message; it appears when the server has it
-- /who    who is in the room, and how they are there
-- /away   you are elsewhere, and what you say about it; /back: here again
-- /typing tell the others that an answer is coming
-- /quit   leave the conversation (not the room), as do Ctrl-D and Ctrl-C
-- /help   this
-- //text  a message that begins with /";

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_client::protocol::Incarnation;

    #[test]
    fn a_conversation_begins_at_what_is_unread() {
        let head = |seq| Cursor { incarnation: Incarnation(7), seq: Seq(seq) };
        let from = |seq| OpenFrom::Cursor(head(seq));
        assert_eq!(origin(None, head(0)), from(0));
        assert_eq!(origin(None, head(100)), from(80));
        assert_eq!(origin(Some(Seq(99)), head(100)), from(80));
        assert_eq!(origin(Some(Seq(10)), head(100)), from(10));
        assert_eq!(origin(Some(Seq(10)), head(511)), OpenFrom::Latest(500));
        // A marker from before a restore lies ahead of the head.
        assert_eq!(origin(Some(Seq(900)), head(100)), from(80));
    }

    #[test]
    fn people_are_here_or_not_or_it_is_not_told() {
        let member = |name: &str, presence: Option<u64>, text: Option<&str>| MemberInfo {
            user: UserId::from_bytes([1; 16]),
            nickname: name.parse().unwrap(),
            role: quipu_client::protocol::request::RoomRole::MEMBER,
            membership: MembershipState::JOINED,
            online: presence > Some(0),
            permissions: None,
            presence: presence.map(PresenceState),
            away_text: text.map(|text| text.parse().unwrap()),
            last_seen_ms: None,
        };
        let members = [
            member("ada", Some(1), None),
            member("bob", Some(3), Some("at lunch")),
            member("cyd", Some(2), None),
            member("dan", Some(0), None),
            member("eve", None, None),
        ];
        let said = "-- here: ada, bob (away: at lunch), cyd (idle); not here: dan; members: eve";
        assert_eq!(who_is_where(&members), said);
        assert_eq!(who_is_where(&members[..1]), "-- here: ada");
    }
}
