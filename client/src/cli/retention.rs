//! `retention`, `delete-room`, `delete-account`, `export`: how long things stay, and their end.

use std::path::Path;
use std::time::Duration;

use quipu_client::protocol::entry::{Entry, FileRef};
use quipu_client::protocol::request::{ExportRecord, ExportedMessage, Retention};
use quipu_client::protocol::{RoomId, Seq, Text};
use quipu_client::{Client, Error, ErrorCode, Retry};
use serde_json::Value;

use super::args::{DeleteAccountArgs, DeleteRoomArgs, Export, RetentionCommand, RetentionSet};
use super::clock::distance;
use super::context::Context;
use super::exit::Failure;
use super::files::fields;
use super::out::{Out, note};
use super::record::Record;
use super::render::count;
use super::room::{Room, describe, find, person};
use super::rooms::done;

/// Shows what a room keeps, or changes it.
pub(crate) async fn run(context: &Context, out: &mut Out, command: RetentionCommand) -> Result<(), Failure> {
    let session = context.start().await?;
    let info = match command {
        RetentionCommand::Show { room } => describe(&session.client, &room).await?,
        RetentionCommand::Set(args) => {
            let room = find(&session.client, &args.room).await?;
            session.client.set_retention(room.id, wanted(&args)).await?
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

/// Deletes a room for good.
pub(crate) async fn delete_room(
    context: &Context,
    out: &mut Out,
    args: DeleteRoomArgs,
) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &args.room).await?;
    let confirm = args.confirm.strip_prefix('#').unwrap_or(&args.confirm);
    let confirm = Text::new(confirm).map_err(|_| Failure::Usage("no room has so long a name".into()))?;
    session.client.delete_room(room.id, confirm).await?;
    done(out, "room-deleted", room.id.to_string(), || format!("{} is gone", room.label))
}

/// Deletes an account for good.
pub(crate) async fn delete_account(
    context: &Context,
    out: &mut Out,
    args: DeleteAccountArgs,
) -> Result<(), Failure> {
    let session = context.start().await?;
    let user = match &args.person {
        Some(nickname) => person(&session.client, nickname).await?,
        None => session.me,
    };
    session.client.delete_account(user, args.confirm.clone(), args.erase).await?;
    let what = if args.erase { " with everything it wrote" } else { "" };
    done(out, "account-deleted", user.to_string(), || format!("the account {} is gone{what}", args.confirm))
}

/// Prints what the server keeps of this account, one object a line.
pub(crate) async fn export(context: &Context, out: &mut Out, args: Export) -> Result<(), Failure> {
    let session = context.start().await?;
    let (mut files, mut failed) = (Vec::new(), None);
    let wants_files = args.files.is_some();
    let taken = session.client.export(|record| {
        if let Some(message) = record.message.as_ref().filter(|_| wants_files) {
            files.extend(files_of(message));
        }
        let lines = exported(&record);
        let written = lines.iter().try_for_each(|line| out.record(line));
        written.map_err(|failure| {
            failed = Some(failure);
            let message = "nobody takes the export".to_owned();
            Error { code: ErrorCode::Stopped, retry: Retry::Never, message }
        })
    });
    let taken = taken.await;
    if let Some(failure) = failed {
        return Err(failure);
    }
    let records = taken?;
    if let Some(folder) = &args.files {
        for (room, seq, file) in &files {
            fetch(&session.client, folder, (*room, *seq), file).await?;
        }
    }
    out.flush()?;
    note(format!("{}, {}", count(records, "record"), count(files.len() as u64, "file")));
    Ok(())
}

fn files_of(message: &ExportedMessage) -> Vec<(RoomId, Seq, FileRef)> {
    let entry = &message.entry;
    let files = entry.ext.files.iter().filter(|_| !entry.is_erased()).flat_map(|files| files.iter());
    files.map(|file| (message.room, entry.seq, file.clone())).collect()
}

/// Brings one file under the name of its content: names are what people say, and may be the same.
async fn fetch(
    client: &Client,
    folder: &Path,
    (room, seq): (RoomId, Seq),
    file: &FileRef,
) -> Result<(), Failure> {
    let hash: String = file.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join(hash);
    match client.download(room, seq, file, &path, |_| {}).await {
        Ok(()) => Ok(()),
        // The room may have been left, or the message may have gone since.
        Err(error) if matches!(error.code, ErrorCode::NotFound | ErrorCode::Forbidden) => {
            note(format!("a file of entry {seq} cannot be had any more"));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// A record as a line; what this version does not know is none.
fn exported(record: &ExportRecord) -> Option<Record> {
    let id = |id: &dyn ToString| id.to_string();
    if let Some(account) = &record.account {
        return Some(
            Record::new("export-account")
                .with("user", id(&account.user))
                .with("nickname", account.nickname.as_str())
                .with("role", account.role.word())
                .moment(account.created_ms)
                .maybe("seen_ms", account.seen_ms),
        );
    }
    if let Some(settings) = &record.settings {
        return Some(
            Record::new("export-settings")
                .maybe("receipts", settings.receipts)
                .maybe("last_seen", settings.last_seen),
        );
    }
    if let Some(device) = &record.device {
        return Some(
            Record::new("export-device")
                .with("device", id(&device.device))
                .with("name", device.name.as_str())
                .moment(device.created_ms)
                .with("seen_ms", device.seen_ms)
                .maybe("revoked_ms", device.revoked_ms),
        );
    }
    if let Some(membership) = &record.membership {
        return Some(
            Record::new("export-membership")
                .with("room", id(&membership.room))
                .maybe("room_name", membership.name.as_ref().map(|name| name.as_str()))
                .with("membership", membership.membership.word())
                .with("role", membership.role.word())
                .with("marker", membership.marker.0),
        );
    }
    if let Some(invite) = &record.invite {
        return Some(
            Record::new("export-invite")
                .with("invite", id(&invite.invite))
                .with("uses_left", invite.uses_left)
                .with("expires_ms", invite.expires_ms)
                .with("revoked", invite.revoked)
                .maybe("room", invite.room.map(|room| id(&room))),
        );
    }
    if let Some(file) = &record.file {
        let hash: String = file.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        return Some(Record::new("export-file").with("hash", hash).with("size", file.size));
    }
    record.message.as_ref().map(|message| said(message.room, &message.entry))
}

/// An entry: what it says, or its body in hexadecimal where it is no text.
fn said(room: RoomId, entry: &Entry) -> Record {
    let text = std::str::from_utf8(&entry.body).ok().filter(|_| !entry.is_erased());
    let files = entry.ext.files.iter().filter(|_| !entry.is_erased()).flat_map(|files| files.iter());
    let object = |file| fields(file).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let files: Vec<Value> = files.map(|file| Value::Object(object(file))).collect();
    Record::new("export-entry")
        .with("room", room.to_string())
        .with("seq", entry.seq.0)
        .moment(entry.at_ms)
        .with("kind", entry.kind.0)
        .maybe("id", entry.message.map(|message| message.to_string()))
        .maybe("text", text)
        .maybe("erased", entry.ext.erased.map(|why| why.0))
        .maybe("edited_ms", entry.ext.edited.as_ref().map(|edited| edited.at_ms))
        .maybe("expires_ms", entry.ext.expires_ms)
        .maybe("reply_to", entry.ext.reply_to.map(|seq| seq.0))
        .maybe("thread_root", entry.ext.thread_root.map(|seq| seq.0))
        .maybe("target", entry.ext.target.map(|seq| seq.0))
        .maybe("files", (!files.is_empty()).then_some(files))
}
