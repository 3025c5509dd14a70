//! `retention`: how long things stay in a room.

use std::time::Duration;

use quipu_client::protocol::request::Retention;

use super::args::{RetentionCommand, RetentionSet};
use super::clock::distance;
use super::context::Context;
use super::exit::Failure;
use super::out::Out;
use super::record::Record;
use super::render::count;
use super::room::{Room, describe, find};

/// Shows what a room keeps, or changes it.
pub(crate) async fn run(context: &Context, out: &mut Out, command: RetentionCommand) -> Result<(), Failure> {
    let session = context.start().await?;
    let info = match command {
        RetentionCommand::Show { room } => describe(&session.client, &room).await?,
        RetentionCommand::Set(args) => {
            let room = find(&session.client, &args.room).await?;
            session.client.set_retention(room.id, wanted(&args), args.why.reason).await?
        }
    };
    let (room, said) = (Room::of(&info), info.retention.unwrap_or_default());
    let record = with_retention(Record::new("retention").of_room(&room), &said);
    out.put(&record, || format!("{} keeps {}", room.label, words(&said)))
}

fn wanted(args: &RetentionSet) -> Retention {
    let ms = |span: Option<Duration>| span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    Retention { age_ms: ms(args.age), count: args.count, bytes: args.bytes, ttl_ms: ms(args.life) }
}

/// What a room says it keeps, for programs.
pub(crate) fn with_retention(record: Record, said: &Retention) -> Record {
    record
        .maybe("age_ms", said.age_ms)
        .maybe("count", said.count)
        .maybe("bytes", said.bytes)
        .maybe("life_ms", said.ttl_ms)
}

/// The same for people: `entries of 30 days, 1000 entries; a message stays 1 hour`.
pub(crate) fn words(said: &Retention) -> String {
    let kept = [
        said.age_ms.map(|age_ms| format!("entries of {}", span(age_ms))),
        said.count.map(|entries| format!("the newest {entries}")),
        said.bytes.map(|bytes| count(bytes, "byte")),
    ];
    let kept: Vec<_> = kept.into_iter().flatten().collect();
    let kept = if kept.is_empty() { "what the server keeps".to_owned() } else { kept.join(", ") };
    match said.ttl_ms {
        Some(ttl_ms) => format!("{kept}; a message stays {}", span(ttl_ms)),
        None => kept,
    }
}

/// A length of time: what lies so far ahead, without the `in`.
fn span(ms: u64) -> String {
    distance(ms, 0).trim_start_matches("in ").to_owned()
}
