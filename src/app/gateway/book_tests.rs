//! What the gateway's book answers, call after call.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{Currency, Decimal, WallTime};

const KEYS: [&str; 4] = ["k0", "k1", "k2", "k3"];
const OPERATIONS: [Operation; 4] =
    [Operation::Authorize, Operation::Capture, Operation::Void, Operation::Refund];

fn order(number: u128) -> OrderId {
    OrderId::new(Uuid::from_u128(number))
}

fn call<'a>(order: OrderId, key: &'a str, epoch: u64, minor: u64) -> PaymentCall<'a> {
    PaymentCall {
        key,
        epoch,
        order_id: order,
        amount: Money::from_minor(minor).unwrap(),
        currency: Currency::Usd,
        token: None,
        correlation_id: "c",
        traceparent: None,
    }
}

/// A gateway without a shell: a book and the entries it was folded from.
struct Gateway {
    book: Book,
    entries: Vec<LedgerEntry>,
}

impl Gateway {
    fn new(ended_max: usize) -> Self {
        Self { book: Book::new(ended_max), entries: Vec::new() }
    }

    fn act(&mut self, operation: Operation, call: &PaymentCall<'_>) -> Ruling {
        let ruling = self.book.rule(operation, call, Ok(()));
        if let Ruling::First(first) = ruling {
            let entry = LedgerEntry {
                seq: self.entries.len() as u64 + 1,
                at: WallTime(0),
                key: call.key.to_owned(),
                order_id: call.order_id,
                kind: first.map_or(EntryKind::Refused, |_| EntryKind::of(operation)),
                amount: Decimal(first.unwrap_or(call.amount)),
                operation,
                epoch: call.epoch,
                code: first.err(),
            };
            self.book.apply(&entry);
            self.entries.push(entry);
        }
        ruling
    }

    /// One call after the other on one payment, each under a key of its own; the last one's ruling.
    fn after(operations: &[Operation]) -> Ruling {
        let mut gateway = Self::new(10);
        let last = operations.iter().zip(KEYS);
        last.map(|(operation, key)| gateway.act(*operation, &call(order(1), key, 1, 100)))
            .last()
            .expect("at least one operation")
    }
}

#[test]
fn the_money_goes_one_way_and_each_step_once() {
    use Operation::{Authorize, Capture, Refund, Void};
    use RefusalCode::{
        AlreadyAuthorized, AlreadyCaptured, AlreadyRefunded, NotAuthorized, NotCaptured, Voided,
    };
    let done = |minor| Ruling::First(Ok(Money::from_minor(minor).unwrap()));
    let refused = |code| Ruling::First(Err(code));
    let table: &[(&[Operation], Ruling)] = &[
        (&[Authorize], done(100)),
        (&[Authorize, Capture], done(100)),
        (&[Authorize, Capture, Refund], done(100)),
        (&[Authorize, Void], done(100)),
        (&[Void], done(0)),
        (&[Void, Void], done(0)),
        (&[Capture], refused(NotAuthorized)),
        (&[Refund], refused(NotCaptured)),
        (&[Authorize, Authorize], refused(AlreadyAuthorized)),
        (&[Authorize, Refund], refused(NotCaptured)),
        (&[Authorize, Capture, Capture], refused(AlreadyCaptured)),
        (&[Authorize, Capture, Void], refused(AlreadyCaptured)),
        (&[Authorize, Capture, Authorize], refused(AlreadyCaptured)),
        (&[Authorize, Capture, Refund, Refund], refused(AlreadyRefunded)),
        (&[Authorize, Void, Capture], refused(Voided)),
        (&[Void, Authorize], refused(Voided)),
        (&[Void, Authorize, Capture], refused(Voided)),
    ];
    for (operations, wants) in table {
        assert_eq!(Gateway::after(operations), *wants, "{operations:?}");
    }
}

#[test]
fn a_repeat_gets_the_first_answer_whatever_has_happened_since() {
    let mut gateway = Gateway::new(10);
    gateway.act(Operation::Authorize, &call(order(1), "a", 5, 100));
    gateway.act(Operation::Void, &call(order(1), "v", 6, 100));
    gateway.act(Operation::Capture, &call(order(1), "c", 6, 100));
    let again = |key, operation| gateway.book.rule(operation, &call(order(1), key, 1, 100), Ok(()));
    assert_eq!(again("a", Operation::Authorize), Ruling::Repeat(Answer::Done { seq: 1 }));
    assert_eq!(again("v", Operation::Void), Ruling::Repeat(Answer::Done { seq: 2 }));
    let refused = Answer::Refused(RefusalCode::Voided);
    assert_eq!(again("c", Operation::Capture), Ruling::Repeat(refused));
    assert_eq!(again("a", Operation::Capture), Ruling::KeyReused);
}

#[test]
fn an_older_epoch_is_refused_and_its_key_stays_free() {
    let mut gateway = Gateway::new(10);
    gateway.act(Operation::Authorize, &call(order(1), "a", 5, 100));
    let stale = gateway.act(Operation::Capture, &call(order(1), "c", 4, 100));
    assert_eq!(stale, Ruling::StaleEpoch { current: 5 });
    assert!(matches!(
        gateway.act(Operation::Capture, &call(order(1), "c", 5, 100)),
        Ruling::First(Ok(_))
    ));
    let other = gateway.act(Operation::Authorize, &call(order(2), "a", 1, 100));
    assert!(matches!(other, Ruling::First(Ok(_))), "epochs are counted per payment");
}

#[test]
fn a_refund_is_fenced_by_the_epochs_of_its_own_saga() {
    let mut gateway = Gateway::new(10);
    gateway.act(Operation::Authorize, &call(order(1), "order/authorize/action", 9, 100));
    gateway.act(Operation::Capture, &call(order(1), "order/capture/action", 9, 100));
    let refund = call(order(1), "refund/refund/action", 2, 100);
    assert!(matches!(gateway.act(Operation::Refund, &refund), Ruling::First(Ok(_))));
    let late = call(order(1), "refund/other/action", 1, 100);
    assert_eq!(gateway.act(Operation::Refund, &late), Ruling::StaleEpoch { current: 2 });
}

#[test]
fn another_amount_than_the_authorised_one_is_refused() {
    for operation in [Operation::Capture, Operation::Refund] {
        let mut gateway = Gateway::new(10);
        gateway.act(Operation::Authorize, &call(order(1), "a", 1, 100));
        if operation == Operation::Refund {
            gateway.act(Operation::Capture, &call(order(1), "c", 1, 100));
        }
        let ruling = gateway.act(operation, &call(order(1), "x", 1, 99));
        assert_eq!(ruling, Ruling::First(Err(RefusalCode::AmountMismatch)), "{operation}");
    }
}

#[test]
fn the_bank_is_asked_only_when_the_gateway_agrees() {
    let book = Book::new(10);
    let declined = Err(RefusalCode::CaptureDeclined);
    let ruling = book.rule(Operation::Capture, &call(order(1), "c", 1, 100), declined);
    assert_eq!(ruling, Ruling::First(Err(RefusalCode::NotAuthorized)));
}

#[test]
fn only_so_many_ended_payments_are_kept_and_the_rest_is_known_to_be_forgotten() {
    let mut gateway = Gateway::new(2);
    for number in 0..5 {
        gateway.act(Operation::Void, &call(order(number), "v", 1, 100));
    }
    gateway.act(Operation::Authorize, &call(order(9), "a", 1, 100));
    assert_eq!(gateway.book.payments.len(), 3);
    assert!(gateway.book.may_have_forgotten(order(0)));
    assert!(!gateway.book.may_have_forgotten(order(4)));
    assert!(!gateway.book.may_have_forgotten(order(9)));
}

proptest! {
    #[test]
    fn no_sequence_of_calls_makes_or_loses_money(
        calls in prop::collection::vec((0..4usize, 0..4usize, 0..3u64, 0..2u128), 0..60)
    ) {
        let mut gateway = Gateway::new(1_000);
        for (operation, key, epoch, number) in calls {
            let call = call(order(number), KEYS[key], epoch, 100);
            let before = gateway.entries.len();
            let ruling = gateway.act(OPERATIONS[operation], &call);
            prop_assert_eq!(gateway.entries.len() - before, usize::from(matches!(ruling, Ruling::First(_))));
        }
        for number in 0..2 {
            let of = |kind| gateway.entries.iter().filter(move |entry| {
                entry.order_id == order(number) && entry.kind == kind
            });
            let sum = |kind| of(kind).map(|entry| entry.amount.0.minor()).sum::<u64>();
            let (captured, refunded) = (sum(EntryKind::Capture), sum(EntryKind::Refund));
            prop_assert!(captured == 0 || captured == 100);
            prop_assert!(refunded <= captured);
            prop_assert!(sum(EntryKind::Void) + captured <= sum(EntryKind::Authorize));
            let first_void = of(EntryKind::Void).map(|entry| entry.seq).min();
            let last_move = of(EntryKind::Capture).chain(of(EntryKind::Authorize)).map(|entry| entry.seq).max();
            prop_assert!(first_void.is_none_or(|void| last_move.is_none_or(|moved| moved < void)));
        }
    }

    #[test]
    fn a_book_folded_from_its_ledger_is_the_same_book(
        calls in prop::collection::vec((0..4usize, 0..4usize, 0..3u64, 0..2u128), 0..40)
    ) {
        let mut gateway = Gateway::new(1_000);
        for (operation, key, epoch, number) in calls {
            gateway.act(OPERATIONS[operation], &call(order(number), KEYS[key], epoch, 100));
        }
        let mut folded = Book::new(1_000);
        gateway.entries.iter().for_each(|entry| folded.apply(entry));
        for operation in OPERATIONS {
            for (key, number) in KEYS.iter().zip([0, 1, 0, 1]) {
                let call = call(order(number), key, 1, 100);
                prop_assert_eq!(
                    folded.rule(operation, &call, Ok(())),
                    gateway.book.rule(operation, &call, Ok(()))
                );
            }
        }
    }
}
