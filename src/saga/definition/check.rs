//! The rules of a definition. Called by [`super::Definition::new`] only.

use super::{STEPS_MAX, StepIndex, StepKind, StepSpec, bit};

const NAME_BYTES_MAX: usize = 64;

/// What the rules found out about the edges.
pub(super) struct Graph {
    pub(super) pivot: Option<StepIndex>,
    pub(super) before: Vec<u64>,
    pub(super) behind: Vec<u64>,
}

type Checked<T = ()> = Result<T, String>;

pub(super) fn check(name: &str, steps: &[StepSpec], deadline_ms: Option<u64>) -> Checked<Graph> {
    check_name("its name", name)?;
    check_size(steps)?;
    if deadline_ms == Some(0) {
        return Err(
            "its deadline is 0 ms: every saga would abort at once; leave it out or give it \
                    a time"
                .to_owned(),
        );
    }
    for (place, step) in steps.iter().enumerate() {
        check_step(steps, place, step)?;
    }
    let before = edges(steps)?;
    check_cycle(steps, &before)?;
    let pivot = check_pivots(steps)?;
    let behind = reversed(&before);
    check_sides(steps, &before, &behind, pivot)?;
    Ok(Graph { pivot: pivot.map(StepIndex::of), before, behind })
}

fn check_name(what: &str, name: &str) -> Checked {
    let letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(letter) {
        return Ok(());
    }
    Err(format!(
        "{what} `{name}` is not 1 to {NAME_BYTES_MAX} of the letters a-z, 0-9, `_` and `-`: it goes \
         into keys and addresses; rename it"
    ))
}

fn check_size(steps: &[StepSpec]) -> Checked {
    match steps.len() {
        0 => Err("it has no step: a saga needs at least one; add a step".to_owned()),
        1..=STEPS_MAX => Ok(()),
        more => Err(format!(
            "it has {more} steps and {STEPS_MAX} are allowed: let one step start a saga of its own"
        )),
    }
}

fn check_step(steps: &[StepSpec], place: usize, step: &StepSpec) -> Checked {
    let name = &step.name;
    check_name("the step name", name)?;
    if steps[..place].iter().any(|earlier| earlier.name == *name) {
        return Err(format!(
            "step `{name}` stands in it twice: its name makes its idempotency key; rename one of them"
        ));
    }
    check_policy(step)
}

fn check_policy(step: &StepSpec) -> Checked {
    let StepSpec { name, policy, .. } = step;
    let problem = if policy.attempts == 0 {
        "allows 0 attempts: the first try counts as one; allow at least 1".to_owned()
    } else if policy.compensation_attempts == 0 {
        "allows 0 attempts of its compensation: the first try counts as one; allow at least 1"
            .to_owned()
    } else if policy.backoff_max_ms < policy.backoff_min_ms {
        format!(
            "has a backoff from {} ms to {} ms: the longest pause is below the shortest; swap them",
            policy.backoff_min_ms, policy.backoff_max_ms
        )
    } else if policy.attempt_timeout_ms == 0 {
        "has an attempt timeout of 0 ms: no call could answer in time; give it a time".to_owned()
    } else if policy.deadline_ms == Some(0) {
        "has a deadline of 0 ms: it would pass before the first attempt; leave it out or give it a \
         time"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(format!("step `{name}` {problem}"))
}

fn edges(steps: &[StepSpec]) -> Checked<Vec<u64>> {
    let mut before = vec![0u64; steps.len()];
    for (place, step) in steps.iter().enumerate() {
        for earlier in &step.after {
            let found = steps.iter().position(|other| other.name == *earlier);
            let found = edge(step, earlier, found, place)?;
            if before[place] & bit(found) != 0 {
                return Err(format!(
                    "step `{}` is after `{earlier}` twice: name it once",
                    step.name
                ));
            }
            before[place] |= bit(found);
        }
    }
    Ok(before)
}

fn edge(step: &StepSpec, earlier: &str, found: Option<usize>, place: usize) -> Checked<usize> {
    match found {
        Some(found) if found == place => Err(format!(
            "step `{earlier}` is after itself: it could never start; remove it from its `after`"
        )),
        Some(found) => Ok(found),
        None => Err(format!(
            "step `{}` is after `{earlier}`, and there is no such step: add it or correct the name",
            step.name
        )),
    }
}

/// Takes away steps that wait for nothing left; what cannot be taken away is on or behind a cycle.
fn check_cycle(steps: &[StepSpec], before: &[u64]) -> Checked {
    let mut left = full(steps.len());
    loop {
        let free = places(left).filter(|place| before[*place] & left == 0);
        let free = free.fold(0, |set, place| set | bit(place));
        if free == 0 {
            break;
        }
        left &= !free;
    }
    if left == 0 {
        return Ok(());
    }
    Err(format!(
        "the steps {} wait for each other in a circle and could never start: remove one of these \
         `after`s",
        circle(steps, before, left)
    ))
}

/// Walks back from any step that is left until one comes up again.
fn circle(steps: &[StepSpec], before: &[u64], left: u64) -> String {
    let mut path: Vec<usize> = Vec::new();
    let mut place = left.trailing_zeros() as usize;
    while !path.contains(&place) {
        path.push(place);
        place = (before[place] & left).trailing_zeros() as usize;
    }
    let first = path.iter().position(|seen| *seen == place).unwrap_or(0);
    let names =
        path[first..].iter().chain([&place]).map(|place| format!("`{}`", steps[*place].name));
    names.collect::<Vec<_>>().join(" after ")
}

fn check_pivots(steps: &[StepSpec]) -> Checked<Option<usize>> {
    let mut pivots = (0..steps.len()).filter(|place| steps[*place].kind == StepKind::Pivot);
    match (pivots.next(), pivots.next()) {
        (Some(first), Some(second)) => Err(format!(
            "`{}` and `{}` are both pivots: one could succeed and the other be rejected, and the saga \
             could go neither forward nor back; make all but one compensable or retriable",
            steps[first].name, steps[second].name
        )),
        (pivot, _) => Ok(pivot),
    }
}

fn check_sides(
    steps: &[StepSpec],
    before: &[u64],
    behind: &[u64],
    pivot: Option<usize>,
) -> Checked {
    let earlier = pivot.map_or(0, |pivot| reach(before, pivot));
    let later = pivot.map_or(0, |pivot| reach(behind, pivot));
    for (place, step) in steps.iter().enumerate() {
        let is_earlier = earlier & bit(place) != 0;
        let is_later = later & bit(place) != 0;
        check_side(step, pivot.map(|pivot| &steps[pivot]), is_earlier, is_later)?;
    }
    Ok(())
}

fn check_side(
    step: &StepSpec,
    pivot: Option<&StepSpec>,
    is_earlier: bool,
    is_later: bool,
) -> Checked {
    let name = &step.name;
    let problem = match (step.kind, pivot) {
        (StepKind::Compensable, Some(pivot)) if is_later => format!(
            "is compensable and stands behind the pivot `{}`, where nothing is undone any more: make \
             it retriable, or let the pivot be after it",
            pivot.name
        ),
        (StepKind::Compensable, Some(pivot)) if !is_earlier => format!(
            "is compensable and runs beside the pivot `{0}`, which may succeed while it fails: let \
             `{0}` be after it",
            pivot.name
        ),
        (StepKind::Retriable, Some(pivot)) if !is_later => format!(
            "is retriable and does not come after the pivot `{0}`, so the saga might have to undo it: \
             let it be after `{0}`, or make it compensable",
            pivot.name
        ),
        (StepKind::Retriable, None) => {
            "is retriable and there is no pivot for it to come after: make \
                                        it compensable, or make the step that decides the pivot"
                .to_owned()
        }
        (StepKind::Compensable | StepKind::Retriable | StepKind::Pivot, _) => return Ok(()),
    };
    Err(format!("step `{name}` {problem}"))
}

fn reversed(before: &[u64]) -> Vec<u64> {
    let mut behind = vec![0u64; before.len()];
    for (place, set) in before.iter().enumerate() {
        for earlier in places(*set) {
            behind[earlier] |= bit(place);
        }
    }
    behind
}

fn reach(edges: &[u64], from: usize) -> u64 {
    let mut reached = 0;
    let mut open = edges[from];
    while open != 0 {
        let next = open.trailing_zeros() as usize;
        reached |= bit(next);
        open = (open | edges[next]) & !reached;
    }
    reached
}

fn full(len: usize) -> u64 {
    (0..len).fold(0, |set, place| set | bit(place))
}

fn places(set: u64) -> impl Iterator<Item = usize> {
    (0..STEPS_MAX).filter(move |place| set & bit(*place) != 0)
}
