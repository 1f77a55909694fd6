//! A claim has one holder at every position of the log, is released by its holder, and is given up when
//! its reason ends: at the end the claims held are those that the log explains. In the index of those that only
//! a person works on is no saga that owes something ([`parked`]).

mod parked;

use std::collections::{BTreeMap, BTreeSet};

use super::case::Case;
use super::naive::append::{Append, Claim};
use super::naive::order::Order;
use super::{Finding, Oracle};

/// See the module.
#[derive(Debug)]
pub struct Claims;

impl Oracle for Claims {
    fn name(&self) -> &'static str {
        "claims"
    }

    fn is_due(&self, case: &Case<'_>) -> bool {
        case.starts_sagas()
    }

    fn examine(&self, case: &Case<'_>) -> Finding {
        let mut finding = Finding::default();
        examine_changes(case, &mut finding);
        let held = held(case, &mut finding);
        examine_sagas(case, &held, &mut finding);
        parked::examine(case, &mut finding);
        examine_orders(case, &held, &mut finding);
        finding
    }
}

/// Taken and given up in the order of the log.
fn examine_changes(case: &Case<'_>, finding: &mut Finding) {
    let mut made: Vec<(u64, bool, u64, &Append<'_>)> = case
        .appends
        .iter()
        .filter(|append| !append.takes.is_empty() || !append.releases.is_empty())
        .filter_map(|append| {
            let position = append.position()?;
            Some((position, append.writes.is_empty(), append.sent_at_us, append))
        })
        .collect();
    made.sort_by_key(|(position, is_empty, sent_at_us, _)| (*position, *is_empty, *sent_at_us));
    let mut holders: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut own: BTreeSet<&Claim> = BTreeSet::new();
    for (position, .., append) in made {
        examine_given_up(append, position, &mut own, finding);
        for (kind, key, owner) in counted(append.releases) {
            finding.look();
            if holders.remove(&(kind.as_str(), key.as_str())) != Some(owner) {
                let detail = format!("{kind} {key} by {owner} at {position}");
                finding
                    .break_promise("a claim was released by a stream that did not hold it", detail);
            }
        }
        for (kind, key, owner) in counted(append.takes) {
            finding.look();
            let before = holders.insert((kind, key), owner);
            if let Some(holder) = before.filter(|holder| holder != owner) {
                let detail = format!("{kind} {key} of {holder} by {owner} at {position}");
                finding.break_promise("a claim was taken that another stream held", detail);
            }
        }
    }
}

/// A stream gives up what it took, once, also what it gives up to a later time, or takes in the same append:
/// an order whose deadline has passed when it is placed is cancelled at once. `own`: what streams have taken
/// and not given up.
fn examine_given_up<'a>(
    append: &Append<'a>,
    position: u64,
    own: &mut BTreeSet<&'a Claim>,
    finding: &mut Finding,
) {
    let passing = |own: &BTreeSet<&Claim>, claim: &Claim| {
        append.takes.contains(claim) && append.releases.contains(claim) && !own.contains(claim)
    };
    let taken: Vec<_> = append.takes.iter().filter(|claim| !passing(own, claim)).collect();
    for claim in append.releases {
        finding.look();
        if !passing(own, claim) && !own.remove(claim) {
            let (kind, key, owner) = claim;
            let detail = format!("{kind} {key} by {owner} at {position}");
            finding.break_promise("a claim was given up that was not taken", detail);
        }
    }
    own.extend(taken);
}

/// A product is given up to a later time, which the append does not say: who has it when is
/// [`super::one_live_order`]'s, from the log.
fn counted(claims: &[Claim]) -> impl Iterator<Item = &Claim> {
    claims.iter().filter(|(kind, ..)| kind != "product")
}

/// The claims held at the end, each once: kind and key to owner.
fn held<'a>(case: &Case<'a>, finding: &mut Finding) -> BTreeMap<(&'a str, &'a str), &'a str> {
    let mut held = BTreeMap::new();
    for (kind, key, owner) in &case.evidence.claims {
        finding.look();
        if let Some(other) = held.insert((kind.as_str(), key.as_str()), owner.as_str()) {
            let detail = format!("{kind} {key}: {other} and {owner}");
            finding.break_promise("a claim is held twice", detail);
        }
    }
    held
}

/// The live index is the set of sagas that have not ended; of those only the parked may be in the other.
fn examine_sagas(case: &Case<'_>, held: &BTreeMap<(&str, &str), &str>, finding: &mut Finding) {
    let mut indexed: BTreeSet<&str> = BTreeSet::new();
    for ((kind, key), owner) in held {
        if !matches!(*kind, "saga-live" | "saga-parked") {
            continue;
        }
        let id = owner.strip_prefix("saga-").unwrap_or(owner);
        let saga = case.sagas.get(id);
        let wanted = saga.is_some_and(|saga| match *kind {
            "saga-parked" => saga.end.is_none() && !saga.parked.is_empty(),
            _ => saga.end.is_none(),
        });
        finding.expect(wanted, "a saga is in an index where it does not belong", || {
            format!("{kind} {key} of {owner}")
        });
        finding.expect(indexed.insert(id), "a saga is in both indexes", || format!("saga {id}"));
    }
    for saga in case.sagas.values().filter(|saga| saga.end.is_none()) {
        let there = indexed.contains(saga.id);
        finding.expect(there, "a saga that has not ended is in no index", || {
            format!("saga {}", saga.id)
        });
    }
}

fn examine_orders(case: &Case<'_>, held: &BTreeMap<(&str, &str), &str>, finding: &mut Finding) {
    let last_us = case.evidence.log.iter().map(|entry| entry.recorded_at_us).max().unwrap_or(0);
    let is_owner = |kind: &str, key: &str, order: &Order<'_>| {
        held.get(&(kind, key)).is_some_and(|owner| owner.strip_prefix("order-") == Some(order.id))
    };
    for order in case.orders.values() {
        if let Some(key) = order.idempotency_key {
            let key = format!("{}/{key}", order.user);
            finding.expect(
                is_owner("order-key", &key, order),
                "an order's key is not held",
                || format!("order {}: {key}", order.id),
            );
        }
        for product in products(case, order) {
            let holds = is_owner("product", &product, order);
            let lives = order.settled.is_none();
            finding.expect(holds || !lives, "a live order does not hold its product", || {
                format!("order {}: {product}", order.id)
            });
            let over = !lives && order.locked_until_us < last_us;
            finding.expect(!(holds && over), "the product of an ended order is still held", || {
                format!("order {}: {product}", order.id)
            });
        }
    }
}

/// The keys of the claims on an order's products.
pub(super) fn products(case: &Case<'_>, order: &Order<'_>) -> Vec<String> {
    let per_customer = case.evidence.plan.knobs.lock_per_customer;
    let key = |product: &&str| match per_customer {
        true => format!("{}/{product}", order.user),
        false => (*product).to_owned(),
    };
    order.products.iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::{History, caught, clean};

    #[test]
    fn claims_that_follow_their_orders_and_sagas_are_right() {
        let finding = clean(&Claims, &History::good());
        assert!(finding.examined > 10, "{}", finding.examined);
    }

    #[test]
    fn a_claim_that_is_not_released_is_caught() {
        let mut history = History::good();
        let id = history.orders[0].clone();
        let claim = ("saga-live".to_owned(), format!("00000/{id}"), format!("saga-{id}"));
        history.evidence.claims.push(claim);
        caught(&Claims, &history, "a saga is in an index where it does not belong");
    }

    #[test]
    fn a_claim_that_is_released_twice_is_caught() {
        let mut history = History::empty();
        let claim = |owner: &str| ("seat".to_owned(), "12".to_owned(), owner.to_owned());
        history.append_claiming("list-1", vec![claim("list-1")], vec![]);
        history.append_claiming("list-1", vec![], vec![claim("list-1")]);
        history.append_claiming("list-2", vec![claim("list-2")], vec![]);
        clean(&Claims, &history);
        history.append_claiming("list-1", vec![], vec![claim("list-1")]);
        caught(&Claims, &history, "a claim was given up that was not taken");
    }

    #[test]
    fn a_product_that_is_taken_and_given_up_at_once_is_no_longer_held() {
        let mut history = History::empty();
        let claim = || vec![("product".to_owned(), "12".to_owned(), "order-1".to_owned())];
        history.append_claiming("order-1", claim(), claim());
        history.evidence.claims.clear();
        clean(&Claims, &history);
        history.append_claiming("order-1", vec![], claim());
        caught(&Claims, &history, "a claim was given up that was not taken");
    }

    #[test]
    fn a_product_that_is_given_up_twice_is_caught() {
        let mut history = History::empty();
        let claim = || vec![("product".to_owned(), "12".to_owned(), "order-1".to_owned())];
        history.append_claiming("order-1", claim(), vec![]);
        history.append_claiming("order-1", vec![], claim());
        clean(&Claims, &history);
        history.append_claiming("order-1", vec![], claim());
        caught(&Claims, &history, "a claim was given up that was not taken");
    }

    #[test]
    fn a_claim_taken_from_its_holder_is_caught() {
        let mut history = History::empty();
        let claim = |owner: &str| ("seat".to_owned(), "12".to_owned(), owner.to_owned());
        history.append_claiming("list-1", vec![claim("list-1")], vec![]);
        history.append_claiming("list-2", vec![claim("list-2")], vec![]);
        caught(&Claims, &history, "a claim was taken that another stream held");
    }

    #[test]
    fn a_saga_that_nobody_will_find_again_is_caught() {
        let mut history = History::good();
        history.start_order(3, "key-9", "product-9");
        history.evidence.claims.retain(|(kind, ..)| kind != "saga-live");
        caught(&Claims, &history, "a saga that has not ended is in no index");
    }

    #[test]
    fn a_live_order_without_its_product_is_caught() {
        let mut history = History::good();
        history.start_order(3, "key-9", "product-9");
        clean(&Claims, &history);
        history.evidence.claims.retain(|(kind, ..)| kind != "product");
        caught(&Claims, &history, "a live order does not hold its product");
    }

    #[test]
    fn an_order_key_stays_held_for_ever() {
        let mut history = History::good();
        history.evidence.claims.retain(|(kind, ..)| kind != "order-key");
        caught(&Claims, &history, "an order's key is not held");
    }
}
