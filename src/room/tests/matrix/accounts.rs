//! The same for what is done on the server: the asker's role × what became of it × the other one's role × the deed.

use std::sync::Arc;

use quipu_protocol::request::*;
use quipu_protocol::{Code, DeviceId, InviteId, RoomId, UserId};

use super::{SERVER_ROLES, code};
use crate::auth::{Auth, Authenticated, TokenKey};
use crate::room::{Live, Rooms};
use crate::seams::Seams;
use crate::store::memory::MemoryStore;
use crate::store::{Blocking, BotRow, DeviceRow, InviteRow, Storage, StoreError, UserRow, Writes};

/// Questions that have their cells here.
pub(super) const QUESTIONS: [&str; 18] = [
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
    "ListInvites",
    "RevokeInvite",
    "RevokeDevice",
    "CreateBot",
    "InviteBot",
    "ListBots",
    "ChangeBot",
    "RevokeBot",
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
    SeeInvite,
    RevokeInvite,
    RevokeDevice,
    MakeBot,
    InviteBot,
    SeeBot,
    ChangeBot,
    RevokeBot,
    PurgeEverywhere,
    AllReports,
    AllRecords,
}

const DEEDS: [Deed; 28] = [
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
    Deed::SeeInvite,
    Deed::RevokeInvite,
    Deed::RevokeDevice,
    Deed::MakeBot,
    Deed::InviteBot,
    Deed::SeeBot,
    Deed::ChangeBot,
    Deed::RevokeBot,
    Deed::PurgeEverywhere,
    Deed::AllReports,
    Deed::AllRecords,
];

/// What became of the asker's account, which their connection has not learned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Nothing,
    Deactivated,
    /// It is a guest's now.
    Demoted,
}

const SINCE: [Since; 3] = [Since::Nothing, Since::Deactivated, Since::Demoted];

/// Who asks, and about whom, or what is theirs.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// As what they were authenticated.
    asker: ServerRole,
    since: Since,
    /// `None`: the asker.
    other: Option<ServerRole>,
    deed: Deed,
}

const ASKER: UserId = UserId::from_bytes([1; 16]);
const OTHER: UserId = UserId::from_bytes([2; 16]);
const BOT: UserId = UserId::from_bytes([3; 16]);
const DEVICE: DeviceId = DeviceId::from_bytes([4; 16]);
const INVITE: InviteId = InviteId::from_bytes([5; 16]);

#[tokio::test]
async fn cells_of_accounts() {
    let (mut looked_at, mut wrong) = (0, Vec::new());
    for (asker, since) in SERVER_ROLES.into_iter().flat_map(|role| SINCE.map(|since| (role, since))) {
        for other in SERVER_ROLES.into_iter().map(Some).chain([None]) {
            let mut server = Server::new(asker, since, other).await;
            for deed in DEEDS {
                let cell = Cell { asker, since, other, deed };
                let (outcome, expected) = (server.ask(cell).await, expected(cell));
                if outcome.is_none() {
                    server = Server::new(asker, since, other).await;
                }
                looked_at += 1;
                if outcome != expected {
                    wrong.push(format!("{cell:?}: {outcome:?}, expected {expected:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {looked_at} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(looked_at, SERVER_ROLES.len() * SINCE.len() * (SERVER_ROLES.len() + 1) * DEEDS.len());
}

/// Two accounts, or one that asks about itself; and a bot, an invite and a device of whoever is asked about.
struct Server {
    rooms: Rooms,
    auth: Auth,
    who: Authenticated,
}

impl Server {
    async fn new(role: ServerRole, since: Since, other: Option<ServerRole>) -> Self {
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
        let now = if since == Since::Demoted { ServerRole::GUEST } else { role };
        let people = [
            row(ASKER, "asker", now, since == Since::Deactivated),
            row(OTHER, "other", other.unwrap_or(ServerRole::MEMBER), false),
            row(BOT, "weather", ServerRole::BOT, false),
        ];
        let of = if other.is_some() { OTHER } else { ASKER };
        let put = storage.write(move |store| {
            people.iter().try_for_each(|row| store.put_user(row))?;
            Ok(belongings(store, of)?)
        });
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
                code(auth.delete_account(who, DeleteAccount { user, confirm, erase: None, reason }).await)
            }
            Deed::Give(role) => code(auth.set_server_role(who, SetServerRole { user, role, reason }).await),
            Deed::Invite(_) | Deed::InviteOwnDevice => {
                let role = if let Deed::Invite(role) = cell.deed { Some(role) } else { None };
                let own_device = role.is_none().then_some(true);
                let ask = CreateInvite { uses: 1, life_ms: 60_000, room: None, role, own_device };
                code(auth.create_invite(who, ask, rooms.leads()).await)
            }
            Deed::SeeInvite => {
                let seen = auth.invites(who, ListInvites { after: None }).await.unwrap();
                hidden(seen.invites.iter().any(|info| info.invite == INVITE))
            }
            Deed::RevokeInvite => code(auth.revoke_invite(who, RevokeInvite { invite: INVITE }).await),
            Deed::RevokeDevice => code(auth.revoke_device(who, DEVICE).await),
            Deed::MakeBot => {
                let nickname = "another".parse().unwrap();
                let ask = CreateBot { nickname, scope: Permissions::ANYTHING, rooms: None };
                code(auth.create_bot(who, ask, rooms.bring(who)).await)
            }
            Deed::InviteBot => code(auth.invite_bot(who, InviteBot { user: BOT }).await),
            Deed::SeeBot => {
                let seen = auth.bots(who, ListBots { after: None }).await.unwrap();
                hidden(seen.bots.iter().any(|info| info.user == BOT))
            }
            Deed::ChangeBot => {
                let ask = ChangeBot { user: BOT, scope: Permissions::READ, rooms: None };
                code(auth.change_bot(who, ask).await)
            }
            Deed::RevokeBot => code(auth.revoke_bot(who, RevokeBot { user: BOT }).await),
            Deed::PurgeEverywhere => purge(rooms, who, user).await,
            Deed::AllReports => code(rooms.reports(who, ListReports { room: None, after: None }).await),
            Deed::AllRecords => code(rooms.audit(who, ListAudit { room: None, after: None }).await),
        }
    }
}

/// What an account may have beside itself.
fn belongings(store: &mut dyn Writes, of: UserId) -> Result<(), StoreError> {
    let scope = Permissions::ANYTHING;
    store.put_bot(&BotRow { user: BOT, owner: of, scope, rooms: None, created_ms: 0, revoked_ms: None })?;
    store.put_invite(&InviteRow {
        invite: INVITE,
        secret_hash: [1; 32],
        created_by: Some(of),
        device: None,
        room: None,
        role: ServerRole::GUEST,
        for_user: Some(of),
        uses_left: 1,
        expires_ms: i64::MAX as u64,
        revoked: false,
        created_ms: 0,
    })?;
    store.put_device(&DeviceRow {
        device: DEVICE,
        user: of,
        name: "phone".parse().unwrap(),
        key: vec![1],
        invite: INVITE,
        created_ms: 0,
        seen_ms: 0,
        revoked_ms: None,
    })
}

fn hidden(is_seen: bool) -> Option<Code> {
    (!is_seen).then_some(Code::NOT_FOUND)
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
    let is_out = cell.since == Since::Deactivated;
    let (out, role) = (only(is_out, Code::UNAUTHENTICATED), cell.role());
    let runs_it = role >= ServerRole::ADMIN;
    let is_theirs = cell.other.is_none();
    match cell.deed {
        // By what the connection was granted, which ends a moment later.
        Deed::Create(_) => only(cell.asker == ServerRole::GUEST, Code::FORBIDDEN).or(out),
        Deed::Direct => only(cell.other.is_none(), Code::BAD_REQUEST)
            .or(only(cell.asker == ServerRole::GUEST, Code::FORBIDDEN))
            .or(out),
        Deed::Deactivate | Deed::Reactivate => out.or_else(|| no_power(cell)),
        Deed::Delete => out.or_else(|| match cell.other {
            None => only(role == ServerRole::OWNER, Code::CONFLICT),
            Some(other) => only(!runs_it || other >= role, Code::FORBIDDEN),
        }),
        Deed::Give(new) => out.or_else(|| match cell.other {
            Some(_) => no_power(cell).or(only(new > role, Code::FORBIDDEN)),
            None if new > role => Some(Code::FORBIDDEN),
            None => only(role == ServerRole::OWNER && new != ServerRole::OWNER, Code::CONFLICT),
        }),
        Deed::Invite(new) => out.or(only(!runs_it || new > role, Code::FORBIDDEN)),
        Deed::InviteOwnDevice => out,
        Deed::MakeBot => out.or(only(role < ServerRole::MEMBER, Code::FORBIDDEN)),
        Deed::RevokeInvite | Deed::InviteBot | Deed::ChangeBot | Deed::RevokeBot => {
            out.or(only(!is_theirs && !runs_it, Code::NOT_FOUND))
        }
        // Whoever is out sees on what is theirs, and may take it away, until the connection ends.
        Deed::SeeInvite | Deed::SeeBot => only(!is_theirs && (!runs_it || is_out), Code::NOT_FOUND),
        Deed::RevokeDevice => only(!is_theirs, Code::NOT_FOUND),
        Deed::PurgeEverywhere => {
            let outranks = runs_it && cell.other.is_some_and(|other| other < role);
            out.or(only(!is_theirs && !outranks, Code::FORBIDDEN))
        }
        Deed::AllReports | Deed::AllRecords => only(!runs_it || is_out, Code::FORBIDDEN),
    }
}

impl Cell {
    /// What the asker is by now.
    fn role(self) -> ServerRole {
        if self.since == Since::Demoted { ServerRole::GUEST } else { self.asker }
    }
}

/// Only those who run the server act on accounts, and only on those below them.
fn no_power(cell: Cell) -> Option<Code> {
    match cell.other {
        _ if cell.role() < ServerRole::ADMIN => Some(Code::FORBIDDEN),
        None => Some(Code::BAD_REQUEST),
        Some(other) => (other >= cell.role()).then_some(Code::FORBIDDEN),
    }
}
