//! What people type into a search, taken apart: words that must be there, "phrases", -words that must not, begin*.
//!
//! Everything is a question: no text is an error, and what cannot be looked up is given back to be told.

use super::words::{Word, WordKind, start_of, words};

/// Words looked up in one search: each is a walk along a list.
pub(crate) const WORDS_MAX: usize = 32;

/// What must be in a text and what must not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// All of these.
    pub(crate) terms: Vec<Term>,
    /// None of these.
    pub(crate) without: Vec<Term>,
    /// What was typed and cannot be looked up.
    pub(crate) ignored: Vec<String>,
}

/// Words that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    /// As they are compared; never none.
    pub(crate) words: Vec<String>,
    /// The last of them may be the beginning of a word.
    pub(crate) goes_on: bool,
}

impl Asked {
    /// Takes apart what somebody typed.
    pub(crate) fn of(typed: &str) -> Self {
        let mut asked = Self::default();
        let mut left = WORDS_MAX;
        for part in parts(typed) {
            match Term::of(part.text, part.begins) {
                Some(term) if term.words.len() <= left => {
                    left -= term.words.len();
                    if part.excluded { asked.without.push(term) } else { asked.terms.push(term) }
                }
                _ => asked.ignored.push(part.text.to_owned()),
            }
        }
        asked
    }
}

impl Term {
    fn of(text: &str, begins: bool) -> Option<Self> {
        let mut found = words(text);
        let mut goes_on = begins;
        match found.as_slice() {
            // The last character of a run is in its last pair already.
            [.., Word { kind: WordKind::Pair { .. }, .. }, Word { kind: WordKind::Last, .. }] => {
                found.pop();
                goes_on = false;
            }
            [.., Word { kind: WordKind::Last, .. }] => goes_on = true,
            [.., last] if begins && start_of(&last.folded).is_none() => return None,
            _ => {}
        }
        let words: Vec<String> = found.into_iter().map(|word| word.folded).collect();
        (!words.is_empty()).then_some(Self { words, goes_on })
    }
}

/// A piece of what was typed, between spaces or quotes.
struct Part<'a> {
    text: &'a str,
    excluded: bool,
    begins: bool,
}

fn parts(typed: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = typed.trim_start();
    while !rest.is_empty() {
        let excluded = rest.len() > 1 && rest.starts_with('-') && !rest[1..].starts_with(char::is_whitespace);
        let begin = if excluded { &rest[1..] } else { rest };
        let (text, after) = match begin.strip_prefix('"') {
            // A phrase that does not end goes to the end.
            Some(phrase) => phrase.split_once('"').unwrap_or((phrase, "")),
            None => begin.split_at(
                begin.find(|char: char| char.is_whitespace() || char == '"').unwrap_or(begin.len()),
            ),
        };
        let begins = text.ends_with('*') || after.starts_with('*');
        if !text.is_empty() {
            parts.push(Part { text, excluded, begins });
        }
        rest = after.strip_prefix('*').unwrap_or(after).trim_start();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `words | without | ignored`, phrases joined with `_`, a beginning with `*`.
    fn read(typed: &str) -> String {
        let asked = Asked::of(typed);
        let term = |term: &Term| term.words.join("_") + if term.goes_on { "*" } else { "" };
        let list = |terms: &[Term]| terms.iter().map(term).collect::<Vec<_>>().join(" ");
        format!("{} | {} | {}", list(&asked.terms), list(&asked.without), asked.ignored.join(" "))
    }

    #[test]
    fn words_phrases_exclusions_and_beginnings_are_told_apart() {
        for (typed, is) in [
            ("backup Done", "backup done |  | "),
            ("\"the backup\" done", "the_backup done |  | "),
            ("backup -old -\"last week\"", "backup | old last_week | "),
            ("conf* a*", "conf* |  | a*"),
            ("\"two conf\"* x", "two_conf* x |  | "),
            ("e-mail me@x.org", "e_mail me_x_org |  | "),
            ("\"never closed -x", "never_closed_x |  | "),
            ("日本語", "日本_本語 |  | "),
            ("語", "語* |  | "),
            ("\"見 Linux 日\"", "見_linux_日* |  | "),
            ("\"日本 x\"", "日本_本_x |  | "),
            ("!!! - -- 🎉", " |  | !!! - - 🎉"),
            ("  ", " |  | "),
            ("OR NOT NEAR(a) text:b ^c {x}", "or not near_a text_b c x |  | "),
        ] {
            assert_eq!(read(typed), is, "{typed}");
        }
    }

    #[test]
    fn more_words_than_the_bound_are_told() {
        let typed = (0..WORDS_MAX + 2).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ");
        let asked = Asked::of(&typed);
        assert_eq!((asked.terms.len(), asked.ignored.len()), (WORDS_MAX, 2));
        let long = format!("\"{typed}\" short");
        assert_eq!(Asked::of(&long).terms.len(), 1);
    }

    proptest! {
        /// Goal: nothing of what is typed is lost without a word.
        #[test]
        fn any_text_is_a_question(typed in any::<String>()) {
            let asked = Asked::of(&typed);
            let has_words = !words(&typed).is_empty();
            prop_assert!(!has_words || !asked.terms.is_empty() || !asked.without.is_empty() || !asked.ignored.is_empty());
            prop_assert!(asked.terms.iter().chain(&asked.without).all(|term| !term.words.is_empty()));
        }
    }
}
