//! What is drawn for paths, queries and headers: texts that mean something somewhere, and texts that hardly
//! anything takes.

use std::fmt::Write;

use super::dice::Dice;

const WORDS: [&str; 48] = [
    "",
    "0",
    "1",
    "-1",
    "+1",
    " 1",
    "01",
    "1.0",
    "60",
    "1001",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e3",
    "NaN",
    "null",
    "x",
    "a",
    "*",
    "%",
    ",",
    ".",
    "..",
    "../..",
    "a b",
    "a,b",
    "\u{0}",
    "\r\n",
    "\u{202e}",
    "ключ",
    "paid",
    "failed",
    "started",
    "order",
    "saga",
    "order-refund",
    "order-processing",
    "OrderPlaced",
    "OrderPlaced,OrderShipped",
    "ada@example.org",
    "00",
    "ff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "00000000-0000-7000-8000-000000000000",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "2026-11-22T19:04:05+23:59",
    "9999-12-31T23:59:59.999999999Z",
    "1969-12-31T23:59:59Z",
];

/// As they stand, percent signs and all.
const RAW: [&str; 9] =
    ["%ff", "%00", "%zz", "%", "%c3%28", "+", "%2f", "..%2f..%2fetc", "%F0%9F%95%AF"];

/// Values of headers.
const TEXTS: [&str; 18] = [
    "",
    "0",
    "1",
    "-1",
    "18446744073709551615",
    "18446744073709551616",
    "NaN",
    "null",
    "x",
    "a b",
    "a,b",
    "ä",
    "\u{1f56f}",
    "\"quoted\"",
    "checkout:4711",
    "k-1",
    "wait=0",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
];

/// Values of `Prefer`. Nobody waits long for what does not end.
const PREFERENCES: [&str; 10] = [
    "wait=0",
    "wait=1",
    "wait=-1",
    "wait=",
    "wait=NaN",
    "wait=\"0\"",
    "WAIT = 0",
    "respond-async, wait=0; why=now",
    "return=minimal",
    "ä",
];

/// Longest path with its query. A head that is too long never comes as far as a route.
pub(crate) const PATH_BYTES_MAX: usize = 4_000;

/// A part of a path or a query, percent-encoded.
pub(crate) fn word(dice: &mut Dice) -> String {
    match dice.below(16) {
        0 | 1 => dice.word(&RAW).to_owned(),
        2 => "x".repeat(1_500),
        3 => encoded(&"\u{1f56f}".repeat(65)),
        _ => encoded(dice.word(&WORDS)),
    }
}

/// A part of a path: an empty one would make it another path.
pub(crate) fn segment(dice: &mut Dice) -> String {
    let word = word(dice);
    if word.is_empty() { "y".to_owned() } else { word }
}

/// A header's value.
pub(crate) fn text(dice: &mut Dice) -> String {
    if dice.one_in(16) { "x".repeat(1_000) } else { dice.word(&TEXTS).to_owned() }
}

/// What a request may prefer.
pub(crate) fn preference(dice: &mut Dice) -> String {
    dice.word(&PREFERENCES).to_owned()
}

/// A text as it may stand in a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
    }
    encoded
}
