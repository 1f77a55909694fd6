//! The node over HTTP: axum routes in front of the engine's surface, and the loop that serves them.
//!
//! A request passes [`serve`] (the connection), `edge` (correlation, limits, log span, problem documents)
//! and then one handler: one file for each resource. Handlers decide nothing: they read the request,
//! ask the engine or a view, and write the answer. Everything that goes wrong is an [`Error`], and
//! becomes a problem document in one place.
//!
//! Called by the binary and by the simulation; a node that is embedded in a user's own process brings the
//! smaller [`Node::router`](crate::engine::Node::router).
//! Architecture invariant: never a concrete adapter, never the system's clock.

pub mod serve;
mod timer;
mod within;

mod edge;
mod gate;
pub mod metrics;

mod error;
mod failure;
mod problem;

mod documented;
mod openapi;

mod fresh;
mod resolved;
mod waiting;

pub mod app;
pub mod ready;

pub mod auth;

pub mod body;
pub mod correlation;
mod hex;
pub mod id;
pub mod idempotency;
pub mod pages;
pub mod params;
mod peer;
pub mod prefer;
mod strict;

mod routes;

mod own;

pub use error::{Error, RefreshProblem, TokenProblem};
pub(crate) use routes::{category, check_reason};

use std::fmt;

use axum::Router;
use axum::middleware::from_fn_with_state;
use sagaline_storage::Backend;

use app::App;

/// The node's routes, with everything around them.
pub fn router<B: Backend>(app: App<B>) -> Router {
    Routes::default().of(app)
}

/// The routes of no node yet. Making them writes the API's document, so whoever starts many nodes in one
/// process makes them once. Clones are cheap.
pub struct Routes<B: Backend>(Router<App<B>>);

impl<B: Backend> Clone for Routes<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Backend> fmt::Debug for Routes<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

impl<B: Backend> Default for Routes<B> {
    fn default() -> Self {
        Self(routes::all().into())
    }
}

impl<B: Backend> Routes<B> {
    /// These routes as this node's, with everything around them.
    pub fn of(&self, app: App<B>) -> Router {
        around(self.0.clone(), app)
    }
}

/// Puts the edge around routes: what they do not know is 404 and 405 with a problem document.
fn around<B: Backend>(routes: Router<App<B>>, app: App<B>) -> Router {
    routes
        .fallback(async || Error::NotFound("this path"))
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(from_fn_with_state(app.clone(), edge::edge))
        .with_state(app)
}
