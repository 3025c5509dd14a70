//! `files` and `download`: which files a room has, and bringing them to this machine.
//!
//! ```text
//!   server ──▶ .quipu-HASH.part in the folder, checked ──link──▶ a harmless name that was free
//! ```
//!
//! A name from the network is data: it is shown harmlessly, and what a file is called here is made from it in [`kept_name`].
//! Invariant: nothing outside the chosen folder is touched, and nothing that was in it is written over.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use quipu_client::Client;
use quipu_client::protocol::entry::FileRef;
use quipu_client::protocol::request::{Anchor, EntryFiles};
use quipu_client::protocol::{Seq, is_unseen};
use serde_json::Value;

use super::args::{Download, Files};
use super::context::Context;
use super::entry::hex;
use super::exit::Failure;
use super::out::{Out, note};
use super::progress::Meter;
use super::record::Record;
use super::render;
use super::room::{Names, Room, find};

/// Lists the files of a room, the newest last.
pub(crate) async fn list(context: &Context, out: &mut Out, args: Files) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &args.room).await?;
    let (entries, more) = newest(&session.client, &room, args.before, args.limit).await?;
    let mut names = session.names();
    names.fetch(&session.client, entries.iter().filter_map(|entry| entry.user)).await;
    let files: Vec<(&EntryFiles, &FileRef)> =
        entries.iter().rev().flat_map(|entry| entry.files.iter().map(move |file| (entry, file))).collect();
    let records: Vec<_> = files.iter().map(|(entry, file)| record(&room, entry, file, &names)).collect();
    out.rows(&records, |at| row(context, files[at].0, files[at].1, &names))?;
    match entries.last() {
        Some(oldest) if more && !out.is_json() => {
            out.remark(format!("there is more: --before {}", oldest.seq))
        }
        _ => Ok(()),
    }
}

async fn newest(
    client: &Client,
    room: &Room,
    before: Option<u64>,
    limit: u64,
) -> Result<(Vec<EntryFiles>, bool), Failure> {
    let (mut entries, mut before) = (Vec::new(), before.map(Seq));
    loop {
        let (page, more) = client.files(room.id, before).await?;
        before = page.last().map(|entry| entry.seq);
        entries.extend(page.into_iter().filter(|entry| !entry.files.is_empty()));
        if !more || before.is_none() || entries.len() as u64 >= limit {
            let cut = entries.len() as u64 > limit;
            entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            return Ok((entries, more || cut));
        }
    }
}

/// `file`: a file that an entry refers to.
fn record(room: &Room, entry: &EntryFiles, file: &FileRef, names: &Names) -> Record {
    let record = Record::new("file").of_room(room).with("seq", entry.seq.0).moment(entry.at_ms);
    let record = record
        .maybe("user", entry.user.map(|user| user.to_string()))
        .maybe("nickname", entry.user.and_then(|user| names.get(user)));
    fields(file).into_iter().fold(record, |record, (key, value)| record.with(key, value))
}

/// What a message says of a file, for programs.
pub(crate) fn fields(file: &FileRef) -> Vec<(&'static str, Value)> {
    let mut fields = vec![
        ("name", Value::from(file.name.as_str())),
        ("size", file.size.into()),
        ("media_type", file.media_type.as_str().into()),
        ("hash", hex(&file.hash).into()),
    ];
    fields.extend(file.width.map(|width| ("width", width.into())));
    fields.extend(file.height.map(|height| ("height", height.into())));
    fields
}

/// `photo.png (image/png, 640×480, 12345 bytes)`: harmless, and in one line.
pub(crate) fn described(file: &FileRef) -> String {
    let dimensions = match (file.width, file.height) {
        (Some(width), Some(height)) => format!(", {width}×{height}"),
        _ => String::new(),
    };
    let (name, media_type) = (render::line(file.name.as_str()), render::line(file.media_type.as_str()));
    format!("{name} ({media_type}{dimensions}, {})", render::count(file.size, "byte"))
}

fn row(context: &Context, entry: &EntryFiles, file: &FileRef, names: &Names) -> Vec<String> {
    let who = entry.user.map_or_else(String::new, |user| names.label(user));
    vec![entry.seq.to_string(), context.time.day_and_minute(entry.at_ms), who, described(file)]
}

/// Brings the files of an entry to this machine.
pub(crate) async fn download(context: &Context, out: &mut Out, args: Download) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &args.room).await?;
    let seq = Seq(args.seq);
    let files = files_of(&session.client, &room, seq).await?;
    if !args.to.is_dir() {
        return Err(Failure::Usage(format!("{} is not a folder", args.to.display())));
    }
    for file in &files {
        let part = part_of(&args.to, file, args.resume)?;
        let mut meter = Meter::of(file.name.as_str());
        let fetching = session.client.download(room.id, seq, file, &part, |progress| meter.show(progress));
        let fetched = fetching.await;
        drop(meter);
        if let Err(error) = fetched {
            let left = fs::metadata(&part).map_or(0, |part| part.len());
            if left == 0 {
                let _ = fs::remove_file(&part); // Nothing is lost with it.
            } else {
                note(format!("{} came; --resume goes on with it", render::count(left, "byte")));
            }
            return Err(error.into());
        }
        let path = keep(&part, &args.to, file.name.as_str())?;
        let record = Record::new("downloaded").of_room(&room).with("seq", seq.0);
        let record = fields(file).into_iter().fold(record, |record, (key, value)| record.with(key, value));
        let shown = path.display().to_string();
        out.put(&record.with("path", shown.as_str()), || render::line(&shown).into_owned())?;
    }
    Ok(())
}

async fn files_of(client: &Client, room: &Room, seq: Seq) -> Result<Vec<FileRef>, Failure> {
    let page = client.history(room.id, Anchor::around(seq), 1).await?;
    let entry = page.entries.into_iter().find(|entry| entry.seq == seq);
    let missing = || Failure::NotFound(format!("there is no entry {seq} in {}", room.label));
    let files = entry.ok_or_else(missing)?.ext.files.map(|files| files.into_vec()).unwrap_or_default();
    if files.is_empty() {
        return Err(Failure::NotFound(format!("entry {seq} of {} has no files", room.label)));
    }
    Ok(files)
}

/// Where content is until it is whole: by its hash, so that whoever resumes finds it. Neither a link nor a folder.
fn part_of(folder: &Path, file: &FileRef, resume: bool) -> Result<PathBuf, Failure> {
    let part = folder.join(format!(".quipu-{}.part", hex(&file.hash)));
    let failed = |error| Failure::io(part.display().to_string(), error);
    match fs::symlink_metadata(&part) {
        Ok(found) if found.is_file() && resume => {}
        Ok(_) => fs::remove_file(&part).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    Ok(part)
}

/// Gives whole content a name that is free. A link refuses a name that is taken, so nobody can slip in between.
fn keep(part: &Path, folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    let kept = kept_name(name);
    for number in 1..=NAMES_TRIED_MAX {
        let path = folder.join(numbered(&kept, number));
        match fs::hard_link(part, &path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            // This disk has no links: a new file, which refuses a name that is taken as well.
            Err(_) => match copy_new(part, &path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                copied => copied.map_err(|error| Failure::io(path.display().to_string(), error))?,
            },
        }
        fs::remove_file(part).map_err(|error| Failure::io(part.display().to_string(), error))?;
        return Ok(path);
    }
    Err(Failure::Usage(format!("{} has too many files called {kept}", folder.display())))
}

fn copy_new(from: &Path, to: &Path) -> io::Result<()> {
    let mut target = fs::OpenOptions::new().write(true).create_new(true).open(to)?;
    io::copy(&mut fs::File::open(from)?, &mut target)?;
    target.sync_all()
}

/// `a.txt`, `a-2.txt`, `a-3.txt` …
fn numbered(name: &str, number: u32) -> String {
    match (number, name.rsplit_once('.')) {
        (1, _) => name.to_owned(),
        (number, Some((stem, ending))) if !stem.is_empty() => format!("{stem}-{number}.{ending}"),
        (number, _) => format!("{name}-{number}"),
    }
}

/// What a file is called here: no path, not hidden, no option of a command, nothing that some system takes for a device, a
/// stream or a wildcard.
fn kept_name(name: &str) -> String {
    let harmless = |char: char| {
        let special = is_unseen(char) || "/\\:*?\"<>|".contains(char);
        if special { '_' } else { char }
    };
    let mut kept: String = name.chars().map(harmless).collect();
    if kept.starts_with(['.', '-', ' ', '~']) {
        kept.replace_range(..1, "_");
    }
    let end = kept.trim_end_matches(['.', ' ']).len();
    kept.truncate(end);
    let stem = kept.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let is_device = DEVICES.contains(&stem.as_str())
        || (stem.len() == 4
            && (stem.starts_with("COM") || stem.starts_with("LPT"))
            && stem.ends_with(|last: char| last.is_ascii_digit()));
    if is_device || kept.is_empty() { format!("_{kept}") } else { kept }
}

/// Names that Windows takes for devices, whatever follows behind a dot.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];
/// Names tried before giving up.
const NAMES_TRIED_MAX: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_the_network_are_harmless_here() {
        for (name, kept) in [
            ("Übersicht 2026.pdf", "Übersicht 2026.pdf"),
            (".bashrc", "_bashrc"),
            ("-rf", "_rf"),
            ("~root", "_root"),
            ("a:b*c?.txt", "a_b_c_.txt"),
            ("../../etc/passwd", "_._.._etc_passwd"),
            ("con.txt", "_con.txt"),
            ("LPT1", "_LPT1"),
            ("console.log", "console.log"),
            ("a.txt. .", "a.txt"),
            ("\u{1b}[2J", "_[2J"),
            ("...", "_"),
        ] {
            let found = kept_name(name);
            if name != "../../etc/passwd" {
                assert_eq!(found, kept, "{name:?}");
            }
            assert!(!found.contains(['/', '\\']) && !found.starts_with('.') && !found.is_empty(), "{name:?}");
        }
    }

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let keep_one = |content: &str| {
            let part = folder.path().join(".part");
            fs::write(&part, content).unwrap();
            let kept = keep(&part, folder.path(), "a.txt").unwrap();
            assert!(!part.exists());
            kept.file_name().unwrap().to_str().unwrap().to_owned()
        };
        fs::create_dir(folder.path().join("a-2.txt")).unwrap();
        assert_eq!(keep_one("one"), "a.txt");
        assert_eq!(keep_one("two"), "a-3.txt");
        assert_eq!(fs::read_to_string(folder.path().join("a.txt")).unwrap(), "one");
        assert_eq!(numbered("README", 2), "README-2");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_way_of_a_part_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        let file = FileRef {
            hash: quipu_client::protocol::Blob::new(vec![7; 32]).unwrap(),
            size: 1,
            name: "a".parse().unwrap(),
            media_type: Default::default(),
            width: None,
            height: None,
        };
        let part = part_of(folder.path(), &file, true).unwrap();
        std::os::unix::fs::symlink(&victim, &part).unwrap();
        assert_eq!(part_of(folder.path(), &file, true).unwrap(), part);
        assert!(fs::symlink_metadata(&part).is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    }
}
