//! Who may name whom: the arrows of ARCHITECTURE.md, and the crates that stay on their side of a wall.

use std::fs;

use super::source::{Source, named_below, words};
use super::{check, is_in, report, root};

/// Modules of the server, each with those it may not name: `main → server → transport → room → store`, with `auth`
/// between room and store, and the others below all of them. No arrow points back, so nothing can go in a circle.
const ABOVE: &[(&str, &[&str])] = &[
    ("src/transport", &["server"]),
    ("src/webhooks", &["transport", "server"]),
    ("src/room", &["transport", "webhooks", "server"]),
    ("src/auth", &["room", "transport", "webhooks", "server"]),
    ("src/backup", &["auth", "room", "transport", "webhooks", "server"]),
    ("src/files", &["auth", "room", "transport", "webhooks", "server"]),
    ("src/store", &["files", "auth", "backup", "room", "transport", "webhooks", "server"]),
    ("src/tls", &["auth", "room", "transport", "webhooks", "server"]),
    ("src/config", &["auth", "room", "transport", "webhooks", "server"]),
    ("src/rate", &["auth", "store", "room", "transport", "server"]),
    ("src/metrics", &["auth", "store", "room", "transport", "server"]),
    ("src/seams", &["auth", "store", "room", "transport", "server"]),
];

/// What would make a module one that knows the network.
const NETWORK: &[&str] = &["quinn", "quinn_proto", "rustls", "webpki"];
/// What would give the protocol a runtime, a network or a clock. Addresses are values: `core::net` has them.
const OUTSIDE: &[&str] = &["tokio", "quinn", "quinn_proto", "rustls", "socket2", "SystemTime", "Instant"];
const OUTSIDE_OF_STD: &[&str] = &["fs", "net", "env", "process", "thread"];

fn arrows(source: &Source) -> Vec<String> {
    let walled = ABOVE.iter().filter(|(module, _)| is_in(&source.path, module));
    let faults = walled.flat_map(|(module, above)| {
        let names = names_of_the_root(source).into_iter().filter(|(_, name)| above.contains(name));
        names.map(move |(at, name)| {
            format!("{}: {module} names {name}, which stands above it", source.place(at))
        })
    });
    faults.collect()
}

/// What a file names at the root of its crate, by `crate::` or by as many `super::` as lead there.
fn names_of_the_root(source: &Source) -> Vec<(usize, &str)> {
    let module = source.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = module.split('/').count();
    let mut names = named_below(&source.code, "crate");
    // One more for a module inside the file, such as its tests.
    for supers in [depth, depth + 1] {
        names.extend(named_below(&source.code, &vec!["super"; supers].join("::")));
    }
    names
}

fn room_and_store_without_network(source: &Source) -> Vec<String> {
    let walled = ["src/room", "src/store", "src/files", "src/webhooks"];
    if !walled.iter().any(|module| is_in(&source.path, module)) {
        return Vec::new();
    }
    forbidden(source, &source.code, NETWORK, "chat and storage do not know that a network exists")
}

fn protocol_without_outside(source: &Source) -> Vec<String> {
    if !is_in(&source.path, "protocol/src") {
        return Vec::new();
    }
    let why = "the protocol has no runtime, no files, no network and no clock";
    let mut faults = forbidden(source, &source.shipped, OUTSIDE, why);
    let named =
        named_below(&source.shipped, "std").into_iter().filter(|(_, name)| OUTSIDE_OF_STD.contains(name));
    faults.extend(named.map(|(at, name)| format!("{}: names std::{name}: {why}", source.place(at))));
    faults
}

fn client_without_server(source: &Source) -> Vec<String> {
    let is_client = is_in(&source.path, "client") || is_in(&source.path, "protocol");
    let why = "clients are built without the server";
    if is_client { forbidden(source, &source.code, &["quipu_server"], why) } else { Vec::new() }
}

fn forbidden(source: &Source, code: &str, names: &[&str], why: &str) -> Vec<String> {
    let found = words(code).filter(|(_, word)| names.contains(word));
    found.map(|(at, word)| format!("{}: names {word}: {why}", source.place(at))).collect()
}

#[test]
fn no_arrow_points_back() {
    check(
        arrows,
        &[
            ("src/store/mod.rs", "use crate::room::Room;"),
            ("src/store/sqlite.rs", "use crate::{store::Store, auth};"),
            ("src/room.rs", "use super::transport;"),
            ("src/room/tail.rs", "fn f() { super::super::server::stop() }"),
            ("src/room/tail.rs", "mod tests { use super::super::super::server::Server; }"),
            ("src/transport/publish.rs", "use crate::server::Server;"),
            ("src/rate.rs", "use crate::store;"),
        ],
        &[
            ("src/server.rs", "use crate::{transport, room, store};"),
            ("src/transport/publish.rs", "use crate::{auth::Authenticated, room::Room};"),
            ("src/room/rules.rs", "use super::server; // a module of its own, src/room/server.rs"),
            ("src/store/mod.rs", "//! See [`crate::room`].\nuse crate::store::Seq;"),
        ],
    );
}

#[test]
fn room_and_store_do_not_know_the_network() {
    check(
        room_and_store_without_network,
        &[("src/room/tail.rs", "use quinn::SendStream;"), ("src/store.rs", "fn f(e: rustls::Error) {}")],
        &[
            ("src/transport/mod.rs", "use quinn::Endpoint;"),
            ("src/room/tail.rs", "// not quinn's\nlet a = \"quinn\";"),
        ],
    );
}

#[test]
fn the_protocol_does_no_io() {
    check(
        protocol_without_outside,
        &[
            ("protocol/src/lib.rs", "use tokio::io::AsyncRead;"),
            ("protocol/src/frame.rs", "use std::{fmt, fs::File};"),
            ("protocol/src/frame.rs", "let now = std::time::SystemTime::now();"),
            ("protocol/src/invite.rs", "use std::net::UdpSocket;"),
        ],
        &[
            ("protocol/src/invite.rs", "use core::net::IpAddr;\nuse std::{fmt, str};"),
            ("protocol/src/vectors.rs", "#[cfg(test)]\nmod tests { use std::fs; }"),
            ("protocol/tests/vectors.rs", "use std::fs;"),
        ],
    );
}

#[test]
fn the_client_does_not_name_the_server() {
    let planted = [("client/src/lib.rs", "use quipu_server::Server;")];
    check(client_without_server, &planted, &[("src/main.rs", "use quipu_server::Server;")]);
}

/// Goal: what the code may not name, the manifests do not bring in either.
#[test]
fn manifests_keep_the_walls() {
    let faults = |manifest: &str, never: &[&str]| {
        let table: toml::Table = toml::from_str(manifest).unwrap();
        let dependencies = table.iter().filter(|(name, _)| name.ends_with("dependencies"));
        let names = dependencies.flat_map(|(_, crates)| crates.as_table().unwrap().keys().cloned());
        names.filter(|name| never.contains(&name.as_str())).collect::<Vec<_>>()
    };
    let never_in_client = ["quipu-server"];
    let never_in_protocol =
        ["quipu-server", "quipu-client", "tokio", "tokio-util", "quinn", "quinn-proto", "rustls"];
    assert_eq!(faults("[dependencies]\nquipu-server.workspace = true", &never_in_client), ["quipu-server"]);
    assert_eq!(faults("[dev-dependencies]\ntokio = '1'", &never_in_protocol), ["tokio"]);
    for (package, never) in
        [("client", never_in_client.as_slice()), ("protocol", never_in_protocol.as_slice())]
    {
        let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        let found = faults(&manifest, never);
        report(found.iter().map(|name| format!("{package}/Cargo.toml depends on {name}")).collect());
    }
}
