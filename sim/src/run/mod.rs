//! One run of a plan, from an empty world to a verdict: set-up, chaos, healing, what must come to rest
//! within a bound, switching everything off in good order, and the judgement of what was seen.

pub mod report;

#[cfg(madsim)]
mod liveness;
#[cfg(madsim)]
pub mod phases;

pub use report::Report;

/// Runs a plan in a world of its own, on a thread of its own. Panics where the harness does; what panics
/// on a machine of the world is evidence.
#[cfg(madsim)]
pub fn run(plan: &crate::plan::Plan) -> crate::evidence::Evidence {
    let plan = plan.clone();
    crate::once::run(plan.seed.0, move || phases::run(plan))
}
