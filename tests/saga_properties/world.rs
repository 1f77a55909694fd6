//! Participants with a barrier and a ledger: an undo that comes before its action leaves a tombstone, a
//! double gets the first answer.

use sagaline::saga::{Definition, Json, Outcome, Probe, StepDirection, StepIndex, StepKind};

use crate::tape::Tape;

/// What a pivot does when it is told to make sure that it never happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Revocation {
    /// Refuses when it has happened, else leaves a tombstone.
    Tombstone,
    /// Takes back what has happened.
    Refund,
    /// Refuses always.
    None,
}

#[derive(Debug, Clone, Default)]
struct Participant {
    /// Every final answer to the action, given again to a double.
    answer: Option<Outcome>,
    undo_answer: Option<Outcome>,
    /// Effects that stand.
    stands: i32,
    /// What it says when it is asked for the first time.
    says_no: bool,
    has_probe: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    participants: Vec<Participant>,
    revocation: Revocation,
    pivot: Option<StepIndex>,
}

impl World {
    pub(crate) fn new(definition: &Definition, tape: &mut Tape) -> Self {
        let revocation =
            [Revocation::Tombstone, Revocation::Refund, Revocation::None][tape.or_zero(3)];
        let participants = definition.steps().iter().map(|step| Participant {
            says_no: step.kind != StepKind::Retriable && tape.one_in(6),
            has_probe: tape.one_in(2),
            ..Participant::default()
        });
        let participants = participants.collect();
        Self { participants, revocation, pivot: definition.pivot() }
    }

    /// A world in which everything works.
    pub(crate) fn willing(definition: &Definition, seed: usize) -> Self {
        let mut world = Self::new(definition, &mut Tape::empty());
        world.revocation = [Revocation::Tombstone, Revocation::Refund, Revocation::None][seed % 3];
        for participant in &mut world.participants {
            participant.has_probe = seed & 1 == 0;
        }
        world
    }

    /// A request arrives: what the participant does and answers.
    pub(crate) fn arrives(&mut self, step: StepIndex, direction: StepDirection) -> Outcome {
        let revocation = (self.pivot == Some(step)).then_some(self.revocation);
        let participant = &mut self.participants[step.0 as usize];
        match direction {
            StepDirection::Action => participant.act(),
            StepDirection::Compensation => participant.undo(revocation),
        }
    }

    pub(crate) fn probe(&self, step: StepIndex) -> Probe {
        let participant = &self.participants[step.0 as usize];
        match &participant.answer {
            _ if !participant.has_probe => Probe::CannotTell,
            Some(Outcome::Succeeded(result)) => Probe::Happened(result.clone()),
            Some(Outcome::Rejected { .. } | Outcome::Unknown { .. }) | None => Probe::DidNotHappen,
        }
    }

    pub(crate) fn stands(&self, step: StepIndex) -> i32 {
        self.participants[step.0 as usize].stands
    }
}

impl Participant {
    fn act(&mut self) -> Outcome {
        if let Some(first) = &self.answer {
            return first.clone();
        }
        let answer = if self.says_no {
            Outcome::Rejected { code: "NO".to_owned(), reason: "for a reason".to_owned() }
        } else {
            self.stands += 1;
            Outcome::Succeeded(Json::of(&"done").unwrap())
        };
        self.answer = Some(answer.clone());
        answer
    }

    fn undo(&mut self, revocation: Option<Revocation>) -> Outcome {
        if let Some(first) = &self.undo_answer {
            return first.clone();
        }
        let refused = match revocation {
            Some(Revocation::None) => true,
            Some(Revocation::Tombstone) => self.stands > 0,
            Some(Revocation::Refund) | None => false,
        };
        let answer = if refused {
            Outcome::Rejected { code: "STANDS".to_owned(), reason: "cannot revoke".to_owned() }
        } else {
            self.stands -= i32::from(self.stands > 0);
            // The tombstone: an action that comes later is refused.
            self.answer = Some(Outcome::Rejected {
                code: "UNDONE".to_owned(),
                reason: "it was undone before it came".to_owned(),
            });
            Outcome::Succeeded(Json::null())
        };
        self.undo_answer = Some(answer.clone());
        answer
    }
}
