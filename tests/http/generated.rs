//! Requests made from the API's document, right ones and wrong ones to each operation: whatever is sent, the
//! node answers in time, with a status of the document, and never fails.
//!
//! `SAGALINE_REQUESTS=100000` makes a long run of it, against a node on disk, and looks at the memory of the
//! process in its middle and at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{TestApp, id_of, order_for};
use crate::client::{Answer, Ask};

/// Requests of a run, unless the environment says otherwise.
const REQUESTS: usize = 2_400;

/// No answer takes so long, however busy the machine is.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// What the process may have grown by in the second half of a long run: the store's buffers come and go.
const GROWTH_MAX_MIB: u64 = 64;

/// It has no end; `stream.rs` asks it.
const ENDLESS: &str = "/trace/events/stream";

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

/// What the schema of a body says of it.
fn schema<'a>(document: &'a Value, operation: &Value) -> Option<&'a Value> {
    let schema = operation.pointer("/requestBody/content/application~1json/schema/$ref")?;
    document.pointer(schema.as_str()?.trim_start_matches('#'))
}

fn example(document: &Value, operation: &Value) -> Option<Value> {
    let schema = schema(document, operation)?;
    if let Some(example) = schema.get("example") {
        return Some(example.clone());
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let filled =
        required.map(|name| (name.to_owned(), fitting(document, &schema["properties"][name])));
    Some(Value::Object(filled.collect()))
}

/// A value that a property takes.
fn fitting(document: &Value, property: &Value) -> Value {
    let named =
        property["$ref"].as_str().and_then(|at| document.pointer(at.trim_start_matches('#')));
    let property = named.unwrap_or(property);
    let given =
        [property.get("example"), property.pointer("/examples/0"), property.pointer("/enum/0")];
    if let Some(given) = given.into_iter().flatten().next() {
        return given.clone();
    }
    match (property["type"].as_str(), property["format"].as_str()) {
        (_, Some("uuid")) => json!("00000000-0000-7000-8000-000000000000"),
        (Some("integer"), _) => json!(1),
        _ => json!("because"),
    }
}

/// The example with one member changed, taken away or added.
fn body(document: &Value, operation: &Value, dice: &mut Dice) -> Option<Value> {
    let schema = schema(document, operation)?;
    let mut body = example(document, operation)?;
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

/// Things that are there, for requests that can succeed.
struct Known {
    order: String,
    saga: String,
    payment: String,
    user: String,
    correlation: String,
}

impl Known {
    async fn make(app: &TestApp, document: &Value) -> Self {
        // The account of the document's examples.
        let register = example(document, &document["paths"]["/auth/register"]["post"]).unwrap();
        let registered = app.post("", "/auth/register", &register).await.expect(201);
        let token = registered["accessToken"].as_str().unwrap();
        let order = app.place_and_wait(token, &order_for("known", "tok_ok")).await.expect(201);
        let correlation = order["correlationId"].as_str().unwrap().to_owned();
        let sagas = app.get(&app.admin, &format!("/sagas/correlation/{correlation}")).await;
        let saga = id_of(&sagas.expect(200)["sagas"][0]);
        let payment = order["paymentId"].as_str().unwrap().to_owned();
        Self { order: id_of(&order), saga, payment, user: id_of(&registered["user"]), correlation }
    }

    /// What stands for `{id}` in a path.
    fn id(&self, path: &str) -> &str {
        match path {
            _ if path.contains("/correlation/") || path.contains("/status/") => &self.correlation,
            _ if path.starts_with("/payments") => &self.payment,
            _ if path.starts_with("/users") => &self.user,
            _ if path.starts_with("/saga") => &self.saga,
            _ => &self.order,
        }
    }
}

struct Asker<'a> {
    app: &'a TestApp,
    document: &'a Value,
    known: &'a Known,
}

impl Asker<'_> {
    /// A request as the document has it, with nothing wrong.
    async fn right(&self, method: &str, path: &str, operation: &Value) -> Ask {
        let at = path.replace("{id}", self.known.id(path)).replace("{key}", "a-lock");
        let at = at.replace("{status}", "completed").replace("{file}", "swagger-ui.css");
        let name = if path.starts_with("/consumers") { "doubter" } else { "orders" };
        let at = at.replace("{name}", name);
        let ask = self.app.ask(&method.to_uppercase(), &at).bearer(&self.app.admin);
        if path.starts_with(LOCK_TRIAL) {
            return ask.json(&json!({"duration": 1}));
        }
        let Some(mut body) = example(self.document, operation) else { return ask };
        if ["/auth/refresh", "/auth/logout"].contains(&path) {
            let account = self.app.log_in("admin@example.org", crate::app::PASSWORD).await;
            body["refreshToken"] = account.expect(200)["refreshToken"].clone();
        }
        ask.json(&body)
    }

    fn wrong(&self, method: &str, path: &str, operation: &Value, dice: &mut Dice) -> Ask {
        let mut at = path.to_owned();
        for place in ["{id}", "{status}", "{file}", "{key}", "{name}"] {
            // An empty segment would be another path.
            let word = Some(dice.word()).filter(|word| !word.is_empty()).unwrap_or("y");
            let word = if dice.below(3) == 0 { self.known.id(path) } else { word };
            at = at.replace(place, word);
        }
        let at = format!("{at}{}", query(operation, dice));
        let mut ask = self.app.ask(&method.to_uppercase(), &at);
        // Without anything to fill in, all that can be wrong is who asks.
        let is_bare = ["requestBody", "parameters"].iter().all(|it| operation.get(it).is_none());
        if !is_bare && dice.below(5) > 0 {
            ask = ask.bearer(&self.app.admin);
        }
        for name in ["idempotency-key", "x-correlation-id", "traceparent", "last-event-id"] {
            if dice.below(6) == 0 {
                ask = ask.header(name, dice.word());
            }
        }
        match body(self.document, operation, dice) {
            Some(body) => ask.json(&body),
            None if path.starts_with(LOCK_TRIAL) => ask.json(&json!({"duration": dice.below(3)})),
            None => ask,
        }
    }
}

/// Holds its lock for half a second unless it is told for how long.
const LOCK_TRIAL: &str = "/redis-test/lock/";

/// How the requests to one operation ended.
#[derive(Default)]
struct Ended {
    understood: usize,
    refused: usize,
}

impl Ended {
    /// A conflict with what is there is no fault of the request.
    fn count(&mut self, answer: &Answer) {
        if answer.status < 400 || answer.status == 409 {
            self.understood += 1;
        } else {
            self.refused += 1;
        }
    }
}

/// Whether there is anything that a request to it could have wrong.
fn can_refuse(operation: &Value) -> bool {
    ["security", "requestBody", "parameters"].iter().any(|part| operation.get(part).is_some())
}

async fn answer(ask: Ask, operation: &Value) -> Answer {
    let answered = tokio::time::timeout(HANGS_AFTER, ask.send()).await;
    let answer = answered.expect("an answer comes in time");
    let shown = format!("{} -> {} {:?}", answer.asked, answer.status, answer.body);
    let known = operation["responses"].get(answer.status.to_string());
    assert!(known.is_some(), "not a status of the document: {shown}");
    assert!(answer.status < 500, "{shown}");
    answer
}

/// The memory of this process: node and client together.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() / 1_024
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_gets_an_answer_of_the_document() {
    let asked_for = std::env::var("SAGALINE_REQUESTS").ok().map(|text| text.parse().unwrap());
    let requests: usize = asked_for.unwrap_or(REQUESTS);
    let folder = tempfile::tempdir().unwrap();
    let app = match asked_for {
        Some(_) => TestApp::embedded(folder.path()).await,
        None => TestApp::start().await,
    };
    let document = app.document().await;
    let known = Known::make(&app, &document).await;
    let asker = Asker { app: &app, document: &document, known: &known };
    let mut dice = Dice(0x5a6a_11e5);
    let mut ended: BTreeMap<String, Ended> = BTreeMap::new();
    let (mut sent, mut resident_at_half) = (0, 0);
    while sent < requests {
        for (path, method, operation) in operations(&document) {
            let right = asker.right(method, path, operation).await;
            let wrong = asker.wrong(method, path, operation, &mut dice);
            let ended = ended.entry(format!("{method} {path}")).or_default();
            ended.count(&answer(right, operation).await);
            ended.count(&answer(wrong, operation).await);
            sent += 2;
        }
        if resident_at_half == 0 && sent >= requests / 2 {
            resident_at_half = resident_mib();
        }
    }
    let mut missing = Vec::new();
    for (path, method, operation) in operations(&document) {
        let Ended { understood, refused } = ended[&format!("{method} {path}")];
        missing.extend((understood == 0).then(|| format!("no right request: {method} {path}")));
        let never = refused == 0 && can_refuse(operation);
        missing.extend(never.then(|| format!("no wrong request: {method} {path}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
    app.get("", "/health/ready").await.expect(200);
    let resident = resident_mib();
    eprintln!(
        "{sent} requests; resident: {resident_at_half} MiB at half, {resident} MiB at the end"
    );
    let grown = resident.saturating_sub(resident_at_half);
    assert!(asked_for.is_none() || grown <= GROWTH_MAX_MIB, "{grown} MiB more in the second half");
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let paths = paths.filter(|(path, _)| *path != ENDLESS);
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}
