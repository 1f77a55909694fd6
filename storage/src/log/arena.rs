//! One allocation for many small keys and values: the appender makes several of them for every event.

use bytes::{Bytes, BytesMut};

/// Bytes of the biggest chunk: whoever keeps one key keeps its chunk.
const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// Cuts byte strings from shared allocations.
#[derive(Debug)]
pub(super) struct Arena {
    open: BytesMut,
    chunk_bytes: usize,
}

impl Arena {
    /// Allocates `bytes` at a time, or as much as is allowed. A chunk is freed when the last string that
    /// was cut from it is dropped.
    pub(super) fn of_chunks(bytes: usize) -> Self {
        Self { open: BytesMut::new(), chunk_bytes: bytes.min(CHUNK_BYTES_MAX) }
    }

    /// What `write` writes.
    pub(super) fn cut(&mut self, write: impl FnOnce(&mut BytesMut)) -> Bytes {
        if self.open.capacity() < self.chunk_bytes / 16 {
            self.open = BytesMut::with_capacity(self.chunk_bytes);
        }
        write(&mut self.open);
        self.open.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_stays_whatever_is_cut_behind_it() {
        let mut arena = Arena::of_chunks(1_000);
        let numbers = 0..20_000_u32;
        let cuts: Vec<_> = numbers
            .clone()
            .map(|number| arena.cut(|bytes| bytes.extend_from_slice(&number.to_be_bytes())))
            .collect();
        assert!(numbers.zip(&cuts).all(|(number, cut)| **cut == number.to_be_bytes()));
        let long = vec![7; 5_000];
        assert_eq!(arena.cut(|bytes| bytes.extend_from_slice(&long)), long);
        assert_eq!(arena.cut(|_| {}).len(), 0);
    }
}
