//! The input columns of an exported model: plain features, and columns that an encoder computes from features.

use provost_predict::Predictor;
use std::collections::BTreeMap;

/// A column of an exported model's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Name of the column: the feature's, or the encoded column's. If several encoders have a column of one name, the
    /// number of the encoder is appended to all but the first.
    pub name: String,
    /// Where the column's values come from.
    pub source: Source,
}

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The model's feature of this index.
    Feature(u32),
    /// Column `column` of encoder number `encoder`, in the order in which the model's members have encoders.
    Encoded {
        /// Number of the encoder, from 0.
        encoder: usize,
        /// Index among the encoder's columns.
        column: usize,
    },
}

/// The columns that a predictor needs, each once.
#[derive(Debug, Default)]
pub struct Inputs {
    list: Vec<Input>,
    raw: BTreeMap<u32, i64>,
    /// For each encoder, the indices of its columns in `list`.
    encoders: Vec<Vec<i64>>,
}

impl Inputs {
    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn list(&self) -> &[Input] {
        &self.list
    }

    pub fn into_list(self) -> Vec<Input> {
        self.list
    }

    /// Adds a feature.
    pub fn raw(&mut self, feature: u32, names: &[String]) {
        if self.raw.contains_key(&feature) {
            return;
        }
        self.raw.insert(feature, self.list.len() as i64);
        let name = names.get(feature as usize).cloned().unwrap_or_default();
        self.list.push(Input { name, source: Source::Feature(feature) });
    }

    /// Adds the columns that a predictor needs. `columns` are the predictor's own columns as indices into the model's
    /// features.
    pub fn collect(&mut self, predictor: &Predictor, columns: &[u32], names: &[String]) {
        let part = |own: &[u32]| own.iter().map(|c| columns[*c as usize]).collect::<Vec<u32>>();
        match predictor {
            Predictor::Constant(_) => {}
            Predictor::Ensemble(members) => {
                members.iter().for_each(|m| self.collect(&m.predictor, &part(&m.columns), names));
            }
            Predictor::Stack(stack) => {
                stack.members.iter().for_each(|m| self.collect(&m.predictor, &part(&m.columns), names));
            }
            Predictor::Encoded(model) => self.encoded(model.encoder().names()),
            _ => columns.iter().for_each(|c| self.raw(*c, names)),
        }
    }

    fn encoded(&mut self, names: &[String]) {
        let encoder = self.encoders.len();
        let mut places = Vec::with_capacity(names.len());
        for (column, name) in names.iter().enumerate() {
            let taken = self.list.iter().any(|input| input.name == *name);
            let name = if taken { format!("{name}#{encoder}") } else { name.clone() };
            places.push(self.list.len() as i64);
            self.list.push(Input { name, source: Source::Encoded { encoder, column } });
        }
        self.encoders.push(places);
    }

    /// A reader of the columns' indices. Encoders must be read in the order in which they were collected.
    pub fn reader(&self) -> Reader<'_> {
        Reader { inputs: self, next: 0 }
    }
}

/// Reads the indices of input columns.
pub struct Reader<'a> {
    inputs: &'a Inputs,
    next: usize,
}

impl Reader<'_> {
    /// Indices of the columns of these features.
    pub fn raw(&self, features: &[u32]) -> Vec<i64> {
        features.iter().filter_map(|feature| self.inputs.raw.get(feature).copied()).collect()
    }

    /// Indices of the columns of the next encoder.
    pub fn next_encoded(&mut self) -> Vec<i64> {
        let places = self.inputs.encoders.get(self.next).cloned().unwrap_or_default();
        self.next += 1;
        places
    }
}
