//! The gateway's ledger as an auditor reads it: per order, what money moved. Shares no code with the
//! product.

use std::collections::BTreeMap;

use serde_json::Value;

/// The sums of one order, in cents.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) captures: Vec<u64>,
    pub(crate) refunds: Vec<u64>,
    /// An undo was recorded, with or without money to let go.
    pub(crate) voided: bool,
    /// Something was captured after the undo.
    pub(crate) captured_after_void: bool,
}

/// Reads entries in their order. Panics when their numbers have a gap or a repeat.
pub(crate) fn accounts(entries: &[Value]) -> BTreeMap<String, Account> {
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    for (place, entry) in entries.iter().enumerate() {
        assert_eq!(entry["seq"].as_u64(), Some(place as u64 + 1), "not the next entry: {entry}");
        let order = entry["orderId"].as_str().unwrap_or_else(|| panic!("no orderId: {entry}"));
        let account = accounts.entry(order.to_owned()).or_default();
        match entry["kind"].as_str() {
            Some("capture") => {
                account.captured_after_void |= account.voided;
                account.captures.push(cents(&entry["amount"]));
            }
            Some("refund") => account.refunds.push(cents(&entry["amount"])),
            Some("void") => account.voided = true,
            Some("authorize" | "refused") => {}
            _ => panic!("unknown kind: {entry}"),
        }
    }
    accounts
}

/// `12.5` and `"12.50"` are 1250.
fn cents(amount: &Value) -> u64 {
    let text = match amount {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
    let part = format!("{part:0<2}");
    assert_eq!(part.len(), 2, "not an amount of money: {amount}");
    whole.parse::<u64>().unwrap() * 100 + part.parse::<u64>().unwrap()
}

#[test]
fn amounts_are_read_exactly() {
    let read = |text: &str| cents(&serde_json::from_str(text).unwrap());
    assert_eq!([read("12.5"), read("\"12.50\""), read("0.07"), read("3")], [1250, 1250, 7, 300]);
}

#[test]
fn a_capture_behind_a_void_is_seen() {
    let entry = |seq: u64, kind: &str| serde_json::json!({ "seq": seq, "orderId": "o", "kind": kind, "amount": "1.00" });
    let read = |kinds: &[&str]| {
        let entries: Vec<_> = (1..).zip(kinds).map(|(seq, kind)| entry(seq, kind)).collect();
        accounts(&entries)["o"].clone()
    };
    assert!(!read(&["authorize", "capture", "refund"]).captured_after_void);
    assert!(read(&["authorize", "void", "capture"]).captured_after_void);
    assert_eq!(read(&["authorize", "capture", "capture"]).captures, [100, 100]);
}
