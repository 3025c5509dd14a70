//! Peers that keep to every rule but one: they ask for more than their share. Others do not notice.

use std::time::Duration;

use quipu_protocol::control::{Auth, Authenticated};
use quipu_protocol::limits::PUBLISH_STREAMS_MAX;
use quipu_protocol::request::{CreateInvite, InviteAnswer, Join, Leave, RoomAnswer};
use quipu_protocol::token::{self, Purpose};
use quipu_protocol::{CloseCode, Code, RoomId};
use quipu_server::limits::CONNECTIONS_PER_USER_MAX;
use tokio::time::Instant;

use super::harness::{Device, Member, RawStream, TestServer, draft, invite};

/// Says something in a room; gives how long the answer took, and what it was.
async fn says(member: &Member, room: RoomId) -> (Duration, Result<(), Code>) {
    let mut author = member.author().await;
    let since = Instant::now();
    author.send(&draft(room, "hello")).await;
    let answer = author.published().await;
    (since.elapsed(), answer.map(drop).map_err(|refused| refused.refusal.code))
}

/// Five at once and one a second, whatever the connection.
#[tokio::test]
async fn coming_anew_gives_no_new_burst() {
    let server = TestServer::start_with(|config| {
        config.limits.publish_per_second = 1;
        config.limits.publish_burst = 5;
    })
    .await;
    let mut owner = server.owner().await;
    let room = owner.lobby().await;
    let since = Instant::now();
    for _ in 0..4 {
        for _ in 0..2 {
            says(&owner, room).await.1.unwrap();
        }
        owner = server.again(owner).await;
    }
    assert!(since.elapsed() >= Duration::from_millis(2_900), "{:?}", since.elapsed());
}

/// A room of one message a second, and many who want to say something at once: who would wait for more than ten seconds is
/// told so at once, and what they say behind it does not overtake it.
#[tokio::test]
async fn a_room_has_nobody_wait_without_end() {
    let server = TestServer::start_with(|config| config.limits.room_publish_per_second = 1).await;
    let owner = server.owner().await;
    let room = owner.lobby().await;
    let mut members = vec![owner];
    for n in 0..3 {
        members.push(server.join(&members[0], &format!("member-{n}")).await);
    }
    let mut authors: Vec<RawStream> = Vec::new();
    for member in &members {
        for _ in 0..PUBLISH_STREAMS_MAX {
            authors.push(member.author().await);
        }
    }
    for author in &mut authors {
        author.send(&draft(room, "first")).await;
    }
    let since = Instant::now();
    let mut refused = 0;
    for author in &mut authors {
        let told = tokio::time::timeout(Duration::from_millis(200), author.published()).await;
        let Ok(Err(told)) = told else { continue };
        assert_eq!(told.refusal.code, Code::RATE);
        assert!(told.refusal.retry_after_ms.is_some_and(|ms| ms >= 1_000), "{told:?}");
        // By now there may be a turn, but not for what would overtake.
        for body in ["second", "third"] {
            author.send(&draft(room, body)).await;
            assert_eq!(author.published().await.unwrap_err().refusal.code, Code::RATE);
        }
        refused += 1;
    }
    // Eleven had or will have their turn.
    assert!(refused >= 4 && since.elapsed() < Duration::from_secs(8), "{refused} in {:?}", since.elapsed());
    let (owner, other) = (&members[0], &members[1]);
    owner.is_served().await;
    other.is_served().await;
}

/// One message a second is what the room takes; whoever asks for more than messages is asked the same.
#[tokio::test]
async fn nobody_makes_a_room_wait_by_coming_and_going() {
    let server = TestServer::start_with(|config| {
        config.limits.publish_per_second = 1_000;
        config.limits.publish_burst = 1_000;
        config.limits.room_publish_per_second = 1;
    })
    .await;
    let owner = server.owner().await;
    let restless = server.join(&owner, "restless").await;
    let room = owner.lobby().await;
    for _ in 0..40 {
        let _: RoomAnswer = restless.peer.ask(&Join { room }).await.unwrap();
    }
    let (waited, said) = says(&owner, room).await;
    assert!(said.is_ok() && waited < Duration::from_secs(5), "who is in makes no entry: {waited:?}");
    for _ in 0..40 {
        let _: RoomAnswer = restless.peer.ask(&Leave { room }).await.unwrap();
        let _: RoomAnswer = restless.peer.ask(&Join { room }).await.unwrap();
    }
    let (waited, said) = says(&owner, room).await;
    assert!(waited < Duration::from_secs(12) && matches!(said, Ok(()) | Err(Code::RATE)), "{waited:?}");
}

/// Six a minute, and three refusals.
#[tokio::test]
async fn a_flood_of_fresh_tokens_ends_the_connection() {
    let server = TestServer::start().await;
    let mut greedy = server.owner().await;
    let Member { peer, control, device, token, .. } = &mut greedy;
    let mut granted = 0;
    let refused = loop {
        match peer.refresh(control, token, device).await {
            Ok(_) => granted += 1,
            Err(refusal) => break refusal,
        }
        assert!(granted < 100, "nobody minds");
    };
    // That of the greeting was one of them.
    assert_eq!((granted, refused.code), (5, Code::RATE));
    for _ in 0..2 {
        assert_eq!(peer.refresh(control, token, device).await.unwrap_err().code, Code::RATE);
    }
    assert_eq!(peer.closed().await, CloseCode::ExcessiveLoad);

    // Nor does somebody who is not known yet, with an invite they have used.
    let greedy = server.again(greedy).await;
    let secret = greedy.invite(1).await;
    let (stranger, device) = (server.dial().await, Device::new());
    let mut control = stranger.greet().await;
    let mut redeemed = 0;
    let closed = async {
        while stranger.redeem(&mut control, &secret, &device, "eager").await.is_ok() {
            redeemed += 1;
        }
        for _ in 0..2 {
            let refusal = stranger.redeem(&mut control, &secret, &device, "eager").await.unwrap_err();
            assert_eq!(refusal.code, Code::RATE);
        }
        stranger.closed().await
    };
    assert_eq!(closed.await, CloseCode::ExcessiveLoad);
    assert_eq!(redeemed, 6);
}

/// Datagrams that are understood by nobody, as fast as they go.
#[tokio::test]
async fn whoever_makes_work_for_nothing_is_closed() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let busy = server.join(&owner, "busy").await;
    let since = Instant::now();
    let flood = async {
        while busy.peer.connection.send_datagram_wait(Default::default()).await.is_ok() {
            assert!(since.elapsed() < Duration::from_secs(15), "nobody minds");
            tokio::task::yield_now().await;
        }
    };
    flood.await;
    assert_eq!(busy.peer.closed().await, CloseCode::ExcessiveLoad);
    owner.is_served().await;
    server.again(busy).await.is_served().await;
}

#[tokio::test]
async fn an_account_has_so_many_connections() {
    let server = TestServer::start_with(|config| config.limits.connections_per_device = 16).await;
    let owner = server.owner().await;
    let own = CreateInvite { own_device: Some(true), ..invite(1) };
    let mut devices = Vec::new();
    for _ in 0..2 {
        let answer: InviteAnswer = owner.peer.ask(&own).await.unwrap();
        devices.push(server.redeem(&answer.secret[..].try_into().unwrap(), "unused").await);
    }
    let come = async |of: &Member| {
        let peer = server.dial().await;
        let mut control = peer.greet().await;
        let proof = of.device.prove(Purpose::Auth, token::auth_subject(&of.token.token), &peer);
        control.send(&Auth { token: of.token.token.clone(), proof }).await;
        (peer, control)
    };
    let mut more = Vec::new();
    for n in 3..CONNECTIONS_PER_USER_MAX {
        let (peer, mut control) = come(&devices[n % 2]).await;
        let _: Authenticated = control.read.expect().await;
        more.push((peer, control));
    }
    let (late, _control) = come(&devices[0]).await;
    assert_eq!(late.closed().await, CloseCode::Limit);
    assert!(more.iter().all(|(peer, _)| peer.connection.close_reason().is_none()));
    owner.is_served().await;
    server.join(&owner, "another").await.is_served().await;
}
