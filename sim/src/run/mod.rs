//! One run of a plan, from an empty world to a verdict: set-up, chaos, healing, what must come to rest
//! within a bound, switching everything off in good order, and the judgement of what was seen.

pub mod report;

#[cfg(madsim)]
mod confessions;
#[cfg(madsim)]
mod inspection;
#[cfg(madsim)]
mod liveness;
#[cfg(madsim)]
mod parked;
#[cfg(madsim)]
pub mod phases;

pub use report::Report;

/// Simulated time after which a run that has not ended is stuck, and panics.
#[cfg(madsim)]
const TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(7_200);

/// What a user brings into the world.
#[cfg(madsim)]
#[derive(Default)]
pub struct Guest {
    /// Their sagas and read models.
    pub additions: crate::node::Additions,
    /// The services that their sagas call.
    pub participants: crate::services::Participants,
}

#[cfg(madsim)]
impl Guest {
    /// What a drawn plan has beside the reference application.
    pub fn of(plan: &crate::plan::Plan) -> Self {
        let Some(trip) = plan.sagas.iter().find(|saga| saga.name == crate::trip::TRIP) else {
            return Self::default();
        };
        let policies = crate::trip::Policies::of(trip);
        let participants = crate::services::Participants::default();
        let additions = match plan.sagas.iter().any(|saga| saga.name == crate::visit::VISIT) {
            true => crate::node::Additions::new(move |node| {
                Ok(crate::trip::app(node, policies)?.saga(&crate::visit::visit()?))
            })
            .with_visits(crate::visit::desk::Lots::of(plan)),
            false => crate::node::Additions::new(move |node| crate::trip::app(node, policies)),
        };
        Self {
            additions: additions.with_statement(),
            participants: participants.remotes(crate::trip::services(), plan.fates()),
        }
    }
}

/// Runs a plan in a world of its own, on a thread of its own. None: the harness panicked, and has said so;
/// what panics on a machine of the world is evidence.
#[cfg(madsim)]
pub fn run(plan: &crate::plan::Plan) -> Option<crate::evidence::Evidence> {
    run_with(plan, Guest::of(plan))
}

/// The same, with a user's sagas beside those of the reference application.
#[cfg(madsim)]
pub fn run_with(plan: &crate::plan::Plan, guest: Guest) -> Option<crate::evidence::Evidence> {
    let plan = plan.clone();
    let world = move || {
        let config = madsim::Config::default();
        let mut runtime = madsim::runtime::Runtime::with_seed_and_config(plan.seed.0, config);
        runtime.set_time_limit(TIME_LIMIT);
        runtime.block_on(phases::run(plan, guest))
    };
    let thread = std::thread::Builder::new().name("world".to_owned()).spawn(world);
    thread.expect("the system has a thread left").join().ok()
}
