//! Runs a group: reads the log, delivers, stores. What happens next is the group's decision.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, future};
use sagaline_storage::views::{ViewError, ViewStore};
use sagaline_storage::{
    AllQuery, Backend, Clock, Direction, Entropy, EventStore, GlobalPosition, RecordedEvent,
    StorageError, StreamVersion,
};
use tokio::sync::watch;

use crate::canary::planted;
use crate::engine::core::Core;
use crate::engine::keys;
use crate::engine::outcome::Failure;
use crate::engine::pages::Page;
use crate::engine::step::BoxFuture;
use crate::engine::subscription::Progress;

use super::deliveries::{Deliveries, Ended};
use super::delivery::Delivery;
use super::group::{Attempt, Bounds, Group, Settled};
use super::inbox::Inbox;
use super::record::documents_view;
use super::requests::{Requests, request_of};
use super::store::{self, Loaded, Turn};
use super::{AnyConsumer, Terms};

/// Events in memory that are not done.
const WINDOW_MAX: usize = 1_000;
/// Letters of a group. Each is some bytes in memory and a small document.
const LETTERS_MAX: usize = 1_000_000;
/// After a page at the head the next look comes no sooner.
const READ_PACE: Duration = Duration::from_millis(2);
/// A group at rest stores no more often than this, a busy one waits up to the other for more.
const COMMIT_PACE_MIN: Duration = Duration::from_millis(10);
const COMMIT_PACE_MAX: Duration = Duration::from_millis(100);
/// So many deliveries that have ended are stored without delay.
const COMMIT_SETTLED: usize = 256;
/// What is stored survives a crash, and is in a backup, so much later at the latest.
const FLUSH_PACE: Duration = Duration::from_secs(5);
/// A group that takes in nothing more asks so often whether an operator has looked after it.
const HEAR_PACE: Duration = Duration::from_millis(500);
/// Deliveries under way get so long to end when the node stops.
const GRACE: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(500);
const REQUESTS_PAGE: usize = 100;
const REASON_CHARS_MAX: usize = 1_000;

/// Runs one group while this node has its shard.
pub(crate) struct Runner<B: Backend> {
    pub(crate) core: Arc<Core<B>>,
    pub(crate) consumer: Arc<dyn AnyConsumer>,
    pub(crate) terms: Terms,
    /// True: stop at the next opportunity.
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) progress: Progress,
}

/// The group as it is in memory.
struct Work {
    group: Group,
    /// Of the events in the window.
    events: BTreeMap<u64, RecordedEvent>,
    inbox: Inbox,
    turn: Option<GlobalPosition>,
    heard: StreamVersion,
    /// Deliveries that have ended since the last commit, and whether one was parked.
    settled: usize,
    parked: bool,
    /// Monotonic.
    committed_at: Duration,
    /// When the first commit was made that a crash would take.
    unflushed_since: Option<Duration>,
    read_again_at: Duration,
    heard_at: Duration,
    /// There may be more in the log than was read.
    more: bool,
    /// The log ended with what was read last.
    near: bool,
    /// Somebody waits for the place.
    awaited: bool,
}

/// What ended a wait.
enum Woken {
    Ended(Ended),
    More,
    Awaited,
    Look,
}

impl<B: Backend> Runner<B> {
    /// Runs until it is told to stop. After a failure, or when another node has stored something, it goes on
    /// from what is stored.
    pub(crate) async fn run(mut self) {
        while !*self.stop.borrow() {
            if let Err(error) = self.follow().await {
                tracing::warn!(consumer = self.terms.name, %error, "consumer interrupted, again");
                self.rest(RETRY).await;
            }
        }
    }

    async fn follow(&mut self) -> Result<(), ViewError> {
        let Some(mut work) = self.load().await? else { return Ok(()) };
        self.hear(&mut work).await?;
        let mut deliveries = Deliveries::default();
        while !*self.stop.borrow() {
            deliveries.beside(self.take_in(&mut work)).await?;
            self.begin(&mut work, &mut deliveries).await?;
            if self.commit_is_due(&work, &deliveries) {
                deliveries.beside(self.commit(&mut work)).await?;
            } else if self.flush_at(&work).is_some_and(|at| self.now() >= at) {
                deliveries.beside(self.flush(&mut work)).await;
            } else {
                self.wait(&mut work, &mut deliveries).await?;
            }
        }
        self.end(work, deliveries).await
    }

    /// The group as it is stored; a new one is stored durably before anything is delivered, so that it begins
    /// at one place whatever happens. None: another node wrote meanwhile.
    async fn load(&self) -> Result<Option<Work>, ViewError> {
        let backend = &self.core.backend;
        let Some(mut loaded) = store::load(backend.views(), self.terms.name).await? else {
            return Ok(None);
        };
        let is_new = loaded.turn.is_none();
        if is_new {
            loaded.stored.place = self.terms.begin.position(backend.events()).await?.0;
        }
        let mut work = self.work(loaded);
        if is_new {
            self.commit(&mut work).await?;
        }
        if work.turn == Some(store::FIRST_TURN) {
            // Also when somebody else stored it, or the flush behind it failed.
            backend.views().flush().await?;
            work.unflushed_since = None;
        }
        self.progress.reach(GlobalPosition(work.group.place()));
        Ok(Some(work))
    }

    fn work(&self, loaded: Loaded) -> Work {
        let bounds = Bounds {
            in_flight_max: self.terms.concurrency,
            window_max: WINDOW_MAX.max(self.terms.concurrency),
            letters_max: LETTERS_MAX,
        };
        Work {
            group: Group::of(loaded.stored, self.terms.policy.clone(), bounds),
            events: BTreeMap::new(),
            inbox: Inbox::default(),
            turn: loaded.turn,
            heard: StreamVersion(loaded.heard),
            settled: 0,
            parked: false,
            committed_at: Duration::ZERO,
            unflushed_since: None,
            read_again_at: Duration::ZERO,
            heard_at: Duration::ZERO,
            more: true,
            near: false,
            awaited: false,
        }
    }

    /// Does what operators have asked for since.
    async fn hear(&self, work: &mut Work) -> Result<(), StorageError> {
        let stream = keys::aggregate_stream::<Requests>(self.terms.name)?;
        work.heard_at = self.now();
        loop {
            let from = StreamVersion(work.heard.0 + 1);
            let log = self.core.backend.events();
            let read = log.read_stream(&stream, from, Direction::Forward, REQUESTS_PAGE).await?;
            for event in &read {
                match request_of(event) {
                    Ok(request) => {
                        let found = work.group.request(&request);
                        tracing::info!(consumer = self.terms.name, ?request, found, "requested");
                    }
                    Err(error) => {
                        tracing::error!(consumer = self.terms.name, %error, "request passed over");
                    }
                }
                work.heard = event.version;
            }
            if read.len() < REQUESTS_PAGE {
                return Ok(());
            }
        }
    }

    /// Reads the next page when there is room for it.
    async fn take_in(&self, work: &mut Work) -> Result<(), StorageError> {
        let now = self.now();
        if !work.group.has_room() {
            if now >= work.heard_at + HEAR_PACE {
                self.hear(work).await?;
            }
            return Ok(());
        }
        if !work.more || now < work.read_again_at {
            return Ok(());
        }
        let from = GlobalPosition(work.group.read());
        let page = self.page(from, work.near).await?;
        work.near = page.is_end();
        if page.is_end() {
            work.more = false;
            work.read_again_at = self.now() + READ_PACE;
        }
        if page.next() == from {
            return Ok(());
        }
        let mut taken = Vec::new();
        let mut is_asked = false;
        for event in page.behind(from) {
            let requests = event.stream.category() == "consumer";
            is_asked |= requests && event.stream.key() == self.terms.name;
            if self.terms.filter.admits(event) {
                taken.push((event.position.0, self.terms.order.key(event)));
                work.events.insert(event.position.0, event.clone());
            }
        }
        work.group.take_in(taken, page.next().0);
        // What a page passes over may have been asked of the group.
        if is_asked || page.next().0 - from.0 > page.behind(from).len() as u64 {
            self.hear(work).await?;
        }
        Ok(())
    }

    /// The events behind `from`, or the next part of them. How far it is to the end is not asked by whoever was
    /// there.
    async fn page(&self, from: GlobalPosition, near: bool) -> Result<Page, StorageError> {
        let (log, pages) = (self.core.backend.events(), self.progress.pages());
        let room = self.core.settings.subscription_batch.clamp(1, WINDOW_MAX);
        if near {
            return pages.behind(log, from, room).await;
        }
        let head = log.head().await?;
        pages.next(log, from, head, room, &self.terms.filter).await
    }

    /// Begins every delivery that may be made now.
    async fn begin(
        &self,
        work: &mut Work,
        deliveries: &mut Deliveries,
    ) -> Result<(), StorageError> {
        while let Some(attempt) = work.group.next(self.core.backend.clock().now().0) {
            let event = match work.events.get(&attempt.position) {
                Some(event) => event.clone(),
                None => deliveries.beside(self.event(attempt.position)).await?,
            };
            self.core.metrics.consumer_deliveries.add(1);
            deliveries.begin(self.deliver(event, &attempt));
        }
        Ok(())
    }

    /// The event of a letter.
    async fn event(&self, position: u64) -> Result<RecordedEvent, StorageError> {
        let query = AllQuery::after(GlobalPosition(position.saturating_sub(1)), 1);
        let page = self.core.backend.events().read_all(query).await?;
        let event = page.events.into_iter().find(|event| event.position.0 == position);
        event.ok_or_else(|| StorageError::corrupt(format!("no event at position {position}")))
    }

    fn deliver(&self, event: RecordedEvent, attempt: &Attempt) -> BoxFuture<'static, Ended> {
        let (core, consumer) = (self.core.clone(), self.consumer.clone());
        let timeout = Duration::from_millis(self.terms.policy.attempt_timeout_ms);
        let position = attempt.position;
        let delivery = Delivery::new(self.terms.name, event, attempt.number);
        Box::pin(async move {
            // Called in here: what a handler does before it gives its future may panic as well.
            let handling = async { consumer.consume(&delivery).await };
            let handled = AssertUnwindSafe(handling).catch_unwind();
            let outcome = tokio::select! {
                biased;
                handled = handled => handled.unwrap_or_else(|_| {
                    core.metrics.consumer_panics.add(1);
                    Err(Failure::unknown("the handler panicked"))
                }),
                () = core.backend.clock().sleep(timeout) => {
                    Err(Failure::unknown(format!("no answer within {} ms", timeout.as_millis())))
                }
            };
            Ended { position, outcome }
        })
    }

    /// What came of a delivery.
    async fn settle(&self, work: &mut Work, ended: Ended) -> Result<(), StorageError> {
        let backend = &self.core.backend;
        let settled = match ended.outcome {
            Ok(ack) => {
                let view = documents_view(self.terms.name);
                let kept = work.inbox.keep(backend.views(), &view, ack).await?;
                kept.map_or_else(|reason| Settled::Refused { reason }, |()| Settled::Done)
            }
            Err(Failure::Rejected { code, reason }) => {
                let reason = format!("{code}: {reason}");
                match self.terms.policy.is_final(&code) && !planted("refused-event-tried-again") {
                    true => Settled::Refused { reason },
                    false => Settled::Failed { reason, retry_after_ms: None },
                }
            }
            Err(Failure::Unknown { cause, retry_after_ms }) => {
                Settled::Failed { reason: cause, retry_after_ms }
            }
        };
        let settled = bounded(settled);
        if let Settled::Failed { reason, .. } | Settled::Refused { reason } = &settled {
            let (consumer, position) = (self.terms.name, ended.position);
            tracing::warn!(consumer, position, %reason, "a delivery failed");
            self.core.metrics.consumer_failures.add(1);
        }
        let (now_us, jitter) = (backend.clock().now().0, backend.entropy().next_u64());
        if work.group.settle(ended.position, settled, now_us, jitter) {
            self.core.metrics.consumer_parked.add(1);
            work.parked = true;
        }
        work.settled += 1;
        Ok(())
    }

    fn commit_is_due(&self, work: &Work, deliveries: &Deliveries) -> bool {
        work.group.has_changed()
            && (work.settled >= COMMIT_SETTLED || self.now() >= self.commit_at(work, deliveries))
    }

    /// When what has changed is stored.
    fn commit_at(&self, work: &Work, deliveries: &Deliveries) -> Duration {
        let at_rest = deliveries.is_empty() || work.awaited;
        work.committed_at + if at_rest { COMMIT_PACE_MIN } else { COMMIT_PACE_MAX }
    }

    async fn commit(&self, work: &mut Work) -> Result<(), ViewError> {
        let letters = work.group.letters();
        let changes = work.group.take_changes();
        let place = GlobalPosition(changes.place);
        let (name, before, heard) = (self.terms.name, work.turn, work.heard.0);
        let documents = work.inbox.take().collect();
        let turn = Turn { name, before, heard, letters, changes, documents };
        let views = self.core.backend.views();
        work.turn = turn.commit(views).await?;
        work.unflushed_since.get_or_insert_with(|| self.now());
        if std::mem::take(&mut work.parked) {
            // That an operator is needed is not to be found out again after a crash.
            views.flush().await?;
            work.unflushed_since = None;
        }
        let group = &work.group;
        work.events.retain(|position, _| group.is_open(*position));
        (work.settled, work.awaited, work.committed_at) = (0, false, self.now());
        self.progress.reach(place);
        Ok(())
    }

    /// When what was stored is made to survive a crash.
    fn flush_at(&self, work: &Work) -> Option<Duration> {
        work.unflushed_since.map(|since| since + FLUSH_PACE)
    }

    /// Makes what was stored survive a crash, or tries again after a while: until then a crash costs more
    /// deliveries that are repeated, and nothing else.
    async fn flush(&self, work: &mut Work) {
        let flushed = self.core.backend.views().flush().await;
        if let Err(error) = &flushed {
            tracing::warn!(consumer = self.terms.name, %error, "consumer not flushed, later again");
        }
        work.unflushed_since = flushed.err().map(|_| self.now());
    }

    /// Waits for whatever comes first.
    async fn wait(
        &mut self,
        work: &mut Work,
        deliveries: &mut Deliveries,
    ) -> Result<(), StorageError> {
        let core = self.core.clone();
        let until = self.next_look(work, deliveries);
        let read = GlobalPosition(work.group.read());
        let listens = work.group.has_room() && !work.more;
        let more = async {
            match listens {
                true => core.backend.events().await_after(read).await,
                false => future::pending().await,
            }
        };
        let pause = async {
            match until {
                Some(pause) => core.backend.clock().sleep(pause).await,
                None => future::pending().await,
            }
        };
        let woken = tokio::select! {
            biased;
            _ = self.stop.changed() => Woken::Look,
            Some(ended) = deliveries.next() => Woken::Ended(ended),
            () = more => Woken::More,
            () = self.progress.awaited(), if !work.awaited => Woken::Awaited,
            () = pause => Woken::Look,
        };
        match woken {
            Woken::Ended(ended) => return deliveries.beside(self.settle(work, ended)).await,
            Woken::More => work.more = true,
            Woken::Awaited => work.awaited = true,
            Woken::Look => {}
        }
        Ok(())
    }

    /// How long until something is due by the clock.
    fn next_look(&self, work: &Work, deliveries: &Deliveries) -> Option<Duration> {
        let (now, now_us) = (self.now(), self.core.backend.clock().now().0);
        let at = |at: Duration| at.saturating_sub(now);
        let has_room = work.group.has_room();
        let free = work.group.in_flight() < self.terms.concurrency;
        let looks = [
            work.group.has_changed().then(|| at(self.commit_at(work, deliveries))),
            (has_room && work.more).then(|| at(work.read_again_at)),
            (!has_room).then(|| at(work.heard_at + HEAR_PACE)),
            self.flush_at(work).map(at),
            work.group
                .due_us()
                .filter(|_| free)
                .map(|due_us| Duration::from_micros(due_us.saturating_sub(now_us))),
        ];
        looks.into_iter().flatten().min()
    }

    /// Lets what is under way end, within bounds, and stores what came of it.
    async fn end(&self, mut work: Work, mut deliveries: Deliveries) -> Result<(), ViewError> {
        let until = self.now() + GRACE;
        while !deliveries.is_empty() {
            let left = until.saturating_sub(self.now());
            let ended = tokio::select! {
                biased;
                ended = deliveries.next() => ended,
                () = self.core.backend.clock().sleep(left) => None,
            };
            match ended {
                Some(ended) => deliveries.beside(self.settle(&mut work, ended)).await?,
                None => break,
            }
        }
        // What is still under way is given up, and nothing may be held while the rest is stored.
        drop(deliveries);
        if work.group.has_changed() {
            self.commit(&mut work).await?;
        }
        Ok(())
    }

    async fn rest(&mut self, rest: Duration) {
        let core = self.core.clone();
        tokio::select! {
            biased;
            _ = self.stop.changed() => {}
            () = core.backend.clock().sleep(rest) => {}
        }
    }

    fn now(&self) -> Duration {
        self.core.backend.clock().monotonic()
    }
}

/// With a reason that is not too long to store.
fn bounded(settled: Settled) -> Settled {
    let cut = |reason: String| reason.chars().take(REASON_CHARS_MAX).collect();
    match settled {
        Settled::Done => Settled::Done,
        Settled::Failed { reason, retry_after_ms } => {
            Settled::Failed { reason: cut(reason), retry_after_ms }
        }
        Settled::Refused { reason } => Settled::Refused { reason: cut(reason) },
    }
}
