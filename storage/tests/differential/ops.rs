//! What a run is made of. Few streams, claims, shards and ids, so that operations meet all the time.

use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use sagaline_storage::clock::Timestamp;
use sagaline_storage::event::{AppendId, CorrelationId, EventId, EventType, NewEvent, NodeId};
use sagaline_storage::event_store::{
    AppendRequest, Claim, ClaimChange, Epoch, ExpectedVersion, Fence, Filter, Shard, StreamWrite,
};
use sagaline_storage::stream::{StreamId, StreamVersion};
use uuid::Uuid;

pub(crate) const STREAMS: &[&str] = &["a-1", "a-2", "b-1", "b-1-1", "c"];
const TYPES: &[&str] = &["Placed", "Paid", "Closed"];
const KEYS: &[&str] = &["", "x", "x\0y", "xy"];

#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// Appends asked for at once.
    Appends(Vec<Append>),
    Raise(Vec<u32>),
    Advance(u64),
    Reopen,
}

/// An append in small numbers.
#[derive(Debug, Clone)]
pub(crate) struct Append {
    id: u8,
    writes: Vec<(usize, ExpectedVersion, usize)>,
    claims: Vec<(usize, u8, usize, u64)>,
    fence: Option<(u32, u64)>,
}

pub(crate) fn runs(length: usize) -> impl Strategy<Value = Vec<Op>> {
    vec(
        prop_oneof![
            12 => vec(appends(), 1..6).prop_map(Op::Appends),
            2 => btree_set(0_u32..3, 1..3).prop_map(|shards| Op::Raise(shards.into_iter().collect())),
            2 => (0_u64..30).prop_map(Op::Advance),
            1 => Just(Op::Reopen),
        ],
        1..length,
    )
}

fn appends() -> impl Strategy<Value = Append> {
    let expected = prop_oneof![
        4 => Just(ExpectedVersion::Any),
        1 => Just(ExpectedVersion::NoStream),
        1 => Just(ExpectedVersion::StreamExists),
        3 => (0_u64..8).prop_map(|version| ExpectedVersion::Exact(StreamVersion(version))),
    ];
    let writes = vec((0..STREAMS.len(), expected, 0_usize..4), 0..3);
    let claims = vec((0..KEYS.len(), 0_u8..4, 0..STREAMS.len(), 0_u64..40), 0..3);
    let fence = proptest::option::weighted(0.3, (0_u32..3, 0_u64..3));
    // Mostly new ids, sometimes one that is used already: rarely with the same content, see `request`.
    (0_u8..60, writes, claims, fence).prop_map(|(id, writes, claims, fence)| Append {
        id,
        writes,
        claims,
        fence,
    })
}

impl Append {
    /// The request; it may contradict itself.
    pub(crate) fn request(&self, now: Timestamp) -> AppendRequest {
        // A third of the ids ask for one fixed content each, so that repetitions are true ones.
        let fixed = self.id.is_multiple_of(3);
        let writes = if fixed { &vec![(1, ExpectedVersion::Any, 2)] } else { &self.writes };
        let claims = if fixed { &Vec::new() } else { &self.claims };
        let mut count = 0;
        AppendRequest {
            append_id: AppendId(Uuid::from_u128(self.id.into())),
            node_id: NodeId::new("node").unwrap(),
            fence: self
                .fence
                .map(|(shard, epoch)| Fence { shard: Shard(shard), epoch: Epoch(epoch) }),
            writes: writes.iter().map(|write| self.write(*write, &mut count)).collect(),
            claims: claims.iter().map(|claim| change(*claim, now)).collect(),
        }
    }

    fn write(
        &self,
        (stream, expected, events): (usize, ExpectedVersion, usize),
        count: &mut u128,
    ) -> StreamWrite {
        let events = (0..events).map(|at| {
            *count += 1;
            NewEvent {
                id: EventId(Uuid::from_u128((u128::from(self.id) << 32) + *count)),
                event_type: EventType::new(TYPES[(at + stream) % TYPES.len()]).unwrap(),
                schema_version: 1,
                correlation_id: CorrelationId::new(format!(
                    "c-{}",
                    (at + usize::from(self.id)) % 3
                ))
                .unwrap(),
                causation_id: None,
                payload: Bytes::from(vec![b'x'; at * 50]),
            }
        });
        let events = events.collect();
        StreamWrite { stream: StreamId::new(STREAMS[stream]).unwrap(), expected, events }
    }
}

fn change((key, kind, owner, offset): (usize, u8, usize, u64), now: Timestamp) -> ClaimChange {
    let claim = Claim::new("k", KEYS[key]);
    let owner = StreamId::new(STREAMS[owner]).unwrap();
    match kind {
        0 | 1 => ClaimChange::Take { claim, owner },
        2 => ClaimChange::Release { claim, owner },
        _ => ClaimChange::ReleaseAt {
            claim,
            owner,
            at: Timestamp((now.0 + offset).saturating_sub(5)),
        },
    }
}

pub(crate) fn filters() -> Vec<Filter> {
    let types = |names: &[&str]| names.iter().map(|name| EventType::new(*name).unwrap()).collect();
    let correlation_id = Some(CorrelationId::new("c-1").unwrap());
    vec![
        Filter::ALL,
        Filter { event_types: types(&["Closed"]), ..Filter::ALL },
        Filter { event_types: types(&["Never", "Paid"]), ..Filter::ALL },
        Filter { categories: vec![Arc::from("b")], ..Filter::ALL },
        Filter { correlation_id: correlation_id.clone(), ..Filter::ALL },
        Filter { correlation_id, event_types: types(&["Placed"]), ..Filter::ALL },
    ]
}
