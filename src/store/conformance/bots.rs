//! Bots and webhooks: found as they are asked for, in pages, and gone when they ended.

use quipu_protocol::HookId;
use quipu_protocol::request::Permissions;

use super::*;
use crate::store::{BotRow, HookRow};

fn bot(number: u8, owner: UserId, rooms: Option<Vec<RoomId>>) -> BotRow {
    let scope = Permissions::READ.or(Permissions::SEND);
    BotRow { user: user(number), owner, scope, rooms, created_ms: 5, revoked_ms: None }
}

fn hook(number: u8, of: u8, bot: u8) -> HookRow {
    HookRow {
        hook: HookId::from_bytes([number; 16]),
        secret_hash: [number; 32],
        room: room(of),
        bot: user(bot),
        created_by: ADA,
        created_ms: 5,
    }
}

impl World {
    async fn put_bot(&self, row: BotRow) {
        self.storage.write(move |writes| Ok(writes.put_bot(&row)?)).await.unwrap();
    }

    async fn put_hook(&self, row: HookRow) -> Result<(), WriteError> {
        self.storage.write(move |writes| Ok(writes.put_hook(&row)?)).await
    }

    /// Webhooks into a room, by number.
    async fn hooks(&self, of: u8, after: Option<u8>, limit: usize) -> Vec<u8> {
        let after = after.map(|number| HookId::from_bytes([number; 16]));
        let rows = self.storage.read(move |reads| reads.hooks(room(of), after, limit)).await.unwrap();
        rows.iter().map(|row| row.secret_hash[0]).collect()
    }
}

pub(super) async fn bots_are_found_by_owner(world: World) {
    let held = bot(12, BOB, Some(vec![room(1), room(3)]));
    for row in [bot(14, ADA, None), bot(11, ADA, Some(Vec::new())), held.clone(), bot(13, ADA, None)] {
        world.put_bot(row).await;
    }
    let revoked = BotRow { scope: Permissions::NONE, revoked_ms: Some(u64::MAX), ..bot(13, ADA, None) };
    world.put_bot(revoked.clone()).await;
    let world = world.restarted().await;
    let find = |reads: &dyn crate::store::Reads| {
        let ids = |rows: Vec<BotRow>| rows.iter().map(|row| row.user).collect::<Vec<_>>();
        assert_eq!(ids(reads.bots(None, None, 3)?), [11, 12, 13].map(user));
        assert_eq!(ids(reads.bots(None, Some(user(11)), 9)?), [12, 13, 14].map(user));
        assert_eq!(ids(reads.bots(Some(ADA), Some(user(11)), 9)?), [13, 14].map(user));
        assert_eq!(ids(reads.bots(Some(ADA), None, 1)?), [11].map(user));
        assert_eq!((reads.bots_alive(ADA)?, reads.bots_alive(BOB)?, reads.bots_alive(user(9))?), (2, 1, 0));
        Ok([reads.bot(user(12))?, reads.bot(user(13))?, reads.bot(user(11))?, reads.bot(ADA)?])
    };
    let found = world.storage.read(find).await.unwrap();
    // Held to no room is not the same as held to none.
    assert_eq!(found, [Some(held), Some(revoked), Some(bot(11, ADA, Some(Vec::new()))), None]);
}

pub(super) async fn webhooks_are_found_by_hash_and_room(world: World) {
    for (number, of) in [(4, 1), (2, 1), (3, 2), (1, 1)] {
        world.put_hook(hook(number, of, 11)).await.unwrap();
    }
    assert!(world.put_hook(HookRow { secret_hash: [2; 32], ..hook(5, 1, 11) }).await.is_err(), "another's");
    let world = world.restarted().await;
    let find = |reads: &dyn crate::store::Reads| {
        assert_eq!((reads.hook_by_hash(&[9; 32])?, reads.hook(HookId::from_bytes([5; 16]))?), (None, None));
        Ok([reads.hook_by_hash(&[3; 32])?, reads.hook(HookId::from_bytes([3; 16]))?])
    };
    let expected = Some(hook(3, 2, 11));
    assert_eq!(world.storage.read(find).await.unwrap(), [expected.clone(), expected]);
    assert_eq!((world.hooks(1, None, 2).await, world.hooks(1, Some(2), 2).await), (vec![1, 2], vec![4]));
    assert_eq!((world.hooks(2, None, 9).await, world.hooks(3, None, 9).await), (vec![3], vec![]));
}

pub(super) async fn webhooks_end_with_their_bot(world: World) {
    for (number, of, bot) in [(1, 1, 11), (2, 2, 11), (3, 1, 12), (4, 1, 12)] {
        world.put_hook(hook(number, of, bot)).await.unwrap();
    }
    world.storage.write(|writes| Ok(writes.remove_hook(HookId::from_bytes([3; 16]))?)).await.unwrap();
    world.storage.write(|writes| Ok(writes.remove_hooks_of(user(11))?)).await.unwrap();
    // Again, and what was never there: nothing happens.
    world.storage.write(|writes| Ok(writes.remove_hook(HookId::from_bytes([3; 16]))?)).await.unwrap();
    let world = world.restarted().await;
    assert_eq!((world.hooks(1, None, 9).await, world.hooks(2, None, 9).await), (vec![4], vec![]));
    assert_eq!(world.storage.read(|reads| reads.hook_by_hash(&[1; 32])).await.unwrap(), None);
}
