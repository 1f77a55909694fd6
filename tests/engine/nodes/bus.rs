//! A bus that a test can take away from a node: its client runs beside the node, as real ones do, so
//! that the bus can end the membership of a node that does not run.

use std::sync::Arc;

use parking_lot::Mutex;
use sagaline_storage::StorageError;
use sagaline_storage::bus::{Consumer, ConsumerEvent, Delivery, Message, MessageBus};
use sagaline_storage::memory::LocalBus;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// One node's way to the bus.
#[derive(Clone)]
pub(crate) struct NodeBus {
    pub(crate) bus: LocalBus,
    runtime: Handle,
    line: Arc<Mutex<Line>>,
}

#[derive(Default)]
struct Line {
    down: bool,
    clients: Vec<JoinHandle<()>>,
}

impl NodeBus {
    pub(crate) fn new(bus: LocalBus, runtime: Handle) -> Self {
        Self { bus, runtime, line: Arc::default() }
    }

    /// The bus takes the node for dead: its partitions go to others. The node learns it when it looks.
    pub(crate) fn expire(&self) {
        self.line.lock().clients.drain(..).for_each(|client| client.abort());
    }

    /// The node does not reach the bus, or does again. Its membership stays.
    pub(crate) fn set_down(&self, down: bool) {
        self.line.lock().down = down;
    }

    fn check(&self) -> Result<(), StorageError> {
        match self.line.lock().down {
            true => Err(StorageError::unavailable("the bus is down")),
            false => Ok(()),
        }
    }

    async fn connect(
        &self,
        topic: &str,
        group: &str,
    ) -> Result<mpsc::UnboundedReceiver<ConsumerEvent>, StorageError> {
        self.check()?;
        let mut consumer = self.bus.subscribe(topic, group).await?;
        let (told, news) = mpsc::unbounded_channel();
        let client = self.runtime.spawn(async move {
            while let Ok(event) = consumer.next().await {
                if told.send(event).is_err() {
                    return;
                }
            }
        });
        self.line.lock().clients.push(client);
        Ok(news)
    }
}

impl MessageBus for NodeBus {
    type Consumer = NodeConsumer;

    async fn publish(&self, topic: &str, messages: Vec<Message>) -> Result<(), StorageError> {
        self.check()?;
        self.bus.publish(topic, messages).await
    }

    async fn partitions(&self, topic: &str) -> Result<u32, StorageError> {
        self.check()?;
        self.bus.partitions(topic).await
    }

    async fn subscribe(&self, topic: &str, group: &str) -> Result<NodeConsumer, StorageError> {
        let news = self.connect(topic, group).await?;
        let (bus, topic, group) = (self.clone(), topic.to_owned(), group.to_owned());
        Ok(NodeConsumer { bus, topic, group, news, held: Vec::new() })
    }
}

/// Joins again when its membership was ended, and tells first what it has lost.
pub(crate) struct NodeConsumer {
    bus: NodeBus,
    topic: String,
    group: String,
    news: mpsc::UnboundedReceiver<ConsumerEvent>,
    held: Vec<u32>,
}

impl Consumer for NodeConsumer {
    async fn next(&mut self) -> Result<ConsumerEvent, StorageError> {
        loop {
            if let Some(event) = self.news.recv().await {
                match &event {
                    ConsumerEvent::Assigned(got) => self.held.extend(got),
                    ConsumerEvent::Revoked(lost) => self.held.retain(|held| !lost.contains(held)),
                    ConsumerEvent::Delivered(_) => {}
                }
                return Ok(event);
            }
            self.bus.check()?;
            if !self.held.is_empty() {
                return Ok(ConsumerEvent::Revoked(std::mem::take(&mut self.held)));
            }
            self.news = self.bus.connect(&self.topic, &self.group).await?;
        }
    }

    async fn ack(&mut self, delivery: &Delivery) -> Result<bool, StorageError> {
        Err(StorageError::invalid(format!("nobody publishes to {}", delivery.topic)))
    }
}

impl Drop for NodeConsumer {
    fn drop(&mut self) {
        self.bus.expire();
    }
}
