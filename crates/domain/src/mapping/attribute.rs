//! Columns that are read into the attributes of a point, which audits compare: `attributes.NAME`, in a mapping or as a
//! column's own name.

use super::cell::{Cell, Common, Rule, refused};
use super::document::Document;
use super::header::Header;
use super::tally::Tally;
use super::{Mapping, Source};
use crate::check::{Fault, brief};
use crate::fields::{escaped, shown};
use crate::limits::POINT_ATTRIBUTES;
use crate::record::shape::{Kind, attribute_name_allowed, is_attribute_name};
use serde_json::Value;

const PREFIX: &str = "attributes.";

/// The name of the attribute that a field or column called `attributes.NAME` holds; None for any other field.
pub fn name(field: &str) -> Option<&str> {
    field.strip_prefix(PREFIX)
}

/// Where an attribute's value comes from.
#[derive(Debug, Clone)]
pub struct Attribute {
    name: String,
    from: From,
}

#[derive(Debug, Clone)]
enum From {
    Constant(Value),
    /// The column's number, its name in the file, and how a cell is read.
    Column(usize, String, Rule),
}

impl Attribute {
    /// Whether the attribute is read from this column.
    pub fn reads(&self, column: usize) -> bool {
        matches!(&self.from, From::Column(own, ..) if *own == column)
    }

    /// Puts the row's value into the row's document; a blank cell gives no value.
    ///
    /// # Errors
    /// If the cell does not hold an allowed value.
    pub fn take<'c>(
        &self,
        cell: &impl Fn(usize) -> (&'c str, bool),
        document: &mut Document,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        let (column, title, rule) = match &self.from {
            From::Constant(value) => {
                document.attribute(&self.name, value.clone());
                return Ok(());
            }
            From::Column(column, title, rule) => (*column, title, rule),
        };
        let (text, plain) = cell(column);
        let text = text.trim();
        match rule.read(text, plain) {
            Ok(Cell::Value(value) | Cell::ByScale(value)) => document.attribute(&self.name, value),
            Ok(Cell::Missing) => {}
            Ok(Cell::Unmatched) => tally.unmatched += u64::from(!text.is_empty()),
            Err(why) => return Err(refused(title, text, &why)),
        }
        Ok(())
    }
}

/// The attributes that a mapping names, and those of columns called `attributes.NAME`. The columns that the mapping
/// names are marked in `used`.
///
/// # Errors
/// All faults, with pointers to the mapping's entries.
pub fn of_mapping(
    mapping: &Mapping,
    header: &Header<'_>,
    common: &Common,
    used: &mut [bool],
) -> Result<Vec<Attribute>, Vec<Fault>> {
    let (mut found, mut faults) = (Vec::<Attribute>::new(), Vec::new());
    let mut add = |attribute: Attribute, pointer: String, faults: &mut Vec<Fault>| {
        let fault = |message: String| Fault { pointer: pointer.clone(), message };
        let name = brief(&attribute.name, 60).into_owned();
        if !is_attribute_name(&attribute.name) {
            faults.push(fault(format!("an attribute is called `{name}`; {} is allowed", attribute_name_allowed())));
        } else if found.iter().any(|other| other.name == attribute.name) {
            faults.push(fault(format!("the attribute `{name}` is given twice")));
        } else if found.len() == POINT_ATTRIBUTES {
            faults.push(fault(format!("more than {POINT_ATTRIBUTES} attributes are given")));
        } else {
            found.push(attribute);
        }
    };
    for (field, source) in &mapping.columns {
        let Some(name) = name(field) else { continue };
        let pointer = format!("/columns/{}", escaped(field));
        match (header.find(&source.column), Rule::new(Kind::Text, None, source, common)) {
            (Ok(column), Ok(rule)) => {
                if let Some(used) = used.get_mut(column) {
                    *used = true;
                }
                let title = header.names.get(column).map_or_else(|| format!("column {column}"), |n| (*n).to_owned());
                add(Attribute { name: name.to_owned(), from: From::Column(column, title, rule) }, pointer, &mut faults);
            }
            (column, rule) => {
                faults.extend(column.err().map(|message| Fault { pointer: pointer.clone(), message }));
                let of_rule = rule.err().into_iter().flatten();
                faults.extend(of_rule.map(|(tail, message)| Fault { pointer: format!("{pointer}{tail}"), message }));
            }
        }
    }
    for (field, value) in &mapping.constants {
        let Some(name) = name(field) else { continue };
        let pointer = format!("/constants/{}", escaped(field));
        if value.is_string() {
            add(Attribute { name: name.to_owned(), from: From::Constant(value.clone()) }, pointer, &mut faults);
        } else {
            faults.push(Fault { pointer, message: format!("`{field}` is {}; a text is allowed", shown(value)) });
        }
    }
    if header.named {
        for (column, title) in header.names.iter().enumerate() {
            let Some(name) = name(title) else { continue };
            if used.get(column).copied().unwrap_or(true) {
                continue;
            }
            let Ok(rule) = Rule::new(Kind::Text, None, &Source::default(), common) else { continue };
            let attribute = Attribute { name: name.to_owned(), from: From::Column(column, (*title).to_owned(), rule) };
            add(attribute, format!("/columns/{}", escaped(title)), &mut faults);
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}
