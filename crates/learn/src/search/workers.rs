//! Runs many small fits side by side, each on threads of its own: as many at once as rayon's current pool has threads.

use crate::error::LearnError;
use provost_predict::control::{Control, Progress};
use rayon::ThreadPoolBuilder;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Runs `work` for the units `0..units`, taken in this order, and returns their results in the same order, whichever
/// finishes first. Where there are fewer units than threads, each unit gets several. `work` runs inside a rayon pool of
/// its own, so that waiting for a part of one fit never starts another. A panic is passed on.
///
/// # Errors
///
/// The error of the first failing unit, in unit order; no unit is started after one has failed. `Data` where no threads
/// can be started.
pub fn run<T: Send>(units: usize, work: impl Fn(usize) -> Result<T, LearnError> + Sync) -> Result<Vec<T>, LearnError> {
    let threads = rayon::current_num_threads();
    let workers = threads.min(units);
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results: Mutex<Vec<Option<Result<T, LearnError>>>> = Mutex::new((0..units).map(|_| None).collect());
    let take = || {
        while !failed.load(Ordering::Relaxed) {
            let unit = next.fetch_add(1, Ordering::Relaxed);
            if unit >= units {
                break;
            }
            let result = work(unit);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner)[unit] = Some(result);
        }
    };
    if workers <= 1 {
        take();
    } else {
        std::thread::scope(|scope| {
            let spawn = |worker: usize| {
                let take = &take;
                let failed = &failed;
                scope.spawn(move || {
                    let share = threads / workers + usize::from(worker < threads % workers);
                    let pool =
                        ThreadPoolBuilder::new().num_threads(share).thread_name(move |i| format!("fit-{worker}-{i}"));
                    match pool.build() {
                        Ok(pool) => {
                            // A panic must also stop the other workers from taking units.
                            let stop = StopOnPanic(failed);
                            pool.install(take);
                            std::mem::forget(stop);
                            Ok(())
                        }
                        Err(e) => {
                            failed.store(true, Ordering::Relaxed);
                            Err(LearnError::Data(format!("no threads to fit on: {e}")))
                        }
                    }
                })
            };
            let handles: Vec<_> = (0..workers).map(spawn).collect();
            let mut outcome = Ok(());
            let mut panic = None;
            for handle in handles {
                match handle.join() {
                    Ok(result) => outcome = outcome.and(result),
                    Err(payload) => panic = panic.or(Some(payload)),
                }
            }
            match panic {
                Some(payload) => std::panic::resume_unwind(payload),
                None => outcome,
            }
        })?;
    }
    let mut done = Vec::with_capacity(units);
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    for result in results {
        match result {
            Some(Ok(value)) => done.push(value),
            Some(Err(e)) => return Err(e),
            // Not started, because another unit had failed.
            None => continue,
        }
    }
    Ok(done)
}

struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The progress of the whole work, added up over fits that run at the same time. It never decreases.
pub struct Meter {
    control: Control,
    done: AtomicU64,
    reported: AtomicU64,
    total: u64,
}

/// Parts that one unit of work counts on a meter.
pub const UNIT: u64 = 100;

impl Meter {
    /// A meter for so many units of work; the progress is reported to `control`.
    pub fn new(control: &Control, units: u64) -> Arc<Self> {
        let meter = Self {
            control: control.clone(),
            done: AtomicU64::new(0),
            reported: AtomicU64::new(0),
            total: units.max(1) * UNIT,
        };
        Arc::new(meter)
    }

    /// The control for one fit, whose own progress moves this meter by one unit in all.
    pub fn unit(self: &Arc<Self>, control: &Control) -> (Control, UnitDone) {
        let unit = UnitDone { meter: Arc::clone(self), counted: Arc::new(AtomicU64::new(0)) };
        let (meter, counted) = (Arc::clone(self), Arc::clone(&unit.counted));
        let on_progress = move |p: Progress| {
            let share = (UNIT * p.done.min(p.of)).checked_div(p.of).unwrap_or(0);
            let before = counted.fetch_max(share, Ordering::Relaxed);
            meter.add(share.saturating_sub(before));
        };
        (Control { token: control.token.clone(), on_progress: Some(Arc::new(on_progress)) }, unit)
    }

    /// Counts units that need not be done.
    pub fn skip(&self, units: u64) {
        self.add(units * UNIT);
    }

    fn add(&self, parts: u64) {
        let done = self.done.fetch_add(parts, Ordering::Relaxed) + parts;
        if self.reported.fetch_max(done, Ordering::Relaxed) < done {
            self.control.progress(done.min(self.total), self.total);
        }
    }
}

/// Counts the rest of a unit when its fit has ended.
pub struct UnitDone {
    meter: Arc<Meter>,
    counted: Arc<AtomicU64>,
}

impl UnitDone {
    /// Counts the rest of the unit.
    pub fn done(self) {
        let before = self.counted.swap(UNIT, Ordering::Relaxed);
        self.meter.add(UNIT.saturating_sub(before));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn results_come_in_unit_order_and_the_budget_holds() {
        for threads in [1, 2, 3, 8] {
            let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let squares = pool(threads).install(|| {
                run(5, |unit| {
                    let inner = rayon::current_num_threads();
                    most.fetch_max(now.fetch_add(inner, Ordering::SeqCst) + inner, Ordering::SeqCst);
                    let sum: usize = rayon::join(|| unit * unit, || 0).0;
                    now.fetch_sub(inner, Ordering::SeqCst);
                    Ok(sum)
                })
                .unwrap()
            });
            assert_eq!(squares, vec![0, 1, 4, 9, 16]);
            assert!(most.load(Ordering::SeqCst) <= threads, "{most:?} of {threads}");
        }
    }

    #[test]
    fn an_error_and_a_panic_come_through() {
        let failed = pool(2)
            .install(|| run(100, |unit| if unit == 3 { Err(LearnError::Data("three".into())) } else { Ok(unit) }));
        assert_eq!(failed.unwrap_err().to_string(), "three");
        let panicked = std::panic::catch_unwind(|| {
            pool(2).install(|| run(10, |unit| if unit == 4 { panic!("unit four") } else { Ok(unit) }))
        });
        let payload = panicked.unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"unit four"));
    }

    #[test]
    fn the_meter_counts_inner_progress_once() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let on_progress = Arc::new(move |p: Progress| sink.lock().unwrap().push((p.done, p.of)));
        let control = Control { on_progress: Some(on_progress), ..Control::default() };
        let meter = Meter::new(&control, 3);
        let (inner, unit) = meter.unit(&control);
        inner.progress(1, 4);
        inner.progress(1, 4);
        unit.done();
        meter.skip(2);
        assert_eq!(*seen.lock().unwrap(), vec![(25, 300), (100, 300), (300, 300)]);
    }
}
