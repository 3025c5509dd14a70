//! What the document says of a cell: its tables written down once more, in words, without a look at the rules.

use quipu_protocol::Code;
use quipu_protocol::request::{Permissions, RoomRole, ServerRole};

use super::deeds::Deed;
use super::{Cell, Standing, State, Target};

const READER: &str = "read";
const MEMBER: &str = "read send react upload invite";
const MODERATOR: &str = "read send react upload invite pin kick redact-any mention-room";
const OWNER: &str = "read send react upload invite pin kick redact-any mention-room manage-room manage-roles";
const DIRECT: &str = "read send react upload pin manage-room";
const VOICE: &str = "send react upload";

/// What the cell answers: `None` when it is granted.
pub(super) fn outcome(cell: Cell) -> Option<Code> {
    let only = |no: bool, code: Code| no.then_some(code);
    match cell.deed {
        Deed::List => only(!cell.sees(), Code::NOT_FOUND),
        // What a connection of a deactivated account may still read ends with the connection.
        Deed::Subscribe
        | Deed::History
        | Deed::Members
        | Deed::Files
        | Deed::Download
        | Deed::Search
        | Deed::Reactions
        | Deed::Pins
        | Deed::MarkRead
        | Deed::MarkUnread
        | Deed::Notify => cell.no_reader(),
        Deed::Join => cell.join(),
        Deed::Leave => cell.hidden().or(only(cell.state == State::Direct, Code::CONFLICT)),
        Deed::Send => {
            let waits = cell.state == State::Slow && matches!(cell.standing, Standing::Member);
            cell.lacks("send").or(only(waits, Code::RATE))
        }
        Deed::Upload => cell.lacks("upload"),
        Deed::InviteLink => cell.no_manager("invite"),
        Deed::Settings | Deed::Topic | Deed::Rename => cell.no_manager("manage-room"),
        // What it is about is another one's.
        Deed::Edit => cell.lacks("send").or(Some(Code::FORBIDDEN)),
        Deed::Redact => cell.lacks("redact-any"),
        Deed::React => cell.lacks("react"),
        Deed::Pin => cell.lacks("pin"),
        Deed::Retention => cell.lacks("manage-room"),
        Deed::DeleteRoom => cell.delete(),
        Deed::Report => cell.lacks("read"),
        Deed::Reports | Deed::Audit | Deed::Sanctions => cell.not_told(),
        Deed::Hooks => cell.lacks("manage-room"),
        Deed::Resolve => only(cell.not_told().is_some(), Code::NOT_FOUND),
        Deed::Invite => {
            let is_gone = cell.state == State::Orphaned && cell.target == Target::Owner;
            cell.no_manager("invite").or(only(is_gone, Code::GONE))
        }
        Deed::Kick | Deed::Ban | Deed::Mute => cell.no_manager("kick").or_else(|| match cell.target {
            Target::Stranger => None,
            Target::Myself => Some(Code::BAD_REQUEST),
            _ => only(!cell.outranks(), Code::FORBIDDEN),
        }),
        Deed::Unban | Deed::Unmute => {
            cell.no_manager("kick").or(only(cell.target == Target::Myself, Code::FORBIDDEN))
        }
        Deed::Role(new) => cell.give_role(new),
        Deed::Permit(set) => cell.permit(&names(set)),
        Deed::Unpermit => cell.permit(of_role(cell.target_role())),
        Deed::Transfer => cell.transfer(),
        Deed::Purge => cell.purge(),
        Deed::PurgeAloud => cell.purge().or(cell.no_word_of_their_own()),
        // Who is a reader already changes nothing, and tells nobody why.
        Deed::StepDownAloud => {
            let why = cell.no_word_of_their_own().filter(|_| cell.standing != Standing::Reader);
            cell.give_role(RoomRole::READER).or(why)
        }
    }
}

impl Cell {
    /// The number of the asker's role in the room; nothing when they are not in it.
    fn own_role(self) -> Option<RoomRole> {
        match self.standing {
            Standing::Stranger | Standing::Invited | Standing::Departed | Standing::Banned => None,
            Standing::Reader => Some(RoomRole::READER),
            Standing::Member | Standing::Muted | Standing::Trusted => Some(RoomRole::MEMBER),
            Standing::Moderator => Some(RoomRole::MODERATOR),
            Standing::Owner | Standing::Deactivated => Some(RoomRole::OWNER),
        }
    }

    fn target_role(self) -> Option<RoomRole> {
        match self.target {
            Target::Stranger => None,
            Target::Reader => Some(RoomRole::READER),
            Target::Member => Some(RoomRole::MEMBER),
            Target::Moderator => Some(RoomRole::MODERATOR),
            Target::Owner => Some(RoomRole::OWNER),
            Target::Myself => self.own_role(),
        }
    }

    fn outranks(self) -> bool {
        self.target_role() < self.own_role()
    }

    /// What the asker was given, in words.
    fn given(self) -> String {
        match (self.standing, self.state) {
            (_, State::Direct) if self.own_role().is_some() => DIRECT.to_owned(),
            (Standing::Trusted, _) => "read kick manage-roles".to_owned(),
            _ => of_role(self.own_role()).to_owned(),
        }
    }

    /// What of that the asker may do at the moment.
    fn may(self) -> String {
        let silenced = self.state == State::ReadOnly
            && matches!(self.standing, Standing::Reader | Standing::Member | Standing::Muted);
        match self.standing {
            Standing::Deactivated => String::new(),
            Standing::Muted => without(&self.given(), VOICE),
            _ if silenced => without(&self.given(), VOICE),
            _ => self.given(),
        }
    }

    fn sees(self) -> bool {
        let is_known = self.own_role().is_some() || self.standing == Standing::Invited;
        let is_open = !matches!(self.state, State::Private | State::Direct) && self.role != ServerRole::GUEST;
        is_known || is_open
    }

    fn hidden(self) -> Option<Code> {
        (!self.sees()).then_some(Code::NOT_FOUND)
    }

    fn no_reader(self) -> Option<Code> {
        self.hidden().or(self.own_role().is_none().then_some(Code::FORBIDDEN))
    }

    fn out(self) -> Option<Code> {
        (self.standing == Standing::Deactivated).then_some(Code::UNAUTHENTICATED)
    }

    fn lacks(self, what: &str) -> Option<Code> {
        let lacks = (!has(&self.may(), what)).then_some(Code::FORBIDDEN);
        self.no_reader().or(self.out()).or(lacks)
    }

    /// The same for what is not done between two.
    fn no_manager(self, what: &str) -> Option<Code> {
        let for_two = (self.state == State::Direct).then_some(Code::CONFLICT);
        self.no_reader().or(for_two).or(self.lacks(what))
    }

    fn join(self) -> Option<Code> {
        if self.own_role().is_some() {
            return None;
        }
        let closed = self.state == State::InviteOnly && self.standing != Standing::Invited;
        let banned = self.standing == Standing::Banned;
        self.hidden().or((closed || banned).then_some(Code::FORBIDDEN))
    }

    /// Moderators are told, and whoever runs the server.
    fn not_told(self) -> Option<Code> {
        let is_out = self.standing == Standing::Deactivated;
        if self.role >= ServerRole::ADMIN && !is_out {
            return None;
        }
        let moderates = ["kick", "redact-any", "manage-roles"].iter().any(|one| has(&self.may(), one));
        self.no_reader().or((!moderates).then_some(Code::FORBIDDEN))
    }

    fn give_role(self, new: RoomRole) -> Option<Code> {
        let for_two = (self.state == State::Direct).then_some(Code::CONFLICT);
        if let Some(no) = self.no_reader().or(for_two).or(self.out()) {
            return Some(no);
        }
        let steps_down = self.target == Target::Myself && Some(new) <= self.own_role();
        if !steps_down && !has(&self.may(), "manage-roles") {
            return Some(Code::FORBIDDEN);
        }
        if self.target_role().is_none() {
            return Some(Code::NOT_FOUND);
        }
        let above = !steps_down && !self.outranks();
        let beyond = Some(new) > self.own_role();
        (above || beyond || !self.can_give(of_role(Some(new)))).then_some(Code::FORBIDDEN)
    }

    fn permit(self, set: &str) -> Option<Code> {
        if let Some(no) = self.no_manager("manage-roles") {
            return Some(no);
        }
        match self.target {
            Target::Myself => Some(Code::BAD_REQUEST),
            Target::Stranger => Some(Code::NOT_FOUND),
            _ => (!self.outranks() || !self.can_give(set)).then_some(Code::FORBIDDEN),
        }
    }

    /// Nobody gives what they lack, but what the other one has already.
    fn can_give(self, set: &str) -> bool {
        let had = match self.target {
            Target::Myself => self.given(),
            _ => of_role(self.target_role()).to_owned(),
        };
        set.split_whitespace().all(|one| has(&had, one) || has(&self.may(), one))
    }

    fn transfer(self) -> Option<Code> {
        let for_two = (self.state == State::Direct).then_some(Code::CONFLICT);
        if let Some(no) = self.hidden().or(for_two) {
            return Some(no);
        }
        let owns = self.standing == Standing::Owner;
        let is_out = self.standing == Standing::Deactivated;
        let is_orphan = self.state == State::Orphaned && !owns && self.role >= ServerRole::ADMIN && !is_out;
        if !owns && !is_orphan {
            return Some(Code::FORBIDDEN);
        }
        match self.target {
            Target::Myself if owns => Some(Code::BAD_REQUEST),
            Target::Owner if self.state == State::Orphaned => Some(Code::GONE),
            _ => self.target_role().is_none().then_some(Code::NOT_FOUND),
        }
    }

    fn delete(self) -> Option<Code> {
        let for_two = (self.state == State::Direct).then_some(Code::CONFLICT);
        let owns = self.standing == Standing::Owner;
        let runs_it = self.role >= ServerRole::ADMIN;
        let no = || self.hidden().or(for_two).or((!owns).then_some(Code::FORBIDDEN));
        self.out().or_else(|| if runs_it { None } else { no() })
    }

    /// What one does to oneself takes send to say why.
    fn no_word_of_their_own(self) -> Option<Code> {
        if self.target == Target::Myself { self.lacks("send") } else { None }
    }

    fn purge(self) -> Option<Code> {
        // All others are members of the server.
        let runs_it = self.role >= ServerRole::ADMIN && self.target != Target::Myself;
        if self.out().is_some() || runs_it {
            return self.out();
        }
        if self.target == Target::Myself {
            return self.hidden();
        }
        self.lacks("redact-any").or((!self.outranks()).then_some(Code::FORBIDDEN))
    }
}

fn of_role(role: Option<RoomRole>) -> &'static str {
    match role {
        None => "",
        Some(RoomRole::READER) => READER,
        Some(RoomRole::MEMBER) => MEMBER,
        Some(RoomRole::MODERATOR) => MODERATOR,
        Some(_) => OWNER,
    }
}

fn has(names: &str, one: &str) -> bool {
    names.split_whitespace().any(|name| name == one)
}

fn without(names: &str, less: &str) -> String {
    names.split_whitespace().filter(|name| !has(less, name)).collect::<Vec<_>>().join(" ")
}

fn names(set: Permissions) -> String {
    set.names().collect::<Vec<_>>().join(" ")
}
