//! The bank keeps the barrier, and its faults are what they say.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use sagaline::engine::http_client::HttpClient;
use sagaline_sim::evidence::BankEffect;
use sagaline_sim::fault::{Fault, FaultKind};
use sagaline_sim::machine::Machine;
use sagaline_sim::world::NetConnect;
use serde_json::{Value, json};

use crate::world::{Services, with};

/// A caller that waits for a bounded time.
struct Caller {
    http: HttpClient,
    services: Services,
}

/// A payment's call.
#[derive(Clone, Copy)]
struct Call {
    path: &'static str,
    key: &'static str,
    epoch: u64,
    token: &'static str,
}

const AUTHORIZE: Call = Call { path: "authorize", key: "o/authorize", epoch: 1, token: "tok_ok" };
const CAPTURE: Call = Call { path: "capture", key: "o/capture", ..AUTHORIZE };
const VOID: Call = Call { path: "void", key: "o/void", ..AUTHORIZE };
const REFUND: Call = Call { path: "refund", key: "o/refund", ..AUTHORIZE };

impl Caller {
    fn of(services: &Services) -> Self {
        let network = services.world.network.clone();
        let connect = NetConnect { network, machine: Machine::Clients };
        Self { http: HttpClient::new(Arc::new(connect)), services: services.clone() }
    }

    /// Status, code or nothing, and the seconds to wait; none: no answer within three seconds.
    async fn send(&self, request: Request<Full<Bytes>>) -> Option<(u16, String, Option<String>)> {
        let mut answer = std::pin::pin!(self.http.send(request));
        let mut late = std::pin::pin!(self.services.pass_ms(3_000));
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer.ok()?,
            () = &mut late => return None,
        };
        let wait = answer.headers().get(header::RETRY_AFTER);
        let wait = wait.map(|wait| wait.to_str().expect("digits").to_owned());
        let body: Value = serde_json::from_slice(answer.body()).expect("the bank speaks JSON");
        let code = body["error"].as_str().unwrap_or_default().to_owned();
        Some((answer.status().as_u16(), code, wait))
    }

    async fn post(&self, call: Call, body: Value) -> Option<(u16, String)> {
        let request = Request::post(format!("http://bank:3000/{}", call.path))
            .header("idempotency-key", call.key)
            .header("sagaline-epoch", call.epoch)
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a request");
        self.send(request).await.map(|(status, code, _)| (status, code))
    }

    async fn ask(&self, call: Call) -> Option<(u16, String)> {
        let body =
            json!({ "orderId": "o", "amount": 12.5, "currency": "USD", "token": call.token });
        self.post(call, body).await
    }

    async fn says(&self, call: Call, status: u16, code: &str) {
        assert_eq!(self.ask(call).await, Some((status, code.to_owned())), "{}", call.path);
    }

    async fn probe(&self, key: &str) -> u16 {
        let path = key.replace('/', "%2F");
        let request = Request::get(format!("http://bank:3000/payments/{path}"))
            .header("sagaline-epoch", 1)
            .body(Full::default())
            .expect("a request");
        self.send(request).await.expect("the bank answers").0
    }

    fn effects(&self) -> Vec<(String, BankEffect, u64)> {
        self.services.witness.look(|seen| {
            let told = |entry: &sagaline_sim::evidence::BankEntry| {
                (entry.operation.clone(), entry.effect, entry.amount_minor)
            };
            seen.bank.iter().map(told).collect()
        })
    }

    fn bites(&self, kind: FaultKind) -> u64 {
        self.services.world.bites.counts().get(&kind).copied().unwrap_or(0)
    }
}

fn done(operation: &str) -> (String, BankEffect, u64) {
    (operation.to_owned(), BankEffect::Done, 1_250)
}

#[test]
fn money_moves_once_and_comes_back_once() {
    with(|services| async move {
        let caller = Caller::of(&services);
        caller.says(AUTHORIZE, 200, "").await;
        caller.says(CAPTURE, 200, "").await;
        caller.says(CAPTURE, 200, "").await;
        caller.says(Call { key: "again", ..CAPTURE }, 409, "ALREADY_CAPTURED").await;
        caller.says(VOID, 409, "ALREADY_CAPTURED").await;
        caller.says(REFUND, 200, "").await;
        caller.says(Call { key: "more", ..REFUND }, 409, "ALREADY_REFUNDED").await;
        let refused = |operation: &str| (operation.to_owned(), BankEffect::Refused, 1_250);
        let again = ("capture".to_owned(), BankEffect::Repeated, 1_250);
        let expected = [
            done("authorize"),
            done("capture"),
            again,
            refused("capture"),
            refused("void"),
            done("refund"),
            refused("refund"),
        ];
        assert_eq!(caller.effects(), expected);
    });
}

#[test]
fn what_was_let_go_before_it_came_is_refused() {
    with(|services| async move {
        let caller = Caller::of(&services);
        caller.says(VOID, 200, "").await;
        caller.says(AUTHORIZE, 409, "VOIDED").await;
        caller.says(CAPTURE, 409, "VOIDED").await;
        assert_eq!(caller.effects()[0], ("void".to_owned(), BankEffect::Tombstone, 0));
    });
}

#[test]
fn an_older_epoch_is_refused_and_its_key_stays_free() {
    with(|services| async move {
        let caller = Caller::of(&services);
        caller.says(Call { epoch: 3, ..AUTHORIZE }, 200, "").await;
        caller.says(Call { epoch: 2, ..CAPTURE }, 409, "STALE_EPOCH").await;
        caller.says(Call { epoch: 3, ..CAPTURE }, 200, "").await;
    });
}

#[test]
fn a_key_stands_for_one_operation() {
    with(|services| async move {
        let caller = Caller::of(&services);
        caller.says(AUTHORIZE, 200, "").await;
        caller.says(Call { key: AUTHORIZE.key, ..CAPTURE }, 422, "KEY_REUSED").await;
    });
}

#[test]
fn a_probe_tells_whether_it_happened() {
    with(|services| async move {
        let caller = Caller::of(&services);
        assert_eq!(caller.probe(AUTHORIZE.key).await, 404);
        caller.says(Call { token: "tok_decline", ..AUTHORIZE }, 402, "CARD_DECLINED").await;
        assert_eq!(caller.probe(AUTHORIZE.key).await, 404);
        caller.says(Call { key: "second", ..AUTHORIZE }, 200, "").await;
        assert_eq!(caller.probe("second").await, 200);
    });
}

#[test]
fn tokens_decide_what_goes_wrong() {
    with(|services| async move {
        let caller = Caller::of(&services);
        let flaky = Call { token: "tok_flaky", ..AUTHORIZE };
        caller.says(flaky, 503, "BUSY").await;
        caller.says(flaky, 503, "BUSY").await;
        caller.says(flaky, 200, "").await;
        caller
            .says(Call { token: "tok_capture_decline", ..CAPTURE }, 402, "CAPTURE_DECLINED")
            .await;
        caller.says(Call { token: "tok_void_fails", ..VOID }, 503, "BUSY").await;
        let charged = Call { token: "tok_timeout_charged", key: "charged", ..CAPTURE };
        assert_eq!(caller.ask(charged).await, None);
        assert_eq!(caller.probe("charged").await, 200);
    });
}

#[test]
fn what_was_answered_survives_a_power_loss() {
    with(|services| async move {
        let caller = Caller::of(&services);
        caller.says(AUTHORIZE, 200, "").await;
        services.world.crash(Machine::Bank, true);
        services.world.restart(Machine::Bank);
        services.pass_ms(100).await;
        // The first one finds a connection that the bank knows nothing of.
        while caller.ask(AUTHORIZE).await.is_none() {}
        caller.says(CAPTURE, 200, "").await;
        let again = ("authorize".to_owned(), BankEffect::Repeated, 1_250);
        assert_eq!(caller.effects(), [done("authorize"), again, done("capture")]);
    });
}

#[test]
fn a_bank_whose_disk_fails_forgets_nothing_that_it_has_told_of() {
    const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    with(|services| async move {
        let caller = Caller::of(&services);
        let hotel = |key| Call { path: "hotel", key, ..AUTHORIZE };
        let machine = Machine::Bank;
        let failing = services.begin(Fault::DiskError { machine, percent: 50 });
        for key in KEYS {
            // Most find the bank failing, or on its way back.
            let all = KEYS.map(|other| caller.post(hotel(other), json!({})));
            futures_util::future::join_all(all).await;
            while caller.post(hotel(key), json!({})).await.is_none() {}
        }
        services.world.end(&failing);
        for key in KEYS {
            while caller.post(hotel(key), json!({})).await.is_none() {}
        }
        services.witness.look(|seen| {
            let done = |key: &str| {
                let effects = seen.bank.iter().filter(|entry| entry.effect == BankEffect::Done);
                effects.filter(|entry| entry.key == key).count()
            };
            assert_eq!(KEYS.map(done), [1; 8]);
        });
        assert!(caller.bites(FaultKind::DiskError) > 0);
    });
}

#[test]
fn a_lost_reply_is_of_something_done() {
    with(|services| async move {
        let caller = Caller::of(&services);
        let lost = services.begin(Fault::BankReplyLost { percent: 100 });
        assert_eq!(caller.ask(AUTHORIZE).await, None);
        services.world.end(&lost);
        assert_eq!(caller.probe(AUTHORIZE.key).await, 200);
        assert!(caller.bites(FaultKind::BankReplyLost) > 0);
    });
}

#[test]
fn a_late_request_is_acted_upon_behind_its_undo() {
    with(|services| async move {
        let caller = Caller::of(&services);
        let late = services.begin(Fault::BankLateDelivery { percent: 100, late_ms: 5_000 });
        assert_eq!(caller.ask(AUTHORIZE).await, None);
        services.world.end(&late);
        caller.says(VOID, 200, "").await;
        services.pass_ms(5_000).await;
        let refused = ("authorize".to_owned(), BankEffect::Refused, 1_250);
        assert_eq!(caller.effects().last(), Some(&refused));
        assert_eq!(caller.bites(FaultKind::BankLateDelivery), 1);
    });
}

#[test]
fn a_request_that_comes_twice_takes_effect_once() {
    with(|services| async move {
        let caller = Caller::of(&services);
        services.begin(Fault::BankDuplicate { percent: 100 });
        caller.says(AUTHORIZE, 200, "").await;
        services.pass_ms(1_000).await;
        let again = ("authorize".to_owned(), BankEffect::Repeated, 1_250);
        assert_eq!(caller.effects(), [done("authorize"), again]);
        assert_eq!(caller.bites(FaultKind::BankDuplicate), 1);
    });
}

#[test]
fn a_bank_in_trouble_says_so_or_nothing() {
    with(|services| async move {
        let caller = Caller::of(&services);
        let errors = services.begin(Fault::BankErrors { percent: 100 });
        caller.says(AUTHORIZE, 503, "BUSY").await;
        services.world.end(&errors);
        let throttle = services.begin(Fault::BankThrottle { percent: 100, retry_after_s: 4 });
        caller.says(AUTHORIZE, 429, "SLOW_DOWN").await;
        services.world.end(&throttle);
        let down = services.begin(Fault::BankDown);
        assert_eq!(caller.ask(AUTHORIZE).await, None);
        services.world.end(&down);
        let turned_away = ("authorize".to_owned(), BankEffect::TurnedAway, 0);
        assert_eq!(caller.effects(), vec![turned_away; 3]);
        let slow = services.begin(Fault::BankSlow { added_ms: 500 });
        let before_us = services.world.now_us();
        caller.says(AUTHORIZE, 200, "").await;
        assert!(services.world.now_us() - before_us >= 500_000);
        services.world.end(&slow);
        let kinds = [
            FaultKind::BankErrors,
            FaultKind::BankThrottle,
            FaultKind::BankDown,
            FaultKind::BankSlow,
        ];
        kinds.into_iter().for_each(|kind| assert!(caller.bites(kind) > 0, "{kind:?}"));
    });
}

#[test]
fn other_participants_have_the_same_barrier() {
    with(|services| async move {
        let caller = Caller::of(&services);
        let book = Call { path: "hotel", key: "s/book", ..AUTHORIZE };
        let undo = Call { path: "hotel/undo", ..book };
        assert_eq!(caller.post(book, json!({})).await, Some((200, String::new())));
        assert_eq!(caller.post(undo, json!({})).await, Some((200, String::new())));
        let late = Call { key: "t/book", ..book };
        assert_eq!(
            caller.post(Call { key: "t/book", ..undo }, json!({})).await.map(|a| a.0),
            Some(200)
        );
        assert_eq!(caller.post(late, json!({})).await, Some((409, "UNDONE".to_owned())));
        let full = Call { key: "u/book", ..book };
        assert_eq!(caller.post(full, json!({"full": true})).await, Some((402, "FULL".to_owned())));
        let effects: Vec<_> = caller.effects().into_iter().map(|(_, effect, _)| effect).collect();
        let expected = [
            BankEffect::Done,
            BankEffect::Done,
            BankEffect::Tombstone,
            BankEffect::Refused,
            BankEffect::Declined,
        ];
        assert_eq!(effects, expected);
    });
}
