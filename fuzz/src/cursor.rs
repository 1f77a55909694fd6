//! Any bytes as the cursor of a query: refused, or the rest of the list and nothing else.

use std::sync::LazyLock;

use bytes::Bytes;
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::views::{SecondaryKey, ViewBatch, ViewChange, ViewQuery, ViewStore};
use sagaline_storage::{Direction, ViewSettings, Views};

use super::node::block_on;

const DOCUMENTS: u8 = 20;

static VIEWS: LazyLock<Views<MemoryKv>> = LazyLock::new(|| {
    let views = Views::new(MemoryKv::new(), ViewSettings::default());
    let changes = (0..DOCUMENTS).map(|number| {
        let sort = Bytes::from(vec![number / 2, 0, number]);
        let at = SecondaryKey { index: "by".into(), partition: Bytes::from_static(b"p\0q"), sort };
        let (key, document) = (Bytes::from(vec![b'k', number]), Bytes::from(vec![number]));
        ("view".into(), ViewChange::Put { key, document, secondary: vec![at] })
    });
    let batch = ViewBatch { changes: changes.collect(), checkpoints: Vec::new() };
    block_on(views.commit(batch)).unwrap();
    views
});

/// The first byte chooses the direction, the rest is the cursor; behind an empty one comes the first page.
pub fn run(bytes: &[u8]) {
    let Some((&first, cursor)) = bytes.split_first() else { return };
    let direction = if first % 2 == 0 { Direction::Forward } else { Direction::Backward };
    let after = (!cursor.is_empty()).then(|| Bytes::copy_from_slice(cursor));
    let mut next = Some(after);
    let mut read = Vec::new();
    while let Some(after) = next {
        let query = ViewQuery {
            view: "view".into(),
            index: "by".into(),
            partition: Bytes::from_static(b"p\0q"),
            direction,
            after,
            list: None,
            skip: 0,
            limit: 7,
        };
        match block_on(VIEWS.query(query)) {
            Ok(page) => {
                read.extend(page.documents.iter().map(|(_, document)| document[0]));
                next = page.cursor.map(Some);
            }
            Err(_) => {
                assert!(read.is_empty(), "a cursor of the query itself was refused");
                return;
            }
        }
    }
    let mut all: Vec<u8> = (0..DOCUMENTS).collect();
    if direction == Direction::Backward {
        all.reverse();
    }
    assert!(all.ends_with(&read), "{read:?} is no end of the list");
}
