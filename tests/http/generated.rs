//! Requests made from the API's document, with something wrong in each: whatever is sent, the node answers
//! with a status of the document and never fails.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::Ask;

/// Draws the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }
}

/// What stands in paths, queries and headers: percent-encoded.
const WORDS: [&str; 22] = [
    "0",
    "1",
    "-1",
    "60",
    "18446744073709551615",
    "18446744073709551616",
    "1e3",
    "NaN",
    "",
    "x",
    "null",
    "%00",
    "%ff",
    "%F0%9F%95%AF",
    "..%2f..",
    "a%20b",
    "paid",
    "failed",
    "order-refund",
    "00000000-0000-7000-8000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "OrderPlaced",
];

fn strange(dice: &mut Dice) -> Value {
    let strange = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(0.1),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("x".repeat(5_000)),
        json!("\u{0}\u{202e}\u{1f56f}"),
        json!([]),
        json!([[[[]]]]),
        json!({}),
        json!({"a": {"b": []}}),
    ];
    dice.of(&strange).clone()
}

/// A body by the example of its schema, with one member changed, taken away or added.
fn body(document: &Value, operation: &Value, dice: &mut Dice) -> Option<Value> {
    let schema = operation.pointer("/requestBody/content/application~1json/schema/$ref")?;
    let schema = document.pointer(schema.as_str()?.trim_start_matches('#'))?;
    let mut body = schema.get("example").cloned().unwrap_or_else(|| json!({}));
    let names: Vec<String> =
        schema["properties"].as_object()?.keys().cloned().chain(["more".to_owned()]).collect();
    let name = dice.of(&names);
    match dice.below(4) {
        0 => drop(body.as_object_mut()?.remove(name)),
        1 | 2 => body[name] = strange(dice),
        _ => {}
    }
    Some(body)
}

fn query(operation: &Value, dice: &mut Dice) -> String {
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if parameter["in"] == "query" && dice.below(2) == 0 {
            query.push(format!("{}={}", parameter["name"].as_str().unwrap(), dice.word()));
        }
    }
    if dice.below(8) == 0 {
        query.push(format!("more={}", dice.word()));
    }
    if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) }
}

fn ask(
    app: &TestApp,
    document: &Value,
    at: (&str, &str),
    operation: &Value,
    dice: &mut Dice,
) -> Ask {
    let mut path = at.1.to_owned();
    for place in ["{id}", "{status}", "{file}"] {
        // An empty segment would be another path.
        let word = Some(dice.word()).filter(|word| !word.is_empty()).unwrap_or("y");
        path = path.replace(place, word);
    }
    let path = format!("{path}{}", query(operation, dice));
    let mut ask = app.ask(&at.0.to_uppercase(), &path);
    if dice.below(10) > 0 {
        ask = ask.bearer(&app.admin);
    }
    for name in ["idempotency-key", "x-correlation-id", "traceparent", "last-event-id"] {
        if dice.below(6) == 0 {
            ask = ask.header(name, dice.word());
        }
    }
    match body(document, operation, dice) {
        Some(body) => ask.json(&body),
        None => ask,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_gets_an_answer_of_the_document() {
    let app = TestApp::start().await;
    let document = app.document().await;
    let mut dice = Dice(0x5a6a_11e5);
    let (mut met, mut refused) = (0, 0);
    for _ in 0..40 {
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                // It has no end.
                if path == "/trace/events/stream" {
                    continue;
                }
                let ask = ask(&app, &document, (method, path), operation, &mut dice);
                let answer = ask.send().await;
                let shown = format!("{} -> {} {:?}", answer.asked, answer.status, answer.body);
                let known = operation["responses"].get(answer.status.to_string());
                assert!(known.is_some(), "not a status of the document: {shown}");
                assert!(answer.status < 500, "{shown}");
                if answer.status < 400 { met += 1 } else { refused += 1 }
            }
        }
    }
    assert!(met > 300 && refused > 1_000, "{met} met, {refused} refused");
    app.get("", "/health/ready").await.expect(200);
}
