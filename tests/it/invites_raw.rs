//! Invites: each way one can fail has its own answer, and each use is somebody's once.

use futures_util::future::join_all;
use quipu_protocol::control::Token;
use quipu_protocol::frame::seal;
use quipu_protocol::request::{
    CreateInvite, CreateRoom, Done, InviteAnswer, Invites, Join, ListInvites, RevokeInvite, RoomAnswer,
    ServerRole, Visibility,
};
use quipu_protocol::{CloseCode, Code, FrameType, InviteId, Refusal, RoomId, cbor};

use super::harness::{Device, Member, TestServer, invite, random, soon};

/// Redeems on a connection of its own.
async fn attempt(
    server: &TestServer,
    secret: &[u8; 16],
    device: &Device,
    nickname: &str,
) -> Result<Token, Refusal> {
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    peer.redeem(&mut control, secret, device, nickname).await
}

/// The code an attempt by a new device is refused with.
async fn refusal(server: &TestServer, secret: &[u8; 16]) -> Code {
    let answer = attempt(server, secret, &Device::new(), "newcomer").await;
    answer.expect_err("a refusal").code
}

async fn make(by: &Member, ask: CreateInvite) -> (InviteId, [u8; 16]) {
    let answer: InviteAnswer = by.peer.ask(&ask).await.unwrap();
    (answer.invite, answer.secret[..].try_into().unwrap())
}

/// A server that lets as many strangers knock as a test has.
async fn crowded() -> TestServer {
    TestServer::start_with(|config| config.limits.unauthenticated_per_prefix_max = 1_000).await
}

#[tokio::test]
async fn each_way_an_invite_fails_has_its_answer() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    assert_eq!(refusal(&server, &server.invite().secret).await, Code::USED, "the owner's");
    assert_eq!(refusal(&server, &random()).await, Code::NOT_FOUND, "a guess");

    let (number, revoked) = make(&owner, invite(5)).await;
    let _: Done = owner.peer.ask(&RevokeInvite { invite: number }).await.unwrap();
    assert_eq!(refusal(&server, &revoked).await, Code::USED, "one taken back");

    let (_, short) = make(&owner, CreateInvite { life_ms: 60_000, ..invite(1) }).await;
    server.clock.advance(60_000);
    assert_eq!(refusal(&server, &short).await, Code::EXPIRED);

    let (_, twice) = make(&owner, invite(2)).await;
    for name in ["ada", "bob"] {
        attempt(&server, &twice, &Device::new(), name).await.unwrap();
    }
    assert_eq!(refusal(&server, &twice).await, Code::USED, "the third of two");
}

#[tokio::test]
async fn a_taken_nickname_costs_nothing() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let secret = owner.invite(1).await;
    let (peer, device) = (server.dial().await, Device::new());
    let mut control = peer.greet().await;
    for taken in ["owner", "OWNER"] {
        let refusal = peer.redeem(&mut control, &secret, &device, taken).await.unwrap_err();
        assert_eq!(refusal.code, Code::CONFLICT, "{taken}");
    }
    let token = peer.redeem(&mut control, &secret, &device, "ada").await.unwrap();
    let me = peer.auth(&mut control, &token.token, &device).await.unwrap();
    assert_eq!((me.nickname.as_str(), me.role), ("ada", ServerRole::MEMBER.0));
}

/// A nickname outside its rule is no nickname on the wire: the Redeem does not decode.
#[tokio::test]
async fn an_impossible_nickname_is_a_broken_frame() {
    let server = TestServer::start().await;
    let peer = server.dial().await;
    let mut control = peer.greet().await;
    let secret: [u8; 16] = random();
    // {1: secret, 2: {}, 3: "a b", 4: "d", 5: h''}
    let payload = [
        &[0xa5, 0x01, 0x50][..],
        &secret,
        &[0x02, 0xa0, 0x03, 0x63],
        b"a b",
        &[0x04, 0x61, b'd', 0x05, 0x40],
    ];
    let payload = payload.concat();
    cbor::check(&payload).unwrap();
    control.write(&seal(FrameType(0x0c), &payload)).await;
    assert_eq!(peer.closed().await, CloseCode::Protocol);
}

#[tokio::test]
async fn of_fifty_who_redeem_one_invite_at_once_one_wins() {
    let server = crowded().await;
    let owner = server.owner().await;
    for uses in [1, 10] {
        let secret = owner.invite(uses).await;
        let names: Vec<_> = (0..50).map(|n| format!("racer-{uses}-{n}")).collect();
        let race = names.iter().map(|name| {
            let server = &server;
            async move { attempt(server, &secret, &Device::new(), name).await }
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(race).await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len() as u64, uses);
        assert!(lost.iter().all(|lost| lost.as_ref().unwrap_err().code == Code::USED), "{lost:?}");
    }
}

#[tokio::test]
async fn of_fifty_who_want_one_nickname_one_gets_it_and_the_uses_are_left() {
    let server = crowded().await;
    let owner = server.owner().await;
    let secret = owner.invite(2).await;
    let race = (0..50).map(|_| attempt_as(&server, secret, "ada"));
    let (won, lost): (Vec<_>, Vec<_>) = join_all(race).await.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|lost| lost.as_ref().unwrap_err().code == Code::CONFLICT), "{lost:?}");
    attempt(&server, &secret, &Device::new(), "bob").await.unwrap();
}

async fn attempt_as(server: &TestServer, secret: [u8; 16], nickname: &str) -> Result<Token, Refusal> {
    attempt(server, &secret, &Device::new(), nickname).await
}

/// A lost answer costs nothing: the same secret and key again, at once or later, are the same account.
#[tokio::test]
async fn a_repeated_redeem_is_one_account() {
    let server = crowded().await;
    let owner = server.owner().await;
    let (number, secret) = make(&owner, CreateInvite { life_ms: 60_000, ..invite(1) }).await;
    let device = Device::new();
    let all = join_all((0..20).map(|_| attempt(&server, &secret, &device, "ada"))).await;
    let first = all[0].as_ref().unwrap();
    let accounts: Vec<_> = all.iter().map(|token| token.as_ref().unwrap()).collect();
    assert!(accounts.iter().all(|token| (token.user, token.device) == (first.user, first.device)));

    // Also when the invite has ended meanwhile, and under another name, which it does not get.
    let _: Done = owner.peer.ask(&RevokeInvite { invite: number }).await.unwrap();
    server.clock.advance(60_000);
    let again = attempt(&server, &secret, &device, "other").await.unwrap();
    assert_eq!((again.user, again.device), (first.user, first.device));
    assert_eq!(refusal(&server, &secret).await, Code::USED, "another key");

    // Of another invite the key is not the newcomer's.
    let other = owner.invite(1).await;
    let refused = attempt(&server, &other, &device, "other").await.unwrap_err();
    assert_eq!(refused.code, Code::CONFLICT);
    attempt(&server, &other, &Device::new(), "other").await.unwrap();
}

#[tokio::test]
async fn a_device_of_ones_own_is_the_same_account() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let member = server.join(&owner, "ada").await;
    // Whoever is no admin invites their own devices alone.
    let refused: Result<InviteAnswer, Refusal> = member.peer.ask(&invite(1)).await;
    assert_eq!(refused.unwrap_err().code, Code::FORBIDDEN);
    let (_, secret) = make(&member, CreateInvite { own_device: Some(true), ..invite(7) }).await;
    let phone = server.redeem(&secret, "owner").await;
    assert_eq!((phone.me.user, phone.me.nickname.as_str()), (member.me.user, "ada"));
    assert_ne!(phone.me.device, member.me.device);
    assert_eq!(refusal(&server, &secret).await, Code::USED, "seven uses were one");
    member.is_served().await;
    phone.is_served().await;
}

#[tokio::test]
async fn an_invite_to_a_room_leads_into_it() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    let room = RoomId::from_bytes(random());
    let create =
        CreateRoom { room, name: "hidden".parse().unwrap(), visibility: Visibility::PRIVATE, topic: None };
    let _: RoomAnswer = owner.peer.ask(&create).await.unwrap();
    let (_, secret) = make(&owner, CreateInvite { room: Some(room), ..invite(1) }).await;
    let guest = server.redeem(&secret, "ada").await;
    assert!(guest.subscribe(&[room], None).await[0].is_ok());
    // Others do not see it.
    let stranger = server.join(&owner, "bob").await;
    let answer: Result<RoomAnswer, Refusal> = stranger.peer.ask(&Join { room }).await;
    assert_eq!(answer.unwrap_err().code, Code::NOT_FOUND);
}

#[tokio::test]
async fn invites_are_within_bounds() {
    let server = TestServer::start().await;
    let owner = server.owner().await;
    for wrong in [
        invite(0),
        invite(1_001),
        invite(u64::MAX),
        CreateInvite { life_ms: 0, ..invite(1) },
        CreateInvite { life_ms: u64::MAX, ..invite(1) },
        CreateInvite { role: Some(ServerRole(75)), ..invite(1) },
    ] {
        let answer: Result<InviteAnswer, Refusal> = owner.peer.ask(&wrong).await;
        assert_eq!(answer.unwrap_err().code, Code::BAD_REQUEST, "{wrong:?}");
    }
    let (unknown, impossible) = (RoomId::from_bytes(random()), ServerRole(u64::MAX));
    let answer: Result<InviteAnswer, Refusal> =
        owner.peer.ask(&CreateInvite { room: Some(unknown), ..invite(1) }).await;
    assert_eq!(answer.unwrap_err().code, Code::NOT_FOUND);
    let answer: Result<InviteAnswer, Refusal> =
        owner.peer.ask(&CreateInvite { role: Some(impossible), ..invite(1) }).await;
    assert_eq!(answer.unwrap_err().code, Code::FORBIDDEN);
}

/// Goal: the table of invites does not grow for ever, and whoever lost an answer has a week.
#[tokio::test]
async fn invites_are_forgotten_a_while_after_their_end() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    let mut server = TestServer::start().await;
    let owner = server.owner().await;
    let (number, _) = make(&owner, invite(5)).await;
    let (_, used) = make(&owner, CreateInvite { life_ms: 80 * DAY_MS, ..invite(1) }).await;
    let device = Device::new();
    attempt(&server, &used, &device, "ada").await.unwrap();
    let _: Done = owner.peer.ask(&RevokeInvite { invite: number }).await.unwrap();
    let Member { token, device: key, .. } = owner;
    for (days, left) in [(6, 3), (2, 0)] {
        server.clock.advance(days * DAY_MS);
        server.stop().await;
        server.restart().await;
        let peer = server.dial().await;
        let mut control = peer.greet().await;
        let fresh = peer.refresh(&mut control, &token, &key).await.unwrap();
        peer.auth(&mut control, &fresh.token, &key).await.unwrap();
        let known = async || {
            let known: Invites = peer.ask(&ListInvites { after: None }).await.unwrap();
            known.invites.len()
        };
        // The sweeper begins its round when the server starts.
        soon("what was to be forgotten", async {
            while known().await != left {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let again = attempt(&server, &used, &device, "ada").await;
        assert_eq!(again.err().map(|refusal| refusal.code), (left == 0).then_some(Code::NOT_FOUND));
    }
}

/// Twenty wrong guesses a minute from one network, then not even the right one; whoever is inside notices nothing.
#[tokio::test]
async fn guessing_ends_soon() {
    let server = crowded().await;
    let owner = server.owner().await;
    let mut guesses = 0;
    let refused = 'guessing: loop {
        let peer = server.dial().await;
        let mut control = peer.greet().await;
        for _ in 0..3 {
            let answer = peer.redeem(&mut control, &random(), &Device::new(), "thief").await;
            match answer.unwrap_err() {
                wrong if wrong.code == Code::NOT_FOUND => guesses += 1,
                refused => break 'guessing refused,
            }
        }
        assert_eq!(peer.closed().await, CloseCode::AuthFailed);
        assert!(guesses < 40, "nobody minds");
    };
    // One more every three seconds, should the guesses have taken so long.
    assert!((20..25).contains(&guesses), "{guesses}");
    assert_eq!((refused.code, refused.retry_after_ms), (Code::RATE, Some(60_000)));
    let good = owner.invite(1).await;
    assert_eq!(refusal(&server, &good).await, Code::RATE);
    server.again(owner).await.is_served().await;
}
