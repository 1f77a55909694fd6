//! `sagaline export` and `sagaline import`: a whole log as lines of JSON, from one store into another,
//! whatever backend either has.
//!
//! | line | how many |
//! |---|---|
//! | `{"head": {"format": 1, "position": …}}` | 1, the first |
//! | `{"event": {…}}` | one each, by position |
//! | `{"claim": {"kind", "key", "owner", "until"?}}` | one for each claim that is held |
//! | `{"epoch": {"shard", "epoch"}}` | one for each shard that ever had an owner |
//! | `{"end": {"events", "claims", "chain"}}` | 1, the last: without it the file was cut off |
//!
//! An imported log has the same events at the same positions with the same stamps, so its hash chain is the
//! same. What can be rebuilt is not in it: views, snapshots, the results of append ids. Neither are consumer
//! groups, which cannot: they begin anew in the imported log. The secret that
//! signs tokens, the master key of personal data and the fake gateway's ledger are files beside the store, and
//! stay where they are: whoever imports brings `master.key` along, or gives `MASTER_KEY`. (The keys that are
//! wrapped under it are claims, and so in the file.)

mod export;
mod group;
mod import;

use serde::{Deserialize, Serialize};

use std::fmt;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

pub use export::{Export, export};
pub use import::{Import, import};

use super::event_line::EventLine;
use super::failure::{Exit, Failure};
use crate::domain::WallTime;

/// The one format there is.
const FORMAT: u32 = 1;

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Head(Head),
    Event(EventLine),
    Claim(ClaimLine),
    Epoch(EpochLine),
    End(End),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Head {
    format: u32,
    /// The last position of the log.
    position: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClaimLine {
    kind: String,
    key: String,
    owner: sagaline_storage::StreamId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<WallTime>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EpochLine {
    shard: u32,
    epoch: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct End {
    events: u64,
    claims: u64,
    /// The hash chain up to and with the last event, in hexadecimal.
    chain: String,
}

/// What went from a log into a file, or from a file into a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transferred {
    /// What was done with it.
    #[serde(skip)]
    verb: &'static str,
    #[serde(flatten)]
    end: End,
}

impl fmt::Display for Transferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, end: End { events, claims, chain } } = self;
        write!(f, "{verb} {events} events and {claims} claims, chain {chain}")
    }
}

/// A file to export to. One that is there is not written over.
pub fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    File::create_new(path).map(BufWriter::new).map_err(|error| about(path, &error))
}

/// Everything that was exported is on the disk when this returns.
pub fn finish(file: BufWriter<File>, path: &Path) -> Result<(), Failure> {
    let file = file.into_inner().map_err(|error| about(path, error.error()))?;
    file.sync_all().map_err(|error| about(path, &error))
}

/// A file to import.
pub fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    File::open(path).map(BufReader::new).map_err(|error| about(path, &error))
}

fn about(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {error}", path.display()))
}

/// A hash chain as text.
fn hex(chain: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*chain).to_hex().to_string()
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
