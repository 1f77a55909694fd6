//! Names shared between the events of one page: neighbours repeat their stream, correlation id, type
//! and node, and a shared name costs no allocation.

use crate::error::StorageError;
use crate::event::{CorrelationId, EventType, NodeId};
use crate::stream::StreamId;

/// Event types remembered: a log has few, and the search is linear.
const EVENT_TYPES_MAX: usize = 32;

/// The names seen last; made for one page and dropped with it.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    stream: Option<StreamId>,
    correlation_id: Option<CorrelationId>,
    node_id: Option<NodeId>,
    event_types: Vec<EventType>,
}

impl Interner {
    pub(crate) fn stream(&mut self, name: &str) -> Result<StreamId, StorageError> {
        match &self.stream {
            Some(last) if last.as_str() == name => Ok(last.clone()),
            Some(_) | None => Ok(self.stream.insert(StreamId::new(name)?).clone()),
        }
    }

    pub(crate) fn correlation_id(&mut self, name: &str) -> Result<CorrelationId, StorageError> {
        match &self.correlation_id {
            Some(last) if last.as_str() == name => Ok(last.clone()),
            Some(_) | None => Ok(self.correlation_id.insert(CorrelationId::new(name)?).clone()),
        }
    }

    pub(crate) fn node_id(&mut self, name: &str) -> Result<NodeId, StorageError> {
        match &self.node_id {
            Some(last) if last.as_str() == name => Ok(last.clone()),
            Some(_) | None => Ok(self.node_id.insert(NodeId::new(name)?).clone()),
        }
    }

    pub(crate) fn event_type(&mut self, name: &str) -> Result<EventType, StorageError> {
        if let Some(known) = self.event_types.iter().find(|known| known.as_str() == name) {
            return Ok(known.clone());
        }
        let new = EventType::new(name)?;
        if self.event_types.len() < EVENT_TYPES_MAX {
            self.event_types.push(new.clone());
        }
        Ok(new)
    }
}
