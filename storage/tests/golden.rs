//! The bytes on disk, fixed: what was written once can be read for ever.
//!
//! `golden/v1.txt` holds every entry of a small store that has one of each: `space key value` in hex.
//! Today's program writes the very same bytes, and reads the old ones. When the format changes on
//! purpose, a new file is added and the old ones stay, each with its reading test. `GOLDEN_WRITE=1`
//! writes the file anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fmt::Write as _;
use std::path::PathBuf;

use bytes::Bytes;
use sagaline_storage::clock::{Entropy, Timestamp};
use sagaline_storage::event::{AppendId, CorrelationId, EventId, EventType, NewEvent, NodeId};
use sagaline_storage::event_store::{
    AllQuery, AppendRequest, Claim, ClaimChange, Epoch, EventStore, ExpectedVersion, Fence, Shard,
    StreamWrite,
};
use sagaline_storage::kv::{Durability, Kv, Range, Space, WriteBatch};
use sagaline_storage::log::{Log, LogSettings};
use sagaline_storage::memory::{ManualClock, MemoryKv};
use sagaline_storage::stream::{GlobalPosition, StreamId, StreamVersion};
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

/// Bytes that are always the same.
#[derive(Clone)]
struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

async fn open(kv: MemoryKv) -> Log<MemoryKv, ManualClock> {
    let clock = ManualClock::starting_at(NOW);
    Log::open(kv, clock, &Sevens, LogSettings::default()).await.unwrap()
}

fn event(
    number: u128,
    event_type: &str,
    causation: Option<u128>,
    payload: &'static str,
) -> NewEvent {
    NewEvent {
        id: EventId(Uuid::from_u128(number)),
        event_type: EventType::new(event_type).unwrap(),
        schema_version: 300,
        correlation_id: CorrelationId::new("corr-0192").unwrap(),
        causation_id: causation.map(|id| EventId(Uuid::from_u128(id))),
        payload: Bytes::from_static(payload.as_bytes()),
    }
}

fn write(stream: &str, expected: ExpectedVersion, events: Vec<NewEvent>) -> StreamWrite {
    StreamWrite { stream: StreamId::new(stream).unwrap(), expected, events }
}

/// One append with everything, and one that gives claims up.
fn requests() -> [AppendRequest; 2] {
    let (email, sku) = (Claim::new("email", "ä@example.com"), Claim::new("sku", "4711"));
    let order = StreamId::new("order-0192").unwrap();
    let created = vec![
        event(0xa1, "OrderPlaced", None, r#"{"total":"19.99"}"#),
        event(0xa2, "OrderNoted", Some(0xa1), ""),
    ];
    let started = vec![event(0xa3, "SagaStarted", Some(0xa1), "{}")];
    let first = AppendRequest {
        append_id: AppendId(Uuid::from_u128(0xf1)),
        node_id: NodeId::new("node-1").unwrap(),
        fence: Some(Fence { shard: Shard(7), epoch: Epoch(1) }),
        writes: vec![
            write("order-0192", ExpectedVersion::NoStream, created),
            write("user-1", ExpectedVersion::Exact(StreamVersion(0)), Vec::new()),
            write("saga-0192", ExpectedVersion::Any, started),
        ],
        claims: [email, sku.clone()]
            .map(|claim| ClaimChange::Take { claim, owner: order.clone() })
            .into(),
    };
    let at = Timestamp(NOW.0 + 86_400_000_000);
    let second = AppendRequest {
        append_id: AppendId(Uuid::from_u128(0xf2)),
        node_id: NodeId::new("node-2").unwrap(),
        fence: None,
        writes: vec![write(
            "order-0192",
            ExpectedVersion::StreamExists,
            vec![event(0xa4, "OrderClosed", Some(0xa3), "null")],
        )],
        claims: vec![ClaimChange::ReleaseAt { claim: sku, owner: order, at }],
    };
    [first, second]
}

async fn dump(kv: &MemoryKv) -> String {
    let mut text = String::new();
    for space in [Space::Events, Space::Index] {
        let (from, to) = (Bytes::new(), Bytes::new());
        let all = Range { from, to, backward: false, limit: usize::MAX };
        for (key, value) in kv.scan(space, all).await.unwrap() {
            writeln!(text, "{} {} {}", space as u8, hex(&key), hex(&value)).unwrap();
        }
    }
    text
}

async fn load(text: &str) -> MemoryKv {
    let mut batch = WriteBatch::default();
    for line in text.lines() {
        let mut parts = line.split(' ');
        let space = match parts.next().unwrap() {
            "1" => Space::Events,
            "2" => Space::Index,
            other => panic!("space {other}"),
        };
        batch.put(space, unhex(parts.next().unwrap()), unhex(parts.next().unwrap()));
    }
    let kv = MemoryKv::new();
    kv.write(batch, Durability::Synced).await.unwrap();
    kv
}

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1.txt")
}

#[tokio::test]
async fn today_s_bytes_are_those_of_format_1() {
    let kv = MemoryKv::new();
    let log = open(kv.clone()).await;
    log.raise_epochs(&[Shard(7)]).await.unwrap();
    for request in requests() {
        log.append(request).await.unwrap();
    }
    let today = dump(&kv).await;
    if std::env::var_os("GOLDEN_WRITE").is_some() {
        std::fs::write(golden(), &today).unwrap();
    }
    assert_eq!(today, std::fs::read_to_string(golden()).unwrap());
}

#[tokio::test]
async fn a_store_of_format_1_is_read_and_goes_on() {
    let kv = load(&std::fs::read_to_string(golden()).unwrap()).await;
    let log = open(kv).await;
    assert_eq!((log.identity().format, log.identity().created_at), (1, NOW));
    let verified = log.verify(GlobalPosition::START, |_, _| {}).await.unwrap();
    assert!(verified.is_sound(), "{:?}", verified.damage);

    let page = log.read_all(AllQuery::after(GlobalPosition::START, 10)).await.unwrap();
    let given = requests();
    let events = given.iter().flat_map(|r| r.writes.iter().flat_map(|w| &w.events));
    assert_eq!(page.events.len(), 4);
    for (read, given) in page.events.iter().zip(events) {
        assert_eq!((read.id, &read.event_type), (given.id, &given.event_type));
        assert_eq!((read.schema_version, read.causation_id), (300, given.causation_id));
        assert_eq!((&read.payload, read.recorded_at), (&given.payload, NOW));
        assert_eq!(read.correlation_id, given.correlation_id);
    }
    let places: Vec<_> =
        page.events.iter().map(|e| (e.stream.as_str(), e.version.0, e.node_id.as_str())).collect();
    let wanted = [
        ("order-0192", 1, "node-1"),
        ("order-0192", 2, "node-1"),
        ("saga-0192", 1, "node-1"),
        ("order-0192", 3, "node-2"),
    ];
    assert_eq!(places, wanted);

    assert_eq!(log.epoch(Shard(7)).await.unwrap(), Epoch(1));
    let skus = log.claims("sku", None, 10).await.unwrap();
    assert_eq!(skus[0].until, Some(Timestamp(NOW.0 + 86_400_000_000)));
    let emails = log.claims("email", None, 10).await.unwrap();
    assert_eq!((&*emails[0].claim.key, emails[0].until), ("ä@example.com", None));
    for (request, position) in requests().into_iter().zip([3, 4]) {
        assert_eq!(log.append(request).await.unwrap().position.0, position, "the ids are known");
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
