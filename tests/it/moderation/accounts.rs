//! Accounts that are shut out, let in again, or given another role on the server.

use quipu_protocol::CloseCode;
use quipu_protocol::request::{
    Deactivate, InviteMember, LookUp, Reactivate, ServerRole, SetServerRole, Users,
};
use quipu_protocol::{List, Nickname};

use super::*;
use crate::harness::Device;

async fn role_of(asker: &Member, nickname: &str) -> (ServerRole, Option<bool>) {
    let nickname: Nickname = nickname.parse().unwrap();
    let ask = LookUp { users: List::default(), nickname: Some(nickname) };
    let users: Users = asker.peer.ask(&ask).await.unwrap();
    (users.users[0].role, users.users[0].deactivated)
}

#[tokio::test]
async fn a_deactivated_account_is_closed_at_once_and_let_in_again() {
    let world = World::new().await;
    let (user, reason) = (world.bob.me.user, Some(why("left the company")));
    let ask = Deactivate { user, reason };
    assert_eq!(code(world.ada.peer.ask::<Done>(&ask).await), Code::FORBIDDEN);
    let _: Done = world.owner.peer.ask(&ask).await.unwrap();
    assert_eq!(world.bob.peer.closed().await, CloseCode::Revoked);
    assert_eq!(role_of(&world.ada, "bob").await, (ServerRole::MEMBER, Some(true)));
    // Neither its token nor its key opens the door.
    let peer = world.server.dial().await;
    let mut control = peer.greet().await;
    let answer = peer.auth(&mut control, &world.bob.token.token, &world.bob.device).await;
    assert_eq!(code(answer), Code::GONE);
    let peer = world.server.dial().await;
    let mut control = peer.greet().await;
    let answer = peer.refresh(&mut control, &world.bob.token, &world.bob.device).await;
    assert_eq!(code(answer), Code::GONE);
    // Who cannot prove to be the device does not learn of it.
    let peer = world.server.dial().await;
    let mut control = peer.greet().await;
    let answer = peer.auth(&mut control, &world.bob.token.token, &Device::new()).await;
    assert_eq!(code(answer), Code::UNAUTHENTICATED);
    let den = made(&world.ada, "other", Visibility::PRIVATE).await;
    let invited = world.ada.peer.ask::<Done>(&InviteMember { room: den, user }).await;
    assert_eq!(code(invited), Code::GONE);
    let _: Done = world.owner.peer.ask(&Reactivate { user, reason: None }).await.unwrap();
    let bob = world.server.again(world.bob).await;
    say(&bob, world.room, "back").await.unwrap();
}

#[tokio::test]
async fn invites_of_a_deactivated_account_are_dead() {
    let world = World::new().await;
    let user = world.cyd.me.user;
    let promote = SetServerRole { user, role: ServerRole::ADMIN, reason: None };
    let _: Done = world.owner.peer.ask(&promote).await.unwrap();
    // The connection began anew with the new role.
    assert_eq!(world.cyd.peer.closed().await, CloseCode::None);
    let World { server, owner, cyd, .. } = world;
    let cyd = server.again(cyd).await;
    let secret = cyd.invite(1).await;
    let _: Done = owner.peer.ask(&Deactivate { user, reason: None }).await.unwrap();
    let _: Done = owner.peer.ask(&Reactivate { user, reason: None }).await.unwrap();
    let (peer, device) = (server.dial().await, Device::new());
    let mut control = peer.greet().await;
    let answer = peer.redeem(&mut control, &secret, &device, "eve").await;
    assert_eq!(code(answer), Code::USED);
}

#[tokio::test]
async fn nobody_gives_a_server_role_above_their_own_and_one_owner_stays() {
    let World { server, owner, cyd, ada, .. } = World::new().await;
    let give = |user, role| SetServerRole { user, role, reason: None };
    let me = owner.me.user;
    assert_eq!(code(owner.peer.ask::<Done>(&give(me, ServerRole::MEMBER)).await), Code::CONFLICT);
    assert_eq!(code(ada.peer.ask::<Done>(&give(cyd.me.user, ServerRole::GUEST)).await), Code::FORBIDDEN);
    let _: Done = owner.peer.ask(&give(cyd.me.user, ServerRole::ADMIN)).await.unwrap();
    let cyd = server.again(cyd).await;
    for (user, role, outcome) in [
        (ada.me.user, ServerRole::OWNER, Code::FORBIDDEN),
        (me, ServerRole::MEMBER, Code::FORBIDDEN),
        (ada.me.user, ServerRole(7), Code::BAD_REQUEST),
        (UserId::from_bytes([9; 16]), ServerRole::GUEST, Code::NOT_FOUND),
    ] {
        assert_eq!(code(cyd.peer.ask::<Done>(&give(user, role)).await), outcome, "{role:?}");
    }
    let deactivate = Deactivate { user: me, reason: None };
    assert_eq!(code(cyd.peer.ask::<Done>(&deactivate).await), Code::FORBIDDEN);
    let itself = Deactivate { user: cyd.me.user, reason: None };
    assert_eq!(code(cyd.peer.ask::<Done>(&itself).await), Code::BAD_REQUEST);
    let _: Done = cyd.peer.ask(&give(ada.me.user, ServerRole::GUEST)).await.unwrap();
    assert_eq!(role_of(&owner, "ada").await.0, ServerRole::GUEST);
}
