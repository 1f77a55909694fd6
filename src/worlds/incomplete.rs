//! The mark of a data folder that is being filled from elsewhere: a file in it, until the import, the restore
//! or the backup has come to its end. Without it a part would pass for the whole: events without their
//! claims, records without their indexes. Set and taken away by `main`; every open looks for it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use sagaline_storage::StorageError;

/// The mark's name in the data folder.
pub const INCOMPLETE_FILE: &str = "INCOMPLETE";

/// What the mark says to whoever looks into the folder.
const TEXT: &str = "An import, a restore or a backup into this folder was not finished.\n";

/// Marks a folder that is there. The mark is on the disk when this returns.
pub fn mark(folder: &Path) -> Result<(), StorageError> {
    let write = || {
        let mut file = File::create(folder.join(INCOMPLETE_FILE))?;
        file.write_all(TEXT.as_bytes())?;
        file.sync_all()?;
        sync(folder)
    };
    write().map_err(|error| about(folder, &error))
}

/// Takes the mark away, once every file that stands beside it is on the disk.
pub fn unmark(folder: &Path) -> Result<(), StorageError> {
    let remove = || {
        sync(folder)?;
        fs::remove_file(folder.join(INCOMPLETE_FILE))?;
        sync(folder)
    };
    remove().map_err(|error| about(folder, &error))
}

/// Refuses a folder that has the mark.
pub fn refuse(folder: &Path) -> Result<(), StorageError> {
    match fs::exists(folder.join(INCOMPLETE_FILE)) {
        Ok(false) => Ok(()),
        Ok(true) => Err(StorageError::unavailable(format!(
            "data folder {}: an import, a restore or a backup into it was not finished; unless it still \
             runs, remove the folder and do it again",
            folder.display()
        ))),
        Err(error) => Err(about(folder, &error)),
    }
}

/// The names of a folder's files are on the disk when this returns.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn about(folder: &Path, error: &io::Error) -> StorageError {
    let folder = folder.display();
    StorageError::unavailable(format!("data folder {folder}: {INCOMPLETE_FILE}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_refused_while_it_has_the_mark() {
        let folder = tempfile::tempdir().unwrap();
        refuse(folder.path()).unwrap();
        mark(folder.path()).unwrap();
        let refused = refuse(folder.path()).unwrap_err().to_string();
        assert!(refused.contains(&folder.path().display().to_string()), "{refused}");
        assert!(refused.contains("was not finished"), "{refused}");
        // A second attempt at the same folder leaves one mark.
        mark(folder.path()).unwrap();
        unmark(folder.path()).unwrap();
        refuse(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_nobodys_part() {
        let folder = tempfile::tempdir().unwrap().path().join("data");
        refuse(&folder).unwrap();
        assert!(mark(&folder).unwrap_err().to_string().contains("data"));
    }
}
