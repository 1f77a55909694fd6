//! Amounts as the API writes them: a JSON number with two fraction digits, read from the text of a
//! number or a string, so that no float ever stands between a client and a cent.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::money::{Money, MoneyError};

/// An amount as the API writes it. Serialises through `serde_json` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Decimal(pub Money);

impl Decimal {
    /// Reads the text of a JSON value: `12.34` or `"12.34"`.
    pub fn parse_json(json: &str) -> Result<Self, MoneyError> {
        let text = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Money::parse(text.unwrap_or(json)).map(Self)
    }
}

impl utoipa::PartialSchema for Decimal {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        super::schema::amount()
    }
}

impl utoipa::ToSchema for Decimal {}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse_json(json.get()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_amount_is_a_json_number_with_two_fraction_digits() {
        let price = Decimal(Money::parse("12.3").unwrap());
        assert_eq!(serde_json::to_string(&price).unwrap(), "12.30");
    }

    #[test]
    fn numbers_and_strings_are_read_by_their_text() {
        for json in ["0.29", "\"0.29\""] {
            let price: Decimal = serde_json::from_str(json).unwrap();
            assert_eq!(price.0.minor(), 29, "{json}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for json in [
            "null",
            "true",
            "[1]",
            "{\"a\":1}",
            "\"\"",
            "\" 1\"",
            "1e2",
            "-1",
            "0.001",
            "\"1\\u0030\"",
        ] {
            let error = serde_json::from_str::<Decimal>(json).unwrap_err().to_string();
            assert!(error.contains("wants"), "{json}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_number_survives_the_api_both_ways(minor in 0..=Money::MAX.minor()) {
            let amount = Decimal(Money::from_minor(minor).unwrap());
            let json = serde_json::to_string(&amount).unwrap();
            prop_assert_eq!(serde_json::from_str::<Decimal>(&json).unwrap(), amount);
            prop_assert_eq!(serde_json::from_str::<Decimal>(&format!("\"{json}\"")).unwrap(), amount);
        }
    }
}
