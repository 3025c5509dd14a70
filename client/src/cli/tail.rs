//! `tail`: follow rooms, one line or object per entry, through every reconnection.
//!
//! Each entry is shown once, in the order of its room; what is missing is told as a gap. Own messages are left out
//! unless `--own` asks for them, so that a program that answers does not answer itself. With `--exec` a program is run
//! for each entry instead, see [`super::exec`].

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use quipu_client::protocol::entry::{Entry, Kind};
use quipu_client::protocol::limits::ROOMS_OPEN_MAX;
use quipu_client::protocol::request::MembershipState;
use quipu_client::protocol::room::{EndReason, GapReason};
use quipu_client::protocol::{Cursor, Refusal, RoomId, Seq};
use quipu_client::{Client, ConnState, Error, ErrorCode, Event, Numbered, OpenFrom, Retry, Security};
use tokio::time::Instant;

use super::answers::Answers;
use super::args::Tail;
use super::context::{Context, Session, now_ms};
use super::entry;
use super::exec::Exec;
use super::exit::Failure;
use super::follow::{EVENTS_MAX, EVENTS_WAIT, Follow};
use super::history::log_line;
use super::out::{Out, note};
use super::parse::Since;
use super::record;
use super::render::{self, count};
use super::room::{Names, Room, find};

/// Follows rooms until it is told to stop.
pub(crate) async fn run(context: &Context, out: &mut Out, args: Tail) -> Result<(), Failure> {
    if matches!(args.since, Some(Since::After(_))) && args.rooms.len() != 1 {
        return Err(Failure::Usage("a cursor belongs to one room: name that room".into()));
    }
    let session = context.start().await?;
    session.client.wait_online(context.timeout).await?;
    let rooms = choose(&session.client, &args).await?;
    let mut tail = Tailing::new(context, session, args, rooms);
    for room in tail.rooms.keys().copied().collect::<Vec<_>>() {
        let from = tail.begin(room).await?;
        tail.follow.open(&tail.session.client, room, from).await?;
    }
    let mut result = tail.run(out).await;
    if result.is_ok() {
        result = tail.answers.end(context.timeout).await;
    }
    if tail.own_left_out > 0 && !out.is_json() {
        note(format!("{} of your own left out; --own shows them", count(tail.own_left_out, "message")));
    }
    result
}

async fn choose(client: &Client, args: &Tail) -> Result<Vec<Room>, Failure> {
    let mut rooms = Vec::new();
    for room in &args.rooms {
        rooms.push(find(client, room).await?);
    }
    if args.rooms.is_empty() {
        let mine = client.rooms(true).await?.into_iter().map(|summary| summary.info);
        rooms.extend(
            mine.filter(|info| info.membership == MembershipState::JOINED).map(|info| Room::of(&info)),
        );
    }
    match rooms.len() {
        0 => {
            Err(Failure::NotFound("you are in no room; quipu rooms --all lists those you could enter".into()))
        }
        1..=ROOMS_OPEN_MAX => Ok(rooms),
        many => Err(Failure::Usage(format!(
            "{many} rooms are more than the {ROOMS_OPEN_MAX} that can be followed: name some"
        ))),
    }
}

fn origin(since: Option<Since>, now_ms: u64) -> OpenFrom {
    match since {
        None => OpenFrom::Latest(LATEST_ENTRIES),
        Some(Since::Ago(ago)) => {
            OpenFrom::Since(now_ms.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)))
        }
        Some(Since::At(at_ms)) => OpenFrom::Since(at_ms),
        Some(Since::After(cursor)) => OpenFrom::Cursor(cursor),
        Some(Since::Start) => OpenFrom::Start,
        Some(Since::Resume) => OpenFrom::Resume,
    }
}

/// Rooms being followed, and what was shown of them.
struct Tailing<'a> {
    context: &'a Context,
    session: Session,
    args: Tail,
    rooms: HashMap<RoomId, Room>,
    follow: Follow,
    exec: Option<Exec>,
    names: Names,
    /// Rooms whose past was not shown completely.
    behind: HashSet<RoomId>,
    /// Rooms of which the newest few were asked for: that there are older entries is no news.
    newest: HashSet<RoomId>,
    answers: Answers,
    shown: u64,
    own_left_out: u64,
    told_offline: bool,
    /// When there last was a connection.
    online: Instant,
    /// Why there was none.
    trouble: Option<Error>,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Go,
    Done,
}

impl<'a> Tailing<'a> {
    fn new(context: &'a Context, session: Session, args: Tail, rooms: Vec<Room>) -> Self {
        let rooms: HashMap<_, _> = rooms.into_iter().map(|room| (room.id, room)).collect();
        Self {
            context,
            names: session.names(),
            answers: Answers::new(session.client.clone(), args.exec.skip_failed),
            session,
            exec: Exec::of(&args.exec),
            args,
            behind: rooms.keys().copied().collect(),
            rooms,
            follow: Follow::default(),
            newest: HashSet::new(),
            shown: 0,
            own_left_out: 0,
            told_offline: false,
            online: Instant::now(),
            trouble: None,
        }
    }

    /// Where a room begins. A program goes on where it was, and the first time with what comes from now on: hundreds of
    /// old messages are nothing to answer.
    async fn begin(&mut self, room: RoomId) -> Result<OpenFrom, Failure> {
        let from = if self.exec.is_none() || self.args.since.is_some() {
            origin(self.args.since, now_ms())
        } else {
            let shown = self.session.client.shown_up_to(room).await?;
            shown.map_or(OpenFrom::Latest(0), OpenFrom::Cursor)
        };
        if matches!(from, OpenFrom::Latest(_)) {
            self.newest.insert(room);
        }
        Ok(from)
    }

    async fn run(&mut self, out: &mut Out) -> Result<(), Failure> {
        loop {
            let events = self.session.client.next_events(EVENTS_MAX, self.pause()).await;
            self.give_up_if_cut_off()?;
            let entries = events.iter().filter_map(|numbered| match &numbered.event {
                Event::Entry { entry, .. } => Some(&**entry),
                _ => None,
            });
            entry::fetch_names(&mut self.names, &self.session.client, entries).await;
            for Numbered { number, event } in events {
                if matches!(event, Event::Lagged { .. }) {
                    self.follow.recover(&self.session.client).await?;
                    self.answers.look(Duration::ZERO).await?;
                }
                if self.follow.takes(number, &event) && self.show(event, out).await? == Next::Done {
                    out.flush()?;
                    return self.follow.shown(&self.session.client).await;
                }
            }
            out.flush()?;
            self.follow.shown(&self.session.client).await?;
        }
    }

    /// A drain must end, also when the server is gone; following may wait for it for ever.
    fn pause(&self) -> Duration {
        if self.args.until_caught_up { EVENTS_WAIT.min(self.context.timeout) } else { EVENTS_WAIT }
    }

    /// Looked at every turn, because trying to connect again is an event, too.
    fn give_up_if_cut_off(&mut self) -> Result<(), Failure> {
        match self.session.client.state() {
            ConnState::Online { .. } => self.online = Instant::now(),
            ConnState::Stopped { why } => return Err(why.into()),
            ConnState::Waiting { why, .. } => self.trouble = Some(why),
            ConnState::Idle | ConnState::Connecting { .. } => {}
        }
        if !self.args.until_caught_up || self.online.elapsed() < self.context.timeout {
            return Ok(());
        }
        let before = "not caught up".into();
        Err(match self.trouble.clone() {
            Some(error) => Failure::After { before, error },
            None => Failure::Client(Error {
                code: ErrorCode::Unreachable,
                retry: Retry::WhenOnline,
                message: "not caught up: there is no connection".into(),
            }),
        })
    }

    async fn show(&mut self, event: Event, out: &mut Out) -> Result<Next, Failure> {
        match event {
            Event::Entry { room, cursor, entry } => self.entry(room, cursor, &entry, out).await,
            Event::Gap { room, cursor, from, to, reason } => {
                self.gap(room, cursor, from, to, reason, out)?;
                Ok(Next::Go)
            }
            Event::CaughtUp { room, cursor } => self.caught_up(room, cursor, out).await,
            Event::RoomEnded { room, reason, refusal } => self.ended(room, reason, refusal, out),
            Event::State(state) => self.state(state),
            Event::Sent { id, .. } => {
                self.answers.sent(id);
                Ok(Next::Go)
            }
            Event::Refused { id, refusal, .. } => {
                self.answers.refused(id, refusal)?;
                Ok(Next::Go)
            }
            Event::Security(Security::PinMismatch { detail }) => {
                note(format!("the server's key does not match: {}", render::line(&detail)));
                Ok(Next::Go)
            }
            Event::Notice { text } => {
                note(format!("the server says: {}", render::line(&text)));
                Ok(Next::Go)
            }
            _ => Ok(Next::Go),
        }
    }

    async fn entry(
        &mut self,
        room: RoomId,
        cursor: Cursor,
        entry: &Entry,
        out: &mut Out,
    ) -> Result<Next, Failure> {
        if entry.user == Some(self.session.me) && entry.kind.is_publishable() && !self.args.own {
            self.own_left_out += 1;
            return Ok(Next::Go);
        }
        let Some(room) = self.rooms.get(&room) else {
            return Ok(Next::Go);
        };
        let record = entry::record(room, cursor, entry, &self.names, self.session.me);
        if let Some(exec) = &self.exec {
            if let Some(said) = exec.handle(&record).await?.filter(|said| exec.replies && !said.is_empty()) {
                self.answers.give(room.id, cursor, entry, said).await?;
            }
            self.follow.shown(&self.session.client).await?;
        } else {
            out.put(&record, || {
                let prefix = if self.rooms.len() > 1 { format!("{} ", room.label) } else { String::new() };
                format!("{prefix}{}", log_line(self.context, entry, &self.names))
            })?;
        }
        self.shown += u64::from(entry.kind == Kind::TEXT);
        Ok(if self.args.limit == Some(self.shown) { Next::Done } else { Next::Go })
    }

    fn gap(
        &mut self,
        room: RoomId,
        cursor: Cursor,
        from: Seq,
        to: Seq,
        reason: GapReason,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let Some(shown) = self.rooms.get(&room) else {
            return Ok(());
        };
        let asked_for = self.newest.contains(&room) && self.behind.contains(&room);
        if asked_for && reason == GapReason::BACKLOG {
            return Ok(());
        }
        if out.is_json() {
            return out.record(&record::gap(shown, cursor, from, to, reason));
        }
        let why = record::gap_word(reason);
        out.remark(format!(
            "{}: entries {from} to {to} are not shown ({why}); quipu history has those there are",
            shown.label
        ))
    }

    async fn caught_up(&mut self, room: RoomId, cursor: Cursor, out: &mut Out) -> Result<Next, Failure> {
        let Some(shown) = self.rooms.get(&room) else {
            return Ok(Next::Go);
        };
        let first_time = self.behind.remove(&room);
        if self.exec.is_some() {
            // Everything before was handled, or was there before the first run: the next one begins here.
            self.session.client.shown(room, cursor).await?;
        } else if first_time && out.is_json() {
            out.record(&record::Record::at("caught-up", shown, cursor))?;
        }
        Ok(self.done_if_drained())
    }

    fn done_if_drained(&self) -> Next {
        if self.args.until_caught_up && self.behind.is_empty() { Next::Done } else { Next::Go }
    }

    fn ended(
        &mut self,
        room: RoomId,
        reason: Option<EndReason>,
        refusal: Option<Refusal>,
        out: &mut Out,
    ) -> Result<Next, Failure> {
        let Some(shown) = self.rooms.get(&room) else {
            return Ok(Next::Go);
        };
        self.follow.end(room);
        let why = refusal
            .as_ref()
            .map_or_else(|| reason.map_or("unknown", record::end_word).to_owned(), ToString::to_string);
        if out.is_json() {
            out.record(&record::ended(shown, reason, refusal.as_ref()))?;
        }
        let label = shown.label.clone();
        out.remark(format!("{label} is followed no longer: {}", render::line(&why)))?;
        self.behind.remove(&room);
        if !self.follow.is_empty() {
            return Ok(self.done_if_drained());
        }
        match (refusal, reason) {
            (Some(refusal), _) => Err(Failure::Client(refusal.into())),
            (None, Some(EndReason::REMOVED)) => {
                Err(Failure::NotAllowed(format!("you may no longer read {label}")))
            }
            _ => Ok(Next::Done),
        }
    }

    fn state(&mut self, state: ConnState) -> Result<Next, Failure> {
        match state {
            ConnState::Stopped { why } => return Err(why.into()),
            ConnState::Waiting { why, .. } if !self.told_offline => {
                self.told_offline = true;
                note(format!("not connected ({}); trying again", render::line(&why.message)));
            }
            ConnState::Online { .. } if self.told_offline => {
                self.told_offline = false;
                note("connected again");
            }
            _ => {}
        }
        Ok(Next::Go)
    }
}

/// What is shown of the past when nothing else is asked for, as tail(1) does.
const LATEST_ENTRIES: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_begin() {
        assert_eq!(origin(None, 5), OpenFrom::Latest(10));
        assert_eq!(origin(Some(Since::Ago(Duration::from_millis(3))), 5), OpenFrom::Since(2));
        assert_eq!(origin(Some(Since::Ago(Duration::from_secs(9))), 5), OpenFrom::Since(0));
        assert_eq!(origin(Some(Since::Start), 5), OpenFrom::Start);
        assert_eq!(origin(Some(Since::Resume), 5), OpenFrom::Resume);
    }
}
