//! Settings, and what is kept because of them.

use super::*;
use crate::store::AccountSettings;

async fn receipt(world: &World, user: UserId, seq: u64) -> bool {
    world.storage.write(move |writes| Ok(writes.put_receipt(LOBBY, user, Seq(seq))?)).await.unwrap()
}

async fn receipts(world: &World) -> Vec<(UserId, u64)> {
    let rows = world.storage.read(|reads| reads.receipts(LOBBY, 64)).await.unwrap();
    rows.into_iter().map(|(user, seq)| (user, seq.0)).collect()
}

pub(super) async fn nothing_is_kept_that_the_settings_do_not_allow(world: World) {
    world.create(LOBBY).await;
    for user in [ADA, BOB] {
        world.set_member(LOBBY, user, Some(JOINED)).await;
        assert_eq!(
            world.storage.read(move |reads| reads.account_settings(user)).await.unwrap(),
            AccountSettings::default()
        );
    }
    let all = AccountSettings { receipts: true, last_seen: true, seen_ms: Some(600_000) };
    let put = |user, row: AccountSettings| {
        world.storage.write(move |writes| Ok(writes.put_account_settings(user, &row)?))
    };
    assert_eq!(put(ADA, all).await.unwrap(), []);
    receipt(&world, ADA, 3).await;
    receipt(&world, BOB, 4).await;
    assert_eq!(world.storage.read(|reads| reads.account_settings(ADA)).await.unwrap(), all);
    let none = AccountSettings { receipts: false, last_seen: false, ..all };
    assert_eq!(put(ADA, none).await.unwrap(), [LOBBY], "the rooms in which something was known");
    assert_eq!(
        world.storage.read(|reads| reads.account_settings(ADA)).await.unwrap(),
        AccountSettings::default()
    );
    assert_eq!(receipts(&world).await, [(BOB, 4)]);
    let world = world.restarted().await;
    assert_eq!(receipts(&world).await.len(), 1);
}

pub(super) async fn a_receipt_only_moves_forward_and_ends_with_the_membership(world: World) {
    world.create(LOBBY).await;
    world.set_member(LOBBY, BOB, Some(JOINED)).await;
    for (seq, moved) in [(5, true), (5, false), (4, false), (6, true)] {
        assert_eq!(receipt(&world, BOB, seq).await, moved, "{seq}");
    }
    world.set_member(LOBBY, BOB, Some(MemberState { role: RoomRole::OWNER, ..JOINED })).await;
    assert_eq!(receipts(&world).await, [(BOB, 6)]);
    world.set_member(LOBBY, BOB, None).await;
    world.set_member(LOBBY, BOB, Some(JOINED)).await;
    assert_eq!(receipts(&world).await, []);
}
