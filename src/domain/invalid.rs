//! What is wrong with a value that came from outside: named, with what is allowed. Every parsing door
//! of the domain answers with these; the shell shows them as they are.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// A value that is not what it should be. Prints the value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shown} is not allowed: wants {wants}")]
pub struct Invalid {
    shown: String,
    wants: Cow<'static, str>,
}

impl Invalid {
    /// How much of a wrong value is shown: enough to recognise it, too little to flood a log.
    pub const SHOWN_CHARS_MAX: usize = 64;

    /// A wrong text. It is shown quoted, with control characters escaped, and cut.
    pub fn text(value: &str, wants: impl Into<Cow<'static, str>>) -> Self {
        let cut: String = value.chars().take(Self::SHOWN_CHARS_MAX).collect();
        let more = if cut.len() < value.len() { "…" } else { "" };
        Self { shown: format!("{cut:?}{more}"), wants: wants.into() }
    }

    /// A wrong number or literal, shown as it stands and cut.
    pub fn literal(value: impl fmt::Display, wants: impl Into<Cow<'static, str>>) -> Self {
        let shown = value.to_string();
        let cut: String = shown.chars().take(Self::SHOWN_CHARS_MAX).collect();
        let more = if cut.len() < shown.len() { "…" } else { "" };
        Self { shown: format!("{cut}{more}"), wants: wants.into() }
    }
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where it stands, as the client wrote it: `items[2].price`.
    pub field: String,
    /// The value and what is allowed.
    pub message: String,
}

/// Everything that is wrong with a request: a client mends it in one go. Never empty as an error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Notes a wrong field.
    pub fn add(&mut self, field: impl Into<String>, message: impl fmt::Display) {
        self.0.push(FieldError { field: field.into(), message: message.to_string() });
    }

    /// The value, or `None` with the error noted under `field`.
    pub fn keep<T, E: fmt::Display>(&mut self, field: &str, checked: Result<T, E>) -> Option<T> {
        checked.map_err(|error| self.add(field, error)).ok()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong, in the order in which it was found.
    pub fn as_slice(&self) -> &[FieldError] {
        &self.0
    }

    /// What is wrong, to be sent.
    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", error.field, error.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for FieldErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_named_escaped_and_cut() {
        let error = Invalid::text("a\nb", "1 line");
        assert_eq!(error.to_string(), r#""a\nb" is not allowed: wants 1 line"#);
        let long = Invalid::text(&"é".repeat(1_000), "less").to_string();
        assert!(long.contains('…') && long.len() < 200, "{long}");
    }

    #[test]
    fn all_wrong_fields_are_kept_in_order() {
        let mut errors = FieldErrors::default();
        assert_eq!(errors.keep("a", Ok::<_, Invalid>(1)), Some(1));
        assert_eq!(errors.keep("b", Err::<u8, _>(Invalid::literal(-1, "more"))), None);
        errors.add("c", "is missing");
        assert_eq!(errors.to_string(), "b: -1 is not allowed: wants more; c: is missing");
    }
}
