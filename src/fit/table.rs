//! A feature CSV in memory.

use super::{FitError, in_table};
use csv::{ReaderBuilder, StringRecord};
use provost_domain::check::brief;
use std::path::Path;

/// Columns that are not features.
const RESERVED: [&str; 4] = ["label", "split", "fold", "data_point_id"];

#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub names: Vec<String>,
    /// One per name; NaN means missing.
    pub columns: Vec<Vec<f32>>,
    pub labels: Vec<u8>,
    pub split: Option<Vec<String>>,
    /// -1 means empty.
    pub fold: Option<Vec<i64>>,
}

impl Table {
    pub fn read(path: &Path) -> Result<Self, FitError> {
        let file = std::fs::File::open(path).map_err(|source| FitError::File { path: path.to_owned(), source })?;
        Self::parse(file).map_err(|message| in_table(path, message))
    }

    /// Parses a CSV with any feature names. An error names the line, the column and the value.
    pub fn parse(input: impl std::io::Read) -> Result<Self, String> {
        let mut reader = ReaderBuilder::new().from_reader(input);
        let head = reader.headers().map_err(|e| e.to_string())?.clone();
        for (at, name) in head.iter().enumerate() {
            if head.iter().take(at).any(|n| n == name) {
                return Err(format!("the header names column \"{}\" twice", brief(name, 60)));
            }
        }
        let position = |name: &str| head.iter().position(|h| h == name);
        let Some(label) = position("label") else {
            return Err("no column \"label\" (0 or 1) in the header".to_owned());
        };
        let (split, fold) = (position("split"), position("fold"));
        let kept: Vec<usize> = (0..head.len()).filter(|i| !RESERVED.contains(&&head[*i])).collect();
        if kept.is_empty() {
            return Err("no feature columns in the header".to_owned());
        }
        let mut table = Table {
            names: kept.iter().map(|i| head[*i].to_owned()).collect(),
            columns: vec![Vec::new(); kept.len()],
            labels: Vec::new(),
            split: split.map(|_| Vec::new()),
            fold: fold.map(|_| Vec::new()),
        };
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).map_err(|e| e.to_string())? {
            let cell = |i: usize| record[i].trim();
            let wrong = |i: usize, expected: &str| {
                let line = record.position().map_or(0, csv::Position::line);
                let (name, found) = (brief(&head[i], 60), brief(&record[i], 60));
                Err(format!("line {line}, column \"{name}\": \"{found}\" is not {expected}"))
            };
            for (column, i) in table.columns.iter_mut().zip(&kept) {
                match number(cell(*i)) {
                    Some(v) => column.push(v),
                    None => return wrong(*i, "a number within ±3.4e38 (empty or NaN where missing)"),
                }
            }
            match cell(label) {
                "0" => table.labels.push(0),
                "1" => table.labels.push(1),
                _ => return wrong(label, "0 or 1"),
            }
            if let (Some(values), Some(i)) = (&mut table.split, split) {
                match cell(i) {
                    part @ ("train" | "validation" | "test") => values.push(part.to_owned()),
                    _ => return wrong(i, "train, validation or test"),
                }
            }
            if let (Some(values), Some(i)) = (&mut table.fold, fold) {
                match cell(i) {
                    "" => values.push(-1),
                    text => match text.parse() {
                        Ok(fold) => values.push(fold),
                        Err(_) => return wrong(i, "the whole number of a fold"),
                    },
                }
            }
        }
        if table.labels.is_empty() {
            return Err("no rows below the header".to_owned());
        }
        Ok(table)
    }

    /// The given rows in the given order.
    pub fn rows(&self, rows: &[u32]) -> Table {
        fn pick<T: Clone>(values: &[T], rows: &[u32]) -> Vec<T> {
            rows.iter().map(|r| values[*r as usize].clone()).collect()
        }
        Table {
            names: self.names.clone(),
            columns: self.columns.iter().map(|c| pick(c, rows)).collect(),
            labels: pick(&self.labels, rows),
            split: self.split.as_ref().map(|s| pick(s, rows)),
            fold: self.fold.as_ref().map(|f| pick(f, rows)),
        }
    }

    /// Reorders the features to match `names`; the error names those that one side lacks.
    pub fn ordered_as(mut self, names: &[String], path: &Path) -> Result<Self, FitError> {
        if let Some(extra) = self.names.iter().find(|n| !names.contains(n)) {
            return Err(in_table(path, format!("column \"{extra}\" is not among the training file's features")));
        }
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            match self.names.iter().position(|n| n == name) {
                Some(at) => columns.push(std::mem::take(&mut self.columns[at])),
                None => return Err(in_table(path, format!("the training file's feature \"{name}\" is missing"))),
            }
        }
        Ok(Self { names: names.to_vec(), columns, ..self })
    }
}

fn number(cell: &str) -> Option<f32> {
    if matches!(cell, "" | "NaN" | "nan") {
        return Some(f32::NAN);
    }
    let value = cell.parse::<f64>().ok()? as f32;
    value.is_finite().then_some(value)
}
