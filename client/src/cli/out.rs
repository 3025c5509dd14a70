//! Standard output, for data alone: text lines for people, JSON lines for programs. And standard error, for the rest.
//!
//! A reader that goes away (`quipu tail | head -1`) ends the command quietly: that is how pipes say "enough".

use std::io::{self, BufWriter, Write};

use quipu_client::protocol::is_unseen;

use super::exit::Failure;
use super::record::Record;

/// Where data goes. Written when [`Out::flush`] is called, or when the buffer is full.
pub(crate) struct Out {
    json: bool,
    sink: Box<dyn Write + Send>,
}

impl Out {
    /// Standard output.
    pub(crate) fn stdout(json: bool) -> Self {
        Self::to(json, BufWriter::new(io::stdout()))
    }

    fn to(json: bool, sink: impl Write + Send + 'static) -> Self {
        Self { json, sink: Box::new(sink) }
    }

    /// Whether programs read this.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A line for people. Strings from the network in it went through [`super::render`] before.
    pub(crate) fn text(&mut self, line: &str) -> Result<(), Failure> {
        written(writeln!(self.sink, "{line}"))
    }

    /// An object for programs, on a line.
    pub(crate) fn record(&mut self, record: &Record) -> Result<(), Failure> {
        self.text(&json_line(record))
    }

    /// The one or the other, as the caller of the program asked.
    pub(crate) fn put(&mut self, record: &Record, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { self.record(record) } else { self.text(&text()) }
    }

    /// Objects for programs, or the same as a table for people.
    pub(crate) fn rows(
        &mut self,
        records: &[Record],
        row: impl Fn(usize) -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return records.iter().try_for_each(|record| self.record(record));
        }
        let rows: Vec<_> = (0..records.len()).map(row).collect();
        super::render::table(&rows).iter().try_for_each(|line| self.text(line))
    }

    /// A line on standard error, in its place among those on standard output: together on a terminal they read in
    /// this order.
    pub(crate) fn remark(&mut self, line: impl AsRef<str>) -> Result<(), Failure> {
        self.flush()?;
        note(line);
        Ok(())
    }

    /// Writes what is buffered.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        written(self.sink.flush())
    }
}

/// An object on a line.
pub(crate) fn json_line(record: &Record) -> String {
    harmless(serde_json::to_string(record).expect("a record has text keys and no floats"))
}

/// The same JSON with everything escaped that acts on a terminal: a person looks at it as well, and a program reads
/// the same text from it. Such characters stand in strings alone, where an escape may stand.
fn harmless(json: String) -> String {
    if !json.contains(is_unseen) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for char in json.chars() {
        if is_unseen(char) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = std::fmt::Write::write_fmt(&mut out, format_args!("\\u{unit:04x}"));
            }
        } else {
            out.push(char);
        }
    }
    out
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::io("standard output", error),
    })
}

/// A line on standard error. When that is closed there is nobody left to tell, so a failure is ignored.
pub(crate) fn note(line: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", line.as_ref());
}

/// A question on standard error, without a newline.
pub(crate) fn ask(question: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn json_says_the_same_without_acting_on_a_terminal() {
        let text = "a\u{1b}\u{7f}\u{9b}1m\u{202e}\u{200b}\u{e0041} größe 日本 🎉\n\"\\";
        let json = harmless(serde_json::to_string(text).unwrap());
        assert!(!json.contains(is_unseen), "{json}");
        assert!(json.contains("\\u009b") && json.contains("\\udb40\\udc41") && json.contains('🎉'));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn a_closed_pipe_is_not_an_error() {
        let failure = Out::to(false, Closed).text("x").unwrap_err();
        assert!(matches!(failure, Failure::OutputClosed) && failure.exit_code() == 0 && failure.is_quiet());
    }
}
