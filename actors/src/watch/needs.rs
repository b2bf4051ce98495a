//! The needs that alarms raise: one for each kind of windows, withdrawn once the newest window has no alarm.

use super::watching::Watching;
use provost_domain::ModelId;
use provost_domain::need::{Need, NeedKind};
use provost_domain::watch::WindowKind;
use provost_domain::watch_alarm::DriftAlarm;
use provost_store::{StoreError, WindowFilter};

/// Newest windows that are looked through for the beginning of an alarm.
const WINDOWS: u32 = 50;

fn subject(model: &ModelId, kind: WindowKind) -> String {
    format!("{kind} of {model}")
}

impl Watching {
    /// Raises or withdraws the needs about a model that is watched.
    pub(super) async fn settle_needs(&self, model: &ModelId) -> Result<(), StoreError> {
        for kind in WindowKind::ALL {
            let filter = WindowFilter { model_id: Some(model.clone()), kind: Some(*kind) };
            let windows = self.resources.watch.watched_windows(filter, None, WINDOWS).await?.items;
            let alarm = DriftAlarm::standing(&windows);
            self.seen().alarm.insert(*kind, alarm.is_some());
            match alarm {
                Some(alarm) => {
                    let fact = format!("The data has drifted: {}", alarm.summary());
                    let need =
                        Need::new(NeedKind::DriftAlarm, &subject(model, *kind), &fact, &alarm.course(), alarm.since);
                    self.resources.needs.raise_need(need).await?;
                }
                None => self.withdraw(model, *kind).await?,
            }
        }
        Ok(())
    }

    /// Withdraws the needs about a model that is watched no more.
    pub(super) async fn withdraw_needs(&self, model: &ModelId) -> Result<(), StoreError> {
        for kind in WindowKind::ALL {
            self.withdraw(model, *kind).await?;
        }
        Ok(())
    }

    async fn withdraw(&self, model: &ModelId, kind: WindowKind) -> Result<(), StoreError> {
        let id = Need::id_of(NeedKind::DriftAlarm, &subject(model, kind));
        self.resources.needs.withdraw_need(&id, self.resources.clock.now()).await.map(|_| ())
    }
}
