//! Who may do what, cell by cell: every role on the server × standing in the room × state of the room × deed × target.
//!
//! ```text
//!   for every cell:   a room in that state ─▶ the deed, through the same door as a connection's ─▶ its outcome
//!                     the words of the document, written down once more (oracle.rs)             ─▶ the same outcome
//! ```
//!
//! Beside the outcome it looks at what is left behind: what is refused leaves neither an entry nor a record, and what is
//! granted leaves none of anybody but the asker. Questions that have no cells are named, each with its reason.

mod accounts;
mod deeds;
mod oracle;
mod stage;

use quipu_protocol::Code;
use quipu_protocol::request::ServerRole;

use deeds::Deed;
use stage::Stage;

/// Roles on the server, of which each has cells of its own.
const SERVER_ROLES: [ServerRole; 5] =
    [ServerRole::GUEST, ServerRole::BOT, ServerRole::MEMBER, ServerRole::ADMIN, ServerRole::OWNER];

/// What is said in answer, by numbers in the range of questions.
const ANSWERS: &[&str] = &[
    "Subscribed",
    "Page",
    "Rooms",
    "Members",
    "Users",
    "RoomAnswer",
    "Done",
    "InviteAnswer",
    "Invites",
    "Devices",
    "Sanctions",
    "BotAnswer",
    "Bots",
    "HookAnswer",
    "Hooks",
    "Reports",
    "Audit",
    "Files",
    "Found",
    "PresenceSet",
    "ReceiptList",
    "SettingsAnswer",
    "Tallies",
    "Reactions",
    "Pins",
    "SendFrom",
    "Uploaded",
    "Content",
    "Exported",
    "ExportRecord",
    "Mentions",
];

/// What the asker is in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Stranger,
    Invited,
    /// Left as a moderator.
    Departed,
    Banned,
    Reader,
    Member,
    /// A member who is muted.
    Muted,
    /// A member with explicit permissions: reading, sending out, managing roles.
    Trusted,
    Moderator,
    Owner,
    /// An owner whose account was deactivated, on a connection that has not learned of it.
    Deactivated,
}

/// What the room is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Public,
    ReadOnly,
    /// In slow mode, and the asker has just spoken.
    Slow,
    InviteOnly,
    /// The account of its first owner was deactivated.
    Orphaned,
    Private,
    Direct,
}

/// Whom the asker does it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Stranger,
    Reader,
    Member,
    Moderator,
    /// The first owner of the room; in a direct room the other one.
    Owner,
    Myself,
}

const STANDINGS: [Standing; 11] = [
    Standing::Stranger,
    Standing::Invited,
    Standing::Departed,
    Standing::Banned,
    Standing::Reader,
    Standing::Member,
    Standing::Muted,
    Standing::Trusted,
    Standing::Moderator,
    Standing::Owner,
    Standing::Deactivated,
];
const STATES: [State; 7] = [
    State::Public,
    State::ReadOnly,
    State::Slow,
    State::InviteOnly,
    State::Orphaned,
    State::Private,
    State::Direct,
];
const TARGETS: [Target; 6] =
    [Target::Stranger, Target::Reader, Target::Member, Target::Moderator, Target::Owner, Target::Myself];

/// One cell.
#[derive(Debug, Clone, Copy)]
struct Cell {
    role: ServerRole,
    standing: Standing,
    state: State,
    deed: Deed,
    /// [`Target::Myself`] for deeds that are done to nobody.
    target: Target,
}

/// Whether this can be: in a direct room are its two, and nobody else ever was.
fn can_be(standing: Standing, state: State, target: Target) -> bool {
    let stands = matches!(standing, Standing::Stranger | Standing::Owner | Standing::Deactivated);
    let is_there = matches!(target, Target::Stranger | Target::Owner | Target::Myself);
    state != State::Direct || (stands && is_there)
}

fn cells(role: ServerRole, standing: Standing, state: State) -> Vec<Cell> {
    let cell = |deed, target| Cell { role, standing, state, deed, target };
    let alone = deeds::ALONE.iter().map(|deed| cell(*deed, Target::Myself));
    let to = |target| deeds::TO_SOMEBODY.iter().map(move |deed| cell(*deed, target));
    let cells = alone.chain(TARGETS.into_iter().flat_map(to));
    cells.filter(|cell| can_be(cell.standing, cell.state, cell.target)).collect()
}

/// Walks through the cells of one role on the server.
async fn walk(role: ServerRole) {
    let (mut looked_at, mut granted, mut wrong) = (0, 0, Vec::new());
    for standing in STANDINGS {
        for state in STATES {
            let mut stage = Stage::new(role, standing, state).await;
            for cell in cells(role, standing, state) {
                let (outcome, complaint) = stage.play(cell).await;
                let expected = oracle::outcome(cell);
                looked_at += 1;
                granted += usize::from(outcome.is_none());
                if outcome != expected || complaint.is_some() {
                    wrong.push(format!("{cell:?}: {outcome:?}, expected {expected:?} {complaint:?}"));
                }
            }
        }
    }
    println!("{}: {looked_at} cells, {granted} granted", role.word());
    assert!(wrong.is_empty(), "{} of {looked_at} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(looked_at, size(), "cells of one role on the server");
}

/// Cells of one role on the server: direct rooms have three standings and three targets.
const fn size() -> usize {
    let (alone, to) = (deeds::ALONE.len(), deeds::TO_SOMEBODY.len());
    let many = STANDINGS.len() * (STATES.len() - 1) * (alone + TARGETS.len() * to);
    many + 3 * (alone + 3 * to)
}

macro_rules! walks {
    ($($name:ident: $role:expr;)+) => { $(
        #[tokio::test]
        async fn $name() {
            walk($role).await;
        }
    )+ };
}

walks! {
    cells_of_a_guest: ServerRole::GUEST;
    cells_of_a_bot: ServerRole::BOT;
    cells_of_a_member: ServerRole::MEMBER;
    cells_of_an_admin: ServerRole::ADMIN;
    cells_of_an_owner: ServerRole::OWNER;
}

/// Goal: a question that somebody adds has cells, or says why not.
#[test]
fn every_question_has_its_cells() {
    let mut all: Vec<&str> =
        deeds::ALONE.iter().chain(deeds::TO_SOMEBODY).map(|deed| deed.question()).collect();
    all.extend(accounts::QUESTIONS);
    all.extend(deeds::ELSEWHERE.iter().map(|(question, _)| *question));
    let asked =
        quipu_protocol::table::messages().filter(|(ty, name)| ty.0 >= 0x80 && !ANSWERS.contains(name));
    for (ty, name) in asked {
        assert!(
            all.contains(&name),
            "{name} ({ty:?}) has no cell: give it a Deed and a line of the oracle, or a reason in ELSEWHERE"
        );
    }
}

fn code<T>(answer: Result<T, quipu_protocol::Refusal>) -> Option<Code> {
    answer.err().map(|refusal| refusal.code)
}
