//! Reading JSON by the names of its fields. What is missing is `None`; the oracles say what that means.

use serde_json::Value;

/// A text.
pub fn text<'a>(json: &'a Value, field: &str) -> Option<&'a str> {
    json.get(field)?.as_str()
}

/// A whole number.
pub fn number(json: &Value, field: &str) -> Option<u64> {
    json.get(field)?.as_u64()
}

/// A list; empty when there is none.
pub fn list<'a>(json: &'a Value, field: &str) -> &'a [Value] {
    json.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// An amount as the API writes it, `12.30`, in minor units. The largest amount of the API is far below
/// 2^53 minor units, so nothing is lost on the way.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be in range"
)]
pub fn minor(json: &Value, field: &str) -> Option<u64> {
    let value = json.get(field)?;
    let amount = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    let minor = (amount * 100.0).round();
    (0.0..9.0e15).contains(&minor).then_some(minor as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_amount_is_read_to_the_cent() {
        let amounts = json!({"a": 0.29, "b": 9_999_999_999_999.99, "c": "12.3", "d": -1, "e": 7});
        assert_eq!(minor(&amounts, "a"), Some(29));
        assert_eq!(minor(&amounts, "b"), Some(999_999_999_999_999));
        assert_eq!(minor(&amounts, "c"), Some(1_230));
        assert_eq!(minor(&amounts, "d"), None);
        assert_eq!(minor(&amounts, "e"), Some(700));
    }
}
