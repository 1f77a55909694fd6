//! The types of a saga's events, checked and made once for all appends.

use sagaline_storage::{EventType, StorageError};

use crate::saga::SagaEvent;

/// Every event type of a saga's stream.
#[derive(Debug)]
pub(crate) struct SagaEventTypes(Vec<EventType>);

impl Default for SagaEventTypes {
    fn default() -> Self {
        Self(SagaEvent::NAMES.iter().filter_map(|name| EventType::new(*name).ok()).collect())
    }
}

impl SagaEventTypes {
    /// The type under which an event is stored: shared, so that it costs no memory of its own.
    pub(crate) fn of(&self, event: &SagaEvent) -> Result<EventType, StorageError> {
        let name = event.name();
        let known = self.0.iter().find(|known| known.as_str() == name);
        known.map_or_else(|| EventType::new(name), |known| Ok(known.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_the_type_of_its_name() {
        let types = SagaEventTypes::default();
        assert_eq!(types.0.len(), SagaEvent::NAMES.len());
        let event = SagaEvent::SagaCompensated { at_us: 1 };
        assert_eq!(types.of(&event).unwrap().as_str(), "SagaCompensated");
    }
}
