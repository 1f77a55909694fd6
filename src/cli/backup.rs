//! `sagaline backup` and `sagaline restore`: a data folder copied while its node serves, and a new data
//! folder made of the copy.
//!
//! The log is copied as it is at one moment. The fake gateway's ledger is copied behind it, so that it has
//! every effect that the log knows of, and perhaps later ones: a saga that asks for one of these again is
//! answered with the first result. Read models are left out; a node rebuilds them when it starts. What stands
//! in no log comes along: how far consumer groups have come, their letters and their documents.
//!
//! The copy holds the subjects' keys as they are at that moment, and the master key unless the settings give
//! it: whoever is forgotten later is still known to it. Keep backups no longer than that may be.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use sagaline_storage::kv::Kv;
use sagaline_storage::log::copy;
use serde::Serialize;

use super::failure::{Exit, Failure};
use super::log::Checked;
use super::output::Output;
use super::serve::LEDGER_FILE;
use crate::engine::consumer::kept_views;
use crate::http::auth::{MASTER_KEY_FILE, SECRET_FILE};
use crate::worlds::incomplete;

/// `sagaline backup`
#[derive(Debug, Clone, clap::Args)]
pub struct Backup {
    /// The folder to write; it must be empty or not there.
    pub to: PathBuf,
    /// How the outcome is printed.
    #[command(flatten)]
    pub output: Output,
}

/// `sagaline restore`
#[derive(Debug, Clone, clap::Args)]
pub struct Restore {
    /// A folder that `backup` wrote.
    pub from: PathBuf,
    /// How the outcome is printed.
    #[command(flatten)]
    pub output: Output,
}

/// Refuses a folder with anything in it, and makes one that is not there.
pub fn empty_folder(folder: &Path) -> Result<(), Failure> {
    let about = |error: std::io::Error| about(folder, &error);
    fs::create_dir_all(folder).map_err(about)?;
    incomplete::refuse(folder)?;
    if fs::read_dir(folder).map_err(about)?.next().is_some() {
        let line = format!("{} is not empty: wants a folder of its own", folder.display());
        return Err(Failure::new(Exit::Failed, line));
    }
    Ok(())
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    events: u64,
    index_entries: u64,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, index_entries } = self;
        write!(f, "copied {events} events and {index_entries} index entries")
    }
}

/// A data folder that was made of a copy, and what a check has found in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// What was copied.
    #[serde(flatten)]
    pub copied: Copied,
    /// What was found.
    pub checked: Checked,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.copied, self.checked)
    }
}

/// Copies a store and what lies beside it.
pub async fn copy_folder<F: Kv, T: Kv>(
    (from_kv, from): (&F, &Path),
    (to_kv, to): (&T, &Path),
    progress: impl FnMut(u64, u64) + Send,
) -> Result<Copied, Failure> {
    let copied = copy(from_kv, to_kv, &kept_views(from_kv).await?, progress).await?;
    for name in [SECRET_FILE, MASTER_KEY_FILE, LEDGER_FILE] {
        copy_file(&from.join(name), &to.join(name))?;
    }
    Ok(Copied { events: copied.head.0, index_entries: copied.index_entries })
}

/// A file that is not there is none to copy: a secret that the settings give, a gateway that is elsewhere.
fn copy_file(from: &Path, to: &Path) -> Result<(), Failure> {
    match fs::copy(from, to) {
        Ok(_) => {
            let copy = fs::File::open(to).and_then(|file| file.sync_all());
            copy.map_err(|error| about(to, &error))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(about(from, &error)),
    }
}

fn about(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {error}", path.display()))
}
