//! `export`: everything the server keeps of this account, and the files it brought.

use std::path::Path;

use quipu_client::protocol::entry::{Entry, FileRef};
use quipu_client::protocol::request::{ExportRecord, ExportedMessage};
use quipu_client::protocol::{RoomId, Seq};
use quipu_client::{Client, Error, ErrorCode, Retry};

use super::args::Export;
use super::context::Context;
use super::entry::{self, hex};
use super::exit::Failure;
use super::out::{Out, note};
use super::record::Record;
use super::render::count;

/// Prints what the server keeps of this account, one object a line.
pub(crate) async fn run(context: &Context, out: &mut Out, args: Export) -> Result<(), Failure> {
    if let Some(folder) = args.files.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(Failure::Usage(format!("{} is not a folder", folder.display())));
    }
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
    entry::files(entry).map(|file| (message.room, entry.seq, file.clone())).collect()
}

/// Brings one file under the name of its content: names are what people say, and may be the same.
async fn fetch(
    client: &Client,
    folder: &Path,
    (room, seq): (RoomId, Seq),
    file: &FileRef,
) -> Result<(), Failure> {
    let path = folder.join(hex(&file.hash));
    match client.download(room, seq, file, &path, |_| {}).await {
        Ok(()) => Ok(()),
        // The room may have been left, or the message may have gone since.
        Err(error) if matches!(error.code, ErrorCode::NotFound | ErrorCode::Forbidden) => {
            note(format!("a file of entry {seq} cannot be had any more"));
            Ok(())
        }
        Err(error) if error.code == ErrorCode::File => {
            Err(Failure::After { before: path.display().to_string(), error })
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
        return Some(Record::new("export-file").with("hash", hex(&file.hash)).with("size", file.size));
    }
    record.message.as_ref().map(|message| said(message.room, &message.entry))
}

/// An entry: what it says, or its body in hexadecimal where it is no text.
fn said(room: RoomId, entry: &Entry) -> Record {
    let text = std::str::from_utf8(&entry.body).ok().filter(|_| !entry.is_erased());
    let files = entry::objects(entry);
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
