//! The log, page by page, from its head back or from a place on: each page has every event between the place
//! that was asked for and the one where it says that it goes on, as far as they were wanted, and each of them
//! as it is. Who is told that nothing is left has been shown the rest.
//!
//! How much a page has beneath its limit is left to the node: it looks for no longer than it may. How far the
//! log has come may be a moment old.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evidence::{LogEntry, Look, Role};
use crate::oracle::Finding;
use crate::oracle::case::Case;
use crate::oracle::naive::event::are_shown;
use crate::oracle::naive::json::{list, number, text};
use crate::oracle::naive::time;

use super::{told, yes};

/// What was acknowledged so long before a look began is in the log for whoever looks.
const KNOWN_US: u64 = 1_000_000;

pub(super) fn examine(case: &Case<'_>, look: &Look, finding: &mut Finding) {
    let Some(wanted) = Wanted::of(look).filter(|_| look.who.role == Role::Admin) else { return };
    match yes(look) {
        Some(answer) => wanted.examine(case, look, &answer.body, finding),
        None => finding.break_promise("a list was not shown at rest", told(look)),
    }
}

/// What a page is to hold.
struct Wanted<'a> {
    after: Option<u64>,
    before: Option<u64>,
    limit: Option<u64>,
    /// Which events, by the names and values of the query.
    only: Vec<(&'a str, &'a str)>,
}

impl<'a> Wanted<'a> {
    /// None: not of the log, or asked for in a way that is not known here.
    fn of(look: &'a Look) -> Option<Self> {
        let query = look.request.strip_prefix("GET /trace/events")?;
        let query = if query.is_empty() { query } else { query.strip_prefix('?')? };
        let mut wanted = Self { after: None, before: None, limit: None, only: Vec::new() };
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            match name {
                "after" => wanted.after = Some(value.parse().ok()?),
                "before" => wanted.before = Some(value.parse().ok()?),
                "limit" => wanted.limit = Some(value.parse().ok()?),
                "category" | "eventType" | "correlationId" | "since" | "until" => {
                    wanted.only.push((name, value));
                }
                _ => return None,
            }
        }
        Some(wanted)
    }

    fn holds(&self, entry: &LogEntry) -> bool {
        self.only.iter().all(|(name, value)| match *name {
            "category" => value.split(',').any(|one| entry.stream.split('-').next() == Some(one)),
            "eventType" => value.split(',').any(|one| entry.event_type == one),
            "correlationId" => entry.correlation_id == *value,
            // Times are texts of one length.
            "until" => time::written(entry.recorded_at_us).as_str() < *value,
            _ => time::written(entry.recorded_at_us).as_str() >= *value,
        })
    }

    fn examine(&self, case: &Case<'_>, look: &Look, body: &Value, finding: &mut Finding) {
        let (Some(head), Some(next_after), Some(next_before)) =
            (number(body, "head"), number(body, "nextAfter"), number(body, "nextBefore"))
        else {
            finding.break_promise("a page of the log does not say where it goes on", told(look));
            return;
        };
        examine_head(case, look, head, finding);
        let ended = body["end"] == true;
        let before = self.before.unwrap_or(head + 1);
        // The positions that the page is about, and where it says that it goes on the other way.
        let (first, last, back, wanted_back) = match self.after {
            Some(after) => {
                let last = if ended { next_after.max(head) } else { next_after };
                (after + 1, last, next_before, after + 1)
            }
            None => {
                let first = if ended { 1 } else { next_before };
                (first, before.saturating_sub(1), next_after, before.saturating_sub(1).min(head))
            }
        };
        let what = "a page of the log says wrongly where it goes on";
        finding.expect(back == wanted_back, what, || format!("{back}: {}", look.request));
        let is_about = |entry: &&LogEntry| (first..=last).contains(&entry.position);
        let logged = case.evidence.log.iter().filter(is_about);
        let logged: Vec<_> = logged.filter(|entry| self.holds(entry)).collect();
        examine_events(&logged, look, body, finding);
        let shown = list(body, "events");
        let fits = self.limit.is_none_or(|limit| shown.len() as u64 <= limit);
        finding.expect(fits, "a page has not as many entries as it was to have", || {
            format!("{}: {}", shown.len(), look.request)
        });
    }
}

/// The head is no further back than what somebody knew long before.
fn examine_head(case: &Case<'_>, look: &Look, head: u64, finding: &mut Finding) {
    let is_known = |entry: &&LogEntry| {
        let append = case.append_of(entry);
        let known_at_us = append.and_then(|append| append.acknowledged_at_us);
        known_at_us.is_some_and(|at_us| at_us + KNOWN_US <= look.sent_at_us)
    };
    let known = case.evidence.log.iter().rev().find(is_known).map_or(0, |entry| entry.position);
    let what = "the log is shown without its latest events";
    finding.expect(head >= known, what, || format!("{head}, behind {known}: {}", look.request));
}

fn examine_events(logged: &[&LogEntry], look: &Look, body: &Value, finding: &mut Finding) {
    let shown = list(body, "events");
    let positions = shown.iter().map(|event| number(event, "position"));
    let all = positions.eq(logged.iter().map(|entry| Some(entry.position)));
    finding.expect(
        all,
        "a page of the log leaves something out, or has what is not wanted",
        || format!("{} of {} events: {}", shown.len(), logged.len(), look.request),
    );
    if !all {
        return;
    }
    let same = are_shown(logged, shown);
    finding.expect(same, "an event is shown as it is not", || told(look));
    let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
    for event in shown {
        *by_type.entry(text(event, "eventType").unwrap_or("")).or_default() += 1;
    }
    let counted = body["byType"].as_object().map(|counted| {
        let each = counted.iter().map(|(name, count)| (name.as_str(), count.as_u64().unwrap_or(0)));
        each.collect::<BTreeMap<_, _>>()
    });
    finding.expect(counted.as_ref() == Some(&by_type), "a list is counted wrongly", || told(look));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Shown;
    use crate::evidence::{LogEntry, Role};
    use crate::oracle::testing::{History, caught, clean, events_shown};

    const LEFT_OUT: &str = "a page of the log leaves something out, or has what is not wanted";

    /// A page of what is wanted of these positions.
    fn page(
        history: &History,
        (first, last): (u64, u64),
        wanted: impl Fn(&LogEntry) -> bool,
        (next_after, next_before, end): (u64, u64, bool),
    ) -> Value {
        let log = &history.evidence.log;
        let of = log.iter().filter(|entry| (first..=last).contains(&entry.position));
        let events = events_shown(of.filter(|entry| wanted(entry)));
        let mut by_type = json!({});
        for event in events.as_array().into_iter().flatten() {
            let name = event["eventType"].as_str().expect("a type");
            by_type[name] = json!(by_type[name].as_u64().unwrap_or(0) + 1);
        }
        json!({"events": events, "byType": by_type, "nextAfter": next_after,
            "nextBefore": next_before, "end": end, "head": log.len()})
    }

    /// Three pages back, the last of them to the beginning; two pages on; and one of some events alone.
    fn paged() -> History {
        let mut history = History::good();
        history.now_us += 2_000_000;
        let head = history.evidence.log.len() as u64;
        let all = |_: &LogEntry| true;
        let pages = [
            ("limit=4", page(&history, (head - 3, head), all, (head, head - 3, false))),
            (
                &*format!("limit=4&before={}", head - 3),
                page(&history, (head - 6, head - 4), all, (head - 4, head - 6, false)),
            ),
            (
                &*format!("limit=100&before={}", head - 6),
                page(&history, (1, head - 7), all, (head - 7, 0, true)),
            ),
            ("limit=3&after=2", page(&history, (3, 5), all, (5, 3, false))),
            ("limit=100&after=5", page(&history, (6, head), all, (head, 6, true))),
            (
                "category=order,payment&limit=100",
                page(
                    &history,
                    (1, head),
                    |it| it.stream.starts_with("order-") || it.stream.starts_with("payment-"),
                    (head, 0, true),
                ),
            ),
        ]
        .map(|(query, page)| (format!("GET /trace/events?{query}"), page));
        for (request, page) in pages {
            history.look_at(Role::Admin, 0, Some(1), &request, (200, page));
        }
        history
    }

    fn body(history: &mut History, look: usize) -> &mut Value {
        &mut history.evidence.looks[look].answer.as_mut().expect("an answer").body
    }

    #[test]
    fn pages_that_hold_the_log_are_right() {
        assert!(clean(&Shown, &paged()).examined > 30);
    }

    #[test]
    fn who_is_told_too_soon_that_nothing_is_left_is_caught() {
        for (look, next) in [(0, "nextBefore"), (1, "nextBefore")] {
            let mut history = paged();
            body(&mut history, look)["end"] = json!(true);
            body(&mut history, look)[next] = json!(0);
            caught(&Shown, &history, LEFT_OUT);
        }
        let mut history = paged();
        body(&mut history, 3)["end"] = json!(true);
        caught(&Shown, &history, LEFT_OUT);
    }

    #[test]
    fn an_event_that_is_left_out_passed_over_or_not_wanted_is_caught() {
        for look in 0..6 {
            let mut history = paged();
            if let Some(events) = body(&mut history, look)["events"].as_array_mut() {
                events.pop();
            }
            caught(&Shown, &history, LEFT_OUT);
        }
        let mut history = paged();
        let beyond = history.evidence.log.len() - 4;
        body(&mut history, 0)["nextBefore"] = json!(beyond);
        caught(&Shown, &history, LEFT_OUT);
        let mut history = paged();
        body(&mut history, 3)["nextAfter"] = json!(6);
        caught(&Shown, &history, LEFT_OUT);
        let mut history = paged();
        history.evidence.looks[5].request = "GET /trace/events?category=order&limit=100".to_owned();
        caught(&Shown, &history, LEFT_OUT);
    }

    #[test]
    fn an_event_that_is_shown_otherwise_is_caught() {
        for (field, wrong) in [
            ("nodeId", json!("node-2")),
            ("causationId", json!("another")),
            ("correlationId", json!("another")),
            ("stream", json!("order-another")),
            ("version", json!(77)),
            ("eventType", json!("OrderShipped")),
            ("recordedAt", json!("1970-01-01T00:00:00.000000Z")),
            ("sincePreviousUs", json!(77)),
        ] {
            let mut history = paged();
            body(&mut history, 1)["events"][2][field] = wrong;
            caught(&Shown, &history, "an event is shown as it is not");
        }
    }

    #[test]
    fn a_page_that_goes_on_elsewhere_or_comes_without_the_latest_is_caught() {
        let mut history = paged();
        body(&mut history, 1)["nextAfter"] = json!(1);
        caught(&Shown, &history, "a page of the log says wrongly where it goes on");
        let mut history = paged();
        body(&mut history, 4)["byType"] = json!({});
        caught(&Shown, &history, "a list is counted wrongly");
        let mut history = paged();
        let stale = history.evidence.log.len() - 1;
        body(&mut history, 0)["head"] = json!(stale);
        caught(&Shown, &history, "the log is shown without its latest events");
        let mut history = paged();
        history.evidence.looks[0].request = "GET /trace/events?limit=3".to_owned();
        caught(&Shown, &history, "a page has not as many entries as it was to have");
    }

    #[test]
    fn by_time_and_by_request_only_those_are_wanted() {
        let history = || {
            let mut history = History::good();
            history.now_us += 2_000_000;
            history
        };
        let log = history().evidence.log;
        let (head, middle) = (log.len() as u64, log[log.len() / 2].clone());
        let time = super::time::written(middle.recorded_at_us);
        let since = format!("GET /trace/events?since={time}");
        let mut by_time = history();
        let later = |it: &LogEntry| it.recorded_at_us >= middle.recorded_at_us;
        let shown = page(&by_time, (1, head), later, (head, 0, true));
        by_time.look_at(Role::Admin, 0, None, &since, (200, shown));
        clean(&Shown, &by_time);
        let mut all = history();
        let shown = page(&all, (1, head), |_| true, (head, 0, true));
        all.look_at(Role::Admin, 0, None, &since, (200, shown));
        caught(&Shown, &all, LEFT_OUT);
        let until = format!("GET /trace/events?until={time}");
        for (wrong, last_us) in [(false, middle.recorded_at_us - 1), (true, middle.recorded_at_us)]
        {
            let mut until_then = history();
            let shown =
                page(&until_then, (1, head), |it| it.recorded_at_us <= last_us, (head, 0, true));
            until_then.look_at(Role::Admin, 0, None, &until, (200, shown));
            match wrong {
                true => caught(&Shown, &until_then, LEFT_OUT),
                false => drop(clean(&Shown, &until_then)),
            }
        }
        let by_request = format!("GET /trace/events?correlationId={}", middle.correlation_id);
        let of_request = |it: &LogEntry| it.correlation_id == middle.correlation_id;
        let mut by_id = history();
        let shown = page(&by_id, (1, head), of_request, (head, 0, true));
        by_id.look_at(Role::Admin, 0, None, &by_request, (200, shown));
        clean(&Shown, &by_id);
    }

    #[test]
    fn who_may_not_look_is_left_to_their_rights() {
        let mut history = paged();
        history.look_at(Role::Customer, 1, None, "GET /trace/events?limit=1", (403, json!({})));
        clean(&Shown, &history);
        history.look_at(Role::Admin, 0, None, "GET /trace/events?limit=1", (404, json!({})));
        caught(&Shown, &history, "a list was not shown at rest");
    }
}
