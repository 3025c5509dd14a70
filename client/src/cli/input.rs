//! What is read: standard input or a file, line by line or whole, exactly as its bytes are.
//!
//! ```text
//!   reader thread ──bounded queue──▶ command
//! ```
//!
//! Reading may block for ever, so a thread of its own does it: typing is never lost, nothing else waits for it, and
//! the process may end while it still waits for a key. Only the `\n` that ends a line is taken off: no byte-order
//! mark, no `\r`, no space.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quipu_client::protocol::limits::BODY_BYTES_MAX;
use thiserror::Error;
use tokio::sync::{Notify, mpsc};

use super::exit::Failure;

/// Where text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Source {
    fn open(&self) -> Result<Box<dyn BufRead + Send>, Failure> {
        Ok(match self {
            Self::Stdin => Box::new(BufReader::new(io::stdin())),
            Self::File(path) => Box::new(BufReader::new(open(path)?)),
        })
    }

    /// What people call it.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Stdin => "standard input".into(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Lines as they come. The queue is bounded: a sender that waits stops the reading, and so whoever writes to us.
    pub(crate) fn lines(&self) -> Result<mpsc::Receiver<Line>, Failure> {
        self.read(|| ())
    }

    /// The same, and a sign of life for every part of a line that is not its end. A terminal hands over whole lines;
    /// pipes and programs in front of us may not.
    pub(crate) fn lines_as_typed(&self) -> Result<(mpsc::Receiver<Line>, Arc<Notify>), Failure> {
        let typing = Arc::new(Notify::new());
        let sign = Arc::clone(&typing);
        Ok((self.read(move || sign.notify_one())?, typing))
    }

    fn read(&self, part: impl Fn() + Send + 'static) -> Result<mpsc::Receiver<Line>, Failure> {
        let mut reader = self.open()?;
        let (queue, lines) = mpsc::channel(LINES_MAX);
        // Detached, because it cannot be stopped while it waits for a key; it ends with the process or the queue.
        std::thread::spawn(move || {
            for number in 1.. {
                let content = match read_line(&mut reader, &part) {
                    Ok(None) => break,
                    Ok(Some(content)) => content,
                    Err(error) => Content::Failed(error),
                };
                let failed = matches!(content, Content::Failed(_));
                let unheard = queue.blocking_send(Line { number, content }).is_err();
                if failed || unheard {
                    break;
                }
            }
        });
        Ok(lines)
    }

    /// All of it as one message, without the `\n` that ends it.
    pub(crate) async fn whole(&self) -> Result<String, Failure> {
        let reader = self.open()?;
        let (answer, whole) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || answer.send(read_whole(reader)));
        let bytes = whole.await.map_err(|_| Failure::Interrupted)?;
        let mut bytes = bytes.map_err(|error| Failure::io(self.label(), error))?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        text(bytes).map_err(|error| Failure::Usage(match error {
            TextError::TooLong { .. } => format!(
                "{}: more than the {BODY_BYTES_MAX} bytes a message may have; --each-line sends every line by itself",
                self.label()
            ),
            TextError::NotUtf8 { line, .. } => format!("{}: line {line}: {error}", self.label()),
            TextError::Unreadable(_) => format!("{}: {error}", self.label()),
        }))
    }
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| Failure::io(path.display().to_string(), error))
}

/// One line, and its number from 1.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) content: Content,
}

/// What became of reading a line.
#[derive(Debug)]
pub(crate) enum Content {
    /// Its bytes, without the `\n`.
    Bytes(Vec<u8>),
    /// It has more bytes than a message may have; they were skipped.
    TooLong(u64),
    /// The machine's word.
    Failed(io::Error),
}

impl Content {
    /// The line as text for a message. Empty lines are text too.
    pub(crate) fn text(self) -> Result<String, TextError> {
        match self {
            Self::Bytes(bytes) => text(bytes),
            Self::TooLong(len) => Err(TextError::TooLong { len }),
            Self::Failed(error) => Err(TextError::Unreadable(error)),
        }
    }
}

/// Why input cannot be a message.
#[derive(Debug, Error)]
pub(crate) enum TextError {
    #[error("{len} bytes are more than the {BODY_BYTES_MAX} a message may have")]
    TooLong { len: u64 },
    /// Line and place count from 1; lines by `\n`, places in bytes within the line.
    #[error("not UTF-8: byte {place} is {byte:#04x}")]
    NotUtf8 { line: usize, place: usize, byte: u8 },
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
}

/// Bytes as the text of a message. The order of the checks does not matter: both are the caller's mistake.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, TextError> {
    if bytes.len() > BODY_BYTES_MAX {
        return Err(TextError::TooLong { len: bytes.len() as u64 });
    }
    String::from_utf8(bytes).map_err(|error| {
        let (good, bad) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        let place = 1 + good.iter().rev().take_while(|byte| **byte != b'\n').count();
        TextError::NotUtf8 { line, place, byte: bad.first().copied().unwrap_or_default() }
    })
}

/// The next line without its `\n`; `begun` is called for each part before its end. Keeps at most [`BODY_BYTES_MAX`] bytes and counts the rest.
fn read_line(reader: &mut impl BufRead, begun: impl Fn()) -> io::Result<Option<Content>> {
    let mut line = Vec::new();
    let (mut len, mut began) = (0u64, false);
    loop {
        let chunk = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if chunk.is_empty() {
            break;
        }
        began = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        len += part.len() as u64;
        line.extend_from_slice(&part[..part.len().min(BODY_BYTES_MAX - line.len())]);
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            break;
        }
        begun();
    }
    Ok(match began {
        false => None,
        true if len > BODY_BYTES_MAX as u64 => Some(Content::TooLong(len)),
        true => Some(Content::Bytes(line)),
    })
}

/// Everything, or a little more than fits a message: enough to see that it is too much.
fn read_whole(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(BODY_BYTES_MAX as u64 + 2).read_to_end(&mut bytes)?; // Two: the final newline, and one too many.
    Ok(bytes)
}

/// Lines read ahead at most.
const LINES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn read_all(mut bytes: &[u8]) -> Vec<Content> {
        std::iter::from_fn(|| read_line(&mut bytes, || ()).unwrap()).collect()
    }

    fn texts(bytes: &[u8]) -> Vec<String> {
        read_all(bytes).into_iter().map(|line| line.text().unwrap()).collect()
    }

    #[test]
    fn only_the_newline_is_taken_off() {
        assert_eq!(
            texts(b"a\r\n\xef\xbb\xbfb \n\n\0\x1b\nlast"),
            ["a\r", "\u{feff}b ", "", "\0\u{1b}", "last"]
        );
        assert_eq!(texts(b""), [""; 0]);
        assert_eq!(texts(b"\n"), [""]);
    }

    #[test]
    fn a_line_may_be_as_long_as_a_message_and_no_longer() {
        let long =
            [vec![b'x'; BODY_BYTES_MAX], b"\n".to_vec(), vec![b'y'; BODY_BYTES_MAX + 1], b"\nz".to_vec()]
                .concat();
        // A small buffer, so that lines arrive in parts.
        let mut reader = BufReader::with_capacity(7, &long[..]);
        assert!(
            matches!(read_line(&mut reader, || ()).unwrap(), Some(Content::Bytes(line)) if line.len() == BODY_BYTES_MAX)
        );
        let error = read_line(&mut reader, || ()).unwrap().unwrap().text().unwrap_err();
        assert_eq!(error.to_string(), "16385 bytes are more than the 16384 a message may have");
        assert!(matches!(read_line(&mut reader, || ()).unwrap(), Some(Content::Bytes(line)) if line == b"z"));
    }

    #[test]
    fn bytes_that_are_no_text_are_named() {
        let error = text(b"gr\xf6\xdfe".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "not UTF-8: byte 3 is 0xf6");
        let error = text(b"one\ntwo\nx\xff".to_vec()).unwrap_err();
        assert!(matches!(error, TextError::NotUtf8 { line: 3, place: 2, byte: 0xff }));
    }

    #[tokio::test]
    async fn a_file_is_one_message_without_its_last_newline() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"one\n\ntwo\n\n").unwrap();
        let source = Source::File(file.path().into());
        assert_eq!(source.whole().await.unwrap(), "one\n\ntwo\n");

        file.write_all(&[b'x'; BODY_BYTES_MAX]).unwrap();
        let failure = source.whole().await.unwrap_err();
        assert_eq!(failure.exit_code(), 2, "{failure}");
        assert!(Source::File("/no/such/file".into()).whole().await.is_err());
    }

    #[tokio::test]
    async fn lines_come_numbered_and_in_order() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let many: String = (1..=1_000).map(|number| format!("{number}\n")).collect();
        file.write_all(many.as_bytes()).unwrap();
        let mut lines = Source::File(file.path().into()).lines().unwrap();
        for number in 1..=1_000 {
            let line = lines.recv().await.unwrap();
            assert_eq!((line.number, line.content.text().unwrap()), (number, number.to_string()));
        }
        assert!(lines.recv().await.is_none());
    }
}
