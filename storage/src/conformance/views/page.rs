//! What reading by pages promises.

use bytes::Bytes;

use crate::error::ErrorKind;
use crate::event_store::Direction;
use crate::views::{ViewQuery, ViewStore};

use super::ViewsFactory;
use super::samples::*;
use crate::conformance::turn::give_turn;

/// All of them.
pub async fn run_all<F: ViewsFactory>(factory: &F) {
    pages_neither_skip_nor_double(factory).await;
    pages_keep_their_place_while_documents_come_and_go(factory).await;
    page_is_of_one_moment(factory).await;
    skip_passes_over_documents(factory).await;
    foreign_cursor_is_refused(factory).await;
    senseless_page_is_refused(factory).await;
    scan_goes_by_primary_key(factory).await;
}

/// Sorts and keys that collide when parts of a key are glued without care, in their order.
const PLACES: [(&[u8], &[u8]); 9] = [
    (b"", b"k"),
    (b"", b"k\0"),
    (b"\0", b"\0"),
    (b"\0\x01", b"a"),
    (b"\0\xFF", b"a"),
    (b"a", b"a"),
    (b"a", b"b"),
    (b"a\0", b"a"),
    (b"\xFF\xFF", b"\xFF"),
];

async fn fill<S: ViewStore>(store: &S) {
    for (number, (sort, key)) in PLACES.iter().enumerate() {
        let key = [&[number as u8], *key].concat();
        commit(store, batch([put(&key, &key, vec![secondary(INDEX, b"p\0", sort)])])).await;
    }
    let around = [put_in(b"p", b"other", b""), put_in(b"p\0\0", b"another", b"")];
    commit(store, batch(around)).await;
}

fn numbers(documents: &[(Bytes, Bytes)]) -> Vec<u8> {
    documents.iter().map(|(key, _)| key[0]).collect()
}

/// Whatever the size of the pages, in both directions.
pub async fn pages_neither_skip_nor_double<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    fill(&store).await;
    let forward: Vec<u8> = (0..PLACES.len() as u8).collect();
    let backward: Vec<u8> = forward.iter().rev().copied().collect();
    for limit in 1..=PLACES.len() + 1 {
        let there = pages(&store, ask(b"p\0", Direction::Forward, limit)).await;
        assert_eq!(numbers(&there), forward, "pages of {limit}");
        let back = pages(&store, ask(b"p\0", Direction::Backward, limit)).await;
        assert_eq!(numbers(&back), backward, "pages of {limit}");
    }
    assert_eq!(pages(&store, ask(b"nobody", Direction::Forward, 3)).await, []);
}

/// A document that is there all the time is seen once, whatever comes and goes around it, even when
/// the one that the cursor stands behind is deleted.
pub async fn pages_keep_their_place_while_documents_come_and_go<F: ViewsFactory>(factory: &F) {
    for direction in [Direction::Forward, Direction::Backward] {
        let store = factory.create().await;
        let key = |number: u8| [b'k', number];
        commit(&store, batch((100..120).map(|number| put_in(b"p", &key(number), b"")))).await;
        let (mut query, mut seen) = (ask(b"p", direction, 3), Vec::new());
        for round in 0_u8.. {
            let page = store.query(query.clone()).await.expect("the page is readable");
            seen.extend(page.documents.iter().map(|(key, _)| key[1]));
            let Some(cursor) = page.cursor else { break };
            query.after = Some(cursor);
            let (last, _) = page.documents.last().expect("a page with a cursor is full");
            let around = [put_in(b"p", &key(round), b""), put_in(b"p", &key(200 + round), b"")];
            commit(&store, batch(around.into_iter().chain([delete(last)]))).await;
        }
        let mut wanted = seen.clone();
        wanted.sort_unstable();
        wanted.dedup();
        assert_eq!(wanted.len(), seen.len(), "none twice: {seen:?}");
        assert!((100..120).all(|number| wanted.contains(&number)), "none skipped: {seen:?}");
    }
}

/// A document that wanders between partitions names the one in which it is found.
pub async fn page_is_of_one_moment<F: ViewsFactory>(factory: &F) {
    const PARTITIONS: [&[u8]; 2] = [b"a", b"b"];
    let store = factory.create().await;
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for round in 0..200 {
            let there = PARTITIONS[round % 2];
            let keys = (0..4_u8).map(|key| put_in(there, &[key], there));
            commit(&writer, batch(keys)).await;
        }
    });
    loop {
        let finished = writing.is_finished();
        for partition in PARTITIONS {
            let seen = pages(&store, ask(partition, Direction::Forward, 10)).await;
            assert!(seen.is_empty() || seen.len() == 4, "all moved together: {seen:?}");
            assert!(seen.iter().all(|(_, document)| document == partition), "{seen:?}");
        }
        if finished {
            break;
        }
        give_turn().await;
    }
    writing.await.expect("the writer does not panic");
}

/// Exactly so many, also across a cursor and behind the end.
pub async fn skip_passes_over_documents<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    fill(&store).await;
    for direction in [Direction::Forward, Direction::Backward] {
        let all = numbers(&pages(&store, ask(b"p\0", direction, 100)).await);
        for skip in 0..=all.len() + 2 {
            let query = ViewQuery { skip, ..ask(b"p\0", direction, 2) };
            let wanted = &all[skip.min(all.len())..];
            assert_eq!(numbers(&pages(&store, query).await), wanted, "over {skip}");
        }
        let first = store.query(ask(b"p\0", direction, 2)).await.expect("the page is readable");
        let query = ViewQuery { after: first.cursor, skip: 3, ..ask(b"p\0", direction, 2) };
        assert_eq!(numbers(&pages(&store, query).await), &all[5..]);
    }
}

/// A cursor of another view, index, partition or direction, a cut and an invented one.
pub async fn foreign_cursor_is_refused<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    fill(&store).await;
    let own = ask(b"p\0", Direction::Forward, 2);
    let page = store.query(own.clone()).await.expect("the page is readable");
    let cursor = page.cursor.expect("there are more");
    let given = |query: &ViewQuery, after: &[u8]| {
        let after = Some(Bytes::copy_from_slice(after));
        store.query(ViewQuery { after, ..query.clone() })
    };
    given(&own, &cursor).await.expect("its own cursor is taken");
    let foreign = [
        ViewQuery { view: "carts".into(), ..own.clone() },
        ViewQuery { index: "by_state".into(), ..own.clone() },
        ViewQuery { partition: Bytes::from_static(b"p"), ..own.clone() },
        ViewQuery { direction: Direction::Backward, ..own.clone() },
    ];
    for query in foreign {
        let error = given(&query, &cursor).await.expect_err("a foreign cursor is refused");
        assert_eq!(error.kind, ErrorKind::Invalid);
    }
    let listed = ViewQuery { list: Some("list".into()), ..own.clone() };
    let error = given(&listed, &cursor).await.expect_err("a view's cursor is none of a list's");
    assert_eq!(error.kind, ErrorKind::Invalid);
    let page = store.query(listed.clone()).await.expect("the page is readable");
    let cursor_of_list = page.cursor.expect("there are more");
    let next_view = ViewQuery { view: "carts".into(), ..listed };
    given(&next_view, &cursor_of_list)
        .await
        .expect("a list goes on in the view that holds it next");
    let invented: [&[u8]; 4] = [b"", b"x", &[1; 40], &cursor[..cursor.len() / 2]];
    for cursor in invented {
        let error = given(&own, cursor).await.expect_err("an invented cursor is refused");
        assert_eq!(error.kind, ErrorKind::Invalid);
    }
}

/// No page, and one beyond the limits.
pub async fn senseless_page_is_refused<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    let page = |limit, skip| ViewQuery { skip, ..ask(b"p", Direction::Forward, limit) };
    for query in [page(0, 0), page(1_001, 0), page(1, 1_000_001)] {
        let error = store.query(query).await.expect_err("the page is refused");
        assert_eq!(error.kind, ErrorKind::Invalid);
    }
    for limit in [0, 1_001] {
        let error = store.scan(VIEW, None, limit).await.expect_err("the page is refused");
        assert_eq!(error.kind, ErrorKind::Invalid);
    }
    store.query(page(1_000, 1_000_000)).await.expect("the limits are allowed");
}

/// All documents once, in the order of their bytes, whatever the size of the pages.
pub async fn scan_goes_by_primary_key<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    let mut keys: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    keys.extend([vec![0, 0], vec![7, 0], vec![255, 255], vec![7; 512]]);
    let document = |key: &Vec<u8>| put(key, key, Vec::new());
    commit(&store, batch(keys.iter().rev().map(document))).await;
    keys.sort_unstable();
    for limit in [1, 7, keys.len(), 1_000] {
        let seen = scan(&store, VIEW, limit).await;
        assert!(seen.iter().map(|(key, _)| &key[..]).eq(keys.iter().map(|key| &key[..])));
        assert!(seen.iter().all(|(key, document)| key == document));
    }
}
