//! Goes through a list page by page while faults are on, and writes down what was shown.

use parking_lot::Mutex;
use serde_json::Value;

use crate::evidence::{Answer, Look, Who};
use crate::plan::Planned;
use crate::world::World;

use super::http::Http;
use super::patience::Patience;
use super::request::Sent;

/// No list has so many pages, of the sizes that are asked for.
const PAGES_MAX: u32 = 60;
/// How long an answer is waited for.
const ANSWER_US: u64 = 10_000_000;

/// Whoever goes through a list.
pub(super) struct Walker<'a> {
    pub(super) world: &'a World,
    pub(super) http: &'a Http,
    pub(super) planned: &'a Planned,
    /// Who it is, with a token.
    pub(super) person: (Who, &'a str),
    pub(super) patience: Patience,
    /// Where every page is written down.
    pub(super) seen: &'a Mutex<Vec<Look>>,
}

impl Walker<'_> {
    /// From the first page to the last, or until the time is over.
    pub(super) async fn walk(mut self, path: &str, limit: u64, rest_ms: u64) {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut behind = String::new();
        for _ in 0..PAGES_MAX {
            let sent = Sent::get(format!("{path}{joint}limit={limit}{behind}"));
            let Some(page) = self.page(&sent).await else { return };
            let Some(cursor) = page["nextCursor"].as_str() else { return };
            behind = format!("&cursor={cursor}");
            if !self.patience.rest(rest_ms).await {
                return;
            }
        }
    }

    /// Asks for a page until it comes. None: it is refused, or the time is over.
    async fn page(&mut self, sent: &Sent) -> Option<Value> {
        loop {
            match self.ask(sent).await {
                Some(answer) if answer.status == 200 => return Some(answer.body),
                Some(answer) if !matches!(answer.status, 429 | 502..=504) => return None,
                Some(_) | None => {}
            }
            if !self.patience.pause(0).await {
                return None;
            }
        }
    }

    async fn ask(&self, sent: &Sent) -> Option<Answer> {
        let (who, token) = &self.person;
        let request = sent.clone().into_http(token, None);
        let sent_at_us = self.world.now_us();
        let answering = self.http.send(self.planned.to, request);
        let answer = self.patience.wait(ANSWER_US, answering).await.and_then(Result::ok);
        self.seen.lock().push(Look {
            who: who.clone(),
            list: Some(self.planned.id),
            request: sent.name(),
            body: Value::Null,
            wait_s: None,
            sent_at_us,
            ended_at_us: self.world.now_us(),
            answer: answer.clone(),
        });
        answer
    }
}
