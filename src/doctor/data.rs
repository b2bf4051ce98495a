//! The data folder, and how much room its disk has.

use super::{Finding, Verdict, ok, trouble};
use crate::settings::Settings;
use provost_store::{DataFolderLock, StoreError, private};
use std::io::Write;
use std::path::Path;

pub fn of_data(settings: &Settings) -> Finding {
    let dir = &settings.data_dir;
    let name = dir.display();
    if !dir.exists() {
        return ok("data", format!("{name} is not there yet; `provost serve` makes it"));
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
        Ok(_) => ok("data", format!("{name} is writable and no server has it")),
        Err(StoreError::Locked { pid, .. }) => ok("data", format!("{name} is writable; process {pid} serves it")),
        Err(e) => {
            let advice = match dir.metadata().map(|metadata| private::check_owner(&metadata)) {
                Ok(Err(_)) => "chown it, run as the user that it belongs to, or choose another with --data-dir",
                _ => "see to the folder's rights; is it on a file system with locks?",
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

pub fn of_disk(settings: &Settings) -> Finding {
    // The folder may not be there yet: the nearest one above it is on the same disk.
    let absolute = std::path::absolute(&settings.data_dir).unwrap_or_else(|_| settings.data_dir.clone());
    let there = absolute.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    let output = std::process::Command::new("df").arg("-Pk").arg(there).output();
    let free = output.ok().and_then(|o| {
        let text = String::from_utf8_lossy(&o.stdout).into_owned();
        text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok()
    });
    let advice = "models and their plots take about 1 MB each, data points about 2 KB";
    match free.map(|kb| kb / 1024) {
        None => trouble("disk", Verdict::Warning, "df does not say how much is free", advice),
        Some(mb) if mb < 100 => {
            trouble("disk", Verdict::Fault, format!("{mb} MB free"), format!("free some space: {advice}"))
        }
        Some(mb) if mb < 1024 => trouble("disk", Verdict::Warning, format!("{mb} MB free"), advice),
        Some(mb) => ok("disk", format!("{} GB free", mb / 1024)),
    }
}
