//! The generations of a view: what follows from each state, and who of two is first.

use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::embedded::{InMemory, LocalSettings, open_in_memory};
use sagaline_storage::memory::MemoryKv;

use super::*;

async fn backend() -> InMemory<SystemClock> {
    let (clock, local) = (SystemClock::default(), LocalSettings::default());
    open_in_memory(MemoryKv::new(), clock, SystemEntropy, &local).await.unwrap()
}

fn generation(version: u32, number: u32) -> Generation {
    Generation { version, number }
}

async fn stands_at<V: ViewStore>(views: &V, version: u32) {
    let subscription = generation(version, 1).subscription("trips");
    let checkpoint = Checkpoint { subscription, before: None, after: GlobalPosition(7) };
    let batch = ViewBatch { changes: Vec::new(), checkpoints: vec![checkpoint] };
    views.commit(batch).await.unwrap();
}

#[test]
fn the_first_generation_has_the_name_that_views_always_had() {
    assert_eq!(&*generation(1, 1).view("orders"), "orders.v1");
    assert_eq!(&*generation(1, 1).subscription("orders"), "projection:orders.v1");
    assert_eq!(&*generation(2, 3).view("orders"), "orders.v2.g3");
}

#[test]
fn numbers_are_never_used_again() {
    let mut generations = Generations::first(1);
    assert_eq!(generations.build(1), generation(1, 2));
    assert_eq!(generations.build(2), generation(2, 3));
    assert_eq!(generations.retired, [generation(1, 2)]);
    generations.swap();
    assert_eq!((generations.live, generations.next), (generation(2, 3), None));
    assert_eq!(generations.retired, [generation(1, 2), generation(1, 1)]);
    generations.retired.clear();
    assert_eq!(generations.build(2), generation(2, 4));
}

#[tokio::test]
async fn a_store_of_an_earlier_program_keeps_its_view() {
    let backend = backend().await;
    stands_at(&backend.views, 1).await;
    let begun = begin(&backend.views, "trips", 1, false).await.unwrap();
    assert_eq!((begun.live, begun.next), (generation(1, 1), None));
    assert_eq!(load(&backend.views, "trips").await.unwrap(), Some(begun));
}

#[tokio::test]
async fn a_raised_version_is_built_beside_the_old_one() {
    let backend = backend().await;
    stands_at(&backend.views, 1).await;
    stands_at(&backend.views, 2).await;
    let begun = begin(&backend.views, "trips", 3, false).await.unwrap();
    assert_eq!((begun.live, begun.next), (generation(2, 1), Some(generation(3, 2))));
    assert_eq!(begun.retired, [generation(1, 1)]);
    assert_eq!(begun.readable(3), begun.next);
    let again = begin(&backend.views, "trips", 3, false).await.unwrap();
    assert_eq!(again, begun);
}

#[tokio::test]
async fn an_older_program_leaves_the_view_of_a_newer_one_alone_where_both_run() {
    let backend = backend().await;
    let newer = begin(&backend.views, "trips", 2, true).await.unwrap();
    let older = begin(&backend.views, "trips", 1, true).await.unwrap();
    assert_eq!((&older, older.readable(1)), (&newer, None));
    let live = LiveView::new("trips", 1, Duration::from_secs(10));
    let read = live.read(&backend, |_| async { Ok(()) }).await;
    assert!(read.unwrap_err().to_string().contains("newer program"));
    let alone = begin(&backend.views, "trips", 1, false).await.unwrap();
    assert_eq!(alone.next, Some(generation(1, 2)));
}

#[tokio::test]
async fn of_two_who_change_the_generations_one_is_first() {
    let backend = backend().await;
    let begun = begin(&backend.views, "trips", 1, true).await.unwrap();
    let (mut one, mut other) = (begun.clone(), begun);
    one.build(1);
    other.build(1);
    assert!(keep(&backend.views, "trips", one, false).await.unwrap().is_some());
    assert_eq!(keep(&backend.views, "trips", other, false).await.unwrap(), None);
}

#[tokio::test]
async fn a_view_that_has_moved_meanwhile_is_not_replaced() {
    let backend = backend().await;
    let views = &backend.views;
    stands_at(views, 1).await;
    let mut begun = begin(views, "trips", 1, true).await.unwrap();
    begun.build(1);
    let begun = keep(views, "trips", begun, false).await.unwrap().unwrap();
    let behind = Some(GlobalPosition(6));
    assert_eq!(swap(views, "trips", &begun, behind).await.unwrap(), None);
    assert_eq!(load(views, "trips").await.unwrap().as_ref(), Some(&begun));
    let swapped = swap(views, "trips", &begun, Some(GlobalPosition(7))).await.unwrap().unwrap();
    assert_eq!((swapped.live, swapped.next), (generation(1, 2), None));
    let stands = views.checkpoint(&generation(1, 1).subscription("trips")).await.unwrap();
    assert_eq!(stands, Some(GlobalPosition(7)));
}
