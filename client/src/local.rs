//! Files of this machine, as a message will describe them: read once before anything is sent.
//!
//! What is said of a picture comes from its first bytes; nobody who receives it should trust it.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use imagesize::ImageType;
use quipu_protocol::entry::FileRef;
use quipu_protocol::limits::FILE_NAME_BYTES_MAX;
use quipu_protocol::{Blob, FileName, Text};
use ring::digest::{Context, SHA256};

use crate::error::Error;
use crate::limits::FILE_CHUNK_BYTES;

/// A file of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// Where it is.
    pub path: PathBuf,
    /// How a message will refer to it.
    pub reference: FileRef,
}

/// Types that are known by the end of a name. All else is bytes.
const TYPES: &[(&str, &str)] = &[
    ("csv", "text/csv"),
    ("gz", "application/gzip"),
    ("html", "text/html"),
    ("json", "application/json"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("zip", "application/zip"),
];
const BYTES: &str = "application/octet-stream";

impl LocalFile {
    /// Reads a file from end to end. Blocks.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::file(format!("{}: {error}", path.display()));
        let mut file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(Error::file(format!("{} is not a file", path.display())));
        }
        let (mut hash, mut size) = (Context::new(&SHA256), 0);
        let mut bytes = vec![0; FILE_CHUNK_BYTES];
        loop {
            match file.read(&mut bytes).map_err(failed)? {
                0 => break,
                read => {
                    hash.update(&bytes[..read]);
                    size += read as u64;
                }
            }
        }
        let picture = Picture::of(&mut file);
        let by_name = || by_ending(path).unwrap_or(BYTES);
        let media_type = picture.as_ref().map_or_else(by_name, |picture| picture.media_type);
        let reference = FileRef {
            hash: Blob::new(hash.finish().as_ref().to_vec()).expect("SHA-256 has 32 bytes"),
            size,
            name: name_of(path),
            media_type: Text::cut(media_type.to_owned()),
            width: picture.as_ref().map(|picture| picture.width),
            height: picture.as_ref().map(|picture| picture.height),
        };
        Ok(Self { path: path.to_owned(), reference })
    }
}

/// What the first bytes of a picture say.
struct Picture {
    media_type: &'static str,
    width: u64,
    height: u64,
}

impl Picture {
    fn of(file: &mut File) -> Option<Self> {
        file.rewind().ok()?;
        let mut reader = BufReader::new(file);
        let kind = imagesize::reader_type(&mut reader).ok()?;
        let media_type = match kind {
            ImageType::Png => "image/png",
            ImageType::Jpeg => "image/jpeg",
            ImageType::Gif => "image/gif",
            ImageType::Webp => "image/webp",
            _ => return None,
        };
        let size = kind.reader_size(&mut reader).ok()?;
        Some(Self { media_type, width: size.width as u64, height: size.height as u64 })
    }
}

fn by_ending(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    TYPES.iter().find(|(known, _)| *known == ending).map(|(_, media_type)| *media_type)
}

/// The file's own name, made to fit what names may be.
fn name_of(path: &Path) -> FileName {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = |char: char| {
        // One character alone is a name unless it is one that names may not have.
        let allowed = char == '.' || char == ' ' || char.to_string().parse::<FileName>().is_ok();
        if allowed { char } else { '_' }
    };
    let name: String = name.chars().map(plain).collect();
    shortened(&name).parse().unwrap_or_else(|_| "file".parse().expect("`file` is a file's name"))
}

/// As much of the name as fits, with its ending.
fn shortened(name: &str) -> String {
    if name.len() <= FILE_NAME_BYTES_MAX {
        return name.to_owned();
    }
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if ending.len() <= 16 => (stem, format!(".{ending}")),
        _ => (name, String::new()),
    };
    let room = FILE_NAME_BYTES_MAX - ending.len();
    format!("{}{ending}", &stem[..stem.floor_char_boundary(room)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, bytes: &[u8]) -> FileRef {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        LocalFile::read(&path).unwrap().reference
    }

    #[test]
    fn pictures_say_what_they_are_and_how_large() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x02\0\0\0";
        let gif = b"GIF89a\x40\x01\xc8\0\0\0\0";
        for (bytes, media_type, width, height) in
            [(&png[..], "image/png", 640, 480), (&gif[..], "image/gif", 320, 200)]
        {
            // Whatever it is called.
            let file = read("photo.txt", bytes);
            assert_eq!(file.media_type.as_str(), media_type);
            assert_eq!((file.width, file.height), (Some(width), Some(height)));
        }
    }

    #[test]
    fn what_is_no_picture_is_known_by_its_ending() {
        for (name, media_type) in
            [("a.PDF", "application/pdf"), ("notes.md", "text/markdown"), ("a.png", BYTES), ("a", BYTES)]
        {
            let file = read(name, b"\x89PN");
            assert_eq!((file.media_type.as_str(), file.width), (media_type, None), "{name}");
        }
        let empty = read("empty", b"");
        assert_eq!((empty.size, empty.hash[0]), (0, 0xe3));
    }

    #[test]
    fn names_are_made_to_fit() {
        let name = |text: &str| name_of(Path::new(text)).to_string();
        assert_eq!(name("/home/ada/Übersicht 2026.pdf"), "Übersicht 2026.pdf");
        assert_eq!(name("a\u{1b}[2J\u{202e}gpj.exe"), "a_[2J_gpj.exe");
        assert_eq!(name("/"), "file");
        let long = name(&format!("{}.tar", "é".repeat(200)));
        assert!(long.len() <= FILE_NAME_BYTES_MAX && long.ends_with("é.tar"), "{long}");
    }

    #[test]
    fn folders_and_what_is_not_there_are_no_files() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("none")] {
            let error = LocalFile::read(&path).unwrap_err();
            assert_eq!(error.code, crate::error::ErrorCode::File);
        }
    }
}
