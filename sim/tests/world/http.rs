//! The product's own serve loop and HTTP client over this network.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use sagaline::engine::http_client::HttpClient;
use sagaline::http::serve::serve;
use sagaline::settings::Settings;
use sagaline_sim::fault::{Fault, FaultKind};
use sagaline_sim::machine::Machine::{self, Clients, Node1};
use sagaline_sim::transcript::Transcript;
use sagaline_sim::world::{MachineClock, MachineEntropy, NetConnect, World};
use sagaline_storage::{Clock, Entropy};

use crate::stage::{LINK, MS, SECOND, bites, episode, in_world, pass};

type Machinery = (MachineClock, MachineEntropy);

/// Answers with what it was sent, its clock and its randomness.
async fn draw(State((clock, entropy)): State<Machinery>, body: Bytes) -> String {
    format!("{} {} {}", String::from_utf8_lossy(&body), clock.now().0, entropy.next_u64())
}

/// A node that serves, started again by every boot.
pub(crate) fn node(world: &World, machine: Machine) {
    world.machine(machine, move |world| {
        Box::pin(async move {
            let clock = world.clock(machine);
            let router = Router::new()
                .route("/draw", post(draw))
                .with_state((clock.clone(), world.entropy(machine)));
            let settings = Settings::defaults();
            let listener = world.network.listen(machine, 3000).expect("nobody else listens");
            let drain = settings.node.drain_timeout;
            serve(listener, router, clock, &settings.http, drain, std::future::pending()).await;
        })
    });
}

pub(crate) fn client(world: &World) -> HttpClient {
    HttpClient::new(Arc::new(NetConnect { network: world.network.clone(), machine: Clients }))
}

/// Sends a number and returns the answer's text.
pub(crate) async fn call(client: &HttpClient, to: Machine, number: u32) -> Result<String, String> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{to}:3000/draw"))
        .body(Full::new(Bytes::from(number.to_string())))
        .expect("a sound request");
    let answer = client.send(request).await?;
    Ok(format!("{} {}", answer.status(), String::from_utf8_lossy(answer.body())))
}

#[test]
fn a_thousand_requests_cross_the_network() {
    in_world(1, |world| async move {
        node(&world, Node1);
        pass(&world, MS).await;
        let client = client(&world);
        let mut transcript = Transcript::default();
        for number in 0..1_000 {
            let answer = call(&client, Node1, number).await.expect("nothing is wrong");
            assert!(answer.starts_with(&format!("200 OK {number} ")), "{answer}");
            transcript.note(answer);
        }
        assert_eq!(transcript.len(), 1_000);
        assert!(world.now_us() < 2 * SECOND, "{} us", world.now_us());
        let kept = world.network.open_ends(Node1).len();
        assert!(kept <= 3, "connections are kept and used again: {kept}");
    });
}

#[test]
fn a_pooled_connection_that_was_reset_is_replaced() {
    in_world(1, |world| async move {
        node(&world, Machine::Store);
        pass(&world, MS).await;
        let client = client(&world);
        call(&client, Machine::Store, 1).await.unwrap();
        let reset = episode(1, Fault::Reset { link: LINK });
        world.begin(&reset);
        assert!(call(&client, Machine::Store, 2).await.is_err());
        world.end(&reset);
        pass(&world, MS).await;
        assert!(call(&client, Machine::Store, 3).await.unwrap().contains("3"));
        assert!(bites(&world, FaultKind::Reset) > 0);
    });
}
