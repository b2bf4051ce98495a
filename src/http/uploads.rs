//! Files that clients send. A file is on disk until it is imported, and for some time afterwards together with its
//! rejected rows: the newest few are kept. All are removed when the process ends.

mod multipart;

use super::code::Code;
use super::problem::Problem;
use super::{State, auth, body};
use crate::import::Report;
use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload, block};
use futures_util::StreamExt;
use multipart::{Multipart, Piece};
use provost_domain::hash::hex;
use provost_domain::limits;
use provost_store::private;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bytes are written at a time.
const PIECE: usize = 1 << 20;
/// The name of a file without a name.
const UNNAMED: &str = "upload";

/// An uploaded file, in a folder of its own.
pub struct Upload {
    pub id: String,
    /// The client's name for the file, without folders.
    pub name: String,
    /// The caller who may use the file.
    owner: String,
    folder: PathBuf,
    /// The result of its last import.
    report: Mutex<Option<Arc<Report>>>,
    /// The fields of the form that it was last imported with.
    picks: Mutex<Vec<(String, String)>>,
}

impl Upload {
    /// The path of the file.
    pub fn path(&self) -> PathBuf {
        self.folder.join("file")
    }

    /// The path of its rejected rows.
    pub fn rejects(&self) -> PathBuf {
        self.folder.join("rejects.jsonl")
    }

    pub fn report(&self) -> Option<Arc<Report>> {
        lock(&self.report).clone()
    }

    pub fn picks(&self) -> Vec<(String, String)> {
        lock(&self.picks).clone()
    }

    /// Remembers the form's fields of an import, for the page that shows the result.
    pub fn picked(&self, fields: Vec<(String, String)>) {
        *lock(&self.picks) = fields;
    }

    pub fn imported(&self, report: Arc<Report>) {
        *lock(&self.report) = Some(report);
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // A folder that remains is removed at the next start.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The uploads of this process.
pub struct Uploads {
    folder: PathBuf,
    /// The uploads, the oldest first.
    kept: Mutex<VecDeque<Arc<Upload>>>,
    /// A permit for each file that may be received or imported at the same time.
    places: Arc<Semaphore>,
}

/// A file with the other fields of its form.
pub struct Received {
    pub upload: Arc<Upload>,
    pub fields: Vec<(String, String)>,
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unwritable(error: &std::io::Error) -> Problem {
    match error.kind() {
        std::io::ErrorKind::StorageFull => Problem::new(Code::StorageFull, "the disk has no room for the file"),
        _ => Problem::internal(&format!("an uploaded file cannot be kept: {error}")),
    }
}

/// A name that is a single path component and safe to show: without folders, control characters and excess length.
fn plain(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let name: String = name.chars().filter(|c| !c.is_control()).take(limits::FILE_NAME).collect();
    if name.is_empty() { UNNAMED.to_owned() } else { name }
}

impl Uploads {
    /// Files are kept below this folder; files of an earlier process are removed.
    pub fn new(folder: &Path) -> Self {
        let folder = folder.join("uploads");
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, "files that were uploaded before the start cannot be removed");
            }
            _ => {}
        }
        Self { folder, kept: Mutex::default(), places: Arc::new(Semaphore::new(limits::IMPORTS)) }
    }

    /// A permit for work on a file.
    ///
    /// # Errors
    /// 503 if all are taken.
    pub fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let busy = || Problem::unavailable(Code::Busy, "other files are being imported; try again", 5);
        self.places.clone().try_acquire_owned().map_err(|_| busy())
    }

    /// The caller's upload with this id.
    ///
    /// # Errors
    /// 404 if there is none, or it is no longer kept.
    pub fn get(&self, request: &HttpRequest, id: &str) -> Result<Arc<Upload>, Problem> {
        let owner = auth::owner(request);
        let kept = lock(&self.kept);
        let found = kept.iter().find(|upload| upload.id == id && upload.owner == owner).cloned();
        let id: String = id.chars().take(80).collect();
        found.ok_or_else(|| {
            Problem::new(Code::UploadNotFound, format!("there is no upload {id}, or it is kept no more; send it again"))
        })
    }

    /// A new folder for a file.
    fn make(&self, owner: String) -> std::io::Result<Upload> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let id = hex(&random);
        let folder = self.folder.join(&id);
        private::make_folder(&folder)?;
        Ok(Upload { id, name: UNNAMED.to_owned(), owner, folder, report: Mutex::default(), picks: Mutex::default() })
    }

    fn keep(&self, upload: Upload) -> Arc<Upload> {
        let upload = Arc::new(upload);
        let mut kept = lock(&self.kept);
        kept.push_back(upload.clone());
        while kept.len() > limits::UPLOADS {
            kept.pop_front();
        }
        upload
    }

    /// Receives the body of a request: a form with a file, or the file itself under the name `file_name`.
    ///
    /// # Errors
    /// 413 for a file that is too long, 408 where it stops to come, 415 for a body with a `Content-Encoding`, 422 for a form
    /// without a file or that cannot be read, 503 where other files are received.
    pub async fn receive(
        &self,
        state: &State,
        request: &HttpRequest,
        mut payload: Payload,
        file_name: Option<&str>,
    ) -> Result<Received, Problem> {
        body::refuse_packed(request)?;
        let announced = request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|n| n > limits::UPLOAD_BYTES as u64) {
            return Err(too_long());
        }
        let _place = self.place()?;
        let mut upload = self.make(auth::owner(request)).map_err(|e| unwritable(&e))?;
        upload.name = plain(file_name.unwrap_or_default());
        let mut sink = Sink::create(&upload.path()).map_err(|e| unwritable(&e))?;
        let kind = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let mut form = multipart::boundary(kind).map(|boundary| Form::new(&boundary));
        let mut total = 0;
        while let Some(chunk) = next(state, &mut payload).await? {
            total += chunk.len();
            if total > limits::UPLOAD_BYTES {
                return Err(too_long());
            }
            match &mut form {
                None => sink.write(&chunk).await?,
                Some(form) => form.take_in(&chunk, &mut sink).await?,
            }
        }
        sink.finish().await?;
        let mut fields = Vec::new();
        if let Some(form) = form {
            upload.name = plain(&form.file_name()?);
            fields = form.fields;
        }
        Ok(Received { upload: self.keep(upload), fields })
    }
}

fn too_long() -> Problem {
    let detail = format!("the file is larger than the {} bytes allowed", limits::UPLOAD_BYTES);
    Problem::new(Code::BodyTooLarge, detail).with_header("connection", "close".to_owned())
}

/// The next part of the body; fails if it does not arrive in time.
async fn next(state: &State, payload: &mut Payload) -> Result<Option<Bytes>, Problem> {
    tokio::select! {
        chunk = payload.next() => match chunk {
            None => Ok(None),
            Some(Ok(chunk)) => Ok(Some(chunk)),
            Some(Err(error)) => Err(Problem::new(Code::BodyIncomplete, format!("the body broke off: {error}"))),
        },
        () = state.handle.options().clock.sleep(state.body_timeout) => {
            let detail = format!("nothing of the body came within {:?}", state.body_timeout);
            Err(Problem::new(Code::BodyTimeout, detail).with_header("connection", "close".to_owned()))
        }
    }
}

/// A file that is written piece by piece, on another thread than the connection's.
struct Sink {
    file: Option<File>,
    waiting: BytesMut,
}

impl Sink {
    fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self { file: Some(private::create_new(path)?), waiting: BytesMut::new() })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Problem> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let bytes = self.waiting.split().freeze();
        let written = block(move || file.write_all(&bytes).map(|()| file)).await;
        self.file = Some(written.map_err(|e| Problem::internal(&e))?.map_err(|e| unwritable(&e))?);
        Ok(())
    }

    async fn finish(mut self) -> Result<(), Problem> {
        self.flush().await
    }
}

/// A form with a file among its fields.
struct Form {
    parts: Multipart,
    fields: Vec<(String, String)>,
    bytes: Vec<u8>,
    /// The field that is being read.
    field: Option<String>,
    file: Option<String>,
    in_file: bool,
    ended: bool,
}

impl Form {
    fn new(boundary: &str) -> Self {
        Self {
            parts: Multipart::new(boundary),
            fields: Vec::new(),
            bytes: Vec::new(),
            field: None,
            file: None,
            in_file: false,
            ended: false,
        }
    }

    async fn take_in(&mut self, chunk: &[u8], sink: &mut Sink) -> Result<(), Problem> {
        if self.ended {
            return Ok(());
        }
        self.parts.push(chunk);
        while let Some(piece) = self.parts.next().map_err(|error| Problem::invalid("", error.to_string()))? {
            match piece {
                Piece::Bytes(bytes) if self.in_file => sink.write(&bytes).await?,
                Piece::Bytes(bytes) => {
                    if self.bytes.len() + bytes.len() > limits::MAPPING_BYTES {
                        let message = format!("a field of the form is longer than {} bytes", limits::MAPPING_BYTES);
                        return Err(Problem::invalid("", message));
                    }
                    self.bytes.extend_from_slice(&bytes);
                }
                Piece::Part { name, file_name } => {
                    self.end_field()?;
                    self.in_file = name == "file";
                    match file_name {
                        _ if self.in_file && self.file.is_some() => {
                            return Err(Problem::invalid("/file", "the form has two files; one at a time is read"));
                        }
                        found if self.in_file => self.file = Some(found.unwrap_or_default()),
                        _ => self.field = Some(name),
                    }
                }
                Piece::End => {
                    self.end_field()?;
                    self.ended = true;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn end_field(&mut self) -> Result<(), Problem> {
        let bytes = std::mem::take(&mut self.bytes);
        let Some(name) = self.field.take() else { return Ok(()) };
        if self.fields.len() == limits::UPLOAD_FIELDS {
            let message = format!("the form has more than {} fields beside the file", limits::UPLOAD_FIELDS);
            return Err(Problem::invalid("", message));
        }
        let text = String::from_utf8(bytes).map_err(|_| Problem::invalid("", "a field of the form is not UTF-8"))?;
        self.fields.push((name, text));
        Ok(())
    }

    /// The name of the file.
    fn file_name(&self) -> Result<String, Problem> {
        if !self.ended {
            return Err(Problem::new(Code::BodyIncomplete, "the form has no end"));
        }
        self.file.clone().ok_or_else(|| Problem::invalid("/file", "the form has no field `file`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_last_part() {
        for (given, name) in [
            ("decisions.csv", "decisions.csv"),
            ("../../etc/passwd", "passwd"),
            ("C:\\data\\Decisions 2026.csv", "Decisions 2026.csv"),
            ("a\nb.csv", "ab.csv"),
            ("folder/", UNNAMED),
            ("", UNNAMED),
        ] {
            assert_eq!(plain(given), name, "{given:?}");
        }
        assert_eq!(plain(&"x".repeat(999)).len(), limits::FILE_NAME);
    }
}
