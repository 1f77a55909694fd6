//! What readers may see: the head, the newest events, and the wake-up for those who wait.
//!
//! Only the appender moves it, after the write that holds the events was synced. A reader that takes its
//! bound from here never sees anything that a crash could take back.

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::canary::planted;
use crate::event::RecordedEvent;
use crate::event_store::{AllPage, AllQuery, Direction};
use crate::log::hashing::Hashing;
use crate::log::ring::Ring;
use crate::log::settings::LogSettings;
use crate::stream::{GlobalPosition, StreamId};

/// The readable end of the log.
#[derive(Debug)]
pub(super) struct Published {
    /// Head and events move together under this lock.
    ring: RwLock<Ring>,
    /// Follows the head, to wake those who wait.
    wake: watch::Sender<GlobalPosition>,
}

impl Published {
    pub(super) fn new(head: GlobalPosition, settings: &LogSettings, hashing: Hashing) -> Self {
        Self {
            ring: RwLock::new(Ring::new(head, settings, hashing)),
            wake: watch::Sender::new(head),
        }
    }

    /// Makes events visible that are durable now.
    pub(super) fn publish(&self, events: Vec<RecordedEvent>) {
        let Some(head) = events.last().map(|event| event.position) else { return };
        let leaving = self.ring.write().push(events);
        if planted("wake-up-sent-to-nobody") {
            let _sent = self.wake.send(head).is_ok();
        } else {
            self.wake.send_replace(head);
        }
        drop(leaving);
    }

    pub(super) fn head(&self) -> GlobalPosition {
        self.ring.read().head()
    }

    /// How many events and bytes are kept in memory.
    pub(super) fn kept(&self) -> (usize, usize) {
        self.ring.read().size()
    }

    /// Returns when the head is behind `position`.
    pub(super) async fn wait_behind(&self, position: GlobalPosition) {
        let mut head = self.wake.subscribe();
        // An error says that the sender is gone, and the sender is in `self`.
        let _seen = head.wait_for(|head| *head > position).await.is_ok();
    }

    /// See [`Ring::page`].
    pub(super) fn page(&self, query: &AllQuery) -> Option<AllPage> {
        self.ring.read().page(query)
    }

    /// See [`Ring::stream`].
    pub(super) fn stream(
        &self,
        stream: &StreamId,
        from: u64,
        direction: Direction,
        limit: usize,
    ) -> Option<Vec<RecordedEvent>> {
        self.ring.read().stream(stream, from, direction, limit)
    }
}
