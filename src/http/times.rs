//! Times as the API writes them: RFC 3339 in UTC, to the microsecond.

use time::OffsetDateTime;
use time::macros::format_description;

/// `2026-01-02T03:04:05.678901Z` for microseconds since 1970. A time past the year 9999 is shown as the
/// number it is.
pub fn rfc3339(at_us: u64) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_us) * 1_000);
    let text = time.ok().and_then(|time| time.format(&format).ok());
    text.unwrap_or_else(|| at_us.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_kept() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(1_767_323_045_678_901), "2026-01-02T03:04:05.678901Z");
        assert_eq!(rfc3339(u64::MAX), u64::MAX.to_string());
    }
}
