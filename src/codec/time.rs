//! Times as people and other programs read them.

use sagaline_storage::Timestamp;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const RFC3339_MICROS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// RFC 3339 in UTC with microseconds: `2026-11-22T19:04:05.000123Z`.
pub fn rfc3339(at: Timestamp) -> String {
    let nanos = i128::from(at.0) * 1_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    // A time beyond the year 9999 has no RFC 3339 form: then the number stands for itself.
    time.and_then(|time| time.format(RFC3339_MICROS).ok()).unwrap_or_else(|| at.0.to_string())
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
