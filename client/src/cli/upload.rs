//! `upload`, and the files of `send`: content first, then a message that refers to it.

use std::path::PathBuf;

use quipu_client::protocol::entry::FileRef;
use quipu_client::protocol::limits::FILES_MAX;
use quipu_client::{Client, LocalFile};

use super::args::Upload;
use super::context::Context;
use super::exit::Failure;
use super::files::{described, fields};
use super::out::Out;
use super::progress::Meter;
use super::record::Record;
use super::room::{Room, find};

/// Brings files to the server without saying anything: a later `send --attach` takes no time.
pub(crate) async fn run(context: &Context, out: &mut Out, args: Upload) -> Result<(), Failure> {
    let session = context.start().await?;
    let files = read(&session.client, &args.paths).await?;
    let room = find(&session.client, &args.room).await?;
    for file in &files {
        bring(&session.client, &room, file).await?;
        let record = Record::new("uploaded").of_room(&room);
        let record =
            fields(&file.reference).into_iter().fold(record, |record, (key, value)| record.with(key, value));
        out.put(&record, || described(&file.reference))?;
        out.flush()?;
    }
    Ok(())
}

/// Brings files, and gives what a message says of them.
pub(crate) async fn attach(client: &Client, room: &Room, paths: &[PathBuf]) -> Result<Vec<FileRef>, Failure> {
    if paths.len() > FILES_MAX {
        return Err(Failure::Usage(format!("a message has at most {FILES_MAX} files")));
    }
    // All are read before the first is sent: a name that was mistyped is told at once.
    let files = read(client, paths).await?;
    for file in &files {
        bring(client, room, file).await?;
    }
    Ok(files.into_iter().map(|file| file.reference).collect())
}

async fn read(client: &Client, paths: &[PathBuf]) -> Result<Vec<LocalFile>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        files.push(client.describe_file(path).await?);
    }
    Ok(files)
}

async fn bring(client: &Client, room: &Room, file: &LocalFile) -> Result<(), Failure> {
    let mut meter = Meter::of(file.reference.name.as_str());
    Ok(client.upload(room.id, file, |progress| meter.show(progress)).await?)
}
