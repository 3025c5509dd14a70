//! Logs of IRC channels, as the usual clients and loggers write them.
//!
//! ```text
//!   [15:01] <nick> words          15:01:02 < nick> words        2010-08-17T15:01:02 <@nick> words
//!   2010-08-17 15:01:02⇥nick⇥words                              [15:01] * nick waves
//!   --- Day changed Tue Aug 17 2010                             and all else, which is left out
//! ```
//!
//! Times are taken as UTC. What is not UTF-8 is Latin-1, as it was in those days.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use time::{Date, Duration, Month, Time};

use super::super::args::ImportIrc;
use super::super::context::Context;
use super::super::exit::Failure;
use super::super::out::Out;
use super::super::room::find;
use super::{Import, Told};

/// Imports the files, one behind the other.
pub(super) async fn run(context: &Context, out: &mut Out, args: ImportIrc) -> Result<(), Failure> {
    let mut logs = Vec::new();
    for path in &args.files {
        let day = args
            .date
            .map(|day| day.0)
            .or_else(|| path.file_name().and_then(|name| in_name(&name.to_string_lossy())));
        logs.push((
            path,
            File::open(path).map_err(|error| Failure::io(path.display().to_string(), error))?,
            day,
        ));
    }
    let session = context.start().await?;
    let room = find(&session.client, &args.room).await?;
    let mut import = Import::new(&session.client, room, context.timeout);
    let mut seen = HashMap::new();
    for (path, file, day) in logs {
        let mut reader = BufReader::new(file);
        let mut log = Log::of(day);
        for number in 1_u64.. {
            let Some(line) = next_line(&mut reader, path)? else { break };
            let told = match log.line(&line) {
                Ok(said) => said.map(|said| said.told(&mut seen)),
                Err(NoDay) => {
                    return Err(Failure::Usage(format!(
                        "{}: line {number}: no day is known; say --date 2026-11-25",
                        path.display()
                    )));
                }
            };
            import.take(told).await?;
        }
    }
    import.end(out).await
}

/// The next line, none at the end. What is beyond a bound no client writes is cut off.
fn next_line(reader: &mut BufReader<File>, path: &Path) -> Result<Option<String>, Failure> {
    let failed = |error| Failure::io(path.display().to_string(), error);
    let mut line = Vec::new();
    if reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(failed)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else {
        reader.skip_until(b'\n').map_err(failed)?;
    }
    let line = String::from_utf8(line)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    Ok(Some(line))
}

/// The day in a file's name, as loggers put it there.
fn in_name(name: &str) -> Option<Date> {
    (0..name.len()).find_map(|at| day(name.get(at..at + 10)?))
}

/// A day as `2010-08-17`.
pub(crate) fn day(text: &str) -> Option<Date> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let is_day = [(year, 4), (month, 2), (day, 2)]
        .iter()
        .all(|(part, len)| part.len() == *len && part.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_day {
        return None;
    }
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

/// That a line has a time, and nothing says of which day.
#[derive(Debug, PartialEq, Eq)]
struct NoDay;

/// Something said in a log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Said {
    at_ms: u64,
    author: String,
    text: String,
}

impl Said {
    /// Logs have no ids: what is said twice in a minute is told apart by its number.
    fn told(self, seen: &mut HashMap<Said, u64>) -> Told {
        let nth = seen.entry(self.clone()).or_default();
        *nth += 1;
        let Self { at_ms, author, text } = self;
        Told { key: format!("irc\n{at_ms}\n{author}\n{text}\n{nth}"), at_ms, author, text, thread: None }
    }
}

/// A log that is read from its beginning, and what time it is in it.
#[derive(Debug)]
struct Log {
    day: Option<Date>,
    time: Time,
}

impl Log {
    fn of(day: Option<Date>) -> Self {
        Self { day, time: Time::MIDNIGHT }
    }

    /// What a line says; none when nobody says anything in it.
    fn line(&mut self, line: &str) -> Result<Option<Said>, NoDay> {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(changed) = day_changed(line) {
            (self.day, self.time) = (Some(changed), Time::MIDNIGHT);
            return Ok(None);
        }
        let Some((day, time, rest)) = stamp(line) else { return Ok(None) };
        let Some((author, text)) = spoken(rest) else { return Ok(None) };
        self.comes(day, time)?;
        let at = self.day.ok_or(NoDay)?.with_time(self.time).assume_utc();
        let at_ms = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        Ok(Some(Said { at_ms, author: author.to_owned(), text }))
    }

    /// The clock goes on. One that goes far back has passed midnight; one that goes back a little was set.
    fn comes(&mut self, day: Option<Date>, time: Time) -> Result<(), NoDay> {
        if let Some(day) = day {
            self.day = Some(day);
        } else if time < self.time && self.time - time > Duration::hours(12) {
            self.day = self.day.ok_or(NoDay)?.next_day();
        }
        self.time = time;
        Ok(())
    }
}

/// `--- Day changed Tue Aug 17 2010` and `--- Log opened Tue Aug 17 15:01:02 2010`.
fn day_changed(line: &str) -> Option<Date> {
    let rest = line.strip_prefix("--- Day changed ").or_else(|| line.strip_prefix("--- Log opened "))?;
    let mut words = rest.split_whitespace().skip(1);
    let (month, day) = (words.next()?, words.next()?);
    let year = words.last()?;
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month)? as u8 + 1;
    Date::from_calendar_date(year.parse().ok()?, Month::try_from(month).ok()?, day.parse().ok()?).ok()
}

/// When a line was said, perhaps on which day, and what follows.
fn stamp(line: &str) -> Option<(Option<Date>, Time, &str)> {
    let (inner, bracketed) = match line.strip_prefix('[') {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let (date, rest) = match inner.get(..10).and_then(day) {
        Some(date) => (Some(date), inner.get(10..)?.strip_prefix([' ', 'T'])?),
        None => (None, inner),
    };
    let end = rest.find(|char: char| !char.is_ascii_digit() && char != ':').unwrap_or(rest.len());
    let time = clock(&rest[..end])?;
    let rest = &rest[end..];
    let rest = if bracketed { rest.strip_prefix(']')? } else { rest };
    Some((date, time, rest.strip_prefix([' ', '\t'])?))
}

fn clock(text: &str) -> Option<Time> {
    let mut parts = text.split(':').map(|part| (part.len() == 2).then(|| part.parse::<u8>().ok()).flatten());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().map_or(Some(0), |second| second)?;
    parts.next().is_none().then(|| Time::from_hms(hour, minute, second.min(59)).ok())?
}

/// Who says what; none when nobody does.
fn spoken(rest: &str) -> Option<(&str, String)> {
    let nick = |nick: &'_ str| -> Option<usize> {
        (!nick.is_empty() && !nick.contains(char::is_whitespace)).then_some(nick.len())
    };
    if let Some((author, text)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        let author = author.trim_start_matches([' ', '@', '+', '%', '&', '~']);
        nick(author)?;
        return Some((author, text.strip_prefix(' ').unwrap_or(text).to_owned()));
    }
    if let Some((author, text)) = rest.strip_prefix("* ").and_then(|rest| rest.split_once(' ')) {
        // What somebody does, as such lines show it everywhere.
        nick(author)?;
        return (!author.starts_with('*')).then(|| (author, format!("* {author} {text}")));
    }
    let (author, text) = rest.split_once('\t')?;
    let author = author.trim_start_matches(['@', '+', '%', '&', '~']);
    nick(author)?;
    let is_event = ["-->", "<--", "--", "*", "=!="].contains(&author);
    (!is_event).then(|| (author, text.to_owned()))
}

/// Longest line that is read, in bytes. IRC itself has 512, or 8,191 with tags.
const LINE_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(log: &mut Log, line: &str) -> Option<(String, String, String)> {
        let said = log.line(line).unwrap()?;
        let at = super::super::super::clock::rfc3339(said.at_ms);
        Some((at[..16].replace('T', " "), said.author, said.text))
    }

    #[track_caller]
    fn check(line: &str, expected: Option<(&str, &str, &str)>) {
        let found = said(&mut Log::of(day("2010-08-17")), line);
        let expected = expected.map(|(at, author, text)| (at.to_owned(), author.to_owned(), text.to_owned()));
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn the_usual_lines_are_understood() {
        let at = "2010-08-17 15:01";
        check("[15:01] <gos> Hi, who?", Some((at, "gos", "Hi, who?")));
        check("[15:01:59] <@gos> a <b> [c]\r", Some((at, "gos", "a <b> [c]")));
        check("15:01 < gos>  two spaces", Some((at, "gos", " two spaces")));
        check("15:01:02 <+gos> x", Some((at, "gos", "x")));
        check("2011-01-02T15:01:02 <gos> x", Some(("2011-01-02 15:01", "gos", "x")));
        check("[2011-01-02 15:01:02] <gos> x", Some(("2011-01-02 15:01", "gos", "x")));
        check("2011-01-02 15:01:02\t@gos\ta\tb", Some(("2011-01-02 15:01", "gos", "a\tb")));
        check("[15:01] * gos waves at all", Some((at, "gos", "* gos waves at all")));
        check("[15:01] <gos>", Some((at, "gos", "")));
    }

    #[test]
    fn what_nobody_says_is_left_out() {
        for line in [
            "",
            "=== emc_ is now known as emc",
            "[15:01] *** gos has joined #ubuntu",
            "15:01 -!- gos [~gos@host] has quit",
            "2011-01-02 15:01:02\t-->\tgos (~gos@host) has joined",
            "2011-01-02 15:01:02\t--\tMode #a [+o gos]",
            "[25:01] <gos> no such hour",
            "[1:01] <gos> no such time",
            "[15:01 <gos> x",
            "[15:01] <two words> x",
            "--- Log closed Tue Aug 17 15:01:02 2010",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn days_pass() {
        let mut log = Log::of(None);
        assert_eq!(log.line("[15:01] <a> x"), Err(NoDay));
        let mut log = Log::of(day("2010-08-31"));
        let at = |log: &mut Log, line: &str| said(log, line).unwrap().0;
        assert_eq!(at(&mut log, "[23:59] <a> x"), "2010-08-31 23:59");
        assert_eq!(at(&mut log, "[00:00] <a> x"), "2010-09-01 00:00");
        assert_eq!(at(&mut log, "[09:30] <a> x"), "2010-09-01 09:30");
        assert_eq!(at(&mut log, "[09:29] <a> the clock was set"), "2010-09-01 09:29");
        assert_eq!(said(&mut log, "--- Day changed Sun Oct 03 2010"), None);
        assert_eq!(at(&mut log, "00:10 <a> x"), "2010-10-03 00:10");
        assert_eq!(said(&mut log, "--- Log opened Mon Oct 04 23:00:00 2010"), None);
        assert_eq!(at(&mut log, "23:10 <a> x"), "2010-10-04 23:10");
    }

    #[test]
    fn a_name_tells_the_day() {
        assert_eq!(in_name("2010-08-17_18.log"), day("2010-08-17"));
        assert_eq!(in_name("#ubuntu.2010-08-17.log"), day("2010-08-17"));
        assert_eq!(in_name("größe-2010-08-17"), day("2010-08-17"));
        assert_eq!((in_name("2010-13-17.log"), in_name("ubuntu.log"), day("2010-8-17")), (None, None, None));
    }

    #[test]
    fn what_is_said_twice_is_two() {
        let said = Said { at_ms: 1, author: "a".into(), text: "x".into() };
        let mut seen = HashMap::new();
        let keys = [said.clone().told(&mut seen).key, said.clone().told(&mut seen).key];
        assert_ne!(keys[0], keys[1]);
        assert_eq!(said.told(&mut HashMap::new()).key, keys[0], "and the same in another run");
    }
}
