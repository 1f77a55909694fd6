//! Those who follow the log through a node's own interface, as code of a user's does that runs within the node:
//! one on each node. Each wants other events and begins somewhere else. Now and then it keeps its place outside
//! the node, and when the node is back it mostly goes on from there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline::engine::{Begin, EventSubscription, Node};
use sagaline_storage::{
    Clock, CorrelationId, EventType, Filter, GlobalPosition, RecordedEvent, StorageError, Timestamp,
};

use crate::evidence::{Begins, Given, Reading, Wanted};
use crate::fate;
use crate::machine::Machine;
use crate::seed::Random;
use crate::services::SimBackend;
use crate::services::witnessed::id_text;
use crate::world::{MachineClock, World};

const CATEGORIES: [&str; 6] = ["order", "payment", "saga", "list", "account", "museum"];
const TYPES: [&str; 6] =
    ["SagaStarted", "StepStarted", "StepSucceeded", "OrderPlaced", "MilesAdded", "Listed"];
/// Sagas of users have correlation ids by numbers up to this one.
const NUMBERS: u64 = 1_000;
/// Who wants events by their time wants those from a moment within so long on, some no longer than so long.
const TIME_US: u64 = 30_000_000;
/// So many of a hundred go on where they were when their node is back.
const GOES_ON_PERCENT: u64 = 75;
/// Behind a position up to this one some begin, whether the log has come so far or not.
const EARLY: u64 = 60;
/// A place is kept behind each so manieth event.
const KEEPS_EACH: [u64; 3] = [1, 7, 40];
/// How long somebody waits for an event before they look where they stand: there may have been events that
/// they do not want.
const LOOK_MS: (u64, u64) = (300, 2_000);
/// So many of a hundred events take time to act on, and so much at the most: others wait in memory meanwhile.
const SLOW_PERCENT: u64 = 2;
const SLOW_MS: u64 = 200;
const RETRY: Duration = Duration::from_millis(200);

/// What all of them were given. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Readers(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// In the order in which they began.
    readings: Vec<Reading>,
    kept: BTreeMap<Machine, Kept>,
}

/// What a reader still knows when its node comes back.
#[derive(Debug, Clone)]
struct Kept {
    wanted: Wanted,
    /// None: it has kept none yet.
    place: Option<u64>,
}

impl Readers {
    /// The node works: its reader begins.
    pub fn begin(&self, world: &World, machine: Machine, node: &Node<SimBackend>) {
        let boot = world.boots(machine);
        let mut random = world.seed.stream(&format!("run/readers/{machine}/{boot}"));
        let Kept { wanted, place } = self.kept(world, machine);
        let reader = Reader {
            readers: self.clone(),
            world: world.clone(),
            clock: world.clock(machine),
            machine,
            boot,
            begins: begins(&mut random, place),
            wanted,
            keeps_each: *random.pick(&KEEPS_EACH).unwrap_or(&1),
            random,
        };
        tokio::spawn(Box::pin(reader.run(node.clone())));
    }

    /// What they were given so far, which is then forgotten.
    pub fn take(&self) -> Vec<Reading> {
        std::mem::take(&mut self.0.lock().readings)
    }

    /// In words, whose readers have not come to this position in the life that their node has now. `away`: nodes
    /// that are not back yet.
    pub fn behind(&self, world: &World, head: u64, away: &[Machine]) -> Vec<String> {
        let state = self.0.lock();
        let behind = |node: Machine| {
            let boot = world.boots(node);
            let mut latest = state.readings.iter().rev();
            let place = latest.find(|it| it.node == node && it.boot == boot).map(|it| it.place);
            match place {
                Some(place) if place >= head => None,
                Some(place) => {
                    Some(format!("the reader of {node} is at {place} and the log at {head}"))
                }
                None => Some(format!("the reader of {node} has not begun")),
            }
        };
        let nodes = Machine::NODES.into_iter().filter(|node| !away.contains(node));
        nodes.filter_map(behind).collect()
    }

    /// What a reader knows from before; the first time it is drawn what it wants.
    fn kept(&self, world: &World, machine: Machine) -> Kept {
        let first = || {
            let mut random = world.seed.stream(&format!("run/readers/{machine}"));
            Kept { wanted: wanted(&mut random, world.clock(machine).true_now()), place: None }
        };
        self.0.lock().kept.entry(machine).or_insert_with(first).clone()
    }

    /// One has begun; returns which it is.
    fn began(&self, reading: Reading) -> usize {
        let mut state = self.0.lock();
        state.readings.push(reading);
        state.readings.len() - 1
    }

    /// One stands here now, behind this event when it was just given one.
    fn stands(&self, number: usize, event: Option<&RecordedEvent>, place: u64) {
        let mut state = self.0.lock();
        // What was taken away is followed no more.
        let Some(reading) = state.readings.get_mut(number) else { return };
        reading.place = place;
        reading.given.extend(event.map(|event| Given {
            position: event.position.0,
            id: id_text(event.id.0),
            stream: event.stream.as_str().to_owned(),
            event_type: event.event_type.as_str().to_owned(),
            place,
        }));
    }

    fn keep(&self, machine: Machine, place: u64) {
        if let Some(kept) = self.0.lock().kept.get_mut(&machine) {
            kept.place = Some(place);
        }
    }
}

struct Reader {
    readers: Readers,
    world: World,
    clock: MachineClock,
    machine: Machine,
    boot: u32,
    begins: Begins,
    wanted: Wanted,
    keeps_each: u64,
    random: Random,
}

impl Reader {
    /// Follows until the node stops, or dies.
    async fn run(mut self, node: Node<SimBackend>) {
        let (mut events, number) = self.subscribe(&node).await;
        // Who follows the log does not keep its node.
        drop(node);
        let look = Duration::from_millis(self.random.between(LOOK_MS.0, LOOK_MS.1));
        let mut given: u64 = 0;
        loop {
            // Who stops waiting in the middle has lost nothing.
            let next: Option<Result<Option<RecordedEvent>, StorageError>> = tokio::select! {
                biased;
                next = events.next() => Some(next),
                () = self.clock.sleep(look) => None,
            };
            let place = events.position().0;
            match next {
                Some(Ok(Some(event))) => {
                    self.readers.stands(number, Some(&event), place);
                    given += 1;
                    if given.is_multiple_of(self.keeps_each) {
                        self.readers.keep(self.machine, place);
                    }
                    self.act().await;
                }
                Some(Ok(None)) => return,
                Some(Err(_)) => self.clock.sleep(RETRY).await,
                None => {
                    self.readers.stands(number, None, place);
                    self.readers.keep(self.machine, place);
                }
            }
        }
    }

    async fn subscribe(&self, node: &Node<SimBackend>) -> (EventSubscription<SimBackend>, usize) {
        let filter = filter(&self.wanted);
        let begin = match self.begins {
            Begins::Start => Begin::Start,
            Begins::After(position) => Begin::After(GlobalPosition(position)),
            Begins::Head => Begin::Head,
        };
        loop {
            let asked_at_us = self.world.now_us();
            match node.subscribe(begin, filter.clone()).await {
                Ok(events) => {
                    let after = events.position().0;
                    return (events, self.began(asked_at_us, after));
                }
                Err(_) => self.clock.sleep(RETRY).await,
            }
        }
    }

    fn began(&self, asked_at_us: u64, after: u64) -> usize {
        self.readers.began(Reading {
            node: self.machine,
            boot: self.boot,
            begins: self.begins,
            wanted: self.wanted.clone(),
            asked_at_us,
            begun_at_us: self.world.now_us(),
            after,
            given: Vec::new(),
            place: after,
        })
    }

    /// What an event leads to takes time, now and then.
    async fn act(&mut self) {
        if self.random.percent(SLOW_PERCENT) {
            let slow = Duration::from_millis(self.random.between(1, SLOW_MS));
            self.clock.sleep(slow).await;
        }
    }
}

/// Where a reader begins that has kept this place.
fn begins(random: &mut Random, kept: Option<u64>) -> Begins {
    match kept {
        Some(place) if random.percent(GOES_ON_PERCENT) => Begins::After(place),
        Some(_) | None => match random.below(3) {
            0 => Begins::Start,
            1 => Begins::After(random.below(EARLY)),
            _ => Begins::Head,
        },
    }
}

/// What a reader wants: everything, or what some filter lets through; that may be nothing.
fn wanted(random: &mut Random, now: Timestamp) -> Wanted {
    let all = Wanted::default();
    match random.below(7) {
        0 | 1 => all,
        2 => Wanted { categories: names(random, &CATEGORIES), ..all },
        3 => Wanted { event_types: names(random, &TYPES), ..all },
        4 => {
            let (categories, event_types) = (names(random, &CATEGORIES), names(random, &TYPES));
            Wanted { categories, event_types, ..all }
        }
        5 => {
            let from_us = now.0 + random.below(TIME_US);
            let ends = random.percent(50);
            let to_us = from_us + random.between(1, TIME_US);
            let recorded_to_us = ends.then_some(to_us);
            Wanted { recorded_from_us: Some(from_us), recorded_to_us, ..all }
        }
        _ => {
            let number = u32::try_from(random.between(1, NUMBERS)).unwrap_or(1);
            Wanted { correlation_id: Some(fate::correlation(number)), ..all }
        }
    }
}

/// One or two of these.
fn names(random: &mut Random, of: &[&str]) -> Vec<String> {
    let count = random.between(1, 2);
    (0..count).filter_map(|_| random.pick(of)).map(|name| (*name).to_owned()).collect()
}

/// The same in the node's own terms.
fn filter(wanted: &Wanted) -> Filter {
    let event_type = |name: &String| EventType::new(name.as_str()).expect("a plain word is a name");
    let correlation =
        |id: &String| CorrelationId::new(id.as_str()).expect("a word and a number are an id");
    Filter {
        event_types: wanted.event_types.iter().map(event_type).collect(),
        categories: wanted.categories.iter().map(|name| name.as_str().into()).collect(),
        correlation_id: wanted.correlation_id.as_ref().map(correlation),
        recorded_from: wanted.recorded_from_us.map(Timestamp),
        recorded_to: wanted.recorded_to_us.map(Timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn seeds_begin_everywhere_and_mostly_go_on_where_they_were() {
        let drawn = |kept| (0..200).map(move |seed| begins(&mut Seed(seed).stream("begins"), kept));
        let count = |kept, of: fn(&Begins) -> bool| drawn(kept).filter(of).count();
        assert!(count(None, |it| *it == Begins::Start) > 30);
        assert!(count(None, |it| *it == Begins::Head) > 30);
        assert!(count(None, |it| matches!(it, Begins::After(_))) > 30);
        assert!(count(Some(777), |it| *it == Begins::After(777)) > 100);
        assert!(count(Some(777), |it| *it == Begins::Head) > 5);
    }

    #[test]
    fn some_want_everything_and_the_others_something_else_each() {
        let drawn = |seed| wanted(&mut Seed(seed).stream("wanted"), Timestamp(1_000));
        let all: Vec<_> = (0..200).map(drawn).collect();
        let count = |of: fn(&&Wanted) -> bool| all.iter().filter(of).count();
        assert!(count(|it| **it == Wanted::default()) > 20);
        assert!(count(|it| !it.categories.is_empty()) > 20);
        assert!(count(|it| !it.event_types.is_empty()) > 20);
        assert!(count(|it| it.correlation_id.is_some()) > 10);
        assert!(count(|it| it.recorded_from_us.is_some_and(|from| from >= 1_000)) > 10);
        assert!(all.iter().all(|it| (filter(it) == Filter::ALL) == (*it == Wanted::default())));
    }
}
