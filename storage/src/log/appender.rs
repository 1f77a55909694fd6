//! The one task that writes the log.
//!
//! ```text
//! callers: append() -> Draft --queue--> gather -> prefetch -> prepare each -> one synced write
//!          Ok / Err <---oneshot--- answer all <- publish head and events <--------'
//! ```
//!
//! It is a plain task: the write blocks it, and with it the thread it runs on, for the length of a sync.
//! A lone caller therefore wakes it on its own thread, and is woken on that thread, without any hand-over.
//! While a write runs, others queue; the next batch is all of them.
//!
//! After a failed write nobody knows what the disk holds. Then the task never writes again: everything in
//! the batch is answered `OutcomeUnknown`, everything later `Unavailable`, until the store is reopened.

use std::mem;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::canary::planted;
use crate::clock::Clock;
use crate::error::StorageError;
use crate::event::RecordedEvent;
use crate::event_store::{AppendError, Appended, Epoch, Shard};
use crate::kv::{Durability, Kv};
use crate::log::Shared;
use crate::log::counters::{Counters, count};
use crate::log::draft::Draft;
use crate::log::expiry::Sweeper;
use crate::log::heads::Heads;
use crate::log::prefetch;
use crate::log::prepare::{self, Admitted, Prepared};

/// What stands in the queue.
pub(super) enum Message {
    Job(Job),
    /// Answered when nothing of this task is left.
    Close(oneshot::Sender<()>),
}

/// What becomes part of a batch.
pub(super) enum Job {
    Append(Queued),
    Raise(Raise),
}

pub(super) struct Queued {
    pub(super) draft: Draft,
    pub(super) reply: oneshot::Sender<Result<Appended, AppendError>>,
    /// The room it takes in the queue until it is answered.
    pub(super) room: OwnedSemaphorePermit,
}

pub(super) struct Raise {
    pub(super) shards: Vec<Shard>,
    pub(super) reply: oneshot::Sender<Result<Vec<Epoch>, StorageError>>,
}

/// An answer that waits for the write.
enum Answer {
    Append(oneshot::Sender<Result<Appended, AppendError>>, Result<Admitted, AppendError>),
    Raise(oneshot::Sender<Result<Vec<Epoch>, StorageError>>, Vec<Epoch>),
}

/// The answers of a batch.
struct Answers {
    answers: Vec<Answer>,
    /// The room of all its requests, given back at once.
    room: Option<OwnedSemaphorePermit>,
}

/// The writer's state; lives in its task.
pub(super) struct Appender<K, C> {
    shared: Arc<Shared<K, C>>,
    queue: mpsc::UnboundedReceiver<Message>,
    heads: Heads,
    sweeper: Sweeper,
    /// The batch being gathered; empty between batches, kept for its memory.
    jobs: Vec<Job>,
}

impl<K: Kv, C: Clock> Appender<K, C> {
    pub(super) fn new(
        shared: Arc<Shared<K, C>>,
        queue: mpsc::UnboundedReceiver<Message>,
        heads: Heads,
    ) -> Self {
        Self { shared, queue, heads, sweeper: Sweeper::default(), jobs: Vec::new() }
    }

    /// Serves until the log is closed or its last handle is dropped.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let close = self.gather(first);
            let answered = self.jobs.len();
            self.serve().await;
            if let Some(reply) = close {
                return self.stop(reply);
            }
            // Those who were answered run on this thread now, before the next write blocks it. Without
            // this they would wait for a sync that is not theirs, and miss the batch after it. A lone
            // one runs anyhow, when nothing waits: then this would only cost time.
            if answered > 1 || !self.queue.is_empty() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Takes what waits, within the bounds of a batch. A `Close` ends it and comes back.
    fn gather(&mut self, first: Message) -> Option<oneshot::Sender<()>> {
        let settings = &self.shared.settings;
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(message) = next {
            let job = match message {
                Message::Job(job) => job,
                Message::Close(reply) => return Some(reply),
            };
            bytes += job.bytes();
            self.jobs.push(job);
            if self.jobs.len() >= settings.batch_requests_max || bytes >= settings.batch_bytes_max {
                return None;
            }
            next = self.queue.try_recv().ok();
        }
        None
    }

    /// Serves the gathered jobs: afterwards each is answered.
    async fn serve(&mut self) {
        if let Some(error) = self.shared.stopped.get() {
            self.jobs.drain(..).for_each(|job| refuse(job, error));
            return;
        }
        self.load().await;
        if self.jobs.is_empty() {
            return;
        }
        self.shared.counters.count_batch(self.jobs.len());
        let (prepared, answers) = self.prepare().await;
        let Prepared { batch, mut events, .. } = prepared;
        if planted("publish-before-commit") {
            self.shared.published.publish(std::mem::take(&mut events));
        }
        let durability = durability(&events);
        let written = if batch.changes.is_empty() {
            Ok(())
        } else {
            count(&self.shared.counters.durable_writes, 1);
            self.shared.kv.write(batch, durability).await
        };
        match written {
            Ok(()) => {
                self.shared.published.publish(events);
                drop(answers.room);
                answers.answers.into_iter().for_each(Answer::send);
                self.heads.age();
            }
            Err(error) => self.fail(error, answers),
        }
    }

    /// Loads what the jobs need. A job whose part cannot be read is refused, and only that one.
    async fn load(&mut self) {
        let Err(_) = prefetch::load(&self.shared.kv, &mut self.heads, &self.jobs).await else {
            return;
        };
        for job in mem::take(&mut self.jobs) {
            let one = std::slice::from_ref(&job);
            match prefetch::load(&self.shared.kv, &mut self.heads, one).await {
                Ok(()) => self.jobs.push(job),
                Err(error) => refuse(job, &error),
            }
        }
    }

    async fn prepare(&mut self) -> (Prepared, Answers) {
        let now = self.shared.clock.now();
        let mut prepared = Prepared::for_requests(self.jobs.len());
        let swept = self.sweeper.sweep(&self.shared.kv, &mut self.heads, &mut prepared.batch, now);
        if let Err(error) = swept.await {
            // Ended claims hold nothing; they only stay a little longer. Reading them again will tell.
            tracing::warn!(%error, "ended claims could not be read; they will be swept later");
        }
        let mut answers = Answers { answers: Vec::with_capacity(self.jobs.len()), room: None };
        for job in self.jobs.drain(..) {
            match job {
                Job::Append(Queued { draft, reply, room }) => {
                    let bytes = draft.bytes as u64;
                    let made = prepare::append(&mut self.heads, &mut prepared, draft, now);
                    tally(&self.shared.counters, &made, bytes);
                    match made {
                        Err(refused) if planted("refused-before-the-write") => {
                            let _sent = reply.send(Err(refused));
                        }
                        made => answers.answers.push(Answer::Append(reply, made)),
                    }
                    answers.take_room(room);
                }
                Job::Raise(Raise { shards, reply }) => {
                    let raised = prepare::raise(&mut self.heads, &mut prepared, &shards);
                    answers.answers.push(Answer::Raise(reply, raised));
                }
            }
        }
        (prepared, answers)
    }

    fn fail(&self, error: StorageError, answers: Answers) {
        tracing::error!(%error, "a write to the log failed: the log has stopped");
        let message = format!("the log has stopped after a failed write: {error}");
        let stopped = self.shared.stopped.get_or_init(|| StorageError::closed(message));
        drop(answers.room);
        for answer in answers.answers {
            answer.send_failed(&error, stopped, &self.shared.counters);
        }
    }

    /// Answers everything that still waits, lets go of the store, then says so.
    fn stop(mut self, reply: oneshot::Sender<()>) {
        let error = self.shared.stopped.get_or_init(|| StorageError::closed("the log was closed"));
        self.queue.close();
        while let Ok(message) = self.queue.try_recv() {
            match message {
                Message::Job(job) => refuse(job, error),
                Message::Close(reply) => drop(reply.send(())),
            }
        }
        drop(self);
        // Nobody listens any more when the closing future was dropped.
        let _closed = reply.send(());
    }
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(queued) => queued.draft.bytes,
            Self::Raise(_) => 0,
        }
    }
}

impl Answers {
    fn take_room(&mut self, room: OwnedSemaphorePermit) {
        match &mut self.room {
            Some(all) => all.merge(room),
            None => self.room = Some(room),
        }
    }
}

impl Answer {
    /// After the write. Whoever dropped the receiver does not want to know.
    fn send(self) {
        match self {
            Self::Append(reply, made) => {
                let answer = made.map(|admitted| match admitted {
                    Admitted::New(appended) | Admitted::Replayed(appended) => appended,
                });
                let _sent = reply.send(answer);
            }
            Self::Raise(reply, epochs) => {
                let _sent = reply.send(Ok(epochs));
            }
        }
    }

    /// After a failed write. A refusal rests on what the batch would have made true, so it is not known
    /// to be right any more; but it is known that the append was not made.
    fn send_failed(self, error: &StorageError, stopped: &StorageError, counters: &Counters) {
        match self {
            Self::Append(reply, made) => {
                let answer = match made {
                    Ok(_) if planted("failed-write-called-unmade") => {
                        AppendError::Unavailable(error.clone())
                    }
                    Ok(_) => {
                        count(&counters.unknown_outcomes, 1);
                        AppendError::OutcomeUnknown(error.clone())
                    }
                    Err(_) => AppendError::Unavailable(stopped.clone()),
                };
                let _sent = reply.send(Err(answer));
            }
            Self::Raise(reply, _) => {
                let _sent = reply.send(Err(stopped.clone()));
            }
        }
    }
}

/// An answer promises that the write outlives a power failure.
fn durability(events: &[RecordedEvent]) -> Durability {
    let eventless = events.is_empty() && planted("eventless-batch-not-synced");
    if eventless || planted("ack-before-sync") { Durability::Buffered } else { Durability::Synced }
}

/// Answers a job that was not begun.
fn refuse(job: Job, error: &StorageError) {
    match job {
        Job::Append(queued) => {
            let _sent = queued.reply.send(Err(AppendError::Unavailable(error.clone())));
        }
        Job::Raise(raise) => {
            let _sent = raise.reply.send(Err(error.clone()));
        }
    }
}

fn tally(counters: &Counters, made: &Result<Admitted, AppendError>, bytes: u64) {
    match made {
        Ok(Admitted::New(appended)) => {
            count(&counters.appends, 1);
            count(&counters.events, appended.events.into());
            count(&counters.record_bytes, bytes);
        }
        Ok(Admitted::Replayed(_)) => count(&counters.replays, 1),
        Err(AppendError::WrongExpectedVersion { .. }) => count(&counters.conflicts, 1),
        Err(AppendError::ClaimTaken { .. } | AppendError::ClaimNotHeld { .. }) => {
            count(&counters.claims_refused, 1);
        }
        Err(AppendError::Fenced { .. }) => count(&counters.fenced, 1),
        Err(
            AppendError::AppendIdReused { .. }
            | AppendError::Invalid(_)
            | AppendError::OutcomeUnknown(_)
            | AppendError::Unavailable(_),
        ) => {}
    }
}
