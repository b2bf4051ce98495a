//! The connection, and the few commands that the backend uses. Every command to the server is made here.

use super::documents::{self, Part, list, number, text};
use super::faults::{self, DUPLICATE_KEY, NAMESPACE_NOT_FOUND};
use crate::damage::Damage;
use crate::error::{Result, StoreError};
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::options::{Acknowledgment, ClientOptions, FindOptions, ReadConcern, ReturnDocument, WriteConcern};
use mongodb::{Client, Collection, Cursor, Database, IndexModel};
use provost_domain::limits;
use std::time::Duration;

/// The database for an address that names none.
const DATABASE: &str = "provost";
/// How long the first contact may take, and finding a server later.
const SELECTION: Duration = Duration::from_secs(5);
/// How long one command may take: the driver has no bound of its own for a server that falls silent.
const LONGEST: Duration = Duration::from_secs(60);
/// How often a change is tried again because others changed the same document.
const TRIES: u32 = 200;

/// Documents of a list that a server sends at a time.
const BATCH: u32 = 20;

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    database: Database,
    /// Whether arrays may hold arrays: FerretDB 1, which speaks the protocol too, refuses them.
    nests: bool,
    pub damage: Damage,
}

impl Db {
    /// Nothing is sent yet. An address that cannot be read is `Invalid`; the message does not quote it, since there may be a
    /// password in it. `watch` is told of every command.
    pub async fn new(url: &str, watch: Option<EventHandler<CommandEvent>>) -> Result<Self> {
        let bad = |e: Error| faults::of_address(&e);
        let mut options = ClientOptions::parse(url).await.map_err(bad)?;
        options.command_event_handler = watch;
        options.app_name.get_or_insert_with(|| "provost".to_owned());
        options.server_selection_timeout = Some(SELECTION);
        options.connect_timeout = Some(SELECTION);
        let database = options.default_database.clone().unwrap_or_else(|| DATABASE.to_owned());
        // An answered change is on the disks of most members, and what is read is such a change.
        options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
        options.read_concern = Some(ReadConcern::majority());
        let client = Client::with_options(options).map_err(bad)?;
        Ok(Self { database: client.database(&database), nests: true, damage: Damage::default() })
    }

    /// The first contact: learns what the server is not able to.
    pub async fn meet(&mut self) -> Result<()> {
        let server = self.command(doc! {"buildInfo": 1}).await?;
        self.nests = !server.contains_key("ferretdbVersion");
        Ok(())
    }

    fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }

    pub async fn command(&self, command: Document) -> Result<Document> {
        within(async { self.database.run_command(command).await }).await
    }

    pub async fn one(&self, collection: &str, filter: Document) -> Result<Option<Document>> {
        within(async { self.collection(collection).find_one(filter).await }).await
    }

    /// The matching documents in this order; an empty order means none. `batch` is how many the server sends at a time.
    pub async fn find(
        &self,
        collection: &str,
        filter: Document,
        order: Document,
        batch: Option<u32>,
    ) -> Result<Cursor<Document>> {
        let options = FindOptions::builder().batch_size(batch).build();
        within(self.query(collection, filter, order, options)).await
    }

    /// The one place that makes a `find`. A sort without content is left out: DocumentDB refuses it.
    async fn query(
        &self,
        collection: &str,
        filter: Document,
        order: Document,
        mut options: FindOptions,
    ) -> mongodb::error::Result<Cursor<Document>> {
        options.sort = (!order.is_empty()).then_some(order);
        self.collection(collection).find(filter).with_options(options).await
    }

    /// All matching documents, in this order (an empty order means none), or the first so many; a `limit` of 0 gives none.
    pub async fn all(
        &self,
        collection: &str,
        filter: Document,
        order: Document,
        limit: Option<u32>,
    ) -> Result<Vec<Document>> {
        if limit == Some(0) {
            return Ok(Vec::new());
        }
        let options = FindOptions::builder().limit(limit.map(i64::from)).build();
        within(async { self.query(collection, filter, order, options).await?.try_collect().await }).await
    }

    /// These members of all matching documents, in this order, or of the first so many; a `limit` of 0 gives none.
    pub async fn members(
        &self,
        collection: &str,
        filter: Document,
        order: Document,
        limit: Option<u32>,
        members: &[&str],
    ) -> Result<Vec<Document>> {
        if limit == Some(0) {
            return Ok(Vec::new());
        }
        let projection = members.iter().map(|member| ((*member).to_owned(), Bson::Int32(1))).collect::<Document>();
        let options = FindOptions::builder().projection(projection).limit(limit.map(i64::from)).build();
        within(async { self.query(collection, filter, order, options).await?.try_collect().await }).await
    }

    /// The first that match, in this order: as many as `limit`, fewer where their texts at `path` have
    /// [`limits::PAGE_BYTES`], and one at least if there is one. No more than a batch beyond these is fetched.
    pub async fn part(
        &self,
        collection: &str,
        filter: Document,
        order: Document,
        limit: u32,
        path: &str,
    ) -> Result<Part> {
        let most = limit.max(1) as usize;
        let options = FindOptions::builder().limit(i64::from(limit.max(1)) + 1).batch_size(BATCH.min(limit.max(1)) + 1);
        let mut cursor = within(self.query(collection, filter, order, options.build())).await?;
        let (mut documents, mut bytes) = (Vec::new(), 0);
        while within(cursor.advance()).await? {
            let document: Document = cursor.deserialize_current()?;
            bytes += text(&document, path).map_or(0, str::len);
            if documents.len() == most || (!documents.is_empty() && bytes > limits::PAGE_BYTES) {
                return Ok(Part { documents, more: true });
            }
            documents.push(document);
        }
        Ok(Part { documents, more: false })
    }

    /// Without a bound of time: of millions of documents an index takes minutes. The driver tells of a lost connection.
    pub async fn create_indexes(&self, collection: &str, indexes: Vec<IndexModel>) -> Result<()> {
        self.collection(collection).create_indexes(indexes).await?;
        Ok(())
    }

    pub async fn count(&self, collection: &str, filter: Document) -> Result<u64> {
        within(async { self.collection(collection).count_documents(filter).await }).await
    }

    /// How many documents a collection has, by its own count: none is read, and after a crash of the server it may be a little off.
    pub async fn size(&self, collection: &str) -> Result<u64> {
        within(async { self.collection(collection).estimated_document_count().await }).await
    }

    /// The rows of an aggregation.
    pub async fn aggregate(&self, collection: &str, pipeline: Vec<Document>) -> Result<Vec<Document>> {
        within(async { self.collection(collection).aggregate(pipeline).await?.try_collect().await }).await
    }

    /// For a missing collection: None.
    pub async fn index_names(&self, collection: &str) -> Result<Vec<String>> {
        let found = within(async { Ok(self.collection(collection).list_index_names().await) });
        match found.await? {
            Ok(names) => Ok(names),
            Err(e) if matches!(&*e.kind, ErrorKind::Command(e) if e.code == NAMESPACE_NOT_FOUND) => Ok(Vec::new()),
            Err(e) => Err(e.into()),
        }
    }

    /// False if there is a document of this key.
    pub async fn insert(&self, collection: &str, document: Document) -> Result<bool> {
        match within(async { Ok(self.collection(collection).insert_one(document).await) }).await? {
            Ok(_) => Ok(true),
            Err(e) if faults::is_duplicate(&e) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Inserts the documents that do not exist yet; returns the positions of those that did.
    pub async fn insert_all(&self, collection: &str, documents: Vec<Document>) -> Result<Vec<usize>> {
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let inserted = within(async { Ok(self.collection(collection).insert_many(documents).ordered(false).await) });
        let error = match inserted.await? {
            Ok(_) => return Ok(Vec::new()),
            Err(e) => e,
        };
        if let ErrorKind::InsertMany(failure) = &*error.kind
            && failure.write_concern_error.is_none()
            && let Some(errors) = &failure.write_errors
            && errors.iter().all(|e| e.code == DUPLICATE_KEY)
        {
            return Ok(errors.iter().map(|e| e.index).collect());
        }
        Err(error.into())
    }

    /// Applies an update to one document; answers whether one matched.
    pub async fn update(&self, collection: &str, filter: Document, update: Document) -> Result<bool> {
        let done = within(async { self.collection(collection).update_one(filter, update).await }).await?;
        Ok(done.matched_count > 0)
    }

    pub async fn update_all(&self, collection: &str, filter: Document, update: Document) -> Result<u64> {
        Ok(within(async { self.collection(collection).update_many(filter, update).await }).await?.matched_count)
    }

    /// Applies updates (`q`, `u`) to one document each, in one command; answers how many matched.
    pub async fn update_each(&self, collection: &str, updates: Vec<Document>) -> Result<u64> {
        if updates.is_empty() {
            return Ok(0);
        }
        let command = doc! {
            "update": collection, "updates": updates, "ordered": false, "writeConcern": {"w": "majority", "j": true},
        };
        let reply = self.command(command).await?;
        // Of a plain command the driver reads neither.
        let errors = list(&reply, "writeErrors").iter().filter_map(Bson::as_document);
        let refused = errors.chain(reply.get_document("writeConcernError")).next();
        if let Some(refused) = refused {
            let code = number(refused, "code").and_then(|code| i32::try_from(code).ok()).unwrap_or(0);
            return Err(faults::of_write(code));
        }
        Ok(number(&reply, "n").and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
    }

    pub async fn remove(&self, collection: &str, filter: Document) -> Result<u64> {
        Ok(within(async { self.collection(collection).delete_many(filter).await }).await?.deleted_count)
    }

    /// The next number of a counter, and the `by - 1` after it; unused numbers leave gaps.
    pub async fn next(&self, counter: &str, by: i64) -> Result<i64> {
        let mut tries = Tries::default();
        loop {
            tries.spend(counter).await?;
            let counted = within(async {
                let state = self.collection(super::STATE);
                let found = state.find_one_and_update(doc! {"_id": counter}, doc! {"$inc": {"count": by}});
                Ok(found.upsert(true).return_document(ReturnDocument::After).await)
            });
            match counted.await? {
                Ok(Some(document)) => return Ok(number(&document, "count").unwrap_or(by) - by + 1),
                Ok(None) => {}
                Err(e) if faults::is_duplicate(&e) => {} // two made the counter at once
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// The one way in which documents that several writers change are changed: puts `document` in the place of what was read
    /// (None: there was nothing), if that is still there. `provost.w` counts the writes, `provost.by` names each.
    pub async fn put(&self, collection: &str, was: Option<&Document>, mut document: Document) -> Result<bool> {
        let by = uuid::Uuid::new_v4().simple().to_string();
        let w = was.map(|was| number(was, "provost.w").unwrap_or(0));
        // A document that was removed and created again must not pass for the old one.
        let first = i64::from(uuid::Uuid::new_v4().as_fields().0);
        documents::set_meta(&mut document, "w", w.unwrap_or(first) + 1);
        documents::set_meta(&mut document, "by", by.as_str());
        if !self.nests {
            documents::unnest(&mut document);
        }
        let (Some(w), Some(was)) = (w, was) else { return self.insert(collection, document).await };
        let id = was.get("_id").cloned().unwrap_or(Bson::Null);
        document.insert("_id", id.clone());
        let filter = match number(was, "provost.w") {
            Some(_) => doc! {"_id": id.clone(), "provost.w": w},
            None => doc! {"_id": id.clone(), "provost.w": {"$exists": false}},
        };
        let replaced = within(async { self.collection(collection).replace_one(filter, document).await }).await;
        match replaced {
            Ok(done) => Ok(done.matched_count > 0),
            // The answer was lost, not necessarily the write: a retry would find its own change in its way.
            Err(StoreError::Unavailable(why)) => {
                let found = self.one(collection, doc! {"_id": id}).await;
                match found {
                    Ok(Some(found)) if text(&found, "provost.by") == Some(&by) => Ok(true),
                    Ok(_) => Ok(false),
                    Err(_) => Err(StoreError::Unavailable(why)),
                }
            }
            Err(e) => Err(e),
        }
    }

    /// Removes a document if it has not changed since it was read.
    pub async fn take(&self, collection: &str, was: &Document) -> Result<bool> {
        let id = was.get("_id").cloned().unwrap_or(Bson::Null);
        let w = number(was, "provost.w").unwrap_or(0);
        Ok(self.remove(collection, doc! {"_id": id, "provost.w": w}).await? > 0)
    }
}

/// Bounds a loop that reads, changes and writes until no other writer came in between.
#[derive(Default)]
pub struct Tries(u32);

impl Tries {
    pub async fn spend(&mut self, what: &str) -> Result<()> {
        self.0 += 1;
        if self.0 > TRIES {
            return Err(StoreError::Unavailable(format!("{what} is changed by others all the time")));
        }
        if self.0 > 3 {
            // Apart from each other, not in step.
            let share = uuid::Uuid::new_v4().as_bytes()[0];
            tokio::time::sleep(Duration::from_micros(200 * u64::from(share.min(64)) + 500)).await;
        }
        Ok(())
    }
}

pub async fn within<T>(work: impl Future<Output = mongodb::error::Result<T>>) -> Result<T> {
    match tokio::time::timeout(LONGEST, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(StoreError::Unavailable(format!("MongoDB has not answered for {LONGEST:?}"))),
    }
}
