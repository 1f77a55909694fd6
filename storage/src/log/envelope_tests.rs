//! Records come back, damage is seen, the digest covers what it must.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::event::{AppendId, CorrelationId, EventType};
use crate::event_store::{Claim, Epoch, Fence, Shard, StreamWrite};

fn event(payload: Vec<u8>, causation: Option<u128>) -> NewEvent {
    NewEvent {
        id: EventId(Uuid::from_u128(7)),
        event_type: EventType::new("OrderPlaced").unwrap(),
        schema_version: 3,
        correlation_id: CorrelationId::new("corr-1").unwrap(),
        causation_id: causation.map(|id| EventId(Uuid::from_u128(id))),
        payload: payload.into(),
    }
}

fn stamp(position: u64) -> Stamp {
    Stamp {
        position: GlobalPosition(position),
        version: StreamVersion(2),
        recorded_at: Timestamp(1_700_000_000_000_000),
    }
}

fn record(payload: Vec<u8>, causation: Option<u128>) -> Stamped {
    let stream = StreamId::new("order-1").unwrap();
    let node = NodeId::new("node-1").unwrap();
    Unstamped::new(&stream, &event(payload, causation), &node).unwrap().stamp(stamp(9), &[5; 32])
}

proptest! {
    #[test]
    fn records_come_back(payload: Vec<u8>, causation: Option<u128>) {
        let stamped = record(payload.clone(), causation);
        let back = decode(GlobalPosition(9), &stamped.bytes, &mut Interner::default()).unwrap();
        let given = event(payload, causation);
        prop_assert_eq!(back.version, StreamVersion(2));
        prop_assert_eq!(back.recorded_at, Timestamp(1_700_000_000_000_000));
        prop_assert_eq!((back.stream.as_str(), back.node_id.as_str()), ("order-1", "node-1"));
        prop_assert_eq!((back.id, back.event_type), (given.id, given.event_type));
        prop_assert_eq!((back.schema_version, back.correlation_id), (3, given.correlation_id));
        prop_assert_eq!(back.causation_id, given.causation_id);
        prop_assert_eq!((&back.payload, back.chain), (&given.payload, stamped.chain));
        prop_assert_eq!(stamped.payload, given.payload);
        let expected = expected_chain(GlobalPosition(9), &stamped.bytes, &[5; 32]).unwrap();
        prop_assert_eq!(expected, stamped.chain);
    }

    #[test]
    fn any_bytes_decode_or_are_reported(bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        let _either = decode(GlobalPosition(1), &bytes, &mut Interner::default());
    }
}

#[test]
fn every_changed_byte_breaks_the_chain_or_the_record() {
    let whole = record(b"{\"amount\":1999}".to_vec(), Some(3));
    for at in 0..whole.bytes.len() {
        let mut changed = whole.bytes.to_vec();
        changed[at] ^= 1;
        let changed = Bytes::from(changed);
        let chain = expected_chain(GlobalPosition(9), &changed, &[5; 32]);
        let stored = decode(GlobalPosition(9), &changed, &mut Interner::default());
        let sound = matches!((chain, stored), (Ok(chain), Ok(event)) if event.chain == chain);
        assert!(!sound, "byte {at} was changed and nobody saw it");
    }
}

#[test]
fn what_a_filter_admits_is_decided_before_the_record_is_decoded() {
    let bytes = record(b"{}".to_vec(), Some(3)).bytes;
    let whole = decode(GlobalPosition(9), &bytes, &mut Interner::default()).unwrap();
    let event_types = |name: &str| vec![EventType::new(name).unwrap()];
    let correlation_id = |id: &str| Some(CorrelationId::new(id).unwrap());
    let time = |offset: i64| Some(Timestamp(whole.recorded_at.0.wrapping_add_signed(offset)));
    let wanted = [
        Filter::ALL,
        Filter { event_types: event_types("OrderPlaced"), ..Filter::ALL },
        Filter { categories: vec!["order".into()], ..Filter::ALL },
        Filter { correlation_id: correlation_id("corr-1"), ..Filter::ALL },
        Filter { recorded_from: time(0), recorded_to: time(1), ..Filter::ALL },
    ];
    let others = [
        Filter { event_types: event_types("OrderPlace"), ..Filter::ALL },
        Filter { categories: vec!["order-1".into(), "orde".into()], ..Filter::ALL },
        Filter { correlation_id: correlation_id("corr-10"), ..Filter::ALL },
        Filter { recorded_from: time(1), ..Filter::ALL },
        Filter { recorded_to: time(0), ..Filter::ALL },
    ];
    for (filter, is_wanted) in
        wanted.iter().map(|it| (it, true)).chain(others.iter().map(|it| (it, false)))
    {
        let names = &mut Interner::default();
        let event = decode_admitted(GlobalPosition(9), &bytes, filter, names).unwrap();
        assert_eq!(event, is_wanted.then(|| whole.clone()), "{filter:?}");
        assert_eq!(filter.admits(&whole), is_wanted, "{filter:?}");
        for cut in [0, 30, 60] {
            let part = bytes.slice(..cut);
            decode_admitted(GlobalPosition(9), &part, filter, names).unwrap_err();
        }
    }
}

#[test]
fn the_chain_tells_positions_and_predecessors_apart() {
    let bytes = record(b"{}".to_vec(), None).bytes;
    let here = expected_chain(GlobalPosition(9), &bytes, &[5; 32]).unwrap();
    assert_ne!(here, expected_chain(GlobalPosition(10), &bytes, &[5; 32]).unwrap());
    assert_ne!(here, expected_chain(GlobalPosition(9), &bytes, &[6; 32]).unwrap());
}

#[test]
fn a_newer_record_is_refused_by_its_format_byte() {
    let mut bytes = record(b"{}".to_vec(), None).bytes.to_vec();
    bytes[0] = 2;
    let error = decode(GlobalPosition(9), &Bytes::from(bytes), &mut Interner::default());
    assert!(error.unwrap_err().message.contains("format byte is 2"));
}

fn request() -> AppendRequest {
    let stream = StreamId::new("order-1").unwrap();
    let claim = Claim { kind: Arc::from("sku"), key: Arc::from("4711") };
    AppendRequest {
        append_id: AppendId(Uuid::from_u128(1)),
        node_id: NodeId::new("node-1").unwrap(),
        fence: None,
        writes: vec![StreamWrite {
            stream: stream.clone(),
            expected: ExpectedVersion::Any,
            events: vec![event(b"{}".to_vec(), None)],
        }],
        claims: vec![ClaimChange::Take { claim, owner: stream }],
    }
}

fn digest(request: &AppendRequest) -> [u8; 32] {
    let events: Vec<_> = request
        .writes
        .iter()
        .flat_map(|write| write.events.iter().map(|event| (&write.stream, event)))
        .map(|(stream, event)| Unstamped::new(stream, event, &request.node_id).unwrap())
        .collect();
    append_digest(request, &events).unwrap()
}

#[test]
fn the_append_digest_leaves_out_node_and_fence_and_covers_the_rest() {
    let whole = digest(&request());
    let mut other = request();
    other.node_id = NodeId::new("node-2").unwrap();
    other.fence = Some(Fence { shard: Shard(1), epoch: Epoch(2) });
    other.append_id = AppendId(Uuid::from_u128(2));
    assert_eq!(digest(&other), whole);

    let changes: [fn(&mut AppendRequest); 6] = [
        |r| r.writes[0].events[0].payload = Bytes::from_static(b"{ }"),
        |r| r.writes[0].events[0].schema_version += 1,
        |r| r.writes[0].expected = ExpectedVersion::Exact(StreamVersion(0)),
        |r| r.writes[0].stream = StreamId::new("order-2").unwrap(),
        |r| r.writes[0].events.clear(),
        |r| r.claims.clear(),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut changed = request();
        change(&mut changed);
        assert_ne!(digest(&changed), whole, "change {at} is not covered");
    }
}

#[test]
fn an_event_comes_back_from_binary_as_it_was() {
    let event = RecordedEvent {
        position: GlobalPosition(7),
        stream: StreamId::new("order-1").unwrap(),
        version: StreamVersion(2),
        id: EventId(Uuid::from_u128(3)),
        event_type: EventType::new("OrderPlaced").unwrap(),
        schema_version: 1,
        correlation_id: CorrelationId::new("c-1").unwrap(),
        causation_id: Some(EventId(Uuid::from_u128(4))),
        node_id: NodeId::new("n1").unwrap(),
        recorded_at: Timestamp(5),
        payload: Bytes::from_static(b"{}"),
        chain: [9; 32],
    };
    let bytes = bincode::serde::encode_to_vec(&event, standard()).unwrap();
    let read = bincode::serde::decode_from_slice::<RecordedEvent, _>(&bytes, standard());
    assert_eq!(read.unwrap(), (event, bytes.len()));
}
