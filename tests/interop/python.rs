//! aioquic and cbor2: a QUIC, a TLS and a CBOR that share no line with ours.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::ours::Server;
use crate::peers;
use crate::process::run;

/// Goal: what fails further on is ours.
#[test]
fn python_has_its_own_quic_and_cbor() {
    let code = "import aioquic.quic.connection, cbor2; print(cbor2.dumps([1, 'a']).hex())";
    let said = run(Command::new(peers::python()).args(["-c", code]));
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(String::from_utf8(said.stdout).unwrap().trim(), "82016161");
}

#[test]
fn a_client_in_python_joins_talks_and_comes_back() {
    let python = peers::python();
    let server = Server::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/aioquic_client.py");
    let said = run(Command::new(python).arg(script).arg(&server.link));
    let stderr = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{stderr}");
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(
        report,
        json!({
            "joined": ["ada", "bob"],
            "began": ["created", "ada joined", "bob joined"],
            "heard": ["from Python, with ☃"],
            "unread": 3,
            "missed": ["one", "two", "three"],
            "retried": { "duplicate": [false, true], "same_place": true, "changed": 301, "times_in_log": 1 },
            "replayed": { "refused": [200, 200, 200], "closed": 4 },
            "second_redeem": 204,
            "wrong_pin": "refused",
        }),
        "{stderr}"
    );
}
