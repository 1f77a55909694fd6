//! The log, page by page: from its head back and from a place on, all of it and some of it. What a store has
//! in memory and what it reads from its disk are shown as one.

use serde_json::Value;

use crate::evidence::{Role, Who};

use super::Inspector;

/// Pages in one direction: with the smallest of them one is beyond what a store that keeps little keeps.
const PAGES: usize = 8;
/// Entries of a page.
const LIMIT: (u64, u64) = (10, 40);
/// Some of the log, as the query says it.
const ONLY: [&str; 4] = [
    "category=order",
    "category=saga,payment",
    "eventType=OrderPlaced,SagaStarted",
    "category=list&eventType=Listed",
];

/// The query's name for a place, and the page's for where it goes on.
type Way = (&'static str, &'static str);
const BACK: Way = ("before", "nextBefore");
const ON: Way = ("after", "nextAfter");

impl Inspector<'_> {
    pub(super) async fn log(&mut self) {
        let admin = self.people.of_role(Role::Admin);
        let limit = self.random.between(LIMIT.0, LIMIT.1);
        let Some(oldest) = self.pages(&admin, BACK, None, ("", limit)).await else { return };
        let place = oldest["nextBefore"].as_u64();
        // Back to the head, by pages that are cut elsewhere.
        self.pages(&admin, ON, place, ("", limit + 7)).await;
        for (way, from) in [(BACK, None), (ON, Some(0))] {
            let only = *self.random.pick(&ONLY).unwrap_or(&"category=order");
            self.pages(&admin, way, from, (only, limit)).await;
        }
        let event = &oldest["events"][0];
        if let Some(time) = event["recordedAt"].as_str() {
            let before = place.map(|place| place.saturating_sub(limit));
            self.pages(&admin, ON, before, (&*format!("since={time}"), limit)).await;
            self.pages(&admin, BACK, None, (&*format!("until={time}"), limit)).await;
        }
        if let Some(request) = event["correlationId"].as_str().filter(|id| is_plain(id)) {
            let only = format!("correlationId={request}");
            self.pages(&admin, BACK, None, (&*only, limit)).await;
        }
    }

    /// Page after page from a place, or from where such a way begins. The last of them.
    async fn pages(
        &mut self,
        who: &(Who, &str),
        (way, goes_on): Way,
        mut from: Option<u64>,
        (only, limit): (&str, u64),
    ) -> Option<Value> {
        self.lists += 1;
        let only = if only.is_empty() { String::new() } else { format!("&{only}") };
        let mut last = None;
        for _ in 0..PAGES {
            let place = from.map_or_else(String::new, |place| format!("&{way}={place}"));
            let part = format!("limit={limit}{place}{only}");
            let page = self.page(who, "/trace/events", &part).await?;
            from = page[goes_on].as_u64();
            let is_last = from.is_none() || page["end"] == true;
            last = Some(page);
            if is_last {
                break;
            }
        }
        last
    }
}

/// Whether it can stand in a query as it is.
fn is_plain(id: &str) -> bool {
    id.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
}
