//! Reports that wait for a moderator, and the record of what was done.

use quipu_protocol::Seq;
use quipu_protocol::request::{
    Act, Audit, Direct, ListAudit, ListReports, RemoveMember, Report, Reports, Resolve,
};

use super::*;

async fn reported(by: &Member, room: RoomId, seq: Seq) -> Result<Done, Refusal> {
    by.peer.ask(&Report { room, seq, reason: why("spam") }).await
}

async fn acts(by: &Member, room: Option<RoomId>) -> Vec<Act> {
    let audit: Audit = by.peer.ask(&ListAudit { room, after: None }).await.unwrap();
    audit.records.iter().map(|record| record.act).collect()
}

#[tokio::test]
async fn a_report_waits_for_the_rooms_moderators_and_is_resolved() {
    let world = World::new().await;
    let seq = say(&world.bob, world.room, "buy now").await.unwrap().at.seq;
    assert_eq!(code(reported(&world.bob, world.room, seq).await), Code::BAD_REQUEST, "one's own");
    assert_eq!(code(reported(&world.ada, world.room, Seq(1)).await), Code::BAD_REQUEST, "a note");
    assert_eq!(code(reported(&world.ada, world.room, Seq(999)).await), Code::NOT_FOUND);
    assert_eq!(code(reported(&world.owner, world.room, seq).await), Code::FORBIDDEN, "no reader");
    for _ in 0..2 {
        reported(&world.ada, world.room, seq).await.unwrap();
    }
    let list = ListReports { room: Some(world.room), after: None };
    assert_eq!(code(world.bob.peer.ask::<Reports>(&list).await), Code::FORBIDDEN);
    let reports: Reports = world.cyd.peer.ask(&list).await.unwrap();
    assert_eq!(reports.reports.len(), 1);
    let row = &reports.reports[0];
    assert_eq!((row.seq, row.author, row.by), (seq, world.bob.me.user, world.ada.me.user));
    // Whoever runs the server sees that there is one, in all rooms, direct ones among them.
    let all = ListReports { room: None, after: None };
    assert_eq!(code(world.cyd.peer.ask::<Reports>(&all).await), Code::FORBIDDEN);
    let direct: RoomAnswer = world.bob.peer.ask(&Direct { user: world.ada.me.user }).await.unwrap();
    let seq = say(&world.bob, direct.info.room, "psst").await.unwrap().at.seq;
    reported(&world.ada, direct.info.room, seq).await.unwrap();
    assert_eq!(world.owner.peer.ask::<Reports>(&all).await.unwrap().reports.len(), 2);

    let resolve = Resolve { report: row.report, reason: Some(why("warned")) };
    assert_eq!(code(world.bob.peer.ask::<Done>(&resolve).await), Code::NOT_FOUND);
    let _: Done = world.cyd.peer.ask(&resolve).await.unwrap();
    assert!(world.cyd.peer.ask::<Reports>(&list).await.unwrap().reports.is_empty());
    assert_eq!(code(world.cyd.peer.ask::<Done>(&resolve).await), Code::NOT_FOUND);
}

#[tokio::test]
async fn reports_of_one_account_are_bounded() {
    let world = World::new().await;
    for _ in 0..quipu_server::limits::REPORTS_MAX {
        let seq = say(&world.bob, world.room, "x").await.unwrap().at.seq;
        reported(&world.ada, world.room, seq).await.unwrap();
    }
    let one_more = say(&world.bob, world.room, "x").await.unwrap().at.seq;
    assert_eq!(code(reported(&world.ada, world.room, one_more).await), Code::QUOTA);
    reported(&world.cyd, world.room, one_more).await.unwrap();
}

#[tokio::test]
async fn every_act_is_recorded_for_those_who_moderate() {
    let world = World::new().await;
    world.impose(&world.cyd, world.bob.me.user, Sanction::MUTE, Some(1_000)).await.unwrap();
    let ask = RemoveMember { room: world.room, user: world.bob.me.user, reason: Some(why("spam")) };
    let _: Done = world.cyd.peer.ask(&ask).await.unwrap();
    // Newest first, of the room alone; the first act is cyd's becoming a moderator.
    assert_eq!(acts(&world.cyd, Some(world.room)).await, [Act::KICK, Act::MUTE, Act::ROLE]);
    let audit: Audit = world.cyd.peer.ask(&ListAudit { room: Some(world.room), after: None }).await.unwrap();
    let kick = &audit.records[0];
    assert_eq!((kick.by, kick.user), (Some(world.cyd.me.user), Some(world.bob.me.user)));
    assert_eq!((kick.room, &kick.reason), (Some(world.room), &Some(why("spam"))));
    let after = ListAudit { room: Some(world.room), after: Some(kick.record) };
    let older: Audit = world.cyd.peer.ask(&after).await.unwrap();
    assert_eq!(older.records[..], audit.records[1..]);
    let all = ListAudit { room: None, after: None };
    assert_eq!(code(world.cyd.peer.ask::<Audit>(&all).await), Code::FORBIDDEN);
    assert_eq!(
        code(world.bob.peer.ask::<Audit>(&ListAudit { room: Some(world.room), after: None }).await),
        Code::FORBIDDEN
    );
    assert_eq!(acts(&world.owner, None).await.len(), 3);
}
