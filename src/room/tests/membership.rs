//! Memberships and their bounds: what others do costs nobody their own rooms.

use quipu_protocol::limits::ROWS_MAX;
use quipu_protocol::request::{Direct, Impose, InviteMember, ListRooms, RoomInfo, RoomRole, Sanction};
use quipu_protocol::{Code, InviteId, Refusal};

use super::*;
use crate::limits::{INVITATIONS_MAX, MEMBERS_MAX, ROOMS_MADE_MAX, ROOMS_PER_USER_MAX, SANCTION_LIFE_MAX};
use crate::store::{InviteRow, MemberState, RoomRow, Settings, WriteError};

impl World {
    async fn create(
        &self,
        who: &Authenticated,
        number: usize,
        visibility: Visibility,
    ) -> Result<RoomInfo, Refusal> {
        let ask = CreateRoom {
            room: id(number),
            name: format!("room{number}").parse().unwrap(),
            visibility,
            topic: None,
        };
        self.rooms.create(who, ask).await
    }

    async fn invite(&self, by: &Authenticated, room: RoomId, user: UserId) -> Result<(), Refusal> {
        self.rooms.invite_member(by, InviteMember { room, user }).await
    }

    /// A further account.
    async fn account(&self, number: u8, nickname: &str, role: ServerRole) -> Authenticated {
        let who = Authenticated::for_test(UserId::from_bytes([number; 16]), nickname, role);
        let row = UserRow {
            user: who.user(),
            nickname: who.nickname().clone(),
            role,
            epoch: 0,
            created_ms: 0,
            deactivated_ms: None,
        };
        let job = self.rooms.storage().write(move |store| Ok(store.put_user(&row)?));
        job.await.unwrap();
        who
    }

    async fn set_member(&self, room: RoomId, user: UserId, state: Option<MemberState>) {
        let job = self.rooms.storage().write(move |store| Ok(store.set_member(room, user, state)?));
        job.await.unwrap();
    }

    /// Lets `newcomer` in, as the job does that redeems an invite of `by` into `room`.
    async fn welcome(&self, newcomer: &Authenticated, room: RoomId, by: &Authenticated) {
        let invite = InviteRow {
            invite: InviteId::from_bytes([1; 16]),
            secret_hash: [1; 32],
            created_by: Some(by.user()),
            device: None,
            room: Some(room),
            role: newcomer.role(),
            for_user: None,
            uses_left: 1,
            expires_ms: u64::MAX,
            revoked: false,
            created_ms: 0,
        };
        let (who, welcome) = (newcomer.clone(), self.rooms.welcome(self.room));
        let job = self.rooms.storage().write(move |store| welcome(store, &who, &invite));
        job.await.unwrap();
    }

    /// The asker's page of all rooms they see.
    async fn list(&self, who: &Authenticated) -> Vec<RoomId> {
        let all = ListRooms { mine: false, after: None, name: None };
        let list = self.rooms.list(who, all).await.unwrap();
        list.rooms.iter().map(|room| room.room).collect()
    }
}

fn id(number: usize) -> RoomId {
    let mut id = [0x80; 16];
    id[8..].copy_from_slice(&(number as u64).to_be_bytes());
    RoomId::from_bytes(id)
}

fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> Code {
    answer.expect_err("a refusal").code
}

#[tokio::test]
async fn invitations_are_the_inviters_trouble() {
    let world = World::new().await;
    let (ada, bob) = (&world.ada, world.bob.user());
    for number in 0..=INVITATIONS_MAX {
        world.create(ada, number, Visibility::PRIVATE).await.unwrap();
        let answer = world.invite(ada, id(number), bob).await;
        if number < INVITATIONS_MAX {
            answer.unwrap();
        } else {
            assert_eq!(code(answer), Code::QUOTA);
        }
    }
    let waiting = world.rooms.invitations(bob).await.unwrap();
    assert_eq!(waiting.len(), INVITATIONS_MAX);
    world.create(&world.bob, 5_000, Visibility::PRIVATE).await.unwrap();
    // Whoever answers one can be invited again.
    world.rooms.leave(&world.bob, id(0)).await.unwrap();
    world.invite(ada, id(INVITATIONS_MAX), bob).await.unwrap();
}

#[tokio::test]
async fn an_account_is_in_so_many_rooms() {
    let world = World::new().await;
    let bob = world.bob.user();
    let fill = world.rooms.storage().write(move |store| {
        // Bob is in one room already.
        for number in 1..ROOMS_PER_USER_MAX {
            store.insert_room(&row(number, None))?;
            store.set_member(id(number), bob, Some(rules::joined(RoomRole::MEMBER)))?;
        }
        Ok(())
    });
    fill.await.unwrap();
    assert_eq!(code(world.create(&world.bob, 5_000, Visibility::PUBLIC).await), Code::QUOTA);
    assert_eq!(code(world.rooms.direct(&world.bob, Direct { user: world.ada.user() }).await), Code::QUOTA);
    assert_eq!(code(world.rooms.direct(&world.ada, Direct { user: bob }).await), Code::QUOTA);
    world.rooms.leave(&world.bob, id(1)).await.unwrap();
    world.rooms.direct(&world.ada, Direct { user: bob }).await.unwrap();
}

#[tokio::test]
async fn an_account_makes_so_many_rooms_also_when_it_leaves_them() {
    let world = World::new().await;
    let ada = world.ada.user();
    let fill = world.rooms.storage().write(move |store| {
        for number in 1..ROOMS_MADE_MAX {
            store.insert_room(&row(number, Some(ada)))?;
        }
        Ok(())
    });
    fill.await.unwrap();
    assert_eq!(code(world.create(&world.ada, 5_000, Visibility::PUBLIC).await), Code::QUOTA);
    let direct = Direct { user: world.bob.user() };
    assert_eq!(code(world.rooms.direct(&world.ada, direct).await), Code::QUOTA);
    // That a room was deleted is remembered, and so it counts.
    let gone = id(1);
    world.rooms.storage().write(move |store| Ok(store.delete_room(gone)?)).await.unwrap();
    assert_eq!(code(world.create(&world.ada, 5_000, Visibility::PUBLIC).await), Code::QUOTA);
    world.create(&world.bob, 5_000, Visibility::PUBLIC).await.unwrap();
}

#[tokio::test]
async fn a_creator_who_left_is_told_nothing() {
    let world = World::new().await;
    for (number, visibility, again) in
        [(1, Visibility::PRIVATE, Some(Code::NOT_FOUND)), (2, Visibility::PUBLIC, None)]
    {
        let first = world.create(&world.bob, number, visibility).await.unwrap();
        assert_eq!(world.create(&world.bob, number, visibility).await, Ok(first));
        world.rooms.leave(&world.bob, id(number)).await.unwrap();
        let answer = world.create(&world.bob, number, visibility).await;
        assert_eq!(answer.err().map(|refusal| refusal.code), again);
    }
}

#[tokio::test]
async fn a_guest_answers_direct_rooms_and_makes_none() {
    let world = World::new().await;
    let guest = world.account(3, "guest", ServerRole::GUEST).await;
    let to_ada = Direct { user: world.ada.user() };
    assert_eq!(code(world.rooms.direct(&guest, to_ada.clone()).await), Code::FORBIDDEN);
    let to_guest = Direct { user: guest.user() };
    let room = world.rooms.direct(&world.ada, to_guest).await.unwrap().room;
    assert_eq!(world.rooms.direct(&guest, to_ada).await.unwrap().room, room);
}

#[tokio::test]
async fn a_guests_page_is_not_filled_with_what_they_do_not_see() {
    let world = World::new().await;
    let guest = world.account(3, "guest", ServerRole::GUEST).await;
    let fill = world.rooms.storage().write(move |store| {
        (0..=ROWS_MAX).try_for_each(|number| store.insert_room(&row(number, None))).map_err(WriteError::from)
    });
    fill.await.unwrap();
    let last = id(9_999);
    world.create(&world.ada, 9_999, Visibility::PRIVATE).await.unwrap();
    world.invite(&world.ada, last, guest.user()).await.unwrap();
    assert_eq!(world.list(&guest).await, [last]);
    assert_eq!(world.list(&world.bob).await.len(), ROWS_MAX);
}

#[tokio::test]
async fn a_newcomer_is_led_by_who_may_let_them_in_now() {
    let world = World::new().await;
    world.create(&world.ada, 1, Visibility::PRIVATE).await.unwrap();
    let to_bob = Direct { user: world.bob.user() };
    let direct = world.rooms.direct(&world.ada, to_bob).await.unwrap().room;
    let invited = Some(rules::invited());
    let [reader, member] = [RoomRole::READER, RoomRole::MEMBER].map(|role| Some(rules::joined(role)));
    let cases = [
        (id(1), None, false),
        (id(1), invited, false),
        (id(1), reader, false),
        (id(1), member, true),
        (direct, member, false),
        (id(77), None, false),
    ];
    for (number, (room, state, is_let_in)) in (10..).zip(cases) {
        if room == id(1) {
            world.set_member(room, world.bob.user(), state).await;
        }
        let newcomer = world.account(number, &format!("user{number}"), ServerRole::GUEST).await;
        world.welcome(&newcomer, room, &world.bob).await;
        let mut expected = vec![world.room];
        expected.extend(is_let_in.then_some(room));
        assert_eq!(world.list(&newcomer).await, expected, "{room} {state:?}");
    }
}

#[tokio::test]
async fn a_full_room_takes_no_newcomer() {
    let world = World::new().await;
    let full = RoomRow { members: MEMBERS_MAX, ..row(1, None) };
    let bob = world.bob.user();
    let fill = world.rooms.storage().write(move |store| {
        store.insert_room(&full)?;
        Ok(store.set_member(full.room, bob, Some(rules::joined(RoomRole::MEMBER)))?)
    });
    fill.await.unwrap();
    let newcomer = world.account(3, "newcomer", ServerRole::GUEST).await;
    world.welcome(&newcomer, id(1), &world.bob).await;
    assert_eq!(world.list(&newcomer).await, [world.room]);
}

#[tokio::test]
async fn a_ban_with_an_end_has_one_within_bounds() {
    let world = World::new().await;
    let longest = SANCTION_LIFE_MAX.as_millis() as u64;
    for (life_ms, refused) in [(0, true), (longest + 1, true), (longest, false)] {
        let (room, user) = (world.room, world.bob.user());
        let ask = Impose { room, user, sanction: Sanction::BAN, life_ms: Some(life_ms), reason: None };
        let answer = world.rooms.impose(&world.ada, ask).await;
        assert_eq!(answer.err().map(|no| no.code), refused.then_some(Code::BAD_REQUEST), "{life_ms} ms");
    }
}

/// A room that is there, without a log.
fn row(number: usize, creator: Option<UserId>) -> RoomRow {
    RoomRow {
        room: id(number),
        name: Some(format!("row{number}").parse().unwrap()),
        visibility: Visibility::PUBLIC,
        topic: None,
        direct: None,
        head: Cursor::default(),
        floor: Seq(1),
        members: 0,
        creator,
        created_ms: 0,
        settings: Settings::default(),
    }
}
