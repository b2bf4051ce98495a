//! The feature matrix: columns of f32, NaN where missing.

use crate::LearnError;

#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    names: Vec<String>,
    columns: Vec<Vec<f32>>,
    rows: usize,
}

impl Matrix {
    /// Columns of equal length; every value finite or NaN (missing).
    pub fn new(names: Vec<String>, columns: Vec<Vec<f32>>) -> Result<Self, LearnError> {
        let rows = columns.first().map_or(0, Vec::len);
        if names.len() != columns.len() {
            return Err(LearnError::Data(format!("{} names for {} columns", names.len(), columns.len())));
        }
        for (name, column) in names.iter().zip(&columns) {
            if column.len() != rows {
                return Err(LearnError::Data(format!("column {name} has {} rows, the first has {rows}", column.len())));
            }
            if let Some(at) = column.iter().position(|v| v.is_infinite()) {
                return Err(LearnError::Data(format!("column {name}, row {at}: the value is beyond ±3.4e38")));
            }
        }
        Ok(Self { names, columns, rows })
    }
    /// Of columns that are known to be as `new` wants them, one at least.
    pub(crate) fn of_finite(names: Vec<String>, columns: Vec<Vec<f32>>) -> Self {
        let rows = columns.first().map_or(0, Vec::len);
        Self { names, columns, rows }
    }
    pub fn rows(&self) -> usize {
        self.rows
    }
    pub fn width(&self) -> usize {
        self.columns.len()
    }
    pub fn names(&self) -> &[String] {
        &self.names
    }
    pub fn column(&self, index: usize) -> &[f32] {
        &self.columns[index]
    }
    /// The same with other values in some cells, each named by row and column; cells that are not there are passed by.
    pub fn with_cells(&self, cells: impl IntoIterator<Item = (usize, usize, f32)>) -> Self {
        let mut changed = self.clone();
        for (row, column, value) in cells {
            if let Some(cell) =
                changed.columns.get_mut(column).and_then(|c| c.get_mut(row)).filter(|_| !value.is_infinite())
            {
                *cell = value;
            }
        }
        changed
    }
    #[inline]
    pub fn value(&self, row: usize, column: usize) -> f32 {
        self.columns[column][row]
    }
}
