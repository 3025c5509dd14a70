//! Which characters are not seen: they act on a terminal, or on how others are read.

/// Whether a character is not seen: a control character, or one of Unicode that changes the direction or the shape of
/// others, joins them, or takes no place at all. Emoji need two of that kind, and names and terminals none: U+FE0F is
/// therefore not among them, and where U+200D may stand is for [`crate::Emoji`] to say.
pub fn is_unseen(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{61c}'  // Soft hyphen, grapheme joiner, Arabic letter mark.
            | '\u{115f}'..='\u{1160}'         // Hangul fillers.
            | '\u{17b4}'..='\u{17b5}'         // Khmer inherent vowels.
            | '\u{180b}'..='\u{180f}'         // Mongolian variation selectors and vowel separator.
            | '\u{200b}'..='\u{200f}'         // Zero-width characters and direction marks.
            | '\u{2028}'..='\u{202e}'         // Line and paragraph separators, embeddings and overrides.
            | '\u{2060}'..='\u{206f}'         // Word joiner, isolates, deprecated format characters.
            | '\u{3164}' | '\u{ffa0}'         // Hangul fillers again.
            | '\u{feff}'                      // Byte-order mark.
            | '\u{fff9}'..='\u{fffb}'         // Interlinear annotation.
            | '\u{1bca0}'..='\u{1bca3}'       // Shorthand format controls.
            | '\u{1d173}'..='\u{1d17a}'       // Musical beams, ties and slurs.
            | '\u{e0000}'..='\u{e007f}'       // Tags: invisible letters.
            | '\u{e0100}'..='\u{e01ef}') // Variation selectors for ideographs.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_seen() {
        let seen = "größe 日本語 שלום العربية हिन्दी ខ្មែរ 한국어 ᠮᠣᠩᠭᠣᠯ ❤\u{fe0f} 🎉 ☕ \u{a0}\u{3000}";
        assert_eq!(seen.chars().find(|char| is_unseen(*char)), None);
    }

    #[test]
    fn what_only_acts_is_not() {
        for range in
            ["\0\n\u{1b}\u{7f}\u{9b}", "\u{ad}\u{34f}\u{61c}\u{115f}\u{17b5}\u{180e}\u{200d}\u{202e}\u{2066}"]
        {
            assert!(range.chars().all(is_unseen));
        }
        assert!(
            "\u{3164}\u{ffa0}\u{feff}\u{fffa}\u{1bca0}\u{1d17a}\u{e0041}\u{e0100}".chars().all(is_unseen)
        );
    }
}
