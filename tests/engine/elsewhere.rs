//! Requests at a node for sagas that another node works on.

use std::time::Duration;

use sagaline::engine::{RequestError, saga_stream};
use sagaline::saga::{AbortReason, Phase, Refusal, Verb};
use sagaline_storage::Backend;
use sagaline_storage::clock::{Clock, SystemClock};

use crate::nodes::{Cluster, until};
use crate::trip::{Booking, Does};

#[tokio::test]
async fn a_cancel_at_another_node_is_decided_there_and_carried_out_by_the_owner() {
    let cluster = Cluster::new().await;
    cluster.world.plan("flight", &[Does::Hang]);
    let [owner, other] = cluster.nodes(["n1", "n2"]).await;
    let id = cluster.start(&owner, "Rome").await.id;
    until(|| cluster.world.effective() == ["hotel"]).await;
    other.sagas().cancel(id, "changed my mind", "ada").await.unwrap();
    let decided = other.sagas().history(id).await.unwrap().state;
    assert!(matches!(decided.aborted, Some(AbortReason::Cancelled { .. })), "it is in the log");
    for node in [&other, &owner] {
        assert_eq!(node.sagas().wait(id).await.unwrap().phase, Phase::Compensated);
    }
    assert_eq!(cluster.world.effective(), Vec::<String>::new());
    let booking = other.aggregates().load::<Booking>(&id.to_string()).await.unwrap().state;
    assert!(booking.cancelled);
    let (saga, mut epochs) = (saga_stream(id), Vec::new());
    let events = cluster.events().await;
    for event in events.iter().filter(|event| event.stream == saga) {
        let json: serde_json::Value = serde_json::from_slice(&event.payload).unwrap();
        epochs.extend(json["epoch"].as_u64());
    }
    assert!(epochs.is_sorted() && !epochs.is_empty(), "{epochs:?}");
    let deciders = events.iter().filter(|event| event.stream == saga);
    assert!(deciders.map(|event| event.node_id.as_str()).any(|node| node == "n2"));
    assert_eq!(other.metrics().calls.get(), 0, "the decider calls nobody");
}

#[tokio::test]
async fn a_request_that_the_log_forbids_is_refused_at_every_node_alike() {
    let cluster = Cluster::new().await;
    let [owner, other] = cluster.nodes(["n1", "n2"]).await;
    let id = cluster.start(&owner, "Rome").await.id;
    owner.sagas().wait(id).await.unwrap();
    let unknown = uuid::Uuid::from_u128(9);
    for node in [&owner, &other] {
        let refused = node.sagas().cancel(id, "too late", "ada").await.unwrap_err();
        assert!(matches!(refused, RequestError::Refused(Refusal::Ended { .. })), "{refused}");
        let missing = node.sagas().cancel(unknown, "who", "ada").await.unwrap_err();
        assert_eq!(missing, RequestError::NotFound);
        assert_eq!(node.sagas().wait(unknown).await.unwrap_err(), RequestError::NotFound);
    }
}

#[tokio::test]
async fn a_parked_saga_is_brought_back_from_any_node() {
    let cluster = Cluster::new().await;
    cluster.world.plan("flight", &[Does::Fail]);
    let [owner, other] = cluster.nodes(["n1", "n2"]).await;
    let id = cluster.start(&owner, "Rome").await.id;
    assert!(other.sagas().wait(id).await.unwrap().parked.is_some(), "a parked saga is at rest");
    until(|| owner.sagas().live() == 0).await;
    cluster.world.plan("flight", &[Does::Succeed]);
    other.sagas().operate(id, Verb::Retry, "it is back", "ada").await.unwrap();
    assert_eq!(other.sagas().wait(id).await.unwrap().phase, Phase::Completed);
    assert_eq!(cluster.world.effective(), ["charge", "flight", "hotel"]);
    assert_eq!(other.metrics().calls.get(), 0);
}

#[tokio::test]
async fn a_paused_saga_goes_on_when_another_node_says_so() {
    let cluster = Cluster::new().await;
    cluster.world.plan("hotel", &[Does::Fail, Does::Hold]);
    let [owner, other] = cluster.nodes(["n1", "n2"]).await;
    let id = cluster.start(&owner, "Rome").await.id;
    until(|| cluster.world.count("hotel") == 2).await;
    other.sagas().operate(id, Verb::Pause, "wait", "ada").await.unwrap();
    let twice = owner.sagas().operate(id, Verb::Pause, "wait", "ada").await.unwrap_err();
    assert!(matches!(twice, RequestError::Refused(Refusal::PauseUnchanged { .. })), "{twice}");
    cluster.world.plan("hotel", &[Does::Succeed]);
    assert!(other.sagas().wait(id).await.unwrap().paused);
    assert_eq!(cluster.world.count("charge"), 0, "nothing new is begun");
    other.sagas().operate(id, Verb::Resume, "go on", "ada").await.unwrap();
    assert_eq!(other.sagas().wait(id).await.unwrap().phase, Phase::Completed);
}

#[tokio::test]
async fn an_attempt_that_is_under_way_is_not_made_beside_itself_when_a_pause_ends() {
    let cluster = Cluster::new().await;
    cluster.world.plan("hotel", &[Does::Fail, Does::Hold]);
    let [owner] = cluster.nodes(["n1"]).await;
    let id = cluster.start(&owner, "Rome").await.id;
    until(|| cluster.world.count("hotel") == 2).await;
    for verb in [Verb::Pause, Verb::Resume] {
        owner.sagas().operate(id, verb, "for a moment", "ada").await.unwrap();
    }
    // What the end of a pause sets going begins at once; here it is nothing.
    SystemClock::default().sleep(Duration::from_millis(20)).await;
    assert_eq!(cluster.world.count("hotel"), 2);
    cluster.world.plan("hotel", &[Does::Succeed]);
    assert_eq!(owner.sagas().wait(id).await.unwrap().phase, Phase::Completed);
    assert_eq!(cluster.world.count("hotel"), 2);
}

#[tokio::test]
async fn an_attempt_that_a_person_asks_for_takes_the_place_of_the_one_under_way() {
    let cluster = Cluster::new().await;
    cluster.world.plan("hotel", &[Does::Fail, Does::Hold]);
    let [owner] = cluster.nodes(["n1"]).await;
    let id = cluster.start(&owner, "Rome").await.id;
    until(|| cluster.world.count("hotel") == 2).await;
    owner.sagas().operate(id, Verb::Retry, "now", "ada").await.unwrap();
    until(|| cluster.world.count("hotel") == 3).await;
    assert_eq!(cluster.world.under_way("hotel"), 1);
    cluster.world.plan("hotel", &[Does::Succeed]);
    assert_eq!(owner.sagas().wait(id).await.unwrap().phase, Phase::Completed);
    assert_eq!(cluster.world.count("hotel"), 3);
}

#[tokio::test]
async fn requests_at_several_nodes_at_once_abort_the_saga_once() {
    let cluster = Cluster::new().await;
    cluster.world.plan("hotel", &[Does::Hang]);
    let nodes = cluster.nodes(["n1", "n2", "n3"]).await;
    let id = cluster.start(&nodes[0], "Rome").await.id;
    let sagas = nodes.each_ref().map(|node| node.sagas());
    let cancels = sagas.iter().map(|sagas| sagas.cancel(id, "no", "ada"));
    let taken = futures_util::future::join_all(cancels).await;
    assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 1, "{taken:?}");
    let late = taken.into_iter().filter_map(Result::err);
    for refusal in late {
        let known = matches!(
            refusal,
            RequestError::Refused(Refusal::AlreadyCompensating | Refusal::Ended { .. })
        );
        assert!(known, "{refusal}");
    }
    assert_eq!(sagas[1].wait(id).await.unwrap().phase, Phase::Compensated);
    let events = cluster.events().await;
    let aborts = events.iter().filter(|event| event.event_type.as_str() == "SagaAborted");
    assert_eq!(aborts.count(), 1);
}

#[tokio::test]
async fn whoever_waits_at_another_node_is_told_of_the_end() {
    let cluster = Cluster::new().await;
    cluster.world.plan("charge", &[Does::Hold]);
    let [owner, other] = cluster.nodes(["n1", "n2"]).await;
    let id = cluster.start(&owner, "Rome").await.id;
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let sagas = other.sagas();
            tokio::spawn(async move { sagas.wait(id).await })
        })
        .collect();
    until(|| cluster.world.count("charge") > 0).await;
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
    cluster.world.plan("charge", &[Does::Succeed]);
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap().unwrap().phase, Phase::Completed);
    }
}

#[tokio::test]
async fn whoever_waits_is_not_turned_away_by_a_store_that_is_away_for_a_moment() {
    let cluster = Cluster::new().await;
    cluster.world.plan("charge", &[Does::Hold]);
    let [owner, other] = cluster.nodes(["n1", "n2"]).await;
    let id = cluster.start(&owner, "Rome").await.id;
    until(|| cluster.world.count("charge") > 0).await;
    let log = other.backend().events();
    log.fail_reads(1);
    let sagas = other.sagas();
    let waiter = tokio::spawn(async move { sagas.wait(id).await });
    until(|| log.failures_left() == 0).await;
    cluster.world.plan("charge", &[Does::Succeed]);
    assert_eq!(waiter.await.unwrap().unwrap().phase, Phase::Completed);
}

#[tokio::test]
async fn whoever_waits_is_told_when_the_node_stops() {
    let cluster = Cluster::new().await;
    cluster.world.plan("hotel", &[Does::Hang]);
    let [owner, other] = cluster.nodes(["n1", "n2"]).await;
    let id = cluster.start(&owner, "Rome").await.id;
    for node in [other, owner] {
        let sagas = node.sagas();
        let waiting = tokio::spawn(async move { sagas.wait(id).await });
        tokio::task::yield_now().await;
        node.drain().await.unwrap();
        let told = waiting.await.unwrap().unwrap_err();
        assert!(matches!(told, RequestError::Unavailable(_)), "{told}");
    }
}
