//! The accounts, page after page: together they are those of the log that are not forgotten, each once and with
//! what it may now.

use std::collections::BTreeMap;

use crate::evidence::Look;
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::json::{list, text};

use super::{told, yes};

/// Pages of one list, one behind the other; of other lists nothing is said here.
pub(super) fn examine(case: &Case<'_>, pages: &[&Look], finding: &mut Finding) {
    let Some(limit) = limit(pages[0]) else { return };
    let mut left = in_log(case);
    for (place, look) in pages.iter().enumerate() {
        let Some(answer) = yes(look) else {
            finding.break_promise("a list was not shown at rest", told(look));
            return;
        };
        let users = list(&answer.body, "users");
        let is_last = place + 1 == pages.len();
        let goes_on = text(&answer.body, "nextAfter").is_some();
        let fits = users.len() <= limit && goes_on != is_last && (is_last || users.len() == limit);
        finding.expect(fits, "a page has not as many entries as it was to have", || {
            format!("page {} with {}: {}", place + 1, users.len(), look.request)
        });
        for user in users {
            let id = text(user, "id").unwrap_or("");
            match left.remove(id) {
                Some(status) => {
                    let same = text(user, "status") == Some(status);
                    let what = "a list shows something as it is not";
                    finding.expect(same, what, || format!("{id} is {status}: {user}"));
                }
                None => {
                    let what = "a list shows what does not belong there, or something twice";
                    finding.break_promise(what, format!("{id}; {}", look.request));
                }
            }
        }
    }
    let all = left.is_empty();
    finding.expect(all, "a list leaves out what belongs there", || {
        format!("{:?}; {}", left.keys().collect::<Vec<_>>(), pages[0].request)
    });
}

/// How many a page is to have; none: it is another list.
fn limit(look: &Look) -> Option<usize> {
    let query = look.request.strip_prefix("GET /users?")?;
    query.split('&').find_map(|part| part.strip_prefix("limit="))?.parse().ok()
}

/// Ids, and whether they may log in.
fn in_log<'a>(case: &Case<'a>) -> BTreeMap<&'a str, &'static str> {
    let mut users = BTreeMap::new();
    for (stream, entries) in &case.streams {
        let Some(id) = stream.strip_prefix("user-") else { continue };
        for entry in entries {
            match entry.event_type.as_str() {
                "UserRegistered" | "UserEnabled" => drop(users.insert(id, "active")),
                "UserDisabled" => drop(users.insert(id, "disabled")),
                "UserForgotten" => drop(users.remove(id)),
                _ => {}
            }
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Shown;
    use crate::evidence::Role;
    use crate::oracle::testing::{History, caught, clean};

    /// Four who are shown on two pages, one of them shut out, and a fifth who is forgotten.
    fn shown(change: impl Fn(&mut [Value; 2])) -> History {
        let mut history = History::good();
        for (user, event_type) in [
            ("a", "UserRegistered"),
            ("b", "UserRegistered"),
            ("c", "UserRegistered"),
            ("d", "UserRegistered"),
            ("b", "UserDisabled"),
            ("c", "UserDisabled"),
            ("c", "UserEnabled"),
            ("e", "UserRegistered"),
            ("e", "UserForgotten"),
        ] {
            history.say(&format!("user-{user}"), event_type, json!({}));
        }
        let user = |id: &str, status: &str| json!({"id": id, "status": status});
        let mut pages = [
            json!({"users": [user("d", "active"), user("b", "disabled")], "nextAfter": "f00"}),
            json!({"users": [user("a", "active"), user("c", "active")]}),
        ];
        change(&mut pages);
        let requests = ["GET /users?limit=2", "GET /users?limit=2&after=f00"];
        for (request, page) in requests.into_iter().zip(pages) {
            history.look_at(Role::Admin, 0, Some(77), request, (200, page));
        }
        history
    }

    #[test]
    fn pages_that_hold_every_account_are_right() {
        assert!(clean(&Shown, &shown(|_| {})).examined > 6);
    }

    #[test]
    fn an_account_that_is_left_out_doubled_forgotten_or_shown_otherwise_is_caught() {
        let wrong = "a list shows what does not belong there, or something twice";
        let is =
            |id: &'static str| move |pages: &mut [Value; 2]| pages[1]["users"][0]["id"] = json!(id);
        caught(&Shown, &shown(is("b")), wrong);
        caught(&Shown, &shown(is("e")), wrong);
        caught(&Shown, &shown(is("e")), "a list leaves out what belongs there");
        let otherwise = shown(|pages| pages[0]["users"][1]["status"] = json!("active"));
        caught(&Shown, &otherwise, "a list shows something as it is not");
        let short = shown(|pages| drop(pages[0]["users"].as_array_mut().and_then(Vec::pop)));
        caught(&Shown, &short, "a page has not as many entries as it was to have");
        let ends = shown(|pages| pages[0]["nextAfter"] = Value::Null);
        caught(&Shown, &ends, "a page has not as many entries as it was to have");
    }
}
