//! The health of those who are called: a circuit breaker, a concurrency limit and a retry budget each.
//!
//! A call waits here before it leaves. Waiting is no attempt: while a breaker is open, attempts are not
//! used up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::canary::planted;
use crate::saga::{Admit, Breaker, BreakerPolicy, RetryBudget, RetryBudgetPolicy};

use super::settings::EngineSettings;

/// All participants this node has called.
pub(crate) struct Participants<C> {
    clock: C,
    calls_max: usize,
    breaker: BreakerPolicy,
    budget: RetryBudgetPolicy,
    known: Mutex<BTreeMap<&'static str, Arc<Participant>>>,
}

struct Participant {
    breaker: Mutex<Breaker>,
    budget: Mutex<RetryBudget>,
    /// Held by calls under way and by those that the breaker keeps waiting.
    places: Arc<Semaphore>,
    /// Held by those who ask what became of a call: as many as calls, and beside them, so that nobody who
    /// asks waits for the breaker.
    questions: Arc<Semaphore>,
    /// Held by the one that asks the breaker: the others stand in line behind it, and are not woken
    /// whenever it asks again.
    turn: tokio::sync::Mutex<()>,
    calls: AtomicUsize,
}

/// Leave to make one call. Say how it went; a call that was given up says nothing of the participant.
pub(crate) struct Leave<C> {
    participant: Arc<Participant>,
    clock: C,
    /// It was not the first attempt.
    retry: bool,
    _place: OwnedSemaphorePermit,
}

/// A participant's health, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantHealth {
    /// Its name.
    pub name: &'static str,
    /// `closed`, `open` or `half-open`.
    pub breaker: &'static str,
    /// Calls under way.
    pub calls: usize,
}

impl<C: Clock> Participants<C> {
    pub(crate) fn new(clock: C, settings: &EngineSettings) -> Self {
        Self {
            clock,
            calls_max: settings.calls_per_participant_max.max(1),
            breaker: BreakerPolicy {
                outcomes: settings.breaker_outcomes,
                open_min_us: settings.breaker_open_ms.saturating_mul(1_000),
                ..BreakerPolicy::default()
            },
            budget: RetryBudgetPolicy {
                percent: settings.retry_budget_percent,
                min_per_s: settings.retry_budget_min_per_s,
                burst: settings.retry_burst,
            },
            known: Mutex::default(),
        }
    }

    /// Waits until the participant may be called.
    pub(crate) async fn admit(&self, name: &'static str, retry: bool) -> Leave<C> {
        let participant = self.get(name);
        if retry {
            while let Err(wait) = participant.ask_budget(self.now_us()) {
                self.clock.sleep(wait).await;
            }
        } else {
            participant.budget.lock().first_attempt(self.now_us());
        }
        let place = participant.places.clone().acquire_owned().await;
        let place = place.expect("this semaphore is never closed");
        let turn = participant.turn.lock().await;
        while let Err(wait) = participant.ask_breaker(self.now_us()) {
            self.clock.sleep(wait).await;
        }
        drop(turn);
        participant.calls.fetch_add(1, Ordering::Relaxed);
        Leave { participant, clock: self.clock.clone(), retry, _place: place }
    }

    /// Waits until the participant may be asked what became of a call. The place is held until this is dropped.
    pub(crate) async fn admit_question(&self, name: &'static str) -> OwnedSemaphorePermit {
        let place = self.get(name).questions.clone().acquire_owned().await;
        place.expect("this semaphore is never closed")
    }

    pub(crate) fn health(&self) -> Vec<ParticipantHealth> {
        let known = self.known.lock();
        let health = known.iter().map(|(name, participant)| ParticipantHealth {
            name,
            breaker: participant.breaker.lock().status(),
            calls: participant.calls.load(Ordering::Relaxed),
        });
        health.collect()
    }

    fn get(&self, name: &'static str) -> Arc<Participant> {
        let mut known = self.known.lock();
        let places = match planted("calls-without-places") {
            true => Semaphore::MAX_PERMITS,
            false => self.calls_max,
        };
        let new = || {
            Arc::new(Participant {
                breaker: Mutex::new(Breaker::new(self.breaker)),
                budget: Mutex::new(RetryBudget::new(self.budget, self.now_us())),
                places: Arc::new(Semaphore::new(places)),
                questions: Arc::new(Semaphore::new(places)),
                turn: tokio::sync::Mutex::default(),
                calls: AtomicUsize::new(0),
            })
        };
        known.entry(name).or_insert_with(new).clone()
    }

    fn now_us(&self) -> u64 {
        micros(self.clock.monotonic())
    }
}

impl Participant {
    /// Leave for a retry, or how long to wait before asking again.
    fn ask_budget(&self, now_us: u64) -> Result<(), Duration> {
        go_or_wait(self.budget.lock().admit(now_us), now_us)
    }

    /// Leave for a call, or how long to wait before asking again.
    fn ask_breaker(&self, now_us: u64) -> Result<(), Duration> {
        match self.breaker.lock().admit(now_us) {
            Admit::WaitUntil(_) if planted("breaker-never-opens") => Ok(()),
            admit => go_or_wait(admit, now_us),
        }
    }
}

fn go_or_wait(admit: Admit, now_us: u64) -> Result<(), Duration> {
    match admit {
        Admit::Go => Ok(()),
        Admit::WaitUntil(until_us) => {
            Err(Duration::from_micros(until_us.saturating_sub(now_us).max(1_000)))
        }
    }
}

impl<C: Clock> Leave<C> {
    /// The participant answered, whatever it said.
    pub(crate) fn answered(self) {
        let now_us = micros(self.clock.monotonic());
        self.participant.breaker.lock().succeeded(now_us);
        if self.retry {
            self.participant.budget.lock().answered_retry(now_us);
        }
    }

    /// It did not answer, or could not say. The place is held until this is dropped.
    pub(crate) fn failed(&self) {
        self.participant.breaker.lock().failed(micros(self.clock.monotonic()));
    }
}

impl<C> Drop for Leave<C> {
    fn drop(&mut self) {
        self.participant.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use sagaline_storage::memory::ManualClock;

    use super::*;

    #[tokio::test]
    async fn an_open_breaker_keeps_one_caller_awake() {
        let clock = ManualClock::default();
        let settings = EngineSettings { calls_per_participant_max: 2, ..EngineSettings::default() };
        let participants = Arc::new(Participants::new(clock.clone(), &settings));
        while participants.health().first().is_none_or(|bank| bank.breaker != "open") {
            participants.admit("bank", false).await.failed();
        }
        for _ in 0..10 {
            let participants = participants.clone();
            tokio::spawn(async move { participants.admit("bank", false).await.answered() });
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.sleepers(), 1, "nine stand in line");
        assert_eq!(participants.health()[0].calls, 0, "who waits is no call under way");
    }
}
