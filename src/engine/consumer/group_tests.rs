//! The group by its promises: drawn logs, outcomes, commits and crashes against a plain account of what
//! was delivered; and one after the other, by hand.

use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { in_flight_max: 4, window_max: 12, letters_max: 1_000 };

fn policy() -> Policy {
    Policy { attempts: 3, backoff_min_ms: 1, backoff_max_ms: 8, ..Policy::default() }
}

fn key(name: &str) -> Arc<str> {
    name.into()
}

fn group() -> Group {
    Group::of(Stored::default(), policy(), BOUNDS)
}

fn failed() -> Settled {
    Settled::Failed { reason: "down".to_owned(), retry_after_ms: None }
}

/// Delivers everything that can be delivered at `now_us`; `outcome` says how each ends.
fn deliver_all(
    group: &mut Group,
    now_us: u64,
    mut outcome: impl FnMut(u64) -> Settled,
) -> Vec<u64> {
    let mut delivered = Vec::new();
    while let Some(attempt) = group.next(now_us) {
        delivered.push(attempt.position);
        group.settle(attempt.position, outcome(attempt.position), now_us, 0);
    }
    delivered
}

#[test]
fn one_poison_event_holds_up_its_own_key_and_nobody_else() {
    let mut group = group();
    let keys = ["a", "b", "a", "b", "a"];
    group.take_in((1..).zip(keys.map(key)), 5);
    let delivered = deliver_all(&mut group, 0, |position| match position {
        1 => Settled::Refused { reason: "no such thing".to_owned() },
        _ => Settled::Done,
    });
    assert_eq!(delivered, [1, 2, 4]);
    assert_eq!(group.place(), 5, "what is kept does not hold the place");
    let changes = group.take_changes();
    assert_eq!(changes.kept.keys().copied().collect::<Vec<_>>(), [1, 3, 5]);
    let (lane, first, letters) = changes.lanes[&key("a")].clone().unwrap();
    assert_eq!((lane.due_us, lane.attempts, first, letters), (None, 1, 1, 3));
    assert_eq!(lane.reason, "no such thing");
    group.take_in([(6, key("a")), (7, key("b"))], 7);
    assert_eq!(deliver_all(&mut group, 0, |_| Settled::Done), [7], "held behind the parked one");
}

#[test]
fn what_fails_is_tried_again_later_and_then_parked() {
    let mut group = group();
    group.take_in([(1, key("a")), (2, key("a"))], 2);
    let mut now_us = 0;
    for number in 1..=3 {
        assert_eq!(group.next(now_us), Some(Attempt { position: 1, number }));
        assert_eq!(group.next(now_us), None, "the second of the key waits for the first");
        group.settle(1, failed(), now_us, 1);
        if number < 3 {
            assert_eq!(group.next(now_us), None, "not before its time");
            now_us = group.due_us().unwrap();
        }
    }
    assert_eq!((group.due_us(), group.next(u64::MAX)), (None, None));
    assert!(group.request(&Request::Replay { key: Some("a".to_owned()) }));
    assert_eq!(deliver_all(&mut group, now_us, |_| Settled::Done), [1, 2]);
    assert_eq!(group.letters, 0);
    assert!(!group.request(&Request::Replay { key: None }), "nothing is parked");
}

#[test]
fn a_parked_event_that_is_skipped_lets_those_behind_it_go_on() {
    let mut group = group();
    group.take_in([(1, key("a")), (2, key("a"))], 2);
    let refuse = |_| Settled::Refused { reason: "no".to_owned() };
    assert_eq!(deliver_all(&mut group, 0, refuse), [1]);
    assert!(!group.request(&Request::Skip { position: 2 }), "it is not at the front");
    assert!(group.request(&Request::Skip { position: 1 }));
    assert_eq!(deliver_all(&mut group, 0, |_| Settled::Done), [2]);
    let changes = group.take_changes();
    assert!(changes.kept.is_empty() && changes.gone.is_empty(), "never stored, never deleted");
    assert_eq!(changes.lanes, [(key("a"), None)].into());
}

#[test]
fn a_slow_delivery_holds_the_place_and_in_the_end_what_is_taken_in() {
    let mut group = group();
    let mut position = 0;
    while group.has_room() {
        position += 1;
        group.take_in([(position, key(&format!("k{position}")))], position);
        let attempt = group.next(0).unwrap();
        if position > 1 {
            group.settle(attempt.position, Settled::Done, 0, 0);
        }
    }
    assert_eq!((group.place(), group.read()), (0, 12));
    let changes = group.take_changes();
    assert_eq!(changes.done.len(), 11);
    group.settle(1, Settled::Done, 0, 0);
    assert_eq!((group.place(), group.has_room()), (12, true));

    // After a crash all of it is ahead again: the window is no reason not to read it.
    let stored = Stored { done: (2..20).collect(), ..Stored::default() };
    let mut group = Group::of(stored, policy(), BOUNDS);
    assert!(group.has_room());
    group.take_in((1..=20).map(|n| (n, key(&format!("k{n}")))), 20);
    assert_eq!(deliver_all(&mut group, 0, |_| Settled::Done), [1, 20]);
    assert_eq!((group.place(), group.has_room()), (20, true));
}

#[test]
fn a_group_that_keeps_too_much_takes_in_nothing_until_somebody_looks_after_it() {
    let bounds = Bounds { letters_max: 2, ..BOUNDS };
    let mut group = Group::of(Stored::default(), policy(), bounds);
    group.take_in([(1, key("a")), (2, key("a"))], 2);
    deliver_all(&mut group, 0, |_| Settled::Refused { reason: "no".to_owned() });
    assert!(group.is_full() && !group.has_room());
    assert!(group.request(&Request::Replay { key: None }));
    deliver_all(&mut group, 0, |_| Settled::Done);
    assert!(group.has_room());
}

#[test]
fn a_letter_behind_the_place_is_not_taken_in_again_after_a_crash() {
    let mut group = group();
    group.take_in([(1, key("slow")), (2, key("poison")), (3, key("quick"))], 3);
    let under_way: Vec<_> = std::iter::from_fn(|| group.next(0)).collect();
    assert_eq!(under_way.len(), 3);
    group.settle(2, Settled::Refused { reason: "no".to_owned() }, 0, 0);
    group.settle(3, Settled::Done, 0, 0);
    let changes = group.take_changes();
    assert_eq!((changes.place, &changes.done), (0, &[2, 3].into()));
    let (lane, _, _) = changes.lanes[&key("poison")].clone().unwrap();
    let lanes = [(key("poison"), lane)].into();
    let stored = Stored { place: 0, done: changes.done, lanes, letters: changes.kept };
    let mut group = Group::of(stored, policy(), BOUNDS);
    group.take_in([(1, key("slow")), (2, key("poison")), (3, key("quick"))], 3);
    assert_eq!((group.letters, group.open.len()), (1, 1));
    assert_eq!(deliver_all(&mut group, 0, |_| Settled::Done), [1]);
    assert!(group.request(&Request::Replay { key: None }));
    assert_eq!(deliver_all(&mut group, 0, |_| Settled::Done), [2]);
    assert_eq!((group.letters, group.place()), (0, 3));
}

#[test]
fn no_more_than_allowed_are_under_way_at_once() {
    let mut group = group();
    group.take_in((1..=6).map(|n| (n, key(&format!("k{n}")))), 6);
    let under_way: Vec<_> = std::iter::from_fn(|| group.next(0)).collect();
    assert_eq!(under_way.len(), BOUNDS.in_flight_max);
    assert_eq!(group.in_flight(), BOUNDS.in_flight_max);
    group.settle(under_way[2].position, Settled::Done, 0, 0);
    assert_eq!(group.next(0).map(|attempt| attempt.position), Some(5));
}

/// What happens to a group in a drawn run.
#[derive(Debug, Clone)]
enum Does {
    TakeIn(u64),
    Begin,
    End(usize, u8),
    Wait(u64),
    Replay(Option<u8>),
    SkipFirst,
    Commit,
    Crash,
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        4 => (1..6_u64).prop_map(Does::TakeIn),
        8 => Just(Does::Begin),
        8 => (any::<usize>(), 0..10_u8).prop_map(|(which, how)| Does::End(which, how)),
        3 => (0..20_000_u64).prop_map(Does::Wait),
        1 => proptest::option::of(0..4_u8).prop_map(Does::Replay),
        1 => Just(Does::SkipFirst),
        4 => Just(Does::Commit),
        1 => Just(Does::Crash),
    ]
}

/// A log, a store, a group between them, and a plain account of what the group did.
struct Trial {
    keys: Vec<Arc<str>>,
    stored: Stored,
    group: Group,
    now_us: u64,
    under_way: Vec<u64>,
    /// Done or skipped, as far as the group in memory knows, and as far as is stored.
    over: BTreeSet<u64>,
    over_stored: BTreeSet<u64>,
    /// Done at any time.
    ever: BTreeSet<u64>,
}

impl Trial {
    fn new(keys: &[u8]) -> Self {
        let keys = keys.iter().map(|number| key(&number.to_string())).collect();
        Self {
            keys,
            stored: Stored::default(),
            group: group(),
            now_us: 1,
            under_way: Vec::new(),
            over: BTreeSet::new(),
            over_stored: BTreeSet::new(),
            ever: BTreeSet::new(),
        }
    }

    fn key(&self, position: u64) -> Arc<str> {
        self.keys[position as usize - 1].clone()
    }

    fn step(&mut self, does: &Does) {
        match does {
            Does::TakeIn(count) => self.take_in(*count),
            Does::Begin => self.begin(),
            Does::End(which, how) => self.end(*which, *how),
            Does::Wait(us) => self.now_us += us,
            Does::Replay(key) => {
                let key = key.map(|number| number.to_string());
                self.group.request(&Request::Replay { key });
            }
            Does::SkipFirst => self.skip(),
            Does::Commit => self.commit(),
            Does::Crash => self.crash(),
        }
        assert!(self.group.open.len() + self.group.done.len() <= BOUNDS.window_max + 10);
    }

    fn take_in(&mut self, count: u64) {
        if !self.group.has_room() {
            return;
        }
        let up_to = (self.group.read() + count).min(self.keys.len() as u64);
        let events: Vec<_> = (self.group.read() + 1..=up_to).map(|p| (p, self.key(p))).collect();
        self.group.take_in(events, up_to);
    }

    fn begin(&mut self) {
        let Some(attempt) = self.group.next(self.now_us) else { return };
        let position = attempt.position;
        assert!(!self.over_stored.contains(&position), "{position} was done and stored");
        let key = self.key(position);
        for before in (1..position).filter(|before| self.key(*before) == key) {
            assert!(self.over.contains(&before), "{position} before {before} of its key");
        }
        assert!(attempt.number <= policy().attempts, "{attempt:?}");
        self.under_way.push(position);
    }

    fn end(&mut self, which: usize, how: u8) {
        if self.under_way.is_empty() {
            return;
        }
        let position = self.under_way.swap_remove(which % self.under_way.len());
        let settled = match how {
            0..=5 => Settled::Done,
            6..=8 => failed(),
            _ => Settled::Refused { reason: "no".to_owned() },
        };
        if settled == Settled::Done {
            self.over.insert(position);
            self.ever.insert(position);
        }
        self.group.settle(position, settled, self.now_us, u64::from(how) * 977);
    }

    fn skip(&mut self) {
        let parked = self.group.lanes.values().find(|lane| lane.is_parked());
        let Some(position) = parked.and_then(Lane::first) else { return };
        assert!(self.group.request(&Request::Skip { position }));
        self.over.insert(position);
        self.ever.insert(position);
    }

    fn commit(&mut self) {
        let changes = self.group.take_changes();
        assert!(changes.place >= self.stored.place, "the place never goes back");
        self.stored.place = changes.place;
        self.stored.done = changes.done;
        for (key, lane) in changes.lanes {
            match lane {
                Some((lane, _, _)) => _ = self.stored.lanes.insert(key, lane),
                None => _ = self.stored.lanes.remove(&key),
            }
        }
        self.stored.letters.extend(changes.kept);
        self.stored.letters.retain(|position, _| !changes.gone.contains(position));
        self.over_stored = self.over.clone();
        for position in 1..=self.stored.place {
            let kept = self.stored.letters.contains_key(&position);
            let over = self.over_stored.contains(&position);
            assert!(kept != over, "{position} is done or a letter, and not both");
        }
        for position in self.stored.letters.keys().filter(|at| **at > self.stored.place) {
            assert!(self.stored.done.contains(position), "{position} would be taken in again");
        }
        let of_letters: BTreeSet<_> = self.stored.letters.values().cloned().collect();
        assert!(of_letters.iter().eq(self.stored.lanes.keys()), "a lane for whoever has letters");
    }

    fn crash(&mut self) {
        self.under_way.clear();
        self.over = self.over_stored.clone();
        self.group = Group::of(self.stored.clone(), policy(), BOUNDS);
    }

    /// Everything goes well from now on.
    fn settle_down(&mut self) {
        let all: BTreeSet<_> = (1..=self.keys.len() as u64).collect();
        for _ in 0..10_000 {
            // What is done may be ahead of what was read again after a crash: then it has yet to be passed.
            if self.over == all && self.group.read() == self.keys.len() as u64 {
                break;
            }
            self.take_in(3);
            self.group.request(&Request::Replay { key: None });
            self.now_us += 10_000;
            self.begin();
            self.end(0, 0);
        }
        self.commit();
        assert_eq!(self.ever, all, "every event was delivered");
        assert_eq!(self.stored.place, self.keys.len() as u64);
        assert!(self.stored.letters.is_empty() && self.stored.done.is_empty());
        assert!(self.group.lanes.is_empty() && self.group.letters == 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever fails, is parked, replayed or skipped, and wherever it crashes: each key in order, every
    /// event at least once, what was stored as done never again, nothing left behind.
    #[test]
    fn every_event_is_delivered_in_the_order_of_its_key(
        keys in proptest::collection::vec(0..4_u8, 1..40),
        run in proptest::collection::vec(does(), 0..200),
    ) {
        let mut trial = Trial::new(&keys);
        for does in &run {
            trial.step(does);
        }
        trial.settle_down();
    }
}
