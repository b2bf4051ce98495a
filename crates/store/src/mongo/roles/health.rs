//! [`StoreHealth`] on MongoDB.

use crate::error::Result;
use crate::mongo::MongoStore;
use crate::roles::health::StoreHealth;
use async_trait::async_trait;
use mongodb::bson::doc;

#[async_trait]
impl StoreHealth for MongoStore {
    async fn ping(&self) -> Result<()> {
        self.run(|db| async move { db.command(doc! {"ping": 1}).await.map(|_| ()) }).await
    }

    fn unreadable(&self) -> Vec<String> {
        self.db.damage.tell()
    }
}
