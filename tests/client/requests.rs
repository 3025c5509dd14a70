//! Questions and their answers.

use quipu_client::protocol::request::{MembershipState, RoomRole, ServerRole, Visibility};
use quipu_client::{ErrorCode, Event, NewInvite, Verdict};

use crate::world::{Person, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_members_and_people_are_found() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    let topic = Some("what we do".parse().unwrap());
    let team = ada.client.create_room("team".parse().unwrap(), Visibility::PUBLIC, topic).await.unwrap();
    assert_eq!((team.role, team.members), (RoomRole::OWNER, 1));
    let taken = ada.client.create_room("team".parse().unwrap(), Visibility::PUBLIC, None).await.unwrap_err();
    assert!(matches!(taken.code, ErrorCode::Refused(_)), "{taken:?}");

    assert_eq!(bob.client.rooms(true).await.unwrap().len(), 1);
    assert_eq!(bob.client.rooms(false).await.unwrap().len(), 2);
    let joined = bob.client.join_room(team.room).await.unwrap();
    assert_eq!(joined.membership, MembershipState::JOINED);
    let members = ada.client.members(team.room).await.unwrap();
    let mut names: Vec<&str> = members.iter().map(|member| member.nickname.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ada", "bob"]);

    let user = bob.client.lookup(&"ADA".parse().unwrap()).await.unwrap();
    assert_eq!((user.nickname.as_str(), user.role), ("ada", ServerRole::OWNER));
    let nobody = bob.client.lookup(&"nobody".parse().unwrap()).await.unwrap_err();
    assert_eq!(nobody.code, ErrorCode::NotFound);
    assert_eq!(bob.client.users(&[user.user]).await.unwrap(), std::slice::from_ref(&user));
    let direct = bob.client.direct(user.user).await.unwrap();
    assert_eq!(direct.visibility, Visibility::DIRECT);
    assert_eq!(bob.client.direct(user.user).await.unwrap().room, direct.room);
    let left = bob.client.leave_room(team.room).await.unwrap();
    assert_eq!(left.membership, MembershipState::NONE);
    let missing = bob.client.room_named(&"no-such-room".parse().unwrap()).await.unwrap_err();
    assert_eq!(missing.code, ErrorCode::NotFound);
}

/// Goal: what an earlier connection told of a room is not said of it on the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_was_left_elsewhere_has_no_count() {
    let world = World::new().await;
    let ada = world.ada().await;
    let bob = ada.brings("bob").await;
    let life = std::time::Duration::from_secs(3_600);
    let new = NewInvite { uses: 1, life, room: None, role: None, own_device: true };
    let link = bob.client.create_invite(new).await.unwrap().1;
    let phone = Person::join(&link.to_string(), "bob").await;
    ada.says("unread").await;
    let is_told = |event: &Event| matches!(event, Event::Head(head) if head.unread == 1);
    bob.events_until(is_told).await;
    bob.client.stop().await;
    phone.client.leave_room(phone.lobby).await.unwrap();
    bob.client.start().await.unwrap();
    bob.events_until(|event| matches!(event, Event::InboxReady { .. })).await;
    let rooms = bob.client.rooms(false).await.unwrap();
    let lobby = rooms.iter().find(|summary| summary.info.room == bob.lobby).unwrap();
    assert_eq!((lobby.unread, lobby.marker, lobby.notify), (None, None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_connection_is_diagnosed_as_good() {
    let world = World::new().await;
    let ada = world.ada().await;
    ada.client.stop().await;
    let report = ada.client.diagnose(None).await.unwrap();
    assert!(report.is_good(), "{report:#?}");
    let names: Vec<_> = report.checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["resolve", "handshake", "alpn", "pin", "auth", "clock", "datagram", "rebind"]);
    assert!(report.checks.iter().all(|check| check.verdict == Verdict::Good), "{report:#?}");
    let link = quipu_client::protocol::InviteLink { pin: [3; 32], ..world.owner.clone() };
    let report = ada.client.diagnose(Some(&link.to_string())).await.unwrap();
    assert_eq!(report.checks.last().map(|check| (check.name, check.verdict)), Some(("pin", Verdict::Bad)));
}
