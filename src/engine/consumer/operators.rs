//! The groups of a node as its user and its operators see them: how far they are, what is parked, and the
//! requests to replay or skip it. Works at every node, whichever runs the group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sagaline_storage::views::{ViewQuery, ViewStore};
use sagaline_storage::{
    AllQuery, Backend, Clock, Direction, EventStore, GlobalPosition, RecordedEvent, StorageError,
    StreamId, Timestamp,
};
use serde::de::DeserializeOwned;

use crate::canary::planted;
use crate::engine::aggregates::{Aggregates, CommandMetadata};
use crate::engine::core::Core;
use crate::engine::subscription::Followed;

use super::group::Request;
use super::record::{
    GROUP, GroupRecord, LANE, LANES, LaneRecord, PARKED, WAITING, documents_view, lane_key, read,
    view,
};
use super::requests::{Asked, Requests};

/// The consumer groups of a node. Cheap to clone.
pub struct Consumers<B: Backend> {
    pub(crate) core: Arc<Core<B>>,
    pub(crate) groups: Arc<BTreeMap<&'static str, Followed>>,
}

impl<B: Backend> Clone for Consumers<B> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), groups: self.groups.clone() }
    }
}

/// How it stands with a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// Its name.
    pub name: &'static str,
    /// Every event that it wants up to here is done, waits for another attempt, or is parked.
    pub position: GlobalPosition,
    /// The log's last position.
    pub head: GlobalPosition,
    /// Keys whose first event is delivered again later.
    pub waiting_keys: u64,
    /// Keys whose first event is parked.
    pub parked_keys: u64,
    /// Events that wait or are parked, with those held behind them.
    pub letters: u64,
}

/// A parked event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// By which the group orders it.
    pub key: String,
    /// The event as the log has it.
    pub event: RecordedEvent,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub reason: String,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// Later events of the key that are held behind it.
    pub held: u64,
}

/// Parked events, and where the next page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// In the order of the log.
    pub letters: Vec<DeadLetter>,
    /// Give it to the next query; none: that was all.
    pub cursor: Option<Bytes>,
}

/// Why something was not done for a group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerError {
    /// This node has no group of that name.
    #[error("consumer {name:?} is not one of this node")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// There is nothing parked to which it applies.
    #[error("consumer {name}: {what} is not parked")]
    NotParked {
        /// The group.
        name: &'static str,
        /// What was meant.
        what: String,
    },
    /// The store did not serve, or holds what does not fit.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The request could not be appended.
    #[error("{0}")]
    Unavailable(String),
}

/// Who asks, and why: stored in the log with the request.
#[derive(Debug, Clone, Copy)]
struct Words<'a> {
    reason: &'a str,
    actor: &'a str,
}

impl<B: Backend> Consumers<B> {
    /// The names of the node's groups.
    pub fn names(&self) -> Vec<&'static str> {
        self.groups.keys().copied().collect()
    }

    /// How it stands with a group, as of its last commit.
    pub async fn status(&self, name: &str) -> Result<ConsumerStatus, ConsumerError> {
        let name = self.known(name)?;
        let (views, view) = (self.core.backend.views(), view(name));
        let group = views.get(&view, GROUP.as_bytes()).await?;
        let group = group.map(|bytes| read::<GroupRecord>(GROUP, &bytes)).transpose()?;
        let (position, letters) = group.map_or((0, 0), |group| (group.place, group.letters));
        Ok(ConsumerStatus {
            name,
            position: GlobalPosition(position),
            head: self.core.backend.events().head().await?,
            waiting_keys: views.count(&view, LANES, WAITING.as_bytes()).await?,
            parked_keys: views.count(&view, LANES, PARKED.as_bytes()).await?,
            letters,
        })
    }

    /// What is parked, in the order of the log; `after` is the cursor of the page before, `limit` 1 to 1,000.
    pub async fn parked(
        &self,
        name: &str,
        after: Option<Bytes>,
        limit: usize,
    ) -> Result<DeadLetterPage, ConsumerError> {
        let query = ViewQuery {
            view: view(self.known(name)?),
            index: LANES.into(),
            partition: Bytes::from_static(PARKED.as_bytes()),
            direction: Direction::Forward,
            after,
            list: None,
            skip: 0,
            limit,
        };
        let page = self.core.backend.views().query(query).await?;
        let mut letters = Vec::with_capacity(page.documents.len());
        for (key, document) in &page.documents {
            let key = String::from_utf8_lossy(key);
            letters.push(self.letter(&key, read(&key, document)?).await?);
        }
        Ok(DeadLetterPage { letters, cursor: page.cursor })
    }

    async fn letter(&self, key: &str, lane: LaneRecord) -> Result<DeadLetter, StorageError> {
        let from = GlobalPosition(lane.position.saturating_sub(1));
        let page = self.core.backend.events().read_all(AllQuery::after(from, 1)).await?;
        let lost = || StorageError::corrupt(format!("{key}: no event at {}", lane.position));
        Ok(DeadLetter {
            key: key.strip_prefix(LANE).unwrap_or(key).to_owned(),
            event: page.events.into_iter().next().ok_or_else(lost)?,
            attempts: lane.attempts,
            reason: lane.reason,
            parked_at: Timestamp(lane.since_us),
            held: lane.letters.saturating_sub(1),
        })
    }

    /// Has the parked event of a key (none: of every key) delivered again, from its first attempt on, and
    /// those held behind it. After `Ok` the request is in the log and will be carried out by the node that
    /// runs the group.
    pub async fn replay(
        &self,
        name: &str,
        key: Option<&str>,
        (reason, actor): (&str, &str),
        metadata: &CommandMetadata,
    ) -> Result<(), ConsumerError> {
        let name = self.known(name)?;
        let parked = match key {
            Some(key) => self.parked_lane(name, key).await?.is_some(),
            None => self.status(name).await?.parked_keys > 0,
        };
        if !parked {
            let what = key.map_or_else(|| "any key".to_owned(), |key| format!("key {key:?}"));
            return Err(ConsumerError::NotParked { name, what });
        }
        if planted("replay-acknowledged-and-lost") {
            return Ok(());
        }
        let request = Request::Replay { key: key.map(str::to_owned) };
        self.ask(name, request, Words { reason, actor }, metadata).await
    }

    /// Has a key's parked event taken for done without another attempt, so that those held behind it go on.
    /// After `Ok` the request is in the log, as with [`Self::replay`].
    pub async fn skip(
        &self,
        name: &str,
        key: &str,
        (reason, actor): (&str, &str),
        metadata: &CommandMetadata,
    ) -> Result<(), ConsumerError> {
        let name = self.known(name)?;
        let Some(lane) = self.parked_lane(name, key).await? else {
            return Err(ConsumerError::NotParked { name, what: format!("key {key:?}") });
        };
        let request = Request::Skip { position: lane.position };
        self.ask(name, request, Words { reason, actor }, metadata).await
    }

    /// A document that the consumer keeps ([`Ack::change`](super::Ack::change)).
    pub async fn document<D: DeserializeOwned>(
        &self,
        name: &str,
        key: &str,
    ) -> Result<Option<D>, ConsumerError> {
        let view = documents_view(self.known(name)?);
        let stored = self.core.backend.views().get(&view, key.as_bytes()).await?;
        Ok(stored.map(|bytes| read(key, &bytes)).transpose()?)
    }

    /// Waits until a group has come to `position`, at most `bound`. False: it has not.
    pub async fn caught_up(
        &self,
        name: &str,
        position: GlobalPosition,
        bound: Duration,
    ) -> Result<bool, ConsumerError> {
        const LOOK: Duration = Duration::from_millis(20);
        let name = self.known(name)?;
        let clock = self.core.backend.clock();
        let begun = clock.monotonic();
        loop {
            let followed = self.groups.get(name).cloned();
            let here = async {
                if let Some(mut followed) = followed {
                    _ = followed.caught_up(position).await;
                }
            };
            tokio::select! {
                biased;
                () = here => {}
                () = clock.sleep(LOOK) => {}
            }
            if self.status(name).await?.position >= position {
                return Ok(true);
            }
            if clock.monotonic().saturating_sub(begun) >= bound {
                return Ok(false);
            }
        }
    }

    fn known(&self, name: &str) -> Result<&'static str, ConsumerError> {
        let known = self.groups.get_key_value(name).map(|(known, _)| *known);
        known.ok_or_else(|| ConsumerError::Unknown { name: name.chars().take(64).collect() })
    }

    async fn parked_lane(&self, name: &str, key: &str) -> Result<Option<LaneRecord>, StorageError> {
        if key.len() > StreamId::BYTES_MAX {
            // No event has such a key, and the store would not look for it.
            return Ok(None);
        }
        let stored = self.core.backend.views().get(&view(name), &lane_key(key)).await?;
        let lane = stored.map(|bytes| read::<LaneRecord>(key, &bytes)).transpose()?;
        Ok(lane.filter(|lane| lane.due_us.is_none()))
    }

    async fn ask(
        &self,
        name: &'static str,
        request: Request,
        Words { reason, actor }: Words<'_>,
        metadata: &CommandMetadata,
    ) -> Result<(), ConsumerError> {
        let actor = if planted("replayed-in-the-groups-name") { name } else { actor };
        let (reason, actor) = (reason.to_owned(), actor.to_owned());
        let asked = Asked { request, reason, actor };
        let aggregates = Aggregates { core: self.core.clone() };
        let done = aggregates.execute::<Requests>(name, asked, metadata).await;
        done.map(drop).map_err(|error| ConsumerError::Unavailable(error.to_string()))
    }
}
