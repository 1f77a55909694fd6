//! A request that is to be sent: it can be shown, so that somebody can send it again.

use std::fmt;

use serde_json::Value;

use super::api::Operation;
use crate::app::TestApp;
use crate::client::Ask;

/// A request, as it goes out.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) method: String,
    /// With the query behind it.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    /// With its media type.
    pub(crate) body: Option<(String, Vec<u8>)>,
}

/// Of a longer body the beginning is shown.
const SHOWN_BYTES_MAX: usize = 4_000;

impl Draft {
    /// To an operation, with nothing filled in.
    pub(crate) fn of(operation: Operation<'_>) -> Self {
        let (method, path) = (operation.method.to_uppercase(), operation.path.to_owned());
        Self { method, path, headers: Vec::new(), body: None }
    }

    /// With a text in a place of the path.
    pub(crate) fn with(mut self, place: &str, text: &str) -> Self {
        self.path = self.path.replace(&format!("{{{place}}}"), text);
        self
    }

    /// With a parameter in the query.
    pub(crate) fn asking(mut self, name: &str, text: &str) -> Self {
        let begins = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{begins}{name}={text}", self.path);
        self
    }

    pub(crate) fn header(mut self, name: &str, text: &str) -> Self {
        self.headers.push((name.to_owned(), text.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string().into_bytes())
    }

    pub(crate) fn raw(mut self, media: &str, body: Vec<u8>) -> Self {
        self.body = Some((media.to_owned(), body));
        self
    }

    pub(crate) fn ask(&self, app: &TestApp) -> Ask {
        let mut ask = app.ask(&self.method, &self.path);
        for (name, text) in &self.headers {
            ask = ask.header(name, text);
        }
        match &self.body {
            Some((media, body)) => ask.raw(media, body.clone()),
            None => ask,
        }
    }
}

impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        for (name, text) in &self.headers {
            write!(f, "\n{name}: {text}")?;
        }
        let Some((media, body)) = &self.body else { return Ok(()) };
        let shown = &body[..body.len().min(SHOWN_BYTES_MAX)];
        write!(f, "\ncontent-type: {media}\n\n{}", String::from_utf8_lossy(shown))?;
        if shown.len() < body.len() { write!(f, "… ({} bytes)", body.len()) } else { Ok(()) }
    }
}
