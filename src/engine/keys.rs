//! Names the engine stores: streams, claims, idempotency keys, shards. Stored; never change them.

use sagaline_storage::{Claim, Shard, StorageError, StreamId};
use uuid::Uuid;

use crate::domain::Aggregate;
use crate::saga::StepDirection;

/// The category of saga streams.
pub const SAGA_CATEGORY: &str = "saga";

/// The categories of streams that the engine itself writes.
const OWN_CATEGORIES: [&str; 3] = [SAGA_CATEGORY, "barrier", "consumer"];

/// What a category may be.
const CATEGORY_WANTED: &str =
    "wants 1 or more bytes of [A-Za-z0-9_.:@+], without `-`, which ends it in a stream's name";

/// Claim kind: sagas that somebody must be working on. Key: `shard/saga id`.
pub(crate) const LIVE_CLAIM: &str = "saga-live";

/// Claim kind: sagas that wait for an operator. Key: `shard/saga id`.
pub(crate) const PARKED_CLAIM: &str = "saga-parked";

/// Claim kind: a saga's idempotency key. Key: `saga type/idempotency key`.
pub(crate) const START_CLAIM: &str = "saga-start";

/// Claim kind: into how many shards this store's sagas are divided. Key: the number. There is one.
pub(crate) const SHARDS_CLAIM: &str = "saga-shards";

/// The stream of a saga.
pub fn saga_stream(id: Uuid) -> StreamId {
    StreamId::new(format!("{SAGA_CATEGORY}-{id}")).expect("a category and a UUID are a valid name")
}

/// The saga of a stream, when it is a saga's.
pub fn saga_of(stream: &StreamId) -> Option<Uuid> {
    (stream.category() == SAGA_CATEGORY).then(|| Uuid::parse_str(stream.key()).ok()).flatten()
}

/// The stream of an aggregate.
pub(crate) fn aggregate_stream<A: Aggregate>(id: &str) -> Result<StreamId, StorageError> {
    let category = A::CATEGORY;
    if !is_category(category) {
        let problem = format!("aggregate category {category:?}: {CATEGORY_WANTED}");
        return Err(StorageError::invalid(problem));
    }
    if OWN_CATEGORIES.contains(&category) && !is_own::<A>() {
        let own = OWN_CATEGORIES.join(", ");
        let problem = format!("aggregate category {category:?}: the engine's own are {own}");
        return Err(StorageError::invalid(problem));
    }
    StreamId::new(format!("{category}-{id}"))
}

/// Refuses categories of which no stream can be: who follows them would never see an event.
pub(crate) fn check_categories<'a>(
    follower: &str,
    categories: impl IntoIterator<Item = &'a str>,
) -> Result<(), StorageError> {
    let wrong = categories.into_iter().find(|category| !is_category(category));
    wrong.map_or(Ok(()), |wrong| {
        let problem = format!("{follower}: category {wrong:?}: {CATEGORY_WANTED}");
        Err(StorageError::invalid(problem))
    })
}

fn is_category(name: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:@+".contains(&byte);
    !name.is_empty() && name.bytes().all(may_stand)
}

/// Whether it is an aggregate of the engine: each stands in the module that is called like its category.
fn is_own<A: Aggregate>() -> bool {
    let place = std::any::type_name::<A>().strip_prefix("sagaline::engine::");
    let within = place.and_then(|place| place.strip_prefix(A::CATEGORY));
    within.is_some_and(|within| within.starts_with("::"))
}

/// `saga id/step/direction`: the attempt is never in it.
pub(crate) fn call_key(saga: Uuid, step: &str, direction: StepDirection) -> String {
    let direction = match direction {
        StepDirection::Action => "action",
        StepDirection::Compensation => "compensation",
    };
    format!("{saga}/{step}/{direction}")
}

pub(crate) fn live_claim(shard: Shard, saga: Uuid) -> Claim {
    Claim::new(LIVE_CLAIM, format!("{:05}/{saga}", shard.0))
}

/// A place before the live claims of a shard and behind those of the shards before it.
pub(crate) fn before_live_claims(shard: Shard) -> String {
    format!("{:05}/", shard.0)
}

pub(crate) fn parked_claim(shard: Shard, saga: Uuid) -> Claim {
    Claim::new(PARKED_CLAIM, format!("{:05}/{saga}", shard.0))
}

pub(crate) fn start_claim(saga_type: &str, key: &str) -> Claim {
    Claim::new(START_CLAIM, format!("{saga_type}/{key}"))
}

/// The shard a saga belongs to: FNV-1a over the id's bytes, so that every node and every version agrees.
pub(crate) fn shard_of(saga: Uuid, shards: u32) -> Shard {
    shard_of_bytes(saga.as_bytes(), shards)
}

/// The shard whose owner does a duty of this name.
pub(crate) fn shard_of_name(name: &str, shards: u32) -> Shard {
    shard_of_bytes(name.as_bytes(), shards)
}

fn shard_of_bytes(bytes: &[u8], shards: u32) -> Shard {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // FNV's low bits mix poorly; the high ones are folded in.
    let mixed = hash ^ (hash >> 32);
    Shard(u32::try_from(mixed % u64::from(shards.max(1))).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saga_keeps_its_shard_for_ever() {
        let id = Uuid::parse_str("0192f3a0-0000-7000-8000-000000000001").unwrap();
        assert_eq!(shard_of(id, 64), Shard(29));
        assert_eq!(shard_of(id, 1), Shard(0));
        let mut sagas = [0_u32; 16];
        for n in 0..16_000_u128 {
            let id = Uuid::from_u128(id.as_u128() + n);
            sagas[shard_of(id, 16).0 as usize] += 1;
        }
        assert!(sagas.iter().all(|count| (500..2_000).contains(count)), "{sagas:?}");
    }

    #[test]
    fn a_saga_stream_leads_back_to_its_saga() {
        let id = Uuid::from_u128(7);
        assert_eq!(saga_of(&saga_stream(id)), Some(id));
        assert_eq!(saga_of(&StreamId::new("order-7").unwrap()), None);
        assert_eq!(saga_of(&StreamId::new("saga-seven").unwrap()), None);
    }

    #[test]
    fn the_attempt_is_not_in_the_key() {
        let id = Uuid::from_u128(7);
        assert_eq!(call_key(id, "hotel", StepDirection::Action), format!("{id}/hotel/action"));
    }
}
