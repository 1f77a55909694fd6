//! What each test token of the fake gateway does.

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use sagaline_storage::{Clock, Entropy, Timestamp};
use uuid::Uuid;

use super::*;
use crate::engine::Failure;

/// Time passes only by sleeping, at once.
#[derive(Debug, Clone, Default)]
struct SleepyClock(Arc<Mutex<Duration>>);

impl Clock for SleepyClock {
    fn now(&self) -> Timestamp {
        Timestamp::default().after(*self.0.lock())
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock()
    }

    async fn sleep(&self, duration: Duration) {
        *self.0.lock() += duration;
    }
}

/// A fixed sequence of numbers, over and over.
#[derive(Debug, Clone, Default)]
struct Loaded(Arc<Mutex<u64>>);

impl Entropy for Loaded {
    fn fill(&self, bytes: &mut [u8]) {
        let mut next = self.0.lock();
        // splitmix64: any fixed, well-mixed sequence does.
        *next = next.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*next ^ (*next >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes
            .iter_mut()
            .zip((mixed ^ (mixed >> 31)).to_le_bytes())
            .for_each(|(to, from)| *to = from);
    }
}

type Fake = FakeGateway<SleepyClock, Loaded>;

fn fake_with(ledger: Ledger, settings: FakeSettings) -> Fake {
    let (clock, entropy) = (SleepyClock::default(), Loaded::default());
    FakeGateway::with_ledger(ledger, settings, clock, entropy).unwrap()
}

fn fake() -> Fake {
    fake_with(Ledger::in_memory(), FakeSettings::default())
}

fn call<'a>(key: &'a str, token: Option<&'a str>) -> PaymentCall<'a> {
    PaymentCall {
        key,
        epoch: 1,
        order_id: OrderId::new(Uuid::nil()),
        amount: Money::parse("12.34").unwrap(),
        currency: Currency::Usd,
        token,
        correlation_id: "c",
        traceparent: None,
    }
}

/// What a call that never waits for the outside comes to; `None`: it never answers.
fn now<T>(answer: impl Future<Output = T>) -> Option<T> {
    answer.now_or_never()
}

fn ask(fake: &Fake, operation: Operation, key: &str, token: &str) -> Option<Outcome<Receipt>> {
    now(fake.request(operation, &call(key, Some(token))))
}

fn code(answer: Option<Outcome<Receipt>>) -> String {
    match answer {
        None => "no answer".to_owned(),
        Some(Ok(receipt)) => receipt.reference,
        Some(Err(Failure::Rejected { code, .. })) => code,
        Some(Err(Failure::Unknown { .. })) => "unknown".to_owned(),
    }
}

fn kinds(fake: &Fake) -> Vec<EntryKind> {
    fake.ledger().read(0, 1_000).unwrap().iter().map(|entry| entry.kind).collect()
}

#[test]
fn the_ledger_tells_what_happened_to_the_money() {
    let fake = fake();
    assert_eq!(code(now(fake.request(Operation::Authorize, &call("a", None)))), "authorize_1");
    assert_eq!(code(ask(&fake, Operation::Capture, "c", "tok_ok")), "capture_2");
    assert_eq!(code(ask(&fake, Operation::Refund, "r", "tok_ok")), "refund_3");
    assert_eq!(kinds(&fake), [EntryKind::Authorize, EntryKind::Capture, EntryKind::Refund]);
    assert_eq!(fake.ledger().read(0, 1).unwrap()[0].amount.0.to_string(), "12.34");
}

#[test]
fn declines_are_recorded_and_repeated() {
    for (token, wants) in [("tok_decline", "CARD_DECLINED"), ("tok_unheard_of", "INVALID_TOKEN")] {
        let fake = fake();
        for _ in 0..2 {
            assert_eq!(code(ask(&fake, Operation::Authorize, "a", token)), wants);
        }
        assert_eq!(kinds(&fake), [EntryKind::Refused]);
    }
}

#[test]
fn a_declined_capture_leaves_the_money_to_be_let_go() {
    let fake = fake();
    ask(&fake, Operation::Authorize, "a", "tok_capture_decline");
    assert_eq!(
        code(ask(&fake, Operation::Capture, "c", "tok_capture_decline")),
        "CAPTURE_DECLINED"
    );
    assert_eq!(code(ask(&fake, Operation::Void, "v", "tok_capture_decline")), "void_3");
    assert_eq!(kinds(&fake), [EntryKind::Authorize, EntryKind::Refused, EntryKind::Void]);
}

#[test]
fn a_charge_without_a_reply_is_found_by_the_probe_and_by_asking_again() {
    let fake = fake();
    ask(&fake, Operation::Authorize, "a", "tok_timeout_charged");
    assert_eq!(code(ask(&fake, Operation::Capture, "c", "tok_timeout_charged")), "no answer");
    let probe = now(fake.probe(&call("c", None))).unwrap();
    assert_eq!(probe, Probe::Happened(Receipt { reference: "capture_2".to_owned() }));
    assert_eq!(code(ask(&fake, Operation::Capture, "c", "tok_timeout_charged")), "capture_2");
    assert_eq!(kinds(&fake), [EntryKind::Authorize, EntryKind::Capture]);
}

#[test]
fn a_lost_charge_did_not_happen_and_arrives_the_next_time() {
    let fake = fake();
    ask(&fake, Operation::Authorize, "a", "tok_timeout_lost");
    assert_eq!(code(ask(&fake, Operation::Capture, "c", "tok_timeout_lost")), "no answer");
    assert_eq!(now(fake.probe(&call("c", None))), Some(Probe::DidNotHappen));
    assert_eq!(code(ask(&fake, Operation::Capture, "c", "tok_timeout_lost")), "capture_2");
    assert_eq!(code(ask(&fake, Operation::Capture, "c", "tok_timeout_lost")), "capture_2");
}

#[test]
fn a_flaky_gateway_is_busy_twice_a_key() {
    let fake = fake();
    for operation in [Operation::Authorize, Operation::Capture] {
        let answers: Vec<_> =
            (0..4).map(|_| code(ask(&fake, operation, operation.as_str(), "tok_flaky"))).collect();
        assert_eq!(answers[..2], ["unknown", "unknown"]);
        assert_eq!(answers[2], answers[3]);
    }
    assert_eq!(kinds(&fake), [EntryKind::Authorize, EntryKind::Capture]);
}

#[test]
fn an_undo_that_always_fails_is_reached_by_a_declined_capture() {
    let fake = fake();
    ask(&fake, Operation::Authorize, "a", "tok_void_fails");
    assert_eq!(code(ask(&fake, Operation::Capture, "c", "tok_void_fails")), "CAPTURE_DECLINED");
    for _ in 0..20 {
        assert_eq!(code(ask(&fake, Operation::Void, "v", "tok_void_fails")), "unknown");
    }
    assert_eq!(kinds(&fake), [EntryKind::Authorize, EntryKind::Refused]);
}

#[test]
fn a_slow_gateway_takes_two_seconds_and_latency_comes_on_top() {
    let settings = FakeSettings { latency: Duration::from_millis(30), ..FakeSettings::default() };
    let fake = fake_with(Ledger::in_memory(), settings);
    ask(&fake, Operation::Authorize, "a", "tok_slow");
    assert_eq!(fake.ledger().read(0, 1).unwrap()[0].at.0, 2_030_000);
}

#[test]
fn an_undo_that_comes_first_leaves_a_tombstone() {
    let fake = fake();
    assert_eq!(code(ask(&fake, Operation::Void, "v", "tok_ok")), "void_1");
    assert_eq!(code(ask(&fake, Operation::Authorize, "a", "tok_ok")), "VOIDED");
    assert_eq!(now(fake.probe(&call("a", None))), Some(Probe::DidNotHappen));
    let entries = fake.ledger().read(0, 10).unwrap();
    assert_eq!(entries[0].amount.0, Money::ZERO);
}

#[test]
fn the_wrong_key_and_the_old_epoch_are_refused_and_not_recorded() {
    let fake = fake();
    let newer = PaymentCall { epoch: 2, ..call("a", None) };
    assert!(now(fake.request(Operation::Authorize, &newer)).unwrap().is_ok());
    assert_eq!(code(ask(&fake, Operation::Capture, "a", "tok_ok")), "KEY_REUSED");
    assert_eq!(code(ask(&fake, Operation::Capture, "c", "tok_ok")), "STALE_EPOCH");
    assert_eq!(kinds(&fake).len(), 1);
}

#[test]
fn a_reopened_gateway_knows_everything_it_answered() {
    let ledger = Ledger::in_memory();
    ask(&fake_with(ledger.clone(), FakeSettings::default()), Operation::Authorize, "a", "tok_ok");
    let fake = fake_with(ledger, FakeSettings::default());
    assert_eq!(code(ask(&fake, Operation::Authorize, "a", "tok_ok")), "authorize_1");
    assert_eq!(code(ask(&fake, Operation::Capture, "c", "tok_ok")), "capture_2");
}

#[test]
fn a_payment_dropped_from_memory_is_found_in_the_ledger() {
    let settings = FakeSettings { ended_kept: 1, ..FakeSettings::default() };
    let fake = fake_with(Ledger::in_memory(), settings);
    let end_another = |number| {
        let order_id = OrderId::new(Uuid::from_u128(number));
        let void = PaymentCall { order_id, ..call("v", None) };
        assert!(now(fake.request(Operation::Void, &void)).unwrap().is_ok());
    };
    ask(&fake, Operation::Authorize, "a", "tok_ok");
    ask(&fake, Operation::Capture, "c", "tok_ok");
    end_another(1);
    assert_eq!(code(ask(&fake, Operation::Capture, "c", "tok_ok")), "capture_2");
    end_another(2);
    assert!(matches!(now(fake.probe(&call("a", None))), Some(Probe::Happened(_))));
    end_another(3);
    assert_eq!(code(ask(&fake, Operation::Refund, "r", "tok_ok")), "refund_6");
    end_another(4);
    assert_eq!(code(ask(&fake, Operation::Refund, "r2", "tok_ok")), "ALREADY_REFUNDED");
}

#[test]
fn the_failure_rate_is_a_share_of_the_calls_and_never_costs_money() {
    let settings = FakeSettings { failure_rate: 0.5, ..FakeSettings::default() };
    let fake = fake_with(Ledger::in_memory(), settings);
    let mut unknown = 0;
    for number in 0..400u128 {
        let order_id = OrderId::new(Uuid::from_u128(number));
        let call = PaymentCall { order_id, ..call("a", None) };
        unknown += usize::from(now(fake.request(Operation::Authorize, &call)).unwrap().is_err());
    }
    assert!((120..280).contains(&unknown), "{unknown}");
    let effects = kinds(&fake).len();
    assert!(effects > 400 - unknown && effects < 400, "{effects} of {unknown}");
}

#[tokio::test]
async fn a_gateway_with_a_ledger_on_disk_is_the_same_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let open = || {
        let (clock, entropy) = (SleepyClock::default(), Loaded::default());
        Fake::open(&path, FakeSettings::default(), clock, entropy).unwrap()
    };
    let fake = open();
    fake.request(Operation::Authorize, &call("a", None)).await.unwrap();
    // A caller that goes away does not take its call back.
    let capture = call("c", None);
    let mut gone = fake.request(Operation::Capture, &capture).boxed();
    let polled =
        std::future::poll_fn(|context| Poll::Ready(gone.as_mut().poll(context).is_ready())).await;
    drop(gone);
    let receipt = fake.request(Operation::Capture, &call("c", None)).await.unwrap();
    assert_eq!(receipt.reference, "capture_2", "polled to its end: {polled}");
    drop(fake);
    let receipt = open().request(Operation::Capture, &call("c", None)).await.unwrap();
    assert_eq!(receipt.reference, "capture_2");
}
