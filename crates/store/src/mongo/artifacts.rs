//! Artifacts for several hosts: in chunks, which are written before the document that names the artifact. Each upload has
//! chunks of its own, so that one which is stored while an older one of the same name is removed stays whole.

use super::connection::Db;
use super::documents::{number, text};
use crate::artifacts::{Remote, Swept};
use crate::error::{Result, StoreError};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, doc};
use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::SystemTime;
use tokio::runtime::Handle;

const ARTIFACTS: &str = "artifacts";
pub const CHUNKS: &str = "artifact_chunks";
/// Bytes of a chunk: a document has at most 16 MiB.
const CHUNK: usize = 8 << 20;

/// The artifacts in the database, for calls from threads that may block.
pub struct MongoArtifacts {
    db: Db,
    runtime: Handle,
}

impl std::fmt::Debug for MongoArtifacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MongoArtifacts")
    }
}

impl MongoArtifacts {
    pub fn new(db: Db, runtime: Handle) -> Self {
        Self { db, runtime }
    }

    /// Runs on the store's runtime, whatever thread this is.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            let _ = reply.send(work.await); // nobody waits any more
        });
        answer.recv().map_err(|_| StoreError::Unavailable("the store is closed".to_owned()))?
    }
}

impl Remote for MongoArtifacts {
    fn put(&self, sha256: &str, bytes: &[u8]) -> Result<()> {
        let (db, sha256) = (self.db.clone(), sha256.to_owned());
        let parts: Vec<Vec<u8>> = bytes.chunks(CHUNK).map(<[u8]>::to_vec).collect();
        let size = bytes.len() as i64;
        self.wait(async move {
            let young = || doc! {"$max": {"stored_at": DateTime::now()}};
            if db.update(ARTIFACTS, doc! {"_id": sha256.as_str()}, young()).await? {
                return Ok(());
            }
            let upload = uuid::Uuid::new_v4().simple().to_string();
            let chunks = parts.len() as i64;
            for (n, bytes) in (0_i64..).zip(parts) {
                let data = Binary { subtype: BinarySubtype::Generic, bytes };
                let (id, at) = (chunk_id(&sha256, &upload, n), DateTime::now());
                let chunk =
                    doc! {"_id": id, "artifact": sha256.as_str(), "upload": &upload, "stored_at": at, "data": data};
                db.insert(CHUNKS, chunk).await?;
            }
            let (id, at) = (sha256.as_str(), DateTime::now());
            let artifact = doc! {"_id": id, "size": size, "chunks": chunks, "upload": &upload, "stored_at": at};
            if !db.insert(ARTIFACTS, artifact).await? {
                // Another writer was faster; or this one was, and did not hear of it.
                let named = db.one(ARTIFACTS, doc! {"_id": sha256.as_str()}).await?;
                if named.as_ref().and_then(|a| text(a, "upload")) != Some(&upload) {
                    db.remove(CHUNKS, doc! {"upload": &upload}).await?;
                }
            }
            Ok(())
        })
    }

    fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>> {
        let (db, sha256) = (self.db.clone(), sha256.to_owned());
        self.wait(async move {
            let Some(artifact) = db.one(ARTIFACTS, doc! {"_id": sha256.as_str()}).await? else { return Ok(None) };
            let size = number(&artifact, "size").and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            let upload = text(&artifact, "upload").unwrap_or_default();
            let mut bytes = Vec::with_capacity(size.min(1 << 30));
            for n in 0..number(&artifact, "chunks").unwrap_or(0) {
                let corrupt = || StoreError::Corrupt {
                    what: format!("artifact {sha256}"),
                    why: format!("its part {n} is missing in the database"),
                };
                let chunk = db.one(CHUNKS, doc! {"_id": chunk_id(&sha256, upload, n)}).await?.ok_or_else(corrupt)?;
                bytes.extend_from_slice(chunk.get_binary_generic("data").map_err(|_| corrupt())?);
            }
            Ok(Some(bytes))
        })
    }

    fn contains(&self, sha256: &str) -> Result<bool> {
        let (db, sha256) = (self.db.clone(), sha256.to_owned());
        self.wait(async move { Ok(db.one(ARTIFACTS, doc! {"_id": sha256}).await?.is_some()) })
    }

    fn older_than(&self, before: SystemTime) -> Result<Vec<String>> {
        let (db, before) = (self.db.clone(), DateTime::from_system_time(before));
        self.wait(async move {
            let old = db.all(ARTIFACTS, doc! {"stored_at": {"$lt": before}}, doc! {"_id": 1}, None).await?;
            Ok(old.iter().filter_map(|a| Some(text(a, "_id")?.to_owned())).collect())
        })
    }

    fn sweep(&self, names: &[String], before: SystemTime) -> Result<Swept> {
        let (db, names, before) = (self.db.clone(), names.to_vec(), DateTime::from_system_time(before));
        self.wait(async move {
            let mut swept = Swept::default();
            for name in names {
                let Some(artifact) = db.one(ARTIFACTS, doc! {"_id": &name}).await? else { continue };
                let upload = text(&artifact, "upload").unwrap_or_default();
                // The name goes first: from then on the chunks are nobody's.
                let old = doc! {"_id": &name, "upload": upload, "stored_at": {"$lt": before}};
                if db.remove(ARTIFACTS, old).await? > 0 {
                    db.remove(CHUNKS, doc! {"upload": upload}).await?;
                    swept.removed += 1;
                    swept.bytes += number(&artifact, "size").and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
                }
            }
            // Of writers and sweepers that were cut off.
            let old = vec![doc! {"$match": {"stored_at": {"$lt": before}}}, doc! {"$group": {"_id": "$upload"}}];
            let uploads = db.aggregate(CHUNKS, old).await?;
            let named = db.all(ARTIFACTS, doc! {}, doc! {"_id": 1}, None).await?;
            let named: BTreeSet<&str> = named.iter().filter_map(|a| text(a, "upload")).collect();
            for upload in uploads.iter().filter_map(|u| text(u, "_id")).filter(|u| !named.contains(u)) {
                db.remove(CHUNKS, doc! {"upload": upload, "stored_at": {"$lt": before}}).await?;
            }
            Ok(swept)
        })
    }
}

fn chunk_id(sha256: &str, upload: &str, n: i64) -> String {
    format!("{sha256}/{upload}/{n}")
}
