//! Fits the rates of acceptance by category (`provost_predict::encoder`). A training row is encoded from the rows
//! outside its own part, so that its own label is not used (Micci-Barreca 2001, with the cross-fitting of later work).

use super::standards::{self, Training};
use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::sorting::sort_by;
use provost_domain::features::{YEAR, is_category};
use provost_domain::rng::SplitMix64;
use provost_predict::control::Control;
use provost_predict::encoder::{Category, Encoder, History, PER_CATEGORY, overall, rate};

/// Number of parts of the training rows; a row is encoded without the rows of its own part.
const PARTS: usize = 5;
const STREAM: u64 = 0x656e_636f;

/// Returns the encoder, and the encoded training rows as columns; with `keep` the category columns themselves, too.
///
/// # Errors
///
/// `Stopped`.
pub(super) fn fit(
    data: &Dataset,
    columns: &[usize],
    names: &[&str],
    train: &[u32],
    seed: u64,
    keep: bool,
    control: &Control,
) -> Result<(Encoder, Vec<Vec<f32>>), LearnError> {
    let x = data.x();
    let place = |found: bool| (0..columns.len() as u32).filter(move |at| is_category(names[*at as usize]) == found);
    let year = x.names().iter().position(|name| name == YEAR).filter(|c| columns.contains(c));
    let of_year = |row: u32| year.map_or(f32::NAN, |c| x.value(row as usize, c));
    let mut by_year: Vec<u32> = (0..train.len() as u32).collect();
    let known = |at: &u32| Some(of_year(train[*at as usize])).filter(|y| !y.is_nan()).unwrap_or(f32::INFINITY);
    sort_by(&mut by_year, |a, b| known(a).total_cmp(&known(b)), control)?;
    let label = |at: u32| data.y()[train[at as usize] as usize];
    let mut all = History::default();
    control.in_blocks(&by_year, |rows| rows.iter().for_each(|at| all.add(known(at), label(*at))))?;
    let mut random = SplitMix64::keyed(seed, &[STREAM]);
    let part: Vec<usize> = train.iter().map(|_| random.below(PARTS as u32) as usize).collect();
    let mut of_parts = [(0.0, 0.0); PARTS];
    for (at, part) in part.iter().enumerate() {
        of_parts[*part].0 += 1.0;
        of_parts[*part].1 += f64::from(label(at as u32));
    }

    let plain: Vec<u32> = place(false).chain(place(true).filter(|_| keep)).collect();
    let mut encoded: Vec<Vec<f32>> = plain
        .iter()
        .map(|at| train.iter().map(|row| x.value(*row as usize, columns[*at as usize])).collect())
        .collect();
    let mut categories = Vec::new();
    for at in place(true) {
        let (distinct, codes) =
            data.with_ranks(columns[at as usize], control, |ranks| (ranks.values().to_vec(), ranks.codes().to_vec()))?;
        let value = |row: u32| codes[row as usize];
        let n = distinct.len();
        let mut histories = vec![History::default(); n];
        let mut in_part = vec![[(0u32, 0u32); PARTS]; n];
        control.in_blocks(&by_year, |positions| {
            for position in positions {
                let value = value(train[*position as usize]) as usize;
                if value < n {
                    histories[value].add(known(position), label(*position));
                    let tally = &mut in_part[value][part[*position as usize]];
                    *tally = (tally.0 + 1, tally.1 + u32::from(label(*position)));
                }
            }
        })?;
        let rates = |position: usize| {
            let row = train[position];
            let history = histories.get(value(row) as usize)?;
            let year = of_year(row);
            let own = part[position];
            let less = |(rows, ones): (f64, f64), own: (f64, f64)| (rows - own.0, ones - own.1);
            let (rows, ones) = in_part[value(row) as usize][own];
            let elsewhere = less(history.all(), (f64::from(rows), f64::from(ones)));
            let prior = overall(less(all.all(), of_parts[own]));
            // Scaled to the number of rows that a row outside the training data would see.
            let seen = elsewhere.0 * PARTS as f64 / (PARTS - 1) as f64;
            let earlier = rate(history.before(year), overall(all.before(year)));
            Some([earlier, rate(elsewhere, prior), seen.ln_1p() as f32])
        };
        let mut triples: Vec<[f32; PER_CATEGORY]> = Vec::with_capacity(train.len());
        control.in_blocks(train, |rows| {
            let positions = triples.len()..triples.len() + rows.len();
            triples.extend(positions.map(|position| rates(position).unwrap_or([f32::NAN; PER_CATEGORY])));
        })?;
        encoded.extend((0..PER_CATEGORY).map(|which| triples.iter().map(|triple| triple[which]).collect()));
        let seen: Vec<usize> = (0..n).filter(|v| !histories[*v].0.is_empty()).collect();
        categories.push(Category {
            column: at,
            values: seen.iter().map(|v| distinct[*v]).collect(),
            histories: seen.iter().map(|v| std::mem::take(&mut histories[*v])).collect(),
        });
    }
    let (by, of) = standards::places(names);
    let training = Training { x, y: data.y(), columns, rows: train, part: &part, parts: PARTS };
    let mut compared = Vec::new();
    for at in by {
        let (standards, columns) = data.with_ranks(columns[at as usize], control, |ranks| {
            let codes = ranks.codes();
            standards::fit(&training, at, &of, ranks.values(), |row| codes[row as usize] as usize)
        })?;
        compared.push(standards);
        encoded.extend(columns);
    }
    let own = |at: &u32| names[*at as usize].to_owned();
    let rates =
        |at: u32| ["earlier years", "training rows", "how many"].map(|of| format!("{}, {of}", names[at as usize]));
    let encoder = Encoder {
        width: columns.len() as u32,
        year: year.and_then(|c| columns.iter().position(|own| *own == c)).map(|at| at as u32),
        names: plain
            .iter()
            .map(own)
            .chain(place(true).flat_map(rates))
            .chain(compared.iter().flat_map(|s| s.names(names)))
            .collect(),
        standards: compared,
        plain,
        categories,
        overall: all,
    };
    Ok((encoder, encoded))
}
