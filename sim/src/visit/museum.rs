//! What visits write to. It refuses nothing that it was not told to refuse, and counts whatever it is asked:
//! all that keeps a call from counting twice is the barrier.

use serde::{Deserialize, Serialize};

use sagaline::domain::Aggregate;

use super::Given;

/// A museum and those in it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Museum {
    /// How often something was done, less how often it was undone.
    pub(super) guests: u64,
}

/// What is asked of it.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// To do what a key stands for.
    Enter { key: String, refuses: bool, given: Given },
    /// To undo it.
    Leave { of: String, given: Given },
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum MuseumEvent {
    /// It was done.
    GuestEntered { key: String, guests: u64, given: Given },
    /// It was undone.
    GuestLeft { of: String, guests: u64, given: Given },
}

/// A business no.
#[derive(Debug)]
pub(super) struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is this saga's lot")
    }
}

impl std::error::Error for Full {}

impl Aggregate for Museum {
    const CATEGORY: &'static str = "museum";
    type Command = Ask;
    type Event = MuseumEvent;
    type Refusal = Full;

    fn decide(&self, ask: Ask) -> Result<Vec<MuseumEvent>, Full> {
        match ask {
            Ask::Enter { refuses: true, .. } => Err(Full),
            Ask::Enter { key, given, .. } => {
                let guests = self.guests + 1;
                Ok(vec![MuseumEvent::GuestEntered { key, guests, given }])
            }
            Ask::Leave { of, given } => {
                let guests = self.guests.saturating_sub(1);
                Ok(vec![MuseumEvent::GuestLeft { of, guests, given }])
            }
        }
    }

    fn evolve(&mut self, event: &MuseumEvent) {
        let (MuseumEvent::GuestEntered { guests, .. } | MuseumEvent::GuestLeft { guests, .. }) =
            event;
        self.guests = *guests;
    }
}
