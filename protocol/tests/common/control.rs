//! Samples of CONTROL, with and without what is optional.

use quipu_protocol::control::{Auth, Authenticated, Goaway, Hello, Limits, Notice, Redeem, Refresh, Token};
use quipu_protocol::request::{Permissions, ServerRole};
use quipu_protocol::{Blob, Code, List, Refusal, Text};

use super::signed::{self, Example};
use super::{ADA, AT_MS, LAPTOP, Sample, fits, frame, item, name};

pub fn samples() -> Vec<Sample> {
    let example = Example::new();
    let mut samples = hellos();
    samples.extend(refusals());
    samples.extend(signed_frames(&example));
    samples.extend(signed::items(&example));
    samples.extend([
        frame("authenticated", authenticated()),
        frame(
            "authenticated-bot",
            Authenticated { role: ServerRole::BOT.0, scope: Some(Permissions(3)), ..authenticated() },
        ),
        item("limits", "limits", authenticated().limits),
        frame("goaway-stay", Goaway { grace_ms: 5_000, redirect: None }),
        frame(
            "goaway-elsewhere",
            Goaway { grace_ms: 5_000, redirect: Some(fits(Text::new("chat2.example.org:4433"))) },
        ),
        frame("notice", Notice { text: fits(Text::new("maintenance at noon")) }),
    ]);
    samples
}

fn hellos() -> Vec<Sample> {
    let hello = |features: Vec<u64>, agent: Option<&str>| Hello {
        minor: 0,
        features: fits(List::new(features)),
        agent: agent.map(|agent| fits(Text::new(agent))),
    };
    vec![
        frame("hello-least", hello(vec![], None)),
        frame("hello-agent", hello(vec![], Some("quipu/0.1.0"))),
        frame("hello-features", hello(vec![1, 24, 70_000], Some("grüße ☎"))),
    ]
}

fn refusals() -> Vec<Sample> {
    vec![
        frame("refusal-code", Refusal::new(Code::NOT_FOUND)),
        frame("refusal-text", Refusal::because(Code::FORBIDDEN, "readers cannot publish")),
        frame("refusal-wait", Refusal::because(Code::RATE, "too fast").retry_after(1_500)),
        frame("refusal-unknown-code", Refusal::new(Code(499))),
    ]
}

fn authenticated() -> Authenticated {
    Authenticated {
        user: ADA,
        device: LAPTOP,
        nickname: name("Ada"),
        now_ms: AT_MS,
        expires_ms: AT_MS + 86_400_000,
        role: ServerRole::OWNER.0,
        limits: Limits {
            frame_bytes: 65_536,
            body_bytes: 16_384,
            rooms_open: 32,
            publishes_in_flight: 256,
            publishes_per_second: 5,
        },
        scope: None,
    }
}

fn signed_frames(example: &Example) -> Vec<Sample> {
    vec![
        frame(
            "redeem",
            Redeem {
                secret: blob(&signed::SECRET),
                key: example.cose_key(),
                nickname: name("Ada"),
                device_name: name("Ada's laptop"),
                proof: blob(&example.redeem.proof),
            },
        ),
        frame(
            "redeem-p256",
            Redeem {
                secret: blob(&signed::SECRET),
                key: signed::p256_key(),
                nickname: name("Ada"),
                device_name: name("Ada's phone ☎"),
                proof: blob(&signed::p256_proof()),
            },
        ),
        frame(
            "token",
            Token { token: blob(&example.token), expires_ms: AT_MS + 86_400_000, user: ADA, device: LAPTOP },
        ),
        frame("auth", Auth { token: blob(&example.token), proof: blob(&example.auth.proof) }),
        frame("refresh", Refresh { device: LAPTOP, proof: blob(&example.refresh.proof) }),
    ]
}

fn blob<const MAX: usize>(bytes: &[u8]) -> Blob<MAX> {
    fits(Blob::new(bytes.to_vec()))
}
