//! The same for what is done on the server: the asker's role × the other one's role × the deed.

use std::sync::Arc;

use quipu_protocol::request::*;
use quipu_protocol::{Code, RoomId, UserId};

use super::{SERVER_ROLES, code};
use crate::auth::{Auth, Authenticated, TokenKey};
use crate::room::{Live, Rooms};
use crate::seams::Seams;
use crate::store::memory::MemoryStore;
use crate::store::{Blocking, Storage, UserRow};

/// Questions that have their cells here.
pub(super) const QUESTIONS: [&str; 10] = [
    "CreateRoom",
    "Direct",
    "Deactivate",
    "Reactivate",
    "SetServerRole",
    "DeleteAccount",
    "Purge",
    "ListReports",
    "ListAudit",
    "CreateInvite",
];

#[derive(Debug, Clone, Copy)]
enum Deed {
    Create(Visibility),
    Direct,
    Deactivate,
    Reactivate,
    Delete,
    Give(ServerRole),
    Invite(ServerRole),
    InviteOwnDevice,
    PurgeEverywhere,
    AllReports,
    AllRecords,
}

const DEEDS: [Deed; 20] = [
    Deed::Create(Visibility::PUBLIC),
    Deed::Create(Visibility::PRIVATE),
    Deed::Direct,
    Deed::Deactivate,
    Deed::Reactivate,
    Deed::Delete,
    Deed::Give(ServerRole::GUEST),
    Deed::Give(ServerRole::BOT),
    Deed::Give(ServerRole::MEMBER),
    Deed::Give(ServerRole::ADMIN),
    Deed::Give(ServerRole::OWNER),
    Deed::Invite(ServerRole::GUEST),
    Deed::Invite(ServerRole::BOT),
    Deed::Invite(ServerRole::MEMBER),
    Deed::Invite(ServerRole::ADMIN),
    Deed::Invite(ServerRole::OWNER),
    Deed::InviteOwnDevice,
    Deed::PurgeEverywhere,
    Deed::AllReports,
    Deed::AllRecords,
];

/// Who asks, and about whom.
#[derive(Debug, Clone, Copy)]
struct Cell {
    asker: ServerRole,
    /// Deactivated, on a connection that has not learned of it.
    is_out: bool,
    /// `None`: the asker.
    other: Option<ServerRole>,
    deed: Deed,
}

const ASKER: UserId = UserId::from_bytes([1; 16]);
const OTHER: UserId = UserId::from_bytes([2; 16]);

#[tokio::test]
async fn cells_of_accounts() {
    let (mut looked_at, mut wrong) = (0, Vec::new());
    for (asker, is_out) in SERVER_ROLES.into_iter().flat_map(|role| [(role, false), (role, true)]) {
        for other in SERVER_ROLES.into_iter().map(Some).chain([None]) {
            let mut server = Server::new(asker, is_out, other).await;
            for deed in DEEDS {
                let cell = Cell { asker, is_out, other, deed };
                let (outcome, expected) = (server.ask(cell).await, expected(cell));
                if outcome.is_none() {
                    server = Server::new(asker, is_out, other).await;
                }
                looked_at += 1;
                if outcome != expected {
                    wrong.push(format!("{cell:?}: {outcome:?}, expected {expected:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {looked_at} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(looked_at, SERVER_ROLES.len() * 2 * (SERVER_ROLES.len() + 1) * DEEDS.len());
}

/// Two accounts, or one that asks about itself.
struct Server {
    rooms: Rooms,
    auth: Auth,
    who: Authenticated,
}

impl Server {
    async fn new(role: ServerRole, is_out: bool, other: Option<ServerRole>) -> Self {
        let live = Arc::new(Live::default());
        let storage = Storage::start(Box::new(MemoryStore::new()), Blocking::Inline, live.clone()).unwrap();
        let row = |user, nickname: &str, role, is_out: bool| UserRow {
            user,
            nickname: nickname.parse().unwrap(),
            role,
            epoch: 0,
            created_ms: 0,
            deactivated_ms: is_out.then_some(1),
        };
        let asker = row(ASKER, "asker", role, is_out);
        let other = row(OTHER, "other", other.unwrap_or(ServerRole::MEMBER), false);
        let put =
            storage.write(move |store| Ok([asker, other].iter().try_for_each(|row| store.put_user(row))?));
        put.await.unwrap();
        let rooms = Rooms::new(storage.clone(), live, Seams::system());
        let auth = Auth::new(storage, Seams::system(), TokenKey::from_seed(&[1; 32]), [2; 32]);
        Self { rooms, auth, who: Authenticated::for_test(ASKER, "asker", role) }
    }

    async fn ask(&self, cell: Cell) -> Option<Code> {
        let Self { rooms, auth, who } = self;
        let (user, reason) = (if cell.other.is_some() { OTHER } else { ASKER }, None);
        match cell.deed {
            Deed::Create(visibility) => {
                let ask = CreateRoom {
                    room: RoomId::from_bytes([7; 16]),
                    name: "den".parse().unwrap(),
                    visibility,
                    topic: None,
                };
                code(rooms.create(who, ask).await)
            }
            Deed::Direct => code(rooms.direct(who, Direct { user }).await),
            Deed::Deactivate => code(auth.deactivate(who, Deactivate { user, reason }).await),
            Deed::Reactivate => code(auth.reactivate(who, Reactivate { user, reason }).await),
            Deed::Delete => {
                let confirm = if user == OTHER { "other" } else { "asker" };
                let confirm = confirm.parse().unwrap();
                code(auth.delete_account(who, DeleteAccount { user, confirm, erase: None }).await)
            }
            Deed::Give(role) => code(auth.set_server_role(who, SetServerRole { user, role, reason }).await),
            Deed::Invite(_) | Deed::InviteOwnDevice => {
                let role = if let Deed::Invite(role) = cell.deed { Some(role) } else { None };
                let own_device = role.is_none().then_some(true);
                let ask = CreateInvite { uses: 1, life_ms: 60_000, room: None, role, own_device };
                code(auth.create_invite(who, ask, rooms.leads()).await)
            }
            Deed::PurgeEverywhere => purge(rooms, who, user).await,
            Deed::AllReports => code(rooms.reports(who, ListReports { room: None, after: None }).await),
            Deed::AllRecords => code(rooms.audit(who, ListAudit { room: None, after: None }).await),
        }
    }
}

async fn purge(rooms: &Rooms, who: &Authenticated, user: UserId) -> Option<Code> {
    let stopping = tokio_util::sync::CancellationToken::new();
    let eraser = tokio::spawn({
        let (rooms, stopping) = (rooms.clone(), stopping.clone());
        async move { rooms.erase_purged(stopping).await }
    });
    let outcome = code(rooms.purge(who, Purge { user, room: None, reason: None }).await);
    stopping.cancel();
    eraser.await.unwrap();
    outcome
}

fn expected(cell: Cell) -> Option<Code> {
    let only = |no: bool, code: Code| no.then_some(code);
    let out = only(cell.is_out, Code::UNAUTHENTICATED);
    let runs_it = cell.asker >= ServerRole::ADMIN;
    match cell.deed {
        Deed::Create(_) => only(cell.asker == ServerRole::GUEST, Code::FORBIDDEN).or(out),
        Deed::Direct => only(cell.other.is_none(), Code::BAD_REQUEST)
            .or(only(cell.asker == ServerRole::GUEST, Code::FORBIDDEN))
            .or(out),
        Deed::Deactivate | Deed::Reactivate => out.or_else(|| no_power(cell)),
        Deed::Delete => out.or_else(|| match cell.other {
            None => only(cell.asker == ServerRole::OWNER, Code::CONFLICT),
            Some(other) => only(!runs_it || other >= cell.asker, Code::FORBIDDEN),
        }),
        Deed::Give(role) => out.or_else(|| match cell.other {
            Some(_) => no_power(cell).or(only(role > cell.asker, Code::FORBIDDEN)),
            None if role > cell.asker => Some(Code::FORBIDDEN),
            None => only(cell.asker == ServerRole::OWNER && role != ServerRole::OWNER, Code::CONFLICT),
        }),
        Deed::Invite(role) => out.or(only(!runs_it || role > cell.asker, Code::FORBIDDEN)),
        Deed::InviteOwnDevice => out,
        Deed::PurgeEverywhere => {
            let outranks = runs_it && cell.other.is_some_and(|other| other < cell.asker);
            out.or(only(cell.other.is_some() && !outranks, Code::FORBIDDEN))
        }
        Deed::AllReports | Deed::AllRecords => only(!runs_it || cell.is_out, Code::FORBIDDEN),
    }
}

/// Only those who run the server act on accounts, and only on those below them.
fn no_power(cell: Cell) -> Option<Code> {
    match cell.other {
        _ if cell.asker < ServerRole::ADMIN => Some(Code::FORBIDDEN),
        None => Some(Code::BAD_REQUEST),
        Some(other) => (other >= cell.asker).then_some(Code::FORBIDDEN),
    }
}
