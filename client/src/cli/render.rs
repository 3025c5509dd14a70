//! The render boundary: what came from the network becomes harmless before a terminal sees it.
//!
//! ```text
//!   any string ──▶ line()  one line, every control character visible
//!              ──▶ block() several lines, the later ones indented
//! ```
//!
//! Control characters (C0, DEL, C1), bidirectional controls and zero-width characters can move the cursor, change
//! the window's title, or make one name look like another. They are shown as escapes, never dropped: what is
//! hidden would be a lie too. JSON output does not come through here; it has escapes of its own for the same characters.
//! Invariant: nothing returned here contains a character for which [`is_unseen`] holds, except our own newlines and what
//! joins the parts of an emoji.

use std::borrow::Cow;
use std::fmt::Write as _;

use quipu_client::protocol::{Emoji, is_unseen};

/// The text on one line. Newlines and tabs are escapes as well.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    text.chars().for_each(|char| push(&mut out, char));
    Cow::Owned(out)
}

/// The text on as many lines as it has, all but the first indented, so that none can pass for a line of ours.
pub(crate) fn block(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for char in text.trim_end_matches(['\n', '\r']).replace("\r\n", "\n").chars() {
        match char {
            '\n' => out.push_str("\n    "),
            '\t' => out.push('\t'),
            char => push(&mut out, char),
        }
    }
    out
}

/// A reaction as it is meant to be seen: the joiners within an emoji join. What is none is a line.
pub(crate) fn emoji(text: &str) -> Cow<'_, str> {
    if text.parse::<Emoji>().is_ok() { Cow::Borrowed(text) } else { line(text) }
}

/// A short beginning of a text, to remind somebody of it.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let short: String = text.chars().take(CHARS_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{}{more}", line(&short))
}

fn push(out: &mut String, char: char) {
    match char {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        char if is_unseen(char) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}", char.escape_unicode());
        }
        char => out.push(char),
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn count(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {one}{plural}")
}

/// Rows as columns, each as wide as its widest cell. The last column is not padded.
///
/// Widths are counted in characters: what stands in all but the last column is names, numbers and words.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let print = |row: &Vec<String>| {
        // By hand: `format!` panics for a width above 65,535.
        let padded = |(cell, width): (&String, &usize)| {
            let gap = width - cell.chars().count();
            format!("{cell}{}", " ".repeat(gap))
        };
        let cells = row.iter().zip(&widths).map(padded);
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(print).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_of_any_script_is_left_alone() {
        for text in ["hello", "größe", "日本語", "שלום", "emoji 🎉", "", "a\\nb"] {
            assert_eq!(line(text), text);
            assert!(matches!(line(text), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn what_acts_on_the_terminal_is_shown_instead() {
        let cases = [
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{7f}\u{0}\u{9b}1m", "\\u{7f}\\u{0}\\u{9b}1m"),
            ("evil\u{202e}txt.exe", "evil\\u{202e}txt.exe"),
            ("ma\u{200b}ria", "ma\\u{200b}ria"),
            ("\u{feff}bom", "\\u{feff}bom"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("\u{e0041}", "\\u{e0041}"),
        ];
        for (text, shown) in cases {
            assert_eq!(line(text), shown);
        }
    }

    /// Goal: over all of Unicode, what is shown holds nothing that is unsafe, and every unsafe character is seen.
    #[test]
    fn no_character_slips_through() {
        for char in ('\0'..=char::MAX).filter(|char| is_unseen(*char)) {
            let text = char.to_string();
            assert!(!line(&text).contains(is_unseen) && line(&text).len() >= 2, "{char:?}");
            let shown = block(&format!("a{char}b"));
            assert!(!shown.replace(['\n', '\t'], "").contains(is_unseen), "{char:?}");
        }
    }

    #[test]
    fn a_later_line_cannot_pass_for_ours() {
        assert_eq!(block("one\n09:15 maria: two\r\nthree\n\n"), "one\n    09:15 maria: two\n    three");
        assert_eq!(block("a\u{1b}\tb"), "a\\u{1b}\tb");
    }

    #[test]
    fn an_emoji_is_whole_and_nothing_else_passes_for_one() {
        assert_eq!(emoji("👩\u{200d}🚀"), "👩\u{200d}🚀");
        for (text, shown) in
            [("👍\u{200d}", "👍\\u{200d}"), ("+1\u{202e}", "+1\\u{202e}"), ("a b\n", "a b\\n")]
        {
            assert_eq!(emoji(text), shown);
        }
    }

    #[test]
    fn an_excerpt_is_short_and_harmless() {
        assert_eq!(excerpt("short\n"), "short\\n");
        assert_eq!(excerpt(&"é".repeat(50)).chars().count(), 41);
    }

    #[test]
    fn columns_line_up() {
        let rows =
            [vec!["a".into(), "bb".into(), "x".into()], vec!["ccc".into(), String::new(), String::new()]];
        assert_eq!(table(&rows), ["a    bb  x", "ccc"]);
    }

    #[test]
    fn a_cell_may_be_of_any_width() {
        let rows = [vec!["x".repeat(70_000), "y".into()], vec!["a".into(), "b".into()]];
        assert!(table(&rows).iter().all(|line| line.len() == 70_003));
    }
}
