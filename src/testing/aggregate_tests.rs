//! The kit for aggregates says what is wrong.

use std::panic::catch_unwind;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Lamp {
    on: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum LampEvent {
    SwitchedOn {
        by: String,
    },
    SwitchedOff {},
    /// Can be written and not be read.
    #[serde(skip_deserializing)]
    Broken {},
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("it is on")]
struct On;

#[derive(Debug)]
enum LampCommand {
    On,
    Off,
}

impl Aggregate for Lamp {
    const CATEGORY: &'static str = "lamp";
    type Command = LampCommand;
    type Event = LampEvent;
    type Refusal = On;

    fn decide(&self, command: LampCommand) -> Result<Vec<LampEvent>, On> {
        match command {
            LampCommand::On if self.on => Err(On),
            LampCommand::On => Ok(vec![LampEvent::SwitchedOn { by: "ada".to_owned() }]),
            LampCommand::Off if self.on => Ok(vec![LampEvent::SwitchedOff {}]),
            LampCommand::Off => Ok(Vec::new()),
        }
    }

    fn evolve(&mut self, event: &LampEvent) {
        self.on = matches!(event, LampEvent::SwitchedOn { .. });
    }

    fn claims(&self, event: &LampEvent) -> Vec<ClaimIntent> {
        let (kind, key) = ("light".to_owned(), "hall".to_owned());
        match event {
            LampEvent::SwitchedOn { .. } => vec![ClaimIntent::Take { kind, key }],
            LampEvent::SwitchedOff {} | LampEvent::Broken {} => {
                vec![ClaimIntent::Release { kind, key }]
            }
        }
    }
}

fn on() -> LampEvent {
    LampEvent::SwitchedOn { by: "ada".to_owned() }
}

fn words(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(test).unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap()
}

#[test]
fn a_past_leads_to_events_refusals_and_claims() {
    let lit = given::<Lamp>([]).when(LampCommand::On).then([on()]);
    assert_eq!(lit.claims(), ["light/hall"]);
    let lit =
        lit.when(LampCommand::On).refused(On).when(LampCommand::On).refused_saying("it is on");
    let dark = lit.when(LampCommand::Off).then([LampEvent::SwitchedOff {}]);
    assert!(dark.claims().is_empty() && !dark.state().on);
    dark.when(LampCommand::Off).then([]);
}

#[test]
fn a_difference_is_shown_on_both_sides() {
    let said = words(|| drop(given::<Lamp>([on()]).when(LampCommand::Off).then([on()])));
    assert_eq!(
        said,
        "lamp with a past of 1 event(s) decides otherwise\n  wanted:\n    SwitchedOn { by: \"ada\" }\n  \
         decided:\n    SwitchedOff"
    );
    let said = words(|| drop(given::<Lamp>([on()]).when(LampCommand::On).then([])));
    assert_eq!(
        said,
        "lamp with a past of 1 event(s) decides otherwise\n  wanted:\n    nothing\n  decided:\n    \
         refused: it is on"
    );
    let said = words(|| drop(given::<Lamp>([]).when(LampCommand::Off).refused(On)));
    assert!(said.ends_with("wanted:\n    refused: it is on\n  decided:\n    nothing"), "{said}");
}

#[test]
fn an_event_that_cannot_be_stored_is_found() {
    let said = words(|| drop(given::<Lamp>([LampEvent::Broken {}])));
    assert!(said.starts_with("an event of lamp cannot be stored"), "{said}");
}
