//! Any lines as what `sagaline import` reads: refused with the line's number, or a log that is exported as
//! lines from which the same log is made again.

use std::cell::RefCell;

use sagaline::cli::transfer::{export, import};
use sagaline_storage::clock::SystemEntropy;
use sagaline_storage::memory::{ManualClock, MemoryKv};
use sagaline_storage::{EventStore, GlobalPosition, Log, LogSettings, NodeId};

use super::node::block_on;

/// Lines with a big epoch are left out: each step up to it is a write, and there may be a million.
const EPOCH_DIGITS_MAX: usize = 2;

/// The file.
pub fn run(bytes: &[u8]) {
    if has_big_epoch(bytes) {
        return;
    }
    block_on(async {
        let Some(log) = imported(bytes).await else { return };
        let sound = log.verify(GlobalPosition::START, |_, _| {}).await.unwrap();
        assert!(sound.is_sound(), "{:?}", sound.damage);
        let text = exported(&log).await;
        let again = imported(&text).await.expect("an export is imported");
        assert_eq!(exported(&again).await, text);
        assert_eq!(again.head().await.unwrap(), log.head().await.unwrap());
    });
}

async fn imported(bytes: &[u8]) -> Option<Log<MemoryKv, ManualClock>> {
    let clock = ManualClock::default();
    let opened =
        Log::open(MemoryKv::new(), clock.clone(), &SystemEntropy, LogSettings::default()).await;
    let log = opened.unwrap();
    let node = NodeId::new("n9").unwrap();
    let last = RefCell::new(0);
    let progress = |done, _| *last.borrow_mut() = done;
    match import(&log, node, bytes, |at| clock.step_wall(at), || Ok(()), progress).await {
        Ok(_) => Some(log),
        Err(failure) => {
            assert!(!failure.to_string().is_empty());
            None
        }
    }
}

async fn exported(log: &Log<MemoryKv, ManualClock>) -> Vec<u8> {
    let mut text = Vec::new();
    export(log, &mut text, |_, _| {}).await.unwrap();
    text
}

fn has_big_epoch(bytes: &[u8]) -> bool {
    let mut digits = 0;
    let mut longest = 0;
    let mut is_epoch = false;
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.windows(5).any(|word| word == b"epoch") {
            is_epoch = true;
            for byte in line {
                digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
                longest = longest.max(digits);
            }
        }
    }
    is_epoch && longest > EPOCH_DIGITS_MAX
}
