//! The cursor of a query: where a page ended, bound to the query that made it.
//!
//! ```text
//! 01 (format) | 8 bytes of a hash over list, index, partition and direction | escaped sort | primary key
//! ```
//! Callers keep it as opaque bytes. One made for another list (a view, unless the query says more), index,
//! partition or direction, or cut or invented, is refused: read with it, a page would silently skip or repeat
//! documents.

use bytes::Bytes;

use crate::error::StorageError;
use crate::event_store::Direction;

use super::keys::secondary;

const FORMAT: u8 = 1;
const HEAD: usize = 9;

/// What binds cursors to one partition, read in one direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct CursorKind([u8; HEAD]);

impl CursorKind {
    /// `prefix` is the partition's, with its list and index.
    pub(super) fn new(prefix: &[u8], direction: Direction) -> Self {
        let direction = match direction {
            Direction::Forward => 1,
            Direction::Backward => 2,
        };
        let hash = blake3::Hasher::new().update(prefix).update(&[direction]).finalize();
        let mut head = [FORMAT; HEAD];
        head[1..].copy_from_slice(&hash.as_bytes()[..HEAD - 1]);
        Self(head)
    }

    /// The cursor behind the entry whose key ends in `suffix`.
    pub(super) fn cursor(self, suffix: &[u8]) -> Bytes {
        [&self.0, suffix].concat().into()
    }

    /// The end of the key of the entry behind which `cursor` stands.
    pub(super) fn suffix(self, cursor: &Bytes) -> Result<Bytes, StorageError> {
        let foreign =
            || StorageError::invalid("cursor is not of this query: start again without one");
        if !cursor.starts_with(&self.0) {
            return Err(foreign());
        }
        let suffix = cursor.slice(HEAD..);
        secondary::primary(&suffix).map_err(|_| foreign())?;
        Ok(suffix)
    }
}
