//! What an account may do and make, whatever its connection believes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use quipu_protocol::control::Refresh;
use quipu_protocol::request::{
    ChangeBot, CreateBot, CreateInvite, InviteBot, ListBots, ListInvites, Permissions, RevokeBot, ServerRole,
};
use quipu_protocol::{Blob, Code, DeviceId, InviteId, Refusal, UserId};

use super::*;
use crate::limits::{BOTS_MADE_MAX, INVITES_MADE_MAX};
use crate::store::memory::MemoryStore;
use crate::store::{Before, Blocking, BotRow, Effect, InviteRow, Observer, UserRow};

struct Nobody;

impl Observer for Nobody {
    fn committed(&self, _: &[Effect]) {}
}

const ADA: UserId = UserId::from_bytes([1; 16]);
const BOB: UserId = UserId::from_bytes([2; 16]);
const BOT: UserId = UserId::from_bytes([3; 16]);

struct World {
    storage: Storage,
    auth: Auth,
}

impl World {
    /// Ada with this role, Bob, and a bot of Bob's.
    async fn new(role: ServerRole) -> Self {
        let store = Box::new(MemoryStore::new());
        let storage = Storage::start(store, Blocking::Inline, Arc::new(Nobody)).unwrap();
        let people =
            [(ADA, "ada", role), (BOB, "bob", ServerRole::MEMBER), (BOT, "weather", ServerRole::BOT)];
        let rows = people.map(|(user, nickname, role)| UserRow {
            user,
            nickname: nickname.parse().unwrap(),
            role,
            epoch: 0,
            created_ms: 0,
            deactivated_ms: None,
        });
        let fill = storage.write(move |store| {
            rows.iter().try_for_each(|row| store.put_user(row))?;
            Ok(store.put_bot(&bot(BOT, BOB))?)
        });
        fill.await.unwrap();
        let auth = Auth::new(storage.clone(), Seams::system(), TokenKey::from_seed(&[1; 32]), [2; 32]);
        Self { storage, auth }
    }

    async fn make_bot(&self, who: &Authenticated, nickname: &str) -> Result<UserId, Refusal> {
        let nickname = nickname.parse().unwrap();
        let ask = CreateBot { nickname, scope: Permissions::ANYTHING, rooms: None };
        self.auth.create_bot(who, ask, |_, _, _| Ok(())).await.map(|answer| answer.user)
    }

    async fn invite(&self, who: &Authenticated) -> Result<InviteId, Refusal> {
        let (room, role) = (None, Some(ServerRole::GUEST));
        let ask = CreateInvite { uses: 1, life_ms: 60_000, room, role, own_device: None };
        self.auth.create_invite(who, ask, |_, _, _| Ok(())).await.map(|answer| answer.invite)
    }
}

fn bot(user: UserId, owner: UserId) -> BotRow {
    BotRow { user, owner, scope: Permissions::ANYTHING, rooms: None, created_ms: 0, revoked_ms: None }
}

fn code<T>(answer: Result<T, Refusal>) -> Option<Code> {
    answer.err().map(|refusal| refusal.code)
}

/// Goal: what was taken from an account decides nothing, however long its connection takes to end.
#[tokio::test]
async fn the_role_of_this_moment_decides_not_that_of_the_connection() {
    let world = World::new(ServerRole::GUEST).await;
    let (ada, bob) = [(ADA, "ada", ServerRole::ADMIN), (BOB, "bob", ServerRole::MEMBER)]
        .map(|(user, nickname, role)| Authenticated::for_test(user, nickname, role))
        .into();
    let auth = &world.auth;
    world.make_bot(&bob, "bobs").await.unwrap();
    let change = || ChangeBot { user: BOT, scope: Permissions::ANYTHING, rooms: None };
    for (question, outcome) in [
        ("create", code(world.make_bot(&ada, "adas").await)),
        ("invite to the server", code(world.invite(&ada).await)),
    ] {
        assert_eq!(outcome, Some(Code::FORBIDDEN), "{question}");
    }
    for (question, outcome) in [
        ("invite", code(auth.invite_bot(&ada, InviteBot { user: BOT }).await)),
        ("change", code(auth.change_bot(&ada, change()).await)),
        ("revoke", code(auth.revoke_bot(&ada, RevokeBot { user: BOT }).await)),
    ] {
        assert_eq!(outcome, Some(Code::NOT_FOUND), "{question}");
    }
    assert!(auth.bots(&ada, ListBots { after: None }).await.unwrap().bots.is_empty());
    assert!(auth.invites(&ada, ListInvites { after: None }).await.unwrap().invites.is_empty());
    assert_eq!(auth.bots(&bob, ListBots { after: None }).await.unwrap().bots.len(), 2);
    assert_eq!(code(auth.change_bot(&bob, change()).await), None);
}

#[tokio::test]
async fn an_account_makes_so_many_invites_until_some_are_forgotten() {
    let world = World::new(ServerRole::ADMIN).await;
    let ada = Authenticated::for_test(ADA, "ada", ServerRole::ADMIN);
    let invite = world.invite(&ada).await.unwrap();
    let fill = world.storage.write(move |store| {
        let first = store.invite(invite)?.unwrap();
        for number in 1..INVITES_MADE_MAX {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            let id = InviteId::from_bytes(hash[..16].try_into().unwrap());
            store.put_invite(&InviteRow { invite: id, secret_hash: hash, expires_ms: 5, ..first.clone() })?;
        }
        Ok(())
    });
    fill.await.unwrap();
    assert_eq!(code(world.invite(&ada).await), Some(Code::QUOTA));
    assert_eq!(code(world.auth.invite_bot(&ada, InviteBot { user: BOT }).await), Some(Code::QUOTA));
    // Nothing of a bot is left whose invite was not made.
    assert_eq!(code(world.make_bot(&ada, "adas").await), Some(Code::QUOTA));
    assert!(world.storage.read(|store| store.user_by_nickname("adas")).await.unwrap().is_none());
    let before = Before { invites_ms: 6, ..Before::default() };
    world.storage.write(move |store| Ok(store.forget(before, usize::MAX)?)).await.unwrap();
    world.invite(&ada).await.unwrap();
}

#[tokio::test]
async fn a_revoked_bot_counts_among_those_that_were_made() {
    let world = World::new(ServerRole::MEMBER).await;
    let ada = Authenticated::for_test(ADA, "ada", ServerRole::MEMBER);
    for number in 0..BOTS_MADE_MAX {
        let user = world.make_bot(&ada, &format!("bot{number}")).await.unwrap();
        world.auth.revoke_bot(&ada, RevokeBot { user }).await.unwrap();
    }
    assert_eq!(code(world.make_bot(&ada, "another").await), Some(Code::QUOTA));
}

/// Goal: how long a refusal takes tells nobody which devices there are.
#[tokio::test]
async fn a_refresh_for_no_device_is_checked_like_any_other() {
    let world = World::new(ServerRole::MEMBER).await;
    let checked = AtomicU32::new(0);
    let exporter = |_: &[u8; 32]| {
        checked.fetch_add(1, Ordering::Relaxed);
        [0; 32]
    };
    let proof = Blob::new(vec![0; 64]).unwrap();
    let refresh = Refresh { device: DeviceId::from_bytes([9; 16]), proof };
    let refused = world.auth.refresh(&refresh, &exporter).await.unwrap_err();
    assert_eq!((refused.refusal().code, checked.into_inner()), (Code::UNAUTHENTICATED, 1));
}
