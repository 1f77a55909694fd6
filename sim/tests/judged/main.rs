//! The oracles over what the real product writes: a node with recorded ports, orders of every kind to their
//! ends at the same time, and every oracle must have examined something and found nothing. What they make of
//! wrong histories, their own tests show.
#![cfg(not(madsim))]
#![allow(clippy::unwrap_used, reason = "tests")]

mod recorder;
mod shop;

use std::collections::BTreeSet;

use sagaline_sim::evidence::{Call, Evidence, LogEntry, StoreWhat};
use sagaline_sim::oracle::judge;
use sagaline_sim::verdict::Verdict;
use serde_json::{Value, json};
use shop::{Person, Shop, order};

/// What each token's order comes to.
const ENDS: [(&str, &str); 6] = [
    ("tok_ok", "paid"),
    ("tok_decline", "cancelled"),
    ("tok_capture_decline", "cancelled"),
    ("tok_flaky", "paid"),
    ("tok_timeout_charged", "paid"),
    ("external", "pending"),
];

async fn shopping(customer: Person) {
    for (token, end) in ENDS {
        let number = customer.number();
        let (product, key) = (format!("{token}-{number}"), format!("key-{token}"));
        let (status, placed) = customer.place(&key, &product, token).await;
        assert_eq!((status, placed["status"].as_str()), (201, Some(end)), "{placed}");
        // A repetition, another body under the key, and another order for the product.
        let again = customer.place(&key, &product, token).await;
        assert_eq!((again.0, &again.1["id"]), (201, &placed["id"]));
        let other = order("another", token);
        assert_eq!(customer.send("POST", "/orders", Some(&key), None, &other).await.0, 422);
        let rival = customer.send("POST", "/orders", None, None, &order(&product, token)).await;
        assert_eq!(rival.0, 409, "{}", rival.1);
        let path = format!("/orders/{}", placed["id"].as_str().unwrap());
        customer.send("GET", &path, None, None, &Value::Null).await;
        if token == "tok_ok" {
            let (status, _) = customer.send("DELETE", &path, None, None, &Value::Null).await;
            assert!(matches!(status, 200 | 202), "{status}");
        }
    }
    customer.send("GET", "/orders", None, None, &Value::Null).await;
}

/// Everybody at once for one product: one gets it.
async fn rush(customers: &[Person]) {
    let wanted = order("rare", "tok_ok");
    let placing = customers
        .iter()
        .map(|customer| customer.send("POST", "/orders", Some("rush"), Some("wait=30"), &wanted));
    let mut placed = 0;
    for (status, _) in futures_util::future::join_all(placing).await {
        placed += u32::from(status == 201);
    }
    assert_eq!(placed, 1);
}

async fn run() -> Evidence {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let mut customers = Vec::new();
    for number in 1..=4 {
        customers.push(shop.customer(number).await);
    }
    rush(&customers).await;
    let orders: Vec<_> = customers.into_iter().map(|it| tokio::spawn(shopping(it))).collect();
    for order in orders {
        order.await.unwrap();
    }
    confirm_external(&admin).await;
    shop.close().await
}

/// A merchant confirms the orders that were paid elsewhere.
async fn confirm_external(admin: &Person) {
    let (_, list) =
        admin.send("GET", "/orders?status=pending&limit=100", None, None, &Value::Null).await;
    for order in list["orders"].as_array().unwrap() {
        let path = format!("/orders/{}/confirm", order["id"].as_str().unwrap());
        let paid = json!({"paymentId": "elsewhere-1"});
        assert_eq!(admin.send("PUT", &path, None, None, &paid).await.0, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_product_writes_satisfies_every_oracle() {
    let evidence = run().await;
    let (verdict, findings) = judge(&evidence);
    let broken: Vec<_> = findings.iter().filter(|(_, it)| !it.violations.is_empty()).collect();
    assert_eq!(verdict, Verdict::Pass, "{broken:#?}");
    let idle = findings.iter().filter(|(_, finding)| finding.examined == 0);
    assert_eq!(idle.map(|(oracle, _)| *oracle).collect::<BTreeSet<_>>(), NOT_DUE.into());
    let saga_events = evidence.log.iter().filter(|entry| entry.stream.starts_with("saga-")).count();
    assert!(saga_events > 100, "{saga_events} events of sagas");
    for (oracle, spoil) in SPOILS {
        let mut wrong = evidence.clone();
        spoil(&mut wrong);
        let (_, findings) = judge(&wrong);
        let found = findings.iter().find(|(name, _)| *name == oracle).unwrap();
        assert!(!found.1.violations.is_empty(), "{oracle} does not see what was spoiled");
    }
}

/// A shop's plan starts no saga of a user's own, so nobody kept a ledger of what these did, and no aggregate of
/// theirs was written to; it has no consumer group, nobody follows the log or holds locks, and nobody comes with
/// an account of their own. No view is built anew, no node is told to end while it is watched, and nobody looks
/// round when all has come to rest.
const NOT_DUE: [&str; 11] = [
    "accounts",
    "aggregates",
    "consumers",
    "effects",
    "locks",
    "results",
    "rights",
    "shown",
    "stops",
    "subscriptions",
    "swaps",
];

type Spoil = fn(&mut Evidence);

/// What is spoiled in a good run of the product, and who must see it.
const SPOILS: [(&str, Spoil); 12] = [
    ("durability", |it| drop(it.log.pop())),
    ("order", |it| it.log.swap(3, 4)),
    ("linear", |it| {
        let late_us = it.store_calls.iter().map(|call| call.ended_at_us).max().unwrap_or(0) + 1;
        let reads = it.store_calls.iter_mut().filter(|call| {
            matches!(&call.what, StoreWhat::ReadStream { events: Some(seen), limit, .. }
                if (1..*limit).contains(&seen.len()))
        });
        reads.for_each(|call| (call.sent_at_us, call.ended_at_us) = (late_us, late_us));
    }),
    ("fencing", |it| {
        let started = it.log.iter_mut().find(|entry| entry.event_type == "SagaStarted").unwrap();
        started.payload["epoch"] = json!(99);
    }),
    ("claims", |it| it.claims.retain(|(kind, ..)| kind != "order-key")),
    ("money", |it| it.bank.retain(|entry| entry.operation != "capture")),
    ("saga-life", |it| {
        let of_undo = |entry: &&mut LogEntry| entry.event_type == "CompensationStarted";
        it.log.iter_mut().find(of_undo).unwrap().payload["step"] = json!(3);
    }),
    ("idempotency", |it| {
        let answers = it.calls.iter_mut().filter_map(|call| call.answer.as_mut());
        answers.for_each(|answer| answer.replayed = false);
    }),
    ("one-live-order", |it| {
        let locked = it.log.iter_mut().filter(|entry| entry.event_type == "OrderPlaced");
        locked.for_each(|entry| entry.payload["items"][0]["productId"] = json!("rare"));
    }),
    ("outbox", |it| it.bus.truncate(20)),
    ("projections", |it| it.documents[0].2["status"] = json!("shipped")),
    ("answers", |it| {
        let of_customer = |call: &&mut Call| call.request.starts_with("GET /orders/");
        let answer = it.calls.iter_mut().find(of_customer).unwrap().answer.as_mut().unwrap();
        answer.body["userId"] = json!("somebody else");
    }),
];
