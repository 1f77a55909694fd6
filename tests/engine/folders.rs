//! Nodes on folders of one machine, in one process.

use std::path::Path;

use sagaline::engine::{Definition, Node, RequestError};
use sagaline::saga::Phase;
use sagaline::worlds::Embedded;
use sagaline_storage::backend::Backend;
use sagaline_storage::{Claim, EventStore};

use crate::nodes::until;
use crate::trip::{self, Does, Trip, World};

async fn node(folder: &Path, definition: &Definition<Trip>) -> Node<Embedded> {
    let node = Node::embedded(folder).await.unwrap().saga(definition);
    node.tuned(|settings| settings.drain_timeout_ms = 50).start().await.unwrap()
}

/// It waits for whatever is held up.
fn patient(world: &World) -> Definition<Trip> {
    trip::with_attempt_timeout(world, 3_600_000)
}

fn rome() -> Trip {
    Trip { city: "Rome".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_of_one_process_know_nothing_of_each_other() {
    let (folder, other_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (world, other_world) = (World::default(), World::default());
    let (definition, other_definition) = (patient(&world), patient(&other_world));
    let one = node(folder.path(), &definition).await;
    let other = node(other_folder.path(), &other_definition).await;
    // The same key and the same city, of which a store has one booking at a time.
    for held in [&world, &other_world] {
        held.plan("charge", &[Does::Hold]);
    }
    let first = one.sagas().start(&definition, "k", &rome()).await.unwrap();
    let second = other.sagas().start(&other_definition, "k", &rome()).await.unwrap();
    assert!(!first.replayed && !second.replayed && first.id != second.id);
    let city = Claim::new("city", "Rome");
    for (node, id) in [(&one, first.id), (&other, second.id)] {
        let holder = node.backend().events().claim_holder(&city).await.unwrap().unwrap();
        assert_eq!(holder.owner.key(), id.to_string());
    }
    for (world, node, id, foreign) in
        [(&world, &one, first.id, second.id), (&other_world, &other, second.id, first.id)]
    {
        world.plan("charge", &[Does::Succeed]);
        assert_eq!(node.sagas().wait(id).await.unwrap().phase, Phase::Completed);
        assert_eq!(world.effective(), ["charge", "flight", "hotel"]);
        let unknown = node.sagas().history(foreign).await;
        assert!(matches!(unknown, Err(RequestError::NotFound)), "{unknown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_free_once_its_node_has_drained_and_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::default();
    let definition = trip::definition(&world);
    let mut ended = Vec::new();
    for key in ["1", "2", "3", "4"] {
        let node = node(folder.path(), &definition).await;
        assert!(Node::embedded(folder.path()).await.is_err(), "it is this node's");
        let started = node.sagas().start(&definition, key, &rome()).await.unwrap();
        assert_eq!(node.sagas().wait(started.id).await.unwrap().phase, Phase::Completed);
        ended.push(started.id);
        node.drain().await.unwrap();
        for id in &ended {
            let history = node.sagas().history(*id).await.unwrap();
            assert_eq!(history.state.phase, Phase::Completed, "what was read is read on");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_when_a_node_drains_goes_on_when_its_folder_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::default();
    world.plan("charge", &[Does::Hang]);
    let definition = patient(&world);
    let first = node(folder.path(), &definition).await;
    let started = first.sagas().start(&definition, "k", &rome()).await.unwrap();
    until(|| world.count("charge") > 0).await;
    first.drain().await.unwrap();
    drop(first);
    world.plan("charge", &[Does::Succeed]);
    let second = node(folder.path(), &definition).await;
    assert_eq!(second.recovered(), 1);
    assert_eq!(second.sagas().wait(started.id).await.unwrap().phase, Phase::Completed);
    assert_eq!(world.effective(), ["charge", "flight", "hotel"]);
}
