//! What a call wants to be appended together with its outcome.

use bytes::Bytes;
use sagaline_storage::{
    Claim, ClaimChange, EventType, ExpectedVersion, NewEvent, RecordedEvent, StreamId,
    StreamVersion, StreamWrite, Timestamp,
};

use crate::canary::planted;
use crate::codec::{self, CodecError};
use crate::domain::{Aggregate, ClaimIntent, Personal};

use super::step::BoxFuture;

/// Reading streams without naming the store's type.
pub(crate) trait ReadStreams: Send + Sync {
    /// A page of a stream, oldest first.
    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        from: StreamVersion,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<RecordedEvent>, sagaline_storage::StorageError>>;

    /// `json` with its personal parts, as far as their subjects are not forgotten.
    fn open(&self, json: Bytes) -> BoxFuture<'_, Result<Bytes, LoadError>>;

    /// `json` with its personal parts under the keys of their subjects.
    fn seal<'a>(
        &'a self,
        json: Bytes,
        personal: &'a Personal,
        stream_key: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Bytes, LoadError>>;

    /// The claim on a key that is personal, as the store has it.
    fn personal_claim(&self, kind: &str, key: &str) -> Result<Claim, CodecError>;

    /// A stream of so many events is folded from a snapshot on.
    fn snapshot_events(&self) -> usize;

    /// The snapshot kept for a stream in a view.
    fn snapshot<'a>(
        &'a self,
        view: &'a str,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, Result<Option<Bytes>, sagaline_storage::StorageError>>;

    /// Keeps a snapshot. It is a cache: that it failed is no error of the reader.
    fn keep_snapshot<'a>(
        &'a self,
        view: &'a str,
        stream: &'a StreamId,
        snapshot: Bytes,
    ) -> BoxFuture<'a, ()>;
}

/// Why a command was not staged.
#[derive(Debug, thiserror::Error)]
pub enum StageError<R> {
    /// The aggregate says no.
    #[error("{0}")]
    Refused(R),
    /// Its stream could not be read.
    #[error(transparent)]
    Storage(#[from] sagaline_storage::StorageError),
    /// One of its events could not be read or written.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StagedEvent {
    pub(crate) event_type: EventType,
    pub(crate) schema_version: u16,
    pub(crate) payload: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct StagedStream {
    stream: StreamId,
    loaded: StreamVersion,
    events: Vec<StagedEvent>,
}

/// Events and claims that wait for the append they belong to. A later command on the same aggregate
/// sees the earlier one's events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stage {
    streams: Vec<StagedStream>,
    claims: Vec<ClaimChange>,
}

/// An aggregate as loaded: its state, and the version of its stream.
#[derive(Debug, Clone)]
pub struct Loaded<A> {
    /// The state.
    pub state: A,
    /// The version of its stream; `NONE` when it does not exist.
    pub version: StreamVersion,
}

impl Stage {
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.claims.is_empty()
    }

    /// Loads, decides, and keeps the events and claims.
    pub(crate) async fn execute<A: Aggregate>(
        mut self,
        reader: &dyn ReadStreams,
        stream: &StreamId,
        command: A::Command,
    ) -> (Self, Result<Loaded<A>, StageError<A::Refusal>>) {
        let outcome = self.try_execute::<A>(reader, stream, command).await;
        (self, outcome)
    }

    async fn try_execute<A: Aggregate>(
        &mut self,
        reader: &dyn ReadStreams,
        stream: &StreamId,
        command: A::Command,
    ) -> Result<Loaded<A>, StageError<A::Refusal>> {
        let mut loaded = load::<A>(reader, stream).await?;
        let place = self.streams.iter().position(|staged| staged.stream == *stream);
        if let Some(staged) = place.and_then(|place| self.streams.get(place)) {
            for event in &staged.events {
                let payload = reader.open(event.payload.clone()).await?;
                loaded.state.evolve(&codec::decode(event.event_type.as_str(), &payload)?);
            }
        }
        let events = loaded.state.decide(command).map_err(StageError::Refused)?;
        let mut staged = Vec::with_capacity(events.len());
        let mut claims = Vec::new();
        for event in &events {
            for intent in loaded.state.claims(event) {
                claims.push(owned::<A>(reader, intent, stream)?);
            }
            staged.push(encode::<A>(reader, event, stream).await?);
            loaded.state.evolve(event);
        }
        self.claims.extend(claims);
        let version = loaded.version;
        match place.and_then(|place| self.streams.get_mut(place)) {
            Some(known) => known.events.extend(staged),
            None => self.streams.push(StagedStream {
                stream: stream.clone(),
                loaded: version,
                events: staged,
            }),
        }
        Ok(loaded)
    }

    pub(crate) fn claim(&mut self, change: ClaimChange) {
        self.claims.push(change);
    }

    /// How many claims there are.
    pub(crate) fn claims(&self) -> usize {
        self.claims.len()
    }

    /// Goes on from what was worked out on a copy of this, which had so many claims: those that were made
    /// meanwhile stand behind it.
    pub(crate) fn take_over(&mut self, worked: Self, claims: usize) {
        let meanwhile = self.claims.split_off(claims.min(self.claims.len()));
        *self = worked;
        self.claims.extend(meanwhile);
    }

    /// Takes over what another call staged behind this.
    pub(crate) fn merge(&mut self, later: Self) {
        for stream in later.streams {
            match self.streams.iter_mut().find(|known| known.stream == stream.stream) {
                Some(known) => known.events.extend(stream.events),
                None => self.streams.push(stream),
            }
        }
        self.claims.extend(later.claims);
    }

    /// The writes and claim changes of an append; `finish` gives each event its metadata.
    pub(crate) fn into_writes(
        self,
        mut finish: impl FnMut(StagedEvent) -> NewEvent,
    ) -> (Vec<StreamWrite>, Vec<ClaimChange>) {
        let writes = self.streams.into_iter().map(|staged| StreamWrite {
            stream: staged.stream,
            expected: match staged.loaded {
                StreamVersion::NONE => ExpectedVersion::NoStream,
                version => ExpectedVersion::Exact(version),
            },
            events: staged.events.into_iter().map(&mut finish).collect(),
        });
        (writes.collect(), self.claims)
    }
}

/// The aggregate in `stream`: its snapshot, when there is one, and the events behind it. A new snapshot is
/// kept when these are a fifth of what makes one worth while.
pub(crate) async fn load<A: Aggregate>(
    reader: &dyn ReadStreams,
    stream: &StreamId,
) -> Result<Loaded<A>, LoadError> {
    let view = format!("snapshot:{}.v{}", A::CATEGORY, A::SNAPSHOT_VERSION);
    let page_events = reader.snapshot_events();
    let first = page::<A>(reader, stream, StreamVersion(1)).await?;
    if first.len() < page_events {
        let start = Loaded { state: A::default(), version: StreamVersion::NONE };
        return fold(start, &first);
    }
    let kept = if keeps_snapshots::<A>() { reader.snapshot(&view, stream).await? } else { None };
    let kept = kept.and_then(|bytes| serde_json::from_slice::<Snapshot<A>>(&bytes).ok());
    let mut loaded = match kept {
        Some(kept) => Loaded { state: kept.state, version: StreamVersion(kept.version) },
        None => fold(Loaded { state: A::default(), version: StreamVersion::NONE }, &first)?,
    };
    let from = loaded.version.0;
    loop {
        let page = page::<A>(reader, stream, StreamVersion(loaded.version.0 + 1)).await?;
        let full = page.len() == page_events;
        loaded = fold(loaded, &page)?;
        if !full {
            break;
        }
    }
    if keeps_snapshots::<A>() && loaded.version.0 - from > page_events as u64 / 5 {
        keep(reader, &view, stream, &loaded).await?;
    }
    Ok(loaded)
}

/// Not of what has personal parts: a snapshot is nobody's to forget.
fn keeps_snapshots<A: Aggregate>() -> bool {
    A::PERSONAL.is_empty()
}

/// A page of a stream with its personal parts.
async fn page<A: Aggregate>(
    reader: &dyn ReadStreams,
    stream: &StreamId,
    from: StreamVersion,
) -> Result<Vec<RecordedEvent>, LoadError> {
    let mut events = reader.read(stream, from, reader.snapshot_events()).await?;
    if !A::PERSONAL.is_empty() {
        for event in &mut events {
            event.payload = reader.open(event.payload.clone()).await?;
        }
    }
    Ok(events)
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Snapshot<A> {
    version: u64,
    state: A,
}

async fn keep<A: Aggregate>(
    reader: &dyn ReadStreams,
    view: &str,
    stream: &StreamId,
    loaded: &Loaded<A>,
) -> Result<(), LoadError> {
    let version = loaded.version.0 + u64::from(planted("snapshot-off-by-one"));
    let snapshot = Snapshot { version, state: loaded.state.clone() };
    let bytes = serde_json::to_vec(&snapshot).map_err(|error| CodecError {
        event_type: A::CATEGORY.to_owned(),
        problem: format!("its state cannot be written: {error}"),
    })?;
    reader.keep_snapshot(view, stream, Bytes::from(bytes)).await;
    Ok(())
}

fn fold<A: Aggregate>(
    mut loaded: Loaded<A>,
    events: &[RecordedEvent],
) -> Result<Loaded<A>, LoadError> {
    for event in events {
        loaded.state.evolve(&decode::<A>(event)?);
        loaded.version = event.version;
    }
    Ok(loaded)
}

/// Why an aggregate could not be loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// Its stream could not be read.
    #[error(transparent)]
    Storage(#[from] sagaline_storage::StorageError),
    /// One of its events does not fit.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl LoadError {
    /// The same, of an event of this type.
    fn of(self, event_type: &str) -> Self {
        match self {
            Self::Codec(error) => {
                Self::Codec(CodecError { event_type: event_type.to_owned(), ..error })
            }
            Self::Storage(_) => self,
        }
    }
}

impl<R> From<LoadError> for StageError<R> {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Storage(error) => Self::Storage(error),
            LoadError::Codec(error) => Self::Codec(error),
        }
    }
}

/// A recorded event of an aggregate, in today's shape.
pub(crate) fn decode<A: Aggregate>(event: &RecordedEvent) -> Result<A::Event, CodecError> {
    let event_type = event.event_type.as_str();
    let payload = codec::lift::<A>(event_type, event.schema_version, &event.payload)?;
    codec::decode(event_type, &payload)
}

async fn encode<A: Aggregate>(
    reader: &dyn ReadStreams,
    event: &A::Event,
    stream: &StreamId,
) -> Result<StagedEvent, LoadError> {
    let encoded = codec::encode(event)?;
    let schema_version = A::schema_version(&encoded.event_type);
    let event_type = EventType::new(encoded.event_type.as_str()).map_err(|error| CodecError {
        event_type: encoded.event_type.clone(),
        problem: error.to_string(),
    })?;
    let personal = A::PERSONAL.iter().find(|(known, _)| *known == encoded.event_type);
    let payload = match personal {
        None => encoded.payload,
        Some((known, personal)) => {
            let sealed = reader.seal(encoded.payload, personal, Some(stream.key())).await;
            sealed.map_err(|error| error.of(known))?
        }
    };
    Ok(StagedEvent { event_type, schema_version, payload })
}

fn owned<A: Aggregate>(
    reader: &dyn ReadStreams,
    intent: ClaimIntent,
    owner: &StreamId,
) -> Result<ClaimChange, CodecError> {
    let owner = owner.clone();
    let claim = |kind: String, key: String| match A::PERSONAL_CLAIMS.contains(&&*kind) {
        true => reader.personal_claim(&kind, &key),
        false => Ok(Claim::new(kind, key)),
    };
    Ok(match intent {
        ClaimIntent::Take { kind, key } => ClaimChange::Take { claim: claim(kind, key)?, owner },
        ClaimIntent::Release { kind, key } => {
            ClaimChange::Release { claim: claim(kind, key)?, owner }
        }
        ClaimIntent::ReleaseAt { kind, key, at_us } => {
            ClaimChange::ReleaseAt { claim: claim(kind, key)?, owner, at: Timestamp(at_us) }
        }
    })
}
