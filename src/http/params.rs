//! The query string of a request, taken apart by name: every name is taken once, what is left over is
//! refused, and all wrong values are told at once. Called by the handlers that have queries.

use std::fmt::Display;
use std::ops::RangeInclusive;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use super::error::Error;
use crate::domain::{FieldErrors, Invalid};

/// The parameters of a query that have not been taken yet.
#[derive(Debug, Default)]
pub struct Params {
    left: Vec<(String, String)>,
    errors: FieldErrors,
}

impl Params {
    /// A parameter's text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let place = self.left.iter().position(|(left, _)| left == name)?;
        let (_, value) = self.left.swap_remove(place);
        if self.left.iter().any(|(left, _)| left == name) {
            self.left.retain(|(left, _)| left != name);
            self.errors.add(name, "stands in the query twice");
        }
        Some(value)
    }

    /// A number within a range.
    pub fn number(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let text = self.text(name)?;
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (low, high) = (range.start(), range.end());
            self.refuse(name, &text, format!("a whole number from {low} to {high}"));
        }
        number
    }

    /// A value that its own door lets through.
    pub fn parsed<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)?;
        self.errors.keep(name, parse(&text))
    }

    /// One of a few words.
    pub fn word<'a>(&mut self, name: &str, words: &[&'a str]) -> Option<&'a str> {
        let text = self.text(name)?;
        let word = words.iter().find(|word| **word == text).copied();
        if word.is_none() {
            self.refuse(name, &text, format!("one of {}", words.join(", ")));
        }
        word
    }

    /// Adds a wrong value: `wants` says what is allowed.
    pub fn refuse(&mut self, name: &str, value: &str, wants: impl Into<String>) {
        self.errors.add(name, Invalid::text(value, wants.into()));
    }

    /// Refuses the request when a value was wrong or a parameter is left that nobody took.
    pub fn finish(mut self) -> Result<(), Error> {
        for (name, _) in &self.left {
            let shown: String = name.chars().take(Invalid::SHOWN_CHARS_MAX).collect();
            self.errors.add(shown, "is not a parameter of this query");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors.into()) }
    }
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let left = Query::try_from_uri(&parts.uri)
            .map_err(|rejection| Error::field("query", rejection.body_text()))?;
        Ok(Self { left: left.0, errors: FieldErrors::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        let uri = format!("http://h/p?{query}").parse().unwrap();
        Params { left: Query::try_from_uri(&uri).unwrap().0, errors: FieldErrors::default() }
    }

    fn fields(result: Result<(), Error>) -> Vec<String> {
        match result {
            Err(Error::Invalid(errors)) => errors.into_iter().map(|error| error.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_are_taken_by_name() {
        let mut query = params("limit=7&status=paid");
        assert_eq!(query.number("limit", 1..=100), Some(7));
        assert_eq!(query.word("status", &["pending", "paid"]), Some("paid"));
        assert_eq!(query.number("page", 1..=100), None);
        assert_eq!(query.finish(), Ok(()));
    }

    #[test]
    fn every_wrong_value_is_told_at_once() {
        let mut query = params("limit=-1&page=1e3&status=lost&more=1");
        assert_eq!(query.number("limit", 1..=100), None);
        assert_eq!(query.number("page", 1..=100), None);
        assert_eq!(query.word("status", &["paid"]), None);
        assert_eq!(fields(query.finish()), ["limit", "page", "status", "more"]);
    }

    #[test]
    fn parameter_given_twice_is_refused() {
        let mut query = params("limit=7&limit=8");
        query.number("limit", 1..=100);
        assert_eq!(fields(query.finish()), ["limit"]);
    }
}
