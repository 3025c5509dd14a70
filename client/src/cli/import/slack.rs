//! A Slack export, unpacked: `users.json`, `channels.json`, `groups.json`, and a folder for each channel with a file for
//! each day.
//!
//! What is taken: what people and programs said, in threads as it was. What is not: who came and went, reactions, and the
//! content of files, of which an export has only the address; that is put behind the text.

mod markup;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use quipu_client::Client;
use quipu_client::protocol::request::Visibility;
use quipu_client::protocol::{RoomName, Topic};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::markup::plain;
use super::super::args::ImportSlack;
use super::super::context::Context;
use super::super::exit::Failure;
use super::super::out::{Out, note};
use super::super::parse::RoomRef;
use super::super::room::{Room, find};
use super::{Import, Told};

/// Imports the channels, each into its room.
pub(super) async fn run(context: &Context, out: &mut Out, args: ImportSlack) -> Result<(), Failure> {
    let export = Export::open(&args.folder)?;
    let channels = export.chosen(&args.channels)?;
    if args.room.is_some() && channels.len() != 1 {
        let text = format!("--room is for one channel, and there are {}: say --channel NAME", channels.len());
        return Err(Failure::Usage(text));
    }
    let session = context.start().await?;
    for channel in channels {
        let room = match &args.room {
            Some(room) => find(&session.client, room).await?,
            None => room_for(&session.client, channel).await?,
        };
        let mut import = Import::new(&session.client, room, context.timeout);
        for day in export.days(channel)? {
            for message in read::<Vec<Message>>(&day)? {
                import.take(message.told(channel, &export.names)).await?;
            }
        }
        import.end(out).await?;
    }
    Ok(())
}

/// The room called like a channel, made if there is none.
async fn room_for(client: &Client, channel: &Channel) -> Result<Room, Failure> {
    let name = room_name(&channel.name).ok_or_else(|| {
        Failure::Usage(format!(
            "no room can be called `{}`: say --channel and --room",
            super::super::render::line(&channel.name)
        ))
    })?;
    match find(client, &RoomRef::Name(name.clone())).await {
        Err(Failure::NotFound(_)) => {}
        found => return found,
    }
    let visibility = if channel.is_private { Visibility::PRIVATE } else { Visibility::PUBLIC };
    let topic = channel.topic.as_ref().map(|topic| topic.value.clone()).filter(|topic| !topic.is_empty());
    let topic = topic.and_then(|topic| topic.parse::<Topic>().ok());
    let made = client.create_room(name, visibility, topic).await?;
    let room = Room::of(&made);
    note(format!("made {}, {}", room.label, visibility.word()));
    Ok(room)
}

/// A channel's name as that of a room.
fn room_name(channel: &str) -> Option<RoomName> {
    let letter = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' };
    channel.chars().map(letter).collect::<String>().trim_start_matches('-').parse().ok()
}

/// What stands at the top of an export.
struct Export {
    folder: PathBuf,
    channels: Vec<Channel>,
    /// What accounts are called, by their id.
    names: HashMap<String, String>,
}

impl Export {
    fn open(folder: &Path) -> Result<Self, Failure> {
        if folder.is_file() {
            let text = format!("{} is a file: unpack it first, and say the folder", folder.display());
            return Err(Failure::Usage(text));
        }
        let optional = |name: &str| -> Result<Vec<Channel>, Failure> {
            let path = folder.join(name);
            if path.exists() { read(&path) } else { Ok(Vec::new()) }
        };
        let mut channels: Vec<Channel> = read(&folder.join("channels.json"))?;
        let groups = optional("groups.json")?;
        channels.extend(groups.into_iter().map(|group| Channel { is_private: true, ..group }));
        let users: Vec<User> = read(&folder.join("users.json"))?;
        let names = users.into_iter().map(|user| (user.id.clone(), user.called())).collect();
        Ok(Self { folder: folder.to_owned(), channels, names })
    }

    fn chosen(&self, names: &[String]) -> Result<Vec<&Channel>, Failure> {
        let named = |name: &String| {
            let wanted = name.trim_start_matches('#');
            let found = self.channels.iter().find(|channel| channel.name == wanted);
            found.ok_or_else(|| Failure::NotFound(format!("the export has no channel {name}")))
        };
        if names.is_empty() { Ok(self.channels.iter().collect()) } else { names.iter().map(named).collect() }
    }

    /// The files of a channel, the oldest first: they are called by their days.
    fn days(&self, channel: &Channel) -> Result<Vec<PathBuf>, Failure> {
        // A name from a file is data: only one that is the name of a folder is looked for.
        let mut parts = Path::new(&channel.name).components();
        let is_plain = matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(_)), None));
        let folder = self.folder.join(&channel.name);
        if !is_plain || !folder.is_dir() {
            return Ok(Vec::new()); // Nothing was ever said there.
        }
        let failed = |error| Failure::io(folder.display().to_string(), error);
        let mut days = Vec::new();
        for file in std::fs::read_dir(&folder).map_err(failed)? {
            days.push(file.map_err(failed)?.path());
        }
        days.retain(|path| path.extension().is_some_and(|end| end == "json"));
        days.sort();
        Ok(days)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let failed = |error| Failure::io(path.display().to_string(), error);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::Usage(format!("{} is larger than {FILE_BYTES_MAX} bytes", path.display())));
    }
    let wrong = |error: serde_json::Error| {
        Failure::Usage(format!(
            "{} is not as Slack writes it: line {}, column {}",
            path.display(),
            error.line(),
            error.column()
        ))
    };
    serde_json::from_slice(&bytes).map_err(wrong)
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Channel {
    #[serde(default)]
    id: String,
    name: String,
    #[serde(default)]
    is_private: bool,
    #[serde(default)]
    topic: Option<About>,
}

#[derive(Debug, Clone, Deserialize)]
struct About {
    #[serde(default)]
    value: String,
}

#[derive(Debug, Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    profile: Profile,
}

#[derive(Debug, Default, Deserialize)]
struct Profile {
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    real_name: String,
}

impl User {
    /// As people there see them.
    fn called(self) -> String {
        let names = [self.profile.display_name, self.name, self.profile.real_name, self.id];
        names.into_iter().find(|name| !name.trim().is_empty()).unwrap_or_default()
    }
}

#[derive(Debug, Default, Deserialize)]
struct Message {
    #[serde(default)]
    ts: String,
    #[serde(default)]
    subtype: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    thread_ts: Option<String>,
    #[serde(default)]
    files: Vec<Attached>,
    #[serde(default)]
    attachments: Vec<Attached>,
}

#[derive(Debug, Default, Deserialize)]
struct Attached {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    url_private: Option<String>,
    #[serde(default)]
    fallback: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

impl Attached {
    fn line(&self) -> Option<String> {
        let address = self.url_private.as_ref();
        let file = self.name.as_ref().map(|name| match address {
            Some(address) => format!("[{name}: {address}]"),
            None => format!("[{name}]"),
        });
        file.or_else(|| self.fallback.clone()).or_else(|| self.text.clone())
    }
}

impl Message {
    /// What it says; none when it only notes something.
    fn told(self, channel: &Channel, names: &HashMap<String, String>) -> Option<Told> {
        if !self.subtype.as_deref().is_none_or(|subtype| SPOKEN.contains(&subtype)) {
            return None;
        }
        let at_ms = milliseconds(&self.ts)?;
        let called = self.user.as_ref().map(|user| names.get(user).unwrap_or(user).clone());
        let author = called.or(self.username).unwrap_or_else(|| "somebody".into());
        let attached = self.files.iter().chain(&self.attachments).filter_map(Attached::line);
        let lines = std::iter::once(self.text.clone()).chain(attached).filter(|line| !line.is_empty());
        let text = plain(&lines.collect::<Vec<_>>().join("\n"), names);
        let thread = self.thread_ts.filter(|root| *root != self.ts).map(|root| key(channel, &root));
        Some(Told { key: key(channel, &self.ts), at_ms, author, text, thread })
    }
}

/// A channel's messages are told apart by their times, which are exact to the microsecond.
fn key(channel: &Channel, ts: &str) -> String {
    let id = if channel.id.is_empty() { &channel.name } else { &channel.id };
    format!("slack\n{id}\n{ts}")
}

/// `1355517523.000005` in milliseconds.
fn milliseconds(ts: &str) -> Option<u64> {
    let (seconds, rest) = ts.split_once('.').unwrap_or((ts, "0"));
    let thousandths: String = rest.chars().chain("000".chars()).take(3).collect();
    seconds.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(thousandths.parse().ok()?)
}

/// Subtypes of what somebody or some program says.
const SPOKEN: [&str; 5] = ["bot_message", "me_message", "thread_broadcast", "file_share", "file_comment"];
/// Largest file of an export that is read, in bytes: one has a channel's day.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> Option<Told> {
        let channel = Channel { id: "C1".into(), name: "general".into(), ..Channel::default() };
        let names = [("U1".to_owned(), "maria".to_owned())].into();
        serde_json::from_str::<Message>(json).unwrap().told(&channel, &names)
    }

    #[test]
    fn what_is_said_has_its_author_its_time_and_its_thread() {
        let first =
            told(r#"{"type":"message","user":"U1","text":"a &lt;b&gt; <@U1>","ts":"1355517523.000005"}"#)
                .unwrap();
        assert_eq!(
            (first.author.as_str(), first.at_ms, first.text.as_str()),
            ("maria", 1_355_517_523_000, "a <b> @maria")
        );
        assert_eq!(first.thread, None);
        let reply =
            told(r#"{"user":"U9","text":"x","ts":"1355517524.12","thread_ts":"1355517523.000005"}"#).unwrap();
        assert_eq!(
            (reply.author.as_str(), reply.at_ms, reply.thread),
            ("U9", 1_355_517_524_120, Some(first.key))
        );
        let root = told(r#"{"user":"U1","text":"x","ts":"1.2","thread_ts":"1.2"}"#).unwrap();
        assert_eq!(root.thread, None);
        let bot = told(r#"{"subtype":"bot_message","username":"ci","text":"","ts":"1.0","attachments":[{"fallback":"failed"}]}"#).unwrap();
        assert_eq!((bot.author.as_str(), bot.text.as_str()), ("ci", "failed"));
        let file = told(r#"{"subtype":"file_share","user":"U1","text":"see","ts":"1.0","files":[{"name":"a.png","url_private":"https://x/a"}]}"#).unwrap();
        assert_eq!(file.text, "see\n[a.png: https://x/a]");
    }

    #[test]
    fn what_only_notes_something_is_left_out() {
        for json in [
            r#"{"subtype":"channel_join","user":"U1","text":"<@U1> has joined","ts":"1.0"}"#,
            r#"{"text":"no time"}"#,
            r#"{"user":"U1","text":"x","ts":"soon"}"#,
            r#"{"user":"U1","text":"x","ts":"99999999999999999999.0"}"#,
        ] {
            assert_eq!(told(json), None, "{json}");
        }
    }

    #[test]
    fn channels_become_rooms() {
        let name = |channel| room_name(channel).map(|name| name.to_string());
        assert_eq!(name("General_Chat.2").as_deref(), Some("general-chat-2"));
        assert_eq!(name("größe").as_deref(), Some("gr--e"));
        assert_eq!((name("___"), name("")), (None, None));
    }
}
