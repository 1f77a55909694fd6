//! Consumers of the bus: another system that acts on what the product publishes, once for each message
//! however often it comes, by an inbox of message ids.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use sagaline_storage::bus::{Consumer, ConsumerEvent, Delivery, MessageBus};
use sagaline_storage::{Backend, StorageError};

use crate::evidence::{BusEntry, BusWhat};
use crate::seed::{Random, Seed};
use crate::services::{SimBackend, Witness};
use crate::world::World;

/// What is listened to.
const TOPICS: [&str; 2] = ["order-events", "payment-events"];
/// Members of the group, so that partitions change hands.
const MEMBERS: u32 = 2;
const GROUP: &str = "another-system";
const RETRY_US: u64 = 300_000;
/// How long it takes at the most to act on a message: what is handed out stays open so long.
const ACT_US: u64 = 12_000;

/// Messages that were acted on, by topic and id: what the other system keeps in its database.
type Inbox = Arc<Mutex<BTreeSet<(String, String)>>>;

/// Starts the other system. It goes on to the end of the world.
pub fn start(world: &World, witness: &Witness, backend: &SimBackend, seed: Seed) {
    let inbox = Inbox::default();
    for topic in TOPICS {
        for number in 0..MEMBERS {
            let member = Member {
                world: world.clone(),
                witness: witness.clone(),
                backend: backend.clone(),
                inbox: inbox.clone(),
                topic,
                pace: Mutex::new(seed.stream(&format!("another-system/{topic}/{number}"))),
            };
            tokio::spawn(member.run());
        }
    }
}

struct Member {
    world: World,
    witness: Witness,
    backend: SimBackend,
    inbox: Inbox,
    topic: &'static str,
    pace: Mutex<Random>,
}

impl Member {
    async fn run(self) {
        loop {
            if self.follow().await.is_err() {
                self.world.timeline().after(RETRY_US).await;
            }
        }
    }

    /// Takes part in the group until something fails.
    async fn follow(&self) -> Result<(), StorageError> {
        let mut consumer = self.backend.bus().subscribe(self.topic, GROUP).await?;
        loop {
            match consumer.next().await? {
                ConsumerEvent::Assigned(_) | ConsumerEvent::Revoked(_) => {}
                ConsumerEvent::Delivered(delivery) => {
                    self.act(&delivery);
                    let pace_us = self.pace.lock().below(ACT_US);
                    self.world.timeline().after(pace_us).await;
                    // Not acknowledged in time: another member has it, and the inbox knows it.
                    consumer.ack(&delivery).await?;
                }
            }
        }
    }

    fn act(&self, delivery: &Delivery) {
        let message = &delivery.message;
        if self.inbox.lock().insert((self.topic.to_owned(), message.id.clone())) {
            self.witness.bus(BusEntry {
                at_us: self.world.now_us(),
                topic: self.topic.to_owned(),
                message: message.id.clone(),
                key: message.key.clone(),
                what: BusWhat::Acted { group: GROUP.to_owned() },
            });
        }
    }
}
