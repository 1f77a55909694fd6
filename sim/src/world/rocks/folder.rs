//! Data folders and their crash images: what a copy of a folder has while the store is open. Plain file
//! work; runs outside the simulated world. Used by [`super::RocksDisk`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A copy that meets a file which RocksDB deletes at that moment is made again, so often.
const COPIES_MAX: u32 = 20;

/// A folder that is deleted when it is dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A new one with nothing in it: in memory where the system offers it, for a sync costs the world no
    /// time of its own.
    pub(super) fn new(name: &str) -> io::Result<Self> {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        for number in 0..u32::MAX {
            let name = format!("sagaline-sim-{}-{name}-{number}", std::process::id());
            match fs::create_dir(place.join(&name)) {
                Ok(()) => return Ok(Self(place.join(name))),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A new folder with what is in this one right now.
    pub(super) fn image(&self, name: &str) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for _ in 0..COPIES_MAX {
            let image = Self::new(name)?;
            match copy(&self.0, &image.0) {
                Ok(()) => return Ok(image),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// How long the file is that the log is written to now; 0 when there is none.
    pub(super) fn wal_bytes(&self) -> io::Result<u64> {
        let Some(wal) = self.newest_wal()? else { return Ok(0) };
        Ok(fs::metadata(wal)?.len())
    }

    /// Cuts that file off.
    pub(super) fn cut_wal(&self, bytes: u64) -> io::Result<()> {
        let Some(wal) = self.newest_wal()? else { return Ok(()) };
        fs::OpenOptions::new().write(true).open(wal)?.set_len(bytes)
    }

    fn newest_wal(&self) -> io::Result<Option<PathBuf>> {
        let log = self.0.join("log");
        if !log.is_dir() {
            return Ok(None);
        }
        let mut newest = None;
        for entry in fs::read_dir(log)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                newest = newest.max(Some(path));
            }
        }
        Ok(newest)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// Copies a folder in use. Its lock does not come along.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else if entry.file_name() != "LOCK" {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
