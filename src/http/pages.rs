//! Pages of lists: `page` and `limit`, or a `cursor`. Taken from the query by the handlers that list.

use std::time::Duration;

use bytes::Bytes;
use sagaline_storage::{Backend, Direction, ErrorKind, EventStore, StorageError};
use serde::Serialize;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::error::Error;
use super::params::Params;
use super::{documented, failure, hex};
use crate::canary::planted;
use crate::engine::{DocumentQuery, Projection, Views};
use crate::limits::{PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX, PAGE_NUMBER_MAX};

/// How long a list waits for its view to see what was written before.
const VIEW_WAIT: Duration = Duration::from_millis(500);

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

    /// This part of what stands in a partition of a view's index, newest first. The view has seen what
    /// was written before the request, unless it lags far behind.
    pub(super) async fn read<B: Backend, P: Projection>(
        self,
        app: &App<B>,
        index: &'static str,
        partition: Bytes,
    ) -> Result<(Vec<P::Document>, Listed), Error> {
        let view = app.views::<P>()?;
        app.caught_up(&view).await?;
        let total = view.count(index, &partition).await.map_err(failure::storage)?;
        let counts = planted("cursor-counts-entries");
        let passed = self.cursor.as_ref().filter(|_| counts).map_or(0, counted);
        let query = DocumentQuery {
            index,
            partition,
            direction: if planted("oldest-first") {
                Direction::Forward
            } else {
                Direction::Backward
            },
            after: self.cursor.filter(|_| !planted("page-from-the-beginning") && !counts),
            skip: usize::try_from(
                (self.number - 1) * (self.limit + u64::from(planted("page-passes-one-over")))
                    + passed,
            )
            .unwrap_or(usize::MAX),
            limit: usize::try_from(self.limit).unwrap_or(usize::MAX),
        };
        let page = view.query(query).await.map_err(foreign_cursor)?;
        let behind = |cursor: Bytes| match counts {
            true => Bytes::from((passed + self.limit).to_string()),
            false => cursor,
        };
        let listed = Listed {
            total,
            page: self.number,
            limit: self.limit,
            total_pages: if planted("pages-rounded-down") {
                total / self.limit
            } else {
                total.div_ceil(self.limit)
            },
            next_cursor: page.cursor.map(behind).map(|cursor| hex::encode(&cursor)),
        };
        Ok((page.documents, listed))
    }
}

impl<B: Backend> App<B> {
    /// Returns when the view has seen what was written before, unless it lags far behind.
    pub(super) async fn caught_up<P: Projection>(&self, view: &Views<B, P>) -> Result<(), Error> {
        let head = self.backend().events().head().await.map_err(failure::storage)?;
        if !view.caught_up(head, VIEW_WAIT).await {
            tracing::debug!(view = P::NAME, "listed from a view that lags");
        }
        Ok(())
    }
}

impl IntoParams for Page {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let whole = |max: u32| documented::whole(1, max);
        let cursor = "`nextCursor` of the page before; not together with `page`";
        vec![
            documented::query("page", whole(PAGE_NUMBER_MAX), "Counted from 1"),
            documented::query("limit", whole(PAGE_ENTRIES_MAX), "Entries of a page"),
            documented::query("cursor", documented::text(), cursor),
        ]
    }
}

/// What a cursor that counts entries says: one of the bugs that are planted has such cursors.
fn counted(cursor: &Bytes) -> u64 {
    std::str::from_utf8(cursor).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The view refuses a cursor that is not one of its own.
fn foreign_cursor(error: StorageError) -> Error {
    match error.kind {
        ErrorKind::Invalid => Error::field("cursor", error.message),
        ErrorKind::Unavailable | ErrorKind::Corrupt | ErrorKind::Closed => failure::storage(error),
    }
}

/// Where in a list a page stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    /// How many entries there are.
    pub(super) total: u64,
    page: u64,
    limit: u64,
    total_pages: u64,
    /// Give it as `cursor` for the next page; missing: that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}
