//! The real node in the simulated world: orders over the simulated network to their end, also through a
//! crash; and the proof that one seed gives one run, down to every field of every recorded event.
#![cfg(madsim)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use madsim::runtime::{Handle, NodeHandle};
use sagaline_sim::client::{Answer, Client};
use sagaline_sim::node::SimNode;
use sagaline_sim::pause::pause_ms;
use sagaline_sim::transcript::Transcript;
use sagaline_sim::{fresh, once};
use serde_json::{Value, json};

/// What each token's order comes to when nobody interferes.
const ENDS: [(&str, &str); 6] = [
    ("tok_ok", "paid"),
    ("tok_decline", "cancelled"),
    ("tok_capture_decline", "cancelled"),
    ("tok_flaky", "paid"),
    ("tok_timeout_charged", "paid"),
    ("tok_timeout_lost", "paid"),
];
const RACERS: usize = 5;
/// Crashes of one run, and seeds that every test run tries.
const CRASHES: usize = 4;
const SEEDS: u64 = 40;

fn order(product: &str, token: &str) -> Value {
    json!({
        "items": [{ "productId": product, "productName": "Thing", "quantity": 2, "price": 12.5 }],
        "shippingAddress": {
            "street": "1 Main Street", "city": "Springfield", "postalCode": "12345", "country": "US",
        },
        "paymentMethod": { "type": "card", "token": token },
    })
}

/// A node that serves, and a machine for its clients.
async fn world() -> (SimNode, NodeHandle, NodeHandle) {
    let address: SocketAddr = "10.0.0.1:3000".parse().expect("an address");
    let world = Handle::current();
    let node = SimNode::new("node-1", address);
    let machine = node.switch_on(&world);
    let clients = world.create_node().name("clients").ip("10.0.1.1".parse().expect("one")).build();
    clients.spawn(until_ready(address)).await.expect("the probe ends");
    (node, machine, clients)
}

async fn until_ready(node: SocketAddr) {
    while !Client::of(node).get("/health/ready").await.is_ok_and(|answer| answer.status == 200) {
        pause_ms(50).await;
    }
}

async fn customer(node: SocketAddr) -> Client {
    let body = json!({
        "email": "ada@example.com", "password": "a long enough password",
        "firstName": "Ada", "lastName": "Lovelace",
    });
    let answer =
        Client::of(node).post("/auth/register", &[], &body).await.expect("the node serves");
    assert_eq!(answer.status, 201, "{answer:?}");
    Client::of(node).with_token(answer.text("/accessToken"))
}

/// Sends the same request until it is answered by a node that serves.
async fn place(client: Client, key: String, body: Value) -> Answer {
    loop {
        let headers = [("idempotency-key", key.as_str()), ("prefer", "wait=60")];
        match client.post("/orders", &headers, &body).await {
            Ok(answer) if answer.status != 503 => return answer,
            Ok(_) | Err(_) => pause_ms(200).await,
        }
    }
}

/// Asks until a node that serves answers.
async fn look(client: &Client, path: &str) -> Answer {
    loop {
        match client.get(path).await {
            Ok(answer) if answer.status != 503 => return answer,
            Ok(_) | Err(_) => pause_ms(200).await,
        }
    }
}

/// Places one order for each token at once, and several at once for one product.
async fn order_everything(client: Client) -> Transcript {
    let mut transcript = Transcript::default();
    let mut placed = Vec::new();
    for (token, _) in ENDS {
        let body = order(&format!("product-{token}"), token);
        placed.push(tokio::spawn(place(client.clone(), format!("key-{token}"), body)));
    }
    for racer in 0..RACERS {
        let body = order("the-last-one", "tok_ok");
        placed.push(tokio::spawn(place(client.clone(), format!("race-{racer}"), body)));
    }
    let mut answers = Vec::new();
    for answer in placed {
        answers.push(answer.await.expect("no customer panics"));
    }
    every_order_has_its_end(&client, &answers[..ENDS.len()]).await;
    one_racer_won(&answers[ENDS.len()..]);
    all_are_listed(&client, &answers).await;
    answers.iter().for_each(|answer| transcript.note(format!("{answer:?}")));
    transcript
}

async fn every_order_has_its_end(client: &Client, answers: &[Answer]) {
    for ((token, end), answer) in ENDS.iter().zip(answers) {
        assert_eq!(answer.status, 201, "{token}: {answer:?}");
        let id = answer.text("/id");
        let order = loop {
            let order = look(client, &format!("/orders/{id}")).await;
            if !matches!(order.text("/status"), "pending" | "processing") {
                break order;
            }
            pause_ms(1_000).await;
        };
        assert_eq!(order.text("/status"), *end, "{token}: {order:?}");
        let saga = look(client, &format!("/sagas/{id}")).await;
        let ended = if *end == "paid" { "completed" } else { "compensated" };
        assert_eq!(saga.text("/status"), ended, "{token}: {saga:?}");
    }
}

/// The read model has every order once, soon after the last one ended.
async fn all_are_listed(client: &Client, answers: &[Answer]) {
    let mut placed: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    placed.sort_by_key(|answer| answer.text("/id"));
    let placed: Vec<_> = placed.into_iter().map(|answer| answer.text("/id")).collect();
    for _ in 0..100 {
        let page = look(client, "/orders?limit=100").await;
        let listed = page.body["orders"].as_array().expect("a list of orders");
        let mut ids: Vec<_> = listed.iter().filter_map(|order| order["id"].as_str()).collect();
        ids.sort_unstable();
        if ids == placed {
            return;
        }
        pause_ms(100).await;
    }
    panic!("ten seconds later not all of {placed:?} are listed, or others are");
}

fn one_racer_won(answers: &[Answer]) {
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    for lost in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((lost.status, lost.text("/error")), (409, "DUPLICATE_ORDER"));
        assert_eq!(lost.text("/existingOrderId"), won[0].text("/id"));
    }
}

/// Per order of the ledger: captured minus refunded is nothing or the amount, and captured once.
fn the_money_is_right(transcript: &Transcript) {
    let mut captured: BTreeMap<String, usize> = BTreeMap::new();
    for line in transcript.lines().filter(|line| line.starts_with("ledger ")) {
        if line.contains("kind: Capture") {
            let order = line.split("order_id: ").nth(1).expect("an entry names its order");
            *captured.entry(order.split(", ").next().unwrap_or(order).to_owned()).or_default() += 1;
        }
    }
    // Four tokens are paid, and the one who won the race.
    assert_eq!(captured.len(), 5, "{captured:?}");
    assert!(captured.values().all(|times| *times == 1), "captured twice: {captured:?}");
}

async fn quiet_world() -> Transcript {
    let (node, _machine, clients) = world().await;
    let ada = clients.spawn(customer(node.address())).await.expect("the node serves");
    let orders = clients.spawn(order_everything(ada));
    let mut transcript = orders.await.expect("no assertion fails");
    Handle::current().kill("node-1");
    node.record(&mut transcript).await;
    transcript
}

/// How long the node lives between its crashes, in milliseconds: part of the plan, so drawn from the
/// seed alone and never from the running world.
fn lives_ms(seed: u64) -> Vec<u64> {
    let drawn = blake3::hash(&seed.to_le_bytes());
    let life = |bytes: &[u8]| u64::from(u16::from_le_bytes([bytes[0], bytes[1]])) % 2_000;
    drawn.as_bytes().chunks(2).take(CRASHES).map(life).collect()
}

/// The same while the node is killed and started again.
async fn crashing_world(lives_ms: Vec<u64>) -> Transcript {
    let (node, machine, clients) = world().await;
    let ada = clients.spawn(customer(node.address())).await.expect("the node serves");
    let orders = clients.spawn(order_everything(ada));
    let world = Handle::current();
    for life_ms in lives_ms {
        pause_ms(life_ms).await;
        world.kill(machine.id());
        pause_ms(100).await;
        world.restart(machine.id());
    }
    let mut transcript = orders.await.expect("no assertion fails");
    world.kill(machine.id());
    node.record(&mut transcript).await;
    transcript
}

#[test]
fn orders_reach_their_end() {
    let transcript = once::run(fresh::seed(), quiet_world);
    the_money_is_right(&transcript);
    fresh::hand_over(&transcript);
}

#[test]
fn orders_reach_their_end_through_crashes() {
    let transcript = crash_run(fresh::seed());
    fresh::hand_over(&transcript);
}

#[test]
fn orders_reach_their_end_through_crashes_at_many_moments() {
    for seed in 0..SEEDS {
        assert!(!crash_run(seed).is_empty());
    }
}

fn crash_run(seed: u64) -> Transcript {
    let transcript = once::run(seed, move || crashing_world(lives_ms(seed)));
    the_money_is_right(&transcript);
    transcript
}

#[test]
fn one_seed_gives_one_log() {
    for scenario in ["orders_reach_their_end", "orders_reach_their_end_through_crashes"] {
        let run = |seed| fresh::transcript_of(scenario, seed);
        let first = run(11);
        let events = first.lines().filter(|line| line.starts_with("event ")).count();
        assert!(events > 40, "only {events} events: this proves little");
        assert_eq!(first.first_difference(&run(11)), None, "{scenario}");
        assert_ne!(
            first.first_difference(&run(12)),
            None,
            "{scenario}: another seed, the same run"
        );
    }
}
