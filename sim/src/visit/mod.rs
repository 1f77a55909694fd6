//! A user's saga whose participant lives in the nodes themselves: it keeps the product's barrier together with
//! an aggregate of the node's own store, as a service does that has not moved out yet (`desk`). Two steps are
//! done side by side, many visits write to one museum, and calls have twins. Beside the orders in every drawn
//! plan; what came of it stands in the log.

#[cfg(madsim)]
pub mod desk;
#[cfg(madsim)]
mod museum;

use std::collections::BTreeMap;

use sagaline::prelude::*;

use crate::fate::{Fate, How, Twist};
use crate::machine::Machine;
use crate::plan::{Operation, Planned, next_id, put_among};
use crate::seed::{Random, Seed};
use crate::shape::SagaShape;

/// The saga's name.
pub const VISIT: &str = "visit";
/// The host name of its participant, in each node.
pub const HOST: &str = "museum";

/// Visits of a run.
const VISITS: u32 = 60;
/// So few that many visits write to one.
const MUSEUMS: u64 = 3;

/// What is wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Visit {
    /// Which museum.
    pub museum: u64,
}

/// What a call was given of what steps returned, by their names.
type Given = BTreeMap<String, u64>;

/// What the participant is sent. What the call was given it only writes down, for the oracle of results.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Asked {
    museum: u64,
    given: Given,
}

async fn enter(call: &Call<Visit>, given: Given) -> Outcome<u64> {
    let asked = Asked { museum: call.input().museum, given };
    call.http().post(&format!("http://{HOST}/enter"), &asked).await
}

async fn leave(call: &Call<Visit>, step: &str, returned: Option<&u64>) -> Outcome<()> {
    let given = returned.map(|guests| (step.to_owned(), *guests)).into_iter().collect();
    let asked = Asked { museum: call.input().museum, given };
    call.http().post::<()>(&format!("http://{HOST}/leave"), &asked).await
}

/// What a step returned; nothing when an operator has skipped it.
fn given<S: Step<Output = u64>>(call: &Call<Visit>) -> Option<(String, u64)> {
    Some((S::NAME.to_owned(), call.result::<S>().ok()?))
}

struct Guide;

impl Step for Guide {
    const NAME: &'static str = "guide";
    const PARTICIPANT: &'static str = HOST;
    type Saga = Visit;
    type Output = u64;

    async fn action(&self, call: &Call<Visit>) -> Outcome<u64> {
        enter(call, Given::new()).await
    }
}

impl Compensable for Guide {
    async fn compensate(&self, call: &Call<Visit>, returned: Option<&u64>) -> Outcome<()> {
        leave(call, Self::NAME, returned).await
    }
}

struct Locker;

impl Step for Locker {
    const NAME: &'static str = "locker";
    const PARTICIPANT: &'static str = HOST;
    type Saga = Visit;
    type Output = u64;

    async fn action(&self, call: &Call<Visit>) -> Outcome<u64> {
        enter(call, Given::new()).await
    }
}

impl Compensable for Locker {
    async fn compensate(&self, call: &Call<Visit>, returned: Option<&u64>) -> Outcome<()> {
        leave(call, Self::NAME, returned).await
    }
}

struct Entry;

impl Step for Entry {
    const NAME: &'static str = "entry";
    const READS: &'static [&'static str] = &[Guide::NAME, Locker::NAME];
    const PARTICIPANT: &'static str = HOST;
    type Saga = Visit;
    type Output = u64;

    async fn action(&self, call: &Call<Visit>) -> Outcome<u64> {
        enter(call, given::<Guide>(call).into_iter().chain(given::<Locker>(call)).collect()).await
    }
}

/// The saga.
pub fn visit() -> Result<Definition<Visit>, DefinitionError> {
    let policy = Policy {
        attempts: 12,
        compensation_attempts: 16,
        backoff_max_ms: 4_000,
        attempt_timeout_ms: 2_500,
        ..Policy::default()
    };
    Definition::new(VISIT)
        .compensable(Guide)
        .compensable(Locker)
        .pivot(Entry)
        .after(Guide)
        .after(Locker)
        .retry(policy)
        .build()
}

/// Its shape; none: it cannot be built, which its own test would say.
pub fn shape() -> Option<SagaShape> {
    visit().ok().map(|visit| SagaShape::of(visit.as_value()))
}

/// Puts visits among the operations of a seed. Drawn apart, so that these are the same with them and without.
pub fn add(seed: Seed, chaos_ms: u64, operations: &mut Vec<Planned>) {
    let mut random = seed.stream("plan/visits");
    let first = next_id(operations);
    let drawn = (first..first + VISITS).map(|id| {
        let input = serde_json::json!({ "museum": random.below(MUSEUMS) });
        let (saga_type, fate) = (VISIT.to_owned(), fate(&mut random));
        let operation = Operation::StartSaga { saga_type, key: id, input, fate };
        let to = *random.pick(&Machine::NODES).unwrap_or(&Machine::Node1);
        let to = if random.percent(70) { Machine::Balancer } else { to };
        (random.below(chaos_ms), to, operation)
    });
    put_among(operations, drawn);
}

fn fate(random: &mut Random) -> Fate {
    let twist = |step: &str, undo, how| Some(Twist { step: step.to_owned(), undo, how });
    if random.percent(12) {
        // One of two steps side by side is refused while the call of the other stays on its way: its undo
        // comes first.
        let no = Some(Guide::NAME.to_owned());
        return Fate {
            no,
            twist: twist(Locker::NAME, false, How::DeliveredLate),
            ..Fate::default()
        };
    }
    let steps = [Guide::NAME, Locker::NAME, Entry::NAME];
    let no = random.percent(35).then(|| random.pick(&steps).map(|step| (*step).to_owned()));
    let step = random.pick(&steps).copied().unwrap_or(Guide::NAME);
    let undo = step != Entry::NAME && random.percent(30);
    let how = match random.below(10) {
        0..=6 => How::DeliveredTwice,
        7 => How::RunTwice,
        _ => How::DeliveredLate,
    };
    Fate { no: no.flatten(), twist: twist(step, undo, how), ..Fate::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_visit_can_be_built_and_its_steps_are_side_by_side() {
        let shape = shape().expect("a sound definition");
        assert!(!shape.comes_after("guide", "locker") && !shape.comes_after("locker", "guide"));
        assert!(shape.comes_after("entry", "guide") && shape.comes_after("entry", "locker"));
    }

    #[test]
    fn most_visits_have_twins_and_some_are_undone_before_they_are_done() {
        let mut operations = Vec::new();
        add(Seed(1), 40_000, &mut operations);
        let fates = operations.iter().filter_map(|planned| match &planned.operation {
            Operation::StartSaga { fate, .. } => Some(fate),
            _ => None,
        });
        let fates: Vec<_> = fates.collect();
        let how = |how: How| {
            let is = |twist: &Twist| twist.how == how;
            fates.iter().filter(|fate| fate.twist.as_ref().is_some_and(is)).count()
        };
        assert!(how(How::DeliveredTwice) > 20 && how(How::DeliveredLate) > 4);
        let undone = |fate: &&&Fate| {
            fate.no.as_deref() == Some("guide")
                && fate.twist.as_ref().is_some_and(|twist| twist.how == How::DeliveredLate)
        };
        assert!(fates.iter().filter(undone).count() > 1);
    }
}
