//! The bridge from a fit's thread to the store: a finished trial goes over a channel to the job's driver, which records it
//! and answers, so that the fit goes on only once the trial is safe.

use provost_learn::train::{Journal, TrialResult};
use std::sync::mpsc::{SyncSender, sync_channel};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub struct Finished {
    pub trial: TrialResult,
    pub answer: SyncSender<Result<(), String>>,
}

pub struct ChannelJournal {
    finished: Vec<TrialResult>,
    to_driver: UnboundedSender<Finished>,
}

/// `finished` are the trials that an earlier attempt recorded.
pub fn journal(finished: Vec<TrialResult>) -> (ChannelJournal, UnboundedReceiver<Finished>) {
    let (to_driver, from_fit) = unbounded_channel();
    (ChannelJournal { finished, to_driver }, from_fit)
}

impl Journal for ChannelJournal {
    fn finished(&self) -> Vec<TrialResult> {
        self.finished.clone()
    }

    fn record(&self, trial: &TrialResult) -> Result<(), String> {
        let gone = || "nobody drives this job any more".to_owned();
        let (answer, recorded) = sync_channel(1);
        self.to_driver.send(Finished { trial: trial.clone(), answer }).map_err(|_| gone())?;
        recorded.recv().map_err(|_| gone())?
    }
}
