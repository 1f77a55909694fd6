//! Ids in paths: `/orders/{id}`. One that cannot be an id is refused before anything is looked up.

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use sagaline_storage::CorrelationId;
use uuid::Uuid;

use super::error::Error;
use crate::domain::{OrderId, UserId};

/// What can stand in a path.
pub trait PathId: Sized {
    /// Reads it; the error says what is allowed.
    fn read(text: &str) -> Result<Self, String>;
}

impl PathId for OrderId {
    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }
}

impl PathId for UserId {
    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }
}

/// A saga.
impl PathId for Uuid {
    fn read(text: &str) -> Result<Self, String> {
        // An order's saga has the order's id: one spelling for both.
        OrderId::parse(text).map(OrderId::uuid).map_err(|error| error.to_string())
    }
}

impl PathId for CorrelationId {
    fn read(text: &str) -> Result<Self, String> {
        Self::new(text).map_err(|error| error.to_string())
    }
}

/// A name: which there are is for others to say.
impl PathId for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

/// The one parameter of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id<T>(pub T);

impl<S: Send + Sync, T: PathId> FromRequestParts<S> for Id<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let read = Path::from_request_parts(parts, state).await;
        let Path(text): Path<String> = read.map_err(|rejection| unreadable(&rejection))?;
        T::read(&text).map(Self).map_err(|error| Error::field("id", error))
    }
}

/// What of the path is no text, by the name of its place.
pub(super) fn unreadable(rejection: &PathRejection) -> Error {
    let mut field = "id";
    if let PathRejection::FailedToDeserializePathParams(failed) = rejection
        && let ErrorKind::InvalidUtf8InPathParam { key } = failed.kind()
    {
        field = key.as_str();
    }
    Error::field(field, rejection.body_text())
}
