//! What steps stage for aggregates is appended with their last answer and once, whatever races and rejections
//! come before it.

use futures_util::{FutureExt, future};
use sagaline::domain::Aggregate;
use sagaline::engine::{
    Call, CommandMetadata, Compensable, Definition, EngineSettings, Failure, Node, NodeBuilder,
    Outcome, StartError, StartRequest, Step,
};
use sagaline::saga::{Phase, Policy, Verb};
use sagaline_storage::memory::MemoryKv;
use sagaline_storage::{Backend, Claim, ClaimChange, CorrelationId, EventStore};
use serde::{Deserialize, Serialize};

use crate::nodes::{Cluster, settled, until};
use crate::trip::{self, Memory};

/// Coins in a till, up to as many as there is room for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Till {
    coins: u64,
}

const ROOM: u64 = 20;

#[derive(Debug, Clone, Serialize, Deserialize)]
enum TillEvent {
    CoinsAdded { coins: u64 },
    TillEmptied {},
}

#[derive(Debug, Clone, Copy)]
enum TillCommand {
    Add(u64),
    Empty,
}

#[derive(Debug, thiserror::Error)]
#[error("there is no room for {0} more")]
struct Full(u64);

impl Aggregate for Till {
    const CATEGORY: &'static str = "till";
    type Command = TillCommand;
    type Event = TillEvent;
    type Refusal = Full;

    fn decide(&self, command: TillCommand) -> Result<Vec<TillEvent>, Full> {
        match command {
            TillCommand::Add(coins) if self.coins + coins > ROOM => Err(Full(coins)),
            TillCommand::Add(coins) => Ok(vec![TillEvent::CoinsAdded { coins }]),
            TillCommand::Empty => Ok(vec![TillEvent::TillEmptied {}]),
        }
    }

    fn evolve(&mut self, event: &TillEvent) {
        match event {
            TillEvent::CoinsAdded { coins } => self.coins += coins,
            TillEvent::TillEmptied {} => self.coins = 0,
        }
    }
}

/// So many coins.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pay {
    coins: u64,
}

/// Decides; nobody is asked.
struct Agree;

impl Step for Agree {
    const NAME: &'static str = "agree";
    type Saga = Pay;
    type Output = ();

    async fn action(&self, _: &Call<Pay>) -> Outcome<()> {
        Ok(())
    }
}

impl Compensable for Agree {
    async fn compensate(&self, _: &Call<Pay>, _: Option<&()>) -> Outcome<()> {
        Ok(())
    }
}

/// Takes what there is one of.
struct Hold;

impl Step for Hold {
    const NAME: &'static str = "hold";
    const LOCAL: bool = true;
    type Saga = Pay;
    type Output = ();

    async fn action(&self, call: &Call<Pay>) -> Outcome<()> {
        call.claim(ClaimChange::Take { claim: held(), owner: call.saga_stream() });
        Ok(())
    }
}

/// Puts the coins into the till `a`, within the append.
struct Deposit;

impl Step for Deposit {
    const NAME: &'static str = "deposit";
    const LOCAL: bool = true;
    type Saga = Pay;
    type Output = ();

    async fn action(&self, call: &Call<Pay>) -> Outcome<()> {
        call.execute::<Till>("a", TillCommand::Add(call.input().coins)).await.map(drop)
    }
}

/// Puts a coin into the till `a` and the rest into `b`.
struct Share<const LOCAL: bool>;

impl<const LOCAL: bool> Step for Share<LOCAL> {
    const NAME: &'static str = "share";
    const LOCAL: bool = LOCAL;
    type Saga = Pay;
    type Output = ();

    async fn action(&self, call: &Call<Pay>) -> Outcome<()> {
        call.execute::<Till>("a", TillCommand::Add(1)).await?;
        call.execute::<Till>("b", TillCommand::Add(call.input().coins - 1)).await.map(drop)
    }
}

/// Gives two commands side by side, behind one that it gives up.
struct AtOnce;

impl Step for AtOnce {
    const NAME: &'static str = "at-once";
    type Saga = Pay;
    type Output = ();

    async fn action(&self, call: &Call<Pay>) -> Outcome<()> {
        call.claim(ClaimChange::Take { claim: held(), owner: call.saga_stream() });
        if call.execute::<Till>("c", TillCommand::Add(1)).now_or_never().is_some() {
            return Err(Failure::rejected("DONE", "it was to wait"));
        }
        let one = |till: &'static str| call.execute::<Till>(till, TillCommand::Add(1));
        let (a, b) = future::join(one("a"), one("b")).await;
        a.and(b).map(drop)
    }
}

fn held() -> Claim {
    Claim::new("coin", "held")
}

fn policy(attempts: u32) -> Policy {
    Policy { attempts, backoff_min_ms: 1, backoff_max_ms: 10, ..Policy::default() }
}

async fn node(definition: &Definition<Pay>, settings: EngineSettings) -> Node<Memory> {
    let backend = trip::backend(&MemoryKv::new()).await;
    let settings = EngineSettings { drain_timeout_ms: 100, ..settings };
    NodeBuilder::new(backend).settings(settings).saga(definition).start().await.unwrap()
}

async fn coins<B: Backend>(node: &Node<B>, till: &str) -> u64 {
    node.aggregates().load::<Till>(till).await.unwrap().state.coins
}

async fn command(node: &Node<Memory>, till: &str, command: TillCommand) {
    let correlation_id = CorrelationId::new("by-hand").unwrap();
    let metadata = CommandMetadata { correlation_id, causation_id: None };
    node.aggregates().execute::<Till>(till, command, &metadata).await.unwrap();
}

#[tokio::test]
async fn a_local_step_that_loses_every_race_is_put_off_and_not_quarantined() {
    let definition = Definition::new("deposit").pivot(Agree).retriable(Deposit).after(Agree);
    let definition = definition.retry(policy(60)).build().unwrap();
    let settings = EngineSettings { conflict_retries: 0, ..EngineSettings::default() };
    let node = node(&definition, settings).await;
    let sagas = node.sagas();
    let starts = (0..ROOM).map(|_| async {
        let started =
            sagas.start(&definition, StartRequest::default(), &Pay { coins: 1 }).await.unwrap();
        sagas.wait(started.id).await.unwrap()
    });
    for end in future::join_all(starts).await {
        assert_eq!(end.phase, Phase::Completed, "{:?}", end.parked);
    }
    assert_eq!(coins(&node, "a").await, ROOM);
    assert!(node.metrics().append_conflicts.get() > 0, "there was no race");
    assert_eq!(node.metrics().sagas_quarantined.get(), 0);
}

#[tokio::test]
async fn what_another_holds_is_a_no_and_the_saga_goes_back() {
    let definition = Definition::new("hold").compensable(Agree).pivot(Hold).after(Agree);
    let definition = definition.build().unwrap();
    let node = node(&definition, EngineSettings::default()).await;
    let mut ends = Vec::new();
    for _ in 0..2 {
        let pay = Pay { coins: 1 };
        let started = node.sagas().start(&definition, StartRequest::default(), &pay).await;
        ends.push(node.sagas().wait(started.unwrap().id).await.unwrap());
    }
    assert_eq!([ends[0].phase, ends[1].phase], [Phase::Completed, Phase::Compensated]);
    let why = ends[1].aborted.as_ref().unwrap().to_string();
    assert!(why.ends_with("(CLAIM_TAKEN)"), "{why}");
}

#[tokio::test]
async fn what_a_start_used_up_does_not_refuse_the_same_start() {
    let definition = Definition::new("deposit").pivot(Deposit).build().unwrap();
    let node = node(&definition, EngineSettings::default()).await;
    let (sagas, all) = (node.sagas(), Pay { coins: ROOM });
    let first = sagas.start(&definition, "k", &all).await.unwrap();
    let again = sagas.start(&definition, "k", &all).await.unwrap();
    assert_eq!((again.id, again.replayed), (first.id, true));
    let reused = sagas.start(&definition, "k", &Pay { coins: 7 }).await.unwrap_err();
    assert!(matches!(reused, StartError::KeyReused { saga } if saga == first.id), "{reused}");
    for request in [StartRequest::keyed("l"), StartRequest::default()] {
        let refused = sagas.start(&definition, request, &all).await.unwrap_err();
        assert!(matches!(refused, StartError::Rejected { .. }), "{refused}");
    }
    assert_eq!(coins(&node, "a").await, ROOM);
}

#[tokio::test]
async fn a_rejection_that_is_tried_again_leaves_nothing_behind() {
    rejected_and_tried_again(Share::<true>).await;
    rejected_and_tried_again(Share::<false>).await;
}

async fn rejected_and_tried_again(share: impl Step<Saga = Pay>) {
    let definition = Definition::new("share").pivot(Agree).retriable(share).after(Agree);
    let definition = definition.retry(policy(3)).build().unwrap();
    let node = node(&definition, EngineSettings::default()).await;
    command(&node, "b", TillCommand::Add(ROOM)).await;
    let started =
        node.sagas().start(&definition, StartRequest::default(), &Pay { coins: 3 }).await.unwrap();
    assert_eq!(node.sagas().wait(started.id).await.unwrap().status(), "parked");
    assert_eq!(coins(&node, "a").await, 0);
    command(&node, "b", TillCommand::Empty).await;
    node.sagas().operate(started.id, Verb::Retry, "there is room", "ada").await.unwrap();
    assert_eq!(node.sagas().wait(started.id).await.unwrap().phase, Phase::Completed);
    assert_eq!((coins(&node, "a").await, coins(&node, "b").await), (1, 2));
}

#[tokio::test]
async fn commands_given_side_by_side_or_given_up_lose_nothing_of_each_other() {
    let cluster = Cluster::new().await;
    let backend = cluster.backend();
    let reads = backend.events.reads().clone();
    let definition = Definition::new("at-once").pivot(AtOnce).build().unwrap();
    let node = cluster.builder("n1", backend).saga(&definition).start().await.unwrap();
    settled(std::slice::from_ref(&node)).await;
    reads.close();
    let started =
        node.sagas().start(&definition, StartRequest::default(), &Pay { coins: 0 }).await.unwrap();
    until(|| reads.waiting() > 0).await;
    reads.open();
    assert_eq!(node.sagas().wait(started.id).await.unwrap().phase, Phase::Completed);
    let tills = [coins(&node, "a").await, coins(&node, "b").await, coins(&node, "c").await];
    assert_eq!(tills, [1, 1, 0]);
    let holder = cluster.log.claim_holder(&held()).await.unwrap();
    assert_eq!(holder.map(|holder| holder.owner), Some(sagaline::engine::saga_stream(started.id)));
}
