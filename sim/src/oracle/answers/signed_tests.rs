//! Histories of what operators and customers asked for, made by hand.

use serde_json::{Value, json};

use super::super::Answers;
use crate::evidence::Role;
use crate::oracle::testing::{History, caught, clean};

const WHY: &str = "something was done for a reason that nobody gave";
const WHO: &str = "something was done in the name of who did not ask";
const RETURNED: &str = "a step returned something else than an operator said";

/// A history in which it is known who operates, and a saga that is under way.
fn begun() -> (History, String) {
    let mut history = History::good();
    let saga = history.start_order(4, "key-9", "product-9");
    let (all, nothing) = ("GET /orders?limit=1", json!({"orders": []}));
    history.look_at(Role::Admin, 0, None, all, (200, nothing));
    (history, saga)
}

fn ask(history: &mut History, request: &str, body: Value, status: u16) {
    history.call(0, request, None, body, Some((status, json!({}))));
}

/// The events that a verb leaves, each with what it says of who asked and why.
fn left(verb: &str, by: &Value) -> (&'static str, Value) {
    let (reason, actor) = (&by["reason"], &by["actor"]);
    let of_step = json!({"step": 1, "direction": "action", "attempt": 2, "reason": reason,
        "actor": actor, "atUs": 5, "epoch": 1});
    match verb {
        "pause" => ("SagaPaused", of_step),
        "resume" => ("SagaResumed", of_step),
        "retry" => ("RetryRequested", of_step),
        "skip" => ("StepSkipped", of_step),
        "resolve" => ("StepResolved", of_step),
        "compensate" => ("SagaAborted", json!({"reason": {"operator": by}, "atUs": 5})),
        other => panic!("{other} is no verb"),
    }
}

#[test]
fn what_an_operator_asked_for_is_done_in_their_name_and_for_their_reason() {
    for verb in ["pause", "resume", "retry", "skip", "resolve", "compensate"] {
        let done = |reason: &str, actor: &str| {
            let (mut history, saga) = begun();
            let request = format!("POST /saga/{verb}/{saga}");
            for (reason, status) in [("first", 409), ("second", 200)] {
                ask(&mut history, &request, json!({"reason": reason}), status);
            }
            let (event, said) = left(verb, &json!({"reason": reason, "actor": actor}));
            history.say(&format!("saga-{saga}"), event, said);
            history
        };
        clean(&Answers, &done("second", "Admin"));
        // Its copy may have come later.
        clean(&Answers, &done("first", "Admin"));
        for reason in ["", "third"] {
            caught(&Answers, &done(reason, "Admin"), WHY);
        }
        for actor in ["", "user-4"] {
            caught(&Answers, &done("second", actor), WHO);
        }
    }
}

#[test]
fn who_operates_is_not_known_where_nobody_looked() {
    let (mut history, saga) = begun();
    history.evidence.looks.clear();
    ask(&mut history, &format!("POST /saga/pause/{saga}"), json!({"reason": "r"}), 200);
    let (event, said) = left("pause", &json!({"reason": "r", "actor": "somebody"}));
    history.say(&format!("saga-{saga}"), event, said);
    clean(&Answers, &history);
}

#[test]
fn what_nobody_is_known_to_have_asked_for_proves_nothing() {
    let (mut history, saga) = begun();
    let other = history.orders[0].clone();
    for request in [format!("POST /saga/resume/{saga}"), format!("POST /saga/pause/{other}")] {
        ask(&mut history, &request, json!({"reason": "another"}), 409);
    }
    let (event, said) = left("pause", &json!({"reason": "r", "actor": "a"}));
    history.say(&format!("saga-{saga}"), event, said);
    clean(&Answers, &history);
}

#[test]
fn an_order_is_cancelled_in_the_name_of_its_customer() {
    let cancelled = |body: Value, by: Value| {
        let (mut history, order) = begun();
        ask(&mut history, &format!("DELETE /orders/{order}"), body, 409);
        let aborted = json!({"reason": {"cancelled": by}, "atUs": 5});
        history.say(&format!("saga-{order}"), "AbortRequested", aborted);
        history
    };
    let asked = || json!({"reason": "too late"});
    clean(&Answers, &cancelled(asked(), json!({"reason": "too late", "actor": "user-4"})));
    let other = cancelled(asked(), json!({"reason": "", "actor": "user-4"}));
    caught(&Answers, &other, WHY);
    for actor in ["user-1", "Admin"] {
        let other = cancelled(asked(), json!({"reason": "too late", "actor": actor}));
        caught(&Answers, &other, WHO);
    }
    let words = json!({"reason": "cancelled by its customer", "actor": "user-4"});
    clean(&Answers, &cancelled(Value::Null, words));
}

#[test]
fn a_consumer_group_is_asked_in_the_name_of_an_operator() {
    let replayed = |key: Value, reason: &str, actor: &str| {
        let (mut history, _) = begun();
        let asked = json!({"key": "list-1", "reason": "r"});
        ask(&mut history, "POST /consumers/statement/replay", asked, 202);
        let said = json!({"key": key, "reason": reason, "actor": actor});
        history.say("consumer-statement", "ReplayRequested", said);
        history
    };
    clean(&Answers, &replayed(json!("list-1"), "r", "Admin"));
    caught(&Answers, &replayed(json!("list-1"), "", "Admin"), WHY);
    caught(&Answers, &replayed(json!("list-1"), "r", "statement"), WHO);
    caught(&Answers, &replayed(Value::Null, "r", "Admin"), WHY);
    let (mut history, _) = begun();
    let asked = json!({"key": "list-1", "reason": "r"});
    ask(&mut history, "POST /consumers/statement/skip", asked, 202);
    let said = json!({"position": 1, "reason": "r", "actor": "Admin"});
    history.say("consumer-statement", "SkipRequested", said);
    clean(&Answers, &history);
}

/// A step was resolved as succeeded: what the request says of its result, and the log.
fn resolved(said: Option<Value>, returned: &Value) -> History {
    let (mut history, saga) = begun();
    let mut body = json!({"reason": "r", "outcome": "succeeded"});
    if let Some(said) = said {
        body["result"] = said;
    }
    let request = format!("POST /saga/resolve/{saga}");
    // Another request of which nothing came.
    let other = json!({"reason": "other", "outcome": "succeeded", "result": 9});
    ask(&mut history, &request, other, 409);
    ask(&mut history, &request, body, 200);
    let (event, by) = left("resolve", &json!({"reason": "r", "actor": "Admin"}));
    history.say(&format!("saga-{saga}"), event, by);
    let succeeded = json!({"step": 1, "result": returned, "atUs": 5});
    history.say(&format!("saga-{saga}"), "StepSucceeded", succeeded);
    history
}

#[test]
fn a_step_returns_what_an_operator_said() {
    let reference = || json!({"reference": "r-1"});
    clean(&Answers, &resolved(Some(reference()), &reference()));
    clean(&Answers, &resolved(None, &Value::Null));
    for returned in [Value::Null, json!({"reference": "r-2"}), json!(9)] {
        caught(&Answers, &resolved(Some(reference()), &returned), RETURNED);
    }
    caught(&Answers, &resolved(None, &json!(9)), RETURNED);
}
