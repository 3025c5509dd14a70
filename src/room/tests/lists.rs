//! Lists of moderators are paged: each row once, in order, however many there are.

use std::collections::BTreeSet;

use quipu_protocol::Text;
use quipu_protocol::limits::ROWS_MAX;
use quipu_protocol::request::{
    Act, ListAudit, ListReports, ListSanctions, Sanction, SanctionInfo, SanctionKey,
};

use super::*;
use crate::store::{AuditRow, ReportRow, SanctionRow};

/// Two whole pages and some.
const ROWS: usize = 2 * ROWS_MAX + 5;

fn user(number: usize) -> UserId {
    UserId::from_bytes((0x7000 + number as u128).to_be_bytes())
}

#[tokio::test]
async fn sanctions_come_in_pages_and_what_is_over_does_not_come() {
    let world = World::new().await;
    let (room, by) = (world.room, world.ada.user());
    let fill = world.rooms.storage().write(move |store| {
        for number in 0..ROWS {
            let who = UserRow {
                user: user(number),
                nickname: format!("user{number}").parse().unwrap(),
                role: ServerRole::MEMBER,
                epoch: 0,
                created_ms: 0,
                deactivated_ms: None,
            };
            store.put_user(&who)?;
            for sanction in [Sanction::BAN, Sanction::MUTE] {
                // Every third mute is over.
                let until_ms = (sanction == Sanction::MUTE && number % 3 == 0).then_some(1);
                let row =
                    SanctionRow { room, user: user(number), sanction, by, at_ms: 0, until_ms, reason: None };
                store.put_sanction(&row)?;
            }
        }
        Ok(())
    });
    fill.await.unwrap();
    let (mut seen, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = world.rooms.sanctions(&world.ada, ListSanctions { room, after }).await.unwrap();
        assert!(page.sanctions.len() <= ROWS_MAX);
        let key = |row: &SanctionInfo| SanctionKey { user: row.user, sanction: row.sanction };
        after = page.sanctions.last().map(key);
        seen.extend(page.sanctions.iter().map(key));
        pages += 1;
        if !page.more {
            break;
        }
    }
    let expected = (0..ROWS).flat_map(|number| {
        let mute = (number % 3 != 0).then_some(Sanction::MUTE);
        [Some(Sanction::BAN), mute].into_iter().flatten().map(move |sanction| (user(number), sanction))
    });
    assert_eq!(
        seen.iter().map(|key| (key.user, key.sanction)).collect::<BTreeSet<_>>(),
        expected.collect::<BTreeSet<_>>()
    );
    let count = ROWS * 2 - ROWS.div_ceil(3);
    assert_eq!((seen.len(), pages), (count, count.div_ceil(ROWS_MAX)));
}

#[tokio::test]
async fn reports_come_oldest_first_and_records_newest_first() {
    let world = World::new().await;
    let (room, by) = (world.room, world.bob.user());
    let fill = world.rooms.storage().write(move |store| {
        for number in 0..ROWS as u64 {
            let reason = Text::new("loud").unwrap();
            let report = ReportRow { room, seq: Seq(number), author: user(1), by, at_ms: number, reason };
            store.put_report(&report)?;
            let record = AuditRow {
                at_ms: number,
                act: Act::REPORT,
                by: Some(by),
                room: Some(room),
                user: Some(user(1)),
                reason: None,
                detail: None,
            };
            store.put_audit(&record)?;
        }
        Ok(())
    });
    fill.await.unwrap();
    let (mut reports, mut after) = (Vec::new(), None);
    loop {
        let page = world.rooms.reports(&world.ada, ListReports { room: Some(room), after }).await.unwrap();
        after = page.reports.last().map(|row| row.report);
        reports.extend(page.reports.iter().map(|row| row.at_ms));
        if !page.more {
            break;
        }
    }
    assert_eq!(reports, (0..ROWS as u64).collect::<Vec<_>>());
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let page = world.rooms.audit(&world.ada, ListAudit { room: Some(room), after }).await.unwrap();
        after = page.records.last().map(|row| row.record);
        records.extend(page.records.iter().map(|row| row.at_ms));
        if !page.more {
            break;
        }
    }
    assert_eq!(records, (0..ROWS as u64).rev().collect::<Vec<_>>());
}
