//! Accounts that are shut out, let in again, or given another role on the server.

use quipu_protocol::control::Auth;
use quipu_protocol::request::{
    BotAnswer, CreateBot, Deactivate, InviteBot, InviteMember, LookUp, Permissions, Reactivate, ServerRole,
    SetServerRole, Users,
};
use quipu_protocol::token::{self, Purpose};
use quipu_protocol::{CloseCode, List, Nickname};

use super::*;
use crate::harness::{Device, Grants, soon};

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

/// Goal: whoever is out is out at once, also as the programs they answer for.
#[tokio::test]
async fn bots_are_out_with_whoever_answers_for_them_and_in_again() {
    let World { server, owner, ada, room, .. } = World::new().await;
    let rooms = Some(List::new(vec![room]).unwrap());
    let wish = CreateBot { nickname: "weather".parse().unwrap(), scope: Permissions::ANYTHING, rooms };
    let made: BotAnswer = ada.peer.ask(&wish).await.unwrap();
    let bot = server.redeem(&made.secret[..].try_into().unwrap(), "unused").await;
    // An invite that is not ada's, and so is not taken back with hers.
    let spare: BotAnswer = owner.peer.ask(&InviteBot { user: made.user }).await.unwrap();
    let user = ada.me.user;
    let _: Done = owner.peer.ask(&Deactivate { user, reason: None }).await.unwrap();
    assert_eq!(bot.peer.closed().await, CloseCode::Revoked);
    assert_eq!(role_of(&owner, "weather").await, (ServerRole::BOT, Some(true)));
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    assert_eq!(code(peer.auth(&mut control, &bot.token.token, &bot.device).await), Code::GONE);
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    assert_eq!(code(peer.refresh(&mut control, &bot.token, &bot.device).await), Code::GONE);
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let secret = spare.secret[..].try_into().unwrap();
    assert_eq!(code(peer.redeem(&mut control, &secret, &Device::new(), "unused").await), Code::GONE);
    let _: Done = owner.peer.ask(&Reactivate { user, reason: None }).await.unwrap();
    let bot = server.again(bot).await;
    say(&bot, room, "sunny").await.unwrap();
}

/// The answer to Auth waits for a client that takes it slowly: what was decided before it arrived holds.
#[tokio::test]
async fn a_role_that_was_taken_between_proof_and_session_is_gone() {
    let World { server, owner, cyd, .. } = World::new().await;
    let give = |role| SetServerRole { user: cyd.me.user, role, reason: None };
    let _: Done = owner.peer.ask(&give(ServerRole::ADMIN)).await.unwrap();
    assert_eq!(cyd.peer.closed().await, CloseCode::None);
    let peer = server.dial_granting(Grants { stream_bytes: 64, ..Grants::default() }).await;
    let mut control = peer.greet().await;
    let token = cyd.token.token.clone();
    let proof = cyd.device.prove(Purpose::Auth, token::auth_subject(&token), &peer);
    control.send(&Auth { token, proof }).await;
    // Its first byte: the server knows whom it answers, and has nobody to close.
    soon("an answer", control.read.recv.read_chunk(1, true)).await.unwrap().unwrap();
    let _: Done = owner.peer.ask(&give(ServerRole::MEMBER)).await.unwrap();
    let rest = async { while let Ok(Some(_)) = control.read.recv.read_chunk(1_024, true).await {} };
    soon("the end of the session", rest).await;
    assert_eq!(peer.closed().await, CloseCode::None);
}

#[tokio::test]
async fn whoever_steps_down_is_told_and_begins_anew() {
    let World { server, owner, cyd, .. } = World::new().await;
    let give = |user, role| SetServerRole { user, role, reason: None };
    let _: Done = owner.peer.ask(&give(cyd.me.user, ServerRole::OWNER)).await.unwrap();
    let _: Done = owner.peer.ask(&give(owner.me.user, ServerRole::MEMBER)).await.unwrap();
    assert_eq!(owner.peer.closed().await, CloseCode::None);
    let owner = server.again(owner).await;
    assert_eq!(owner.me.role, ServerRole::MEMBER.0);
}
