//! Times as people and other programs read them.

use sagaline_storage::Timestamp;

use crate::domain::WallTime;

/// RFC 3339 in UTC with microseconds: `2026-11-22T19:04:05.000123Z`. A time beyond the year 9999 has no
/// such form: then the number stands for itself.
pub fn rfc3339(at: Timestamp) -> String {
    if at.0 > WallTime::LAST_US { at.0.to_string() } else { WallTime(at.0).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_microseconds() {
        assert_eq!(rfc3339(Timestamp(0)), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(Timestamp(1_795_374_245_000_123)), "2026-11-22T19:04:05.000123Z");
        assert_eq!(rfc3339(Timestamp(u64::MAX)), u64::MAX.to_string());
    }
}
