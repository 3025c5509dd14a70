//! Searches: anything is a question, and what is shown of a text is a part of it.

use quipu_protocol::limits::{SNIPPET_BYTES_MAX, SNIPPET_MATCHES_MAX};
use quipu_protocol::{Blob, Entry, Ext, Kind, Seq};

use super::choices::Choices;
use crate::store::search::{Wanted, Word, words};

/// Words of a text that are looked for in it.
const LOOKED_FOR: usize = 4;

/// Goal: no text makes a search panic; matches lie in what is shown, and every word of a text finds it.
pub(crate) fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (typed, begin, end) = (choices.text(), choices.text(), choices.text());
    let middle = if choices.below(2) == 0 { typed.as_str() } else { "" };
    let text = format!("{begin}{middle}{end}");
    let Some(entry) = says(&text) else { return };
    let wanted = Wanted::words(&typed);
    let _ = wanted.is_empty();
    show(&wanted, &entry, &text);
    let found = words(&text);
    in_order(&found, &text);
    for word in found.iter().take(LOOKED_FOR) {
        let typed = &text[word.at.clone()];
        assert!(show(&Wanted::words(typed), &entry, &text), "{typed:?} does not find {text:?}");
    }
}

/// Whether the text has what is wanted.
fn show(wanted: &Wanted, entry: &Entry, text: &str) -> bool {
    let Some(shown) = wanted.show(entry) else { return false };
    assert!(shown.text.len() <= SNIPPET_BYTES_MAX && text.contains(&shown.text), "{shown:?}");
    assert!(shown.matches.len() <= SNIPPET_MATCHES_MAX, "{shown:?}");
    let mut begin = 0;
    for range in &shown.matches {
        assert!(begin <= range.start && range.start < range.end, "{shown:?}");
        assert!(shown.text.get(range.clone()).is_some(), "{shown:?}");
        begin = range.end;
    }
    true
}

fn in_order(words: &[Word], text: &str) {
    assert!(words.is_sorted_by_key(|word| word.at.start), "{words:?}");
    for word in words {
        assert!(text.get(word.at.clone()).is_some_and(|part| !part.is_empty()), "{word:?}");
        let is_plain =
            |char: char| !char.is_whitespace() && !char.is_control() && !char.is_ascii_punctuation();
        assert!(!word.folded.is_empty() && word.folded.chars().all(is_plain), "{word:?}");
        let _ = word.start();
    }
}

/// A message with this text, unless it is too long for one.
fn says(text: &str) -> Option<Entry> {
    Some(Entry {
        seq: Seq(1),
        at_ms: 0,
        user: None,
        device: None,
        message: None,
        kind: Kind::TEXT,
        body: Blob::new(text.as_bytes().to_vec()).ok()?,
        ext: Ext::default(),
    })
}
