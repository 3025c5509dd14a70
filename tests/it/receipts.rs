//! Receipts over connections: given and taken, or neither.

use quipu_protocol::inbox::{PresenceState, Receipts};
use quipu_protocol::request::{
    ChangeSettings, Done, ListReceipts, MarkRead, PresenceSet, ReceiptList, SetPresence, Settings,
    SettingsAnswer,
};
use quipu_protocol::{Code, Refusal, RoomId, Seq, UserId};

use super::harness::{Member, TestServer, Watch, draft};

async fn gives(member: &Member, receipts: bool) {
    let settings = Settings { receipts: Some(receipts), last_seen: None };
    let _: SettingsAnswer = member.peer.ask(&ChangeSettings { settings }).await.unwrap();
}

async fn reads(member: &Member, room: RoomId, seq: Seq) {
    let _: Done = member.peer.ask(&MarkRead { room, seq }).await.unwrap();
}

async fn says(member: &Member, room: RoomId) -> Seq {
    let mut author = member.author().await;
    author.send(&draft(room, "read this")).await;
    author.published().await.unwrap().at.seq
}

async fn lists(member: &Member, room: RoomId) -> Result<Vec<(UserId, Seq)>, Code> {
    let list: Result<ReceiptList, Refusal> = member.peer.ask(&ListReceipts { room }).await;
    let list = list.map_err(|refusal| refusal.code)?;
    Ok(list.rows.iter().map(|row| (row.user, row.seq)).collect())
}

fn told(receipts: &Receipts) -> Vec<(UserId, Seq)> {
    receipts.rows.iter().map(|row| (row.user, row.seq)).collect()
}

#[tokio::test]
async fn receipts_are_told_between_those_who_give_them_and_taken_back_at_once() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let room = ada.lobby().await;
    let (mut to_ada, bob) = (Watch::of(&ada).await, server.join(&ada, "bob").await);
    let cyd = server.join(&ada, "cyd").await;
    let mut to_cyd = Watch::of(&cyd).await;
    let (_, _ada_reads) = ada.read(room, None).await;
    let (_, _cyd_reads) = cyd.read(room, None).await;
    gives(&ada, true).await;
    gives(&bob, true).await;

    let first = says(&ada, room).await;
    reads(&bob, room, first).await;
    assert_eq!(told(&to_ada.next_is::<Receipts>().await.0), [(bob.me.user, first)]);
    assert_eq!(lists(&ada, room).await, Ok(vec![(bob.me.user, first)]));
    // Backwards is no news; the next that is told is the next that is further.
    let second = says(&ada, room).await;
    reads(&bob, room, Seq(1)).await;
    reads(&bob, room, second).await;
    assert_eq!(told(&to_ada.next_is::<Receipts>().await.0), [(bob.me.user, second)]);

    // Cyd gives none, and is told none.
    assert_eq!(lists(&cyd, room).await, Err(Code::FORBIDDEN));
    reads(&cyd, room, second).await;
    assert_eq!(lists(&ada, room).await, Ok(vec![(bob.me.user, second)]));
    let away = SetPresence { state: PresenceState::AWAY, text: None, everywhere: None };
    let _: PresenceSet = bob.peer.ask(&away).await.unwrap();
    let mut frames = Vec::new();
    while to_cyd.people.get(&bob.me.user).map(|(state, _)| *state) != Some(PresenceState::AWAY) {
        frames.push(to_cyd.next().await);
    }
    assert!(frames.iter().all(|frame| !frame.is::<Receipts>()), "{frames:?}");

    gives(&bob, false).await;
    assert_eq!(told(&to_ada.next_is::<Receipts>().await.0), []);
    assert_eq!(lists(&ada, room).await, Ok(vec![]));
    assert_eq!(lists(&bob, room).await, Err(Code::FORBIDDEN));
    // What was read before it was switched on again stays untold.
    gives(&bob, true).await;
    assert_eq!(lists(&ada, room).await, Ok(vec![]));
}

#[tokio::test]
async fn receipts_outlive_a_restart_and_are_for_members() {
    let mut server = TestServer::start().await;
    let ada = server.owner().await;
    let room = ada.lobby().await;
    let bob = server.join(&ada, "bob").await;
    gives(&ada, true).await;
    gives(&bob, true).await;
    let said = says(&ada, room).await;
    reads(&bob, room, said).await;
    server.stop().await;
    server.restart().await;
    let (ada, bob) = (server.again(ada).await, server.again(bob).await);
    assert_eq!(lists(&ada, room).await, Ok(vec![(bob.me.user, said)]));
    let leave = quipu_protocol::request::Leave { room };
    let _: quipu_protocol::request::RoomAnswer = bob.peer.ask(&leave).await.unwrap();
    assert_eq!(lists(&ada, room).await, Ok(vec![]));
    assert_eq!(lists(&bob, room).await, Err(Code::FORBIDDEN));
    assert_eq!(lists(&ada, RoomId::from_bytes([9; 16])).await, Err(Code::NOT_FOUND));
}
