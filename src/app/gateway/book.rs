//! What a gateway knows of its payments: pure, and nothing but the fold of its ledger.

use std::collections::{HashMap, VecDeque};

use crate::domain::{Money, OrderId};

use super::entry::{EntryKind, LedgerEntry, RefusalCode};
use super::{Operation, PaymentCall};

/// What a gateway says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It took effect, as this entry of the ledger.
    Done {
        /// The entry.
        seq: u64,
    },
    /// It did not and will not.
    Refused(RefusalCode),
}

/// What follows from a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruling {
    /// The key was answered before: that answer again.
    Repeat(Answer),
    /// The key stands for another operation. Not the key's answer.
    KeyReused,
    /// The caller no longer owns its saga. Not the key's answer: the owner may yet use it.
    StaleEpoch {
        /// The newest epoch seen.
        current: u64,
    },
    /// A first answer, to be recorded: this much of the money is touched, or why none is.
    First(Result<Money, RefusalCode>),
}

/// Where a payment's money is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Untouched,
    Held,
    /// Let go, or to be refused when it comes.
    Voided,
    Captured,
    Refunded,
}

#[derive(Debug, Clone, Default)]
struct Payment {
    stage: Stage,
    amount: Money,
    answers: Vec<Answered>,
}

/// A key and the first answer it got.
#[derive(Debug, Clone)]
struct Answered {
    key: Box<str>,
    operation: Operation,
    answer: Answer,
    epoch: u64,
}

/// Every payment that may still be asked about.
///
/// Memory is bounded: of the payments that have ended only the newest are kept. Whoever asks about an
/// older one finds it with [`Book::may_have_forgotten`] and the ledger.
#[derive(Debug)]
pub(super) struct Book {
    payments: HashMap<OrderId, Payment>,
    ended: VecDeque<OrderId>,
    ended_max: usize,
    forgotten: u64,
}

impl Book {
    /// A book that keeps `ended_max` ended payments, and always the one that it was asked about last.
    pub(super) fn new(ended_max: usize) -> Self {
        let ended_max = ended_max.max(1);
        Self { payments: HashMap::new(), ended: VecDeque::new(), ended_max, forgotten: 0 }
    }

    /// Whether a payment that is not known here may stand in the ledger all the same.
    pub(super) fn may_have_forgotten(&self, order: OrderId) -> bool {
        self.forgotten > 0 && !self.payments.contains_key(&order)
    }

    /// What `key` asked for, and the answer it got.
    pub(super) fn answer(&self, order: OrderId, key: &str) -> Option<(Operation, Answer)> {
        self.payments.get(&order)?.answer(key)
    }

    /// What follows from a call; `verdict` is the bank's, asked only when the gateway itself agrees.
    /// Duplicates first, then the epoch, then the business.
    pub(super) fn rule(
        &self,
        operation: Operation,
        call: &PaymentCall<'_>,
        verdict: Result<(), RefusalCode>,
    ) -> Ruling {
        let untouched = Payment::default();
        let payment = self.payments.get(&call.order_id).unwrap_or(&untouched);
        if let Some((asked, answer)) = payment.answer(call.key) {
            return if asked == operation { Ruling::Repeat(answer) } else { Ruling::KeyReused };
        }
        let current = payment.epoch_of(caller(call.key));
        if call.epoch < current {
            return Ruling::StaleEpoch { current };
        }
        Ruling::First(payment.decide(operation, call.amount, verdict))
    }

    /// Takes in an entry of the ledger.
    pub(super) fn apply(&mut self, entry: &LedgerEntry) {
        let payment = self.payments.entry(entry.order_id).or_default();
        let had_ended = payment.has_ended();
        payment.apply(entry);
        if payment.has_ended() && !had_ended {
            self.ended.push_back(entry.order_id);
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        while self.ended.len() > self.ended_max {
            if let Some(oldest) = self.ended.pop_front() {
                self.payments.remove(&oldest);
                self.forgotten += 1;
            }
        }
    }
}

impl Payment {
    fn answer(&self, key: &str) -> Option<(Operation, Answer)> {
        let known = self.answers.iter().find(|known| *known.key == *key)?;
        Some((known.operation, known.answer))
    }

    /// The newest epoch that this caller was answered under.
    fn epoch_of(&self, asking: &str) -> u64 {
        let of = |known: &Answered| (caller(&known.key) == asking).then_some(known.epoch);
        self.answers.iter().filter_map(of).max().unwrap_or(0)
    }

    fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Voided | Stage::Captured | Stage::Refunded)
    }

    /// How much of the money is touched, or why none is.
    fn decide(
        &self,
        operation: Operation,
        amount: Money,
        verdict: Result<(), RefusalCode>,
    ) -> Result<Money, RefusalCode> {
        match operation {
            Operation::Authorize => match self.stage {
                Stage::Untouched => verdict.map(|()| amount),
                Stage::Held => Err(RefusalCode::AlreadyAuthorized),
                Stage::Voided => Err(RefusalCode::Voided),
                Stage::Captured | Stage::Refunded => Err(RefusalCode::AlreadyCaptured),
            },
            Operation::Capture => match self.stage {
                Stage::Untouched => Err(RefusalCode::NotAuthorized),
                Stage::Held => self.whole(amount).and_then(|whole| verdict.map(|()| whole)),
                Stage::Voided => Err(RefusalCode::Voided),
                Stage::Captured | Stage::Refunded => Err(RefusalCode::AlreadyCaptured),
            },
            Operation::Void => match self.stage {
                Stage::Untouched | Stage::Voided => Ok(Money::ZERO),
                Stage::Held => Ok(self.amount),
                Stage::Captured | Stage::Refunded => Err(RefusalCode::AlreadyCaptured),
            },
            Operation::Refund => match self.stage {
                Stage::Untouched | Stage::Held | Stage::Voided => Err(RefusalCode::NotCaptured),
                Stage::Captured => self.whole(amount),
                Stage::Refunded => Err(RefusalCode::AlreadyRefunded),
            },
        }
    }

    fn whole(&self, amount: Money) -> Result<Money, RefusalCode> {
        if amount == self.amount { Ok(amount) } else { Err(RefusalCode::AmountMismatch) }
    }

    fn apply(&mut self, entry: &LedgerEntry) {
        match entry.kind {
            EntryKind::Authorize => {
                self.stage = Stage::Held;
                self.amount = entry.amount.0;
            }
            EntryKind::Capture => self.stage = Stage::Captured,
            EntryKind::Void => self.stage = Stage::Voided,
            EntryKind::Refund => self.stage = Stage::Refunded,
            EntryKind::Refused => {}
        }
        let answer = entry.code.map_or(Answer::Done { seq: entry.seq }, Answer::Refused);
        let (key, operation, epoch) = (entry.key.as_str().into(), entry.operation, entry.epoch);
        self.answers.push(Answered { key, operation, answer, epoch });
    }
}

/// Whose key it is: the saga, which stands first in it. Epochs belong to a saga's shard, and a payment is
/// touched by two sagas, the order's and its refund's, whose shards count by themselves.
fn caller(key: &str) -> &str {
    key.split_once('/').map_or("", |(saga, _)| saga)
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
