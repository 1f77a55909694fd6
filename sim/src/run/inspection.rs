//! A look round when all has come to rest: lists and the log page by page, single things by those who may see
//! them and by those who may not, what somebody waits for that has long ended, and what is forbidden. Nothing
//! is under way any more, so that each answer has one right form; [`crate::oracle::shown`] and
//! [`crate::oracle::rights`] know it. Nothing that is asked for here may change anything.

mod log;

mod requests;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::evidence::{Answer, Look, Role, Who};
use crate::machine::Machine;
use crate::plan::{Operation, Plan};
use crate::seed::Random;
use crate::workload::clients::Clients;
use crate::workload::http::Http;
use crate::workload::people::People;
use crate::workload::request::Sent;
use crate::world::World;

use self::requests::{looks_of_admins, of_admins, of_merchants, requests_of};

const ANSWER_US: u64 = 10_000_000;
const PAUSE_US: u64 = 500_000;
/// Whoever is not answered, or told to come later, asks so often.
const TRIES: u32 = 20;
/// No list has so many pages, of the sizes that are asked for.
const PAGES_MAX: u64 = 60;
/// Customers whose lists are read, and things that are looked at one by one.
const CUSTOMERS: usize = 2;
const THINGS: usize = 3;
/// So many of the newest orders of a status are asked whether a later request did something to them.
const LATER: u64 = 5;
/// For so long one waits for what has ended.
const WAIT_S: u32 = 30;
/// In so many of a hundred seeds passwords are tried, and so often.
const GUESSES_PERCENT: u64 = 25;
const GUESSES: u32 = 23;

/// In so many of a hundred seeds old orders are given up, so long behind the rest: then about half of what waits
/// to be paid elsewhere is older than that.
const SWEEPS_PERCENT: u64 = 40;
const SWEPT_BEHIND_MAX_US: u64 = 45_000_000;
const SWEPT_AGE_S: u64 = 60;
const CLEAN_UP: &str = "/saga/maintenance/cleanup-pending";

const ORDER_STATUSES: [&str; 6] =
    ["pending", "processing", "paid", "shipped", "delivered", "cancelled"];
const PAYMENT_STATUSES: [&str; 4] = ["processing", "completed", "failed", "refunded"];
const SAGA_STATUSES: [&str; 5] = ["started", "completed", "compensating", "compensated", "parked"];

/// Looks round. In the order in which it was asked.
pub(super) async fn look_round(
    world: &World,
    http: &Http,
    clients: &Clients,
    plan: &Plan,
) -> Vec<Look> {
    if !plan.operations.iter().any(|it| matches!(it.operation, Operation::PlaceOrder { .. })) {
        return Vec::new();
    }
    // What was open in the chaos may be dead without anybody knowing it.
    http.close();
    let people = clients.people();
    let random = plan.seed.stream("run/inspection");
    let mut inspector = Inspector { world, http, people, random, lists: 0, looks: Vec::new() };
    let (mut orders, sagas) = (clients.orders(), clients.sagas());
    inspector.random.shuffle(&mut orders);
    inspector.lists(&orders).await;
    inspector.accounts().await;
    for (customer, order) in orders.iter().take(THINGS) {
        inspector.order(*customer, order).await;
    }
    inspector.later_requests().await;
    inspector.on_their_way().await;
    inspector.forbidden(&orders, &sagas).await;
    inspector.clean_up().await;
    inspector.take_back().await;
    inspector.log().await;
    inspector.guess().await;
    inspector.looks
}

/// In some of the seeds an administrator gives up what was to be paid elsewhere and was not for a minute. That
/// changes something: all must come to rest again.
pub(super) async fn sweep(world: &World, http: &Http, clients: &Clients, plan: &Plan) -> Vec<Look> {
    let mut random = plan.seed.stream("run/sweep");
    if clients.orders().is_empty() || !random.percent(SWEEPS_PERCENT) {
        return Vec::new();
    }
    world.timeline().after(random.below(SWEPT_BEHIND_MAX_US)).await;
    http.close();
    let people = clients.people();
    let mut inspector = Inspector { world, http, people, random, lists: 0, looks: Vec::new() };
    let admin = people.of_role(Role::Admin);
    let body = json!({ "reason": "a sweep", "olderThanS": SWEPT_AGE_S });
    inspector.ask(&admin, None, Sent::post(CLEAN_UP.to_owned(), body)).await;
    inspector.looks
}

struct Inspector<'a> {
    world: &'a World,
    http: &'a Http,
    people: &'a People,
    random: Random,
    lists: u32,
    looks: Vec<Look>,
}

impl<'a> Inspector<'a> {
    /// The lists of some customers, of the merchant and of the administrator.
    async fn lists(&mut self, orders: &[(usize, String)]) {
        let mut some: Vec<usize> = orders.iter().map(|(customer, _)| *customer).collect();
        some.dedup();
        some.truncate(CUSTOMERS);
        for customer in some {
            let who = self.people.customer(customer);
            let limit = self.random.between(3, 9);
            let status = *self.random.pick(&ORDER_STATUSES).unwrap_or(&"paid");
            self.by_cursor(&who, "/orders", limit).await;
            self.by_number(&who, "/orders", limit).await;
            self.by_cursor(&who, &format!("/orders?status={status}"), limit).await;
            let status = *self.random.pick(&SAGA_STATUSES).unwrap_or(&"completed");
            self.by_cursor(&who, "/sagas", limit).await;
            self.by_number(&who, &format!("/sagas?status={status}"), limit).await;
            self.by_cursor(&who, "/sagas?type=order-processing", limit).await;
        }
        let (admin, merchant) =
            (self.people.of_role(Role::Admin), self.people.of_role(Role::Merchant));
        let limit = self.random.between(40, 100);
        let status = *self.random.pick(&ORDER_STATUSES).unwrap_or(&"paid");
        self.by_cursor(&admin, "/orders", limit).await;
        self.by_number(&admin, &format!("/orders?status={status}"), limit).await;
        let status = *self.random.pick(&SAGA_STATUSES).unwrap_or(&"completed");
        self.by_number(&admin, "/sagas", limit).await;
        self.by_cursor(&admin, &format!("/sagas/status/{status}"), limit).await;
        self.by_cursor(&admin, &format!("/sagas?type=trip&status={status}"), limit).await;
        let status = *self.random.pick(&PAYMENT_STATUSES).unwrap_or(&"completed");
        self.by_cursor(&merchant, "/payments", limit).await;
        self.by_number(&merchant, &format!("/payments?status={status}"), limit).await;
    }

    /// All accounts, page after page: a seed that has people who come and go has some dozens.
    async fn accounts(&mut self) {
        let admin = self.people.of_role(Role::Admin);
        let limit = self.random.between(5, 12);
        self.lists += 1;
        let mut behind = String::new();
        for _ in 0..PAGES_MAX {
            let page = self.page(&admin, "/users", &format!("limit={limit}{behind}")).await;
            let after = page.and_then(|page| page["nextAfter"].as_str().map(str::to_owned));
            let Some(after) = after else { return };
            behind = format!("&after={after}");
        }
    }

    /// Page after page, each behind the one before.
    async fn by_cursor(&mut self, who: &(Who, &str), path: &str, limit: u64) {
        self.lists += 1;
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let behind = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let page = self.page(who, path, &format!("limit={limit}{behind}")).await;
            cursor = page.and_then(|page| page["nextCursor"].as_str().map(str::to_owned));
            if cursor.is_none() {
                return;
            }
        }
    }

    /// All pages by their number, and one more, which is empty.
    async fn by_number(&mut self, who: &(Who, &str), path: &str, limit: u64) {
        self.lists += 1;
        for number in 1..PAGES_MAX {
            let page = self.page(who, path, &format!("limit={limit}&page={number}")).await;
            let pages = page.and_then(|page| page["totalPages"].as_u64());
            if pages.is_none_or(|pages| pages < number) {
                return;
            }
        }
    }

    async fn page(&mut self, who: &(Who, &str), path: &str, part: &str) -> Option<Value> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let list = Some(self.lists);
        let answer = self.ask(who, list, Sent::get(format!("{path}{joint}{part}"))).await?;
        (answer.status == 200).then_some(answer.body)
    }

    /// One order and what belongs to it, by everybody.
    async fn order(&mut self, customer: usize, order: &str) {
        let everybody = self.everybody(customer);
        for who in &everybody {
            for path in ["/orders", "/sagas", "/payments", "/trace/order"] {
                self.ask(who, None, Sent::get(format!("{path}/{order}"))).await;
            }
        }
        let owner = self.people.customer(customer);
        let mut requests = BTreeSet::new();
        for path in ["/orders", "/sagas"] {
            let mut sent = Sent::get(format!("{path}/{order}"));
            sent.wait_s = Some(WAIT_S);
            let answer = self.ask(&owner, None, sent).await;
            let correlation =
                answer.and_then(|it| it.body["correlationId"].as_str().map(str::to_owned));
            requests.extend(correlation);
        }
        for request in &requests {
            for who in &everybody {
                for path in ["/sagas/correlation", "/saga/status", "/trace/correlation"] {
                    self.ask(who, None, Sent::get(format!("{path}/{request}"))).await;
                }
            }
        }
    }

    /// What came of requests about orders that earlier ones had placed: to ship them, to deliver them, to
    /// give their money back. Of each status the newest order that has one, by its owner and an administrator.
    async fn later_requests(&mut self) {
        let admin = self.people.of_role(Role::Admin);
        for status in ["shipped", "delivered", "cancelled"] {
            let sent = Sent::get(format!("/orders?status={status}&limit={LATER}"));
            let Some(answer) = self.ask(&admin, None, sent).await else { continue };
            for order in answer.body["orders"].as_array().into_iter().flatten() {
                let Some(id) = order["id"].as_str() else { continue };
                let trace = self.ask(&admin, None, Sent::get(format!("/trace/order/{id}"))).await;
                let requests = trace.map(|trace| requests_of(&trace.body)).unwrap_or_default();
                if requests.len() < 2 {
                    continue;
                }
                let owner = order["userId"].as_str().and_then(|user| self.customer_with(user));
                for request in &requests {
                    for who in owner.iter().chain([&admin]) {
                        let sent = Sent::get(format!("/trace/correlation/{request}"));
                        self.ask(who, None, sent).await;
                    }
                }
                break;
            }
        }
    }

    /// A customer, another one, and one of each role.
    fn everybody(&mut self, customer: usize) -> Vec<(Who, &'a str)> {
        let people = self.people;
        let mut everybody = vec![people.customer(customer), self.other(customer)];
        let roles = [Role::Merchant, Role::Admin, Role::Nobody];
        everybody.extend(roles.map(|role| people.of_role(role)));
        everybody
    }

    /// What is on its way, by everybody: of others' it is nobody's business.
    async fn on_their_way(&mut self) {
        for who in &self.everybody(0) {
            for path in ["/saga/active", "/sagas/orders/processing"] {
                self.ask(who, None, Sent::get(format!("{path}?limit=100"))).await;
            }
        }
    }

    /// A customer who is not this one.
    fn other(&mut self, customer: usize) -> (Who, &'a str) {
        let all = usize::try_from(crate::workload::alphabet::CUSTOMERS).unwrap_or(2);
        let further = usize::try_from(self.random.below(all as u64 - 1)).unwrap_or(0);
        self.people.customer((customer + 1 + further) % all)
    }

    /// What a person may not do: it is refused whatever it is about. What changes nothing is not refused to
    /// those who may.
    async fn forbidden(&mut self, orders: &[(usize, String)], sagas: &[String]) {
        let Some((owner, order)) = orders.last().cloned() else { return };
        let saga = sagas.first().cloned().unwrap_or_else(|| order.clone());
        let customer = self.other(owner);
        let (merchant, nobody) =
            (self.people.of_role(Role::Merchant), self.people.of_role(Role::Nobody));
        let user = self.people.customer(owner).0.user;
        self.ask(&customer, None, Sent::delete(format!("/orders/{order}"))).await;
        for sent in of_merchants(&order) {
            self.ask(&customer, None, sent.clone()).await;
            self.ask(&nobody, None, sent).await;
        }
        for sent in of_admins(&saga, &user).into_iter().chain(looks_of_admins(&user)) {
            for who in [&customer, &merchant, &nobody] {
                self.ask(who, None, sent.clone()).await;
            }
        }
        let admin = self.people.of_role(Role::Admin);
        for sent in looks_of_admins(&user) {
            self.ask(&admin, None, sent).await;
        }
    }

    /// Nothing is so old; and were it, nothing would be done about it.
    async fn clean_up(&mut self) {
        let admin = self.people.of_role(Role::Admin);
        let body = json!({ "reason": "an inspection", "olderThanS": 864_000, "dryRun": true });
        let sent = Sent::post(CLEAN_UP.to_owned(), body);
        self.ask(&admin, None, sent).await;
    }

    /// Who ordered what is on its way to them, or has arrived, wants it cancelled, and is refused.
    async fn take_back(&mut self) {
        let admin = self.people.of_role(Role::Admin);
        for status in ["shipped", "delivered"] {
            let sent = Sent::get(format!("/orders?status={status}&limit=1"));
            let Some(answer) = self.ask(&admin, None, sent).await else { continue };
            let order = &answer.body["orders"][0];
            let owner = order["userId"].as_str().and_then(|user| self.customer_with(user));
            if let (Some(order), Some(owner)) = (order["id"].as_str(), owner) {
                let mut sent = Sent::delete(format!("/orders/{order}"));
                // Were it taken, all that comes of it would have come before the end.
                sent.wait_s = Some(WAIT_S);
                self.ask(&owner, None, sent).await;
            }
        }
    }

    /// The customer who has this id.
    fn customer_with(&self, user: &str) -> Option<(Who, &'a str)> {
        let (people, all) = (self.people, crate::workload::alphabet::CUSTOMERS);
        let mut customers = (0..usize::try_from(all).unwrap_or(2)).map(|it| people.customer(it));
        customers.find(|(who, _)| who.user == user)
    }

    /// Somebody tries passwords at one node, in some of the seeds: each try costs time.
    async fn guess(&mut self) {
        if !self.random.percent(GUESSES_PERCENT) {
            return;
        }
        let nobody = self.people.of_role(Role::Nobody);
        let body = json!({ "email": "nobody@example.com", "password": "a guess" });
        let node = *self.random.pick(&Machine::NODES).unwrap_or(&Machine::Node1);
        for _ in 0..GUESSES {
            let sent = Sent::post("/auth/login".to_owned(), body.clone());
            let sent_at_us = self.world.now_us();
            let answer = self.send(&nobody, node, &sent).await;
            self.note(&nobody.0, None, sent, (sent_at_us, answer));
        }
    }

    /// Asks a node until it answers for good.
    async fn ask(&mut self, person: &(Who, &str), list: Option<u32>, sent: Sent) -> Option<Answer> {
        let mut tries = 0;
        loop {
            tries += 1;
            let node = *self.random.pick(&Machine::NODES).unwrap_or(&Machine::Node1);
            let sent_at_us = self.world.now_us();
            let answer = self.send(person, node, &sent).await;
            let again = answer.as_ref().is_none_or(|it| matches!(it.status, 429 | 503));
            if again && tries < TRIES {
                self.world.timeline().after(PAUSE_US).await;
                continue;
            }
            self.note(&person.0, list, sent, (sent_at_us, answer.clone()));
            return answer;
        }
    }

    async fn send(&self, (_, token): &(Who, &str), node: Machine, sent: &Sent) -> Option<Answer> {
        let request = sent.clone().into_http(token, None);
        let wait_us = ANSWER_US + u64::from(sent.wait_s.unwrap_or(0)) * 1_000_000;
        tokio::select! {
            biased;
            answer = self.http.send(node, request) => answer.ok(),
            () = self.world.timeline().after(wait_us) => None,
        }
    }

    fn note(
        &mut self,
        who: &Who,
        list: Option<u32>,
        sent: Sent,
        (sent_at_us, answer): (u64, Option<Answer>),
    ) {
        self.looks.push(Look {
            who: who.clone(),
            list,
            request: sent.name(),
            body: sent.body,
            wait_s: sent.wait_s,
            sent_at_us,
            ended_at_us: self.world.now_us(),
            answer,
        });
    }
}
