//! A service as it should be: it acts once for each key, gives its first answer again, undoes what was
//! done, refuses what comes behind its undo, and tells whoever asks. The barrier's rules, written anew.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Effect, Model, Reply, Request, step_of};

/// Says no to an action: a code and words; or nothing.
type Declines = Box<dyn FnMut(&Request) -> Option<(String, String)> + Send>;
/// The body of a yes, from the request and the number of the booking.
type Answers = Box<dyn FnMut(&Request, u64) -> Value + Send>;

/// A service that keeps a ledger of what it did under which key.
///
/// ```
/// use sagaline_sim::remotes::Ledger;
///
/// let hotels = Ledger::at("/book").undone_at("/cancel", "of").asked_at("/calls");
/// let cards = Ledger::at("/charge")
///     .asked_at("/calls")
///     .declines(|request| (request.body["cents"].as_u64() > Some(90_000)).then(|| "TOO_MUCH".into()));
/// ```
pub struct Ledger {
    path: String,
    undo: Option<(String, String)>,
    probe: Option<String>,
    declines: Declines,
    answers: Answers,
    entries: BTreeMap<String, Entry>,
    epochs: BTreeMap<String, u64>,
    bookings: u64,
}

/// What is known of one action's key.
#[derive(Debug, Clone)]
enum Entry {
    /// It was answered, and stands if that was a yes.
    Answered(Reply),
    /// It was undone, or never will be done.
    Undone,
}

impl Ledger {
    /// Actions come as POST to this path, under their idempotency key.
    pub fn at(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            undo: None,
            probe: None,
            declines: Box::new(|_| None),
            answers: Box::new(|_, number| json!({ "reference": format!("number-{number}") })),
            entries: BTreeMap::new(),
            epochs: BTreeMap::new(),
            bookings: 0,
        }
    }

    /// Undos come as POST to this path; the field `of` of their body is the key of the action.
    #[must_use]
    pub fn undone_at(self, path: &str, of: &str) -> Self {
        Self { undo: Some((path.to_owned(), of.to_owned())), ..self }
    }

    /// Whether an action happened is asked with GET below this path: `/calls/{key}`.
    #[must_use]
    pub fn asked_at(self, path: &str) -> Self {
        Self { probe: Some(format!("{}/", path.trim_end_matches('/'))), ..self }
    }

    /// Says no to some actions, with a code: 422. Asked once for each key.
    #[must_use]
    pub fn declines(
        mut self,
        mut declines: impl FnMut(&Request) -> Option<String> + Send + 'static,
    ) -> Self {
        let said = "the service does not want it";
        self.declines = Box::new(move |it| declines(it).map(|code| (code, said.to_owned())));
        self
    }

    /// What a yes says; `{"reference": "number-7"}` unless said otherwise. Asked once for each key.
    #[must_use]
    pub fn answers(mut self, answers: impl FnMut(&Request, u64) -> Value + Send + 'static) -> Self {
        self.answers = Box::new(answers);
        self
    }

    fn act(&mut self, request: &Request) -> Reply {
        let Some(key) = request.key.clone() else {
            return wrong(400, "an action came without a key", &request.path);
        };
        if let Some(stale) = self.stale(request, &key) {
            return stale;
        }
        match self.entries.get(&key) {
            Some(Entry::Answered(first)) => first.clone().having(Effect::Repeated { key }),
            Some(Entry::Undone) => {
                Reply::no(409, "UNDONE", "it was undone before").having(Effect::Refused { key })
            }
            None => {
                let (reply, effect) = self.first(request, key.clone());
                self.entries.insert(key, Entry::Answered(reply.clone()));
                reply.having(effect)
            }
        }
    }

    fn first(&mut self, request: &Request, key: String) -> (Reply, Effect) {
        if let Some((code, words)) = (self.declines)(request) {
            return (Reply::no(422, &code, &words), Effect::Declined { key });
        }
        self.bookings += 1;
        (Reply::ok((self.answers)(request, self.bookings)), Effect::Done { key })
    }

    fn undo(&mut self, request: &Request, field: &str) -> Reply {
        let Some(of) = request.body[field].as_str().map(str::to_owned) else {
            return wrong(400, "an undo does not say what it undoes", &request.path);
        };
        if let Some(stale) = self.stale(request, &of) {
            return stale;
        }
        let effect = match self.entries.insert(of.clone(), Entry::Undone) {
            Some(Entry::Answered(reply)) if reply.status == 200 => Effect::Undone { of },
            Some(Entry::Undone) => Effect::Repeated { key: of },
            Some(Entry::Answered(_)) | None => Effect::Tombstone { of },
        };
        Reply::ok(json!({ "reference": "undone" })).having(effect)
    }

    fn probe(&self, key: &str) -> Reply {
        let effect = Effect::Probed { key: key.to_owned() };
        match self.entries.get(key) {
            Some(Entry::Answered(reply)) if reply.status == 200 => reply.clone().having(effect),
            Some(Entry::Answered(_) | Entry::Undone) | None => {
                Reply::no(404, "NOT_FOUND", "nothing happened under this key").having(effect)
            }
        }
    }

    /// The no to a former owner of the saga: an older epoch than was seen of this step.
    fn stale(&mut self, request: &Request, key: &str) -> Option<Reply> {
        let step = step_of(key).map(|(saga, step, _)| format!("{saga}/{step}"));
        let of = step.unwrap_or_else(|| key.to_owned());
        let seen = self.epochs.entry(of).or_default();
        let epoch = request.epoch.unwrap_or(*seen);
        if epoch < *seen {
            let effect = Effect::Refused { key: key.to_owned() };
            return Some(Reply::no(421, "OLDER_EPOCH", "a newer owner called").having(effect));
        }
        *seen = epoch;
        None
    }
}

impl Model for Ledger {
    fn answer(&mut self, request: &Request) -> Reply {
        let probed = self.probe.as_deref().and_then(|path| request.path.strip_prefix(path));
        match (request.method.as_str(), probed, self.undo.clone()) {
            ("GET", Some(key), _) => self.probe(key),
            ("POST", _, _) if request.path == self.path => self.act(request),
            ("POST", _, Some((path, field))) if request.path == path => self.undo(request, &field),
            _ => {
                let asked = format!("{} {}", request.method, request.path);
                wrong(404, "a service has no such address", &asked)
            }
        }
    }
}

/// A request that the saga's own code has got wrong.
fn wrong(status: u16, what: &str, detail: &str) -> Reply {
    let effect = Effect::Wrong { what: what.to_owned(), detail: detail.to_owned() };
    Reply::no(status, "WRONG_REQUEST", what).having(effect)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "s/hotel/action";

    fn hotels() -> Ledger {
        Ledger::at("/book").undone_at("/cancel", "of").asked_at("/calls")
    }

    fn post(path: &str, key: &str, epoch: u64, body: Value) -> Request {
        Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            key: Some(key.to_owned()),
            epoch: Some(epoch),
            correlation: None,
            body,
        }
    }

    fn book(epoch: u64) -> Request {
        post("/book", KEY, epoch, json!({ "nights": 3 }))
    }

    fn cancel(of: Value) -> Request {
        post("/cancel", "s/hotel/compensation", 2, json!({ "of": of }))
    }

    fn ask() -> Request {
        let path = format!("/calls/{KEY}");
        Request { method: "GET".to_owned(), ..post(&path, KEY, 2, Value::Null) }
    }

    fn key() -> String {
        KEY.to_owned()
    }

    #[test]
    fn a_key_acts_once_and_is_answered_alike() {
        let mut hotels = hotels();
        let first = hotels.answer(&book(1));
        assert_eq!((first.status, first.effect), (200, Some(Effect::Done { key: key() })));
        let again = hotels.answer(&book(2));
        assert_eq!((again.body, again.effect), (first.body, Some(Effect::Repeated { key: key() })));
        assert_eq!(hotels.answer(&ask()).status, 200);
    }

    #[test]
    fn what_comes_behind_its_undo_is_refused() {
        let mut hotels = hotels();
        let undone = hotels.answer(&cancel(json!(KEY)));
        assert_eq!((undone.status, undone.effect), (200, Some(Effect::Tombstone { of: key() })));
        let late = hotels.answer(&book(2));
        assert_eq!((late.status, late.effect), (409, Some(Effect::Refused { key: key() })));
        assert_eq!(hotels.answer(&ask()).status, 404);
    }

    #[test]
    fn an_undo_takes_effect_once() {
        let mut hotels = hotels();
        hotels.answer(&book(1));
        assert_eq!(hotels.answer(&cancel(json!(KEY))).effect, Some(Effect::Undone { of: key() }));
        let again = hotels.answer(&cancel(json!(KEY)));
        assert_eq!((again.status, again.effect), (200, Some(Effect::Repeated { key: key() })));
    }

    #[test]
    fn a_former_owner_is_refused() {
        let mut hotels = hotels();
        hotels.answer(&book(3));
        let former = hotels.answer(&book(2));
        assert_eq!((former.status, former.effect), (421, Some(Effect::Refused { key: key() })));
    }

    #[test]
    fn a_no_stays_a_no_and_what_is_asked_wrongly_is_told_apart() {
        let mut cards = Ledger::at("/charge").declines(|it| Some(it.body["why"].to_string()));
        let charge = post("/charge", KEY, 1, json!({ "why": 7 }));
        assert_eq!(cards.answer(&charge).effect, Some(Effect::Declined { key: key() }));
        assert_eq!(cards.answer(&charge).status, 422);
        let wrong = |reply: Reply| matches!(reply.effect, Some(Effect::Wrong { .. }));
        assert!(wrong(cards.answer(&cancel(json!(KEY)))), "nothing is undone here");
        assert!(wrong(hotels().answer(&cancel(Value::Null))));
        assert!(wrong(hotels().answer(&Request { key: None, ..book(1) })));
    }
}
