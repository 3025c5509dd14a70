//! Memberships, markers, and who shares a room with whom.

use super::*;
use crate::store::MemberRow;

pub(super) async fn joining_leaves_nothing_unread(world: World) {
    world.create(LOBBY).await;
    for number in 1..=5 {
        world.append(says(ADA, number, "before")).await;
    }
    world.append(becomes(BOB, Some(INVITED))).await;
    assert_eq!(world.unread(LOBBY, BOB).await, None, "an invitation is not a head");
    let joined = place(world.append(becomes(BOB, Some(JOINED))).await).at.seq;
    let member = world.storage.read(|reads| reads.member(LOBBY, BOB)).await.unwrap();
    assert_eq!(
        member,
        Some(MemberRow { state: JOINED, marker: joined, reached: joined, notify: Notify::ALL })
    );
    assert_eq!(world.unread(LOBBY, BOB).await, Some(0));
    assert_eq!(world.storage.read(|reads| reads.room(LOBBY)).await.unwrap().unwrap().members, 1);

    world.append(says(BOB, 1, "mine")).await;
    world.append(says(ADA, 6, "hers")).await;
    world.append(becomes(user(3), Some(JOINED))).await;
    assert_eq!(
        world.unread(LOBBY, BOB).await,
        Some(1),
        "neither one's own words nor the server's notes count"
    );

    // Another role changes neither marker nor count; leaving and coming back reads everything.
    let owner = MemberState { role: RoomRole::OWNER, ..JOINED };
    world.append(becomes(BOB, Some(owner))).await;
    assert_eq!(world.unread(LOBBY, BOB).await, Some(1));
    world.append(becomes(BOB, None)).await;
    assert_eq!(world.unread(LOBBY, BOB).await, None);
    world.append(becomes(BOB, Some(JOINED))).await;
    assert_eq!(world.unread(LOBBY, BOB).await, Some(0));
}

pub(super) async fn markers_only_move_forward(world: World) {
    world.create(LOBBY).await;
    world.set_member(LOBBY, BOB, Some(JOINED)).await;
    for number in 1..=10 {
        world.append(says(if number % 2 == 0 { BOB } else { ADA }, number, "hello")).await;
    }
    for (seq, marker, unread) in [(0, 0, 5), (4, 4, 3), (3, 4, 3), (7, 7, 1), (u64::MAX, 10, 0), (9, 10, 0)] {
        let marked =
            world.storage.write(move |writes| Ok(writes.mark_read(LOBBY, BOB, Seq(seq))?)).await.unwrap();
        assert_eq!((marked, world.unread(LOBBY, BOB).await), (Seq(marker), Some(unread)), "marked {seq}");
    }
    // Who is not a member has no marker.
    let stranger = world.storage.write(|writes| Ok(writes.mark_read(LOBBY, ADA, Seq(1))?)).await;
    assert!(matches!(stranger, Err(WriteError::Store(_))));
}

pub(super) async fn only_joined_members_count(world: World) {
    world.create(LOBBY).await;
    let owner = MemberState { role: RoomRole::OWNER, ..JOINED };
    let moderator = MemberState { role: RoomRole::MODERATOR, ..JOINED };
    for (member, state) in [(1, owner), (2, JOINED), (3, INVITED), (4, JOINED), (4, JOINED), (5, moderator)] {
        world.set_member(LOBBY, user(member), Some(state)).await;
    }
    world.set_member(LOBBY, user(2), None).await;
    world.set_member(LOBBY, user(9), None).await;
    let counts = |reads: &dyn crate::store::Reads| {
        let members = reads.room(LOBBY)?.map(|room| room.members);
        Ok((members, reads.owners(LOBBY)?))
    };
    assert_eq!(world.storage.read(counts).await.unwrap(), (Some(3), 1));
    for (state, owners) in [(owner, 2), (MemberState { role: RoomRole::OWNER, ..INVITED }, 1), (JOINED, 1)] {
        world.set_member(LOBBY, user(4), Some(state)).await;
        assert_eq!(world.storage.read(counts).await.unwrap().1, owners, "{state:?}");
    }
    world.set_member(LOBBY, user(1), None).await;
    assert_eq!(world.storage.read(counts).await.unwrap(), (Some(2), 0));
}

pub(super) async fn rooms_of_an_account_are_counted(world: World) {
    for number in 1..=5 {
        world.create(room(number)).await;
    }
    let direct = RoomRow { direct: Some((ADA, BOB)), creator: Some(BOB), ..room_row(room(6)) };
    let nobodys = RoomRow { creator: None, ..room_row(room(7)) };
    world
        .storage
        .write(move |writes| Ok([direct, nobodys].iter().try_for_each(|row| writes.insert_room(row))?))
        .await
        .unwrap();
    for (number, state) in [(1, INVITED), (2, INVITED), (3, JOINED), (5, JOINED), (6, JOINED), (5, INVITED)] {
        world.set_member(room(number), BOB, Some(state)).await;
    }
    world.set_member(room(1), BOB, None).await;
    let counts = |reads: &dyn crate::store::Reads| {
        let of = |user| {
            let [invited, joined] = [MembershipState::INVITED, MembershipState::JOINED]
                .map(|state| reads.memberships(user, state));
            Ok::<_, crate::store::StoreError>((invited?, joined?, reads.rooms_made(user)?))
        };
        Ok((of(ADA)?, of(BOB)?))
    };
    assert_eq!(world.storage.read(counts).await.unwrap(), ((0, 0, 5), (2, 2, 1)));
}

pub(super) async fn members_come_in_pages(world: World) {
    world.create(LOBBY).await;
    world.create(room(2)).await;
    for member in 1..=9 {
        let row = user_row(user(member), &format!("user{member}"));
        world.storage.write(move |writes| Ok(writes.put_user(&row)?)).await.unwrap();
        world.set_member(LOBBY, user(member), Some(if member == 5 { INVITED } else { JOINED })).await;
    }
    world.set_member(room(2), user(1), Some(JOINED)).await;
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = world.storage.read(move |reads| reads.members(LOBBY, after, 4)).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(last.user);
        all.extend(page);
    }
    let expected = (1..=9).map(|member| {
        (user_row(user(member), &format!("user{member}")), if member == 5 { INVITED } else { JOINED })
    });
    let found = all.into_iter().map(|(user, member)| (user, member.state));
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}
