//! A secret text: it has no `Display`, its `Debug` shows nothing, and its memory is overwritten when it is dropped.

use zeroize::Zeroizing;

/// A password, a key, or an address with one in it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps this text secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself, for the code that needs it. It must not go into a message, a log or an answer.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_text_is_shown_by_no_debug() {
        let secret = Secret::new("geheim");
        assert_eq!(
            (secret.expose(), format!("{secret:?} {:?}", Some(&secret))),
            ("geheim", "*** Some(***)".to_owned())
        );
    }
}
