//! Customers who order, repeat and cancel at the same time, until the node is gone.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use super::client::{Answer, Client};
use super::dice::Dice;
use super::order::{Cancelling, Order};

/// One acknowledged order out of these is sent again, and one is cancelled.
const REPEATED: u64 = 10;
const CANCELLED: u64 = 8;

/// Some customers at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    customers: Vec<JoinHandle<Vec<Order>>>,
}

impl Load {
    /// Starts one thread a customer. `unsettled` are requests of earlier times that were never answered:
    /// they go first.
    pub(crate) fn start(
        node: SocketAddr,
        tokens: &[String],
        unsettled: Vec<Order>,
        dice: &mut Dice,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let customers = tokens.iter().map(|token| {
            let again =
                unsettled.iter().filter(|order| order.customer == *token).cloned().collect();
            let (stop, token, dice) = (stop.clone(), token.clone(), dice.split());
            std::thread::spawn(move || order_until(&stop, node, &token, again, dice))
        });
        Self { customers: customers.collect(), stop }
    }

    /// Waits for the threads. Call it when the node is gone.
    pub(crate) fn stop(self) -> Vec<Order> {
        self.stop.store(true, Ordering::Relaxed);
        self.customers.into_iter().flat_map(|customer| customer.join().unwrap()).collect()
    }
}

/// Sends requests again to a node that lives; each is answered now.
pub(crate) fn send_again(node: SocketAddr, orders: Vec<Order>) -> Vec<Order> {
    let again = |mut order: Order| {
        let mut client = Client::of(node).with_token(&order.customer);
        while order.id.is_none() {
            place(&mut client, &mut order).unwrap();
        }
        order
    };
    orders.into_iter().map(again).collect()
}

fn order_until(
    stop: &AtomicBool,
    node: SocketAddr,
    token: &str,
    mut again: Vec<Order>,
    mut dice: Dice,
) -> Vec<Order> {
    let mut client = Client::of(node).with_token(token);
    let mut done = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut order = again.pop().unwrap_or_else(|| Order::drawn(token, &mut dice));
        let reached = one_order(&mut client, &mut order, &mut dice);
        if order.id.is_some() {
            done.push(order);
        } else {
            again.push(order);
        }
        if reached.is_err() {
            // The node is gone, or about to be: this is not a moment to spin.
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    done.extend(again);
    done
}

/// Places an order and perhaps repeats or cancels it. An error: no answer came.
fn one_order(client: &mut Client, order: &mut Order, dice: &mut Dice) -> io::Result<()> {
    place(client, order)?;
    if order.id.is_some() && dice.one_in(REPEATED) {
        place(client, order)?;
    }
    if order.id.is_some() && dice.one_in(CANCELLED) {
        cancel(client, order)?;
    }
    Ok(())
}

/// One request for the order. Afterwards it has its id, unless the node was too busy to take it.
fn place(client: &mut Client, order: &mut Order) -> io::Result<()> {
    let key = format!("idempotency-key: {}\r\n", order.key);
    let answer = client.call("POST", "/orders", &key, Some(&order.body()))?;
    match answer.status {
        201 => {
            let id = answer.text("id");
            let same = order.id.as_ref().is_none_or(|before| *before == id);
            assert!(same, "one key, two orders: {order:?} and {id}");
            order.id = Some(id);
        }
        503 => {}
        _ => panic!("{order:?} was answered {answer:?}"),
    }
    Ok(())
}

fn cancel(client: &mut Client, order: &mut Order) -> io::Result<()> {
    order.cancelling = Cancelling::Unknown;
    let path = format!("/orders/{}", order.id.as_ref().expect("it was acknowledged"));
    let answer: Answer =
        client.call("DELETE", &path, "", Some(&json!({ "reason": "changed my mind" })))?;
    order.cancelling = match answer.status {
        200 | 202 => Cancelling::Accepted,
        409 => Cancelling::Refused,
        503 => Cancelling::Unknown,
        _ => panic!("cancelling {order:?} was answered {answer:?}"),
    };
    Ok(())
}
