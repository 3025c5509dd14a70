//! The lines of an export, read one by one.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

use quipu_protocol::request::Visibility;
use quipu_protocol::{Blob, Entry, Ext, Kind, RoomId, RoomName, Seq, Topic, cbor};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ImportError;

/// Longest line, in bytes: an entry's body twice, every byte of it escaped, and what stands beside it.
const LINE_BYTES_MAX: u64 = 512 * 1024;

/// An export that is being read.
pub(super) struct Lines {
    reader: BufReader<File>,
    number: u64,
}

/// What the room is.
pub(super) struct Header {
    pub(super) room: RoomId,
    pub(super) name: Option<RoomName>,
    pub(super) visibility: Visibility,
    pub(super) topic: Option<Topic>,
    pub(super) floor: Seq,
    pub(super) head: Seq,
    pub(super) read_only: bool,
    pub(super) invite_only: bool,
    pub(super) slow_ms: u64,
}

#[derive(Deserialize)]
struct HeaderLine {
    v: u64,
    r#type: String,
    room: String,
    room_name: Option<String>,
    visibility: String,
    topic: Option<String>,
    floor: u64,
    head: u64,
    read_only: bool,
    invite_only: bool,
    slow_ms: u64,
}

#[derive(Deserialize)]
struct EntryLine {
    seq: u64,
    at_ms: u64,
    user: Option<String>,
    device: Option<String>,
    id: Option<String>,
    text: Option<String>,
    exact: Exact,
}

#[derive(Deserialize)]
struct Exact {
    kind: u64,
    body: Option<String>,
    ext: Option<String>,
}

impl Lines {
    pub(super) fn new(reader: BufReader<File>) -> Self {
        Self { reader, number: 0 }
    }

    /// The first line.
    pub(super) fn header(&mut self) -> Result<Header, ImportError> {
        let line: HeaderLine =
            self.next()?.ok_or_else(|| ImportError::Refused("the file is empty".into()))?;
        if (line.v, line.r#type.as_str()) != (1, "room-export") {
            return Err(self.wrong("this is no export of a room"));
        }
        let visibility = match line.visibility.as_str() {
            "public" => Visibility::PUBLIC,
            "private" => Visibility::PRIVATE,
            _ => Visibility::DIRECT,
        };
        if line.floor == 0 || line.head < line.floor {
            return Err(self.wrong(format!("entries {} to {} are no log", line.floor, line.head)));
        }
        Ok(Header {
            room: self.parsed(&line.room)?,
            name: line.room_name.as_deref().map(|name| self.parsed(name)).transpose()?,
            visibility,
            topic: line.topic.as_deref().map(|topic| self.parsed(topic)).transpose()?,
            floor: Seq(line.floor),
            head: Seq(line.head),
            read_only: line.read_only,
            invite_only: line.invite_only,
            slow_ms: line.slow_ms,
        })
    }

    /// The next entry; none at the end.
    pub(super) fn entry(&mut self) -> Result<Option<Entry>, ImportError> {
        let Some(line) = self.next::<EntryLine>()? else { return Ok(None) };
        let body = match (&line.exact.body, line.text) {
            (Some(hex), _) => self.bytes(hex)?,
            (None, text) => text.unwrap_or_default().into_bytes(),
        };
        let ext: Ext = match &line.exact.ext {
            Some(hex) => {
                cbor::decode(&self.bytes(hex)?, "Ext").map_err(|error| self.wrong(error.to_string()))?
            }
            None => Ext::default(),
        };
        if line.user.is_some() != line.device.is_some() {
            return Err(self.wrong("an author has an account and a device"));
        }
        Ok(Some(Entry {
            seq: Seq(line.seq),
            at_ms: line.at_ms,
            user: line.user.as_deref().map(|user| self.parsed(user)).transpose()?,
            device: line.device.as_deref().map(|device| self.parsed(device)).transpose()?,
            message: line.id.as_deref().map(|id| self.parsed(id)).transpose()?,
            kind: Kind(line.exact.kind),
            body: Blob::new(body).map_err(|_| self.wrong("the body is larger than one may be"))?,
            ext,
        }))
    }

    /// This line is wrong.
    pub(super) fn wrong(&self, why: impl Into<String>) -> ImportError {
        ImportError::Line { number: self.number, why: why.into() }
    }

    /// What was wrong with what this line says.
    pub(super) fn at(&self, error: ImportError) -> ImportError {
        match error {
            ImportError::Refused(why) => self.wrong(why),
            error => error,
        }
    }

    fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ImportError> {
        self.number += 1;
        let mut line = Vec::new();
        let read = self.reader.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line);
        let len = read.map_err(|error| self.wrong(format!("cannot be read: {error}")))?;
        if len == 0 {
            return Ok(None);
        }
        if line.len() as u64 > LINE_BYTES_MAX {
            return Err(self.wrong(format!("it has more than {LINE_BYTES_MAX} bytes")));
        }
        let value = serde_json::from_slice(&line);
        // Where, and not what: an error must not repeat what people said.
        value
            .map(Some)
            .map_err(|error| self.wrong(format!("not a line of an export, at column {}", error.column())))
    }

    fn parsed<T: std::str::FromStr>(&self, text: &str) -> Result<T, ImportError> {
        text.parse().map_err(|_| self.wrong("an id or a name is not what it should be"))
    }

    fn bytes(&self, hex: &str) -> Result<Vec<u8>, ImportError> {
        let digits = hex.as_bytes().chunks(2).map(|pair| {
            let pair =
                std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2 && !pair.starts_with('+'));
            pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())
        });
        digits.collect::<Option<Vec<u8>>>().ok_or_else(|| self.wrong("bytes are not hexadecimal digits"))
    }
}
