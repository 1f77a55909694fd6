//! A world with services and nodes, and a customer who places one order for each kind of card.

use std::future::Future;
use std::time::Duration;

use sagaline_sim::bites::Bites;
use sagaline_sim::evidence::{BankEffect, BankEntry};
use sagaline_sim::fault::{Episode, Fault};
use sagaline_sim::machine::Machine;
use sagaline_sim::node::{Nodes, boot_nodes};
use sagaline_sim::plan::Knobs;
use sagaline_sim::seed::Seed;
use sagaline_sim::services::{Participants, Witness, boot_services, final_state};
use sagaline_sim::transcript::Transcript;
use sagaline_sim::world::World;
use serde_json::{Value, json};

use crate::client::{Answer, Client};

/// What each token's order comes to when nobody interferes.
pub(crate) const ENDS: [(&str, &str); 7] = [
    ("tok_ok", "paid"),
    ("tok_decline", "cancelled"),
    ("tok_capture_decline", "cancelled"),
    ("tok_flaky", "paid"),
    ("tok_slow", "paid"),
    ("tok_timeout_charged", "paid"),
    ("tok_timeout_lost", "paid"),
];
/// Customers who want one product at once. In trouble there are none: whoever comes late enough may have
/// it too.
const RACERS: usize = 5;

/// A world with everything in it.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) witness: Witness,
    nodes: Nodes,
}

impl Scene {
    /// Switches everything on, with these nodes, and waits until the balancer has found one that serves.
    pub(crate) async fn set(seed: u64, machines: &[Machine]) -> Self {
        let world = World::new(Seed(seed), Bites::default());
        let witness = Witness::default();
        boot_services(&world, &witness, knobs().log_settings(), &Participants::default());
        let nodes = boot_nodes(&world, &witness, &knobs(), machines);
        let scene = Self { world, witness, nodes };
        scene.look(&scene.client(), "/health/ready").await;
        scene
    }

    pub(crate) fn client(&self) -> Client {
        Client::of(&self.world, Machine::Balancer)
    }

    pub(crate) async fn pause_ms(&self, ms: u64) {
        self.world.timeline().after(ms * 1_000).await;
    }

    /// A fault for so long, beside everything else.
    pub(crate) async fn fault(&self, id: u32, for_ms: u64, fault: Fault) {
        let episode = Episode { id, at_ms: 0, for_ms, fault };
        self.world.begin(&episode);
        self.pause_ms(for_ms).await;
        self.world.end(&episode);
    }

    /// Sends the same request until it is answered by a node that serves.
    pub(crate) async fn place(&self, client: &Client, key: String, body: Value) -> Answer {
        loop {
            let headers = [("idempotency-key", key.as_str()), ("prefer", "wait=60")];
            match client.post("/orders", &headers, &body).await {
                Ok(answer) if answer.status < 500 => return answer,
                Ok(_) | Err(_) => self.pause_ms(200).await,
            }
        }
    }

    /// Asks until a node that serves answers.
    pub(crate) async fn look(&self, client: &Client, path: &str) -> Answer {
        loop {
            match client.get(path).await {
                Ok(answer) if answer.status < 500 => return answer,
                Ok(_) | Err(_) => self.pause_ms(200).await,
            }
        }
    }

    pub(crate) async fn customer(&self) -> Client {
        let body = json!({
            "email": "ada@example.com", "password": "a long enough password",
            "firstName": "Ada", "lastName": "Lovelace",
        });
        let answer = self.client().post("/auth/register", &[], &body).await.expect("a node serves");
        assert_eq!(answer.status, 201, "{answer:?}");
        self.client().with_token(answer.text("/accessToken"))
    }

    /// Places one order for each token at once, and several at once for one product, and looks at each
    /// until it has come to its end.
    pub(crate) async fn orders(&self, client: Client, racers: usize) -> Transcript {
        let keys =
            ENDS.map(|(token, _)| (format!("key-{token}"), format!("product-{token}"), token));
        let race =
            (0..racers).map(|racer| (format!("race-{racer}"), "the-last-one".to_owned(), "tok_ok"));
        let placed = keys.into_iter().chain(race).map(|(key, product, token)| {
            let (scene, client) = (self.clone(), client.clone());
            tokio::spawn(async move { scene.place(&client, key, order(&product, token)).await })
        });
        let mut answers = Vec::new();
        for answer in placed.collect::<Vec<_>>() {
            answers.push(answer.await.expect("no customer panics"));
        }
        self.each_has_its_end(&client, &answers[..ENDS.len()]).await;
        if racers > 0 {
            one_racer_won(&answers[ENDS.len()..]);
        }
        let mut transcript = Transcript::default();
        answers.iter().for_each(|answer| transcript.note(format!("{answer:?}")));
        transcript
    }

    async fn each_has_its_end(&self, client: &Client, answers: &[Answer]) {
        for ((token, end), answer) in ENDS.iter().zip(answers) {
            assert_eq!(answer.status, 201, "{token}: {answer:?}");
            let path = format!("/orders/{}", answer.text("/id"));
            let order = loop {
                let order = self.look(client, &path).await;
                if !matches!(order.text("/status"), "pending" | "processing") {
                    break order;
                }
                self.pause_ms(1_000).await;
            };
            assert_eq!(order.text("/status"), *end, "{token}: {order:?}");
        }
    }

    /// Stops the nodes in good order, switches the rest off, and notes everything that is left.
    pub(crate) async fn strike(&self, racers: usize, transcript: &mut Transcript) {
        let stopped = self.nodes.stop(&self.world, Duration::from_secs(60)).await;
        transcript.note(format!("stopped {stopped:?}"));
        let left =
            final_state(&self.world, &self.witness).await.expect("the store's disk is whole");
        let seen = self.witness.take(self.world.now_us());
        left.log.iter().for_each(|entry| transcript.note(format!("event {entry:?}")));
        left.claims.iter().for_each(|claim| transcript.note(format!("claim {claim:?}")));
        left.documents.iter().for_each(|found| transcript.note(format!("document {found:?}")));
        seen.bank.iter().for_each(|entry| transcript.note(format!("bank {entry:?}")));
        seen.bus.iter().for_each(|entry| transcript.note(format!("bus {entry:?}")));
        seen.store_calls.iter().for_each(|call| transcript.note(format!("store {call:?}")));
        assert_eq!(self.world.crashes(), Vec::<String>::new());
        let won = usize::from(racers > 0);
        the_money_is_right(&seen.bank, won);
        let documents: Vec<_> = left
            .documents
            .iter()
            .map(|(view, key, of)| {
                format!("{view} {key} {} {}", of["status"], of["items"][0]["productId"])
            })
            .collect();
        assert_eq!(documents.len(), 3 * (ENDS.len() + won), "{documents:#?}");
        let bites = self.world.bites.counts();
        transcript.note(format!("bites {bites:?}"));
    }
}

fn knobs() -> Knobs {
    Knobs {
        shards: 8,
        lease_ms: 2_000,
        product_lock_ms: 5_000,
        participant_calls_max: 64,
        breaker_outcomes: 10,
        breaker_open_ms: 500,
        lock_per_customer: false,
        snapshot_events: 512,
        retry_burst: 100,
        retries_per_s: 10,
        followers_page: 2_000,
        store_keeps: 4_096,
        store_batch: 1_024,
        conflict_retries: 8,
        short_tokens_s: 0,
        subscriptions: false,
        reads_put_aside_percent: 0,
    }
}

fn order(product: &str, token: &str) -> Value {
    json!({
        "items": [{ "productId": product, "productName": "Thing", "quantity": 2, "price": 12.5 }],
        "shippingAddress": {
            "street": "1 Main Street", "city": "Springfield", "postalCode": "12345", "country": "US",
        },
        "paymentMethod": { "type": "card", "token": token },
    })
}

fn one_racer_won(answers: &[Answer]) {
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    for lost in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((lost.status, lost.text("/error")), (409, "DUPLICATE_ORDER"));
        assert_eq!(lost.text("/existingOrderId"), won[0].text("/id"));
    }
}

/// Every order that is paid was captured once; nothing else was captured.
fn the_money_is_right(bank: &[BankEntry], won: usize) {
    let captures = bank
        .iter()
        .filter(|entry| entry.operation == "capture" && entry.effect == BankEffect::Done);
    let mut orders: Vec<_> = captures.map(|entry| entry.order.as_str()).collect();
    orders.sort_unstable();
    let all = orders.len();
    orders.dedup();
    assert_eq!(orders.len(), all, "captured twice: {bank:?}");
    let paid = ENDS.iter().filter(|(_, end)| *end == "paid").count();
    assert_eq!(all, paid + won, "{bank:?}");
}

/// Runs a scene to its end and returns what it left.
pub(crate) async fn play<F>(
    seed: u64,
    machines: &'static [Machine],
    trouble: Option<impl FnOnce(Scene) -> F>,
) -> Transcript
where
    F: Future<Output = ()> + Send + 'static,
{
    let scene = Scene::set(seed, machines).await;
    let racers = if trouble.is_none() { RACERS } else { 0 };
    let client = scene.customer().await;
    let trouble = trouble.map(|trouble| tokio::spawn(trouble(scene.clone())));
    let mut transcript = scene.orders(client, racers).await;
    if let Some(trouble) = trouble {
        trouble.await.expect("no trouble panics");
    }
    scene.world.heal(&[]);
    scene.pause_ms(5_000).await;
    scene.strike(racers, &mut transcript).await;
    transcript
}
