//! A backup of a node that serves, restored elsewhere and gone on with: the sagas that were under way end
//! there, and no money moves a second time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{Node, order, printed, refused, run};

const ORDERS: usize = 60;

/// Paid at once, paid late, refused, refused when the money was set aside already.
const TOKENS: [&str; 4] = ["tok_ok", "tok_slow", "tok_decline", "tok_capture_decline"];

/// Places the orders; one of eight is cancelled when its money has moved, so that it is given back.
fn place(node: &Node, token: &str) {
    let mut paid = Vec::new();
    for product in 0..ORDERS {
        let card = TOKENS[product % TOKENS.len()];
        let placed = node.ask("POST", "/orders", token, &order(product, card));
        let placed: Value = serde_json::from_str(&placed).unwrap();
        if card == "tok_ok" {
            paid.push(placed["id"].as_str().unwrap().to_owned());
        }
        if product % 8 == 7 {
            node.ask("DELETE", &format!("/orders/{}", paid.remove(0)), token, "");
        }
    }
}

/// The lines of the gateway's ledger in a data folder. One whose end is not there was copied while it was
/// written, and is none yet.
fn ledger(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join("gateway-ledger.jsonl")).unwrap();
    let end = text.rfind('\n').map_or(0, |last| last + 1);
    text[..end].to_owned()
}

/// What happened to the money of each order, in its order. A key is answered for the first time once, and
/// nothing happens to an order's money twice.
fn money(ledger: &str) -> BTreeMap<String, Vec<String>> {
    let (mut keys, mut moved) = (BTreeSet::new(), BTreeMap::<String, Vec<String>>::new());
    for line in ledger.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| entry[field].as_str().unwrap().to_owned();
        assert!(keys.insert(text("key")), "this key was answered before: {line}");
        if text("kind") != "refused" {
            let of_order = moved.entry(text("orderId")).or_default();
            assert!(!of_order.contains(&text("kind")), "once more: {line}");
            of_order.push(text("kind"));
        }
    }
    moved
}

fn sagas_live(node: &Node, token: &str) -> u64 {
    let measures = node.ask("GET", "/metrics", token, "");
    let live = measures.lines().find_map(|line| line.strip_prefix("sagaline_sagas_live "));
    live.unwrap_or_else(|| panic!("not measured in:\n{measures}")).parse().unwrap()
}

fn wait_for_ends(node: &Node, token: &str) {
    let in_status =
        |status: &str| node.gauge(&format!("/sagas/status/{status}?limit=1"), token, "total");
    while sagas_live(node, token) + in_status("started") + in_status("compensating") > 0 {
        std::thread::yield_now();
    }
}

/// Every order that the log knows of, with its status as the log has it.
fn statuses(node: &Node, token: &str) -> Vec<(String, String)> {
    let listed: Value =
        serde_json::from_str(&node.ask("GET", "/orders?limit=100", token, "")).unwrap();
    let ids =
        listed["orders"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap());
    let status = |id: &str| {
        let shown = node.ask("GET", &format!("/orders/{id}"), token, "");
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["status"].as_str().unwrap().to_owned()
    };
    ids.map(|id| (id.to_owned(), status(id))).collect()
}

/// Asserts that the money of every order is where its status says. The ledger is copied behind the log, so
/// a refund in the `copied` one may be of a request that the log does not know of.
fn agrees(
    orders: &[(String, String)],
    copied: &BTreeMap<String, Vec<String>>,
    moved: &BTreeMap<String, Vec<String>>,
) {
    let of = |ledger: &BTreeMap<String, Vec<String>>, id: &str| {
        ledger.get(id).map(|kinds| kinds.join(" ")).unwrap_or_default()
    };
    for (id, status) in orders {
        let (before, now) = (of(copied, id), of(moved, id));
        let fits = match (&**status, &*now) {
            ("paid", "authorize capture") => true,
            ("paid", "authorize capture refund") => before == now,
            ("cancelled", "" | "void" | "authorize void" | "authorize capture refund") => true,
            _ => false,
        };
        assert!(fits, "order {id} is {status}; its money: {now}; in the backup: {before}");
    }
}

#[test]
fn backup_of_a_serving_node_is_restored_and_repeats_no_effect() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path());
    let copy = folder.path().join("backup");
    let copy_text = copy.to_str().unwrap();
    let token = node.token();
    std::thread::scope(|scope| {
        let placing = scope.spawn(|| place(&node, &token));
        while node.gauge("/orders?limit=1", &token, "total") < ORDERS as u64 / 3 {
            std::thread::yield_now();
        }
        printed(folder.path(), &["backup", copy_text]);
        placing.join().unwrap();
    });
    refused(&run(folder.path(), &["backup", copy_text], ""), 1, &["backup", "not empty"]);
    drop(node);
    let copied = ledger(&copy);
    assert!(ledger(&folder.path().join("data")).starts_with(&copied));

    let elsewhere = tempfile::tempdir().unwrap();
    let restored = printed(elsewhere.path(), &["restore", copy_text]);
    assert!(restored.contains("copied ") && restored.contains("is sound"), "{restored}");
    let node = Node::start(elsewhere.path());
    let token = node.token();
    let total = node.gauge("/orders?limit=1", &token, "total");
    assert!((ORDERS as u64 / 3..=ORDERS as u64).contains(&total), "{total}");
    wait_for_ends(&node, &token);
    let orders = statuses(&node, &token);
    assert_eq!(orders.len() as u64, total);
    node.stop();

    let resumed = ledger(&elsewhere.path().join("data"));
    assert!(resumed.starts_with(&copied), "what was copied is not what was gone on from");
    let (copied, moved) = (money(&copied), money(&resumed));
    agrees(&orders, &copied, &moved);
    for kind in ["authorize", "capture", "void", "refund"] {
        assert!(moved.values().flatten().any(|moved| moved == kind), "no {kind} in {moved:?}");
    }
    assert!(orders.iter().any(|(_, status)| status == "paid"));
    assert!(printed(elsewhere.path(), &["log", "verify"]).contains("is sound"));
}
