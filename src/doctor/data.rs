//! Checks the data folder and the free space on its disk.

use super::{Finding, Verdict, ok, trouble};
use crate::settings::Settings;
use provost_store::{DataFolderLock, StoreError, private};
use std::io::Write;
use std::path::{Path, PathBuf};

pub fn of_data(settings: &Settings) -> Finding {
    let dir = &settings.data_dir;
    let name = dir.display();
    if !dir.exists() {
        let above = nearest(dir);
        if !above.is_dir() {
            let found = format!("{name} cannot be created: {} is not a folder", above.display());
            return trouble("data", Verdict::Fault, found, "choose another with --data-dir");
        }
        return ok("data", format!("{name} does not exist yet; `provost serve` creates it"));
    }
    if let Err(e) = tempfile_in(dir) {
        return trouble(
            "data",
            Verdict::Fault,
            format!("cannot write in {name}: {e}"),
            match e.kind() {
                std::io::ErrorKind::StorageFull => "free some space, or choose another with --data-dir",
                _ => "chown it, or choose another with --data-dir",
            },
        );
    }
    match DataFolderLock::acquire(dir) {
        Ok(_) => ok("data", format!("{name} is writable and no server uses it")),
        Err(StoreError::Locked { pid, .. }) => ok("data", format!("{name} is writable; process {pid} serves it")),
        Err(e) => {
            let advice = match dir.metadata().map(|metadata| private::check_owner(&metadata)) {
                Ok(Err(_)) => "chown it, run as the user that it belongs to, or choose another with --data-dir",
                _ => "check the folder's permissions, and that its file system supports locks",
            };
            trouble("data", Verdict::Fault, e.to_string(), advice)
        }
    }
}

/// Writes and removes a small file.
fn tempfile_in(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!(".doctor-{}", std::process::id()));
    private::create_new(&path)?.write_all(b"ok")?;
    std::fs::remove_file(&path)
}

/// The folder or its nearest existing ancestor; both are on the same disk.
fn nearest(dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    absolute.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/")).to_owned()
}

pub fn of_disk(settings: &Settings) -> Finding {
    let output = std::process::Command::new("df").arg("-Pk").arg(nearest(&settings.data_dir)).output();
    let free = output.ok().and_then(|o| {
        let text = String::from_utf8_lossy(&o.stdout).into_owned();
        text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok()
    });
    let advice = "models and their plots take about 1 MB each, data points about 2 KB";
    match free.map(|kb| kb / 1024) {
        None => trouble("disk", Verdict::Warning, "the free space cannot be read", advice),
        Some(mb) if mb < 100 => {
            trouble("disk", Verdict::Fault, format!("{mb} MB free"), format!("free some space: {advice}"))
        }
        Some(mb) if mb < 1024 => trouble("disk", Verdict::Warning, format!("{mb} MB free"), advice),
        Some(mb) => ok("disk", format!("{} GB free", mb / 1024)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_made_is_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let of = |below: &str| {
            let flags = vec![("data.dir", "--data-dir", dir.path().join(below).display().to_string())];
            of_data(&Settings::load(None, &flags).unwrap()).verdict
        };
        assert_eq!((of("new/data"), of("file/data")), (Verdict::Ok, Verdict::Fault));
    }
}
