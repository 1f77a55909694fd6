//! The fake gateway: a whole gateway in this process, with a ledger of its own. What goes wrong with a
//! payment is chosen by its token (see [`super::mishap`]).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::{Clock, Entropy};

use crate::domain::{Decimal, Money, WallTime};
use crate::engine::{Failure, Outcome, Probe};

use super::book::{Answer, Book, Ruling};
use super::entry::{EntryKind, LedgerEntry, RefusalCode};
use super::ledger::{Ledger, LedgerError};
use super::mishap::{Mishap, Mishaps, TestToken};
use super::{Gateway, Operation, PaymentCall, Receipt};

/// How long `tok_slow` takes.
const SLOW: Duration = Duration::from_secs(2);

/// How well the fake gateway works.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FakeSettings {
    /// The share of calls that end with a 503, from 0 to 1: half of them before they are acted upon and
    /// half after.
    pub failure_rate: f64,
    /// How long every call takes.
    pub latency: Duration,
    /// Of the payments that have ended, how many are kept in memory.
    pub ended_kept: usize,
}

impl Default for FakeSettings {
    fn default() -> Self {
        Self { failure_rate: 0.0, latency: Duration::ZERO, ended_kept: 50_000 }
    }
}

/// A payment gateway in this process. Clones are the same one.
#[derive(Debug, Clone)]
pub struct FakeGateway<C, E> {
    desk: Arc<Desk>,
    settings: FakeSettings,
    clock: C,
    entropy: E,
}

#[derive(Debug)]
struct Desk {
    book: Mutex<Book>,
    ledger: Ledger,
    mishaps: Mishaps,
}

/// What a call came to: the answer, and whether it is the key's first.
struct Ruled {
    answer: Answer,
    is_first: bool,
    seq: u64,
}

impl<C: Clock, E: Entropy> FakeGateway<C, E> {
    /// Opens the gateway whose ledger is in the file `path`, creating it when there is none.
    pub fn open(
        path: &Path,
        settings: FakeSettings,
        clock: C,
        entropy: E,
    ) -> Result<Self, LedgerError> {
        Self::with_ledger(Ledger::open(path)?, settings, clock, entropy)
    }

    /// A gateway that goes on where `ledger` ends: it knows what its ledger knows and nothing else.
    pub fn with_ledger(
        ledger: Ledger,
        settings: FakeSettings,
        clock: C,
        entropy: E,
    ) -> Result<Self, LedgerError> {
        let mut book = Book::new(settings.ended_kept);
        ledger.replay(|entry| book.apply(entry))?;
        let desk = Desk { book: Mutex::new(book), ledger, mishaps: Mishaps::default() };
        Ok(Self { desk: Arc::new(desk), settings, clock, entropy })
    }

    /// Its ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.desk.ledger
    }

    /// With the settings' share of calls something goes wrong.
    fn is_unlucky(&self) -> bool {
        // Drawn only when it matters, so that a gateway without failures uses up no randomness.
        self.settings.failure_rate > 0.0
            && (self.entropy.next_u64() as f64) < self.settings.failure_rate * u64::MAX as f64
    }

    async fn pause(&self, duration: Duration) {
        if !duration.is_zero() {
            self.clock.sleep(duration).await;
        }
    }
}

impl<C: Clock, E: Entropy> Gateway for FakeGateway<C, E> {
    async fn request(&self, operation: Operation, call: &PaymentCall<'_>) -> Outcome<Receipt> {
        let token = TestToken::parse(call.token);
        self.pause(self.settings.latency).await;
        let unlucky = self.is_unlucky();
        let late = unlucky && self.entropy.next_u64() & 1 == 1;
        if unlucky && !late {
            return Err(busy());
        }
        match self.desk.mishap(token, operation, call) {
            Some(Mishap::Busy) => return Err(busy()),
            Some(Mishap::Lost) => return std::future::pending().await,
            None => {}
        }
        if token == Some(TestToken::Slow)
            && matches!(operation, Operation::Authorize | Operation::Capture)
        {
            self.pause(SLOW).await;
        }
        let ruled = self.desk.rule(operation, call, token, WallTime(self.clock.now().0))?;
        self.desk.ledger.durable(ruled.seq).await.map_err(unwritten)?;
        let charged = token == Some(TestToken::TimeoutCharged) && operation == Operation::Capture;
        if charged && ruled.is_first {
            return std::future::pending().await;
        }
        if late { Err(busy()) } else { outcome(operation, ruled.answer) }
    }

    async fn probe(&self, call: &PaymentCall<'_>) -> Probe<Receipt> {
        self.pause(self.settings.latency).await;
        if self.is_unlucky() {
            return Probe::CannotTell;
        }
        match self.desk.find(call) {
            Ok(Some((operation, Answer::Done { seq }))) => {
                let known = self.desk.ledger.durable(seq).await;
                known.map_or(Probe::CannotTell, |()| Probe::Happened(receipt(operation, seq)))
            }
            Ok(Some((_, Answer::Refused(_))) | None) => Probe::DidNotHappen,
            Err(_) => Probe::CannotTell,
        }
    }
}

impl Desk {
    /// Duplicates first: what was answered is past mishaps.
    fn mishap(
        &self,
        token: Option<TestToken>,
        operation: Operation,
        call: &PaymentCall<'_>,
    ) -> Option<Mishap> {
        let answered = self.book.lock().answer(call.order_id, call.key).is_some();
        if answered { None } else { self.mishaps.next(token, operation, call.key) }
    }

    /// Rules on a call and records a first answer. It is durable once the ledger says so.
    fn rule(
        &self,
        operation: Operation,
        call: &PaymentCall<'_>,
        token: Option<TestToken>,
        now: WallTime,
    ) -> Outcome<Ruled> {
        let mut book = self.book.lock();
        // A forgotten payment has ended long ago; nobody asks to authorise it again.
        if operation != Operation::Authorize {
            self.recall(&mut book, call).map_err(unwritten)?;
        }
        let first = match book.rule(operation, call, TestToken::verdict(token, operation)) {
            Ruling::Repeat(answer) => return Ok(repeat(answer, &self.ledger)),
            Ruling::KeyReused => return Err(key_reused()),
            Ruling::StaleEpoch { current } => return Err(stale_epoch(call.epoch, current)),
            Ruling::First(first) => first,
        };
        let entry = entry(self.ledger.next_seq(), now, operation, call, first);
        self.ledger.push(&entry).map_err(unwritten)?;
        book.apply(&entry);
        let answer = first.map_or_else(Answer::Refused, |_| Answer::Done { seq: entry.seq });
        Ok(Ruled { answer, is_first: true, seq: entry.seq })
    }

    /// What the key of a call was answered.
    fn find(&self, call: &PaymentCall<'_>) -> Result<Option<(Operation, Answer)>, LedgerError> {
        let mut book = self.book.lock();
        self.recall(&mut book, call)?;
        Ok(book.answer(call.order_id, call.key))
    }

    /// Brings a payment back from the ledger that was dropped from memory.
    fn recall(&self, book: &mut Book, call: &PaymentCall<'_>) -> Result<(), LedgerError> {
        if book.may_have_forgotten(call.order_id) {
            self.ledger.entries_of(call.order_id)?.iter().for_each(|entry| book.apply(entry));
        }
        Ok(())
    }
}

/// A first answer may still be on its way to the disk: its repeat waits for it like itself, so it waits
/// for everything recorded so far.
fn repeat(answer: Answer, ledger: &Ledger) -> Ruled {
    Ruled { answer, is_first: false, seq: ledger.next_seq() - 1 }
}

fn entry(
    seq: u64,
    at: WallTime,
    operation: Operation,
    call: &PaymentCall<'_>,
    first: Result<Money, RefusalCode>,
) -> LedgerEntry {
    let (kind, amount, code) = match first {
        Ok(amount) => (EntryKind::of(operation), amount, None),
        Err(code) => (EntryKind::Refused, call.amount, Some(code)),
    };
    LedgerEntry {
        seq,
        at,
        key: call.key.to_owned(),
        order_id: call.order_id,
        kind,
        amount: Decimal(amount),
        operation,
        epoch: call.epoch,
        code,
    }
}

fn outcome(operation: Operation, answer: Answer) -> Outcome<Receipt> {
    match answer {
        Answer::Done { seq } => Ok(receipt(operation, seq)),
        Answer::Refused(code) => Err(Failure::rejected(code.as_str(), code.reason())),
    }
}

fn receipt(operation: Operation, seq: u64) -> Receipt {
    Receipt { reference: format!("{operation}_{seq}") }
}

fn busy() -> Failure {
    Failure::unknown("the fake gateway answered 503")
}

fn unwritten(error: LedgerError) -> Failure {
    Failure::unknown(error.to_string())
}

fn key_reused() -> Failure {
    Failure::rejected("KEY_REUSED", "the idempotency key stands for another operation")
}

fn stale_epoch(presented: u64, current: u64) -> Failure {
    let reason = format!("epoch {presented} was presented, {current} was seen");
    Failure::rejected("STALE_EPOCH", reason)
}
