//! The feature matrix: columns of f32; NaN is missing.

use crate::error::PredictError;

/// Named columns of equal length. Row and column indices count from 0.
///
/// ```
/// use provost_predict::Matrix;
///
/// let names = vec!["gpa".to_owned(), "gre".to_owned()];
/// let x = Matrix::new(names, vec![vec![3.5, 2.9], vec![f32::NAN, 160.0]]).unwrap();
/// assert_eq!((x.rows(), x.width(), x.value(1, 1)), (2, 2, 160.0));
/// assert!(x.value(0, 1).is_nan(), "missing");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    names: Vec<String>,
    columns: Vec<Vec<f32>>,
    rows: usize,
}

impl Matrix {
    /// Columns of equal length; every value finite or NaN (missing).
    ///
    /// # Errors
    ///
    /// `Data` where the columns differ in length or number, or a value is infinite.
    pub fn new(names: Vec<String>, columns: Vec<Vec<f32>>) -> Result<Self, PredictError> {
        let rows = columns.first().map_or(0, Vec::len);
        if names.len() != columns.len() {
            return Err(PredictError::Data(format!("{} names for {} columns", names.len(), columns.len())));
        }
        for (name, column) in names.iter().zip(&columns) {
            if column.len() != rows {
                return Err(PredictError::Data(format!(
                    "column {name} has {} rows, the first has {rows}",
                    column.len()
                )));
            }
            if let Some(at) = column.iter().position(|v| v.is_infinite()) {
                return Err(PredictError::Data(format!("column {name}, row {at}: the value is beyond ±3.4e38")));
            }
        }
        Ok(Self { names, columns, rows })
    }
    /// A matrix of columns that are known to meet the conditions of `new`; there is at least one column.
    pub fn of_finite(names: Vec<String>, columns: Vec<Vec<f32>>) -> Self {
        let rows = columns.first().map_or(0, Vec::len);
        Self { names, columns, rows }
    }
    /// Number of rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }
    /// Number of columns.
    #[inline]
    pub fn width(&self) -> usize {
        self.columns.len()
    }
    /// The columns' names.
    #[inline]
    pub fn names(&self) -> &[String] {
        &self.names
    }
    /// The values of a column, one per row.
    ///
    /// # Panics
    ///
    /// Where there is no such column.
    #[inline]
    pub fn column(&self, index: usize) -> &[f32] {
        &self.columns[index]
    }
    /// A copy with other values in some cells, each given as (row, column, value). Cells that do not exist and infinite
    /// values are ignored.
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
    /// One cell.
    ///
    /// # Panics
    ///
    /// Where there is no such row or column.
    #[inline]
    pub fn value(&self, row: usize, column: usize) -> f32 {
        self.columns[column][row]
    }
}
