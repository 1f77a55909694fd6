//! Shards and partitions of the group's topic: neighbouring shards share a partition, so that what comes
//! with one is read from the store in one go. Pure; the same on every node.

use std::ops::Range;

use sagaline_storage::Shard;

/// The shards that come with `partition` of `partitions`. Every shard belongs to exactly one.
pub(crate) fn shards_of(partition: u32, partitions: u32, shards: u32) -> Vec<Shard> {
    let partitions = partitions.max(1);
    if partition >= partitions {
        return Vec::new();
    }
    let first = |partition: u32| {
        let first = u64::from(partition) * u64::from(shards);
        first.div_ceil(u64::from(partitions)) as u32
    };
    (first(partition)..first(partition + 1)).map(Shard).collect()
}

/// Neighbouring shards, as ranges. `shards` are in order.
pub(crate) fn runs(shards: &[Shard]) -> Vec<Range<u32>> {
    let mut runs: Vec<Range<u32>> = Vec::new();
    for shard in shards {
        match runs.last_mut() {
            Some(run) if run.end == shard.0 => run.end += 1,
            _ => runs.push(shard.0..shard.0 + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_shard_is_in_one_partition_and_partitions_are_even(
            shards in 1_u32..300,
            partitions in 1_u32..64,
        ) {
            let of = |partition| shards_of(partition, partitions, shards);
            let all: Vec<_> = (0..partitions).flat_map(of).collect();
            prop_assert_eq!(all, (0..shards).map(Shard).collect::<Vec<_>>());
            let sizes: Vec<_> = (0..partitions).map(|partition| of(partition).len()).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            prop_assert!(of(partitions).is_empty());
        }
    }

    #[test]
    fn neighbours_make_one_run() {
        let shards: Vec<_> = [0, 1, 2, 5, 7, 8].map(Shard).to_vec();
        assert_eq!(runs(&shards), [0..3, 5..6, 7..9]);
        assert_eq!(runs(&[]), []);
    }
}
