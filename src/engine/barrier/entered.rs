//! The barrier's rules over a row of a service's own database.

use serde_json::Value;

use super::super::outcome::{StatusMeaning, status_meaning};
use super::record::{Answer, Barrier, BarrierRefusal};

/// What [`ENTER`](super::protocol::ENTER) gives, by whatever driver: it says how the transaction goes on.
/// Behind [`BarrierRefusal::OlderEpoch`] it is rolled back, behind everything else committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// The newest epoch seen; the one presented is among them.
    pub epoch: i64,
    /// The first answer to the action, as [`ANSWER`](super::protocol::ANSWER) wrote it.
    pub answer: Option<Value>,
    /// Undone, or never to happen.
    pub undone: bool,
}

impl Entered {
    /// An action. `None`: go ahead, and write the answer with [`ANSWER`](super::protocol::ANSWER), a yes
    /// or a no. Otherwise the first answer, to be given again.
    pub fn action(&self, presented: u64) -> Result<Option<&Value>, BarrierRefusal> {
        let known = self.record().admit_action(presented)?;
        Ok(self.answer.as_ref().filter(|_| known.is_some()))
    }

    /// An undo. True: there is something to undo. Either way leave the tombstone with
    /// [`UNDO`](super::protocol::UNDO).
    pub fn undo(&self, presented: u64) -> Result<bool, BarrierRefusal> {
        self.record().admit_undo(presented)
    }

    fn record(&self) -> Barrier {
        Barrier {
            epoch: u64::try_from(self.epoch).unwrap_or_default(),
            answer: self.answer.as_ref().map(yes_or_no),
            undone: self.undone,
        }
    }
}

/// Only which of the two an answer is, by its status: the rules ask no more.
fn yes_or_no(answer: &Value) -> Answer {
    let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    match status.map(status_meaning) {
        Some(StatusMeaning::Rejected) => Answer::Rejected { reason: String::new() },
        _ => Answer::Done { value: Value::Null },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(status: u16) -> Entered {
        let answer = json!({ "status": status, "body": "room 4" });
        Entered { epoch: 2, answer: Some(answer), undone: false }
    }

    #[test]
    fn who_is_first_goes_ahead_and_has_nothing_to_undo() {
        let first = Entered { epoch: 2, answer: None, undone: false };
        assert_eq!(first.action(2), Ok(None));
        assert_eq!(first.undo(2), Ok(false));
    }

    #[test]
    fn the_first_answer_comes_again_as_it_was_written() {
        for status in [200, 409] {
            let entered = answered(status);
            assert_eq!(entered.action(2), Ok(entered.answer.as_ref()));
        }
    }

    #[test]
    fn what_was_done_is_undone_once_and_a_no_never() {
        assert_eq!(answered(201).undo(2), Ok(true));
        assert_eq!(answered(422).undo(2), Ok(false));
        assert_eq!(Entered { undone: true, ..answered(200) }.undo(2), Ok(false));
        let without_status = Entered { answer: Some(json!("room 4")), ..answered(200) };
        assert_eq!(without_status.undo(2), Ok(true));
    }

    #[test]
    fn the_epoch_is_looked_at_first_the_tombstone_second() {
        let undone = Entered { undone: true, ..answered(200) };
        let older = BarrierRefusal::OlderEpoch { presented: 1, current: 2 };
        assert_eq!(undone.action(1), Err(older.clone()));
        assert_eq!(undone.undo(1), Err(older));
        assert_eq!(undone.action(2), Err(BarrierRefusal::Undone));
    }
}
