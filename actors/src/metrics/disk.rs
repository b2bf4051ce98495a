//! The space on a disk. A query of a remote folder that is unavailable blocks for as long.

use rustix::fs::StatVfs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// One query at a time: others wait for their turn within their limit, so that at most one thread is blocked.
#[derive(Debug, Default)]
pub struct Disk(Arc<Mutex<()>>);

impl Disk {
    /// None if the disk does not answer within this time.
    pub async fn look(&self, folder: &Path, within: Duration) -> Option<StatVfs> {
        let looked = async {
            let (turn, folder) = (self.0.clone().lock_owned().await, folder.to_owned());
            let look = move || {
                let _turn = turn;
                rustix::fs::statvfs(&folder).ok()
            };
            tokio::task::spawn_blocking(look).await.ok().flatten()
        };
        tokio::time::timeout(within, looked).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_told_of_a_disk_while_a_look_at_it_is_held() {
        let (disk, folder) = (Disk::default(), std::env::temp_dir());
        let held = disk.0.clone().lock_owned().await;
        assert!(disk.look(&folder, Duration::ZERO).await.is_none());
        drop(held);
        assert!(disk.look(&folder, Duration::from_secs(60)).await.is_some());
    }
}
