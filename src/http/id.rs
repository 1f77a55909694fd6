//! Ids and names in paths: `/orders/{id}`, `/consumers/{name}/parked`. One that cannot be an id is refused
//! before anything is looked up.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use sagaline_storage::CorrelationId;
use serde::de::DeserializeOwned;
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

/// The one parameter of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id<T>(pub T);

impl<S: Send + Sync, T: PathId> FromRequestParts<S> for Id<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path(text): Path<String> = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Error::field("id", rejection.body_text()))?;
        T::read(&text).map(Self).map_err(|error| Error::field("id", error))
    }
}

/// What stands in the path's places, as any text: what there is of that name is the handler's to say. Text that
/// is no UTF-8 is refused as every wrong value is, with a problem document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        let Path(named) = read.map_err(|rejection| Error::field("path", rejection.body_text()))?;
        Ok(Self(named))
    }
}
