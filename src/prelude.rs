//! What a saga, an aggregate or a projection of one's own needs: `use sagaline::prelude::*;`.

pub use sagaline_storage::{Backend, CorrelationId};
pub use serde::{Deserialize, Serialize};

pub use crate::codec::CodecError;
pub use crate::domain::{Aggregate, ClaimIntent};
pub use crate::engine::{
    Ack, Begin, Call, CommandMetadata, Compensable, Consumer, Definition, Delivery, DeliveryOrder,
    DocumentQuery, EngineSettings, EventSubscription, Failure, IndexKey, Node, NodeBuilder,
    Outcome, Probe, Projection, Recorded, StartError, StartRequest, Started, Step, View,
};
pub use crate::saga::{DefinitionError, End, Phase, Policy, SagaState, TimeUnits};
