//! Sagaline's storage: the ports every world implements, and the adapters of this machine.
//!
//! Read in this order: what is stored ([`stream`], [`event`]), the ports ([`event_store`],
//! [`views`], [`lock`], [`bus`], [`clock`], bundled by [`backend`]), then the adapters. The log's
//! algorithm lives once, in [`log`], over the small [`kv`] port; RocksDB, memory and the
//! simulation's faulty disk are only different [`kv`]s under the same lines.
//!
//! Architecture invariant: this crate knows nothing of orders or sagas.

pub mod stream;

pub mod event;

pub mod error;

pub mod event_store;

pub mod views;

pub mod lock;

pub mod bus;

pub mod clock;

pub mod backend;

pub mod kv;

pub mod log;

pub mod view_store;

pub mod memory;

#[cfg(feature = "rocksdb")]
pub mod rocksdb;

pub mod embedded;

pub mod canary;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use backend::Backend;
pub use clock::{Clock, Entropy, Timestamp};
#[cfg(feature = "rocksdb")]
pub use embedded::{Embedded, open_embedded};
pub use embedded::{InMemory, LocalSettings, open_in_memory};
pub use error::{ErrorKind, StorageError};
pub use event::{AppendId, CorrelationId, EventId, EventType, NewEvent, NodeId, RecordedEvent};
pub use event_store::{
    AllPage, AllQuery, AppendError, AppendRequest, Appended, Claim, ClaimChange, ClaimHolder,
    Direction, Epoch, EventStore, ExpectedVersion, Fence, Filter, Shard, StreamWrite,
};
pub use log::{Log, LogCounters, LogSettings};
pub use stream::{GlobalPosition, StreamId, StreamVersion};
pub use view_store::{ViewSettings, Views};
