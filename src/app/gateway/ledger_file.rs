//! A ledger in a file: JSON lines, written in groups, synced before anyone is told.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::entry::LedgerEntry;
use super::ledger::LedgerError;

/// The place of every so many entries is remembered: a read starts at most this far before its entry.
const INDEX_EVERY: u64 = 256;

/// The file and what waits to be written to it.
#[derive(Debug)]
pub(super) struct LedgerFile {
    path: PathBuf,
    /// Used by the one flush under way.
    file: Mutex<File>,
    tail: Mutex<Tail>,
    /// How far the file is durable; an error for good once a write has failed, because nobody knows
    /// then what is on the disk.
    synced: watch::Sender<Result<Synced, LedgerError>>,
}

/// What is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Synced {
    seq: u64,
    bytes: u64,
}

/// The end of the file as it will be.
#[derive(Debug, Default)]
struct Tail {
    end: Synced,
    lines: Vec<u8>,
    flushing: bool,
    /// Where entries 1, 257, 513, … begin.
    index: Vec<u64>,
}

impl LedgerFile {
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        let failed = |action| move |error: std::io::Error| io_error(path, action, &error);
        let created = !path.exists();
        let mut options = OpenOptions::new();
        let file =
            options.read(true).append(true).create(true).open(path).map_err(failed("open"))?;
        if created {
            sync_folder(path).map_err(failed("sync the folder"))?;
        }
        let mut tail = Tail::default();
        let mut reader = BufReader::new(&file);
        let torn = read_lines(path, &mut reader, Synced::default(), |entry, begins| {
            tail.note(begins);
            tail.end.seq = entry.seq;
            true
        })?;
        tail.end.bytes = torn.sound_bytes;
        if torn.is_torn {
            file.set_len(torn.sound_bytes).map_err(failed("cut off a torn line"))?;
            file.sync_data().map_err(failed("sync"))?;
        }
        let synced = watch::Sender::new(Ok(tail.end));
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), tail: Mutex::new(tail), synced })
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.tail.lock().end.seq + 1
    }

    pub(super) fn push(ledger: &Arc<Self>, entry: &LedgerEntry) -> Result<(), LedgerError> {
        ledger.synced.borrow().clone()?;
        let mut line = serde_json::to_vec(entry)
            .map_err(|error| io_error(&ledger.path, "write an entry", &error.into()))?;
        line.push(b'\n');
        let mut tail = ledger.tail.lock();
        let begins = tail.end.bytes;
        tail.note(begins);
        tail.end = Synced { seq: entry.seq, bytes: begins + line.len() as u64 };
        tail.lines.extend_from_slice(&line);
        if !std::mem::replace(&mut tail.flushing, true) {
            let ledger = Arc::clone(ledger);
            spawn_blocking(move || ledger.flush());
        }
        Ok(())
    }

    pub(super) async fn durable(&self, seq: u64) -> Result<(), LedgerError> {
        let mut synced = self.synced.subscribe();
        let reached = synced
            .wait_for(|synced| synced.as_ref().map_or(true, |synced| synced.seq >= seq))
            .await;
        match reached {
            Ok(synced) => (*synced).clone().map(drop),
            // The sender is this ledger's own, so it outlives every waiter.
            Err(closed) => Err(io_error(&self.path, "sync", &std::io::Error::other(closed))),
        }
    }

    pub(super) fn read(&self, after: u64, limit: usize) -> Result<Vec<LedgerEntry>, LedgerError> {
        let mut entries = Vec::new();
        if limit > 0 {
            self.scan(after, |entry| {
                entries.push(entry);
                entries.len() < limit
            })?;
        }
        Ok(entries)
    }

    /// Shows the durable entries behind `after` to `see`, until it says that it has seen enough.
    pub(super) fn scan(
        &self,
        after: u64,
        mut see: impl FnMut(LedgerEntry) -> bool,
    ) -> Result<(), LedgerError> {
        let synced = self.synced.borrow().clone()?;
        let Some((before, begins)) = self.tail.lock().place_of(after) else { return Ok(()) };
        let failed = |error: std::io::Error| io_error(&self.path, "read", &error);
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(begins)).map_err(failed)?;
        let mut sound =
            BufReader::new(std::io::Read::take(file, synced.bytes.saturating_sub(begins)));
        let start = Synced { seq: before, bytes: begins };
        read_lines(&self.path, &mut sound, start, |entry, _| entry.seq <= after || see(entry))?;
        Ok(())
    }

    /// Writes and syncs what waits, in groups, until nothing waits.
    fn flush(&self) {
        let mut file = self.file.lock();
        loop {
            let (lines, end) = {
                let mut tail = self.tail.lock();
                if tail.lines.is_empty() {
                    tail.flushing = false;
                    return;
                }
                (std::mem::take(&mut tail.lines), tail.end)
            };
            let written = file.write_all(&lines).and_then(|()| file.sync_data());
            if let Err(error) = written {
                // Still marked as flushing: nothing is ever written behind a hole.
                let failed = io_error(&self.path, "write and sync", &error);
                self.synced.send_modify(|synced| *synced = Err(failed));
                return;
            }
            self.synced.send_modify(|synced| *synced = Ok(end));
        }
    }
}

impl Tail {
    /// Another entry begins here.
    fn note(&mut self, begins: u64) {
        if self.end.seq.is_multiple_of(INDEX_EVERY) {
            self.index.push(begins);
        }
    }

    /// A place at or before the entry behind `after`, and how many entries stand before that place.
    fn place_of(&self, after: u64) -> Option<(u64, u64)> {
        let block = after / INDEX_EVERY;
        let begins = self.index.get(usize::try_from(block).ok()?)?;
        Some((block * INDEX_EVERY, *begins))
    }
}

/// How a file ends.
struct Torn {
    sound_bytes: u64,
    is_torn: bool,
}

/// Reads entries with their places until `see` says that it has seen enough. Behind `start` entries
/// must be numbered without gaps. Only the last line may be broken.
fn read_lines(
    path: &Path,
    reader: &mut impl BufRead,
    start: Synced,
    mut see: impl FnMut(LedgerEntry, u64) -> bool,
) -> Result<Torn, LedgerError> {
    let Synced { mut seq, bytes: mut sound_bytes } = start;
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line);
        let length = length.map_err(|error| io_error(path, "read", &error))? as u64;
        if length == 0 {
            return Ok(Torn { sound_bytes, is_torn: false });
        }
        seq += 1;
        match parse_line(&line, seq) {
            Ok(entry) => {
                let begins = sound_bytes;
                sound_bytes += length;
                if !see(entry, begins) {
                    return Ok(Torn { sound_bytes, is_torn: false });
                }
            }
            Err(problem) => {
                let rest = reader.fill_buf().map_err(|error| io_error(path, "read", &error))?;
                if rest.is_empty() {
                    return Ok(Torn { sound_bytes, is_torn: true });
                }
                return Err(LedgerError::Damaged { path: path.to_owned(), line: seq, problem });
            }
        }
    }
}

fn parse_line(line: &[u8], seq: u64) -> Result<LedgerEntry, String> {
    let Some(json) = line.strip_suffix(b"\n") else { return Err("is cut off".to_owned()) };
    let entry: LedgerEntry = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if entry.seq != seq {
        return Err(format!("has number {}", entry.seq));
    }
    Ok(entry)
}

fn io_error(path: &Path, action: &'static str, error: &std::io::Error) -> LedgerError {
    LedgerError::Io { path: path.to_owned(), action, cause: error.to_string() }
}

/// A new file survives a crash only once its folder is synced.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// A sync takes milliseconds: it must not hold up a thread that serves others. It ends by itself, also
/// when whoever waits for it has gone.
#[allow(deprecated, reason = "the simulation's facade says so; there the ledger is in memory")]
fn spawn_blocking(flush: impl FnOnce() + Send + 'static) {
    drop(tokio::task::spawn_blocking(flush));
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
