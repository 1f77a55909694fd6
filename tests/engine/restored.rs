//! Consumer groups in a copy of their store: what they know stands in no log, and comes along.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline::engine::consumer::kept_views;
use sagaline::engine::{Ack, Begin, Consumer, Delivery, Failure, Node, NodeBuilder, Outcome};
use sagaline_storage::GlobalPosition;
use sagaline_storage::log::copy;
use sagaline_storage::memory::MemoryKv;

use crate::consumers::ring;
use crate::trip::{self, Memory};

/// Long enough for any machine; nobody waits for it.
const EVER: Duration = Duration::from_secs(600);

/// Counts what comes from each door, but for one that is broken.
#[derive(Clone, Default)]
struct Porter(Arc<Mutex<Vec<(String, u64)>>>);

impl Consumer for Porter {
    const NAME: &'static str = "porter";
    const CATEGORIES: &'static [&'static str] = &["door"];
    const BEGIN: Begin = Begin::Head;

    async fn consume(&self, delivery: &Delivery) -> Outcome<Ack> {
        let event = delivery.envelope();
        let stream = event.stream.as_str().to_owned();
        self.0.lock().push((stream.clone(), event.position.0));
        if stream == "door-broken" {
            return Err(Failure::rejected("NO_BELL", "there is no bell"));
        }
        Ok(Ack::new().change(stream, |count: Option<u64>| Some(count.unwrap_or(0) + 1)))
    }
}

/// A node that has seen everything up to `position`.
async fn come_to(backend: &Memory, porter: &Porter, position: GlobalPosition) -> Node<Memory> {
    let node = NodeBuilder::new(backend.clone()).consumer(porter.clone()).start().await.unwrap();
    assert!(node.consumers().caught_up("porter", position, EVER).await.unwrap());
    node
}

#[tokio::test]
async fn a_group_in_a_copy_of_its_store_goes_on_where_it_stood() {
    let (kv, copied) = (MemoryKv::new(), MemoryKv::new());
    let backend = trip::backend(&kv).await;
    let old = ring(&backend, &["door-old"]).await;
    let node = come_to(&backend, &Porter::default(), old).await;
    let place = ring(&backend, &["door-1", "door-broken", "door-broken", "door-2"]).await;
    assert!(node.consumers().caught_up("porter", place, EVER).await.unwrap());
    let letters = node.consumers().parked("porter", None, 10).await.unwrap().letters;
    assert_eq!(letters.iter().map(|letter| letter.held).collect::<Vec<_>>(), [1]);
    node.drain().await.unwrap();
    // What comes while nobody runs the group is all that its successor is given.
    let last = ring(&backend, &["door-1", "door-3"]).await;
    backend.events.close().await;

    copy(&kv, &copied, &kept_views(&kv).await.unwrap(), |_, _| {}).await.unwrap();
    let (backend, porter) = (trip::backend(&copied).await, Porter::default());
    let node = come_to(&backend, &porter, last).await;
    let mut seen = porter.0.lock().clone();
    seen.sort();
    assert_eq!(seen, [("door-1".to_owned(), last.0 - 1), ("door-3".to_owned(), last.0)]);
    assert_eq!(node.consumers().parked("porter", None, 10).await.unwrap().letters, letters);
    for (door, times) in
        [("door-old", None), ("door-1", Some(2)), ("door-2", Some(1)), ("door-3", Some(1))]
    {
        let count: Option<u64> = node.consumers().document("porter", door).await.unwrap();
        assert_eq!(count, times, "{door}");
    }
    assert_eq!(backend.views.verify().await.unwrap(), Vec::<String>::new());
    node.drain().await.unwrap();
}
