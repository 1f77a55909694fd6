//! Who works on what when several nodes share a log: they come, drain, die and sleep.

use sagaline::engine::StartError;
use sagaline::saga::Phase;
use sagaline_storage::bus::MessageBus;
use sagaline_storage::{AppendError, Backend, StreamId};
use tokio::runtime::{Builder, Runtime};

use crate::nodes::{Cluster, SHARDS, bus_of, settled, until};
use crate::trip::{Booking, Does, Trip};

const ALL: u64 = SHARDS as u64;

#[tokio::test]
async fn every_shard_has_one_owner_and_shares_are_even() {
    let cluster = Cluster::new().await;
    let first = cluster.node("n1").await;
    until(|| first.shards_owned() == ALL).await;
    let nodes = [first, cluster.node("n2").await, cluster.node("n3").await];
    settled(&nodes).await;
    assert!(nodes.iter().all(|node| (4..=6).contains(&node.shards_owned())));
    for (node, city) in nodes.iter().zip(["Rome", "Oslo", "Bonn"]) {
        let id = cluster.start(node, city).await.id;
        assert_eq!(node.sagas().wait(id).await.unwrap().phase, Phase::Completed);
        assert_eq!(node.metrics().sagas_completed.get(), 1, "a saga stays where it was started");
    }
    assert!(nodes.iter().all(|node| node.metrics().fenced_appends.get() == 0));
}

#[tokio::test]
async fn a_dead_nodes_sagas_are_taken_over_and_end_once() {
    let cluster = Cluster::new().await;
    cluster.world.plan("charge", &[Does::Hang]);
    let [dies, stays] = cluster.nodes(["n1", "n2"]).await;
    let mut ids = Vec::new();
    for city in 0..6 {
        ids.push(cluster.start(&dies, &format!("City {city}")).await.id);
    }
    until(|| cluster.world.count("charge") >= 6).await;
    drop(dies);
    cluster.world.plan("charge", &[Does::Succeed]);
    for id in &ids {
        assert_eq!(stays.sagas().wait(*id).await.unwrap().phase, Phase::Completed);
        let booking = stays.aggregates().load::<Booking>(&id.to_string()).await.unwrap().state;
        assert!(booking.confirmed);
    }
    assert_eq!(cluster.world.effective().len(), 18, "three effects once a saga");
    assert_eq!(cluster.world.count("hotel"), 6, "what had its answer is not called again");
    assert!(stays.metrics().sagas_recovered.get() >= 6);
    until(|| stays.shards_owned() == ALL).await;
}

#[tokio::test]
async fn a_draining_node_hands_over_what_it_could_not_finish() {
    let cluster = Cluster::new().await;
    cluster.world.plan("hotel", &[Does::Hold]);
    let [drains, stays] = cluster.nodes(["n1", "n2"]).await;
    let id = cluster.start(&drains, "Rome").await.id;
    drains.drain().await.unwrap();
    assert_eq!(drains.shards_owned(), 0);
    cluster.world.plan("hotel", &[Does::Succeed]);
    assert_eq!(stays.sagas().wait(id).await.unwrap().phase, Phase::Completed);
    until(|| stays.shards_owned() == ALL).await;
    let refused = cluster.try_start(&drains, "Oslo", None).await.unwrap_err();
    assert!(matches!(refused, StartError::Unavailable(_)), "{refused}");
    let id = cluster.start(&stays, "Oslo").await.id;
    assert_eq!(stays.sagas().wait(id).await.unwrap().phase, Phase::Completed);
}

#[tokio::test]
async fn a_draining_node_goes_on_with_what_a_dead_one_leaves_to_it() {
    let cluster = Cluster::new().await;
    cluster.world.plan("hotel", &[Does::Hang]);
    let patient = cluster.builder("n1", cluster.backend());
    let drains = patient.tuned(|it| it.drain_timeout_ms = 3_600_000).start().await.unwrap();
    let dies = cluster.node("n2").await;
    settled(&[drains.clone(), dies.clone()]).await;
    cluster.start(&drains, "Rome").await;
    let left = cluster.start(&dies, "Oslo").await.id;
    until(|| cluster.world.count("hotel") >= 2).await;
    let end = tokio::spawn({
        let drains = drains.clone();
        async move { drains.drain().await }
    });
    while drains.ready().await.is_ok() {
        tokio::task::yield_now().await;
    }
    cluster.world.plan("hotel", &[Does::Succeed]);
    drop(dies);
    assert_eq!(drains.sagas().wait(left).await.unwrap().phase, Phase::Completed);
    assert_eq!(drains.sagas().live(), 1);
    end.abort();
}

#[tokio::test]
async fn a_node_that_is_told_to_drain_while_its_bus_is_away_ends() {
    let cluster = Cluster::new().await;
    let [drains, stays] = cluster.nodes(["n1", "n2"]).await;
    bus_of(&drains).set_down(true);
    bus_of(&drains).expire();
    until(|| stays.shards_owned() == ALL).await;
    // Between two attempts to reach the bus.
    drains.drain().await.unwrap();
    assert_eq!(drains.shards_owned(), 0);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The sleeper has a runtime of its own: none of its tasks runs while that is not driven.
#[test]
fn an_owner_that_slept_through_its_loss_is_refused_and_stops() {
    let (awake, asleep) =
        (Builder::new_multi_thread().worker_threads(1).enable_all().build(), runtime());
    let awake = awake.unwrap();
    let cluster = awake.block_on(Cluster::new());
    cluster.world.plan("hotel", &[Does::Hang]);
    let (sleeper, id) = asleep.block_on(async {
        let sleeper = cluster.node("n1").await;
        until(|| sleeper.shards_owned() == ALL).await;
        let id = cluster.start(&sleeper, "Rome").await.id;
        until(|| cluster.world.count("hotel") > 0).await;
        (sleeper, id)
    });
    bus_of(&sleeper).expire();
    // Not even the bus tells it: the log is the only one to know.
    bus_of(&sleeper).set_down(true);
    cluster.world.plan("hotel", &[Does::Succeed]);
    let taker = awake.block_on(async {
        let taker = cluster.node("n2").await;
        assert_eq!(taker.sagas().wait(id).await.unwrap().phase, Phase::Completed);
        taker
    });
    let events = awake.block_on(cluster.events()).len();
    assert_eq!(sleeper.shards_owned(), ALL, "it does not know yet");
    asleep.block_on(async {
        let late = cluster.try_start(&sleeper, "Oslo", None).await.unwrap_err();
        assert!(matches!(late, StartError::Unavailable(_)), "{late}");
        until(|| sleeper.sagas().live() == 0).await;
        assert!(sleeper.metrics().fenced_appends.get() > 0);
        bus_of(&sleeper).set_down(false);
        settled(&[sleeper.clone(), taker.clone()]).await;
    });
    assert_eq!(awake.block_on(cluster.events()).len(), events, "it wrote nothing");
    assert_eq!(cluster.world.effective(), ["charge", "flight", "hotel"]);
}

#[tokio::test]
async fn what_another_has_taken_is_given_up_while_the_bus_is_down() {
    let cluster = Cluster::new().await;
    let node = cluster.node("n1").await;
    until(|| node.shards_owned() == ALL).await;
    bus_of(&node).set_down(true);
    cluster.raise_all_epochs().await;
    until(|| node.shards_owned() == 0).await;
    bus_of(&node).set_down(false);
    until(|| node.shards_owned() == ALL).await;
}

#[tokio::test]
async fn what_is_owned_is_worked_on_while_the_bus_is_down() {
    let cluster = Cluster::new().await;
    let [one, two] = cluster.nodes(["n1", "n2"]).await;
    for node in [&one, &two] {
        bus_of(node).set_down(true);
    }
    let backend = cluster.backend();
    backend.bus().set_down(true);
    let late = cluster.builder("n3", backend).start().await.unwrap();
    for (node, city) in [(&one, "Rome"), (&two, "Oslo")] {
        let id = cluster.start(node, city).await.id;
        assert_eq!(late.sagas().wait(id).await.unwrap().phase, Phase::Completed);
    }
    let refused = cluster.try_start(&late, "Bonn", None).await.unwrap_err();
    assert!(matches!(refused, StartError::Unavailable(_)), "{refused}");
    assert!(late.ready().await.is_ok(), "it can still answer");
    for node in [&one, &two, &late] {
        bus_of(node).set_down(false);
    }
    settled(&[one, two, late]).await;
}

#[tokio::test]
async fn a_shard_that_was_taken_by_mistake_is_taken_back() {
    let cluster = Cluster::new().await;
    let node = cluster.node("n1").await;
    until(|| node.shards_owned() == ALL).await;
    cluster.raise_all_epochs().await;
    // Nobody else works on these shards, so somebody must come to.
    loop {
        match cluster.try_start(&node, "Rome", None).await {
            Ok(started) => {
                let end = node.sagas().wait(started.id).await.unwrap();
                assert_eq!(end.phase, Phase::Completed);
                break;
            }
            Err(StartError::Unavailable(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    until(|| node.shards_owned() == ALL).await;
    assert!(node.metrics().fenced_appends.get() > 0);
}

/// A node loses half its shards while it starts sagas, and takes them back while the appends are under way:
/// what recovery finds of them is, as far as it can see, about to be worked on.
#[tokio::test]
async fn sagas_whose_start_outlives_the_ownership_of_their_shard_end() {
    const STARTS: usize = 16;
    let cluster = Cluster::new().await;
    let node = cluster.node("n1").await;
    until(|| node.shards_owned() == ALL).await;
    let log = node.backend().events();
    log.reads().close();
    let starting: Vec<_> = (0..STARTS)
        .map(|n| {
            let (sagas, definition) = (node.sagas(), cluster.definition.clone());
            let trip = Trip { city: format!("City {n}") };
            tokio::spawn(async move { sagas.start(&definition, format!("key {n}"), &trip).await })
        })
        .collect();
    until(|| log.reads().waiting() == STARTS).await;
    // Nobody works on what it gets, so that the epochs stay as they are.
    let rival = cluster.bus.subscribe("sagaline-shards", "sagaline-nodes").await.unwrap();
    until(|| node.shards_owned() == ALL / 2).await;
    log.appends().close();
    log.reads().open();
    until(|| log.appends().waiting() == STARTS).await;
    drop(rival);
    until(|| node.shards_owned() == ALL).await;
    log.appends().open();
    for started in starting {
        let id = started.await.unwrap().unwrap().id;
        assert_eq!(node.sagas().wait(id).await.unwrap().phase, Phase::Completed);
    }
}

#[tokio::test]
async fn nodes_that_race_for_one_key_make_one_saga() {
    let cluster = Cluster::new().await;
    let [one, two] = cluster.nodes(["n1", "n2"]).await;
    let starts = (0..20).map(|n| {
        let node = if n % 2 == 0 { &one } else { &two };
        cluster.try_start(node, "Rome", Some("k"))
    });
    let started = futures_util::future::join_all(starts).await;
    let ids: std::collections::BTreeSet<_> =
        started.into_iter().map(|started| started.unwrap().id).collect();
    assert_eq!(ids.len(), 1);
    let id = *ids.first().unwrap();
    for node in [&one, &two] {
        assert_eq!(node.sagas().wait(id).await.unwrap().phase, Phase::Completed);
    }
    assert_eq!(cluster.world.count("charge"), 1);
}

#[tokio::test]
async fn a_start_that_was_refused_is_not_made_by_a_request_that_arrives_late() {
    let cluster = Cluster::new().await;
    let [node] = cluster.nodes(["n1"]).await;
    cluster.world.plan("hotel", &[Does::Hold]);
    let first = cluster.start(&node, "Rome").await.id;
    let log = node.backend().events();
    log.hold_the_next_append();
    let refused = cluster.try_start(&node, "Rome", None).await.unwrap_err();
    assert!(matches!(refused, StartError::ClaimTaken { .. }), "{refused}");
    // What stood in the way is gone when it arrives.
    cluster.world.plan("hotel", &[Does::Succeed]);
    assert_eq!(node.sagas().wait(first).await.unwrap().phase, Phase::Completed);
    let events = cluster.events().await.len();
    let late = log.arrive().await.expect("it was on its way");
    assert!(matches!(late, Err(AppendError::AppendIdReused { .. })), "{late:?}");
    assert_eq!(cluster.events().await.len(), events);
}

#[tokio::test]
async fn nodes_that_race_for_one_claim_make_one_saga() {
    let cluster = Cluster::new().await;
    cluster.world.plan("hotel", &[Does::Hang]);
    let [one, two] = cluster.nodes(["n1", "n2"]).await;
    let starts = (0..10).map(|n| {
        let node = if n % 2 == 0 { &one } else { &two };
        cluster.try_start(node, "Rome", None)
    });
    let (made, refused): (Vec<_>, Vec<_>) =
        futures_util::future::join_all(starts).await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 9));
    let winner = StreamId::new(format!("booking-{}", made[0].as_ref().unwrap().id)).unwrap();
    for refusal in refused {
        let refusal = refusal.unwrap_err();
        assert!(matches!(&refusal, StartError::ClaimTaken { owner, .. } if *owner == winner));
    }
}
