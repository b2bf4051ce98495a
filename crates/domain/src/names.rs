//! Canonical forms of names: universities and programs arrive in composed and decomposed Unicode, in capitals, with
//! blanks and invisible characters. Features, the quality report and mappings compare names in the form that is defined
//! here.

use std::borrow::Cow;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Characters without a width: joiners, byte order marks, directional marks, soft hyphens.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// The name as it is shown: composed (NFC), without invisible characters and without blanks at its ends; each run of
/// blanks becomes one blank.
pub fn tidy(name: &str) -> Cow<'_, str> {
    let plain = name.bytes().all(|b| matches!(b, b' '..=b'~')) && !name.contains("  ") && name.trim() == name;
    if plain {
        return Cow::Borrowed(name);
    }
    let visible: String = name.chars().filter(|c| !is_invisible(*c)).collect();
    let composed = if is_nfc(&visible) { visible } else { visible.nfc().collect() };
    Cow::Owned(composed.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The tidy text in lower case: equal for two texts that differ only in case.
pub fn folded(text: &str) -> String {
    // The lower case of a composed text may be decomposed, as that of İ.
    let lower = tidy(text).to_lowercase();
    if is_nfc(&lower) { lower } else { lower.nfc().collect() }
}

/// The folded name with blanks for punctuation: equal for two spellings of one name. Empty for a name without a letter
/// or a digit.
pub fn category(name: &str) -> String {
    words(&folded(name))
}

/// The words of a folded name.
fn words(folded: &str) -> String {
    let words: Vec<&str> = folded.split(|c: char| !is_part(c)).filter(|w| !w.is_empty()).collect();
    words.join(" ")
}

/// Whether a character belongs to a word. A combining mark that could not be composed with its letter does.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_one_category() {
        let one = category("Universidad de Córdoba");
        for other in [
            "Universidad de Co\u{301}rdoba",
            "Universidad de Córdoba ",
            " Universidad  de\u{a0}Córdoba",
            "UNIVERSIDAD DE CÓRDOBA",
            "\u{200b}Universidad de Córdoba",
            "\u{feff}Universidad de Cór\u{ad}doba",
            "Universidad de Córdoba\t",
            "universidad-de-córdoba",
        ] {
            assert_eq!(category(other), one, "{other:?}");
        }
        assert_eq!(one, "universidad de córdoba");
        assert_ne!(category("Universidad de Cordoba"), one, "another letter is another name");
        assert_ne!(folded("A-B"), folded("A B"));
        assert_eq!((category(" - "), category("")), (String::new(), String::new()));
        assert_eq!(folded("İ"), folded("i\u{307}"));
    }

    #[test]
    fn a_name_is_shown_tidy() {
        assert_eq!(tidy("  Ohio\u{a0} State\u{200b}"), "Ohio State");
        assert!(matches!(tidy("Ohio State"), Cow::Borrowed(_)));
    }
}
