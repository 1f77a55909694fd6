//! Money: whole minor units, checked arithmetic, no floats anywhere.
//!
//! Stored as an integer of minor units; [`super::Decimal`] is the same amount as the API writes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::invalid::Invalid;

/// What an amount is in. All of them have two fraction digits, which is what [`Money`] prints.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
pub enum Currency {
    /// US dollar.
    #[default]
    #[serde(rename = "USD")]
    Usd,
    /// Euro.
    #[serde(rename = "EUR")]
    Eur,
    /// Pound sterling.
    #[serde(rename = "GBP")]
    Gbp,
}

impl Currency {
    /// Reads an ISO 4217 code.
    pub fn parse(code: &str) -> Result<Self, Invalid> {
        match code {
            "USD" => Ok(Self::Usd),
            "EUR" => Ok(Self::Eur),
            "GBP" => Ok(Self::Gbp),
            _ => Err(Invalid::text(code, "one of USD, EUR, GBP")),
        }
    }

    /// The ISO 4217 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Usd => "USD",
            Self::Eur => "EUR",
            Self::Gbp => "GBP",
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount from 0 to [`Money::MAX`], in whole minor units (cents).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(try_from = "u64", into = "u64")]
pub struct Money(u64);

/// Why a text is not an amount. Each names the text and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a plain decimal number.
    #[error("{text} is no amount: wants a plain decimal number like 12.34")]
    Malformed {
        /// The text, cut.
        text: String,
    },
    /// Has an exponent.
    #[error("{text} has an exponent: wants a plain decimal number like 1200.00")]
    Exponent {
        /// The text, cut.
        text: String,
    },
    /// Below zero.
    #[error("{text} is negative: wants 0 or more")]
    Negative {
        /// The text, cut.
        text: String,
    },
    /// Finer than a minor unit.
    #[error("{text} has {digits} fraction digits: wants at most 2")]
    TooPrecise {
        /// The text, cut.
        text: String,
        /// How many fraction digits it has.
        digits: usize,
    },
    /// Above [`Money::MAX`].
    #[error("{text} is too much: wants at most {max}", max = Money::MAX)]
    TooMuch {
        /// The amount, cut.
        text: String,
    },
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount, 9,999,999,999,999.99: 15 digits are what a client that reads JSON numbers
    /// as doubles still sees exactly.
    pub const MAX: Self = Self(999_999_999_999_999);

    /// An amount of minor units.
    pub fn from_minor(minor: u64) -> Result<Self, MoneyError> {
        let money = Self(minor);
        if money <= Self::MAX {
            return Ok(money);
        }
        Err(MoneyError::TooMuch { text: money.to_string() })
    }

    /// Reads a JSON-style decimal without exponent, exactly.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let shown = || text.chars().take(Invalid::SHOWN_CHARS_MAX).collect::<String>();
        if text.starts_with('-') {
            return Err(negative_or_malformed(text, shown()));
        }
        if is_exponent_form(text) {
            return Err(MoneyError::Exponent { text: shown() });
        }
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(w, f)| (w, Some(f)));
        if !is_plain(whole, fraction) {
            return Err(MoneyError::Malformed { text: shown() });
        }
        let fraction = fraction.unwrap_or("");
        if fraction.len() > 2 {
            return Err(MoneyError::TooPrecise { text: shown(), digits: fraction.len() });
        }
        let minor = minor_units(whole, fraction).and_then(|minor| Self::from_minor(minor).ok());
        minor.ok_or_else(|| MoneyError::TooMuch { text: shown() })
    }

    /// The amount in minor units.
    pub const fn minor(self) -> u64 {
        self.0
    }

    /// The sum, when there is such an amount.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::from_minor(self.0.checked_add(other.0)?).ok()
    }

    /// The difference, when `other` is not more than this.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// This many times the amount, when there is such an amount.
    pub fn checked_mul(self, times: u64) -> Option<Self> {
        Self::from_minor(self.0.checked_mul(times)?).ok()
    }
}

fn negative_or_malformed(text: &str, shown: String) -> MoneyError {
    let rest = text.get(1..).unwrap_or_default();
    if rest.starts_with('-') {
        return MoneyError::Malformed { text: shown };
    }
    match Money::parse(rest) {
        Err(MoneyError::Malformed { .. }) => MoneyError::Malformed { text: shown },
        _ => MoneyError::Negative { text: shown },
    }
}

/// `12e3`, `1.5E-7`: a number in JSON, but nobody writes prices like this.
fn is_exponent_form(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let mantissa = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    is_plain(mantissa.0, mantissa.1) && is_digits(digits)
}

/// The number grammar of JSON: no leading zeros, digits on both sides of a point.
fn is_plain(whole: &str, fraction: Option<&str>) -> bool {
    is_digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(is_digits)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Digits only come in here; `None` is an overflow.
fn minor_units(whole: &str, fraction: &str) -> Option<u64> {
    let mut minor = whole.parse::<u64>().ok()?.checked_mul(100)?;
    for (digit, worth) in fraction.bytes().zip([10, 1]) {
        minor = minor.checked_add(u64::from(digit - b'0') * worth)?;
    }
    Some(minor)
}

impl fmt::Display for Money {
    /// Always two fraction digits: `12.30`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl TryFrom<u64> for Money {
    type Error = MoneyError;

    fn try_from(minor: u64) -> Result<Self, MoneyError> {
        Self::from_minor(minor)
    }
}

impl From<Money> for u64 {
    fn from(money: Money) -> u64 {
        money.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minor(text: &str) -> Result<u64, MoneyError> {
        Money::parse(text).map(Money::minor)
    }

    #[test]
    fn decimals_are_kept_exactly() {
        for (text, wants) in [
            ("0", 0),
            ("0.0", 0),
            ("0.1", 10),
            ("0.29", 29),
            ("1.1", 110),
            ("12.34", 1_234),
            ("100", 10_000),
            ("9999999999999.99", 999_999_999_999_999),
        ] {
            assert_eq!(minor(text), Ok(wants), "{text}");
        }
    }

    #[test]
    fn each_kind_of_wrong_amount_is_told_apart() {
        use MoneyError::{Exponent, Malformed, Negative, TooMuch, TooPrecise};
        for bad in [
            "", " ", "1,5", "1.", ".5", "01", "+1", "1 ", "0x1", "NaN", "١", "--1", "-", "-x", "1e",
        ] {
            assert!(matches!(minor(bad), Err(Malformed { .. })), "{bad:?}");
        }
        for bad in ["1e2", "1E+2", "1.5e-7"] {
            assert!(matches!(minor(bad), Err(Exponent { .. })), "{bad}");
        }
        for bad in ["-1", "-0", "-0.01", "-1e9", "-99999999999999999999"] {
            assert!(matches!(minor(bad), Err(Negative { .. })), "{bad}");
        }
        assert!(matches!(minor("1.234"), Err(TooPrecise { digits: 3, .. })));
        assert!(matches!(minor("1.000"), Err(TooPrecise { .. })));
        for bad in ["10000000000000", "99999999999999999999999999", "184467440737095516.16"] {
            assert!(matches!(minor(bad), Err(TooMuch { .. })), "{bad}");
        }
    }

    #[test]
    fn a_refusal_names_the_value_and_what_is_allowed() {
        assert_eq!(
            minor("1.234").unwrap_err().to_string(),
            "1.234 has 3 fraction digits: wants at most 2"
        );
        let long = minor(&"9".repeat(10_000)).unwrap_err().to_string();
        assert!(long.len() < 200 && long.contains("9999999999999.99"), "{long}");
    }

    #[test]
    fn sums_and_products_never_wrap() {
        let cent = Money::from_minor(1).unwrap();
        assert_eq!(Money::MAX.checked_add(cent), None);
        assert_eq!(Money::MAX.checked_mul(2), None);
        assert_eq!(Money::MAX.checked_mul(u64::MAX), None);
        assert_eq!(Money::ZERO.checked_sub(cent), None);
        assert_eq!(cent.checked_mul(3).map(Money::minor), Some(3));
    }

    #[test]
    fn a_stored_amount_above_the_maximum_is_refused() {
        assert_eq!(serde_json::to_string(&Money::parse("12.3").unwrap()).unwrap(), "1230");
        assert!(serde_json::from_str::<Money>("1000000000000000").is_err());
        assert!(serde_json::from_str::<Money>("-1").is_err());
    }

    proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(minor in 0..=Money::MAX.minor()) {
            let money = Money::from_minor(minor).unwrap();
            prop_assert_eq!(Money::parse(&money.to_string()), Ok(money));
        }

        #[test]
        fn any_text_is_an_amount_or_refused(text in "[-+0-9.eE ]{0,24}") {
            if let Ok(money) = Money::parse(&text) {
                prop_assert!(money.to_string().starts_with(&text));
            }
        }

        #[test]
        fn addition_agrees_with_wide_integers(a in 0..=Money::MAX.minor(), b in 0..=Money::MAX.minor()) {
            let sum = Money(a).checked_add(Money(b)).map(Money::minor);
            prop_assert_eq!(sum, (a + b <= Money::MAX.minor()).then_some(a + b));
        }
    }
}
