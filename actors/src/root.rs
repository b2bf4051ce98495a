//! The Root knows every child and tells their health.

use crate::supervise::{Child, Status};
use actix::{Actor, Context, Handler, Message, MessageResult, ResponseActFuture, WrapFuture};
use provost_domain::status::{ComponentStatus, Health};
use provost_store::Store;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long one child, or the store, may take to tell its state: whoever asks is to have an answer within a second.
const ANSWER_WITHIN: Duration = Duration::from_millis(600);

pub struct Root {
    children: Vec<Arc<dyn Child>>,
    store: Arc<dyn Store>,
}

impl Root {
    pub fn new(children: Vec<Arc<dyn Child>>, store: Arc<dyn Store>) -> Self {
        Self { children, store }
    }
}

impl Actor for Root {
    type Context = Context<Self>;
}

impl Handler<Status> for Root {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(json!({ "children": self.children.len() }))
    }
}

/// Asks for the state of every actor and of the store.
pub struct Components;

impl Message for Components {
    type Result = BTreeMap<String, ComponentStatus>;
}

impl Handler<Components> for Root {
    type Result = ResponseActFuture<Self, BTreeMap<String, ComponentStatus>>;
    fn handle(&mut self, _: Components, _: &mut Context<Self>) -> Self::Result {
        let (children, store) = (self.children.clone(), self.store.clone());
        let all = async move {
            let asked = children.iter().map(|child| async {
                let status = tokio::time::timeout(ANSWER_WITHIN, child.status()).await.unwrap_or_else(|_| silent());
                (child.name().to_owned(), status)
            });
            let mut components: BTreeMap<_, _> = futures_util::future::join_all(asked).await.into_iter().collect();
            components.insert("store".to_owned(), store_status(&*store).await);
            components
        };
        Box::pin(all.into_actor(self))
    }
}

fn silent() -> ComponentStatus {
    ComponentStatus {
        health: Health::Degraded,
        restarts: 0,
        panics: 0,
        last_panic: None,
        last_error: Some(format!("no answer within {ANSWER_WITHIN:?}")),
        state: json!({}),
    }
}

/// The store's health by a round trip.
pub async fn store_status(store: &dyn Store) -> ComponentStatus {
    let error = match tokio::time::timeout(ANSWER_WITHIN, store.ping()).await {
        Ok(Ok(())) => None,
        Ok(Err(e)) => Some(e.to_string()),
        Err(_) => Some(format!("no answer within {ANSWER_WITHIN:?}")),
    };
    let health = if error.is_none() { Health::Up } else { Health::Down };
    ComponentStatus { health, restarts: 0, panics: 0, last_panic: None, last_error: error, state: json!({}) }
}
