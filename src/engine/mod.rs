//! The shell: the only place that spawns, sleeps or selects. Generic over one [`Backend`].
//!
//! ```text
//! sagas ── start ──> turn ── append ──> actor ── calls, timers ──> turn ── append ──> …
//! aggregates ─ execute ─> append                       │
//! subscription <── log: projector, outbox              └─ participants: breaker, limit, budget
//! consumer <── log: deliveries to a user's code, retries, dead letters
//! recovery: claims of live sagas ──> actor
//! ownership: which shards, and so which sagas and followers, are this node's
//! ```
//!
//! Architecture invariant: names no adapter; what a saga *decides* is in [`crate::saga`], never here.
//!
//! [`Backend`]: sagaline_storage::Backend

pub mod outcome;
pub mod step;

mod call;
mod definition;
mod event_types;
mod keys;
mod stage;

mod builder;
pub mod node;
pub mod settings;

mod asks;
mod sagas;

mod start;
mod starting;

pub mod aggregates;

pub mod barrier;

mod append;
mod core;
mod directory;
mod ownership;
mod run;

mod actor;
mod invoke;
mod participants;
mod recovery;
mod taken_up;
mod tasks;
mod turn;
mod under_way;

mod privacy;
mod subjects;

pub mod projection;

mod begin;
pub mod consumer;
mod event_subscription;
mod generations;

mod outbox;
mod pages;
mod projector;
mod rebuild;
mod subscription;
mod view_states;
mod views;

mod connection;
mod connections;
pub mod http_client;
mod in_process;
pub mod metrics;
pub mod timer;

pub use aggregates::{Aggregates, CommandMetadata, ExecuteError};
pub use append::Refused;
pub use begin::Begin;
pub use builder::{NodeBuilder, NodeError};
pub use call::Call;
pub use consumer::{
    Ack, Consumer, ConsumerError, ConsumerStatus, Consumers, DeadLetter, DeadLetterPage, Delivery,
    DeliveryOrder,
};
pub use definition::{Definition, DefinitionBuilder};
pub use directory::RequestError;
pub use event_subscription::EventSubscription;
pub use in_process::InProcess;
pub use keys::{SAGA_CATEGORY, saga_of, saga_stream};
pub use node::Node;
pub use outcome::{Failure, Outcome, Probe};
pub use ownership::ShardWatch;
pub use participants::ParticipantHealth;
pub use privacy::MasterKey;
pub use projection::{IndexKey, Projection, Recorded, View};
pub use run::SagaHistory;
pub use sagas::Sagas;
pub use settings::EngineSettings;
pub use stage::{LoadError, Loaded, StageError};
pub use start::{StartError, StartRequest, Started};
pub use starting::Starting;
pub use step::{Compensable, Step};
pub use view_states::{LiveGeneration, ProjectionState, RebuildError, Rebuilding, live_generation};
pub use views::{DocumentPage, DocumentQuery, Views};
