//! The channel from the consuming side to the publishing connection.

use super::amqp::{Message, Published};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Batches that may wait; whoever sends more waits.
const CAPACITY: usize = 16;

/// Messages to be published together, and where the outcomes go.
pub struct Batch {
    pub messages: Vec<Arc<Message>>,
    pub done: oneshot::Sender<Vec<Published>>,
}

/// The way to the publisher, from any thread.
#[derive(Clone)]
pub struct Publisher(mpsc::Sender<Batch>);

/// The batches that wait for the publishing connection.
pub struct PublishQueue(pub mpsc::Receiver<Batch>);

pub fn channel() -> (Publisher, PublishQueue) {
    let (batches, queue) = mpsc::channel(CAPACITY);
    (Publisher(batches), PublishQueue(queue))
}

impl Publisher {
    /// Publishes with confirms. None: not within this time, and then what was published is not known.
    pub async fn publish(&self, messages: Vec<Arc<Message>>, wait: Duration) -> Option<Vec<Published>> {
        let asked = async {
            let (done, outcome) = oneshot::channel();
            self.0.send(Batch { messages, done }).await.ok()?;
            outcome.await.ok()
        };
        tokio::time::timeout(wait, asked).await.ok().flatten()
    }
}
