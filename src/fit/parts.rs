//! Assigns rows to training, test and folds: by the file's columns, else at random.

use super::table::Table;
use provost_domain::rng::SplitMix64;
use std::collections::BTreeSet;

const SAMPLE_STREAM: u64 = 0x726f_7773;
const SPLIT_STREAM: u64 = 0x7061_7274;

#[derive(Debug, PartialEq)]
pub struct Parts {
    pub train: Vec<u32>,
    pub test: Vec<u32>,
}

/// A stratified sample of `rows` rows in their order; all rows if there are no more.
pub fn sample(table: Table, rows: usize, seed: u64) -> Table {
    let n = table.labels.len();
    if rows >= n {
        return table;
    }
    let positives = table.labels.iter().filter(|l| **l == 1).count();
    let of_positives = ((rows * positives) as f64 / n as f64).round() as usize;
    let mut kept = Vec::with_capacity(rows);
    for (class, size) in [(0, rows - of_positives), (1, of_positives)] {
        kept.extend(shuffled(&table.labels, class, seed, SAMPLE_STREAM).into_iter().take(size));
    }
    kept.sort_unstable();
    table.rows(&kept)
}

/// Parts by the column `split`, else of each class 70 % training, 15 % validation (unused here) and 15 % test rows.
pub fn parts(table: &Table, seed: u64) -> Result<Parts, String> {
    let mut parts = Parts { train: Vec::new(), test: Vec::new() };
    match &table.split {
        Some(split) => {
            let of = |part: &str| (0..split.len() as u32).filter(|r| split[*r as usize] == part).collect();
            (parts.train, parts.test) = (of("train"), of("test"));
        }
        None => {
            for class in 0..2u8 {
                let rows = shuffled(&table.labels, class, seed, SPLIT_STREAM);
                let rest = (0.3 * rows.len() as f64).round() as usize;
                let test = rest.div_ceil(2);
                parts.test.extend(&rows[..test]);
                parts.train.extend(&rows[rest..]);
            }
            parts.train.sort_unstable();
            parts.test.sort_unstable();
        }
    }
    for (name, rows) in [("training", &parts.train), ("test", &parts.test)] {
        let labels: Vec<u8> = rows.iter().map(|r| table.labels[*r as usize]).collect();
        both_classes(&labels, name)?;
    }
    Ok(parts)
}

/// The held-out rows of each fold: by the column `fold`, else scikit-learn's stratified folds without shuffling.
pub fn folds(table: &Table, train: &[u32], k: u32) -> Result<Vec<Vec<u32>>, String> {
    let folds = match &table.fold {
        Some(fold) => {
            let of = |row: &u32| fold[*row as usize];
            let numbers: BTreeSet<i64> = train.iter().map(of).collect();
            numbers.iter().map(|n| train.iter().copied().filter(|r| of(r) == *n).collect()).collect()
        }
        None => unshuffled(&table.labels, train, k as usize)?,
    };
    if folds.len() < 2 {
        return Err("the column \"fold\" has a single value in the training rows: at least two folds are needed".into());
    }
    for (at, fold) in folds.iter().enumerate() {
        let labels: Vec<u8> = fold.iter().map(|r| table.labels[*r as usize]).collect();
        both_classes(&labels, &format!("fold {at}'s"))?;
    }
    Ok(folds)
}

/// The same folds as `StratifiedKFold(k).split`: within a class the first folds take the first rows, and the classes are
/// dealt so that the folds have equal sizes over all classes, beginning with the class of the first row.
fn unshuffled(labels: &[u8], train: &[u32], k: usize) -> Result<Vec<Vec<u32>>, String> {
    let Some(first) = train.first().map(|r| labels[*r as usize]) else { return Err("no training rows".to_owned()) };
    let classes = [first, 1 - first];
    let rows = classes.map(|c| -> Vec<u32> { train.iter().copied().filter(|r| labels[*r as usize] == c).collect() });
    for (class, rows) in classes.iter().zip(&rows) {
        if rows.len() < k {
            return Err(format!("{} training rows of label {class} are fewer than {k} folds", rows.len()));
        }
    }
    let mut folds = vec![Vec::new(); k];
    let mut before = 0;
    for rows in &rows {
        let mut at = 0;
        for (fold, held) in folds.iter_mut().enumerate() {
            // Counts the positions fold, fold + k, … of the sorted labels that belong to this class.
            let dealt = |end: usize| (end + k - 1 - fold) / k;
            let size = dealt(before + rows.len()) - dealt(before);
            held.extend(&rows[at..at + size]);
            at += size;
        }
        before += rows.len();
    }
    folds.iter_mut().for_each(|f| f.sort_unstable());
    Ok(folds)
}

pub fn both_classes(labels: &[u8], name: &str) -> Result<(), String> {
    let positives = labels.iter().filter(|l| **l == 1).count();
    if positives == 0 || positives == labels.len() {
        return Err(format!("the {} {name} rows have {positives} of label 1: both classes are needed", labels.len()));
    }
    Ok(())
}

fn shuffled(labels: &[u8], class: u8, seed: u64, stream: u64) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..labels.len() as u32).filter(|r| labels[*r as usize] == class).collect();
    SplitMix64::keyed(seed, &[stream, u64::from(class)]).shuffle(&mut rows);
    rows
}
