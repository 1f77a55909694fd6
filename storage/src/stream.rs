//! Streams and places in them.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::StorageError;

/// The name of a stream: `category-key`, for instance `order-0192f3…`.
///
/// 1 to 255 bytes of `[A-Za-z0-9_.:@+-]`. The category is what stands before the first `-`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(Arc<str>);

impl StreamId {
    /// Longest name, in bytes: a name is a key in the store and stands in every index entry.
    pub const BYTES_MAX: usize = 255;

    /// Checks and takes a name.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, StorageError> {
        let name: Arc<str> = name.into();
        check_name("stream", &name, Self::BYTES_MAX)?;
        Ok(Self(name))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `-`, or the whole name when there is none.
    pub fn category(&self) -> &str {
        self.0.split_once('-').map_or(&*self.0, |(category, _)| category)
    }

    /// What stands behind the first `-`, or nothing.
    pub fn key(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, key)| key)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for StreamId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StreamId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Named(|text: &str| Self::new(text)))
    }
}

/// Reads a text as a checked name, without a copy in between.
pub(crate) struct Named<F>(pub(crate) F);

impl<T, F: FnOnce(&str) -> Result<T, StorageError>> Visitor<'_> for Named<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

impl TryFrom<String> for StreamId {
    type Error = StorageError;

    fn try_from(name: String) -> Result<Self, StorageError> {
        Self::new(name)
    }
}

impl From<StreamId> for String {
    fn from(id: StreamId) -> String {
        id.0.as_ref().to_owned()
    }
}

/// Whether a name may hold this byte. Every name of every event that is read is checked by it, so it is
/// made of comparisons that are done for sixteen bytes at once.
const fn may_stand(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // '+', '-', '.' and the digits up to ':' stand side by side but for ',' and '/'.
    let digit_or_sign = (byte.wrapping_sub(b'+') <= b':' - b'+') & (byte != b',') & (byte != b'/');
    letter | digit_or_sign | (byte == b'@') | (byte == b'_')
}

/// Refuses an empty or long name and any byte outside `[A-Za-z0-9_.:@+-]`; the error names the
/// field, the value and what is allowed.
pub(crate) fn check_name(field: &str, name: &str, bytes_max: usize) -> Result<(), StorageError> {
    let fits = !name.is_empty() && name.len() <= bytes_max;
    if fits && name.bytes().fold(true, |fits, byte| fits & may_stand(byte)) {
        return Ok(());
    }
    let shown: String = name.chars().take(64).collect();
    Err(StorageError::invalid(format!(
        "{field} {shown:?} ({} bytes): wants 1 to {bytes_max} bytes of [A-Za-z0-9_.:@+-]",
        name.len()
    )))
}

/// The number of events in a stream after an event: the first event of a stream has version 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct StreamVersion(pub u64);

impl StreamVersion {
    /// The version of a stream that has no events.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for StreamVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of an event in the whole log: dense, in commit order, the first event has 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct GlobalPosition(pub u64);

impl GlobalPosition {
    /// Before the first event.
    pub const START: Self = Self(0);
    /// Behind the last event there can be.
    pub const END: Self = Self(u64::MAX);
}

impl fmt::Display for GlobalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_letters_digits_and_six_signs() {
        for byte in 0..=u8::MAX {
            let allowed = byte.is_ascii_alphanumeric() || b"_.:@+-".contains(&byte);
            assert_eq!(may_stand(byte), allowed, "{byte}");
        }
    }
}
