//! Whether an entry has what is asked for, and the part of it that shows why.

use std::ops::Range;

use quipu_protocol::Entry;
use quipu_protocol::limits::{SNIPPET_BYTES_MAX, SNIPPET_MATCHES_MAX};

use super::Wanted;
use super::query::Term;
use super::words::{Word, WordKind, words};

/// Bytes of a text shown before what matches, so that it is seen in its place.
const BEFORE_BYTES: usize = 96;
const _: () = assert!(BEFORE_BYTES < SNIPPET_BYTES_MAX / 2);

/// The part of a text that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// A part of the text, at most `SNIPPET_BYTES_MAX` bytes.
    pub(crate) text: String,
    /// Which bytes of it match, in order, none overlapping.
    pub(crate) matches: Vec<Range<usize>>,
    /// There is text before the part.
    pub(crate) more_before: bool,
    /// There is text after it.
    pub(crate) more_after: bool,
}

impl Wanted {
    /// What shows that an entry has what is wanted; none when it has not.
    pub(crate) fn show(&self, entry: &Entry) -> Option<Shown> {
        let body = entry.text()?;
        let files = entry.ext.files.iter().flat_map(|files| files.iter());
        let texts: Vec<&str> = [body].into_iter().chain(files.map(|file| file.name.as_str())).collect();
        if self.author.is_some_and(|author| entry.user != Some(author)) || (self.has_file && texts.len() < 2)
        {
            return None;
        }
        let found: Vec<(&str, Vec<Word>)> = texts.into_iter().map(|text| (text, words(text))).collect();
        let has = |term: &Term| found.iter().any(|(_, words)| term.places(words).next().is_some());
        if !self.asked.terms.iter().all(has) || self.asked.without.iter().any(has) {
            return None;
        }
        let matches =
            |words: &[Word]| merged(self.asked.terms.iter().flat_map(|term| term.places(words)).collect());
        let shown = found.iter().map(|(text, words)| (*text, matches(words)));
        // What matches is shown rather than what does not, and a message rather than a file's name.
        let best = shown.min_by_key(|(text, matches)| (matches.is_empty(), text.is_empty()));
        best.map(|(text, matches)| cut(text, matches))
    }
}

impl Term {
    /// Where the words follow each other.
    fn places<'a>(&'a self, words: &'a [Word]) -> impl Iterator<Item = Range<usize>> + 'a {
        let last = self.words.len() - 1;
        let is = move |at: usize, word: &Word| match self.goes_on && at == last {
            true => word.folded.starts_with(&self.words[at]),
            false => word.folded == self.words[at],
        };
        let fit = move |some: &&[Word]| some.iter().enumerate().all(|(at, word)| is(at, word));
        words.windows(self.words.len()).filter(fit).filter_map(|some| {
            let (first, last) = (some.first()?, some.last()?);
            // Of two characters only the first was asked for when it was asked for alone.
            let end = match last.kind {
                WordKind::Pair { first_end, .. } if self.goes_on => first_end,
                _ => last.at.end,
            };
            Some(first.at.start..end)
        })
    }
}

/// Ranges in order; those that touch are one.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// The part of `text` around its first match.
fn cut(text: &str, matches: Vec<Range<usize>>) -> Shown {
    let first = matches.first().map_or(0, |range| range.start);
    let begin = match first.checked_sub(BEFORE_BYTES) {
        _ if text.len() <= SNIPPET_BYTES_MAX => 0,
        None => 0,
        Some(begin) => after_space(text, text.ceil_char_boundary(begin), first),
    };
    let end = text.floor_char_boundary(begin + SNIPPET_BYTES_MAX);
    let inside = matches.into_iter().filter(|range| range.start < end);
    let matches = inside.map(|range| range.start - begin..range.end.min(end) - begin);
    Shown {
        text: text[begin..end].to_owned(),
        matches: matches.take(SNIPPET_MATCHES_MAX).collect(),
        more_before: begin > 0,
        more_after: end < text.len(),
    }
}

/// Behind the next space before `until`, or where it is when there is none.
fn after_space(text: &str, from: usize, until: usize) -> usize {
    let space = text[from..until].char_indices().find(|(_, char)| char.is_whitespace());
    space.map_or(from, |(at, char)| from + at + char.len_utf8())
}

#[cfg(test)]
mod tests {
    use quipu_protocol::{Blob, Ext, Kind, Seq};

    use super::*;

    fn says(text: &str) -> Entry {
        Entry {
            seq: Seq(1),
            at_ms: 0,
            user: None,
            device: None,
            message: None,
            kind: Kind::TEXT,
            body: Blob::new(text.as_bytes().to_vec()).unwrap(),
            ext: Ext::default(),
        }
    }

    /// The text with what matches in brackets; `-` when it does not.
    fn shown(typed: &str, text: &str) -> String {
        let Some(shown) = Wanted::words(typed).show(&says(text)) else { return "-".into() };
        let mut marked = shown.text.clone();
        for range in shown.matches.iter().rev() {
            marked.insert(range.end, ']');
            marked.insert(range.start, '[');
        }
        let more = |more: bool| if more { "…" } else { "" };
        format!("{}{marked}{}", more(shown.more_before), more(shown.more_after))
    }

    #[test]
    fn what_matches_is_marked_as_it_was_written() {
        for (typed, text, is) in [
            ("cafe", "A Café, a CAFÉ", "A [Café], a [CAFÉ]"),
            ("\"is done\" backup", "the backup is done, is it done?", "the [backup] [is done], is it done?"),
            ("\"is done\"", "is it done", "-"),
            ("conf*", "config and confess, no cone", "[config] and [confess], no cone"),
            ("本語", "日本語テスト", "日[本語]テスト"),
            ("語", "日本語テスト", "日本[語]テスト"),
            ("日本語", "日本と本語", "-"),
            ("\"Linux 日\"", "Linux 日本", "[Linux 日]本"),
            ("\"日 Linux\"", "本日 Linux", "本[日 Linux]"),
            ("backup -old", "an old backup", "-"),
            ("nothing", "at all", "-"),
        ] {
            assert_eq!(shown(typed, text), is, "{typed} in {text}");
        }
    }

    #[test]
    fn a_long_text_is_cut_around_its_first_match() {
        let text = format!("{} here it is {}", "before ".repeat(100), "after ".repeat(100));
        let shown = shown("here", &text);
        assert!(
            shown.starts_with("…before ") && shown.ends_with('…') && shown.contains("[here] it is"),
            "{shown}"
        );
        let wide = "語".repeat(5_000);
        let shown = Wanted::words("語語").show(&says(&wide)).unwrap();
        assert!(shown.text.len() <= SNIPPET_BYTES_MAX && shown.matches.len() == 1);
    }

    #[test]
    fn an_erased_message_has_nothing() {
        let mut entry = says("hello");
        entry.ext.erased = Some(quipu_protocol::entry::Erasure::REMOVED);
        assert_eq!(Wanted::words("hello").show(&entry), None);
        assert_eq!(Wanted::default().show(&entry), None);
    }
}
