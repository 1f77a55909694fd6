//! What a commit promises.

use bytes::Bytes;

use crate::error::ErrorKind;
use crate::event_store::Direction;
use crate::stream::GlobalPosition;
use crate::views::{ViewBatch, ViewError, ViewStore};

use super::ViewsFactory;
use super::samples::*;
use crate::conformance::turn::give_turn;

/// All of them.
pub async fn run_all<F: ViewsFactory>(factory: &F) {
    changes_and_checkpoint_become_visible_together(factory).await;
    no_reader_sees_half_a_commit(factory).await;
    commit_from_a_moved_checkpoint_changes_nothing(factory).await;
    one_of_many_runners_moves_the_checkpoint(factory).await;
    checkpoint_moves_without_changes(factory).await;
    checkpoint_does_not_go_back(factory).await;
    checkpoints_of_a_batch_move_together(factory).await;
    document_is_found_by_its_last_keys_only(factory).await;
    last_change_of_a_batch_counts(factory).await;
    concurrent_commits_do_not_lose_a_count(factory).await;
    views_and_partitions_with_similar_names_are_apart(factory).await;
    wrong_changes_are_refused_as_a_whole(factory).await;
}

/// After `Ok` everything of the batch is there.
pub async fn changes_and_checkpoint_become_visible_together<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    assert_eq!(checkpoint(&store, "orders").await, None);
    let changes = [put_in(b"ada", b"o-1", b"{1}"), put_in(b"ada", b"o-2", b"{2}")];
    commit(&store, moving(batch(changes), "orders", None, 7)).await;
    assert_eq!(store.get(VIEW, b"o-2").await, Ok(Some(Bytes::from_static(b"{2}"))));
    assert_eq!(store.get(VIEW, b"o-3").await, Ok(None));
    assert_eq!(count(&store, b"ada").await, 2);
    assert_eq!(pages(&store, ask(b"ada", Direction::Forward, 10)).await.len(), 2);
    assert_eq!(checkpoint(&store, "orders").await, Some(7));
}

/// Two documents that every commit sets to the same number are never seen with different ones.
pub async fn no_reader_sees_half_a_commit<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for number in 0..200_u32 {
            let text = number.to_be_bytes();
            commit(&writer, batch([put_in(b"p", b"a", &text), put_in(b"p", b"z", &text)])).await;
        }
    });
    loop {
        let finished = writing.is_finished();
        for seen in
            [scan(&store, VIEW, 10).await, pages(&store, ask(b"p", Direction::Backward, 10)).await]
        {
            assert!(seen.len() != 1, "half a commit: {seen:?}");
            assert!(seen.windows(2).all(|pair| pair[0].1 == pair[1].1), "half a commit: {seen:?}");
        }
        if finished {
            break;
        }
        give_turn().await;
    }
    writing.await.expect("the writer does not panic");
}

/// The refusal tells both positions; documents, counts and the checkpoint stay.
pub async fn commit_from_a_moved_checkpoint_changes_nothing<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    commit(&store, moving(batch([put_in(b"ada", b"o-1", b"old")]), "orders", None, 5)).await;
    for before in [None, Some(4), Some(6)] {
        let changes = [put_in(b"bob", b"o-1", b"new"), put_in(b"ada", b"o-2", b"new")];
        let error = refused(&store, moving(batch(changes), "orders", before, 9)).await;
        let wanted = ViewError::CheckpointMoved {
            subscription: "orders".into(),
            expected: before.map(GlobalPosition),
            actual: Some(GlobalPosition(5)),
        };
        assert_eq!(error, wanted);
        assert_eq!(scan(&store, VIEW, 10).await, [("o-1".into(), "old".into())]);
        assert_eq!((count(&store, b"ada").await, count(&store, b"bob").await), (1, 0));
        assert_eq!(checkpoint(&store, "orders").await, Some(5));
    }
}

/// Of those who start from one checkpoint, one commits.
pub async fn one_of_many_runners_moves_the_checkpoint<F: ViewsFactory>(factory: &F) {
    const RUNNERS: u64 = 8;
    let store = factory.create().await;
    let mut before = None;
    for round in 0..10 {
        let runners: Vec<_> = (0..RUNNERS)
            .map(|runner| {
                let key = (round * RUNNERS + runner).to_be_bytes();
                let batch = moving(batch([put_in(b"p", &key, b"")]), "s", before, round + 1);
                let store = store.clone();
                tokio::spawn(async move { store.commit(batch).await.is_ok() })
            })
            .collect();
        let mut winners = 0;
        for runner in runners {
            winners += u64::from(runner.await.expect("the runner does not panic"));
        }
        assert_eq!(winners, 1);
        assert_eq!(count(&store, b"p").await, round + 1);
        before = Some(round + 1);
    }
}

/// A subscription whose filter matches nothing still gets on.
pub async fn checkpoint_moves_without_changes<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    commit(&store, moving(ViewBatch::default(), "s", None, 0)).await;
    assert_eq!(checkpoint(&store, "s").await, Some(0), "started is not the same as never started");
    commit(&store, moving(ViewBatch::default(), "s", Some(0), 1_000)).await;
    assert_eq!(checkpoint(&store, "s").await, Some(1_000));
    commit(&store, ViewBatch::default()).await;
}

/// Work that was done is not taken back by a commit.
pub async fn checkpoint_does_not_go_back<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    commit(&store, moving(ViewBatch::default(), "s", None, 9)).await;
    refused(&store, moving(ViewBatch::default(), "s", Some(9), 8)).await;
    assert_eq!(checkpoint(&store, "s").await, Some(9));
}

/// All checkpoints of a batch move, or nothing happens; one that is to stay is compared all the same.
pub async fn checkpoints_of_a_batch_move_together<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    let both = |one: Option<u64>, other: (Option<u64>, u64)| {
        let batch = batch([put_in(b"p", b"k", b"")]);
        moving(moving(batch, "one", one, 5), "other", other.0, other.1)
    };
    commit(&store, both(None, (None, 7))).await;
    let stand = async || (checkpoint(&store, "one").await, checkpoint(&store, "other").await);
    assert_eq!(stand().await, (Some(5), Some(7)));
    commit(&store, moving(batch([delete(b"k")]), "other", Some(7), 7)).await;
    for (one, other) in [(Some(4), (Some(7), 7)), (Some(5), (Some(6), 6)), (Some(5), (None, 9))] {
        let error = refused(&store, both(one, other)).await;
        assert!(matches!(error, ViewError::CheckpointMoved { .. }), "{error:?}");
        assert_eq!((stand().await, count(&store, b"p").await), ((Some(5), Some(7)), 0));
    }
}

/// A changed document leaves the partitions it was in; a deleted one leaves all.
pub async fn document_is_found_by_its_last_keys_only<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    let found = async |partition: &[u8]| {
        let documents = pages(&store, ask(partition, Direction::Forward, 10)).await;
        assert_eq!(documents.len() as u64, count(&store, partition).await);
        documents.len()
    };
    let both = vec![secondary(INDEX, b"ada", b"1"), secondary(INDEX, b"bob", b"1")];
    commit(&store, batch([put(b"o", b"1", both)])).await;
    assert_eq!((found(b"ada").await, found(b"bob").await), (1, 1));
    commit(&store, batch([put(b"o", b"2", vec![secondary(INDEX, b"bob", b"2")])])).await;
    assert_eq!((found(b"ada").await, found(b"bob").await), (0, 1));
    commit(&store, batch([delete(b"o")])).await;
    assert_eq!((found(b"ada").await, found(b"bob").await), (0, 0));
    commit(&store, batch([delete(b"o"), delete(b"never")])).await;
    assert_eq!(store.get(VIEW, b"o").await, Ok(None));
}

/// Several changes of one document in one batch are as several batches.
pub async fn last_change_of_a_batch_counts<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    let changes = [
        put_in(b"ada", b"o", b"1"),
        delete(b"o"),
        put_in(b"bob", b"o", b"2"),
        put_in(b"ada", b"gone", b"1"),
        delete(b"gone"),
    ];
    commit(&store, batch(changes)).await;
    assert_eq!(scan(&store, VIEW, 10).await, [("o".into(), "2".into())]);
    assert_eq!((count(&store, b"ada").await, count(&store, b"bob").await), (0, 1));
}

/// Subscriptions that fill one partition at the same time count right.
pub async fn concurrent_commits_do_not_lose_a_count<F: ViewsFactory>(factory: &F) {
    const TASKS: u64 = 8;
    const COMMITS: u64 = 25;
    let store = factory.create().await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let name = format!("s{task}");
                for done in 0..COMMITS {
                    let key = (task * COMMITS + done).to_be_bytes();
                    let before = (done > 0).then_some(done);
                    let batch = batch([put_in(b"p", &key, b"")]);
                    commit(&store, moving(batch, &name, before, done + 1)).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the subscription does not panic");
    }
    assert_eq!(count(&store, b"p").await, TASKS * COMMITS);
    let documents = pages(&store, ask(b"p", Direction::Forward, 100)).await;
    assert_eq!(documents.len() as u64, TASKS * COMMITS);
}

/// No name or value that continues another one is taken for it.
pub async fn views_and_partitions_with_similar_names_are_apart<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    let names = ["a", "a.", "ab", "a@2"];
    let partitions: [&[u8]; 6] = [b"", b"\0", b"\0\x01", b"a", b"a\0", b"a\0\xFF"];
    for view in names {
        for index in names {
            for partition in partitions {
                let key = [index.as_bytes(), b"/", partition].concat();
                let place = vec![secondary(index, partition, partition)];
                commit(&store, batch_of(view, [put(&key, view.as_bytes(), place)])).await;
            }
        }
    }
    for view in names {
        assert_eq!(scan(&store, view, 5).await.len(), names.len() * partitions.len());
        for index in names {
            for partition in partitions {
                let (view_name, index_name) = (view.into(), index.into());
                let all = ask(partition, Direction::Backward, 10);
                let query = crate::views::ViewQuery { view: view_name, index: index_name, ..all };
                let key: Bytes = [index.as_bytes(), b"/", partition].concat().into();
                assert_eq!(pages(&store, query).await, [(key, Bytes::from(view))]);
                assert_eq!(store.count(view, index, partition).await, Ok(1));
            }
        }
    }
}

/// Outside the limits: refused as [`ErrorKind::Invalid`], with what stood beside it.
pub async fn wrong_changes_are_refused_as_a_whole<F: ViewsFactory>(factory: &F) {
    let store = factory.create().await;
    let many = (0..17_u8).map(|number| secondary(INDEX, &[number], b"")).collect();
    let wrong = [
        (VIEW, put(b"", b"", Vec::new())),
        (VIEW, delete(b"")),
        (VIEW, put(&[b'k'; 513], b"", Vec::new())),
        (VIEW, put(b"k", b"", many)),
        (VIEW, put(b"k", b"", vec![secondary("", b"p", b"s")])),
        (VIEW, put(b"k", b"", vec![secondary("a\0b", b"p", b"s")])),
        (VIEW, put(b"k", b"", vec![secondary(INDEX, &[0; 513], b"s")])),
        (VIEW, put(b"k", b"", vec![secondary(INDEX, b"p", &[0; 513])])),
        (VIEW, put(b"k", b"", vec![secondary(INDEX, b"p", b"1"), secondary(INDEX, b"p", b"2")])),
        ("", put(b"k", b"", Vec::new())),
        ("a\0b", put(b"k", b"", Vec::new())),
    ];
    for (view, change) in wrong {
        let mut both = batch([put_in(b"p", b"right", b"")]);
        both.changes.push((view.into(), change));
        let error = refused(&store, moving(both, "s", None, 1)).await;
        let ViewError::Storage(error) = error else { panic!("{error:?}") };
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    }
    let right = || batch([put_in(b"p", b"right", b"")]);
    let many = (0..17).fold(right(), |batch, number| moving(batch, &format!("s{number}"), None, 1));
    for wrong in [moving(moving(right(), "s", None, 1), "s", None, 2), many] {
        let error = refused(&store, wrong).await;
        let ViewError::Storage(error) = error else { panic!("{error:?}") };
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    }
    assert_eq!(scan(&store, VIEW, 10).await, []);
    assert_eq!((count(&store, b"p").await, checkpoint(&store, "s").await), (0, None));
}
