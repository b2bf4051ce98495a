//! Enums whose values are words of the contract.

/// Declares an enum that JSON, texts and the store write as one word of a fixed list.
macro_rules! word_enum {
    ($(#[$m:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$m])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $(
                #[doc = concat!("`", $word, "`")]
                #[serde(rename = $word)]
                $variant
            ),+
        }
        impl $name {
            /// Every value, in the order in which they are listed to readers.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// The word in JSON, in texts and in the store.
            pub fn as_str(self) -> &'static str { match self { $($name::$variant => $word),+ } }
            /// The value that this word names.
            pub fn parse(s: &str) -> Option<Self> { Self::ALL.iter().copied().find(|v| v.as_str() == s) }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
        impl $crate::fields::Word for $name {
            const WORDS: &'static [Self] = Self::ALL;
            fn word(self) -> &'static str { self.as_str() }
        }
    };
}
pub(crate) use word_enum;
