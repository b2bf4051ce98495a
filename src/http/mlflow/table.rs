//! The tables that MLflow's scoring server takes: `dataframe_split`, `dataframe_records`, `inputs`, `instances`, and CSV.

use csv::StringRecord;
use provost_domain::check::brief;
use provost_domain::limits;
use serde_json::{Map, Value};
use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Read};

/// The most columns of a table: more than any model or import has.
const COLUMNS: usize = 1_000;

const KINDS: [&str; 4] = ["dataframe_split", "dataframe_records", "inputs", "instances"];

/// Rows by named columns. A cell is a number, a text, true, false or null; null is missing.
#[derive(Debug, PartialEq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    /// `params.output = "records"`: each prediction as an object instead of its probability.
    pub records: bool,
}

impl Table {
    /// Reads a JSON body. Members besides the table and `params` are ignored, as MLflow does.
    ///
    /// # Errors
    /// One sentence that names the member and what is allowed.
    pub fn from_json(mut body: Map<String, Value>, most: usize) -> Result<Self, String> {
        let given: Vec<&str> = KINDS.into_iter().filter(|kind| body.contains_key(*kind)).collect();
        let [kind] = given[..] else {
            return Err(format!("the body has {} of {}; exactly one is needed", given.len(), KINDS.join(", ")));
        };
        let records = match body.get("params").and_then(|params| params.get("output")) {
            None | Some(Value::Null) => false,
            Some(Value::String(output)) if output == "records" => true,
            Some(Value::String(output)) if output == "probabilities" => false,
            Some(other) => {
                let other = other.to_string();
                return Err(format!(
                    "params.output is {}; \"probabilities\" or \"records\" is allowed",
                    brief(&other, 80)
                ));
            }
        };
        let value = body.remove(kind).unwrap_or_default();
        let (columns, rows) = match (kind, value) {
            ("dataframe_split", Value::Object(split)) => split_table(split, most)?,
            ("inputs", Value::Object(columns)) => by_column(columns, most)?,
            ("dataframe_records" | "inputs" | "instances", Value::Array(records)) => by_record(kind, records, most)?,
            ("dataframe_split", _) => return Err("dataframe_split is no object with `columns` and `data`".to_owned()),
            ("inputs", _) => return Err("inputs is neither an object of columns nor a list of objects".to_owned()),
            _ => return Err(format!("{kind} is no list of objects")),
        };
        let table = Self { columns, rows, records };
        table.check(most)?;
        Ok(table)
    }

    /// Reads CSV with a header; an empty cell is missing.
    ///
    /// # Errors
    /// Names the line that cannot be read.
    pub fn from_csv(body: &[u8], most: usize) -> Result<Self, String> {
        // Parsing takes about a hundred times the length of each comma and line in memory.
        let cells = body.iter().filter(|byte| matches!(byte, b',' | b'\n')).count();
        if cells > 2 * limits::PREDICT_VALUES {
            return Err(format!(
                "the CSV has {cells} commas and lines; at most {} are allowed",
                2 * limits::PREDICT_VALUES
            ));
        }
        let left = Cell::new(LINE);
        let mut reader = csv::Reader::from_reader(Rationed { rest: body, left: &left });
        let wrong = |error: csv::Error| format!("the CSV is not readable: {error}");
        let header = reader.headers().map_err(wrong)?;
        fits(1, header.len(), most)?;
        let columns: Vec<String> = header.iter().map(str::to_owned).collect();
        let (mut rows, mut record) = (Vec::new(), StringRecord::new());
        loop {
            left.set(LINE);
            if !reader.read_record(&mut record).map_err(wrong)? {
                break;
            }
            if rows.len() == most {
                return Err(format!("the table has more than {most} rows; at most {most} are allowed"));
            }
            fits(rows.len() + 1, columns.len(), most)?;
            let cell = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
            rows.push(record.iter().map(cell).collect());
        }
        let table = Self { columns, rows, records: false };
        table.check(most)?;
        Ok(table)
    }

    fn check(&self, most: usize) -> Result<(), String> {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        if rows == 0 || rows > most {
            return Err(format!("the table has {rows} rows; 1 to {most} are allowed"));
        }
        if columns == 0 || columns > COLUMNS {
            return Err(format!("the table has {columns} columns; 1 to {COLUMNS} are allowed"));
        }
        for (i, name) in self.columns.iter().enumerate() {
            if self.columns[..i].contains(name) {
                return Err(format!("column `{}` is there twice", brief(name, 80)));
            }
        }
        for (row, cells) in self.rows.iter().enumerate() {
            if cells.len() != columns {
                return Err(format!("row {row} has {} cells; {columns} are expected", cells.len()));
            }
            if let Some(at) = cells.iter().position(|cell| cell.is_array() || cell.is_object()) {
                let name = brief(&self.columns[at], 80);
                return Err(format!("row {row}, column `{name}` is a list or an object; a single value is allowed"));
            }
        }
        Ok(())
    }
}

/// The most bytes of one line of CSV, its end included.
const LINE: usize = limits::PREDICT_ROW_BYTES + 2;

/// A reader of CSV that returns at most one longest line at a time, because the parser takes a line whole, whatever its
/// length. `left` is how much it may still return.
struct Rationed<'a> {
    rest: &'a [u8],
    left: &'a Cell<usize>,
}

impl Read for Rationed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 && !self.rest.is_empty() {
            let most = limits::PREDICT_ROW_BYTES;
            return Err(io::Error::other(format!("a line has more than {most} bytes; at most {most} are allowed")));
        }
        let given = into.len().min(self.left.get());
        let given = self.rest.read(&mut into[..given])?;
        self.left.set(self.left.get() - given);
        Ok(given)
    }
}

/// Checks the size of a table before its cells are built: a short text can stand for many missing cells.
fn fits(rows: usize, columns: usize, most_rows: usize) -> Result<(), String> {
    if rows > most_rows {
        return Err(format!("the table has {rows} rows; 1 to {most_rows} are allowed"));
    }
    if columns > COLUMNS {
        return Err(format!("the table has {columns} columns; 1 to {COLUMNS} are allowed"));
    }
    let most = limits::PREDICT_VALUES;
    if rows.saturating_mul(columns) > most {
        return Err(format!("the table has more than {most} cells; at most {most} are allowed"));
    }
    Ok(())
}

type Parts = (Vec<String>, Vec<Vec<Value>>);

/// `{"columns": [...], "data": [[...], ...]}`; an `index` is ignored.
fn split_table(mut split: Map<String, Value>, most: usize) -> Result<Parts, String> {
    let Some(Value::Array(columns)) = split.remove("columns") else {
        return Err("dataframe_split.columns is no list of names".to_owned());
    };
    let name = |column: Value| match column {
        Value::String(name) => Ok(name),
        other => Err(format!("dataframe_split.columns has {}; names are needed", brief(&other.to_string(), 80))),
    };
    let columns = columns.into_iter().map(name).collect::<Result<Vec<_>, _>>()?;
    let Some(Value::Array(data)) = split.remove("data") else {
        return Err("dataframe_split.data is no list of rows".to_owned());
    };
    fits(data.len(), columns.len(), most)?;
    let row = |(at, row): (usize, Value)| match row {
        Value::Array(cells) => Ok(cells),
        _ => Err(format!("dataframe_split.data: row {at} is no list of cells")),
    };
    Ok((columns, data.into_iter().enumerate().map(row).collect::<Result<_, _>>()?))
}

/// `{"gpa": [3.7, 3.1], ...}`
fn by_column(columns: Map<String, Value>, most: usize) -> Result<Parts, String> {
    fits(1, columns.len(), most)?;
    let count = columns.len();
    let (mut names, mut rows) = (Vec::new(), Vec::<Vec<Value>>::new());
    for (name, column) in columns {
        let cells = match column {
            Value::Array(cells) => cells,
            single => vec![single],
        };
        if names.is_empty() {
            fits(cells.len(), count, most)?;
            rows.resize_with(cells.len(), Vec::new);
        }
        if cells.len() != rows.len() {
            let shown = brief(&name, 80);
            return Err(format!("inputs: column `{shown}` has {} rows, the first one {}", cells.len(), rows.len()));
        }
        for (row, cell) in rows.iter_mut().zip(cells) {
            row.push(cell);
        }
        names.push(name);
    }
    Ok((names, rows))
}

/// `[{"gpa": 3.7}, ...]`: the columns are the members of all records; what a record lacks is missing.
fn by_record(kind: &str, records: Vec<Value>, most: usize) -> Result<Parts, String> {
    let mut names: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let count = records.len();
    fits(count, 1, most)?;
    let mut rows = Vec::new();
    for (at, record) in records.into_iter().enumerate() {
        let Value::Object(record) = record else {
            return Err(format!("{kind}: row {at} is no object; rows without names are not supported"));
        };
        let mut row = vec![Value::Null; names.len()];
        for (name, value) in record {
            match places.get(&name) {
                Some(column) => row[*column] = value,
                None => {
                    fits(count, names.len() + 1, most).map_err(|why| format!("{kind}: {why}"))?;
                    places.insert(name.clone(), names.len());
                    names.push(name);
                    row.push(value);
                }
            }
        }
        rows.push(row);
    }
    for row in &mut rows {
        row.resize(names.len(), Value::Null);
    }
    Ok((names, rows))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn read(body: Value) -> Result<Table, String> {
        let Value::Object(body) = body else { panic!("{body}") };
        Table::from_json(body, 3)
    }

    #[test]
    fn all_layouts_of_one_table_are_the_same_table() {
        let expected = Table {
            columns: vec!["a".to_owned(), "b".to_owned()],
            rows: vec![vec![json!(1), json!("x")], vec![json!(2), Value::Null]],
            records: false,
        };
        for body in [
            json!({"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2, null]], "index": [0, 1]}}),
            json!({"dataframe_records": [{"a": 1, "b": "x"}, {"a": 2}], "signature_name": "s"}),
            json!({"instances": [{"a": 1, "b": "x"}, {"b": null, "a": 2}]}),
            json!({"inputs": [{"a": 1, "b": "x"}, {"a": 2}]}),
            json!({"inputs": {"a": [1, 2], "b": ["x", null]}, "params": {"output": "probabilities"}}),
        ] {
            assert_eq!(read(body.clone()).unwrap(), expected, "{body}");
        }
        let records = read(json!({"inputs": {"a": 1}, "params": {"output": "records"}})).unwrap();
        assert!(records.records && records.rows == [[json!(1)]]);
        let csv = Table::from_csv(b"a,b\n1,x\n2,\n", 3).unwrap();
        assert_eq!(csv.rows, [[json!("1"), json!("x")], [json!("2"), Value::Null]]);
    }

    #[test]
    fn a_short_text_that_stands_for_many_cells_is_refused_before_they_are_made() {
        let wide: Map<String, Value> = (0..COLUMNS).map(|at| (format!("c{at}"), json!(1))).collect();
        let mut records = vec![Value::Object(wide)];
        records.resize(limits::PREDICT_VALUES / COLUMNS + 1, json!({}));
        let refused = |table: Result<Table, String>| table.unwrap_err();
        let Value::Object(body) = json!({ "instances": records }) else { panic!() };
        assert!(refused(Table::from_json(body, 10_000)).contains("more than 500000 cells"));
        let Value::Object(body) = json!({ "instances": records[..2] }) else { panic!() };
        assert_eq!(Table::from_json(body, 10_000).unwrap().rows.len(), 2);
        let header = |columns: usize| vec!["x"; columns].join(",");
        assert!(refused(Table::from_csv(header(COLUMNS + 1).as_bytes(), 3)).contains("1001 columns"));
        assert!(refused(Table::from_csv(",".repeat(1 << 20).as_bytes(), 3)).contains("commas and lines"));
        let row = format!("{}\n", header(COLUMNS));
        let long = row.repeat(limits::PREDICT_VALUES / COLUMNS + 2);
        assert!(refused(Table::from_csv(long.as_bytes(), 10_000)).contains("cells"));
    }

    #[test]
    fn a_line_of_csv_and_a_list_of_rows_are_read_as_far_as_they_may_be() {
        let most = limits::PREDICT_ROW_BYTES;
        let left = Cell::new(LINE);
        let long = "x".repeat(4 << 20);
        let mut rationed = Rationed { rest: long.as_bytes(), left: &left };
        let refused = io::copy(&mut rationed, &mut io::sink()).unwrap_err();
        assert!(refused.to_string().contains("more than 65536 bytes"), "{refused}");
        assert_eq!(rationed.rest.len(), long.len() - LINE, "what is beyond is not read");
        for csv in [format!("{long}\n1\n"), format!("a\n{long}\n"), format!("a\n1\n\"{}\"", "x,\n".repeat(most))] {
            let error = Table::from_csv(csv.as_bytes(), 10).unwrap_err();
            assert!(error.contains("more than 65536 bytes"), "{error}");
        }
        // The limit applies to each line separately.
        let whole = format!("{}\r\n", "x".repeat(most));
        let table = Table::from_csv(format!("a\r\n{}", whole.repeat(3)).as_bytes(), 3).unwrap();
        assert_eq!(table.rows.len(), 3);
        for body in [json!({"inputs": {"a": vec![1; 4]}}), json!({"instances": vec![json!({}); 4]})] {
            assert_eq!(read(body).unwrap_err(), "the table has 4 rows; 1 to 3 are allowed");
        }
    }

    #[test]
    fn each_fault_says_what_is_allowed() {
        for (body, wanted) in [
            (json!({}), "exactly one is needed"),
            (json!({"inputs": {"a": 1}, "instances": []}), "has 2 of"),
            (json!({"instances": []}), "1 to 3"),
            (json!({"instances": [{}, {}, {}, {}]}), "1 to 3"),
            (json!({"instances": [[1, 2]]}), "without names are not supported"),
            (json!({"instances": {"a": 1}}), "no list of objects"),
            (json!({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}), "1 are expected"),
            (json!({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}), "twice"),
            (json!({"dataframe_split": {"columns": [1], "data": [[1]]}}), "names are needed"),
            (json!({"dataframe_split": {"data": [[1]]}}), "no list of names"),
            (json!({"inputs": {"a": [1], "b": [1, 2]}}), "has 2 rows"),
            (json!({"inputs": {"a": [[1]]}}), "a single value"),
            (json!({"inputs": {"a": 1}, "params": {"output": "arrow"}}), "\"records\" is allowed"),
        ] {
            let error = read(body).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        for (csv, wanted) in
            [("", "0 rows"), ("a\n", "0 rows"), ("a\n1\n2\n3\n4\n", "more than 3"), ("a,b\n1\n", "not readable")]
        {
            let error = Table::from_csv(csv.as_bytes(), 3).unwrap_err();
            assert!(error.contains(wanted), "{csv:?}: {error}");
        }
    }
}
