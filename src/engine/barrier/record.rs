//! What a participant remembers of one step of one saga.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canary::planted;
use crate::domain::Aggregate;

/// The first answer to an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Answer {
    /// It was done.
    Done {
        /// What was answered.
        value: Value,
    },
    /// It was not done and never will be.
    Rejected {
        /// What was answered.
        reason: String,
    },
}

/// The record of one step of one saga at one participant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Barrier {
    /// The newest epoch seen.
    pub epoch: u64,
    /// The first answer to the action.
    pub answer: Option<Answer>,
    /// Undone, or never to happen.
    pub undone: bool,
}

/// What is recorded. Ask [`Barrier::admit_action`] or [`Barrier::admit_undo`] first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BarrierCommand {
    /// The action has this answer.
    Answer {
        /// The caller's epoch.
        epoch: u64,
        /// The answer.
        answer: Answer,
    },
    /// It is undone, or will never happen.
    Undo {
        /// The caller's epoch.
        epoch: u64,
    },
    /// The action is asked for again, and what was recorded stands.
    Repeat {
        /// The caller's epoch.
        epoch: u64,
    },
}

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum BarrierEvent {
    /// The action was answered for the first time.
    ActionAnswered {
        /// The caller's epoch.
        epoch: u64,
        /// The answer.
        answer: Answer,
    },
    /// The undo was done, or found nothing to do.
    ActionUndone {
        /// The caller's epoch.
        epoch: u64,
    },
    /// A newer owner of the saga repeated what was recorded: a former one is fenced from here on.
    EpochRaised {
        /// The caller's epoch.
        epoch: u64,
    },
}

/// Why a call is not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BarrierRefusal {
    /// A former owner of the saga is still talking.
    #[error("epoch {presented} was presented, {current} has been seen")]
    OlderEpoch {
        /// The caller's.
        presented: u64,
        /// The newest seen.
        current: u64,
    },
    /// The undo was here before the action.
    #[error("the action was undone before it came")]
    Undone,
}

impl Barrier {
    /// `None`: go ahead. Otherwise the first answer, again.
    pub fn admit_action(&self, epoch: u64) -> Result<Option<Answer>, BarrierRefusal> {
        self.fence(epoch)?;
        if self.undone {
            return Err(BarrierRefusal::Undone);
        }
        Ok(self.answer.clone())
    }

    /// True: there is something to undo.
    pub fn admit_undo(&self, epoch: u64) -> Result<bool, BarrierRefusal> {
        self.fence(epoch)?;
        Ok(!self.undone && matches!(self.answer, Some(Answer::Done { .. })))
    }

    /// What a repetition leaves behind: nothing, unless it comes from a newer owner.
    fn raised(&self, epoch: u64) -> Vec<BarrierEvent> {
        let newer = epoch > self.epoch;
        newer.then_some(BarrierEvent::EpochRaised { epoch }).into_iter().collect()
    }

    fn fence(&self, presented: u64) -> Result<(), BarrierRefusal> {
        let current = self.epoch;
        if presented < current && !planted("barrier-without-fencing") {
            return Err(BarrierRefusal::OlderEpoch { presented, current });
        }
        Ok(())
    }
}

impl Aggregate for Barrier {
    const CATEGORY: &'static str = "barrier";
    type Command = BarrierCommand;
    type Event = BarrierEvent;
    type Refusal = BarrierRefusal;

    fn decide(&self, command: BarrierCommand) -> Result<Vec<BarrierEvent>, BarrierRefusal> {
        match command {
            BarrierCommand::Answer { epoch, answer } => Ok(match self.admit_action(epoch)? {
                Some(_) => self.raised(epoch),
                None => vec![BarrierEvent::ActionAnswered { epoch, answer }],
            }),
            BarrierCommand::Undo { epoch } => {
                self.fence(epoch)?;
                if self.undone {
                    return Ok(self.raised(epoch));
                }
                let forgets = self.answer.is_none() && planted("no-barrier-tombstone");
                Ok((!forgets).then_some(BarrierEvent::ActionUndone { epoch }).into_iter().collect())
            }
            BarrierCommand::Repeat { epoch } => {
                self.fence(epoch)?;
                Ok(self.raised(epoch))
            }
        }
    }

    fn evolve(&mut self, event: &BarrierEvent) {
        match event {
            BarrierEvent::ActionAnswered { epoch, answer } => {
                self.epoch = *epoch;
                self.answer = Some(answer.clone());
            }
            BarrierEvent::ActionUndone { epoch } => {
                self.epoch = *epoch;
                self.undone = true;
            }
            BarrierEvent::EpochRaised { epoch } => self.epoch = *epoch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(commands: &[BarrierCommand]) -> Barrier {
        let mut barrier = Barrier::default();
        for command in commands {
            for event in barrier.decide(command.clone()).unwrap() {
                barrier.evolve(&event);
            }
        }
        barrier
    }

    fn done(epoch: u64) -> BarrierCommand {
        BarrierCommand::Answer { epoch, answer: Answer::Done { value: Value::from(epoch) } }
    }

    #[test]
    fn the_first_answer_stands() {
        let barrier = after(&[done(1), done(2)]);
        assert_eq!(barrier.admit_action(3), Ok(Some(Answer::Done { value: Value::from(1) })));
    }

    #[test]
    fn a_no_is_an_answer_too() {
        let no = Answer::Rejected { reason: "no".to_owned() };
        let barrier = after(&[BarrierCommand::Answer { epoch: 1, answer: no.clone() }]);
        assert_eq!(barrier.admit_action(1), Ok(Some(no)));
        assert_eq!(barrier.admit_undo(1), Ok(false));
    }

    #[test]
    fn an_undo_before_its_action_leaves_a_tombstone() {
        let barrier = after(&[BarrierCommand::Undo { epoch: 1 }]);
        assert_eq!(barrier.admit_action(1), Err(BarrierRefusal::Undone));
    }

    #[test]
    fn an_undo_is_done_once() {
        assert_eq!(after(&[done(1)]).admit_undo(1), Ok(true));
        assert_eq!(after(&[done(1), BarrierCommand::Undo { epoch: 1 }]).admit_undo(1), Ok(false));
    }

    #[test]
    fn a_repetition_under_a_newer_epoch_fences_the_former_owner() {
        let older = Err(BarrierRefusal::OlderEpoch { presented: 1, current: 2 });
        let undo = |epoch| BarrierCommand::Undo { epoch };
        let repeated = [
            after(&[done(1), BarrierCommand::Repeat { epoch: 2 }]),
            after(&[done(1), done(2)]),
            after(&[done(1), undo(1), undo(2)]),
        ];
        for barrier in repeated {
            assert_eq!(barrier.admit_undo(1), older);
        }
        let barrier = after(&[done(2)]);
        assert_eq!(barrier.decide(BarrierCommand::Repeat { epoch: 2 }), Ok(Vec::new()));
    }

    #[test]
    fn an_older_epoch_is_refused_in_both_directions() {
        let barrier = after(&[done(5)]);
        let refusal = BarrierRefusal::OlderEpoch { presented: 4, current: 5 };
        assert_eq!(barrier.admit_action(4), Err(refusal.clone()));
        assert_eq!(barrier.admit_undo(4), Err(refusal));
    }
}
