//! That the harness tells the truth: the product's serve loop over the simulated network, time and
//! randomness gives the same run for one seed in two processes, and another run for another seed.
#![cfg(madsim)]

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use sagaline::http::serve::serve;
use sagaline::settings::Settings;
use sagaline_sim::client::Client;
use sagaline_sim::pause::pause_ms;
use sagaline_sim::transcript::Transcript;
use sagaline_sim::{fresh, once};
use sagaline_storage::clock::{SystemClock, SystemEntropy};
use sagaline_storage::{Clock, Entropy};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const NODE: &str = "10.0.0.1:3000";

/// Answers with what a run draws: the node's clock and its randomness.
async fn draw(State(clock): State<SystemClock>, body: String) -> axum::Json<Value> {
    let (now, drawn) = (clock.now().0, SystemEntropy.next_u64());
    axum::Json(json!({ "at": now.to_string(), "drawn": drawn.to_string(), "body": body }))
}

async fn node() {
    let clock = SystemClock::default();
    let router = Router::new().route("/draw", post(draw)).with_state(clock);
    let settings = Settings::defaults();
    let listener = TcpListener::bind(NODE).await.expect("nothing else listens in this world");
    let stop = std::future::pending();
    serve(listener, router, clock, &settings.http, settings.node.drain_timeout, stop).await;
}

async fn world() -> Transcript {
    let address: SocketAddr = NODE.parse().expect("an address");
    let world = madsim::runtime::Handle::current();
    world.create_node().name("node-1").ip(address.ip()).init(node).build();
    let clients = world.create_node().name("clients").ip("10.0.1.1".parse().expect("one")).build();
    let calls = (0..8).map(|n| {
        clients.spawn(async move {
            pause_ms(1_000).await;
            Client::of(address).post("/draw", &[], &json!(n)).await.expect("the node is up")
        })
    });
    let mut transcript = Transcript::default();
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.expect("no call panics");
        assert_eq!(answer.status, 200);
        transcript.note(format!("{answer:?} at {:?}", SystemClock::default().now()));
    }
    transcript
}

#[test]
fn requests_cross_the_simulated_network() {
    let transcript = once::run(fresh::seed(), world);
    assert_eq!(transcript.len(), 8);
    fresh::hand_over(&transcript);
}

#[test]
fn one_seed_gives_one_run_in_any_process_and_another_seed_another() {
    let run = |seed| fresh::transcript_of("requests_cross_the_simulated_network", seed);
    let first = run(7);
    assert_eq!(first.first_difference(&run(7)), None);
    assert_ne!(first.first_difference(&run(8)), None, "two seeds gave one run: it draws nothing");
}
