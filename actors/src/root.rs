//! The Root has every child's slot and reports their health.

use crate::pulse::{Pulse, silent};
use crate::supervise::{Child, Status};
use actix::{Actor, Context, Handler, Message, MessageResult, ResponseActFuture, WrapFuture};
use provost_domain::status::{ComponentStatus, Exits, Health};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long one child may take to report its state, so that a status request is answered within a second.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(600);

pub struct Root {
    children: Vec<Arc<dyn Child>>,
    pulse: Pulse,
}

impl Root {
    pub fn new(children: Vec<Arc<dyn Child>>, pulse: Pulse) -> Self {
        Self { children, pulse }
    }
}

impl Actor for Root {
    type Context = Context<Self>;
}

crate::takes_messages!(Root);

impl Handler<Status> for Root {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(json!({ "children": self.children.len() }))
    }
}

/// Requests the state of every actor and of the store.
pub struct Components {
    /// How long to wait for the store; afterwards its last known state is returned.
    pub store_within: Duration,
}

impl Message for Components {
    type Result = BTreeMap<String, ComponentStatus>;
}

impl Handler<Components> for Root {
    type Result = ResponseActFuture<Self, BTreeMap<String, ComponentStatus>>;
    fn handle(&mut self, Components { store_within }: Components, _: &mut Context<Self>) -> Self::Result {
        let (children, pulse) = (self.children.clone(), self.pulse.clone());
        let all = async move {
            let asked = children.iter().map(|child| async {
                let status = tokio::time::timeout(ANSWER_WITHIN, child.status()).await.unwrap_or_else(|_| degraded());
                (child.name().to_owned(), status)
            });
            let (components, store) =
                futures_util::future::join(futures_util::future::join_all(asked), pulse.status(store_within)).await;
            components.into_iter().chain([("store".to_owned(), store)]).collect()
        };
        Box::pin(all.into_actor(self))
    }
}

/// The state of a component that does not report in time.
pub(crate) fn degraded() -> ComponentStatus {
    ComponentStatus {
        health: Health::Degraded,
        restarts: 0,
        exits: Exits::default(),
        panics: 0,
        last_panic: None,
        last_error: Some(silent(ANSWER_WITHIN)),
        state: json!({}),
    }
}
