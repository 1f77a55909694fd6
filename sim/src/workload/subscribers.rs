//! Readers that follow the log: from its beginning, from the middle, and from its head, each of which is
//! another way to miss something at the seam between what is past and what is new.

use std::sync::Arc;

use parking_lot::Mutex;
use sagaline_storage::{AllQuery, EventStore, GlobalPosition};

use crate::evidence::Subscriber;
use crate::services::remote::RemoteEvents;
use crate::services::witnessed::id_text;
use crate::world::World;

const PAGE_EVENTS: usize = 200;
const RETRY_US: u64 = 200_000;
/// A look at the log at least so often, whether anybody woke the reader or not: the wait itself is
/// judged by the engine's own readers.
const LOOK_US: u64 = 1_000_000;
/// Those who begin in the past let events gather when they have come to the end, as a system that follows
/// in batches does; the one from the head takes every event as it comes.
const GATHER_US: u64 = 50_000;

/// What all of them have seen.
#[derive(Clone, Default)]
pub struct Subscribers(Arc<Mutex<Vec<Subscriber>>>);

/// The place of one of them.
#[derive(Debug, Clone, Copy)]
pub struct Seat(usize);

impl Subscribers {
    /// Starts one reader at each place; `after_us` later, when there is a middle.
    pub fn start(&self, world: &World, store: &RemoteEvents, after_us: u64) {
        for (name, percent) in [("from-zero", 0), ("from-middle", 50), ("from-head", 100)] {
            let (seen, world, store) = (self.clone(), world.clone(), store.clone());
            let wait_us = if percent == 0 { 0 } else { after_us };
            tokio::spawn(async move {
                world.timeline().after(wait_us).await;
                seen.follow(&world, &store, name, percent).await;
            });
        }
    }

    /// One more, who follows from behind this position.
    pub fn take_seat(&self, name: &str, after: u64) -> Seat {
        let mut all = self.0.lock();
        all.push(Subscriber { name: name.to_owned(), after, seen: Vec::new() });
        Seat(all.len() - 1)
    }

    /// It has seen these events: positions and ids.
    pub fn saw(&self, seat: Seat, events: impl IntoIterator<Item = (u64, String)>) {
        // What was taken away is followed no more.
        if let Some(subscriber) = self.0.lock().get_mut(seat.0) {
            subscriber.seen.extend(events);
        }
    }

    /// What they have seen so far, which is then forgotten: nobody may follow any more.
    pub fn take(&self) -> Vec<Subscriber> {
        std::mem::take(&mut self.0.lock())
    }

    /// How far the last of them has come; none: there is none yet.
    pub fn slowest(&self) -> Option<u64> {
        let seen = self.0.lock();
        let at = |reader: &Subscriber| reader.seen.last().map_or(reader.after, |(last, _)| *last);
        seen.iter().map(at).min()
    }

    async fn follow(&self, world: &World, store: &RemoteEvents, name: &str, percent: u64) {
        let head = loop {
            match store.head().await {
                Ok(head) => break head,
                Err(_) => world.timeline().after(RETRY_US).await,
            }
        };
        let mut after = GlobalPosition(head.0 * percent / 100);
        let seat = self.take_seat(name, after.0);
        loop {
            match store.read_all(AllQuery::after(after, PAGE_EVENTS)).await {
                Ok(page) => {
                    let events =
                        page.events.iter().map(|event| (event.position.0, id_text(event.id.0)));
                    self.saw(seat, events);
                    after = page.next;
                    if page.end {
                        tokio::select! {
                            biased;
                            () = store.await_after(after) => {}
                            () = world.timeline().after(LOOK_US) => {}
                        }
                        if percent < 100 {
                            world.timeline().after(GATHER_US).await;
                        }
                    }
                }
                Err(_) => world.timeline().after(RETRY_US).await,
            }
        }
    }
}
