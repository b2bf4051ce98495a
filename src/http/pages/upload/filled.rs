//! The mapping that was picked on the form, or the guessed one.

use super::super::form::Form;
use super::super::text::{shown, words};
use super::{CONSTANTS, Choice, Field, Head};
use crate::http::problem::Problem;
use provost_domain::mapping::{FILL_IN, field_names};
use serde_json::{Map, Value, json};

/// The column that a field is read from in a mapping's document, by its name or its number.
fn source_column(source: &Value) -> Option<String> {
    let column = source.get("column").unwrap_or(source);
    column.as_str().map(str::to_owned).or_else(|| column.as_u64().map(|number| number.to_string()))
}

/// What the form says, or what is guessed.
pub struct Filled<'a> {
    pub head: &'a Head,
    pub form: Option<&'a Form>,
}

impl Filled<'_> {
    fn columns(&self) -> &[String] {
        &self.head.preview.columns
    }

    /// The number of the column that a field is read from.
    fn column(&self, field: &str) -> Option<usize> {
        match self.form {
            Some(form) => form.get(&format!("f-{field}")).and_then(|text| text.parse().ok()),
            None => {
                let wanted = source_column(self.head.guessed.pointer(&format!("/columns/{field}"))?)?;
                self.columns().iter().position(|column| column.trim() == wanted.trim())
            }
        }
    }

    /// # Errors
    /// The first field for which the form names a column that the file does not have.
    pub fn check(&self) -> Result<(), Problem> {
        for field in field_names() {
            let asked = self.form.and_then(|form| form.get(&format!("f-{field}")));
            if asked.is_some() && self.column(&field).is_none_or(|number| number >= self.columns().len()) {
                let message = format!("the file has {} columns, numbered from 0", self.columns().len());
                return Err(Problem::invalid(&format!("/columns/{field}"), message));
            }
        }
        Ok(())
    }

    fn constant(&self, field: &str) -> String {
        match self.form {
            Some(form) => form.get(&format!("c-{field}")).unwrap_or_default().trim().to_owned(),
            None => match self.head.guessed.pointer(&format!("/constants/{field}")) {
                Some(Value::String(text)) if text == FILL_IN => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            },
        }
    }

    pub fn id_prefix(&self) -> String {
        let guessed = || self.head.guessed.get("id_prefix").and_then(Value::as_str);
        let text = self.form.map_or_else(guessed, |form| form.get("id_prefix"));
        text.unwrap_or_default().to_owned()
    }

    pub fn field(&self, name: String) -> Field {
        let chosen = self.column(&name);
        let none = Choice { value: String::new(), name: "–".to_owned(), is_chosen: chosen.is_none() };
        let options = self.columns().iter().enumerate().map(|(number, column)| Choice {
            value: number.to_string(),
            name: shown(column),
            is_chosen: chosen == Some(number),
        });
        Field {
            title: words(&name),
            options: std::iter::once(none).chain(options).collect(),
            constant: CONSTANTS.contains(&name.as_str()).then(|| self.constant(&name)),
            name,
        }
    }

    /// The mapping that was picked: the guess, with these columns and constants.
    pub fn document(&self) -> Value {
        let mut document = self.head.guessed.clone();
        let guessed = |field: &str| self.head.guessed.pointer(&format!("/columns/{field}"));
        let mut columns = Map::new();
        let mut constants = Map::new();
        for field in field_names() {
            if let Some(name) = self.column(&field).and_then(|number| Some((number, self.columns().get(number)?))) {
                let (number, name) = name;
                let same = guessed(&field).filter(|source| source_column(source).as_deref() == Some(name.trim()));
                let plain = || if self.head.preview.has_header { json!(name) } else { json!(number) };
                columns.insert(field, same.cloned().unwrap_or_else(plain));
            } else if CONSTANTS.contains(&field.as_str()) && !self.constant(&field).is_empty() {
                let text = self.constant(&field);
                let number = if field.ends_with("_name") {
                    None
                } else {
                    text.parse::<f64>().ok().filter(|number| number.is_finite())
                };
                let whole = text.parse::<i64>().ok().filter(|_| number.is_some());
                constants.insert(field, whole.map(Value::from).or(number.map(Value::from)).unwrap_or(json!(text)));
            }
        }
        // The guess maps the words of the column that was guessed for the decision. For another column, the words that
        // are known of that column are mapped.
        if columns.get("decision") != guessed("decision")
            && let Some(document) = document.as_object_mut()
        {
            for name in ["decisions", "leave_out", "threshold"] {
                document.remove(name);
            }
            let found = self.column("decision").and_then(|number| self.head.preview.decisions.get(number));
            if let Some(found) = found {
                let meanings = found.meanings.iter().map(|(word, meaning)| (word.clone(), json!(meaning)));
                document.insert("decisions".to_owned(), Value::Object(meanings.collect()));
                document.insert("leave_out".to_owned(), json!(found.open));
            }
        }
        document["id_prefix"] = if self.id_prefix().is_empty() { Value::Null } else { json!(self.id_prefix()) };
        document["columns"] = Value::Object(columns);
        document["constants"] = Value::Object(constants);
        document
    }
}
