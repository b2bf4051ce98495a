//! What in the replaced service's documents is not understood: said once for each kind, with how often it was met.

use mongodb::bson::Bson;
use std::collections::BTreeMap;

/// Kinds that are listed; the others are counted together.
const LISTED: usize = 20;
/// Characters of a reason or a word that are shown.
const SHOWN: usize = 300;

#[derive(Default)]
pub struct Words {
    /// (collection, reason) to how many documents, and the id of the first.
    refused: BTreeMap<(&'static str, String), (u64, String)>,
    /// (member, word, what was done with it) to how often.
    unknown: BTreeMap<(&'static str, String, &'static str), u64>,
    /// What is not listed any more.
    others: u64,
}

fn short(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

impl Words {
    /// A document that counts for nothing, and why.
    pub fn refused(&mut self, collection: &'static str, why: &str, id: Option<&Bson>) {
        let key = (collection, short(why));
        if self.refused.len() >= LISTED && !self.refused.contains_key(&key) {
            self.others += 1;
            return;
        }
        let of_kind =
            self.refused.entry(key).or_insert_with(|| (0, short(&id.map(Bson::to_string).unwrap_or_default())));
        of_kind.0 += 1;
    }

    /// A value that the member may not have, and its replacement.
    pub fn unknown(&mut self, member: &'static str, word: &str, taken_for: &'static str) {
        let key = (member, short(word), taken_for);
        if self.unknown.len() >= LISTED && !self.unknown.contains_key(&key) {
            self.others += 1;
            return;
        }
        *self.unknown.entry(key).or_default() += 1;
    }

    /// Puts all of it into the log.
    pub fn tell(&self) {
        for ((collection, why), (documents, first)) in &self.refused {
            tracing::warn!(collection, documents, first, why, "documents of the replaced service are left out");
        }
        for ((member, word, taken_for), documents) in &self.unknown {
            tracing::warn!(member, word, documents, taken_for, "a word of the replaced service is not known");
        }
        if self.others > 0 {
            tracing::warn!(
                documents = self.others,
                "more of the replaced service's documents are not understood, for other reasons"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_kept_once_and_their_number_is_bounded() {
        let mut words = Words::default();
        for i in 0..1000 {
            words.unknown("ml_models.algorithm", "svm", "left out");
            words.refused("admission_data", &format!("reason {i}"), Some(&Bson::from("a")));
        }
        assert_eq!(words.unknown.values().collect::<Vec<_>>(), [&1000]);
        assert_eq!((words.refused.len(), words.others), (LISTED, 980));
        words.unknown("x", &"y".repeat(1000), "left out");
        assert!(words.unknown.keys().all(|(_, word, _)| word.len() <= SHOWN));
    }
}
