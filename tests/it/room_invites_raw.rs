//! Invites that lead into a room: for whom they do, and when they no longer do.

use quipu_protocol::request::{
    CreateInvite, CreateRoom, Direct, Done, InviteAnswer, InviteMember, Join, Leave, ListMembers, ListRooms,
    Members, Permissions, RemoveMember, RevokeInvite, RoomAnswer, Rooms, ServerRole, SetPermissions,
    Visibility,
};
use quipu_protocol::{Code, InviteId, Refusal, RoomId, UserId};

use super::harness::{Device, Member, TestServer, invite, random};

/// A room that only its members see.
async fn hidden(owner: &Member) -> RoomId {
    let room = RoomId::from_bytes(random());
    let create =
        CreateRoom { room, name: "hidden".parse().unwrap(), visibility: Visibility::PRIVATE, topic: None };
    let _: RoomAnswer = owner.peer.ask(&create).await.unwrap();
    room
}

async fn link_to(by: &Member, room: RoomId) -> Result<(InviteId, [u8; 16]), Refusal> {
    let ask = CreateInvite { room: Some(room), ..invite(5) };
    let answer: InviteAnswer = by.peer.ask(&ask).await?;
    Ok((answer.invite, answer.secret[..].try_into().unwrap()))
}

/// An account that may invite to the server.
async fn admin(server: &TestServer, owner: &Member, nickname: &str) -> Member {
    let ask = CreateInvite { role: Some(ServerRole::ADMIN), ..invite(1) };
    let answer: InviteAnswer = owner.peer.ask(&ask).await.unwrap();
    let secret = answer.secret[..].try_into().unwrap();
    server.redeem(&secret, nickname).await
}

async fn redeem_again(server: &TestServer, secret: &[u8; 16], device: &Device) {
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    peer.redeem(&mut control, secret, device, "again").await.unwrap();
}

async fn members(by: &Member, room: RoomId) -> Vec<UserId> {
    let ask = ListMembers { room, after: None };
    let members: Members = by.peer.ask(&ask).await.unwrap();
    members.members.iter().map(|member| member.user).collect()
}

async fn rooms_of(member: &Member) -> Vec<RoomId> {
    let ask = ListRooms { mine: true, after: None, name: None };
    let rooms: Rooms = member.peer.ask(&ask).await.unwrap();
    rooms.rooms.iter().map(|room| room.room).collect()
}

#[tokio::test]
async fn who_was_sent_out_does_not_come_back_with_the_same_invite() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let room = hidden(&owner).await;
    let (number, secret) = link_to(&owner, room).await.unwrap();
    let bob = server.redeem(&secret, "bob").await;
    let lobby = bob.lobby().await;
    assert!(bob.subscribe(&[room], None).await[0].is_ok());

    let user = bob.me.user;
    let _: Done = owner.peer.ask(&RemoveMember { room, user, reason: None }).await.unwrap();
    let _: RoomAnswer = bob.peer.ask(&Leave { room: lobby }).await.unwrap();
    redeem_again(&server, &secret, &bob.device).await;
    assert_eq!(rooms_of(&bob).await, [], "the invite is still good");
    let _: Done = owner.peer.ask(&RevokeInvite { invite: number }).await.unwrap();
    redeem_again(&server, &secret, &bob.device).await;
    assert_eq!(members(&owner, room).await, [owner.me.user], "it was taken back");
}

#[tokio::test]
async fn an_invite_ends_at_the_door_with_its_makers_membership() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let room = hidden(&owner).await;
    let ada = admin(&server, &owner, "ada").await;
    assert_eq!(link_to(&ada, room).await.unwrap_err().code, Code::NOT_FOUND);
    let ask = InviteMember { room, user: ada.me.user };
    let _: Done = owner.peer.ask(&ask).await.unwrap();
    assert_eq!(link_to(&ada, room).await.unwrap_err().code, Code::FORBIDDEN, "only invited herself");
    let _: RoomAnswer = ada.peer.ask(&Join { room }).await.unwrap();
    let (_, secret) = link_to(&ada, room).await.unwrap();
    let bob = server.redeem(&secret, "bob").await;
    assert!(members(&owner, room).await.contains(&bob.me.user));

    let ask = RemoveMember { room, user: ada.me.user, reason: None };
    let _: Done = owner.peer.ask(&ask).await.unwrap();
    // The account is made, the room stays shut.
    let eve = server.redeem(&secret, "eve").await;
    assert_eq!(rooms_of(&eve).await, [eve.lobby().await]);
    assert!(!members(&owner, room).await.contains(&eve.me.user));
}

#[tokio::test]
async fn no_invite_leads_into_a_direct_room() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let bob = server.join(&owner, "bob").await;
    let direct = Direct { user: owner.me.user };
    let answer: RoomAnswer = bob.peer.ask(&direct).await.unwrap();
    let refused = link_to(&owner, answer.info.room).await.unwrap_err();
    assert_eq!(refused.code, Code::CONFLICT);
}

#[tokio::test]
async fn an_invite_for_a_device_names_no_room() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let ask = CreateInvite { room: Some(hidden(&owner).await), own_device: Some(true), ..invite(1) };
    let answer: Result<InviteAnswer, Refusal> = owner.peer.ask(&ask).await;
    assert_eq!(answer.unwrap_err().code, Code::BAD_REQUEST);
}

/// Goal: what a moderator took away is missed when the link is made, not by the newcomer who is led nowhere.
#[tokio::test]
async fn who_may_let_nobody_in_makes_no_link_into_the_room() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let ada = admin(&server, &owner, "ada").await;
    let (room, user) = (hidden(&owner).await, ada.me.user);
    let _: Done = owner.peer.ask(&InviteMember { room, user }).await.unwrap();
    let _: RoomAnswer = ada.peer.ask(&Join { room }).await.unwrap();
    let speaks = Permissions::READ.or(Permissions::SEND);
    let ask = SetPermissions { room, user, permissions: Some(speaks), reason: None };
    let _: Done = owner.peer.ask(&ask).await.unwrap();
    assert_eq!(link_to(&ada, room).await.unwrap_err().code, Code::FORBIDDEN);
    let _: Done = owner.peer.ask(&SetPermissions { permissions: None, ..ask }).await.unwrap();
    link_to(&ada, room).await.unwrap();
}
