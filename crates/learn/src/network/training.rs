//! Adam over shuffled batches until the loss, or the validation rows' loss, stops falling.

use super::elementwise;
use super::gradients::{Workspace, backward};
use crate::error::LearnError;
use crate::split::shuffle;
use provost_domain::rng::SplitMix64;
use provost_predict::control::Control;
use provost_predict::network::layers::{Buffers, Layers};

const BATCH: usize = 200;
const RATE: f64 = 1e-3;
/// Training ends where the training loss has not fallen by `TOLERANCE` for more than `IDLE_EPOCHS` epochs.
const TOLERANCE: f64 = 1e-4;
const IDLE_EPOCHS: u64 = 10;
/// Key of the random stream that shuffles the rows.
const STREAM: u64 = 2;

pub struct Part {
    /// Row-major, rows × inputs.
    pub inputs: Vec<f32>,
    pub labels: Vec<f32>,
}

pub struct Plan {
    pub alpha: f32,
    /// Numbers of epochs after which the network is kept, ascending.
    pub ends: Vec<u64>,
    pub seed: u64,
    /// Epochs without a new minimum of the validation loss that end the training.
    pub patience: u64,
}

/// Returns, for each of the plan's ends, the trained layers and the number of epochs that they were trained for: all,
/// or with validation rows those up to the lowest validation loss. Runs on one thread, whatever the pool.
pub fn train(
    mut layers: Layers,
    train: &Part,
    validation: Option<&Part>,
    plan: &Plan,
    control: &Control,
) -> Result<Vec<(Layers, u64)>, LearnError> {
    let (rows, width, count) = (train.labels.len(), layers.inputs(), layers.parameters().len());
    let batch = BATCH.min(rows);
    let mut workspace = Workspace::new(&layers, batch);
    let (mut first, mut second, mut gradient) = (vec![0.0; count], vec![0.0; count], vec![0.0; count]);
    let (mut x, mut y) = (vec![0.0; batch * width], vec![0.0; batch]);
    let mut order: Vec<u32> = (0..rows as u32).collect();
    let mut random = SplitMix64::keyed(plan.seed, &[STREAM]);
    let mut steps = 0i32;
    let (mut lowest, mut idle) = (f64::INFINITY, 0);
    let mut best = Best { layers: layers.clone(), loss: f64::INFINITY, epoch: 0 };
    let last = plan.ends.last().copied().unwrap_or_default();
    let mut done = Vec::with_capacity(plan.ends.len());
    for epoch in 1..=last {
        shuffle(&mut random, &mut order, control)?;
        let mut sum = 0.0;
        for rows in order.chunks(batch) {
            control.check()?;
            for (at, row) in rows.iter().enumerate() {
                let row = *row as usize;
                x[at * width..(at + 1) * width].copy_from_slice(&train.inputs[row * width..(row + 1) * width]);
                y[at] = train.labels[row];
            }
            let n = rows.len();
            layers.forward(&x[..n * width], n, &mut workspace.buffers);
            sum += n as f64 * backward(&layers, &x[..n * width], &y[..n], plan.alpha, &mut workspace, &mut gradient);
            steps = steps.saturating_add(1);
            let rate = RATE * (1.0 - 0.999f64.powi(steps)).sqrt() / (1.0 - 0.9f64.powi(steps));
            elementwise::adam(layers.parameters_mut(), &gradient, &mut first, &mut second, rate as f32);
        }
        let loss = sum / rows as f64;
        // Inputs near the limits of f32 can overflow a product: the last epoch with finite values is kept.
        if !loss.is_finite() || layers.parameters().iter().any(|p| !p.is_finite()) {
            break;
        }
        idle = if loss > lowest - TOLERANCE { idle + 1 } else { 0 };
        lowest = lowest.min(loss);
        match validation {
            Some(part) => {
                let loss = log_loss(&layers, part, control)?;
                if loss < best.loss {
                    best = Best { layers: layers.clone(), loss, epoch };
                } else if epoch - best.epoch >= plan.patience {
                    break;
                }
            }
            None => best = Best { layers: layers.clone(), loss, epoch },
        }
        while plan.ends.get(done.len()) == Some(&epoch) {
            done.push((best.layers.clone(), best.epoch));
        }
        control.progress(epoch, last);
        if idle > IDLE_EPOCHS {
            break;
        }
    }
    control.progress(last, last);
    // Ends that were not reached get the best network: training on would change nothing.
    done.resize(plan.ends.len(), (best.layers, best.epoch));
    Ok(done)
}

struct Best {
    layers: Layers,
    loss: f64,
    epoch: u64,
}

fn log_loss(layers: &Layers, part: &Part, control: &Control) -> Result<f64, LearnError> {
    let width = layers.inputs();
    let mut buffers = Buffers::new(layers, BATCH.min(part.labels.len()));
    let (mut sum, mut slopes) = (0.0, [0.0; BATCH]);
    for (at, labels) in part.labels.chunks(BATCH).enumerate() {
        control.check()?;
        let from = at * BATCH * width;
        let x = &part.inputs[from..from + labels.len() * width];
        let logits = layers.forward(x, labels.len(), &mut buffers);
        sum += elementwise::log_loss(logits, labels, &mut slopes[..labels.len()]);
    }
    Ok(sum / part.labels.len() as f64)
}
