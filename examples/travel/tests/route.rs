//! The trip over HTTP on both sides: its route in front, its four services behind, all in this process.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use sagaline::engine::InProcess;
use sagaline::prelude::*;
use sagaline::testing::{Memory, World};
use serde_json::{Value, json};
use tower::ServiceExt;
use travel::{routes, travel_app};

/// What the four services did, by idempotency key.
type Done = Arc<Mutex<BTreeMap<String, String>>>;

/// A service that does what it is asked once for each key, and undoes it.
fn service(name: &'static str, done: &Done) -> Router {
    let act = move |State(done): State<Done>, headers: HeaderMap| async move {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        let mut done = done.lock();
        let number = done.len() + 1;
        let reference = done.entry(key).or_insert_with(|| format!("{name}-{number}")).clone();
        Json(json!({ "reference": reference }))
    };
    let undo = async |State(done): State<Done>, Json(of): Json<Value>| {
        done.lock().remove(of["of"].as_str().unwrap());
        Json(json!({ "reference": "gone" }))
    };
    let no_cover = async || (StatusCode::CONFLICT, Json(json!({ "code": "NO_COVER" })));
    let router = Router::new().route("/cancel", post(undo)).route("/send", post(act));
    let router = match name {
        "broke" => router.route("/charge", post(no_cover)),
        // It knows of no charge, and of none that was made.
        "silent" => router,
        _ => router.route("/charge", post(act)).route("/book", post(act)),
    };
    router.with_state(done.clone())
}

struct Agency {
    world: World,
    node: Node<Memory>,
    done: Done,
}

impl Agency {
    async fn open(cards: &'static str) -> Self {
        let (world, done) = (World::new(), Done::default());
        let services = InProcess::new()
            .service("hotels", service("room", &done))
            .service("flights", service("seat", &done))
            .service("cards", service(cards, &done))
            .service("mail", service("tickets", &done));
        let node = travel_app(world.node().await.unwrap()).unwrap().connect(Arc::new(services));
        Self { node: node.start().await.unwrap(), world, done }
    }

    async fn ask(&self, request: Request<Body>) -> (StatusCode, Value) {
        // Nested, as a user would who has routes of their own.
        let app = Router::new().nest("/agency", routes(&self.node));
        let response = app.oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| text()))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn book(&self, key: &str, city: &str) -> (StatusCode, Value) {
        let trip = json!({ "traveller": "ada", "city": city, "nights": 3, "budget_cents": 90_000 });
        let request = Request::post("/agency/trips")
            .header("idempotency-key", key)
            .header("content-type", "application/json");
        self.ask(request.body(Body::from(trip.to_string())).unwrap()).await
    }

    /// By the engine's own routes, nested under those of the agency.
    async fn operate(&self, id: &str, verb: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::post(format!("/agency/engine/sagas/{id}/{verb}"));
        self.ask(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn booked(&self, key: &str, city: &str) -> (String, End) {
        let (status, id) = self.book(key, city).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{id}");
        let id = id.as_str().unwrap().to_owned();
        let end = self.world.end_of(&self.node, id.parse().unwrap(), 1.hours()).await.unwrap();
        let end = end.and_then(|saga| saga.end()).expect("the trip comes to rest");
        let views = self.node.views::<travel::TripsByTraveller>().unwrap();
        let shown = self.world.until(views.up_to_date(1.minutes()), 2.minutes()).await;
        assert!(shown.unwrap().unwrap());
        (id, end)
    }
}

#[tokio::test]
async fn trips_are_booked_and_shown() {
    let agency = Agency::open("card").await;
    let mut ids = Vec::new();
    for (key, city) in [("1", "Lisbon"), ("2", "Lyon"), ("3", "Oslo")] {
        let (id, end) = agency.booked(key, city).await;
        assert_eq!(end, End::Completed);
        ids.push(id);
    }
    let (status, trip) = agency.get(&format!("/agency/trips/{}", ids[1])).await;
    assert_eq!((status, &trip["city"]), (StatusCode::OK, &json!("Lyon")));
    assert!(trip["tickets"].as_str().unwrap().starts_with("tickets-"), "{trip}");

    let cities = |page: &Value| -> Vec<String> {
        let trips = page["trips"].as_array().unwrap();
        trips.iter().map(|trip| trip["city"].as_str().unwrap().to_owned()).collect()
    };
    let (_, first) = agency.get("/agency/travellers/ada/trips?limit=2").await;
    let next = first["next"].as_str().unwrap();
    let (_, second) = agency.get(&format!("/agency/travellers/ada/trips?after={next}")).await;
    assert_eq!([cities(&first), cities(&second)].concat(), ["Lisbon", "Lyon", "Oslo"]);
    let (status, _) = agency.get("/agency/travellers/ada/trips?after=no").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);

    let (_, again) = agency.book("1", "Lisbon").await;
    assert_eq!(again, json!(ids[0]));
    assert_eq!(agency.book("1", "Rome").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(agency.done.lock().len(), 12);
}

#[tokio::test]
async fn a_card_without_cover_leaves_nothing() {
    let agency = Agency::open("broke").await;
    let (id, end) = agency.booked("1", "Lisbon").await;
    assert!(matches!(end, End::Compensated(_)), "{end:?}");
    assert!(agency.done.lock().is_empty());
    assert_eq!(agency.get(&format!("/agency/trips/{id}")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_engines_own_routes_are_nested() {
    let agency = Agency::open("card").await;
    let (status, health) = agency.get("/agency/engine/health/ready").await;
    assert_eq!((status, &health["status"]), (StatusCode::OK, &json!("ready")));
    let (id, _) = agency.booked("1", "Lisbon").await;
    let (_, saga) = agency.get(&format!("/agency/engine/sagas/{id}")).await;
    assert_eq!(
        (&saga["status"], &saga["sagaType"]),
        (&json!("completed"), &json!("travel-booking"))
    );
    let (_, definitions) = agency.get("/agency/engine/definitions").await;
    assert_eq!(definitions[0]["definition"]["name"], "travel-booking");
    assert_eq!(definitions[0]["isCurrent"], true);
    let (status, problem) = agency.get("/agency/engine/nowhere").await;
    assert_eq!((status, &problem["error"]), (StatusCode::NOT_FOUND, &json!("NOT_FOUND")));
    for path in ["/agency/engine/sagas/%ff", "/agency/engine/sagas/%ff/retry"] {
        let wrong = Request::post(path).body(Body::from("{}")).unwrap();
        let (status, problem) = agency.ask(wrong).await;
        let told = (status, &problem["error"], &problem["errors"][0]["field"]);
        let expected = (StatusCode::BAD_REQUEST, &json!("VALIDATION_FAILED"), &json!("id"));
        assert_eq!(told, expected, "{path}: {problem}");
    }
    let (_, measures) = agency.get("/agency/engine/metrics").await;
    assert!(measures.as_str().unwrap().contains("sagaline_sagas_started"), "{measures}");
}

#[tokio::test]
async fn an_operator_says_what_became_of_a_charge() {
    let agency = Agency::open("silent").await;
    let (id, end) = agency.booked("1", "Lisbon").await;
    assert!(matches!(end, End::Parked(_)), "{end:?}");
    let told = json!({ "reason": "by telephone", "actor": "ada" });
    let with = |outcome: &str, result: Value| {
        let mut told = told.clone();
        told["outcome"] = json!(outcome);
        told["result"] = result;
        told
    };
    let nothing = [
        ("resolve", told.clone(), "outcome"),
        ("resolve", with("perhaps", Value::Null), "outcome"),
        ("resolve", with("rejected", json!({ "reference": "c" })), "result"),
        ("retry", with("rejected", Value::Null), "outcome"),
        ("solve", told.clone(), "verb"),
    ];
    for (verb, body, field) in nothing {
        let (status, problem) = agency.operate(&id, verb, body).await;
        let refused = (status, &problem["errors"][0]["field"]);
        assert_eq!(refused, (StatusCode::BAD_REQUEST, &json!(field)), "{verb}: {problem}");
    }
    let (status, saga) = agency.operate(&id, "resolve", with("rejected", Value::Null)).await;
    assert_eq!(status, StatusCode::OK, "{saga}");
    let end = agency.world.end_of(&agency.node, id.parse().unwrap(), 1.hours()).await.unwrap();
    assert!(matches!(end.and_then(|saga| saga.end()), Some(End::Compensated(_))));
    assert!(agency.done.lock().is_empty());
    let (status, problem) = agency.operate(&id, "resolve", with("rejected", Value::Null)).await;
    assert_eq!((status, &problem["error"]), (StatusCode::CONFLICT, &json!("STATE_FORBIDS")));

    let (id, _) = agency.booked("2", "Lyon").await;
    let charge = json!({ "reference": "c" });
    let (status, saga) = agency.operate(&id, "resolve", with("succeeded", charge)).await;
    assert_eq!(status, StatusCode::OK, "{saga}");
    assert!(saga["completedSteps"].as_array().unwrap().contains(&json!("charge")), "{saga}");
}
