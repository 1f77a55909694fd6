//! Models of the services that a user's sagas call: what answers in the simulated world in their place.
//! A model is plain code with a state of its own: one request after the other, each whole or not at all,
//! kept for good; whatever happens on the way to it and back is the world's part. What it did it says with
//! its answer, and by that the sagas are judged.

mod guarded;
mod ledger;

use serde_json::{Value, json};

pub use crate::evidence::Effect;
pub use guarded::Guarded;
pub use ledger::Ledger;

/// A service that sagas call.
pub trait Model: Send + 'static {
    /// Answers a request, and says what it did.
    fn answer(&mut self, request: &Request) -> Reply;
}

impl<F: FnMut(&Request) -> Reply + Send + 'static> Model for F {
    fn answer(&mut self, request: &Request) -> Reply {
        self(request)
    }
}

/// What a service is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// `/book`, with its percent-encoding undone.
    pub path: String,
    /// The idempotency key.
    pub key: Option<String>,
    /// The fencing epoch.
    pub epoch: Option<u64>,
    /// The saga's correlation id.
    pub correlation: Option<String>,
    /// The body's JSON; null when there is none.
    pub body: Value,
}

impl Request {
    /// The step that its key names, and whether the key is that of its undo.
    pub fn step(&self) -> Option<(&str, bool)> {
        step_of(self.key.as_deref()?).map(|(_, step, undoes)| (step, undoes))
    }
}

/// The saga, the step, and whether it is undone, of an idempotency key.
pub(crate) fn step_of(key: &str) -> Option<(&str, &str, bool)> {
    let mut parts = key.split('/');
    let (saga, step, direction) = (parts.next()?, parts.next()?, parts.next()?);
    let undoes = match (direction, parts.next()) {
        ("action", None) => false,
        ("compensation", None) => true,
        _ => return None,
    };
    Some((saga, step, undoes))
}

/// What a service says to a request, and what it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// What it did; none: nothing that anybody could see.
    pub effect: Option<Effect>,
}

impl Reply {
    /// Yes: 200.
    pub fn ok(body: Value) -> Self {
        Self { status: 200, body, effect: None }
    }

    /// Another status, with a code and words.
    pub fn no(status: u16, code: &str, words: &str) -> Self {
        Self { status, body: json!({ "error": code, "detail": words }), effect: None }
    }

    /// Says what the service did.
    #[must_use]
    pub fn having(self, effect: Effect) -> Self {
        Self { effect: Some(effect), ..self }
    }
}
