//! Rows in the library's own format, kept for the next fit on the same rows.

use super::foreign;
use crate::error::LearnError;
use crate::learner::FitTask;
use provost_predict::control::BLOCK;
use provost_predict::control::Control;
use provost_predict::matrix::Matrix;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Weak;
use xgboost::DMatrix;

/// Most cells of the matrices that one thread keeps; the library needs about 10 bytes for each.
const KEPT_CELLS: usize = 10_000_000;

/// A kept matrix, its number of cells, and the shared state that it belongs to.
struct Kept {
    of: Weak<()>,
    cells: usize,
    matrix: Rc<DMatrix>,
}

thread_local! {
    /// The library ties a matrix to the thread that made it, so each thread keeps its own matrices, the latest last.
    static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// The training rows. The library keeps its bins with the matrix, so that the next fit does not sort again.
pub fn training(task: &FitTask<'_>, control: &Control) -> Result<Rc<DMatrix>, LearnError> {
    let Some(shared) = task.shared else { return make(task, control).map(Rc::new) };
    let (of, cells) = (shared.identity(), task.train.len() * task.columns.len());
    let known = KEPT.with_borrow_mut(|kept| {
        kept.retain(|k| k.of.strong_count() > 0);
        kept.iter().find(|k| k.of.ptr_eq(&of)).map(|k| Rc::clone(&k.matrix))
    });
    if let Some(matrix) = known {
        return Ok(matrix);
    }
    let matrix = Rc::new(make(task, control)?);
    KEPT.with_borrow_mut(|kept| {
        kept.push(Kept { of, cells, matrix: Rc::clone(&matrix) });
        let mut sum = 0;
        let room = kept.iter().rev().take_while(|k| {
            sum += k.cells;
            sum <= KEPT_CELLS
        });
        let room = room.count();
        kept.drain(..kept.len() - room);
    });
    Ok(matrix)
}

fn make(task: &FitTask<'_>, control: &Control) -> Result<DMatrix, LearnError> {
    let mut known = values(task, task.train, control)?;
    clear_constants(&mut known, task.columns.len(), control)?;
    matrix(&known, task.columns.len(), &labels(task, task.train))
}

pub fn validation(task: &FitTask<'_>, control: &Control) -> Result<DMatrix, LearnError> {
    matrix(&values(task, task.validation, control)?, task.columns.len(), &labels(task, task.validation))
}

fn labels(task: &FitTask<'_>, rows: &[u32]) -> Vec<f32> {
    rows.iter().map(|r| f32::from(task.data.y()[*r as usize])).collect()
}

/// The values of `rows`, row-major, rows × columns.
pub(super) fn values(task: &FitTask<'_>, rows: &[u32], control: &Control) -> Result<Vec<f32>, LearnError> {
    let mut dense = vec![0f32; rows.len() * task.columns.len()];
    gather(task.data.x(), task.columns, rows, &mut dense, control)?;
    Ok(dense)
}

pub(super) fn matrix(dense: &[f32], width: usize, labels: &[f32]) -> Result<DMatrix, LearnError> {
    let mut matrix = DMatrix::from_dense(dense, labels.len()).map_err(foreign)?;
    matrix.set_labels(labels).map_err(foreign)?;
    if matrix.shape() != (labels.len(), width) {
        return Err(LearnError::Xgboost(format!("took {:?} of {} rows", matrix.shape(), labels.len())));
    }
    Ok(matrix)
}

/// Makes columns with one value in all rows missing throughout. No split uses such a column, but each histogram counts
/// its values, and the library skips missing ones. Done only where other values are missing: a matrix without missing
/// values is faster still.
pub(super) fn clear_constants(dense: &mut [f32], width: usize, control: &Control) -> Result<(), LearnError> {
    control.check()?;
    if !dense.iter().any(|v| v.is_nan()) {
        return Ok(());
    }
    for column in 0..width {
        control.check()?;
        let first = dense[column];
        if dense.iter().skip(column).step_by(width).all(|v| *v == first) {
            dense.iter_mut().skip(column).step_by(width).for_each(|v| *v = f32::NAN);
        }
    }
    Ok(())
}

/// Writes the values of `rows` × `columns` of `x` to `dense`, row-major.
///
/// # Errors
///
/// `Stopped`.
pub fn gather(
    x: &Matrix,
    columns: &[usize],
    rows: &[u32],
    dense: &mut [f32],
    control: &Control,
) -> Result<(), LearnError> {
    for (at, column) in columns.iter().enumerate() {
        let values = x.column(*column);
        for (rows, dense) in rows.chunks(BLOCK).zip(dense.chunks_mut(BLOCK * columns.len())) {
            control.check()?;
            for (row, out) in rows.iter().zip(dense.chunks_exact_mut(columns.len())) {
                out[at] = values[*row as usize];
            }
        }
    }
    Ok(())
}
