//! Wall time as the API writes it: in UTC, to the microsecond, so that texts are in the order of their times.

use serde_json::Value;

use super::json::text;

const DAY_S: u64 = 24 * 60 * 60;
/// Days of 400 years: the calendar begins anew then.
const ERA_DAYS: u64 = 146_097;
/// From the first of March of the year 0 to the first of January of 1970.
const EPOCH_DAYS: u64 = 719_468;

/// So many microseconds behind the beginning of 1970, as text: `2026-01-02T03:04:05.000006Z`.
pub fn written(us: u64) -> String {
    let (seconds, micros) = (us / 1_000_000, us % 1_000_000);
    let (year, month, day) = date(seconds / DAY_S);
    let of_day = seconds % DAY_S;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// Whether a field shows this moment, and nothing where there is none.
pub fn is_shown(json: &Value, field: &str, us: Option<u64>) -> bool {
    text(json, field) == us.map(written).as_deref()
}

/// The year, month and day. Years are counted from March, so that a leap day is their last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH_DAYS;
    let (era, of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, further) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + further, month, day)
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn times_are_written_by_the_calendar() {
        for (us, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
            (1_767_225_599_999_999, "2025-12-31T23:59:59.999999Z"),
            (1_767_225_600_000_000, "2026-01-01T00:00:00.000000Z"),
            (1_772_323_445_000_006, "2026-03-01T00:04:05.000006Z"),
        ] {
            assert_eq!(written(us), text);
        }
    }
}
