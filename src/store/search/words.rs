//! Text as words: the same for what is kept, for what is asked, and for what is shown to match.
//!
//! ```text
//!   "Größe: 日本語" ──▶ grosse@0..7  日本@9..15  本語@12..18  語@15..18
//! ```
//!
//! A word is letters, digits and their marks; case, accents and width are folded away. Scripts that do not put spaces
//! between words have no words to be found by, so every two of their characters that follow each other are one; the
//! last character of such a run stands alone as well, so that a run which ends is told from one that goes on.
//!
//! Invariant: what a word consists of is lowercase letters, digits and marks, never white space or punctuation.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Which rules made the words of an index: another number, or other tables of Unicode, and it is made anew.
pub(crate) fn version() -> String {
    let (major, minor, patch) = unicode_normalization::UNICODE_VERSION;
    format!("2/{major}.{minor}.{patch}")
}

/// A word and the bytes it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// As it is compared.
    pub(crate) folded: String,
    /// Where it stands in the text.
    pub(crate) at: Range<usize>,
    /// How it was found.
    pub(crate) kind: WordKind,
}

impl Word {
    /// What a search for a part of the word finds it by: its first three letters, or the first of two characters.
    pub(crate) fn start(&self) -> Option<&str> {
        match self.kind {
            WordKind::Spaced => start_of(&self.folded),
            WordKind::Pair { first, .. } => self.folded.get(..first),
            WordKind::Last => Some(&self.folded),
        }
    }
}

/// The first three letters of what has three.
pub(crate) fn start_of(word: &str) -> Option<&str> {
    let (at, last) = word.char_indices().nth(START_CHARS - 1)?;
    word.get(..at + last.len_utf8())
}

/// Letters that a search for the beginning of a word needs: fewer are in too many words.
pub(crate) const START_CHARS: usize = 3;

/// How a word was found in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WordKind {
    /// Between spaces or punctuation.
    Spaced,
    /// Two characters of a script without spaces.
    Pair {
        /// Bytes of the folded word that are the first of them.
        first: usize,
        /// Where in the text the first ends.
        first_end: usize,
    },
    /// The last character of a run of such a script.
    Last,
}

/// The words of a text, in order.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = 0;
    while let Some(begin) = text[rest..].find(is_letter).map(|at| rest + at) {
        let dense = is_dense(text[begin..].chars().next().unwrap_or_default());
        let goes_on = |char: char| is_part(char) && (is_extending(char) || is_dense(char) == dense);
        let len = text[begin..].find(|char| !goes_on(char)).unwrap_or(text.len() - begin);
        rest = begin + len;
        if dense {
            push_pairs(&mut words, text, begin..rest);
        } else {
            let folded = folded(&text[begin..rest]);
            if !folded.is_empty() {
                words.push(Word { folded, at: begin..rest, kind: WordKind::Spaced });
            }
        }
    }
    words
}

/// A run of a script without spaces: its characters by twos, and the last one alone.
fn push_pairs(words: &mut Vec<Word>, text: &str, run: Range<usize>) {
    let begins = text[run.clone()].char_indices().filter(|(_, char)| !is_extending(*char));
    let mut edges: Vec<usize> = begins.map(|(at, _)| run.start + at).collect();
    edges.push(run.end);
    let chars = edges.windows(2).map(|edge| (folded(&text[edge[0]..edge[1]]), edge[0]..edge[1]));
    let chars: Vec<(String, Range<usize>)> = chars.filter(|(folded, _)| !folded.is_empty()).collect();
    for pair in chars.windows(2) {
        let ((first, one), (second, other)) = (&pair[0], &pair[1]);
        let kind = WordKind::Pair { first: first.len(), first_end: one.end };
        words.push(Word { folded: format!("{first}{second}"), at: one.start..other.end, kind });
    }
    if let Some((folded, at)) = chars.into_iter().next_back() {
        words.push(Word { folded, at, kind: WordKind::Last });
    }
}

/// Without case, accents and width.
fn folded(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let plain = word.nfkd().filter(|char| !is_accent(*char)).flat_map(char::to_lowercase).flat_map(bare);
    // Composed again: Korean syllables and Japanese voicing marks are no accents.
    plain.nfc().filter(|char| is_part(*char)).collect()
}

/// Letters whose accent no table takes off.
fn bare(char: char) -> impl Iterator<Item = char> {
    let plain = match char {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ŧ' => "t",
        'þ' => "th",
        'ı' => "i",
        'ς' => "σ",
        _ => "",
    };
    plain.chars().chain(plain.is_empty().then_some(char))
}

/// Marks above and below letters; voicing marks and vowel signs are not among them.
fn is_accent(char: char) -> bool {
    matches!(char, '\u{300}'..='\u{36f}')
}

/// Whether a word may begin with it.
fn is_letter(char: char) -> bool {
    char.is_alphanumeric()
}

/// Whether a word may go on with it.
fn is_part(char: char) -> bool {
    is_letter(char) || is_combining_mark(char)
}

/// Whether it belongs to the character before it.
fn is_extending(char: char) -> bool {
    is_combining_mark(char) || matches!(char, '\u{ff9e}' | '\u{ff9f}' | '\u{1160}'..='\u{11ff}')
}

/// Whether it belongs to a script that puts no spaces between words: Chinese, Japanese and Korean (where a space
/// separates more than a word), Thai, Lao, Burmese and Khmer.
fn is_dense(char: char) -> bool {
    matches!(char,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' // South-east Asia.
        | '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}' | '\u{ffa0}'..='\u{ffdc}'                       // Hangul.
        | '\u{3005}'..='\u{3007}' | '\u{3031}'..='\u{312f}' | '\u{31a0}'..='\u{31ff}'
        | '\u{ff66}'..='\u{ff9f}' // Kana, Bopomofo.
        | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}') // Han.
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folded_words(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.folded).collect()
    }

    #[test]
    fn case_accents_and_width_do_not_matter() {
        for (one, other) in [
            ("Größe CAFÉ", "grosse cafe"),
            ("cafe\u{301}", "café"),
            ("Łódź Tiếng Việt", "lodz tieng viet"),
            ("Ｑｕｉｐｕ１", "quipu1"),
            ("ΣΊΣΥΦΟΣ", "σισυφος"),
            ("Ёлка", "елка"),
            ("ﾃｽﾄ", "テスト"),
            ("ｶﾞｽ", "ガス"),
            ("か\u{3099}", "が"),
            ("\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}", "한글"),
        ] {
            assert_eq!(folded_words(one), folded_words(other), "{one}");
        }
        assert_ne!(folded_words("か"), folded_words("が"));
    }

    #[test]
    fn punctuation_ends_a_word() {
        assert_eq!(
            folded_words("don't --stop: e-mail/me@x.org"),
            ["don", "t", "stop", "e", "mail", "me", "x", "org"]
        );
        assert_eq!(folded_words("… !? 🎉 \u{301}"), Vec::<String>::new());
    }

    #[test]
    fn scripts_without_spaces_are_read_by_twos() {
        assert_eq!(folded_words("日本語テスト"), ["日本", "本語", "語テ", "テス", "スト", "ト"]);
        assert_eq!(folded_words("한국어"), ["한국", "국어", "어"]);
        assert_eq!(folded_words("在Linux上"), ["在", "linux", "上"]);
        assert_eq!(folded_words("ที่นี่"), ["ที่นี่", "นี่"]);
    }

    #[test]
    fn a_word_knows_where_it_stands() {
        let text = "Größe: 日本語";
        let places: Vec<&str> = words(text).iter().map(|word| &text[word.at.clone()]).collect();
        assert_eq!(places, ["Größe", "日本", "本語", "語"]);
    }

    proptest! {
        /// Goal: whatever people paste, words are clean, in order, and cut between characters.
        #[test]
        fn any_text_is_words(text in any::<String>()) {
            let mut end = 0;
            for word in words(&text) {
                prop_assert!(text.get(word.at.clone()).is_some_and(|part| !part.is_empty()));
                prop_assert!(word.at.end >= end);
                prop_assert!(!word.folded.chars().any(|char| char.is_ascii() && !char.is_ascii_alphanumeric()));
                prop_assert!(!word.folded.chars().any(|char| !is_part(char)));
                end = word.at.end;
            }
        }
    }
}
