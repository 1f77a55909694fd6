//! When a kernel sends again what nobody has acknowledged, and when it gives up. Linux's figures.

/// The first repetition comes after this; each takes twice as long as the one before.
const FIRST_US: u64 = 200_000;
/// No repetition waits longer.
const WAIT_MAX_US: u64 = 120_000_000;
/// Repetitions before a connection is given up (`tcp_retries2`).
const REPETITIONS_MAX: u32 = 15;

/// The connection is given up when something has not been acknowledged for so long: 924.6 s, as
/// `tcp_retries2` comes to.
pub(super) const GIVE_UP_US: u64 = 924_600_000;

/// Connection requests are repeated after these: 1, 3, 7, … s (`tcp_syn_retries`).
pub(super) const CONNECT_TRIES_US: [u64; 7] =
    [0, 1_000_000, 3_000_000, 7_000_000, 15_000_000, 31_000_000, 63_000_000];
/// A connection that was not answered by then is given up.
pub(super) const CONNECT_GIVE_UP_US: u64 = 127_000_000;

/// The first repetition at or after `now_us` of what was sent at `sent_us`.
pub(super) fn next_us(sent_us: u64, now_us: u64) -> u64 {
    let mut at = sent_us;
    let mut wait = FIRST_US;
    while at < now_us {
        at = at.saturating_add(wait);
        wait = (wait * 2).min(WAIT_MAX_US);
    }
    at
}

/// How much later something arrives of which the first sendings are lost, as long as `lost` says so.
/// None: so many that the connection is given up.
pub(super) fn delay_us(mut lost: impl FnMut() -> bool) -> Option<u64> {
    let (mut delay, mut wait) = (0, FIRST_US);
    for _ in 0..=REPETITIONS_MAX {
        if !lost() {
            return Some(delay);
        }
        delay += wait;
        wait = (wait * 2).min(WAIT_MAX_US);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_come_at_growing_distances() {
        assert_eq!(next_us(1_000, 1_000), 1_000);
        assert_eq!(next_us(0, 1), 200_000);
        assert_eq!(next_us(0, 200_001), 600_000);
        assert_eq!(next_us(0, 60_000_000), 102_200_000);
    }

    #[test]
    fn fifteen_repetitions_are_what_the_kernel_gives() {
        let mut repetitions = 0;
        let delay = delay_us(|| {
            repetitions += 1;
            repetitions <= 15
        });
        // The last wait of the kernel is for an answer to the fifteenth.
        assert_eq!(delay.map(|us| us + WAIT_MAX_US), Some(GIVE_UP_US));
        assert_eq!(delay_us(|| true), None);
    }
}
