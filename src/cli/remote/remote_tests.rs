//! What is said to a node, and to one that does not answer.

use std::future::ready;

use axum::Json;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use clap::Parser;
use sagaline_storage::clock::SystemClock;
use tokio::net::TcpListener;

use super::*;

#[test]
fn values_in_a_query_stay_values() {
    assert_eq!(escaped("a-b_c.d~1"), "a-b_c.d~1");
    assert_eq!(escaped("a&limit=1 ü"), "a%26limit%3D1%20%C3%BC");
}

/// Takes connections, and answers nothing.
async fn hanging(answer_max: Duration) -> (TcpListener, Remote) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    (listener, Remote::new(&base, answer_max))
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_given_up() {
    let (_listener, node) = hanging(Duration::from_millis(50)).await;
    let failure = node.get("/sagas").await.unwrap_err().to_string();
    assert!(failure.starts_with("no answer from http://127.0.0.1:"), "{failure}");
    assert!(failure.ends_with("longer than 50ms"), "{failure}");
    let failure = node.get_and_wait("/sagas/1", 1).await.unwrap_err().to_string();
    assert!(failure.ends_with("longer than 1.05s"), "{failure}");
}

#[derive(clap::Parser)]
struct Typed {
    #[command(subcommand)]
    command: SagaCommand,
}

#[tokio::test]
async fn every_command_on_sagas_can_be_stopped_at_a_node_that_does_not_answer() {
    let id = "00000000-0000-7000-8000-000000000000";
    let commands = [
        &["saga", "list"][..],
        &["saga", "show", id],
        &["saga", "resolve", id, "--outcome", "succeeded", "--reason", "r"],
        &["saga", "retry", "--all", "--status", "parked", "--reason", "r"],
        &["saga", "retry", id, "--reason", "r"],
    ];
    let (listener, node) = hanging(Duration::from_secs(3_600)).await;
    for command in commands {
        let typed = Typed::try_parse_from(command).unwrap();
        // The operator has enough as soon as it is connected.
        let stop = async { drop(listener.accept().await.unwrap()) };
        let clock = SystemClock::default();
        let ended = run(&node, &typed.command, &clock, stop, |_, _| {}).await;
        let failure = ended.unwrap_err().to_string();
        assert!(failure.ends_with("it was stopped"), "{command:?}: {failure}");
    }
    let list = Typed::try_parse_from(["saga", "list"]).unwrap();
    let ended = run(&node, &list.command, &SystemClock::default(), ready(()), |_, _| {}).await;
    assert_eq!(ended.unwrap_err().to_string(), "it was stopped");
}

/// Gives tokens that are over as soon as there is a newer one, and says which one came.
fn forgetful() -> Router {
    let given = Arc::new(Mutex::new(0));
    let newest = given.clone();
    let log_in = move || async move {
        *given.lock() += 1;
        Json(json!({ "accessToken": format!("token-{}", given.lock()) }))
    };
    let who = move |headers: HeaderMap| async move {
        let token = headers["authorization"].to_str().unwrap().to_owned();
        let is_over = token != format!("Bearer token-{}", newest.lock());
        let status = if is_over { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        (status, Json(json!({ "error": "TOKEN_EXPIRED", "token": token })))
    };
    Router::new().route("/auth/login", post(log_in)).route("/who", get(who))
}

/// A node in this process.
fn of(routes: &Router) -> Remote {
    let node = InProcess::new().service("node", routes.clone());
    let remote = Remote::new("http://node", Duration::from_secs(60));
    Remote { http: HttpClient::new(Arc::new(node)), ..remote }
}

#[tokio::test]
async fn who_logged_in_does_so_again_when_the_token_is_over() {
    let (routes, ada) = (forgetful(), ("ada@example.org".to_owned(), "secret".to_owned()));
    let nodes = [of(&routes), of(&routes)];
    for node in &nodes {
        node.log_in(&ada).await.unwrap();
    }
    let [first, second] = nodes.map(|node| Remote { account: Some(ada.clone()), ..node });
    assert_eq!(second.get("/who").await.unwrap().unwrap()["token"], "Bearer token-2");
    assert_eq!(first.get("/who").await.unwrap().unwrap()["token"], "Bearer token-3");
    // Nobody can log in for who came with a token alone.
    let stranger = of(&routes);
    "token-2".clone_into(&mut stranger.token.lock());
    assert_eq!(stranger.get("/who").await.unwrap().unwrap_err().code, "TOKEN_EXPIRED");
}
