//! A service that keeps the product's own barrier, as a user's participant does: whatever it is asked it asks
//! its [`Barrier`] first, and writes down what that says.

use std::collections::BTreeMap;

use sagaline::domain::Aggregate;
use sagaline::engine::barrier::{Answer, Barrier, BarrierCommand, BarrierRefusal, CallKey};
use serde_json::{Value, json};

use super::{Effect, Model, Reply, Request};

/// Actions come as POST to `/book`, undos as POST to `/cancel` with the action's key in `of`, and whether an
/// action happened is asked below `/calls`.
pub struct Guarded {
    answers: fn(u64) -> Value,
    /// By step, as the barrier names them.
    records: BTreeMap<String, Barrier>,
    bookings: u64,
}

impl Guarded {
    /// Says yes to everything that its barrier lets through; `answers` is what a yes says, by its number.
    pub fn new(answers: fn(u64) -> Value) -> Self {
        Self { answers, records: BTreeMap::new(), bookings: 0 }
    }

    fn record(&mut self, key: &str) -> Option<&mut Barrier> {
        let call = CallKey::parse(key)?;
        Some(self.records.entry(format!("{call:?}")).or_default())
    }

    fn act(&mut self, key: String, epoch: u64) -> Reply {
        let (value, number) = ((self.answers)(self.bookings + 1), self.bookings + 1);
        let Some(record) = self.record(&key) else { return no_key(&key) };
        let known = record.admit_action(epoch).and_then(|known| {
            // A newer owner that repeats is remembered too.
            let repeats = if known.is_some() {
                keep(record, BarrierCommand::Repeat { epoch })
            } else {
                Ok(())
            };
            repeats.map(|()| known)
        });
        match known {
            Err(refusal) => refused(&refusal, key),
            Ok(Some(Answer::Done { value })) => Reply::ok(value).having(Effect::Repeated { key }),
            Ok(Some(Answer::Rejected { reason })) => {
                Reply::no(422, "NO", &reason).having(Effect::Repeated { key })
            }
            Ok(None) => {
                let answer = Answer::Done { value: value.clone() };
                if let Err(refusal) = keep(record, BarrierCommand::Answer { epoch, answer }) {
                    return refused(&refusal, key);
                }
                self.bookings = number;
                Reply::ok(value).having(Effect::Done { key })
            }
        }
    }

    fn undo(&mut self, of: String, epoch: u64) -> Reply {
        let Some(record) = self.record(&of) else { return no_key(&of) };
        let is_over = record.undone;
        let happened = match record.admit_undo(epoch) {
            Ok(happened) => happened,
            Err(refusal) => return refused(&refusal, of),
        };
        if let Err(refusal) = keep(record, BarrierCommand::Undo { epoch }) {
            return refused(&refusal, of);
        }
        let effect = match (happened, is_over) {
            (true, _) => Effect::Undone { of },
            (false, true) => Effect::Repeated { key: of },
            (false, false) => Effect::Tombstone { of },
        };
        Reply::ok(json!({ "reference": "undone" })).having(effect)
    }

    fn probe(&mut self, key: String) -> Reply {
        let record = self.record(&key).map(|record| (record.undone, record.answer.clone()));
        let effect = Effect::Probed { key };
        match record {
            Some((false, Some(Answer::Done { value }))) => Reply::ok(value).having(effect),
            _ => Reply::no(404, "NOT_FOUND", "nothing stands under this key").having(effect),
        }
    }
}

impl Model for Guarded {
    fn answer(&mut self, request: &Request) -> Reply {
        let probed = request.path.strip_prefix("/calls/").map(str::to_owned);
        let (key, epoch) = (request.key.clone().unwrap_or_default(), request.epoch.unwrap_or(0));
        match (request.method.as_str(), probed, request.path.as_str()) {
            ("GET", Some(key), _) => self.probe(key),
            ("POST", _, "/book") => self.act(key, epoch),
            ("POST", _, "/cancel") => {
                self.undo(request.body["of"].as_str().unwrap_or_default().to_owned(), epoch)
            }
            _ => Reply::no(404, "WRONG_REQUEST", "the service has no such address"),
        }
    }
}

/// What the barrier decides is what is known from now on.
fn keep(record: &mut Barrier, command: BarrierCommand) -> Result<(), BarrierRefusal> {
    let events = record.decide(command)?;
    events.iter().for_each(|event| record.evolve(event));
    Ok(())
}

fn refused(refusal: &BarrierRefusal, key: String) -> Reply {
    let (status, code) = match refusal {
        BarrierRefusal::OlderEpoch { .. } => (421, "OLDER_EPOCH"),
        BarrierRefusal::Undone => (409, "UNDONE"),
    };
    Reply::no(status, code, &refusal.to_string()).having(Effect::Refused { key })
}

fn no_key(key: &str) -> Reply {
    let effect = Effect::Wrong {
        what: "a call without a key of its step".to_owned(),
        detail: key.to_owned(),
    };
    Reply::no(400, "WRONG_REQUEST", "wants the key of a step").having(effect)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(service: &mut Guarded, path: &str, epoch: u64) -> Option<Effect> {
        let key = "01930000-0000-7000-8000-00000000a001/seat/action".to_owned();
        let request = Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            key: Some(key.clone()),
            epoch: Some(epoch),
            correlation: None,
            body: json!({ "of": key }),
        };
        service.answer(&request).effect
    }

    #[test]
    fn it_acts_once_undoes_once_and_refuses_what_comes_behind() {
        let mut service = Guarded::new(|number| json!(number));
        assert!(matches!(ask(&mut service, "/book", 1), Some(Effect::Done { .. })));
        assert!(matches!(ask(&mut service, "/book", 2), Some(Effect::Repeated { .. })));
        assert!(matches!(ask(&mut service, "/book", 1), Some(Effect::Refused { .. })));
        assert!(matches!(ask(&mut service, "/cancel", 1), Some(Effect::Refused { .. })));
        assert!(matches!(ask(&mut service, "/cancel", 2), Some(Effect::Undone { .. })));
        assert!(matches!(ask(&mut service, "/cancel", 2), Some(Effect::Repeated { .. })));
        assert!(matches!(ask(&mut service, "/book", 2), Some(Effect::Refused { .. })));
    }
}
