//! Names and values beside a message's payload. Made by whoever publishes, read by whoever consumes; nothing
//! here knows what a name means.
//!
//! The values stand side by side in one piece of memory: a bus keeps tens of thousands of messages, and a
//! piece for each value would be most of what a message takes and costs.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Names with their values, in the order in which they were added.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Headers {
    values: Vec<u8>,
    /// With the place in `values` behind the value.
    names: Vec<(Cow<'static, str>, usize)>,
}

impl Headers {
    /// None yet, with room for so many, whose values take so many bytes together.
    pub fn with_room(names: usize, bytes: usize) -> Self {
        Self { values: Vec::with_capacity(bytes), names: Vec::with_capacity(names) }
    }

    /// Adds a name; its value is what `parts` are together.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.values.extend_from_slice(part));
        self.names.push((name.into(), self.values.len()));
    }

    /// The value of the first header of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut start = 0;
        self.names.iter().map(move |(name, end)| {
            let value = self.values.get(start..*end).unwrap_or_default();
            start = *end;
            (&**name, value)
        })
    }

    /// The memory they take, in bytes, as far as they hold it alone: names are most often shared.
    pub fn size(&self) -> usize {
        self.values.len() + self.names.len() * size_of::<(Cow<'static, str>, usize)>()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |(name, value)| (name, String::from_utf8_lossy(value));
        f.debug_map().entries(self.iter().map(text)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_under_their_names_and_in_their_order() {
        let mut headers = Headers::with_room(3, 8);
        headers.push("b", &[b"two", b" parts"]);
        headers.push("a", &[]);
        headers.push("b", &[b"again"]);
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [("b", &b"two parts"[..]), ("a", b""), ("b", b"again")]);
        assert_eq!(headers.get("b"), Some(&b"two parts"[..]));
        assert_eq!((headers.get("a"), headers.get("c")), (Some(&b""[..]), None));
    }
}
