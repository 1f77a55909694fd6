//! A verb for many sagas: a few first, as canaries; when these come to a good end the rest at a rate, in
//! batches whose last ones are looked at in the same way. So a participant that is still down costs a
//! handful of sagas an attempt, and not ten thousand.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use sagaline_storage::Clock;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::failure::{Exit, Failure};
use super::{Refusal, unless_stopped};

/// Batches behind the canaries are so many times as big.
const BATCH: usize = 20;
/// The answer to a verb that a saga's state forbids.
const CONFLICT: u16 = 409;
/// Longest that one look may wait for a saga's end: the API's own bound.
const LOOK_MAX_S: u64 = 60;

/// How a verb is used on many sagas.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Bulk {
    /// So many sagas go first and are waited for.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub canaries: u16,
    /// Seconds that a canary may take to come to its end; a resumed one may also still be under way then.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub canary_wait_s: u64,
    /// Sagas a second behind the canaries.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
}

/// A saga as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    pub(super) id: Uuid,
    pub(super) saga_type: String,
    pub(super) status: String,
    pub(super) paused: bool,
    pub(super) current_step: Option<String>,
    pub(super) error_message: Option<String>,
    pub(super) updated_at: String,
}

/// What is done to sagas.
pub(super) trait Sagas {
    /// Does it to one.
    fn operate(&self, id: Uuid) -> impl Future<Output = Result<Result<(), Refusal>, Failure>>;

    /// How it is, after its end or after so many seconds.
    fn look(&self, id: Uuid, wait_s: u64) -> impl Future<Output = Result<Shown, Failure>>;

    /// Whether that is what the verb is for; `waited`: the time that a canary may take is over.
    fn is_as_wanted(&self, saga: &Shown, waited: bool) -> bool;

    /// Whether one whose state forbids the verb is passed over: it was picked by what it was a moment ago,
    /// and not by its name.
    fn passes_over(&self) -> bool;
}

/// What came of a verb for many.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    done: usize,
    passed_over: usize,
    /// As they were.
    left: usize,
    /// Was asked for, and nothing was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    perhaps_done: Option<Uuid>,
    rate_per_second: f64,
    /// Why it went no further.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_by: Option<Failure>,
}

impl Report {
    /// The failure that it ended with, behind what was done before that.
    pub(super) fn ended(self) -> Result<Self, Failure> {
        match self.stopped_by {
            Some(why) => Err(why.behind(&Self { stopped_by: None, ..self }.counts())),
            None => Ok(self),
        }
    }

    fn counts(&self) -> String {
        let Self { done, passed_over, left, perhaps_done, .. } = self;
        let line = format!("{done} sagas done, {passed_over} passed over, {left} left as they are");
        match perhaps_done {
            Some(id) => format!("{line}, {id} perhaps done"),
            None => line,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {:.1} a second", self.counts(), self.rate_per_second)
    }
}

/// What was done so far.
#[derive(Debug, Default)]
struct Done {
    operated: Vec<Uuid>,
    /// The verb did not fit the state of so many any more.
    passed_over: usize,
    /// Was asked for, and nothing was heard: it may be done.
    unanswered: Option<Uuid>,
}

impl Bulk {
    /// Does it to all of `ids`, in their order, until something stops it.
    pub(super) async fn run<S: Sagas, C: Clock>(
        &self,
        sagas: &S,
        ids: &[Uuid],
        clock: &C,
        stop: impl Future<Output = ()>,
        progress: impl FnMut(u64, u64),
    ) -> Report {
        let (began, mut done) = (clock.monotonic(), Done::default());
        let all = self.all(sagas, ids, clock, &mut done, progress);
        let ended = unless_stopped(stop, all).await;
        let took_s = clock.monotonic().saturating_sub(began).as_secs_f64();
        let rate = done.operated.len() as f64 / took_s.max(f64::MIN_POSITIVE);
        let (operated, passed_over) = (done.operated.len(), done.passed_over);
        let unanswered = usize::from(done.unanswered.is_some());
        Report {
            done: operated,
            passed_over,
            left: ids.len() - operated - passed_over - unanswered,
            perhaps_done: done.unanswered,
            rate_per_second: (rate * 10.0).round() / 10.0,
            stopped_by: ended.err(),
        }
    }

    async fn all<S: Sagas, C: Clock>(
        &self,
        sagas: &S,
        ids: &[Uuid],
        clock: &C,
        done: &mut Done,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<(), Failure> {
        let (mut rest, mut batch_size) = (ids, usize::from(self.canaries));
        while !rest.is_empty() {
            let first = done.operated.len();
            let (began, mut asked) = (clock.monotonic(), 0);
            while let [id, behind @ ..] = rest {
                done.take(sagas, *id).await?;
                progress((done.operated.len() + done.passed_over) as u64, ids.len() as u64);
                asked += 1;
                self.pace(clock, began, asked).await;
                rest = behind;
                // Those that were passed over say nothing of the participant.
                if done.operated.len() == first + batch_size {
                    break;
                }
            }
            // The last batch has nobody behind it who could be spared.
            let last = first.max(done.operated.len().saturating_sub(self.canaries.into()));
            let canaries = if rest.is_empty() { &[] } else { &done.operated[last..] };
            let mut left_s = self.canary_wait_s;
            for id in canaries {
                check(sagas, *id, &mut left_s).await?;
            }
            batch_size = usize::from(self.canaries) * BATCH;
        }
        Ok(())
    }

    /// Waits until the next one may follow `asked` since `began`: the time of the answers is part of it.
    async fn pace<C: Clock>(&self, clock: &C, began: Duration, asked: u32) {
        let due = Duration::from_secs(u64::from(asked)) / self.rate;
        let ahead = due.saturating_sub(clock.monotonic().saturating_sub(began));
        if !ahead.is_zero() {
            clock.sleep(ahead).await;
        }
    }
}

/// Whether a saga came to the end that was wanted for it. The canaries of a batch are under way together:
/// what one is waited for in vain is off the time of those behind it.
async fn check<S: Sagas>(sagas: &S, id: Uuid, left_s: &mut u64) -> Result<(), Failure> {
    loop {
        let wait_s = (*left_s).min(LOOK_MAX_S);
        let saga = sagas.look(id, wait_s).await?;
        if sagas.is_as_wanted(&saga, false) {
            return Ok(());
        }
        *left_s -= wait_s;
        if sagas.is_as_wanted(&saga, *left_s == 0) {
            return Ok(());
        }
        let (status, step) = (&saga.status, saga.current_step.as_deref().unwrap_or("-"));
        if status == "parked" || *left_s == 0 {
            let why = saga.error_message.as_deref().unwrap_or("no end within the time");
            let line = format!("the canary {id} is {status} at {step}: {why}");
            return Err(Failure::new(Exit::Failed, line));
        }
    }
}

impl Done {
    /// Does it to one more.
    async fn take<S: Sagas>(&mut self, sagas: &S, id: Uuid) -> Result<(), Failure> {
        let place = id.to_string();
        self.unanswered = Some(id);
        let answer = sagas.operate(id).await.map_err(|failure| failure.at(&place))?;
        self.unanswered = None;
        match answer {
            Ok(()) => self.operated.push(id),
            Err(refusal) if refusal.status == CONFLICT && sagas.passes_over() => {
                self.passed_over += 1;
            }
            Err(refusal) => return Err(Failure::from(refusal).at(&place)),
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "bulk_tests.rs"]
mod tests;
