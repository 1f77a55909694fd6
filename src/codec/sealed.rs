//! Personal parts of a piece of JSON, taken out and put back: pure, without a key.
//!
//! What is stored reads as if the person were forgotten: at each personal part stands its placeholder. The
//! parts themselves stand encrypted in a member beside them, and whoever has the key puts them back:
//!
//! ```text
//! {"email":"ada@example.org","role":"admin"}
//! {"email":"forgotten@forgotten.invalid","role":"admin","sealed":{"box":"AbC…","of":"0192f3…"}}
//! ```
//! So whatever reads without opening (an export, a consumer of the bus, an older program) never shows more
//! than it may, and needs to know nothing of keys.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::{Personal, Subject};

use super::CodecError;

/// The member that holds the box. What is sealed must not have one of its own.
const MEMBER: &str = "sealed";
/// How the member begins in what this module writes: most payloads are known by it to have none.
const MARK: &[u8] = br#""sealed":{"box":""#;

/// Encrypted parts, and whose they are. A projection whose document shows personal parts at the same places
/// as the event keeps this beside them, see [`Recorded::sealed`](crate::engine::Recorded::sealed).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sealed {
    /// The parts, encrypted, in base64.
    #[serde(rename = "box")]
    pub(crate) sealed_box: String,
    /// The subject.
    pub(crate) of: String,
}

/// Parts that were taken out.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Whose they are.
    pub(crate) subject: String,
    /// The JSON with placeholders.
    rest: Value,
    /// The parts as JSON, by their places.
    pub(crate) parts: Vec<u8>,
}

/// Takes the personal parts out of `json`; none when none of them is there. `stream_key`: the aggregate's.
pub(crate) fn take(
    json: &[u8],
    personal: &Personal,
    stream_key: Option<&str>,
) -> Result<Option<Taken>, CodecError> {
    let refuse = |problem: String| CodecError { event_type: "?".to_owned(), problem };
    let unreadable = |error: serde_json::Error| refuse(error.to_string());
    let mut rest: Value = serde_json::from_slice(json).map_err(unreadable)?;
    if rest.get(MEMBER).is_some() {
        return Err(refuse(format!("has personal parts and a member `{MEMBER}` of its own")));
    }
    let mut parts = Map::new();
    for field in personal.fields {
        let Some(part) = rest.pointer_mut(field.at).filter(|part| !part.is_null()) else {
            continue;
        };
        let forgotten = serde_json::from_str(field.forgotten).map_err(|error| {
            refuse(format!("what stands for a forgotten `{}` is not JSON: {error}", field.at))
        })?;
        parts.insert(field.at.to_owned(), std::mem::replace(part, forgotten));
    }
    if parts.is_empty() {
        return Ok(None);
    }
    let subject = match personal.subject {
        Subject::Stream => stream_key,
        Subject::Field(at) => rest.pointer(at).and_then(Value::as_str),
    };
    let subject = subject.filter(|subject| !subject.is_empty()).map(str::to_owned);
    let subject = subject.ok_or_else(|| {
        refuse(format!("has personal parts and no subject: {:?}", personal.subject))
    })?;
    let parts = serde_json::to_vec(&parts).map_err(unreadable)?;
    Ok(Some(Taken { subject, rest, parts }))
}

impl Taken {
    /// The JSON to store; without a box the parts are gone for good.
    pub(crate) fn store(mut self, sealed_box: Option<String>) -> Result<Bytes, CodecError> {
        let refuse = |problem: &dyn ToString| CodecError {
            event_type: "?".to_owned(),
            problem: problem.to_string(),
        };
        if let Some(sealed_box) = sealed_box {
            let sealed = Sealed { sealed_box, of: self.subject };
            let sealed = serde_json::to_value(sealed).map_err(|error| refuse(&error))?;
            let rest = self.rest.as_object_mut().ok_or_else(|| refuse(&"is not a JSON object"))?;
            rest.insert(MEMBER.to_owned(), sealed);
        }
        serde_json::to_vec(&self.rest).map(Bytes::from).map_err(|error| refuse(&error))
    }
}

/// Whether there is something to open.
pub(crate) fn is_sealed(json: &[u8]) -> bool {
    // Asked of every event by everybody who reads it: the search is prepared once.
    static SEARCH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));
    SEARCH.find(json).is_some()
}

/// The box of an event's payload.
pub(crate) fn of(payload: &[u8]) -> Option<Sealed> {
    #[derive(Deserialize)]
    struct Holder {
        sealed: Sealed,
    }
    if !is_sealed(payload) {
        return None;
    }
    serde_json::from_slice::<Holder>(payload).ok().map(|holder| holder.sealed)
}

/// Every box in `json`, at any depth.
pub(crate) fn boxes(json: &Value) -> Vec<Sealed> {
    let mut found = Vec::new();
    visit(json, &mut found);
    found
}

fn visit(json: &Value, found: &mut Vec<Sealed>) {
    match json {
        Value::Object(members) => {
            let sealed = members.get(MEMBER).and_then(|sealed| Sealed::deserialize(sealed).ok());
            found.extend(sealed);
            members.values().for_each(|member| visit(member, found));
        }
        Value::Array(elements) => elements.iter().for_each(|element| visit(element, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Puts the parts back that `parts_of` can open, and takes all boxes away: parts that it cannot open keep
/// their placeholders.
pub(crate) fn open(
    json: &mut Value,
    parts_of: &mut impl FnMut(&Sealed) -> Option<Map<String, Value>>,
) {
    match json {
        Value::Object(members) => {
            let sealed = members.get(MEMBER).and_then(|sealed| Sealed::deserialize(sealed).ok());
            members.values_mut().for_each(|member| open(member, parts_of));
            let Some(sealed) = sealed else { return };
            members.remove(MEMBER);
            for (at, part) in parts_of(&sealed).into_iter().flatten() {
                if let Some(place) = json.pointer_mut(&at) {
                    *place = part;
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| open(element, parts_of)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
#[path = "sealed_tests.rs"]
mod tests;
