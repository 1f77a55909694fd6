//! Which member of a group owns which partition: pure.

use super::group::MemberId;

/// Shares the partitions out anew. Afterwards every partition has an owner among `members` (none when
/// there are none), no member has more than one partition more than another, and an owner keeps what
/// fits that: a partition that moves is work done twice.
pub(super) fn assign(owners: &mut [Option<MemberId>], members: &[MemberId]) {
    let mut held: Vec<(MemberId, usize)> = members.iter().map(|&member| (member, 0)).collect();
    let mut quotas = Quotas::of(owners.len(), members.len());
    for owner in owners.iter_mut() {
        let kept = held.iter_mut().find(|(member, _)| Some(*member) == *owner);
        match kept {
            Some((_, count)) if quotas.admit(*count) => *count += 1,
            _ => *owner = None,
        }
    }
    for owner in owners.iter_mut().filter(|owner| owner.is_none()) {
        let least = held.iter_mut().min_by_key(|(_, count)| *count);
        *owner = least.map(|(member, count)| {
            *count += 1;
            *member
        });
    }
}

/// How many members may hold the bigger share, when the partitions cannot be shared evenly.
struct Quotas {
    share: usize,
    bigger: usize,
}

impl Quotas {
    fn of(partitions: usize, members: usize) -> Self {
        let members = members.max(1);
        Self { share: partitions / members, bigger: partitions % members }
    }

    /// Whether a member that keeps `count` may keep one more.
    fn admit(&mut self, count: usize) -> bool {
        if count < self.share {
            return true;
        }
        let bigger = count == self.share && self.bigger > 0;
        self.bigger -= usize::from(bigger);
        bigger
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(owners: &[Option<MemberId>], members: &[MemberId]) -> Vec<usize> {
        let count = |member| owners.iter().filter(|owner| **owner == Some(member)).count();
        members.iter().map(|&member| count(member)).collect()
    }

    proptest! {
        #[test]
        fn shares_are_even_and_nothing_is_without_owner(
            partitions in 1usize..20,
            changes in proptest::collection::vec((any::<bool>(), 0usize..8), 1..20),
        ) {
            let mut owners = vec![None; partitions];
            let mut members: Vec<MemberId> = Vec::new();
            for (number, (join, which)) in changes.into_iter().enumerate() {
                if join || members.is_empty() {
                    members.push(MemberId(number as u64));
                } else {
                    members.remove(which % members.len());
                }
                assign(&mut owners, &members);
                let shares = shares(&owners, &members);
                let (least, most) = (shares.iter().min(), shares.iter().max());
                prop_assert_eq!(shares.iter().sum::<usize>(), if members.is_empty() { 0 } else { partitions });
                if let (Some(least), Some(most)) = (least, most) {
                    prop_assert!(most - least <= 1, "{:?}", shares);
                }
            }
        }

        #[test]
        fn a_newcomer_takes_no_more_than_its_share(partitions in 1usize..20, members in 1u64..8) {
            let mut owners = vec![None; partitions];
            let mut group: Vec<_> = (0..members).map(MemberId).collect();
            assign(&mut owners, &group);
            let before = owners.clone();
            group.push(MemberId(members));
            assign(&mut owners, &group);
            let moved = owners.iter().zip(&before).filter(|(now, then)| now != then).count();
            prop_assert_eq!(moved, partitions / group.len());
        }
    }
}
