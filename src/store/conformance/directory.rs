//! Rooms, accounts, devices and invites.

use quipu_protocol::InviteId;

use super::*;
use crate::store::{Before, DeviceRow, HeadRow, InviteRow, StoreError};

pub(super) async fn rooms_are_found(world: World) {
    let lobby = RoomRow {
        name: Some("lobby".parse().unwrap()),
        topic: Some("what we talk about ☕".parse().unwrap()),
        ..room_row(LOBBY)
    };
    let pair = RoomRow {
        visibility: Visibility::DIRECT,
        direct: Some((ADA, BOB)),
        creator: None,
        ..room_row(room(2))
    };
    let rows = [lobby.clone(), pair.clone()];
    world
        .storage
        .write(move |writes| Ok(rows.iter().try_for_each(|row| writes.insert_room(row))?))
        .await
        .unwrap();
    let find = |reads: &dyn crate::store::Reads| {
        let missing = (
            reads.room(room(3))?,
            reads.room_by_name(&"other".parse().unwrap())?,
            reads.direct_room(ADA, ADA)?,
        );
        assert_eq!(missing, (None, None, None));
        let named = reads.room_by_name(&"lobby".parse().unwrap())?;
        Ok([reads.room(LOBBY)?, named, reads.direct_room(ADA, BOB)?, reads.direct_room(BOB, ADA)?])
    };
    let found = world.storage.read(find).await.unwrap();
    assert_eq!(found, [Some(lobby.clone()), Some(lobby), Some(pair.clone()), Some(pair)]);
}

pub(super) async fn rooms_come_in_pages(world: World) {
    // Every second room is private; Bob joined 2, 3 and 8 and is invited to 5 and 6.
    for number in 1..=9 {
        let visibility = if number % 2 == 0 { Visibility::PRIVATE } else { Visibility::PUBLIC };
        let row = RoomRow { visibility, ..room_row(room(number)) };
        world.storage.write(move |writes| Ok(writes.insert_room(&row)?)).await.unwrap();
        world.set_member(room(number), ADA, Some(JOINED)).await;
    }
    for (number, state) in [(2, JOINED), (3, JOINED), (5, INVITED), (6, INVITED), (8, JOINED)] {
        world.set_member(room(number), BOB, Some(state)).await;
    }
    let numbers = |rooms: Vec<RoomId>| rooms.iter().map(|room| room.as_bytes()[0]).collect::<Vec<_>>();
    for (after, limit, of, visible) in [
        (None, 99, vec![2, 3, 5, 6, 8], vec![1, 2, 3, 5, 6, 7, 8, 9]),
        (Some(room(3)), 2, vec![5, 6], vec![5, 6]),
        (Some(room(6)), 2, vec![8], vec![7, 8]),
        (Some(room(9)), 2, vec![], vec![]),
    ] {
        let question = move |reads: &dyn crate::store::Reads| {
            Ok((reads.rooms_of(BOB, after, limit)?, reads.rooms_visible(BOB, after, limit)?))
        };
        let (found_of, found_visible) = world.storage.read(question).await.unwrap();
        for (row, member) in &found_visible {
            let of = found_of.iter().find(|(of, _)| of.room == row.room).map(|(_, member)| *member);
            assert!(of.is_none() || of == *member);
        }
        assert_eq!(numbers(found_of.into_iter().map(|(row, _)| row.room).collect()), of);
        assert_eq!(numbers(found_visible.into_iter().map(|(row, _)| row.room).collect()), visible);
    }

    let heads = |reads: &dyn crate::store::Reads| {
        Ok((reads.heads(BOB, None)?, reads.heads(BOB, Some(&[room(8), room(5), room(1), room(2)]))?))
    };
    let (all, named) = world.storage.read(heads).await.unwrap();
    let rooms = |heads: Vec<HeadRow>| heads.iter().map(|head| head.room).collect();
    assert_eq!(numbers(rooms(all)), [2, 3, 8]);
    assert_eq!(numbers(rooms(named)), [8, 2]);
}

pub(super) async fn nicknames_are_unique(world: World) {
    let put = async |row: UserRow| world.storage.write(move |writes| Ok(writes.put_user(&row)?)).await;
    put(user_row(ADA, "Ada")).await.unwrap();
    put(user_row(BOB, "bob")).await.unwrap();
    assert!(matches!(put(user_row(BOB, "aDA")).await, Err(WriteError::Store(StoreError::Failed(_)))));
    let renamed = UserRow { epoch: 4, role: ServerRole::OWNER, ..user_row(ADA, "Countess") };
    put(renamed.clone()).await.unwrap();
    put(user_row(BOB, "ada")).await.unwrap();
    let find = |reads: &dyn crate::store::Reads| {
        let by = |folded: &str| reads.user_by_nickname(folded);
        assert_eq!((by("bob")?, by("Ada")?, reads.users()?), (None, None, 2));
        Ok([by("countess")?, by("ada")?, reads.user(ADA)?, reads.user(BOB)?, reads.user(user(7))?])
    };
    let [countess, ada, first, second, missing] = world.storage.read(find).await.unwrap();
    assert_eq!((countess, first), (Some(renamed.clone()), Some(renamed)));
    assert_eq!((ada, second, missing), (Some(user_row(BOB, "ada")), Some(user_row(BOB, "ada")), None));
}

pub(super) async fn devices_are_found_by_key(world: World) {
    let device = |number: u8, user: UserId| DeviceRow {
        device: DeviceId::from_bytes([number; 16]),
        user,
        name: "Maria's phone ☎".parse().unwrap(),
        key: vec![number; 70],
        invite: InviteId::from_bytes([number % 2; 16]),
        created_ms: 1,
        seen_ms: 2,
        revoked_ms: None,
    };
    let put = async |row: DeviceRow| world.storage.write(move |writes| Ok(writes.put_device(&row)?)).await;
    for (number, user) in [(3, ADA), (1, ADA), (2, BOB), (5, BOB)] {
        put(device(number, user)).await.unwrap();
    }
    assert!(put(DeviceRow { key: vec![1; 70], ..device(4, BOB) }).await.is_err(), "the key is another's");
    let changed = DeviceRow { seen_ms: 9, revoked_ms: Some(u64::MAX), key: vec![7; 50], ..device(1, ADA) };
    put(changed.clone()).await.unwrap();
    let find = |reads: &dyn crate::store::Reads| {
        assert_eq!(
            (reads.device_by_key(&[1; 70])?, reads.device(DeviceId::from_bytes([4; 16]))?),
            (None, None)
        );
        let redeemed = |limit| reads.redeemed_by(InviteId::from_bytes([1; 16]), limit);
        assert_eq!((redeemed(9)?, redeemed(1)?), (vec![ADA, BOB], vec![ADA]));
        Ok((
            reads.device_by_key(&[7; 50])?,
            reads.device(DeviceId::from_bytes([1; 16]))?,
            reads.devices(ADA)?,
        ))
    };
    let (by_key, by_id, of_ada) = world.storage.read(find).await.unwrap();
    assert_eq!((by_key.as_ref(), by_id.as_ref()), (Some(&changed), Some(&changed)));
    assert_eq!(of_ada, [changed, device(3, ADA)]);
}

pub(super) async fn invites_are_found_by_hash(world: World) {
    let invite = |number: u8, created_by: Option<UserId>| InviteRow {
        invite: InviteId::from_bytes([number; 16]),
        secret_hash: [number; 32],
        created_by,
        device: created_by.map(|_| DeviceId::from_bytes([7; 16])),
        room: created_by.map(|_| LOBBY),
        role: ServerRole::GUEST,
        for_user: None,
        uses_left: 3,
        expires_ms: u64::MAX,
        revoked: false,
        created_ms: 5,
    };
    for (number, by) in [(4, Some(ADA)), (1, None), (3, Some(BOB)), (2, Some(ADA))] {
        let row = invite(number, by);
        world.storage.write(move |writes| Ok(writes.put_invite(&row)?)).await.unwrap();
    }
    let used = InviteRow { uses_left: 0, revoked: true, for_user: Some(BOB), ..invite(2, Some(ADA)) };
    let row = used.clone();
    world.storage.write(move |writes| Ok(writes.put_invite(&row)?)).await.unwrap();
    let find = |reads: &dyn crate::store::Reads| {
        assert_eq!(
            (reads.invite_by_hash(&[9; 32])?, reads.invite(InviteId::from_bytes([9; 16]))?),
            (None, None)
        );
        let first = Some(InviteId::from_bytes([1; 16]));
        let numbers = |rows: Vec<InviteRow>| rows.iter().map(|row| row.secret_hash[0]).collect::<Vec<_>>();
        assert_eq!(numbers(reads.invites(None, None, 3)?), [1, 2, 3]);
        assert_eq!(numbers(reads.invites(None, first, 9)?), [2, 3, 4]);
        assert_eq!(numbers(reads.invites(Some(ADA), first, 9)?), [2, 4]);
        assert_eq!(numbers(reads.invites(Some(ADA), None, 1)?), [2]);
        Ok([reads.invite_by_hash(&[2; 32])?, reads.invite(InviteId::from_bytes([2; 16]))?])
    };
    assert_eq!(world.storage.read(find).await.unwrap(), [Some(used.clone()), Some(used)]);
}

pub(super) async fn invites_are_taken_back_together_and_forgotten_when_they_have_ended(world: World) {
    let [lost, kept] = [1, 2].map(|number| Some(DeviceId::from_bytes([number; 16])));
    let invite = |number: u8, created_by, device, for_user| InviteRow {
        invite: InviteId::from_bytes([number; 16]),
        secret_hash: [number; 32],
        created_by: Some(created_by),
        device,
        room: None,
        role: ServerRole::GUEST,
        for_user,
        uses_left: u64::from(number != 5),
        expires_ms: 9_000,
        revoked: false,
        created_ms: 5,
    };
    let rows = [
        invite(1, ADA, lost, None),
        invite(2, ADA, kept, Some(ADA)),
        invite(3, ADA, kept, None),
        invite(4, BOB, kept, None),
        invite(5, ADA, lost, None),
    ];
    let put = move |writes: &mut dyn crate::store::Writes| {
        Ok(rows.iter().try_for_each(|row| writes.put_invite(row))?)
    };
    world.storage.write(put).await.unwrap();
    let states = || {
        world.storage.read(|reads| {
            let rows = reads.invites(None, None, 9)?;
            Ok(rows.iter().map(|row| (row.secret_hash[0], row.revoked, row.expires_ms)).collect::<Vec<_>>())
        })
    };
    let device = lost.unwrap();
    let revoke =
        move |writes: &mut dyn crate::store::Writes| Ok(writes.revoke_invites_of_device(ADA, device, 2_000)?);
    world.storage.write(revoke).await.unwrap();
    let open = [(3, false, 9_000), (4, false, 9_000), (5, false, 9_000)];
    assert_eq!(states().await.unwrap(), [&[(1, true, 2_000), (2, true, 2_000)][..], &open].concat());
    let forget = |invites_ms| {
        let before = Before { invites_ms, ..Before::default() };
        world.storage.write(move |writes| Ok(writes.forget(before, 1)?))
    };
    for forgotten in [1, 1, 0] {
        assert_eq!(forget(2_001).await.unwrap(), forgotten);
    }
    assert_eq!(states().await.unwrap(), open);
    world.storage.write(|writes| Ok(writes.revoke_invites(ADA, 3_000)?)).await.unwrap();
    assert_eq!(states().await.unwrap(), [(3, true, 3_000), (4, false, 9_000), (5, true, 3_000)]);
    let made = world.storage.read(|reads| Ok((reads.invites_made(ADA)?, reads.invites_made(BOB)?)));
    assert_eq!(made.await.unwrap(), (2, 1));
}
