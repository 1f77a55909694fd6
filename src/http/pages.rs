//! Pages of lists: `page` and `limit`, or a `cursor`. Taken from the query by the handlers that list.

use bytes::Bytes;
use sagaline_storage::views::ViewQuery;

use super::hex;
use super::params::Params;
use crate::limits::{PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX, PAGE_NUMBER_MAX};

/// The part of a list that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Counted from 1; 1 with a cursor.
    pub number: u64,
    /// At most this many entries.
    pub limit: u64,
    /// Behind this place.
    pub cursor: Option<Bytes>,
}

impl Page {
    /// Takes `page`, `limit` and `cursor` from the query; wrong ones are refused by its `finish`.
    pub fn take(params: &mut Params) -> Self {
        let number = params.number("page", 1..=PAGE_NUMBER_MAX.into());
        let limit = params.number("limit", 1..=PAGE_ENTRIES_MAX.into());
        let cursor = params.text("cursor").and_then(|text| {
            let cursor = hex::decode(&text).filter(|bytes| !bytes.is_empty());
            if cursor.is_none() {
                params.refuse("cursor", &text, "the cursor of the page before");
            } else if number.is_some() {
                params.refuse("cursor", &text, "nothing beside page");
            }
            cursor.map(Bytes::from)
        });
        Self {
            number: number.unwrap_or(1),
            limit: limit.unwrap_or_else(|| PAGE_ENTRIES_DEFAULT.into()),
            cursor,
        }
    }

    /// Asks a view for this part of what `query` finds.
    pub fn of(&self, query: ViewQuery) -> ViewQuery {
        let skip = usize::try_from((self.number - 1) * self.limit).unwrap_or(usize::MAX);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        ViewQuery { after: self.cursor.clone(), skip, limit, ..query }
    }

    /// How many pages `total` entries make.
    pub fn total_pages(&self, total: u64) -> u64 {
        total.div_ceil(self.limit)
    }
}

/// A view's cursor as text.
pub fn cursor_text(cursor: &Bytes) -> String {
    hex::encode(cursor)
}
