//! Slow readers, and peers that do not read at all: they cost the others nothing and the server a bounded amount, and are told in the end.

#![allow(clippy::unwrap_used, reason = "in a file of tests an unwrap is an assertion")]

use std::{net::SocketAddr, time::Duration};

use quinn::ConnectionError;
use quipu_client::Draft;
use quipu_protocol::{CloseCode, ResetCode, RoomId, UniType, limits::BACKLOG_ENTRIES_MAX};
use quipu_server::{
    config::Limits,
    limits::{CONNECTION_STALL_MAX, STREAM_STALL_MAX},
};
use tokio::time::{Instant, sleep};

use crate::{
    chat::{
        host::Host,
        person::{Person, Said},
        raw::Raw,
        town::{Town, home, server_addr},
    },
    net::Cut,
    world::{self, World},
};

/// Far more than a room's tail remembers.
const FLOOD: usize = 3_000;
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_reader_whose_link_stalls_costs_the_others_nothing() {
    let with_everybody = world::run(1, async |world| flood_with_one_cut_off(world, false).await);
    let with_one_cut_off = world::run(1, async |world| flood_with_one_cut_off(world, true).await);
    let allowed = with_everybody + SECOND;
    assert!(with_one_cut_off <= allowed, "{with_everybody:?} became {with_one_cut_off:?}");
}

/// How long it takes the second person to read what the first one says.
async fn flood_with_one_cut_off(world: &World, cut: bool) -> Duration {
    let mut town = Town::found(world, 3, generous).await;
    let _teller = town.chronicle.told_on_panic();
    let room = town.rooms[1];
    let began = Instant::now();
    if cut {
        // Shorter than a connection lives without a word: what waits, waits for this very connection.
        let machine = Cut::Machine(town.people[2].transport.ip());
        town.net.cut_during(machine, Duration::ZERO..40 * SECOND);
    }
    flood(&mut town.people[0], room, FLOOD).await;
    until_read(&town.people[1], room, FLOOD).await;
    let took = began.elapsed();
    assert!(took < 40 * SECOND, "the others waited for the cut: {took:?}");
    if cut {
        assert!(town.people[2].memory().messages(room) < FLOOD);
    }
    town.settle().await;
    took
}

#[test]
fn a_room_that_is_not_read_is_reset_after_a_minute_and_the_connection_lives() {
    world::run(1, async |world| {
        const WINDOW: u32 = 16 * 1024;
        let mut town = Town::found(world, 2, generous).await;
        let _teller = town.chronicle.told_on_panic();
        let room = town.rooms[1];
        let raw = join_raw(world, &town, WINDOW).await;
        raw.subscribe(room).await;
        let mut unread = raw.accept(UniType::Room).await;
        let began = Instant::now();
        flood(&mut town.people[0], room, 500).await;
        until_read(&town.people[1], room, 500).await;
        let took = began.elapsed();
        assert!(took < 10 * SECOND, "the others waited: {took:?}");

        let reset = unread.stream.received_reset().await.unwrap();
        assert_eq!(reset.map(|code| code.into_inner()), Some(ResetCode::Slow.number().into()));
        let waited = began.elapsed();
        let allowed = STREAM_STALL_MAX..STREAM_STALL_MAX + 10 * SECOND;
        assert!(allowed.contains(&waited), "reset after {waited:?}");
        // Asked again, it is there again.
        raw.subscribe(room).await;
        raw.accept(UniType::Room).await.next().await;
        town.settle().await;
    });
}

#[test]
fn a_connection_whose_inbox_is_not_read_is_closed_after_two_minutes() {
    world::run(1, async |world| {
        const WINDOW: u32 = 512;
        let mut town = Town::found(world, 2, generous).await;
        let _teller = town.chronicle.told_on_panic();
        let room = town.rooms[1];
        let raw = join_raw(world, &town, WINDOW).await;
        let _unread = raw.accept(UniType::Inbox).await;
        let began = Instant::now();
        let talk = async {
            for number in 0..150 {
                town.people[0].say(room, format!("message {number}")).await;
                sleep(SECOND).await;
            }
        };
        let closed = async { (raw.connection.closed().await, began.elapsed()) };
        let ((), (reason, waited)) = tokio::join!(talk, closed);
        let ConnectionError::ApplicationClosed(close) = &reason else { panic!("ended by {reason}") };
        assert_eq!(close.error_code.into_inner(), u64::from(CloseCode::SlowConsumer.number()));
        // The window holds some seconds' worth of heads.
        let allowed = CONNECTION_STALL_MAX..CONNECTION_STALL_MAX + 25 * SECOND;
        assert!(allowed.contains(&waited), "closed after {waited:?}");
        town.settle().await;
    });
}

/// Whoever does not take what CONTROL answers must not keep the server from looking at tokens and saying goodbye.
#[test]
fn a_connection_whose_control_is_not_read_is_closed_after_a_minute() {
    world::run(1, async |world| {
        // Less than two refusals.
        const WINDOW: u32 = 10;
        let town = Town::found(world, 1, generous).await;
        let _teller = town.chronicle.told_on_panic();
        let mut raw = join_raw(world, &town, WINDOW).await;
        let began = Instant::now();
        for _ in 0..2 {
            raw.refresh_badly().await;
        }
        let reason = raw.connection.closed().await;
        let ConnectionError::ApplicationClosed(close) = &reason else { panic!("ended by {reason}") };
        assert_eq!(close.error_code.into_inner(), u64::from(CloseCode::SlowConsumer.number()));
        let (waited, allowed) = (began.elapsed(), STREAM_STALL_MAX..STREAM_STALL_MAX + 10 * SECOND);
        assert!(allowed.contains(&waited), "closed after {waited:?}");
    });
}

/// Behind by more than a server replays: the range it leaves out is named, and the library fills it from history.
#[test]
fn a_reader_who_is_very_far_behind_still_reads_everything_once() {
    world::run(1, async |world| {
        const BEHIND: usize = 6_000;
        const { assert!(BEHIND as u64 > BACKLOG_ENTRIES_MAX) };
        let mut town = Town::found(world, 2, generous).await;
        let _teller = town.chronicle.told_on_panic();
        let room = town.rooms[1];
        town.people[1].crash().await;
        flood(&mut town.people[0], room, BEHIND).await;
        until_read(&town.people[0], room, BEHIND).await;
        town.people[1].reopen(true).await;
        town.settle().await;
        assert_eq!(town.people[1].memory().messages(room), BEHIND);
    });
}

async fn join_raw(world: &World, town: &Town, window: u32) -> Raw {
    let invite = town.invite(1).await;
    let from = SocketAddr::from((home(9, 0), 1));
    Raw::join(world, (from, server_addr()), town.epoch, &invite, window).await
}

/// Lets people say thousands of things in seconds.
fn generous(host: &mut Host) {
    host.set_limits(Limits {
        publish_per_second: 1_000,
        publish_burst: 10_000,
        room_publish_per_second: 1_000,
        ..Limits::default()
    });
}

/// Says `count` things as fast as the server takes them.
async fn flood(person: &mut Person, room: RoomId, count: usize) {
    const AT_ONCE: usize = 100;
    for begin in (0..count).step_by(AT_ONCE) {
        let bodies: Vec<String> = (begin..begin + AT_ONCE).map(|number| format!("{number:0100}")).collect();
        let drafts = bodies.iter().cloned().map(Draft::text).collect();
        let ids = person.client().send_all(room, drafts).await.unwrap();
        let at = person.elapsed();
        person.said.extend(ids.into_iter().zip(bodies).map(|(id, body)| Said { room, id, body, at }));
    }
}

/// Waits until somebody has read so many messages of a room.
async fn until_read(person: &Person, room: RoomId, count: usize) {
    while person.memory().messages(room) < count {
        sleep(SECOND / 10).await;
    }
}
