//! Whole requests, drawn: right ones, and ones with something wrong in one place or two.

use serde_json::{Value, json};

use super::api::{Api, Operation, Parameter};
use super::dice::Dice;
use super::draft::Draft;
use super::things::Things;
use super::{right, words, wrong};

/// What requests are drawn from.
pub(crate) struct Drawer<'a> {
    pub(crate) api: Api<'a>,
    /// An administrator's token.
    pub(crate) admin: &'a str,
    pub(crate) customer: &'a str,
}

/// What can be wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A value somewhere in the body.
    Value,
    /// The body's text.
    Text,
    /// The body's media type.
    Media,
    Path,
    Query,
    /// A header that nobody asks for, or asks for otherwise.
    Header,
    /// A parameter that nobody knows.
    More,
    /// Who asks.
    Caller,
}

/// A body of which nobody reads more than this may be refused at once. Of a longer one the connection is closed
/// by a refusal before its end, and the answer can be lost with it.
const UNREAD_BYTES_MAX: usize = 4_000;

/// Holds a lock for as long as its body says, for a second when it says nothing.
const HOLDS: &str = "tryLock";

const MEDIA: [&str; 6] = [
    "",
    "text/plain",
    "application/xml",
    "application/jsonx",
    "application/json; charset=utf-16",
    "APPLICATION/merge-patch+JSON",
];

const HEADERS: [&str; 7] = [
    "idempotency-key",
    "x-correlation-id",
    "traceparent",
    "last-event-id",
    "prefer",
    "accept",
    "accept-encoding",
];

/// Names of parameters, encoded.
const NAMES: [&str; 6] = ["more", "limit", "page", "", "%00", "a%5B%5D"];

const CALLERS: [&str; 6] =
    ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer \u{e4}", "Bearer a.b.c"];

impl<'a> Drawer<'a> {
    /// A request to an operation, as often as not a right one.
    pub(crate) fn draw(&self, operation: Operation<'a>, things: &Things, dice: &mut Dice) -> Draft {
        let faults = if dice.one_in(2) { Vec::new() } else { faults(operation, dice) };
        self.made(operation, &faults, things, dice)
    }

    /// A right one.
    pub(crate) fn right(
        &self,
        operation: Operation<'a>,
        things: &Things,
        dice: &mut Dice,
    ) -> Draft {
        self.made(operation, &[], things, dice)
    }

    fn made(
        &self,
        operation: Operation<'a>,
        faults: &[Fault],
        things: &Things,
        dice: &mut Dice,
    ) -> Draft {
        let body = self.body(operation, faults, things, dice);
        let is_long = body.as_ref().is_some_and(|(_, body)| body.len() > UNREAD_BYTES_MAX);
        let draft = match is_long {
            // Nothing but its body may be a reason to refuse it.
            true => self.bare(operation, things, dice).bearer(self.admin),
            false => self.filled(operation, faults, things, dice),
        };
        Draft { body, ..draft }
    }

    /// Without anything that may be left out.
    fn bare(&self, operation: Operation<'a>, things: &Things, dice: &mut Dice) -> Draft {
        let mut draft = Draft::of(operation);
        for parameter in operation.parameters() {
            if parameter.place == "path" {
                let text = things.named(self.api, operation, &parameter, dice);
                draft = draft.with(parameter.name, &text);
            }
        }
        draft
    }

    fn filled(
        &self,
        operation: Operation<'a>,
        faults: &[Fault],
        things: &Things,
        dice: &mut Dice,
    ) -> Draft {
        let mut draft = Draft::of(operation);
        for parameter in operation.parameters() {
            let name = parameter.name;
            match parameter.place {
                "path" if faults.contains(&Fault::Path) => {
                    draft = draft.with(name, &words::segment(dice));
                }
                "path" => {
                    let text = things.named(self.api, operation, &parameter, dice);
                    draft = draft.with(name, &text);
                }
                "query" if dice.one_in(2) => {
                    let is_odd = faults.contains(&Fault::Query) && dice.one_in(2);
                    draft = draft.asking(name, &self.asked(&parameter, is_odd, dice));
                }
                "header" if dice.one_in(2) => {
                    draft = draft.header(name, &self.said(&parameter, dice));
                }
                _ => {}
            }
        }
        if faults.contains(&Fault::More) {
            draft = draft.asking(dice.word(&NAMES), &words::word(dice));
        }
        if draft.path.len() > words::PATH_BYTES_MAX
            && let Some(end) = draft.path.find('?')
        {
            draft.path.truncate(end);
        }
        if faults.contains(&Fault::Header) {
            let name = dice.word(&HEADERS);
            let text = if name == "prefer" { words::preference(dice) } else { words::text(dice) };
            draft = draft.header(name, &text);
        }
        self.asked_by(draft, faults.contains(&Fault::Caller), dice)
    }

    /// A parameter of the query.
    fn asked(&self, parameter: &Parameter<'a>, is_odd: bool, dice: &mut Dice) -> String {
        match is_odd {
            true => words::word(dice),
            false => words::encoded(&self.plain(parameter, dice)),
        }
    }

    /// A header of the document.
    fn said(&self, parameter: &Parameter<'a>, dice: &mut Dice) -> String {
        match parameter.name {
            "Prefer" => words::preference(dice),
            // Now and then the same as before.
            "Idempotency-Key" if dice.one_in(2) => format!("k-{}", dice.below(8)),
            _ => self.plain(parameter, dice),
        }
    }

    fn plain(&self, parameter: &Parameter<'a>, dice: &mut Dice) -> String {
        match right::value(self.api, parameter.schema, parameter.example, dice) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// By an administrator, mostly; or by nobody who may.
    fn asked_by(&self, draft: Draft, is_odd: bool, dice: &mut Dice) -> Draft {
        match (is_odd, dice.below(8)) {
            (false, 0) | (true, 0 | 1) => draft.bearer(self.customer),
            (false, _) => draft.bearer(self.admin),
            (true, 2 | 3) => draft,
            (true, 4) => draft.bearer(&self.admin[..self.admin.len() - 2]),
            (true, _) => draft.header("authorization", dice.word(&CALLERS)),
        }
    }

    fn body(
        &self,
        operation: Operation<'a>,
        faults: &[Fault],
        things: &Things,
        dice: &mut Dice,
    ) -> Option<(String, Vec<u8>)> {
        let schema = operation.body()?;
        let holds = operation.id() == HOLDS;
        if !operation.needs_body() && !holds && dice.one_in(8) {
            return None;
        }
        let mut value = right::value(self.api, schema, None, dice);
        link(&mut value, things, dice);
        if faults.contains(&Fault::Value) {
            for _ in 0..*dice.pick(&[1, 1, 1, 2]) {
                wrong::spoil(self.api, schema, &mut value, dice);
            }
        }
        if holds {
            shorten(&mut value);
        }
        let mut body = value.to_string().into_bytes();
        if faults.contains(&Fault::Text) {
            body = wrong::garbled(&body, dice);
        }
        let is_odd = faults.contains(&Fault::Media) && body.len() <= UNREAD_BYTES_MAX;
        let media = if is_odd { dice.word(&MEDIA) } else { "application/json" };
        Some((media.to_owned(), body))
    }
}

/// What is to be wrong: of what an operation takes, one thing or two.
fn faults(operation: Operation<'_>, dice: &mut Dice) -> Vec<Fault> {
    let takes = |place: &str| operation.parameters().iter().any(|it| it.place == place);
    let mut possible = vec![Fault::Header, Fault::More];
    if operation.body().is_some() {
        possible.extend([Fault::Value, Fault::Value, Fault::Value, Fault::Text, Fault::Media]);
    }
    if takes("path") {
        possible.push(Fault::Path);
    }
    if takes("query") {
        possible.extend([Fault::Query, Fault::Query, Fault::Query]);
    }
    if operation.wants_caller() {
        possible.push(Fault::Caller);
    }
    let first = *dice.pick(&possible);
    if dice.one_in(4) { vec![first, *dice.pick(&possible)] } else { vec![first] }
}

/// Puts what is there into a body that was drawn: as often as not, where a body refers to something.
fn link(body: &mut Value, things: &Things, dice: &mut Dice) {
    if let Some(token) = body.get_mut("refreshToken")
        && let Some(session) = &things.session
        && dice.one_in(2)
    {
        *token = json!(session);
    }
    if let Some(key) = body.get_mut("key")
        && dice.one_in(2)
    {
        *key = json!(format!("order-{}", dice.pick(&things.orders)));
    }
}

/// A lock that is held at all is held for some milliseconds.
fn shorten(body: &mut Value) {
    let Value::Object(members) = body else { return };
    let said_ms = members.get("duration").and_then(Value::as_u64);
    let is_usual = members.get("duration").is_none_or(Value::is_null);
    if is_usual || said_ms.is_some_and(|ms| (21..=10_000).contains(&ms)) {
        let ms = said_ms.unwrap_or_default() % 20 + 1;
        members.insert("duration".to_owned(), json!(ms));
    }
}
