//! The node's parts, tried one by one: each answer says which lock service, store and bus it was.

use serde_json::json;

use crate::app::TestApp;
use crate::blind::BlindKv;

#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_the_node_tells_how_it_fares() {
    let app = TestApp::start().await;
    let health = app.health_detailed(&app.admin).await.expect(200);
    assert_eq!((&health["status"], &health["role"]), (&json!("up"), &json!("alone")), "{health}");
    for part in ["store", "locks", "bus"] {
        assert_eq!(health[part]["status"], "up");
        assert!(health[part]["latencyUs"].is_u64());
    }
    assert_eq!(health["shards"], health["shardsOwned"]);
    assert_eq!(health["views"].as_array().unwrap().len(), 3);
    app.health_detailed(&app.customer().await).await.expect_problem(403, "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_is_held_by_one_at_a_time_and_given_back() {
    let app = TestApp::start().await;
    let body = json!({"duration": 300, "nodeId": "node-2"});
    let asks = (0..4).map(|_| app.try_lock(&app.admin, "desk", &body));
    let answers = futures_util::future::join_all(asks).await;
    let (held, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((held.len(), refused.len()), (1, 3), "{answers:?}");
    let held = held[0].json();
    assert_eq!((&held["lockService"], &held["backend"]), (&json!("in-process"), &json!("memory")));
    assert_eq!((&held["holder"], &held["released"]), (&json!("node-2"), &json!(true)));
    for answer in refused {
        let problem = answer.expect_problem(409, "STATE_FORBIDS");
        assert!(problem["detail"].as_str().unwrap().contains("node-2"), "{problem}");
    }
    assert_eq!(app.lock_status(&app.admin, "desk").await.expect(200)["held"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_that_is_left_runs_out() {
    let app = TestApp::start().await;
    let long = json!({"duration": 10_000});
    let held = app.take_lock(&app.admin, "desk", &long).await.expect(200);
    let status = app.lock_status(&app.admin, "desk").await.expect(200);
    assert_eq!((&status["held"], &status["holder"]), (&json!(true), &json!("node-1")));
    assert_eq!(status["token"], held["token"]);
    app.take_lock(&app.admin, "desk", &long).await.expect_problem(409, "STATE_FORBIDS");
    app.take_lock(&app.admin, "other", &json!({"duration": 1})).await.expect(200);
    // Each look takes longer than the lock lasts; the last one is long after it.
    for _ in 0..1_000 {
        if app.lock_status(&app.admin, "other").await.expect(200)["held"] == false {
            return;
        }
    }
    panic!("a lock of a millisecond is held for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_gets_to_start_a_saga() {
    let app = TestApp::start().await;
    for _ in 0..2 {
        let contest = app.try_saga_creation(&app.admin, "basket-7").await.expect(200);
        assert_eq!((&contest["contenders"], &contest["exclusive"]), (&json!(5), &json!(true)));
        assert_eq!(contest["winners"].as_array().unwrap().len(), 1);
    }
    app.try_saga_creation(&app.admin, "a b").await.expect_problem(400, "VALIDATION_FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn trials_are_bounded_and_an_administrators() {
    let app = TestApp::start().await;
    for (body, field) in [
        (json!({"duration": 0}), "duration"),
        (json!({"duration": 10_001}), "duration"),
        (json!({"duration": -1}), "duration"),
        (json!({"nodeId": "a b"}), "nodeId"),
        (json!({"more": 1}), "more"),
    ] {
        for answer in [
            app.try_lock(&app.admin, "desk", &body).await,
            app.take_lock(&app.admin, "desk", &body).await,
        ] {
            let problem = answer.expect_problem(400, "VALIDATION_FAILED");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
    }
    let long = "x".repeat(100);
    app.lock_status(&app.admin, &long).await.expect_problem(400, "VALIDATION_FAILED");
    let customer = app.customer().await;
    for refused in [
        app.try_lock(&customer, "desk", &json!({})).await,
        app.take_lock(&customer, "desk", &json!({})).await,
        app.lock_status(&customer, "desk").await,
        app.try_saga_creation(&customer, "c").await,
        app.pool(&customer).await,
        app.probe_bus(&customer).await,
    ] {
        refused.expect_problem(403, "FORBIDDEN");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn store_tells_its_use_and_limits() {
    let app = TestApp::start().await;
    let pool = app.pool(&app.admin).await.expect(200);
    assert_eq!((&pool["store"], &pool["backend"]), (&json!("in-process"), &json!("memory")));
    assert!(pool.get("connectionsMax").is_none(), "there is no database: {pool}");
    // Nor a cache: all of it lies in memory.
    assert!(pool.get("cacheBytes").is_none() && pool["cacheBytesMax"].is_u64(), "{pool}");
    assert_eq!((&pool["requestsInProgress"], &pool["probe"]["reads"]), (&json!(1), &json!(8)));
}

#[tokio::test(flavor = "multi_thread")]
async fn store_that_cannot_be_read_is_found_out() {
    let (app, store) = BlindKv::node().await;
    store.sees(false);
    app.pool(&app.admin).await.expect_problem(503, "UNAVAILABLE");
    let health = app.health_detailed(&app.admin).await.expect(200);
    assert_eq!(
        (&health["status"], &health["store"]["status"], health.get("head")),
        (&json!("degraded"), &json!("down"), None),
        "{health}"
    );
    store.sees(true);
    app.pool(&app.admin).await.expect(200);
    assert_eq!(app.health_detailed(&app.admin).await.expect(200)["status"], "up");
}

#[tokio::test(flavor = "multi_thread")]
async fn probe_message_comes_back_each_time() {
    let app = TestApp::start().await;
    for _ in 0..3 {
        let trip = app.probe_bus(&app.admin).await.expect(200);
        assert_eq!(
            (&trip["bus"], &trip["topic"]),
            (&json!("in-process"), &json!("sagaline-probe"))
        );
        assert!(trip["roundTripUs"].as_u64().unwrap() > 0);
    }
}
