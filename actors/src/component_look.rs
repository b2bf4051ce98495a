//! Collects the state of all components: every actor and the store, with their repeated failures.

use crate::failures::Failures;
use crate::pulse::Pulse;
use crate::root::{Components, Root};
use crate::supervise::{Child, Slot};
use provost_domain::status::{ComponentStatus, Health};
use provost_store::StoreHealth;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The states of all components.
pub struct Look {
    pub components: BTreeMap<String, ComponentStatus>,
    pub store_answers: bool,
    /// Whether everything that requests need is up.
    pub ready: bool,
}

/// Collects the state of all components.
pub struct ComponentLook {
    pub root: Slot<Root>,
    pub pulse: Pulse,
    pub children: Vec<Arc<dyn Child>>,
    pub store: Arc<dyn StoreHealth>,
    pub failures: Failures,
}

impl ComponentLook {
    /// Waits for the store for at most `store_within`; afterwards its last known state is returned.
    pub async fn look(&self, store_within: Duration) -> Look {
        let mut components = match self.root.send(Components { store_within }).await {
            Ok(components) => components,
            // The Root itself is down, so its state is reported here.
            Err(_) => {
                let asked = self.children.iter().map(|c| async { (c.name().to_owned(), c.status().await) });
                let mut components: BTreeMap<_, _> = futures_util::future::join_all(asked).await.into_iter().collect();
                components.insert("store".to_owned(), self.pulse.status(store_within).await);
                components
            }
        };
        components.insert(self.root.name().to_owned(), Child::status(&self.root).await);
        let up = |name: &str| components.get(name).is_some_and(|c| c.health == Health::Up);
        let store_answers = up("store");
        let ready = store_answers && up("jobs");
        let unreadable = self.store.unreadable();
        if let Some(store) = components.get_mut("store").filter(|s| s.health == Health::Up && !unreadable.is_empty()) {
            store.health = Health::Degraded;
            store.last_error = Some(unreadable.join("; "));
        }
        for (name, component) in &mut components {
            let Some(text) = self.failures.of(name) else { continue };
            if component.health == Health::Up {
                component.health = Health::Degraded;
            }
            component.last_error = Some(text);
        }
        Look { components, store_answers, ready }
    }

    /// Every actor, including the Root.
    pub fn every_child(&self) -> impl Iterator<Item = &dyn Child> {
        self.children.iter().map(|child| &**child).chain(std::iter::once(&self.root as &dyn Child))
    }
}
