//! Texts with a limit: each is a type with a private value and one parsing door, so whoever holds one
//! need not look at it again. Stored texts come back through the same door.

use super::invalid::Invalid;

/// Which characters a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// Anything a person writes on one line: no control characters, not blank.
    Line,
    /// No control characters and no white space: what people must not be able to tell apart by eye
    /// only must not exist twice.
    Word,
    /// Printable ASCII without spaces: what may stand in a header.
    Ascii,
    /// `[A-Za-z0-9_.:-]`
    Name,
}

impl Charset {
    fn admits(self, c: char) -> bool {
        match self {
            Self::Line => !c.is_control(),
            Self::Word => !c.is_control() && !c.is_whitespace(),
            Self::Ascii => c.is_ascii_graphic(),
            Self::Name => c.is_ascii_alphanumeric() || "_.:-".contains(c),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Line => "without control characters, not blank",
            Self::Word => "without spaces and control characters",
            Self::Ascii => "of printable ASCII without spaces",
            Self::Name => "of A-Z, a-z, 0-9, _ . : -",
        }
    }
}

/// Refuses a text that is empty, has more than `chars_max` characters, or one outside `charset`.
pub(super) fn check(value: &str, chars_max: usize, charset: Charset) -> Result<(), Invalid> {
    // Bytes first: a megabyte is refused without counting its characters.
    let fits = value.len() <= chars_max * 4 && value.chars().count() <= chars_max;
    let blank = value.chars().all(char::is_whitespace);
    if fits && !blank && value.chars().all(|c| charset.admits(c)) {
        return Ok(());
    }
    Err(Invalid::text(value, format!("1 to {chars_max} characters {}", charset.words())))
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $max:literal, $charset:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "std::sync::Arc<str>")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Longest value, in characters.
            pub const CHARS_MAX: usize = $max;

            /// Checks and takes a value; the refusal names it and what is allowed.
            pub fn parse(value: &str) -> Result<Self, $crate::domain::Invalid> {
                let charset = $crate::domain::text::Charset::$charset;
                $crate::domain::text::check(value, Self::CHARS_MAX, charset)?;
                Ok(Self(value.into()))
            }

            /// The value.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<std::sync::Arc<str>> for $name {
            type Error = $crate::domain::Invalid;

            fn try_from(value: std::sync::Arc<str>) -> Result<Self, Self::Error> {
                let charset = $crate::domain::text::Charset::$charset;
                $crate::domain::text::check(&value, Self::CHARS_MAX, charset)?;
                Ok(Self(value))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::domain::schema::text(1, Self::CHARS_MAX)
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}
pub(super) use text_type;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        assert!(check(&"é".repeat(10), 10, Charset::Line).is_ok());
        assert!(check(&"é".repeat(11), 10, Charset::Line).is_err());
        assert!(check("", 10, Charset::Line).is_err());
    }

    #[test]
    fn blank_and_control_characters_are_refused() {
        for bad in [" ", "\t", "a\u{0}b", "a\nb", "\u{7f}"] {
            assert!(check(bad, 10, Charset::Line).is_err(), "{bad:?}");
        }
        assert!(check("a b", 10, Charset::Line).is_ok());
        assert!(check("a b", 10, Charset::Word).is_err());
        assert!(check("ä", 10, Charset::Ascii).is_err());
        assert!(check("a/b", 10, Charset::Name).is_err());
    }

    #[test]
    fn the_refusal_says_what_is_allowed() {
        let error = check("", 64, Charset::Word).unwrap_err().to_string();
        assert!(error.contains("\"\"") && error.contains("1 to 64 characters"), "{error}");
    }
}
