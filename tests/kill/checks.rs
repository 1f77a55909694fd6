//! What must be true after each reopening and at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::Client;
use super::ledger::{self, Account};
use super::order::{Cancelling, History, Order};
use super::process::{ADMIN_EMAIL, ADMIN_PASSWORD, Node};

/// All sagas end long before; only one that hangs does not.
const ENDS_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// Only a read model that has stopped is later.
const LIST_TIMEOUT: Duration = Duration::from_secs(120);
const PAGE: usize = 100;

/// Makes a customer; the access token.
pub(crate) fn register(node: &Node, n: usize) -> String {
    let body = json!({
        "email": format!("customer-{n}@example.com"), "password": "a long enough password",
        "firstName": "Customer", "lastName": format!("Number {n}"),
    });
    let answer =
        Client::of(node.address()).call("POST", "/auth/register", "", Some(&body)).unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text("accessToken")
}

/// The access token of the administrator made at the first start.
pub(crate) fn log_in_as_admin(node: &Node) -> String {
    let body = json!({ "email": ADMIN_EMAIL, "password": ADMIN_PASSWORD });
    let answer = Client::of(node.address()).call("POST", "/auth/login", "", Some(&body)).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text("accessToken")
}

/// Directly after a reopening: what the killed process acknowledged last is there.
pub(crate) fn last_acknowledged_are_there(node: &Node, history: &History) {
    for order in history.last() {
        let found = show(node, order, "");
        assert_eq!(found["id"].as_str(), order.id.as_deref(), "{order:?}: {found}");
    }
}

/// Returns when every order has ended and no saga is under way. Parked sagas are brought back by the
/// operator's verb; how many there were.
pub(crate) fn wait_for_ends(node: &Node, admin: &str, history: &History) -> usize {
    let begin = Instant::now();
    let mut brought_back = 0;
    for order in history.orders() {
        loop {
            let found = show(node, order, "prefer: wait=1\r\n");
            if matches!(status(&found), "paid" | "cancelled" | "failed") {
                break;
            }
            brought_back += usize::from(bring_back(node, admin, order));
            assert!(begin.elapsed() < ENDS_TIMEOUT, "no end of {order:?}: {found}");
        }
    }
    while sagas_under_way(node) > 0 {
        assert!(begin.elapsed() < ENDS_TIMEOUT, "sagas are still under way");
        std::thread::sleep(Duration::from_millis(50));
    }
    brought_back
}

/// Has the order's saga try again when it is parked. Only the flaky gateway may have worn it out: it
/// fails the first calls of each life of the process, and a life is short here.
fn bring_back(node: &Node, admin: &str, order: &Order) -> bool {
    let id = order.id.as_ref().expect("it was acknowledged");
    let saga = saga_of(node, order);
    if status(&saga) != "parked" {
        return false;
    }
    assert_eq!(order.token, "tok_flaky", "parked: {order:?}: {saga}");
    let reason = json!({ "reason": "the gateway is well again" });
    let mut operator = Client::of(node.address()).with_token(admin);
    let answer = operator.call("POST", &format!("/saga/retry/{id}"), "", Some(&reason)).unwrap();
    assert_eq!(answer.status, 200, "{order:?}: {answer:?}");
    true
}

/// Read from the measures, which know the moment; lists may be older.
fn sagas_under_way(node: &Node) -> u64 {
    let answer = Client::of(node.address()).get("/metrics").unwrap();
    let text = answer.body.as_str().unwrap_or_else(|| panic!("no measures: {answer:?}"));
    let line = text.lines().find_map(|line| line.strip_prefix("sagaline_sagas_live "));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("not measured in:\n{text}"))
}

/// Lists each customer's orders: none is missing, none is there twice, none is unknown; and each ended
/// as it had to, its saga with it.
pub(crate) fn every_order_exists_once_and_has_ended(
    node: &Node,
    customers: &[String],
    history: &History,
) {
    let mut known: BTreeMap<&str, &Order> = BTreeMap::new();
    for order in history.orders() {
        let before = known.insert(order.id.as_deref().expect("it was acknowledged"), order);
        assert!(before.is_none(), "two keys, one order: {before:?} {order:?}");
    }
    let mut listed = BTreeSet::new();
    for customer in customers {
        let theirs = history.orders().iter().filter(|order| order.customer == *customer).count();
        for found in list_of(node, customer, theirs) {
            let id = found["id"].as_str().unwrap_or_else(|| panic!("no id: {found}")).to_owned();
            let order = known.get(id.as_str()).unwrap_or_else(|| panic!("nobody ordered {found}"));
            assert_eq!(
                found["items"][0]["productId"].as_str(),
                Some(order.product.as_str()),
                "{found}"
            );
            ended_as_it_had_to(node, order, &found);
            assert!(listed.insert(id), "listed twice: {found}");
        }
    }
    assert_eq!(listed.len(), known.len(), "acknowledged orders are missing");
}

fn ended_as_it_had_to(node: &Node, order: &Order, found: &Value) {
    let expected: &[&str] = match (order.is_paid_unless_cancelled(), order.cancelling) {
        (true, Cancelling::NotAsked | Cancelling::Refused) => &["paid"],
        (true, Cancelling::Unknown) => &["paid", "cancelled"],
        (true, Cancelling::Accepted) | (false, _) => &["cancelled"],
    };
    assert!(expected.contains(&status(found)), "{order:?} ended as {found}");
    let saga = saga_of(node, order);
    // A cancel behind the pivot is a refund: the order's own saga has completed by then.
    let ends: &[&str] = match (status(found), order.cancelling) {
        ("paid", _) => &["completed"],
        (_, Cancelling::NotAsked) => &["compensated"],
        _ => &["compensated", "completed"],
    };
    assert!(ends.contains(&status(&saga)), "{order:?} is {found} and its saga {saga}");
}

fn saga_of(node: &Node, order: &Order) -> Value {
    let path = format!("/sagas/{}", order.id.as_ref().expect("it was acknowledged"));
    let answer = Client::of(node.address()).with_token(&order.customer).get(&path).unwrap();
    assert_eq!(answer.status, 200, "{order:?}: {answer:?}");
    answer.body
}

/// Exactly one capture of the right amount for each paid order and none left for the others.
pub(crate) fn the_ledger_agrees(node: &Node, admin: &str, history: &History) {
    let mut accounts = ledger::accounts(&entries(node, admin));
    assert!(!accounts.is_empty(), "an empty ledger proves nothing");
    for order in history.orders() {
        let id = order.id.as_deref().expect("it was acknowledged");
        let account = accounts.remove(id).unwrap_or_default();
        let paid = status(&show(node, order, "")) == "paid";
        let total = order.total_cents();
        let allowed = if paid {
            account.captures == [total] && account.refunds.is_empty()
        } else {
            matches!((&account.captures[..], &account.refunds[..]), ([], []))
                || (account.captures == [total] && account.refunds == [total])
        };
        assert!(allowed && !account.captured_after_void, "{order:?} (paid: {paid}): {account:?}");
    }
    let strangers: Vec<(String, Account)> = accounts.into_iter().collect();
    assert!(strangers.is_empty(), "money moved for orders nobody knows: {strangers:?}");
}

fn entries(node: &Node, admin: &str) -> Vec<Value> {
    let mut client = Client::of(node.address()).with_token(admin);
    let mut entries: Vec<Value> = Vec::new();
    loop {
        let after = entries.len();
        let answer = client.get(&format!("/gateway/ledger?after={after}&limit={PAGE}")).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = answer.body["entries"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
        if page.is_empty() {
            return entries;
        }
        entries.extend(page.iter().cloned());
    }
}

/// The customer's list when it has `wanted` orders, or what it is when it has not for too long: lists
/// are read models and may come a moment after the end of a saga.
fn list_of(node: &Node, customer: &str, wanted: usize) -> Vec<Value> {
    let begin = Instant::now();
    loop {
        let found = list(node, customer);
        if found.len() == wanted || begin.elapsed() > LIST_TIMEOUT {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn list(node: &Node, customer: &str) -> Vec<Value> {
    let mut client = Client::of(node.address()).with_token(customer);
    let mut orders: Vec<Value> = Vec::new();
    for page in 1.. {
        let answer = client.get(&format!("/orders?page={page}&limit={PAGE}")).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let found = answer.body["orders"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
        orders.extend(found.iter().cloned());
        if found.len() < PAGE {
            assert_eq!(answer.body["total"].as_u64(), Some(orders.len() as u64), "{answer:?}");
            break;
        }
    }
    orders
}

fn show(node: &Node, order: &Order, headers: &str) -> Value {
    let path = format!("/orders/{}", order.id.as_ref().expect("it was acknowledged"));
    let mut client = Client::of(node.address()).with_token(&order.customer);
    let answer = client.call("GET", &path, headers, None).unwrap();
    assert_eq!(answer.status, 200, "an acknowledged order is gone: {order:?}: {answer:?}");
    answer.body
}

fn status(of: &Value) -> &str {
    of["status"].as_str().unwrap_or_else(|| panic!("no status in {of}"))
}
