//! What can be asked of the bus machine. Each answer is a `Result` of what is named here.

use std::time::Duration;

use sagaline_storage::bus::{ConsumerEvent, Message};
use serde::{Deserialize, Serialize};

/// A member of a group, until its session ends. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct MemberId(pub(crate) u64);

/// Who speaks, as which member of which group of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) member: MemberId,
}

/// A request to the bus.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum BusRequest {
    /// `()`: everything is kept.
    Publish { topic: String, messages: Vec<Message> },
    /// How many partitions the topic has.
    Partitions { topic: String },
    /// [`MemberId`]. Who is silent for longer than `lease` is no member any more.
    Join { topic: String, group: String, lease: Duration },
    /// [`Told`]. `seq` counts what the member was told: the same number is answered with the same.
    Next { session: Session, seq: u64 },
    /// Whether it counts.
    Ack { session: Session, partition: u32, offset: u64 },
    /// Whether the member is still one.
    Beat(Session),
    /// `()`.
    Leave(Session),
}

/// What a member that asks for news is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    /// This is new.
    News(ConsumerEvent),
    /// There is nothing new yet.
    Nothing,
    /// It is no member any more.
    Gone,
}
