//! The channel from the consuming side to the publishing connection.

use super::amqp::{Message, Published};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How many batches may wait; further senders wait.
const CAPACITY: usize = 16;

/// Messages to publish together, and the receiver of the outcomes.
pub struct Batch {
    pub messages: Vec<Arc<Message>>,
    pub done: oneshot::Sender<Vec<Published>>,
}

/// The sender to the publisher; usable on any thread.
#[derive(Clone)]
pub struct Publisher(mpsc::Sender<Batch>);

/// The batches that wait for the publishing connection.
pub struct PublishQueue(pub mpsc::Receiver<Batch>);

pub fn channel() -> (Publisher, PublishQueue) {
    let (batches, queue) = mpsc::channel(CAPACITY);
    (Publisher(batches), PublishQueue(queue))
}

impl Publisher {
    /// Publishes with confirms. None: not confirmed in time, so it is unknown which messages were published.
    pub async fn publish(&self, messages: Vec<Arc<Message>>, wait: Duration) -> Option<Vec<Published>> {
        let asked = async {
            let (done, outcome) = oneshot::channel();
            self.0.send(Batch { messages, done }).await.ok()?;
            outcome.await.ok()
        };
        tokio::time::timeout(wait, asked).await.ok().flatten()
    }
}
