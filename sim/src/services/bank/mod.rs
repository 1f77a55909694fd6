//! The machine `bank`: the payment gateway, and whatever else the sagas call, over HTTP, with an
//! append-only ledger on its disk. Written independently of the product's own gateway: the ledger it
//! leaves in the [`Witness`] is what the money is judged by.

mod book;
mod desk;
mod http;
mod line;
mod remotes;
mod teller;
mod token;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sagaline_storage::Clock;

use super::dice::Dice;
use super::power::Power;
use super::witness::Witness;
use crate::fate::Fate;
use crate::machine::Machine;
use crate::remotes::Model;
use crate::world::World;
use desk::Desk;
use remotes::Remotes;
use teller::Teller;
use token::Tries;

/// Between two attempts to read a disk that does not serve.
const OPEN_PAUSE: Duration = Duration::from_millis(200);

/// What a participant says to an action: the JSON of its yes, or the code and the reason of its no.
pub type Verdict = Result<String, (String, String)>;

/// Says yes or no to the body of an action.
type Judge = Arc<dyn Fn(&str) -> Verdict + Send + Sync>;

/// Participants beside the payments, by the name they are called under. The bank keeps the barrier for
/// them; they only say yes or no to what is asked for.
#[derive(Clone, Default)]
pub struct Participants {
    judges: BTreeMap<String, Judge>,
    remotes: Remotes,
}

impl fmt::Debug for Participants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.judges.keys()).entries(self.remotes.names()).finish()
    }
}

impl Participants {
    /// One more, called at `POST /{name}` and undone at `POST /{name}/undo`; `judge` is given the body.
    #[must_use]
    pub fn with(
        mut self,
        name: impl Into<String>,
        judge: impl Fn(&str) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        self.judges.insert(name.into(), Arc::new(judge));
        self
    }

    /// Services that are called by their own host names and keep their own rules, and what single sagas
    /// meet there on purpose, by their correlation ids.
    #[must_use]
    pub fn remotes(
        self,
        models: impl IntoIterator<Item = (String, Box<dyn Model>)>,
        fates: BTreeMap<String, Fate>,
    ) -> Self {
        Self { remotes: Remotes::new(models, fates), ..self }
    }

    fn judge(&self, path: &str, body: &str) -> Verdict {
        let name = path.strip_suffix("/undo").unwrap_or(path);
        let unknown = || Err(("UNKNOWN_PARTICIPANT".to_owned(), name.to_owned()));
        self.judges.get(name).map_or_else(unknown, |judge| judge(body))
    }
}

/// Switches the bank on.
pub(super) fn switch_on(
    world: &World,
    witness: &Witness,
    power: &Power,
    participants: &Participants,
) {
    for name in participants.remotes.names() {
        world.network.call(name, Machine::Bank.address());
    }
    let given = (witness.clone(), power.clone(), participants.clone());
    world.machine(Machine::Bank, move |world| {
        let (witness, power, participants) = given.clone();
        Box::pin(run(world, witness, power, participants))
    });
}

async fn run(world: World, witness: Witness, power: Power, participants: Participants) {
    let (clock, dice) = (world.clock(Machine::Bank), Dice(world.entropy(Machine::Bank)));
    let disk = world.disk(Machine::Bank);
    let desk = loop {
        match Desk::open(world.clone(), witness.clone(), disk.clone()).await {
            Ok(desk) => break desk,
            Err(_) => clock.sleep(OPEN_PAUSE).await,
        }
    };
    let listener = world.network.listen(Machine::Bank, Machine::Bank.address().port());
    let listener = listener.expect("nothing else listens on this machine");
    let desk = Arc::new(tokio::sync::Mutex::new(desk));
    let tries = Arc::new(Mutex::new(Tries::default()));
    let teller = Teller { world, witness, power, clock, dice, participants, desk, tries };
    http::serve(listener, teller).await;
}
