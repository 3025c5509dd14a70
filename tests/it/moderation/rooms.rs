//! In a room: who may do what, who is denied what, and what everybody else reads about it.

use quipu_protocol::entry::{Change, MemberChange};
use quipu_protocol::inbox::Membership;
use quipu_protocol::note::{RoleChange, SanctionChange};
use quipu_protocol::request::{
    CreateInvite, InviteAnswer, InviteMember, Leave, Lift, ListMembers, ListSanctions, Members,
    MembershipState, Permissions, RemoveMember, RoomSettings, Sanctions, SetPermissions, SetRoom, Transfer,
};
use quipu_protocol::room::{End, EndReason};
use quipu_protocol::{Cursor, Draft, Kind, cbor};

use super::*;
use crate::harness::{Watch, invite};

async fn set(by: &Member, room: RoomId, settings: RoomSettings) -> Result<RoomInfo, Refusal> {
    let ask = SetRoom { room, settings, reason: None };
    by.peer.ask::<RoomAnswer>(&ask).await.map(|answer| answer.info)
}

/// What the INBOX says may be read much later, so it says nothing of a room to whoever is out of it.
#[tokio::test]
async fn whoever_was_sent_out_is_told_that_and_no_more() {
    let world = World::new().await;
    let room = made(&world.ada, "secret", Visibility::PRIVATE).await;
    let ask = InviteMember { room, user: world.bob.me.user };
    let _: Done = world.ada.peer.ask(&ask).await.unwrap();
    enter(&world.bob, room).await.unwrap();
    let mut watch = Watch::of(&world.bob).await;
    let ask = RemoveMember { room, user: world.bob.me.user, reason: None };
    let _: Done = world.ada.peer.ask(&ask).await.unwrap();
    let info = loop {
        let (Membership { info }, _) = watch.next_is::<Membership>().await;
        if info.room == room && info.membership == MembershipState::NONE {
            break info;
        }
    };
    assert_eq!((info.name, info.topic, info.members, info.head), (None, None, 0, Cursor::default()));
    assert!(info.settings.is_none() && info.retention.is_none() && info.deleted.is_none());
}

#[tokio::test]
async fn a_kick_tells_why_and_ends_the_reading() {
    let world = World::new().await;
    let (_, mut reading) = world.bob.read(world.room, None).await;
    let ask = RemoveMember { room: world.room, user: world.bob.me.user, reason: Some(why("spam")) };
    assert_eq!(code(world.bob.peer.ask::<Done>(&ask).await), Code::FORBIDDEN);
    let _: Done = world.cyd.peer.ask(&ask).await.unwrap();
    let end = loop {
        let frame = reading.next().await.unwrap().unwrap();
        if frame.is::<End>() {
            break frame.decode::<End>().unwrap();
        }
    };
    assert_eq!(end.reason, EndReason::REMOVED);
    let entry = last(&world.ada, world.room).await;
    let change: MemberChange = cbor::decode(&entry.body, "MemberChange").unwrap();
    assert_eq!((change.user, change.change), (world.bob.me.user, Change::REMOVED));
    assert_eq!((entry.user, entry.ext.reason), (Some(world.cyd.me.user), Some(why("spam"))));
    enter(&world.bob, world.room).await.unwrap();
}

#[tokio::test]
async fn who_is_banned_comes_back_by_no_way_until_it_is_lifted() {
    let world = World::new().await;
    let bob = world.bob.me.user;
    world.impose(&world.cyd, bob, Sanction::BAN, None).await.unwrap();
    assert_eq!(code(enter(&world.bob, world.room).await), Code::FORBIDDEN);
    let ask = InviteMember { room: world.room, user: bob };
    assert_eq!(code(world.ada.peer.ask::<Done>(&ask).await), Code::FORBIDDEN);
    let entries = log(&world.ada, world.room).await;
    let [ban, removed] = entries.last_chunk().unwrap();
    let told: SanctionChange = cbor::decode(&ban.body, "SanctionChange").unwrap();
    assert_eq!((told.user, told.sanction, told.imposed), (bob, Sanction::BAN, true));
    assert_eq!((ban.kind, removed.kind), (Kind::SANCTION, Kind::MEMBER));

    let list = ListSanctions { room: world.room, after: None };
    let rows: Sanctions = world.cyd.peer.ask(&list).await.unwrap();
    assert_eq!((rows.sanctions.len(), rows.sanctions[0].by), (1, world.cyd.me.user));
    assert_eq!(
        code(
            world
                .owner
                .peer
                .ask::<Sanctions>(&ListSanctions { room: RoomId::from_bytes([9; 16]), after: None })
                .await
        ),
        Code::NOT_FOUND
    );
    let lift = Lift { room: world.room, user: bob, sanction: Sanction::BAN, reason: None };
    let _: Done = world.cyd.peer.ask(&lift).await.unwrap();
    enter(&world.bob, world.room).await.unwrap();
    // What is lifted twice is lifted once.
    let head = last(&world.ada, world.room).await.seq;
    let _: Done = world.cyd.peer.ask(&lift).await.unwrap();
    assert_eq!(last(&world.ada, world.room).await.seq, head);
}

/// People who are not there, an invite link, an end by the server's clock.
#[tokio::test]
async fn a_ban_holds_for_who_was_never_there_and_ends_by_the_servers_clock() {
    let world = World::new().await;
    let dan = world.server.join(&world.owner, "dan").await;
    world.impose(&world.cyd, dan.me.user, Sanction::BAN, Some(60_000)).await.unwrap();
    // Asked again because an answer was lost: one entry.
    let head = last(&world.ada, world.room).await.seq;
    world.impose(&world.cyd, dan.me.user, Sanction::BAN, Some(60_000)).await.unwrap();
    assert_eq!(last(&world.ada, world.room).await.seq, head);
    assert_eq!(code(enter(&dan, world.room).await), Code::FORBIDDEN);
    world.server.clock.advance(59_999);
    assert_eq!(code(enter(&dan, world.room).await), Code::FORBIDDEN);
    world.server.clock.advance(1);
    enter(&dan, world.room).await.unwrap();
    let nobody = world.impose(&world.cyd, UserId::from_bytes([9; 16]), Sanction::BAN, None).await;
    assert_eq!(code(nobody), Code::NOT_FOUND);
    assert_eq!(code(world.impose(&world.cyd, dan.me.user, Sanction::BAN, Some(0)).await), Code::BAD_REQUEST);
    let forever = world.impose(&world.cyd, dan.me.user, Sanction::BAN, Some(u64::MAX)).await;
    assert_eq!(code(forever), Code::BAD_REQUEST);
}

#[tokio::test]
async fn a_link_of_somebody_who_may_not_invite_leads_nowhere() {
    let world = World::new().await;
    enter(&world.owner, world.room).await.unwrap();
    let ask = CreateInvite { room: Some(world.room), ..invite(5) };
    let link: InviteAnswer = world.owner.peer.ask(&ask).await.unwrap();
    let only = Permissions::READ.or(Permissions::SEND);
    let user = world.owner.me.user;
    let ask = SetPermissions { room: world.room, user, permissions: Some(only), reason: None };
    let _: Done = world.ada.peer.ask(&ask).await.unwrap();
    let eve = world.server.redeem(&link.secret[..].try_into().unwrap(), "eve").await;
    assert!(!is_member(&world, eve.me.user).await, "they may not let anybody in");
}

async fn is_member(world: &World, user: UserId) -> bool {
    let members: Members = world.ada.peer.ask(&ListMembers { room: world.room, after: None }).await.unwrap();
    members.members.iter().any(|member| member.user == user)
}

#[tokio::test]
async fn who_is_muted_reads_and_is_not_heard_until_the_clock_says_so() {
    let world = World::new().await;
    world.impose(&world.cyd, world.bob.me.user, Sanction::MUTE, Some(5_000)).await.unwrap();
    let refused = say(&world.bob, world.room, "but").await.unwrap_err().refusal;
    assert_eq!(refused.code, Code::FORBIDDEN);
    assert!(log(&world.bob, world.room).await.len() > 3);
    // Leaving and coming back is no way around it.
    let _: RoomAnswer = world.bob.peer.ask(&Leave { room: world.room }).await.unwrap();
    let info = enter(&world.bob, world.room).await.unwrap();
    assert!(info.muted.is_some() && !info.permissions.unwrap().has(Permissions::SEND));
    assert!(say(&world.bob, world.room, "but").await.is_err());
    world.server.clock.advance(5_000);
    say(&world.bob, world.room, "but").await.unwrap();
}

/// Goal: what follows a message on its stream does not find the room ready a moment later and overtake it.
#[tokio::test]
async fn what_slow_mode_refused_is_not_overtaken_on_its_stream() {
    let world = World::new().await;
    let slow = RoomSettings { slow_ms: Some(30_000), ..RoomSettings::default() };
    set(&world.ada, world.room, slow).await.unwrap();
    let [one, two, three] = ["one", "two", "three"].map(|text| draft(world.room, text));
    let mut stream = world.bob.author().await;
    let mut say = async |draft: &Draft| {
        stream.send(draft).await;
        stream.published().await.map_err(|refused| (refused.refusal.code, refused.refusal.retry_after_ms))
    };
    say(&one).await.unwrap();
    let later = Err((Code::RATE, Some(30_000)));
    assert_eq!(say(&two).await.map(drop), later);
    world.server.clock.advance(30_000);
    assert_eq!(say(&three).await.map(drop), later, "the room is ready, but it is not its turn");
    say(&two).await.unwrap();
    world.server.clock.advance(30_000);
    say(&three).await.unwrap();
}

#[tokio::test]
async fn settings_hold_for_those_who_are_not_exempt() {
    let world = World::new().await;
    let none = RoomSettings::default();
    let slow = RoomSettings { slow_ms: Some(30_000), ..none.clone() };
    assert_eq!(code(set(&world.cyd, world.room, slow.clone()).await), Code::FORBIDDEN);
    let info = set(&world.ada, world.room, slow.clone()).await.unwrap();
    assert_eq!(info.settings.unwrap().slow_ms, Some(30_000));
    say(&world.bob, world.room, "one").await.unwrap();
    world.server.clock.advance(10_000);
    let refused = say(&world.bob, world.room, "two").await.unwrap_err().refusal;
    assert_eq!((refused.code, refused.retry_after_ms), (Code::RATE, Some(20_000)));
    for _ in 0..2 {
        say(&world.cyd, world.room, "a moderator is exempt").await.unwrap();
    }
    world.server.clock.advance(20_000);
    say(&world.bob, world.room, "two").await.unwrap();
    // The same settings are no change, and too slow is none.
    let head = last(&world.ada, world.room).await.seq;
    set(&world.ada, world.room, slow).await.unwrap();
    assert_eq!(last(&world.ada, world.room).await.seq, head);
    let too_slow = RoomSettings { slow_ms: Some(u64::MAX), ..none.clone() };
    assert_eq!(code(set(&world.ada, world.room, too_slow).await), Code::BAD_REQUEST);

    let quiet = RoomSettings { read_only: Some(true), slow_ms: Some(0), ..none.clone() };
    set(&world.ada, world.room, quiet).await.unwrap();
    assert_eq!(say(&world.bob, world.room, "x").await.unwrap_err().refusal.code, Code::FORBIDDEN);
    say(&world.cyd, world.room, "hear, hear").await.unwrap();
    let shut = RoomSettings { invite_only: Some(true), ..none };
    set(&world.ada, world.room, shut).await.unwrap();
    assert_eq!(code(enter(&world.owner, world.room).await), Code::FORBIDDEN);
    let ask = InviteMember { room: world.room, user: world.owner.me.user };
    let _: Done = world.cyd.peer.ask(&ask).await.unwrap();
    enter(&world.owner, world.room).await.unwrap();
    let entry = last(&world.ada, world.room).await;
    assert_eq!(entry.kind, Kind::MEMBER);
}

#[tokio::test]
async fn roles_and_permissions_are_told_to_all_and_kept_when_somebody_leaves() {
    let world = World::new().await;
    let user = world.bob.me.user;
    world.role(&world.bob, RoomRole::READER).await;
    let entry = last(&world.cyd, world.room).await;
    let told: RoleChange = cbor::decode(&entry.body, "RoleChange").unwrap();
    assert_eq!((entry.kind, told.user, told.role), (Kind::ROLE, user, RoomRole::READER));
    assert!(say(&world.bob, world.room, "x").await.is_err());
    let _: RoomAnswer = world.bob.peer.ask(&Leave { room: world.room }).await.unwrap();
    assert_eq!(enter(&world.bob, world.room).await.unwrap().role, RoomRole::READER);

    let give = |permissions| SetPermissions { room: world.room, user, permissions, reason: None };
    let spoken = Permissions::READ.or(Permissions::SEND);
    assert_eq!(code(world.cyd.peer.ask::<Done>(&give(Some(spoken))).await), Code::FORBIDDEN);
    let _: Done = world.ada.peer.ask(&give(Some(spoken))).await.unwrap();
    say(&world.bob, world.room, "x").await.unwrap();
    let members: Members = world.cyd.peer.ask(&ListMembers { room: world.room, after: None }).await.unwrap();
    let row = members.members.iter().find(|member| member.user == user).unwrap();
    assert_eq!(row.permissions, Some(spoken));
    let _: Done = world.ada.peer.ask(&give(None)).await.unwrap();
    assert!(say(&world.bob, world.room, "x").await.is_err(), "a reader again");
}

#[tokio::test]
async fn a_room_changes_hands_and_the_last_owner_stays_until_it_does() {
    let world = World::new().await;
    let leave = Leave { room: world.room };
    assert_eq!(code(world.ada.peer.ask::<RoomAnswer>(&leave).await), Code::CONFLICT);
    let give = Transfer { room: world.room, user: world.bob.me.user, reason: None };
    assert_eq!(code(world.cyd.peer.ask::<Done>(&give).await), Code::FORBIDDEN);
    assert_eq!(
        code(world.owner.peer.ask::<Done>(&give).await),
        Code::FORBIDDEN,
        "a server role is none here"
    );
    let _: Done = world.ada.peer.ask(&give).await.unwrap();
    let roles = log(&world.bob, world.room).await;
    let [given, taken] = roles.last_chunk().unwrap();
    let role = |entry: &Entry| cbor::decode::<RoleChange>(&entry.body, "RoleChange").unwrap().role;
    assert_eq!((role(given), role(taken)), (RoomRole::OWNER, RoomRole::MODERATOR));
    let _: RoomAnswer = world.ada.peer.ask(&leave).await.unwrap();
    assert_eq!(code(world.bob.peer.ask::<RoomAnswer>(&leave).await), Code::CONFLICT);
}

/// Every question about a room: a hidden one and a missing one are the same.
#[tokio::test]
async fn a_hidden_room_and_a_missing_room_give_the_same_answers() {
    let world = World::new().await;
    let hidden = made(&world.ada, "hidden", Visibility::PRIVATE).await;
    let missing = RoomId::from_bytes(random());
    let (peer, user) = (&world.bob.peer, world.ada.me.user);
    let mut answers = Vec::new();
    for room in [hidden, missing] {
        let settings = RoomSettings { read_only: Some(true), ..RoomSettings::default() };
        let sanction = Sanction::BAN;
        answers.push([
            peer.ask::<Done>(&SetRole { room, user, role: RoomRole::READER, reason: None })
                .await
                .unwrap_err(),
            peer.ask::<Done>(&SetPermissions { room, user, permissions: None, reason: None })
                .await
                .unwrap_err(),
            peer.ask::<Done>(&Impose { room, user, sanction, life_ms: None, reason: None })
                .await
                .unwrap_err(),
            peer.ask::<Done>(&Lift { room, user, sanction, reason: None }).await.unwrap_err(),
            peer.ask::<Sanctions>(&ListSanctions { room, after: None }).await.unwrap_err(),
            peer.ask::<RoomAnswer>(&SetRoom { room, settings, reason: None }).await.unwrap_err(),
            peer.ask::<Done>(&Transfer { room, user, reason: None }).await.unwrap_err(),
            peer.ask::<Done>(&RemoveMember { room, user, reason: None }).await.unwrap_err(),
        ]);
    }
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].iter().all(|refusal| refusal.code == Code::NOT_FOUND));
}
