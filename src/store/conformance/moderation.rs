//! What is kept about order: settings, sanctions, roles of those who left, records, reports, purges.

use quipu_protocol::Text;
use quipu_protocol::request::{Act, Permissions, Sanction};

use super::*;
use crate::store::{AuditRow, PurgeRow, PurgeStage, ReportRow, SanctionRow};

fn sanction(user: UserId, sanction: Sanction, at_ms: u64, until_ms: Option<u64>) -> SanctionRow {
    SanctionRow { room: LOBBY, user, sanction, by: ADA, at_ms, until_ms, reason: None }
}

fn record(room: Option<RoomId>, at_ms: u64) -> AuditRow {
    let (by, user) = (Some(ADA), Some(BOB));
    AuditRow { at_ms, act: Act::KICK, by, room, user, reason: None, detail: None }
}

impl World {
    async fn sanctions(&self, user: UserId) -> Vec<SanctionRow> {
        self.storage.read(move |reads| reads.sanctions(LOBBY, user)).await.unwrap()
    }

    async fn put_sanction(&self, row: SanctionRow) {
        self.storage.write(move |writes| Ok(writes.put_sanction(&row)?)).await.unwrap();
    }
}

pub(super) async fn settings_are_kept(world: World) {
    world.create(LOBBY).await;
    let settings = Settings { read_only: true, invite_only: true, slow_ms: 7_000 };
    world.storage.write(move |writes| Ok(writes.put_settings(LOBBY, settings)?)).await.unwrap();
    let world = world.restarted().await;
    let room = world.storage.read(|reads| reads.room(LOBBY)).await.unwrap().unwrap();
    assert_eq!(room.settings, settings);
}

/// Goal: one of each kind holds, the newest; what is over makes room, and nothing else does.
pub(super) async fn one_sanction_of_a_kind_holds(world: World) {
    world.create(LOBBY).await;
    let user = |user, nickname: &str| user_row(user, nickname);
    let (ada, bob) = (user(ADA, "ada"), user(BOB, "bob"));
    world
        .storage
        .write(move |writes| Ok([ada, bob].iter().try_for_each(|row| writes.put_user(row))?))
        .await
        .unwrap();
    let ban = sanction(BOB, Sanction::BAN, 10, None);
    let mute = sanction(BOB, Sanction::MUTE, 20, Some(100));
    world.put_sanction(sanction(BOB, Sanction::BAN, 5, Some(50))).await;
    world.put_sanction(ban.clone()).await;
    world.put_sanction(mute.clone()).await;
    assert_eq!(world.sanctions(BOB).await, [ban.clone(), mute.clone()]);
    world.put_sanction(sanction(ADA, Sanction::MUTE, 99, None)).await;
    assert_eq!(world.sanctions(BOB).await.len(), 2, "not over yet");
    let world = world.restarted().await;
    let holds = |now_ms| world.storage.read(move |reads| reads.sanctions_in(LOBBY, now_ms, None, 9));
    let kinds = |rows: Vec<(SanctionRow, Nickname)>| -> Vec<_> {
        rows.into_iter().map(|(row, _)| (row.user, row.sanction)).collect()
    };
    let all = [(ADA, Sanction::MUTE), (BOB, Sanction::BAN), (BOB, Sanction::MUTE)];
    assert_eq!(kinds(holds(99).await.unwrap()), all);
    assert_eq!(kinds(holds(100).await.unwrap()), all[..2]);
    world.put_sanction(sanction(ADA, Sanction::BAN, 100, None)).await;
    assert_eq!(world.sanctions(BOB).await, [ban], "the mute is over and gone");
    world.storage.write(|writes| Ok(writes.drop_sanction(LOBBY, BOB, Sanction::BAN)?)).await.unwrap();
    assert_eq!((world.sanctions(BOB).await.len(), world.sanctions(ADA).await.len()), (0, 2));
}

/// Goal: who leaves comes back as no more than they were.
pub(super) async fn as_what_somebody_left_is_kept(world: World) {
    world.create(LOBBY).await;
    let parted = |world: &World| {
        let storage = world.storage.clone();
        async move { storage.read(|reads| reads.parted(LOBBY, BOB)).await.unwrap() }
    };
    let only = Some(Permissions::READ);
    world
        .set_member(LOBBY, BOB, Some(MemberState { role: RoomRole::MODERATOR, permissions: only, ..JOINED }))
        .await;
    assert_eq!(parted(&world).await, None);
    world.set_member(LOBBY, BOB, None).await;
    let world = world.restarted().await;
    let before = parted(&world).await.unwrap();
    assert_eq!((before.role, before.permissions), (RoomRole::MODERATOR, only));
}

pub(super) async fn owners_in_use_are_counted(world: World) {
    world.create(LOBBY).await;
    let owner = MemberState { role: RoomRole::OWNER, ..JOINED };
    for (who, nickname, is_out) in [(ADA, "ada", false), (BOB, "bob", true), (user(3), "cyd", false)] {
        let role = if who == ADA || who == BOB { ServerRole::OWNER } else { ServerRole::ADMIN };
        let row = UserRow { role, deactivated_ms: is_out.then_some(1), ..user_row(who, nickname) };
        world.storage.write(move |writes| Ok(writes.put_user(&row)?)).await.unwrap();
        world.set_member(LOBBY, who, Some(owner)).await;
    }
    let counts = world
        .storage
        .read(|reads| Ok((reads.owners(LOBBY)?, reads.active_owners(LOBBY)?, reads.server_owners()?)));
    assert_eq!(counts.await.unwrap(), (3, 2, 1));
}

pub(super) async fn records_and_reports_are_found_by_room(world: World) {
    world.create(LOBBY).await;
    let fill = world.storage.write(|writes| {
        for (at_ms, of) in (0..).zip([Some(LOBBY), None, Some(room(2)), Some(LOBBY)]) {
            writes.put_audit(&record(of, at_ms))?;
        }
        for (seq, by) in [(1, ADA), (1, BOB), (2, BOB)] {
            let reason = Text::new("loud").unwrap();
            let (seq, author) = (Seq(seq), user(3));
            writes.put_report(&ReportRow { room: LOBBY, seq, author, by, at_ms: 0, reason })?;
        }
        Ok(())
    });
    fill.await.unwrap();
    let world = world.restarted().await;
    let times = |of: Option<RoomId>, after: Option<u64>| {
        let ask = world.storage.read(move |reads| reads.audit(of, after, 9));
        async move { ask.await.unwrap().into_iter().map(|(_, row)| row.at_ms).collect::<Vec<_>>() }
    };
    assert_eq!((times(None, None).await, times(Some(LOBBY), None).await), (vec![3, 2, 1, 0], vec![3, 0]));
    assert_eq!(times(Some(LOBBY), Some(4)).await, [0], "behind the fourth record");
    let waiting = world.storage.read(|reads| {
        let [first, ..] = &reads.reports(Some(LOBBY), 0, 9)?[..] else { panic!("reports wait") };
        let others = reads.reports(None, first.0, 9)?.len();
        Ok((first.clone(), others, reads.reports_by(BOB)?, reads.is_reported(LOBBY, Seq(2), ADA)?))
    });
    let ((number, report), others, bobs, is_reported) = waiting.await.unwrap();
    assert_eq!((report.by, others, bobs, is_reported), (ADA, 2, 2, false));
    world.storage.write(move |writes| Ok(writes.drop_report(number)?)).await.unwrap();
    let left = world.storage.read(move |reads| Ok((reads.report(number)?, reads.reports(None, 0, 9)?.len())));
    assert_eq!(left.await.unwrap(), (None, 2));
}

/// Goal: how far a purge has come outlives a stop, and the first one is the next one.
pub(super) async fn purges_are_kept_until_they_are_done(world: World) {
    world.create(LOBBY).await;
    let by = (ADA, DeviceId::from_bytes([9; 16]));
    let row = |user, stage| PurgeRow { purge: 0, user, stage, by, reason: None };
    let first = row(BOB, PurgeStage::Looking(LOBBY, Seq(3)));
    let second = row(ADA, PurgeStage::Everywhere(None));
    let put = world
        .storage
        .write(move |writes| Ok([first, second].iter().try_for_each(|row| writes.put_purge(row))?));
    put.await.unwrap();
    let next = |world: &World| {
        let storage = world.storage.clone();
        async move { storage.read(|reads| reads.purge()).await.unwrap() }
    };
    assert_eq!(next(&world).await.map(|row| row.stage), Some(PurgeStage::Looking(LOBBY, Seq(3))));
    let went_on = PurgeRow { stage: PurgeStage::Room(LOBBY, Seq(9), Seq(4)), ..next(&world).await.unwrap() };
    let stored = went_on.clone();
    world.storage.write(move |writes| Ok(writes.put_purge(&stored)?)).await.unwrap();
    let world = world.restarted().await;
    assert_eq!(next(&world).await, Some(went_on.clone()));
    let asked = world.storage.read(|reads| {
        Ok([
            reads.is_purging(BOB, Some(LOBBY))?,
            reads.is_purging(BOB, None)?,
            reads.is_purging(BOB, Some(room(2)))?,
            reads.is_purging(ADA, None)?,
        ])
    });
    assert_eq!(asked.await.unwrap(), [true, true, false, true]);
    world.storage.write(move |writes| Ok(writes.drop_purge(went_on.purge)?)).await.unwrap();
    assert_eq!(next(&world).await.map(|row| row.user), Some(ADA));
}

pub(super) async fn rooms_somebody_wrote_in_are_known_also_when_it_is_erased(world: World) {
    for number in [1, 2, 3] {
        world.create(room(number)).await;
    }
    world.append(says(ADA, 1, "here")).await;
    world.append(NewEntry { room: room(3), ..says(ADA, 2, "there") }).await;
    let erase = quipu_protocol::entry::Erasure::RETRACTED;
    world.storage.write(move |writes| Ok(writes.erase(LOBBY, Seq(1), erase)?)).await.unwrap();
    let written = world.storage.read(|reads| reads.rooms_written(ADA, None, 2)).await.unwrap();
    assert_eq!(written, [(LOBBY, true), (room(2), false)]);
    let rest = world.storage.read(|reads| reads.rooms_written(ADA, Some(room(2)), 2)).await.unwrap();
    assert_eq!(rest, [(room(3), true)]);
    // Who is or was there may have said something that nothing else tells.
    world.set_member(room(2), ADA, Some(JOINED)).await;
    world.set_member(room(2), BOB, Some(JOINED)).await;
    world.set_member(room(2), BOB, None).await;
    for who in [ADA, BOB] {
        let found =
            world.storage.read(move |reads| reads.rooms_written(who, Some(room(1)), 1)).await.unwrap();
        assert_eq!(found, [(room(2), true)]);
    }
}
