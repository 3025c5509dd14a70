//! Devices: one account has many, shuts them out, and no device has many connections.

use quipu_protocol::request::{
    BotAnswer, CreateBot, CreateInvite, Done, InviteAnswer, Permissions, RevokeDevice,
};
use quipu_protocol::{BidiType, CloseCode, Code, Refusal};

use super::harness::{Device, Ended, Member, RawPeer, RawStream, TestServer, draft, invite};

/// A second device of the same account, on its own connection.
async fn second_device(server: &TestServer, member: &Member) -> (Member, [u8; 16]) {
    let ask = CreateInvite { own_device: Some(true), ..invite(1) };
    let answer: InviteAnswer = member.peer.ask(&ask).await.unwrap();
    let secret = answer.secret[..].try_into().unwrap();
    (server.redeem(&secret, "unused").await, secret)
}

#[tokio::test]
async fn a_revoked_device_is_closed_at_once_and_stays_out() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let (lost, secret) = second_device(&server, &owner).await;
    assert_eq!((lost.me.user, lost.me.nickname.as_str()), (owner.me.user, "owner"));
    let revoke = RevokeDevice { device: lost.me.device };
    let _: Done = owner.peer.ask(&revoke).await.unwrap();
    assert_eq!(lost.peer.closed().await, CloseCode::Revoked);
    // Again is as good as once.
    let _: Done = owner.peer.ask(&revoke).await.unwrap();

    let Member { device, token, .. } = lost;
    type Attempt = Result<(), Refusal>;
    let out = async |peer: &RawPeer, answer: Attempt, control: &mut RawStream| {
        assert_eq!(answer.unwrap_err().code, Code::GONE);
        let end = control.read.next().await;
        assert!(matches!(end, Ok(None) | Err(Ended::Closed(CloseCode::Revoked))), "{end:?}");
        assert_eq!(peer.closed().await, CloseCode::Revoked);
    };
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let answer = peer.auth(&mut control, &token.token, &device).await;
    out(&peer, answer.map(drop), &mut control).await;
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let answer = peer.refresh(&mut control, &token, &device).await;
    out(&peer, answer.map(drop), &mut control).await;
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let answer = peer.redeem(&mut control, &secret, &device, "unused").await;
    assert_eq!(answer.unwrap_err().code, Code::CONFLICT);
    // Who cannot prove to be the device does not learn of it.
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let answer = peer.auth(&mut control, &token.token, &Device::new()).await;
    assert_eq!(answer, Err(Code::UNAUTHENTICATED.into()));
    owner.is_served().await;
}

/// Whoever holds a device may have made an invite for another: it ends with the device.
#[tokio::test]
async fn a_revoked_device_has_kept_no_way_in() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let thief = server.join(&owner, "ada").await;
    let (ada, _) = second_device(&server, &thief).await;
    let ask = CreateInvite { own_device: Some(true), ..invite(1) };
    let kept: InviteAnswer = thief.peer.ask(&ask).await.unwrap();
    let others = owner.invite(1).await;
    let revoke = RevokeDevice { device: thief.me.device };
    let _: Done = ada.peer.ask(&revoke).await.unwrap();
    let (peer, secret) = (server.dial().await, kept.secret[..].try_into().unwrap());
    let mut control = peer.greet().await;
    let answer = peer.redeem(&mut control, &secret, &Device::new(), "unused").await;
    assert_eq!(answer.unwrap_err().code, Code::USED);
    server.redeem(&others, "bob").await.is_served().await;
}

/// What was made on a device that somebody else holds lets nobody in, whomever it was for.
#[tokio::test]
async fn a_revoked_device_lets_nobody_in() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let (lost, _) = second_device(&server, &owner).await;
    let wish = CreateBot { nickname: "weather".parse().unwrap(), scope: Permissions::READ, rooms: None };
    let bot: BotAnswer = lost.peer.ask(&wish).await.unwrap();
    let (newcomer, kept) = (lost.invite(1).await, owner.invite(1).await);
    let _: Done = owner.peer.ask(&RevokeDevice { device: lost.me.device }).await.unwrap();
    for secret in [newcomer, bot.secret[..].try_into().unwrap()] {
        let peer = server.dial().await;
        let mut control = peer.greet().await;
        let answer = peer.redeem(&mut control, &secret, &Device::new(), "eve").await;
        assert_eq!(answer.unwrap_err().code, Code::USED);
    }
    server.redeem(&kept, "bob").await.is_served().await;
}

#[tokio::test]
async fn only_ones_own_devices_are_revoked() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let other = server.join(&owner, "other").await;
    let revoke = RevokeDevice { device: owner.me.device };
    let answer: Result<Done, Refusal> = other.peer.ask(&revoke).await;
    assert_eq!(answer.unwrap_err().code, Code::NOT_FOUND);
    owner.is_served().await;
}

#[tokio::test]
async fn the_oldest_of_too_many_connections_of_a_device_gives_way() {
    let server = TestServer::start_with(|config| config.limits.connections_per_device = 2).await;
    let Member { peer: oldest, control, device, token, .. } = server.owner().await;
    let mut held = vec![control];
    let mut peers = Vec::new();
    for _ in 0..2 {
        let peer = server.dial().await;
        let mut control = peer.greet().await;
        peer.auth(&mut control, &token.token, &device).await.unwrap();
        held.push(control);
        peers.push(peer);
    }
    assert_eq!(oldest.closed().await, CloseCode::Replaced);
    for peer in &peers {
        let mut request = peer.open(BidiType::Request.number()).await;
        request.finish();
        request.read.end().await;
    }
}

/// Drafts that had arrived and waited for their rate are not published by somebody who was shut out meanwhile.
#[tokio::test]
async fn what_a_revoked_device_had_sent_is_dropped() {
    let server = TestServer::start_with(|config| {
        config.limits.publish_per_second = 1;
        config.limits.publish_burst = 1;
    })
    .await;
    let owner = server.owner().await;
    let room = owner.lobby().await;
    let (lost, _) = second_device(&server, &owner).await;
    let mut first = lost.author().await;
    first.send(&draft(room, "in time")).await;
    let heard = first.published().await.unwrap().at.seq;
    // Each waits for its turn: one, two and three seconds.
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut author = lost.author().await;
        author.send(&draft(room, "by whoever found it")).await;
        waiting.push(author);
    }
    lost.is_served().await;
    let revoke = RevokeDevice { device: lost.me.device };
    let _: Done = owner.peer.ask(&revoke).await.unwrap();
    assert_eq!(lost.peer.closed().await, CloseCode::Revoked);
    // At the same rate, so the last of these comes after the last of those.
    let mut author = owner.author().await;
    let mut last = heard;
    for _ in 0..4 {
        author.send(&draft(room, "by its owner")).await;
        last = author.published().await.unwrap().at.seq;
    }
    let of_the_lost = last.0 - heard.0 - 4;
    // On a slow machine a turn may come before the revocation does; not all three.
    assert!(of_the_lost < 3, "{of_the_lost} after the revocation");
}
