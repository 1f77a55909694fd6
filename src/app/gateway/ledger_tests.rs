//! What a ledger keeps, and what it refuses to read.

use std::fs;

use uuid::Uuid;

use super::super::entry::EntryKind;
use super::super::{Ledger, Operation};
use super::*;
use crate::domain::{Decimal, Money, OrderId, WallTime};

fn entry(seq: u64) -> LedgerEntry {
    LedgerEntry {
        seq,
        at: WallTime(seq),
        key: format!("key-{seq}"),
        order_id: OrderId::new(Uuid::from_u128(u128::from(seq % 3))),
        kind: EntryKind::Authorize,
        amount: Decimal(Money::from_minor(seq).unwrap()),
        operation: Operation::Authorize,
        epoch: 1,
        code: None,
    }
}

async fn fill(ledger: &Ledger, entries: std::ops::RangeInclusive<u64>) {
    let last = *entries.end();
    for seq in entries {
        assert_eq!(ledger.next_seq(), seq);
        ledger.push(&entry(seq)).unwrap();
    }
    ledger.durable(last).await.unwrap();
}

fn seqs(ledger: &Ledger, after: u64, limit: usize) -> Vec<u64> {
    ledger.read(after, limit).unwrap().iter().map(|entry| entry.seq).collect()
}

#[tokio::test]
async fn what_is_durable_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    fill(&Ledger::open(&path).unwrap(), 1..=3).await;
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.read(0, 10).unwrap(), [entry(1), entry(2), entry(3)]);
    fill(&ledger, 4..=5).await;
    assert_eq!(seqs(&Ledger::open(&path).unwrap(), 0, 10), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn pages_follow_each_other_over_any_number_of_entries() {
    let folder = tempfile::tempdir().unwrap();
    for ledger in [Ledger::in_memory(), Ledger::open(&folder.path().join("ledger.jsonl")).unwrap()]
    {
        assert_eq!(seqs(&ledger, 0, 10), [0u64; 0]);
        fill(&ledger, 1..=600).await;
        for after in [0, 1, 255, 256, 257, 511, 512, 513, 598] {
            let wants: Vec<u64> = (after + 1..=600).take(3).collect();
            assert_eq!(seqs(&ledger, after, 3), wants, "after {after}");
        }
        assert_eq!(seqs(&ledger, 600, 3), [0u64; 0]);
        assert_eq!(seqs(&ledger, u64::MAX, 3), [0u64; 0]);
        assert_eq!(seqs(&ledger, 0, 0), [0u64; 0]);
        assert_eq!(ledger.entries_of(entry(3).order_id).unwrap().len(), 200);
    }
}

#[tokio::test]
async fn a_line_torn_at_any_byte_is_cut_off_and_the_ledger_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.jsonl");
    fill(&Ledger::open(&whole).unwrap(), 1..=3).await;
    let bytes = fs::read(&whole).unwrap();
    let second_ends = bytes.len() - serde_json::to_vec(&entry(3)).unwrap().len() - 1;
    for length in second_ends..bytes.len() {
        let path = folder.path().join(format!("torn-{length}.jsonl"));
        fs::write(&path, &bytes[..length]).unwrap();
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(seqs(&ledger, 0, 10), [1, 2], "cut at {length}");
        fill(&ledger, 3..=3).await;
        assert_eq!(fs::read(&path).unwrap(), bytes, "cut at {length}");
    }
}

#[tokio::test]
async fn damage_before_the_last_line_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    fill(&Ledger::open(&path).unwrap(), 1..=3).await;
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for (damaged, line) in [
        (format!("{}\n?\n{}\n", lines[0], lines[2]), 2),
        (format!("{}\n{}\n{}\n", lines[0], lines[2], lines[2]), 2),
        (format!("{}\n{}\n", lines[1], lines[2]), 1),
    ] {
        fs::write(&path, damaged).unwrap();
        let error = Ledger::open(&path).unwrap_err();
        assert!(matches!(&error, LedgerError::Damaged { line: at, .. } if *at == line), "{error}");
        assert!(error.to_string().contains("ledger.jsonl"), "{error}");
    }
}

#[tokio::test]
async fn entries_that_wait_together_are_all_answered() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let waiting: Vec<_> = (1..=50)
        .map(|seq| {
            ledger.push(&entry(seq)).unwrap();
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.durable(seq).await })
        })
        .collect();
    for waiter in waiting {
        waiter.await.unwrap().unwrap();
    }
    assert_eq!(seqs(&ledger, 0, 100).len(), 50);
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_says_so_for_good() {
    // The kernel's own full disk.
    let full = std::path::Path::new("/dev/full");
    let ledger = LedgerFile {
        path: full.to_owned(),
        file: Mutex::new(OpenOptions::new().write(true).open(full).unwrap()),
        tail: Mutex::default(),
        synced: watch::Sender::new(Ok(Synced::default())),
    };
    let ledger = Arc::new(ledger);
    LedgerFile::push(&ledger, &entry(1)).unwrap();
    let error = ledger.durable(1).await.unwrap_err();
    assert!(error.to_string().contains("/dev/full"), "{error}");
    assert_eq!(LedgerFile::push(&ledger, &entry(2)), Err(error));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = Ledger::open(std::path::Path::new("/nowhere/ledger.jsonl")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/ledger.jsonl"), "{error}");
}
