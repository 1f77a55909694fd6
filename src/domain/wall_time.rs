//! Wall time for people: never an order, never a proof.

use std::fmt;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since 1970-01-01T00:00:00Z; written as RFC 3339 in UTC with six fraction digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct WallTime(pub u64);

impl WallTime {
    /// The last instant that RFC 3339 can write: 9999-12-31T23:59:59.999999Z. Later ones print as it.
    pub const LAST_US: u64 = 253_402_300_799_999_999;

    /// Reads RFC 3339; what is before 1970 or too far away is refused.
    pub fn parse(text: &str) -> Option<Self> {
        let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        u64::try_from(instant.unix_timestamp_nanos() / 1_000).ok().map(Self)
    }

    /// Microseconds after `earlier`; 0 when it is not after it.
    pub fn since_us(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Every answer and every message has several of these, so they are written digit by digit.
struct Text([u8; 27]);

impl Text {
    fn of(time: WallTime) -> Option<Self> {
        let us = time.0.min(WallTime::LAST_US);
        let (seconds, micros) = (i64::try_from(us / 1_000_000).ok()?, (us % 1_000_000) as u32);
        let instant = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        let (year, month, day) = instant.to_calendar_date();
        let (hour, minute, second) = instant.to_hms();
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        digits(&mut text[0..4], year.unsigned_abs());
        digits(&mut text[5..7], u8::from(month).into());
        digits(&mut text[8..10], day.into());
        digits(&mut text[11..13], hour.into());
        digits(&mut text[14..16], minute.into());
        digits(&mut text[17..19], second.into());
        digits(&mut text[20..26], micros);
        Some(Self(text))
    }

    fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

/// Fills `place` with the last digits of `number`.
fn digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Text::of(*self).ok_or(fmt::Error)?;
        f.write_str(text.as_str().ok_or(fmt::Error)?)
    }
}

impl utoipa::PartialSchema for WallTime {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        super::schema::formatted(
            utoipa::openapi::schema::KnownFormat::DateTime,
            "2026-01-02T03:04:05.000006Z",
        )
    }
}

impl utoipa::ToSchema for WallTime {}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match Text::of(*self).as_ref().and_then(Text::as_str) {
            Some(text) => serializer.serialize_str(text),
            None => Err(S::Error::custom("no time that RFC 3339 can write")),
        }
    }
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is no RFC 3339 time")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_instant_is_written_in_utc_with_microseconds() {
        assert_eq!(WallTime(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(WallTime(1_767_323_045_000_006).to_string(), "2026-01-02T03:04:05.000006Z");
        assert_eq!(WallTime(u64::MAX).to_string(), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn other_zones_are_read_and_nonsense_is_not() {
        let hour = WallTime::parse("1970-01-01T02:00:00+01:00");
        assert_eq!(hour, Some(WallTime(3_600_000_000)));
        for bad in ["", "1970-01-01", "1969-12-31T23:59:59Z", "tomorrow"] {
            assert_eq!(WallTime::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(us in 0..=WallTime::LAST_US) {
            prop_assert_eq!(WallTime::parse(&WallTime(us).to_string()), Some(WallTime(us)));
        }
    }
}
