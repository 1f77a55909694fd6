//! Bodies with a mistake in them: at any place of their JSON, or in its text.

use serde_json::{Number, Value, json};

use super::api::Api;
use super::dice::Dice;

/// Names that no body has.
const NAMES: [&str; 7] = ["more", "", "__proto__", "$ref", "\u{0}", "a.b[0]", "ключ"];

const TEXTS: [&str; 26] = [
    "",
    " ",
    "0",
    "-1",
    "12.345",
    "NaN",
    "Infinity",
    "1e400",
    "null",
    "true",
    "\u{0}",
    "a\u{0}b",
    "\r\n",
    "\u{202e}\u{7}",
    "\u{feff}",
    "\u{fffd}\u{10ffff}",
    "e\u{301}\u{1f56f}",
    "../../etc",
    "%00",
    "'; --",
    "${x}",
    "tok_ok",
    "tok_decline",
    "order-refund",
    "parcel",
    "00000000-0000-7000-8000-000000000000",
];

/// A part of a body, and what its schema says of it.
struct Place<'a> {
    pointer: String,
    schema: Option<&'a Value>,
}

/// Makes a mistake somewhere in a body, and says where: a JSON pointer.
pub(crate) fn spoil<'a>(
    api: Api<'a>,
    schema: &'a Value,
    body: &mut Value,
    dice: &mut Dice,
) -> String {
    let mut places = Vec::new();
    collect(api, Some(schema), body, String::new(), &mut places);
    let Place { pointer, schema } = dice.pick(&places);
    let is_done = match dice.below(8) {
        0 => take_away(body, pointer),
        1 => body.pointer_mut(pointer).is_some_and(|at| put_in(at, dice)),
        2 => double(body, pointer),
        3 | 4 => body.pointer_mut(pointer).is_some_and(|at| stretch(at, *schema, dice)),
        _ => false,
    };
    if !is_done {
        *body.pointer_mut(pointer).unwrap() = strange(dice);
    }
    pointer.clone()
}

fn collect<'a>(
    api: Api<'a>,
    schema: Option<&'a Value>,
    value: &Value,
    pointer: String,
    places: &mut Vec<Place<'a>>,
) {
    let schema = schema.map(|schema| api.of_value(schema));
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let inner = schema.and_then(|schema| schema["properties"].get(name));
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(api, inner, member, format!("{pointer}/{name}"), places);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().take(3).enumerate() {
                let inner = schema.and_then(|schema| schema.get("items"));
                collect(api, inner, item, format!("{pointer}/{at}"), places);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    places.push(Place { pointer, schema });
}

/// Without a member or an item. False: the place is in neither an object nor an array.
fn take_away(body: &mut Value, pointer: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
    match body.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.remove(&last.replace("~1", "/").replace("~0", "~")).is_some()
        }
        Some(Value::Array(items)) => {
            items.remove(last.parse().unwrap());
            true
        }
        _ => false,
    }
}

fn put_in(at: &mut Value, dice: &mut Dice) -> bool {
    match at {
        Value::Object(members) => {
            let name = dice.word(&NAMES).to_owned();
            members.insert(name, strange(dice));
            true
        }
        Value::Array(items) => {
            items.push(strange(dice));
            true
        }
        _ => false,
    }
}

/// With an item twice. False: the place is in no array.
fn double(body: &mut Value, pointer: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
    let Some(Value::Array(items)) = body.pointer_mut(parent) else { return false };
    let at: usize = last.parse().unwrap();
    let item = items[at].clone();
    items.insert(at, item);
    true
}

/// Beyond what its schema allows, or near it. False: it has no bounds.
fn stretch(at: &mut Value, schema: Option<&Value>, dice: &mut Dice) -> bool {
    let limit = |name: &str| schema.and_then(|schema| schema[name].as_i64());
    let size = |name: &str| limit(name).and_then(|size| usize::try_from(size).ok());
    let stretched = match &*at {
        Value::Number(number) => {
            let least = limit("minimum").unwrap_or(0);
            beyond(number, least, limit("maximum").unwrap_or(i64::MAX), dice)
        }
        Value::String(text) => longer(text, size("maxLength").unwrap_or(500), dice).into(),
        Value::Array(items) => {
            let most = size("maxItems").unwrap_or(100);
            let count = *dice.pick(&[0, most + 1]);
            Value::Array(items.iter().cycle().take(count).cloned().collect())
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => return false,
    };
    *at = stretched;
    true
}

fn beyond(number: &Number, least: i64, most: i64, dice: &mut Dice) -> Value {
    let near = number.as_f64().unwrap_or(1.0);
    match dice.below(7) {
        0 => json!(least.saturating_sub(1)),
        1 => json!(most.saturating_add(1)),
        2 => json!(-near),
        3 => json!(near + 0.001),
        4 => json!(number.to_string()),
        5 => json!(u64::MAX),
        _ => json!(1e300),
    }
}

fn longer(text: &str, most: usize, dice: &mut Dice) -> String {
    match dice.below(7) {
        0 => String::new(),
        1 => "x".repeat(most + 1),
        2 => "\u{1f56f}".repeat(most + 1),
        3 => format!("{text}\u{0}"),
        4 => format!("\u{202e}{text}\n"),
        5 => format!(" {text} "),
        _ => text.chars().cycle().take(3_000).collect(),
    }
}

/// A value that hardly anything takes.
fn strange(dice: &mut Dice) -> Value {
    let scalars = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(0.1),
        json!(-0.0),
        json!(5e-324),
        json!(0.30000000000000004),
        json!(1e300),
        json!(i64::MIN),
        json!(u64::MAX),
    ];
    let nested = [json!([]), json!({}), json!([[[[]]]]), json!({"a": {"b": []}})];
    match dice.below(12) {
        0..=3 => dice.pick(&scalars).clone(),
        4..=7 => json!(dice.word(&TEXTS)),
        8 => dice.pick(&nested).clone(),
        9 => {
            let depth = *dice.pick(&[31, 33, 200]);
            deep(depth)
        }
        10 => json!("x".repeat(3_000)),
        _ if dice.one_in(4) => json!("x".repeat(66_000)),
        _ => Value::Array(vec![Value::Null; 101]),
    }
}

/// Arrays and objects in one another.
fn deep(depth: usize) -> Value {
    let mut value = json!(1);
    for level in 0..depth {
        value = if level % 2 == 0 { Value::Array(vec![value]) } else { json!({ "a": value }) };
    }
    value
}

/// The text of a body with a mistake that no value has.
pub(crate) fn garbled(text: &[u8], dice: &mut Dice) -> Vec<u8> {
    let at = dice.below(text.len() + 1);
    let with = |inserted: &[u8]| [&text[..at], inserted, &text[at..]].concat();
    match dice.below(8) {
        0 => text[..at].to_vec(),
        1 => [text, &b"{}"[..]].concat(),
        2 => with(b"NaN"),
        3 => with(b"\xff\xfe"),
        4 => with(b"\\ud800"),
        5 => [&b"\xef\xbb\xbf"[..], text].concat(),
        6 => doubled(text),
        _ if dice.one_in(8) => vec![b'['; 1024 * 1024 + 1],
        _ => b"{\"more\":1e400}".to_vec(),
    }
}

/// An object with all its members twice.
fn doubled(text: &[u8]) -> Vec<u8> {
    match text {
        [b'{', members @ .., b'}'] if !members.is_empty() => {
            [&b"{"[..], members, &b","[..], members, &b"}"[..]].concat()
        }
        _ => [text, text].concat(),
    }
}
