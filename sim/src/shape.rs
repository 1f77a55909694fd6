//! What a saga's definition looks like, as plans and oracles have it: names, kinds and order of its steps.
//! The log of a saga only numbers its steps; by this they have names.

use sagaline::saga::{Definition, StepKind as Of};
use serde::{Deserialize, Serialize};

/// A saga's steps, by their place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SagaShape {
    /// The definition's name.
    pub name: String,
    /// Its steps.
    pub steps: Vec<StepShape>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepShape {
    /// Its name.
    pub name: String,
    /// Whether it can be undone, decides, or only goes forward.
    pub kind: StepKind,
    /// The steps it comes directly after.
    pub after: Vec<String>,
    /// How often it is tried to be done, before a person is asked.
    pub attempts: u32,
    /// How often it is tried to be undone, before a person is asked.
    pub undo_attempts: u32,
    /// What else its policy says; none: that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyShape>,
}

/// When a step is tried again, and until when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyShape {
    /// The longest first pause, in milliseconds. It doubles with each attempt.
    pub pause_min_ms: u64,
    /// No pause is longer.
    pub pause_max_ms: u64,
    /// How long the step may take with all its attempts, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Codes of noes behind which it is asked again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked_again: Vec<String>,
}

/// What a step is in its saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// It can be undone.
    Compensable,
    /// It decides.
    Pivot,
    /// It comes behind the one that decides.
    Retriable,
}

impl SagaShape {
    /// The shape of a definition.
    pub fn of(definition: &Definition) -> Self {
        let step = |step: &sagaline::saga::StepSpec| StepShape {
            name: step.name.to_string(),
            kind: match step.kind {
                Of::Compensable => StepKind::Compensable,
                Of::Pivot => StepKind::Pivot,
                Of::Retriable => StepKind::Retriable,
            },
            after: step.after.iter().map(ToString::to_string).collect(),
            attempts: step.policy.attempts,
            undo_attempts: step.policy.compensation_attempts,
            policy: Some(PolicyShape {
                pause_min_ms: step.policy.backoff_min_ms,
                pause_max_ms: step.policy.backoff_max_ms,
                deadline_ms: step.policy.deadline_ms,
                asked_again: step.policy.retried_rejections.clone(),
            }),
        };
        let steps = definition.steps().iter().map(step).collect();
        Self { name: definition.name().to_string(), steps }
    }

    /// The step of this name.
    pub fn step(&self, name: &str) -> Option<&StepShape> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The steps that can be undone.
    pub fn compensable(&self) -> impl Iterator<Item = &StepShape> {
        self.steps.iter().filter(|step| step.kind == StepKind::Compensable)
    }

    /// The steps whose no sends the saga back.
    pub fn deciding(&self) -> impl Iterator<Item = &StepShape> {
        self.steps.iter().filter(|step| step.kind != StepKind::Retriable)
    }

    /// Whether `step` comes after `earlier`, directly or by way of others.
    pub fn comes_after(&self, step: &str, earlier: &str) -> bool {
        let mut seen: Vec<&str> = Vec::new();
        let mut open = vec![step];
        while let Some(name) = open.pop() {
            for before in self.step(name).into_iter().flat_map(|step| &step.after) {
                if before == earlier {
                    return true;
                }
                if !seen.contains(&before.as_str()) {
                    seen.push(before);
                    open.push(before);
                }
            }
        }
        false
    }

    /// A step whose no sends the saga back when `step` is done already: the last of those behind it.
    pub fn last_no_behind(&self, step: &str) -> Option<&StepShape> {
        let behind = |other: &&StepShape| self.comes_after(&other.name, step);
        self.deciding().filter(behind).last()
    }
}

impl StepShape {
    /// How long it may take with all its attempts, in microseconds, when it has a deadline of its own.
    pub fn term_us(&self) -> Option<u64> {
        self.policy.as_ref()?.deadline_ms.map(|ms| ms.saturating_mul(1_000))
    }
}

impl PolicyShape {
    /// The longest pause before an attempt (2 is the first repetition), in microseconds.
    pub fn longest_pause_us(&self, attempt: u64) -> u64 {
        let doublings = attempt.saturating_sub(2).min(32);
        let longest_ms = self.pause_min_ms.saturating_mul(1_u64 << doublings);
        longest_ms.min(self.pause_max_ms.max(self.pause_min_ms)).saturating_mul(1_000)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two steps side by side, one that decides after both, one behind it.
    pub(crate) fn trip() -> SagaShape {
        let step = |name: &str, kind, after: &[&str]| StepShape {
            name: name.to_owned(),
            kind,
            after: after.iter().map(|name| (*name).to_owned()).collect(),
            attempts: 8,
            undo_attempts: 12,
            policy: None,
        };
        let steps = vec![
            step("hotel", StepKind::Compensable, &[]),
            step("flight", StepKind::Compensable, &[]),
            step("charge", StepKind::Pivot, &["hotel", "flight"]),
            step("mail", StepKind::Retriable, &["charge"]),
        ];
        SagaShape { name: "trip".to_owned(), steps }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = PolicyShape { pause_min_ms: 40, pause_max_ms: 100, ..PolicyShape::default() };
        let longest = [1, 2, 3, 4, 99].map(|attempt| policy.longest_pause_us(attempt));
        assert_eq!(longest, [40_000, 40_000, 80_000, 100_000, 100_000]);
    }

    #[test]
    fn a_step_on_file_that_says_nothing_of_its_policy_is_read_and_written_alike() {
        let step = trip().steps.remove(0);
        let text = serde_json::to_string(&step).expect("plain data");
        assert!(!text.contains("policy"), "{text}");
        assert_eq!(serde_json::from_str::<StepShape>(&text).expect("what was written"), step);
    }

    #[test]
    fn after_goes_by_way_of_others() {
        let trip = trip();
        assert!(trip.comes_after("mail", "hotel") && trip.comes_after("charge", "flight"));
        assert!(!trip.comes_after("hotel", "flight") && !trip.comes_after("hotel", "mail"));
        assert!(!trip.comes_after("hotel", "hotel"));
        assert_eq!(trip.last_no_behind("hotel").map(|step| &*step.name), Some("charge"));
        assert_eq!(trip.last_no_behind("charge"), None);
    }
}
