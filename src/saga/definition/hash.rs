//! The hash of a definition: BLAKE3 over a canonical encoding. It is stored in every saga, so this
//! encoding never changes: a new field of a definition gets a new version below.

use std::sync::Arc;

use super::{StepKind, StepSpec};
use crate::saga::policy::Policy;

const VERSION: &[u8] = b"sagaline definition 1";

/// Every text with its length in front, every number as 8 bytes little-endian, every list with its
/// length in front, every option as 0 or 1 and its value: no two definitions have the same bytes.
pub(super) fn hash(name: &str, steps: &[StepSpec], deadline_ms: Option<u64>) -> Arc<str> {
    let mut canonical = Canonical(blake3::Hasher::new());
    canonical.0.update(VERSION);
    canonical.text(name);
    canonical.count(steps.len());
    for step in steps {
        canonical.step(step);
    }
    canonical.optional(deadline_ms);
    Arc::from(canonical.0.finalize().to_hex().as_str())
}

struct Canonical(blake3::Hasher);

impl Canonical {
    fn step(&mut self, step: &StepSpec) {
        self.text(&step.name);
        self.number(match step.kind {
            StepKind::Compensable => 1,
            StepKind::Pivot => 2,
            StepKind::Retriable => 3,
        });
        self.names(step.after.iter().map(|name| &**name).collect());
        self.policy(&step.policy);
    }

    fn policy(&mut self, policy: &Policy) {
        let Policy {
            attempts,
            compensation_attempts,
            backoff_min_ms,
            backoff_max_ms,
            attempt_timeout_ms,
            deadline_ms,
            retried_rejections,
        } = policy;
        self.number(u64::from(*attempts));
        self.number(u64::from(*compensation_attempts));
        self.number(*backoff_min_ms);
        self.number(*backoff_max_ms);
        self.number(*attempt_timeout_ms);
        self.optional(*deadline_ms);
        self.names(retried_rejections.iter().map(String::as_str).collect());
    }

    /// A set of names: their order means nothing.
    fn names(&mut self, mut names: Vec<&str>) {
        names.sort_unstable();
        self.count(names.len());
        for name in names {
            self.text(name);
        }
    }

    fn optional(&mut self, value: Option<u64>) {
        self.number(u64::from(value.is_some()));
        self.number(value.unwrap_or(0));
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text.as_bytes());
    }

    fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }
}
