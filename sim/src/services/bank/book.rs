//! What the bank knows: the fold of its ledger, and the rules. Pure.
//!
//! 1. A key that was answered gets that answer again.
//! 2. An older epoch than the payment has seen of the same saga is refused.
//! 3. Letting go what was never set aside leaves a tombstone.
//! 4. Money moves once and comes back once.
//!
//! An answer is durable before it is given; that is [`super::desk`]'s part.

use std::collections::BTreeMap;

use super::line::{Asked, Line, Operation, Reply};
use crate::evidence::BankEffect;

/// What follows from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ruling {
    /// The key was answered before.
    Again(Reply),
    /// No, and not as the key's answer: another owner of the saga may still use it.
    Refuse(Reply),
    /// The first answer, to be written down: it touches so much money.
    First { effect: BankEffect, amount_minor: u64, reply: Reply },
}

/// Where a payment's money is, and what was seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Nothing,
    Held(u64),
    LetGo,
    Moved(u64),
    GivenBack,
}

#[derive(Debug, Default)]
struct Payment {
    stage: Stage,
    /// The newest epoch seen of each saga that touched it.
    epochs: BTreeMap<String, u64>,
}

/// The first answer to a key.
#[derive(Debug, Clone)]
struct Known {
    operation: Operation,
    order: String,
    reply: Reply,
}

/// Every payment and every answer there ever was.
#[derive(Debug, Default)]
pub(super) struct Book {
    payments: BTreeMap<String, Payment>,
    answers: BTreeMap<String, Known>,
    /// Keys of other participants' actions that were undone, or never will be done.
    undone: BTreeMap<String, Reply>,
}

impl Book {
    /// What follows; `verdict` is the card's bank's, or the participant's own.
    pub(super) fn rule(&self, asked: &Asked, verdict: Result<String, (String, String)>) -> Ruling {
        let known = match asked.operation {
            Operation::Undo => {
                self.undone.get(&asked.key).map(|reply| (Operation::Undo, reply.clone()))
            }
            _ => self.answers.get(&asked.key).map(|known| (known.operation, known.reply.clone())),
        };
        match known {
            Some((operation, reply)) if operation == asked.operation => {
                return Ruling::Again(reply);
            }
            Some(_) => {
                let reason = "the key stands for another operation";
                return Ruling::Refuse(Reply::no(422, "KEY_REUSED", reason));
            }
            None => {}
        }
        let payment = self.payments.get(subject(asked));
        let seen = payment.and_then(|payment| payment.epochs.get(saga(&asked.key)));
        let seen = seen.copied().unwrap_or(0);
        if asked.epoch < seen {
            let reason = format!("epoch {} came, {seen} was seen", asked.epoch);
            return Ruling::Refuse(Reply::no(409, "STALE_EPOCH", &reason));
        }
        match asked.operation {
            Operation::Act => self.act(asked, verdict),
            Operation::Undo => self.undo(asked),
            Operation::Authorize | Operation::Capture | Operation::Void | Operation::Refund => {
                self.money(asked, verdict)
            }
        }
    }

    fn money(&self, asked: &Asked, verdict: Result<String, (String, String)>) -> Ruling {
        let stage = self.payments.get(&asked.order).map_or(Stage::Nothing, |known| known.stage);
        let amount = asked.amount_minor;
        match (asked.operation, stage) {
            (Operation::Authorize, Stage::Nothing) => decided(asked, amount, verdict),
            (Operation::Authorize, Stage::Held(_)) => refused(asked, "ALREADY_AUTHORIZED"),
            (Operation::Authorize | Operation::Capture, Stage::LetGo) => refused(asked, "VOIDED"),
            (Operation::Authorize | Operation::Capture, Stage::Moved(_) | Stage::GivenBack) => {
                refused(asked, "ALREADY_CAPTURED")
            }
            (Operation::Capture, Stage::Nothing) => refused(asked, "NOT_AUTHORIZED"),
            (Operation::Capture, Stage::Held(held)) if held == amount => {
                decided(asked, amount, verdict)
            }
            (Operation::Capture, Stage::Held(_)) => refused(asked, "AMOUNT_MISMATCH"),
            (Operation::Void, Stage::Nothing | Stage::LetGo) => {
                let reply = Reply::yes(&format!("tombstone-{}", asked.order));
                Ruling::First { effect: BankEffect::Tombstone, amount_minor: 0, reply }
            }
            (Operation::Void, Stage::Held(held)) => done(asked, held),
            (Operation::Void, Stage::Moved(_) | Stage::GivenBack) => {
                refused(asked, "ALREADY_CAPTURED")
            }
            (Operation::Refund, Stage::Moved(moved)) if moved == amount => done(asked, moved),
            (Operation::Refund, Stage::Moved(_)) => refused(asked, "AMOUNT_MISMATCH"),
            (Operation::Refund, Stage::GivenBack) => refused(asked, "ALREADY_REFUNDED"),
            (Operation::Refund, Stage::Nothing | Stage::Held(_) | Stage::LetGo) => {
                refused(asked, "NOT_CAPTURED")
            }
            (Operation::Act | Operation::Undo, _) => refused(asked, "NOT_A_PAYMENT"),
        }
    }

    fn act(&self, asked: &Asked, verdict: Result<String, (String, String)>) -> Ruling {
        if self.undone.contains_key(&asked.key) {
            return refused(asked, "UNDONE");
        }
        match verdict {
            Ok(body) => {
                let reply = Reply { status: 200, body };
                let (effect, amount_minor) = (BankEffect::Done, asked.amount_minor);
                Ruling::First { effect, amount_minor, reply }
            }
            no @ Err(_) => decided(asked, 0, no),
        }
    }

    fn undo(&self, asked: &Asked) -> Ruling {
        let happened = self.answers.get(&asked.key).is_some_and(|known| known.reply.is_yes());
        let effect = if happened { BankEffect::Done } else { BankEffect::Tombstone };
        let reply = Reply { status: 200, body: format!(r#"{{"undone":{happened}}}"#) };
        Ruling::First { effect, amount_minor: asked.amount_minor, reply }
    }

    /// The answer to a key, when what it asked for happened.
    pub(super) fn happened(&self, key: &str) -> Option<&Reply> {
        let known = self.answers.get(key)?;
        (known.reply.is_yes() && !self.undone.contains_key(key)).then_some(&known.reply)
    }

    /// The order that a key was used for.
    pub(super) fn order_of(&self, key: &str) -> Option<&str> {
        self.answers.get(key).map(|known| known.order.as_str())
    }

    /// Takes in a line of the ledger.
    pub(super) fn apply(&mut self, line: &Line) {
        let subject = if is_money(line.operation) { &line.order } else { &line.key };
        let payment = self.payments.entry(subject.clone()).or_default();
        let seen = payment.epochs.entry(saga(&line.key).to_owned()).or_default();
        *seen = line.epoch.max(*seen);
        let took_effect = matches!(line.effect, BankEffect::Done | BankEffect::Tombstone);
        match line.operation {
            Operation::Authorize if took_effect => payment.stage = Stage::Held(line.amount_minor),
            Operation::Capture if took_effect => payment.stage = Stage::Moved(line.amount_minor),
            Operation::Void if took_effect => payment.stage = Stage::LetGo,
            Operation::Refund if took_effect => payment.stage = Stage::GivenBack,
            Operation::Undo => {
                self.undone.insert(line.key.clone(), line.reply.clone());
                return;
            }
            Operation::Authorize
            | Operation::Capture
            | Operation::Void
            | Operation::Refund
            | Operation::Act => {}
        }
        let (operation, order, reply) = (line.operation, line.order.clone(), line.reply.clone());
        self.answers.insert(line.key.clone(), Known { operation, order, reply });
    }
}

/// By what epochs are compared: the payment, or the one action of another participant.
fn subject(asked: &Asked) -> &str {
    if is_money(asked.operation) { &asked.order } else { &asked.key }
}

/// Whose key it is. Epochs are counted by the saga's shard, and a refund is a saga of its own.
fn saga(key: &str) -> &str {
    key.split('/').next().unwrap_or(key)
}

fn is_money(operation: Operation) -> bool {
    match operation {
        Operation::Authorize | Operation::Capture | Operation::Void | Operation::Refund => true,
        Operation::Act | Operation::Undo => false,
    }
}

fn done(asked: &Asked, amount_minor: u64) -> Ruling {
    let reply = Reply::yes(&format!("{}-{}", asked.path, asked.order));
    Ruling::First { effect: BankEffect::Done, amount_minor, reply }
}

fn decided(asked: &Asked, amount: u64, verdict: Result<String, (String, String)>) -> Ruling {
    match verdict {
        Ok(_) => done(asked, amount),
        Err((code, reason)) => Ruling::First {
            effect: BankEffect::Declined,
            amount_minor: asked.amount_minor,
            reply: Reply::no(402, &code, &reason),
        },
    }
}

fn refused(asked: &Asked, code: &str) -> Ruling {
    Ruling::First {
        effect: BankEffect::Refused,
        amount_minor: asked.amount_minor,
        reply: Reply::no(409, code, "the payment does not stand so"),
    }
}
