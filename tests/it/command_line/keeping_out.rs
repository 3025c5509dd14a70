//! Devices that are shut out, and profiles that are in use.

use std::thread;

use crate::binaries::{People, ServerProcess};

/// Goal: a lost phone is out at once, also where it is just reading, and stays out.
#[test]
fn a_revoked_device_is_out_at_once() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let phone = people.join("phone", &maria.invite(&["--device"]));
    let id = phone.json(&["whoami"])["device"].as_str().unwrap().to_owned();
    ada.run(["send", "lobby", "hello"]).done();
    let mut reading = phone.start(["tail", "lobby"]);
    reading.stdout.until("hello");

    ada.run(["devices", "revoke", &id]).code(3); // Somebody else's.
    let own = maria.json(&["whoami"])["device"].as_str().unwrap().to_owned();
    maria.run(["devices", "revoke", &own]).code(2).says("--this");
    maria.run(["devices", "revoke", &id]).done().says("is shut out");

    reading.end().code(4);
    phone.run(["rooms"]).code(4);
    phone.run(["send", "lobby", "still here"]).code(4);
    let list = maria.run(["devices"]).done();
    assert!(list.stdout.contains("revoked") && list.stdout.contains("this device"), "{list}");
    maria.run(["send", "lobby", "my phone is gone"]).done();
    let log = ada.run(["history", "lobby"]).done();
    assert!(!log.stdout.contains("still here"), "{log}");
}

/// Goal: two programs on one profile do not hurt each other: short ones take turns, behind a long one is said why.
#[test]
fn one_profile_is_used_by_one_program_at_a_time() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada, maria] = people.join_all(&server, ["ada", "maria"]);
    let sending: Vec<_> = (0..4)
        .map(|number| {
            let ada = ada.clone();
            thread::spawn(move || ada.run(["send", "lobby", &format!("turn {number}")]).done())
        })
        .collect();
    for each in sending {
        each.join().unwrap();
    }
    let log = maria.run(["history", "lobby"]).done();
    assert_eq!(log.stdout.matches("turn ").count(), 4, "{log}");

    let mut long = ada.start(["tail", "lobby", "--own"]);
    long.stdout.until("turn ");
    ada.run(["rooms", "--timeout", "200ms"]).code(1).says("--profile NAME");
    long.interrupt();
    long.end().code(130);
    ada.run(["rooms"]).done();
}

/// Goal: a profile whose program was killed is free at once.
#[test]
fn a_killed_program_leaves_no_lock_behind() {
    let server = ServerProcess::start();
    let people = People::new();
    let [ada] = people.join_all(&server, ["ada"]);
    let mut reading = ada.start(["tail", "lobby"]);
    reading.stdout.until("ada joined");
    reading.kill();
    ada.run(["rooms", "--timeout", "1s"]).done();
}
