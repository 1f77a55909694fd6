//! An order as the API shows it, read from the log: an order just placed is always found.

use sagaline_storage::{
    Backend, Direction, EventStore, RecordedEvent, StorageError, StreamId, StreamVersion,
};

use crate::domain::{Aggregate, Order, OrderId, Payment};
use crate::projections::{self, OrderDocument};

use super::{ChangeError, Orders};

/// An order has a handful of events, and so has its payment.
const PAGE: usize = 256;

impl<B: Backend> Orders<B> {
    /// The document that the view holds, or will hold once it has caught up; none when there is no such
    /// order.
    pub async fn document(&self, id: OrderId) -> Result<Option<OrderDocument>, ChangeError> {
        let key = id.to_string();
        let mut events = self.stream(Order::CATEGORY, &key).await?;
        if events.is_empty() {
            return Ok(None);
        }
        events.extend(self.stream(Payment::CATEGORY, &key).await?);
        events.sort_unstable_by_key(|event| event.position);
        let document = projections::fold(&projections::Orders, &key, &events);
        document.map_err(|error| ChangeError::Unavailable(error.to_string()))
    }

    async fn stream(&self, category: &str, key: &str) -> Result<Vec<RecordedEvent>, ChangeError> {
        let unavailable = |error: StorageError| ChangeError::Unavailable(error.to_string());
        let stream = StreamId::new(format!("{category}-{key}")).map_err(unavailable)?;
        let log = self.node.backend().events();
        let mut events = Vec::new();
        loop {
            let from = StreamVersion(events.len() as u64 + 1);
            let page = log.read_stream(&stream, from, Direction::Forward, PAGE).await;
            let page = page.map_err(unavailable)?;
            let is_last = page.len() < PAGE;
            events.extend(page);
            if is_last {
                let opened = self.node.open(&mut events).await;
                opened.map_err(|error| ChangeError::Unavailable(error.to_string()))?;
                return Ok(events);
            }
        }
    }
}
