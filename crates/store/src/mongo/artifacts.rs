//! Artifacts for several hosts: in chunks, which are written before the document that names the artifact.

use super::connection::Db;
use super::documents::number;
use crate::artifacts::Remote;
use crate::error::{Result, StoreError};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, doc};
use std::sync::mpsc;
use tokio::runtime::Handle;

const ARTIFACTS: &str = "artifacts";
const CHUNKS: &str = "artifact_chunks";
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
            if db.one(ARTIFACTS, doc! {"_id": sha256.as_str()}).await?.is_some() {
                return Ok(());
            }
            let chunks = parts.len() as i64;
            for (n, bytes) in (0_i64..).zip(parts) {
                let data = Binary { subtype: BinarySubtype::Generic, bytes };
                // One that is there is of a writer that was cut off, or writes at this moment: it has this content.
                db.insert(
                    CHUNKS,
                    doc! {"_id": format!("{sha256}/{n}"), "artifact": sha256.as_str(), "n": n, "data": data},
                )
                .await?;
            }
            db.insert(ARTIFACTS, doc! {"_id": sha256.as_str(), "size": size, "chunks": chunks}).await?;
            Ok(())
        })
    }

    fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>> {
        let (db, sha256) = (self.db.clone(), sha256.to_owned());
        self.wait(async move {
            let Some(artifact) = db.one(ARTIFACTS, doc! {"_id": sha256.as_str()}).await? else { return Ok(None) };
            let size = number(&artifact, "size").and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            let mut bytes = Vec::with_capacity(size.min(1 << 30));
            for n in 0..number(&artifact, "chunks").unwrap_or(0) {
                let corrupt = || StoreError::Corrupt {
                    what: format!("artifact {sha256}"),
                    why: format!("its part {n} is missing in the database"),
                };
                let chunk = db.one(CHUNKS, doc! {"_id": format!("{sha256}/{n}")}).await?.ok_or_else(corrupt)?;
                bytes.extend_from_slice(chunk.get_binary_generic("data").map_err(|_| corrupt())?);
            }
            Ok(Some(bytes))
        })
    }

    fn contains(&self, sha256: &str) -> Result<bool> {
        let (db, sha256) = (self.db.clone(), sha256.to_owned());
        self.wait(async move { Ok(db.one(ARTIFACTS, doc! {"_id": sha256}).await?.is_some()) })
    }
}
