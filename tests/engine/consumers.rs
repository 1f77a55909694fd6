//! Consumer groups: at least once, in the order of a key, dead letters, and documents that count exactly once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline::engine::{
    Ack, Begin, CommandMetadata, Consumer, ConsumerError, DeadLetter, Delivery, DeliveryOrder,
    Failure, Node, NodeBuilder, NodeError, Outcome,
};
use sagaline::saga::Policy;
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::view_store::limits::DOCUMENT_BYTES_MAX;
use sagaline_storage::{
    AppendId, AppendRequest, Backend, CorrelationId, Entropy, EventId, EventStore, EventType,
    ExpectedVersion, GlobalPosition, NewEvent, NodeId, StreamId, StreamWrite,
};
use uuid::Uuid;

use crate::nodes::{Cluster, Shared, settled, until};
use crate::trip::{self, Memory};

/// Long enough for any machine; nobody waits for it.
const EVER: Duration = Duration::from_secs(600);

/// How a delivery goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    Well,
    Wrong,
    Never,
    Panics,
    Hangs,
}

type Plan = dyn Fn(&Delivery) -> Goes + Send + Sync;

/// Notes every delivery, and counts those of each stream in its documents.
#[derive(Clone)]
struct Watcher {
    seen: Arc<Mutex<Vec<(String, u64, u32)>>>,
    plan: Arc<Mutex<Arc<Plan>>>,
}

impl Watcher {
    fn new(plan: impl Fn(&Delivery) -> Goes + Send + Sync + 'static) -> Self {
        Self { seen: Arc::default(), plan: Arc::new(Mutex::new(Arc::new(plan))) }
    }

    fn plan(&self, plan: impl Fn(&Delivery) -> Goes + Send + Sync + 'static) {
        *self.plan.lock() = Arc::new(plan);
    }

    /// The versions of a stream in the order in which they were first delivered.
    fn first_seen(&self, stream: &str) -> Vec<u64> {
        let mut first = Vec::new();
        for (of, version, _) in self.seen.lock().iter() {
            if of == stream && !first.contains(version) {
                first.push(*version);
            }
        }
        first
    }

    fn attempts(&self, stream: &str, version: u64) -> Vec<u32> {
        let seen = self.seen.lock();
        let of = seen.iter().filter(|(of, at, _)| of == stream && *at == version);
        of.map(|(_, _, attempt)| *attempt).collect()
    }
}

impl Consumer for Watcher {
    const NAME: &'static str = "watcher";
    const CATEGORIES: &'static [&'static str] = &["door"];

    fn policy(&self) -> Policy {
        let (backoff_min_ms, backoff_max_ms, attempt_timeout_ms) = (1, 4, 30);
        Policy {
            attempts: 3,
            backoff_min_ms,
            backoff_max_ms,
            attempt_timeout_ms,
            ..Policy::default()
        }
    }

    async fn consume(&self, delivery: &Delivery) -> Outcome<Ack> {
        let event = delivery.envelope();
        assert_eq!(delivery.id(), format!("watcher/{}", event.id.0));
        let stream = event.stream.as_str().to_owned();
        self.seen.lock().push((stream.clone(), event.version.0, delivery.attempt()));
        let plan = self.plan.lock().clone();
        match plan(delivery) {
            Goes::Well => {
                Ok(Ack::new().change(stream, |count: Option<u64>| Some(count.unwrap_or(0) + 1)))
            }
            Goes::Wrong => Err(Failure::unknown("the bell is broken")),
            Goes::Never => Err(Failure::rejected("NO_BELL", "there is no bell")),
            Goes::Panics => panic!("a door slams"),
            Goes::Hangs => std::future::pending().await,
        }
    }
}

/// Appends an event to each of these streams, one after the other.
pub(crate) async fn ring<B: Backend>(backend: &B, streams: &[&str]) -> GlobalPosition {
    let mut last = GlobalPosition::START;
    for stream in streams {
        let event = NewEvent {
            id: EventId(backend.entropy().uuid_v7(backend.clock_now())),
            event_type: EventType::new("Rung").unwrap(),
            schema_version: 1,
            correlation_id: CorrelationId::new("c").unwrap(),
            causation_id: None,
            payload: b"{}".as_slice().into(),
        };
        let write = StreamWrite {
            stream: StreamId::new(*stream).unwrap(),
            expected: ExpectedVersion::Any,
            events: vec![event],
        };
        let request = AppendRequest {
            append_id: AppendId(Uuid::from_u128(u128::from(backend.entropy().next_u64()))),
            node_id: NodeId::new("bell").unwrap(),
            fence: None,
            writes: vec![write],
            claims: Vec::new(),
        };
        last = backend.events().append(request).await.unwrap().position;
    }
    last
}

trait Now: Backend {
    fn clock_now(&self) -> sagaline_storage::Timestamp {
        sagaline_storage::Clock::now(self.clock())
    }
}

impl<B: Backend> Now for B {}

async fn node(backend: &Memory, watcher: &Watcher) -> Node<Memory> {
    NodeBuilder::new(backend.clone()).consumer(watcher.clone()).start().await.unwrap()
}

async fn come_to<B: Backend>(node: &Node<B>, position: GlobalPosition) {
    assert!(node.consumers().caught_up("watcher", position, EVER).await.unwrap());
}

async fn count<B: Backend>(node: &Node<B>, stream: &str) -> Option<u64> {
    node.consumers().document("watcher", stream).await.unwrap()
}

async fn parked<B: Backend>(node: &Node<B>) -> Vec<DeadLetter> {
    node.consumers().parked("watcher", None, 100).await.unwrap().letters
}

/// Waits until so many keys are parked, waiting, and letters.
async fn stands_at<B: Backend>(node: &Node<B>, wants: (u64, u64, u64)) {
    loop {
        let status = node.consumers().status("watcher").await.unwrap();
        if (status.parked_keys, status.waiting_keys, status.letters) == wants {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn metadata() -> CommandMetadata {
    CommandMetadata { correlation_id: CorrelationId::new("op-1").unwrap(), causation_id: None }
}

const WORDS: (&str, &str) = ("it is mended", "ann");

#[tokio::test]
async fn every_event_is_delivered_in_the_order_of_its_stream_and_counts_once() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let watcher = Watcher::new(|_| Goes::Well);
    let before = ["door-1", "door-2", "window-1", "door-1"];
    ring(&backend, &before).await;
    let node = node(&backend, &watcher).await;
    let last = ring(&backend, &["door-1", "door-2", "door-3"].repeat(40)).await;
    come_to(&node, last).await;
    assert!(watcher.first_seen("door-1").into_iter().eq(1..=42));
    assert!(watcher.first_seen("door-2").into_iter().eq(1..=41));
    assert_eq!(watcher.seen.lock().len(), 123, "each once, and nothing of other categories");
    let counts = (count(&node, "door-1").await, count(&node, "door-3").await);
    assert_eq!(counts, (Some(42), Some(40)));
    let status = node.consumers().status("watcher").await.unwrap();
    assert_eq!((status.position, status.head, status.letters), (last, last, 0));
}

#[tokio::test]
async fn what_fails_is_tried_again_and_what_panics_or_hangs_fails() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let watcher =
        Watcher::new(|delivery| match (delivery.envelope().stream.key(), delivery.attempt()) {
            (_, 3) => Goes::Well,
            ("1", _) => Goes::Wrong,
            ("2", _) => Goes::Panics,
            _ => Goes::Hangs,
        });
    let node = node(&backend, &watcher).await;
    ring(&backend, &["door-1", "door-2", "door-3"]).await;
    stands_at(&node, (0, 0, 0)).await;
    until(|| watcher.seen.lock().len() == 9).await;
    stands_at(&node, (0, 0, 0)).await;
    for stream in ["door-1", "door-2", "door-3"] {
        assert_eq!(watcher.attempts(stream, 1), [1, 2, 3], "{stream}");
        assert_eq!(count(&node, stream).await, Some(1));
    }
    assert_eq!(node.metrics().consumer_panics.get(), 2);
    assert_eq!(node.metrics().consumer_failures.get(), 6);
}

#[tokio::test]
async fn a_poison_event_is_parked_with_its_reason_and_holds_up_nobody_else() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let watcher = Watcher::new(|delivery| match delivery.envelope().stream.key() {
        "1" => Goes::Never,
        "2" => Goes::Wrong,
        _ => Goes::Well,
    });
    let node = node(&backend, &watcher).await;
    let last = ring(&backend, &["door-1", "door-2", "door-3"].repeat(5)).await;
    come_to(&node, last).await;
    stands_at(&node, (2, 0, 10)).await;
    assert!(watcher.first_seen("door-3").into_iter().eq(1..=5));
    assert_eq!((watcher.attempts("door-1", 1), watcher.attempts("door-1", 2)), (vec![1], vec![]));
    assert_eq!(watcher.attempts("door-2", 1), [1, 2, 3]);
    let letters = parked(&node).await;
    let shown = |letter: &DeadLetter| {
        (letter.key.clone(), letter.event.position.0, letter.attempts, letter.held)
    };
    let wants = [("door-1".to_owned(), 1, 1, 4), ("door-2".to_owned(), 2, 3, 4)];
    assert_eq!(letters.iter().map(shown).collect::<Vec<_>>(), wants);
    assert_eq!(letters[0].reason, "NO_BELL: there is no bell");
    assert_eq!(letters[1].reason, "the bell is broken");
    assert_eq!(node.metrics().consumer_parked.get(), 2);
}

#[tokio::test]
async fn what_is_parked_is_replayed_in_order_or_skipped_by_an_operator() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let watcher = Watcher::new(|delivery| match delivery.envelope().version.0 {
        1 => Goes::Never,
        _ => Goes::Well,
    });
    let node = node(&backend, &watcher).await;
    ring(&backend, &["door-1", "door-2", "door-3"].repeat(3)).await;
    stands_at(&node, (3, 0, 9)).await;
    let consumers = node.consumers();
    consumers.skip("watcher", "door-1", WORDS, &metadata()).await.unwrap();
    stands_at(&node, (2, 0, 6)).await;
    assert_eq!(watcher.first_seen("door-1"), [1, 2, 3]);
    assert_eq!(count(&node, "door-1").await, Some(2), "the skipped one did nothing");
    watcher.plan(|_| Goes::Well);
    consumers.replay("watcher", Some("door-2"), WORDS, &metadata()).await.unwrap();
    stands_at(&node, (1, 0, 3)).await;
    assert_eq!(watcher.attempts("door-2", 1), [1, 1], "from its first attempt on");
    consumers.replay("watcher", None, WORDS, &metadata()).await.unwrap();
    stands_at(&node, (0, 0, 0)).await;
    assert_eq!((count(&node, "door-2").await, count(&node, "door-3").await), (Some(3), Some(3)));
    assert_eq!(watcher.first_seen("door-3"), [1, 2, 3]);

    let stream = StreamId::new("consumer-watcher").unwrap();
    let from = sagaline_storage::StreamVersion(1);
    let asked =
        backend.events().read_stream(&stream, from, sagaline_storage::Direction::Forward, 9);
    let asked = asked.await.unwrap();
    let words: Vec<_> = asked.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(words, ["SkipRequested", "ReplayRequested", "ReplayRequested"], "the log knows who");
    assert!(asked.iter().all(|event| event.correlation_id.as_str() == "op-1"));
}

#[tokio::test]
async fn requests_that_cannot_be_are_refused() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let node = node(&backend, &Watcher::new(|_| Goes::Well)).await;
    let consumers = node.consumers();
    assert_eq!(consumers.names(), ["watcher"]);
    for key in [None, Some("door-1")] {
        let refused = consumers.replay("watcher", key, WORDS, &metadata()).await.unwrap_err();
        assert!(matches!(refused, ConsumerError::NotParked { .. }), "{refused}");
    }
    let refused = consumers.skip("watcher", "door-1", WORDS, &metadata()).await.unwrap_err();
    assert_eq!(refused.to_string(), "consumer watcher: key \"door-1\" is not parked");
    let unknown = consumers.status("nobody").await.unwrap_err();
    assert_eq!(unknown, ConsumerError::Unknown { name: "nobody".to_owned() });
}

#[tokio::test]
async fn a_restart_in_the_middle_loses_nothing_and_counts_nothing_twice() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let doors = ["door-1", "door-2", "door-3", "door-4"];
    let poison = |delivery: &Delivery| {
        let event = delivery.envelope();
        event.stream.key() == "4" && event.version.0 == 2
    };
    let watcher =
        Watcher::new(move |delivery| if poison(delivery) { Goes::Never } else { Goes::Well });
    for round in 0..6 {
        let node = node(&backend, &watcher).await;
        let last = ring(&backend, &doors.repeat(5)).await;
        if round % 2 == 0 {
            until(|| watcher.seen.lock().len() > round * 15).await;
            drop(node);
        } else {
            come_to(&node, last).await;
            node.drain().await.unwrap();
        }
    }
    let node = node(&backend, &watcher).await;
    stands_at(&node, (1, 0, 29)).await;
    for stream in &doors[..3] {
        assert_eq!(count(&node, stream).await, Some(30), "{stream}");
        assert!(watcher.first_seen(stream).into_iter().eq(1..=30), "{stream}");
    }
    assert_eq!(count(&node, "door-4").await, Some(1));
    watcher.plan(|_| Goes::Well);
    node.consumers().replay("watcher", None, WORDS, &metadata()).await.unwrap();
    stands_at(&node, (0, 0, 0)).await;
    assert_eq!(count(&node, "door-4").await, Some(30));
    assert!(watcher.first_seen("door-4").into_iter().eq(1..=30));
}

#[tokio::test]
async fn a_group_goes_on_at_another_node_and_counts_every_event_once() {
    let cluster = Cluster::new().await;
    let watcher = Watcher::new(|_| Goes::Well);
    let join = async |name| {
        let builder = cluster.builder(name, cluster.backend()).consumer(watcher.clone());
        builder.start().await.unwrap()
    };
    let mut nodes: Vec<Node<Shared>> = vec![join("n1").await];
    settled(&nodes).await;
    let doors = ["door-1", "door-2", "door-3"];
    let mut rung = 0;
    for name in ["n2", "n3", "n4"] {
        ring(nodes[0].backend(), &doors.repeat(10)).await;
        nodes.push(join(name).await);
        settled(&nodes).await;
        ring(nodes[0].backend(), &doors.repeat(10)).await;
        rung += 20;
        match name {
            "n3" => drop(nodes.remove(0)),
            _ => nodes.remove(0).drain().await.unwrap(),
        }
        settled(&nodes).await;
    }
    let last = ring(nodes[0].backend(), &doors).await;
    come_to(&nodes[0], last).await;
    for stream in doors {
        assert_eq!(count(&nodes[0], stream).await, Some(rung + 1), "{stream}");
        assert!(watcher.first_seen(stream).into_iter().eq(1..=rung + 1), "{stream}");
    }
}

/// Wants what nobody writes.
struct Idle;

impl Consumer for Idle {
    const NAME: &'static str = "idle";
    const CATEGORIES: &'static [&'static str] = &["absent"];
    const EVENT_TYPES: &'static [&'static str] = &["Never"];

    async fn consume(&self, _: &Delivery) -> Outcome<Ack> {
        panic!("there is nothing to deliver")
    }
}

#[tokio::test]
async fn a_group_to_which_nothing_matters_comes_along_all_the_same() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let node = NodeBuilder::new(backend.clone()).consumer(Idle).start().await.unwrap();
    let last = ring(&backend, &["door-1"].repeat(50)).await;
    assert!(node.consumers().caught_up("idle", last, EVER).await.unwrap());
}

/// Sees only what comes, of one request at a time.
#[derive(Clone, Default)]
struct Late(Arc<Mutex<BTreeMap<String, u64>>>);

impl Consumer for Late {
    const NAME: &'static str = "late";
    const CATEGORIES: &'static [&'static str] = &[];
    const ORDER: DeliveryOrder = DeliveryOrder::CorrelationId;
    const BEGIN: Begin = Begin::Head;

    async fn consume(&self, delivery: &Delivery) -> Outcome<Ack> {
        let stream = delivery.envelope().stream.as_str().to_owned();
        *self.0.lock().entry(stream).or_default() += 1;
        Ok(Ack::new())
    }
}

#[tokio::test]
async fn a_group_that_begins_at_the_head_begins_there_once() {
    let backend = trip::backend(&MemoryKv::new()).await;
    ring(&backend, &["old-1", "old-2"]).await;
    let late = Late::default();
    let start = async || {
        let node = NodeBuilder::new(backend.clone()).consumer(late.clone()).start().await.unwrap();
        // Its beginning is stored before this is true.
        assert!(node.consumers().caught_up("late", GlobalPosition(2), EVER).await.unwrap());
        node
    };
    start().await.drain().await.unwrap();
    let last = ring(&backend, &["between-1"]).await;
    let node = start().await;
    assert!(node.consumers().caught_up("late", last, EVER).await.unwrap());
    assert_eq!(*late.0.lock(), BTreeMap::from([("between-1".to_owned(), 1)]));
}

struct BadName;

impl Consumer for BadName {
    const NAME: &'static str = "Bad Name";
    const CATEGORIES: &'static [&'static str] = &[];

    async fn consume(&self, _: &Delivery) -> Outcome<Ack> {
        Ok(Ack::new())
    }
}

#[tokio::test]
async fn a_node_does_not_start_with_consumers_that_cannot_be() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let error = NodeBuilder::new(backend.clone()).consumer(BadName).start().await.err().unwrap();
    assert!(error.to_string().contains("\"Bad Name\": NAME wants 1 to 64 bytes"), "{error}");
    let twice = NodeBuilder::new(backend).consumer(Idle).consumer(Idle).start().await;
    let error = twice.err().unwrap();
    assert!(matches!(&error, NodeError::Setting(text) if text.contains("twice")), "{error}");
}

/// Documents that do not fit their type are found out and change nothing.
struct Confused;

impl Consumer for Confused {
    const NAME: &'static str = "confused";
    const CATEGORIES: &'static [&'static str] = &["door"];

    async fn consume(&self, delivery: &Delivery) -> Outcome<Ack> {
        Ok(match delivery.envelope().version.0 {
            1 => Ack::new().change("a", |_: Option<String>| Some("text".to_owned())),
            2 => Ack::new()
                .change("b", |_: Option<u64>| Some(1))
                .change("a", |number: Option<u64>| number),
            _ => Ack::new().change("c", |_: Option<u64>| -> Option<u64> { panic!("at last") }),
        })
    }
}

#[tokio::test]
async fn an_ack_whose_changes_cannot_be_made_parks_its_event_and_changes_nothing() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let node = NodeBuilder::new(backend.clone()).consumer(Confused).start().await.unwrap();
    ring(&backend, &["door-1", "door-1", "door-1"]).await;
    let consumers = node.consumers();
    for wants in ["document `a` does not fit its type", "the change of document `c` panicked"] {
        let letter = loop {
            let page = consumers.parked("confused", None, 10).await.unwrap();
            match page.letters.into_iter().find(|letter| letter.reason.starts_with(wants)) {
                Some(letter) => break letter,
                None => tokio::task::yield_now().await,
            }
        };
        consumers.skip("confused", &letter.key, WORDS, &metadata()).await.unwrap();
    }
    assert_eq!(consumers.document::<String>("confused", "a").await.unwrap().unwrap(), "text");
    assert_eq!(consumers.document::<u64>("confused", "b").await.unwrap(), None);
}

/// Keeps documents as long as they may be, and of one door a byte more.
struct Hoarder;

impl Consumer for Hoarder {
    const NAME: &'static str = "hoarder";
    const CATEGORIES: &'static [&'static str] = &["door"];

    async fn consume(&self, delivery: &Delivery) -> Outcome<Ack> {
        let key = delivery.envelope().stream.key().to_owned();
        // In JSON there are two quotation marks around it.
        let chars = DOCUMENT_BYTES_MAX - 2 + usize::from(key == "big");
        Ok(Ack::new().change(key, move |_: Option<String>| Some("x".repeat(chars))))
    }
}

#[tokio::test]
async fn a_document_that_the_store_does_not_take_parks_its_event_and_holds_up_nobody_else() {
    let backend = trip::backend(&MemoryKv::new()).await;
    let node = NodeBuilder::new(backend.clone()).consumer(Hoarder).start().await.unwrap();
    let last = ring(&backend, &["door-big", "door-full"]).await;
    let consumers = node.consumers();
    assert!(consumers.caught_up("hoarder", last, EVER).await.unwrap());
    let letters = consumers.parked("hoarder", None, 10).await.unwrap().letters;
    let shown: Vec<_> =
        letters.iter().map(|letter| (letter.key.as_str(), letter.attempts)).collect();
    assert_eq!(shown, [("door-big", 1)]);
    let reason = format!(
        "document `big` of {} bytes: wants at most {DOCUMENT_BYTES_MAX}",
        DOCUMENT_BYTES_MAX + 1
    );
    assert_eq!(letters[0].reason, reason);
    assert_eq!(consumers.document::<String>("hoarder", "big").await.unwrap(), None);
    let full = consumers.document::<String>("hoarder", "full").await.unwrap();
    assert_eq!(full.map(|text| text.len()), Some(DOCUMENT_BYTES_MAX - 2));
}
