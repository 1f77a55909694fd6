//! The disk's own speed: append some bytes to a plain file, `fdatasync`, and take the time.
//!
//! The file grows with every append, as a write-ahead log does. Used by `load`, `floor` and the
//! accepting measure; the figure stands beside every figure it explains.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sagaline_storage::clock::{Clock, SystemClock};

use crate::failure::{Context, Failure};
use crate::samples::Samples;

/// A file that is appended to and synced. Deleted when dropped.
pub(crate) struct SyncProbe {
    path: PathBuf,
    file: File,
    bytes: Vec<u8>,
    clock: SystemClock,
}

impl SyncProbe {
    /// A new file in `dir` that takes `bytes` per append.
    pub(crate) fn create(dir: &Path, bytes: usize) -> Result<Self, Failure> {
        let path = dir.join(format!("sync-probe-{}", std::process::id()));
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.context(format!("creating {}", path.display()))?;
        Ok(Self { path, file, bytes: vec![0x5a; bytes], clock: SystemClock::default() })
    }

    /// Appends and syncs once; how long both took together.
    pub(crate) fn sync_once(&mut self) -> Result<Duration, Failure> {
        let before = self.clock.monotonic();
        self.file.write_all(&self.bytes).context("appending to the sync probe")?;
        self.file.sync_data().context("fdatasync of the sync probe")?;
        Ok(self.clock.monotonic().saturating_sub(before))
    }

    /// `count` times in a row.
    pub(crate) fn sync_times(&mut self, count: usize) -> Result<Samples, Failure> {
        let mut samples = Samples::with_capacity(count);
        for _ in 0..count {
            samples.record(self.sync_once()?);
        }
        Ok(samples)
    }
}

impl Drop for SyncProbe {
    fn drop(&mut self) {
        if let Err(cause) = std::fs::remove_file(&self.path) {
            eprintln!("leaving {} behind: {cause}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sync_is_counted_and_the_file_goes_away() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut probe = SyncProbe::create(dir.path(), 100).expect("a probe");
        assert_eq!(probe.sync_times(3).expect("synced").len(), 3);
        let path = probe.path.clone();
        assert_eq!(std::fs::metadata(&path).expect("there").len(), 300);
        drop(probe);
        assert!(!path.exists());
    }
}
