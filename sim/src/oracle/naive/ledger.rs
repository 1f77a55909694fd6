//! The bank's ledger, folded order by order. The bank is the truth about the money.

use crate::evidence::{BankEffect, BankEntry};

/// What the ledger says of one order, after any number of its entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Set aside and neither moved nor let go: how much.
    pub held_minor: Option<u64>,
    /// How often the money was set aside, moved, given back.
    pub authorized: u32,
    /// See there.
    pub captured: u32,
    /// See there.
    pub refunded: u32,
    /// How much has moved.
    pub captured_minor: u64,
    /// How much was given back.
    pub refunded_minor: u64,
    /// It was let go, or will never be set aside.
    pub voided: bool,
}

impl Account {
    /// Takes an entry in. The first thing about it that must never be.
    pub fn apply(&mut self, entry: &BankEntry) -> Option<&'static str> {
        match (entry.effect, entry.operation.as_str()) {
            (BankEffect::Done, "authorize") => self.authorize(entry.amount_minor),
            (BankEffect::Done, "capture") => self.capture(entry.amount_minor),
            (BankEffect::Done | BankEffect::Tombstone, "void") => self.void(),
            (BankEffect::Done, "refund") => self.refund(entry.amount_minor),
            _ => None,
        }
    }

    fn authorize(&mut self, amount: u64) -> Option<&'static str> {
        self.authorized += 1;
        self.held_minor = Some(amount);
        let twice = self.authorized > 1;
        match self.voided {
            true => Some("money was set aside after the undo"),
            false => twice.then_some("money was set aside twice"),
        }
    }

    fn capture(&mut self, amount: u64) -> Option<&'static str> {
        self.captured += 1;
        self.captured_minor += amount;
        let held = self.held_minor.take();
        if self.voided {
            return Some("money moved after the undo");
        }
        if self.captured > 1 {
            return Some("money moved twice");
        }
        (held != Some(amount)).then_some("money moved that was not set aside")
    }

    fn void(&mut self) -> Option<&'static str> {
        self.voided = true;
        self.held_minor = None;
        (self.captured > 0).then_some("a payment was undone behind its pivot")
    }

    fn refund(&mut self, amount: u64) -> Option<&'static str> {
        self.refunded += 1;
        self.refunded_minor += amount;
        if self.refunded_minor > self.captured_minor || self.captured == 0 {
            return Some("more money was given back than had moved");
        }
        (self.refunded_minor != self.captured_minor || self.refunded > 1)
            .then_some("money was given back in part or twice")
    }
}
