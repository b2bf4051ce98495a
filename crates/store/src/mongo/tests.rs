#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::server::Server;
use super::*;
use crate::conformance::{self, Backend, samples};
use std::sync::Mutex;

/// Each store has a database of its own, named by the last address.
struct Databases {
    server: Server,
    last: Mutex<String>,
}

#[async_trait]
impl Backend for Databases {
    async fn empty(&self) -> Arc<dyn Store> {
        let url = self.server.database();
        *self.last.lock().unwrap() = url.clone();
        Arc::new(MongoStore::open(&url, samples::at(0)).unwrap())
    }
    async fn reopened(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        drop(store);
        let url = self.last.lock().unwrap().clone();
        Arc::new(MongoStore::open(&url, samples::at(0)).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn conforms() {
    let Some(server) = Server::start() else { return };
    conformance::run(&Databases { server, last: Mutex::default() }).await;
}
