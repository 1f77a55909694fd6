//! An order, folded from its stream.

use serde_json::Value;

use crate::evidence::LogEntry;

use super::json::{list, number, text};
use super::line;

/// An order and what became of it.
#[derive(Debug)]
pub struct Order<'a> {
    /// Its id.
    pub id: &'a str,
    /// The event that placed it.
    pub placed: &'a LogEntry,
    /// Who ordered.
    pub user: &'a str,
    /// What it costs, in minor units.
    pub total_minor: u64,
    /// The products, each once.
    pub products: Vec<&'a str>,
    /// Until when its products are held at least, in microseconds of wall time.
    pub locked_until_us: u64,
    /// The request's name, when it had one.
    pub idempotency_key: Option<&'a str>,
    /// Whether a saga pays it.
    pub by_card: bool,
    /// `pending`, `paid`, `shipped`, `delivered`, `cancelled`, `failed`.
    pub status: &'static str,
    /// The payment that paid it.
    pub payment: Option<&'a str>,
    /// Why it was cancelled or failed.
    pub reason: Option<&'a str>,
    /// The event that ended its hold on its products: confirmed, cancelled or failed.
    pub settled: Option<&'a LogEntry>,
    /// How often it was placed: once.
    pub placings: u32,
    /// What cannot be: `(what, detail)`.
    pub illegal: Vec<(&'static str, String)>,
}

impl<'a> Order<'a> {
    /// Folds a stream; none when it does not begin with the placing.
    pub fn fold(id: &'a str, entries: &[&'a LogEntry]) -> Option<Self> {
        let placed = *entries.first().filter(|first| first.event_type == "OrderPlaced")?;
        let said = &placed.payload;
        let mut products: Vec<&str> =
            list(said, "items").iter().filter_map(|item| text(item, "productId")).collect();
        products.sort_unstable();
        products.dedup();
        let mut order = Self {
            id,
            placed,
            user: text(said, "userId").unwrap_or(""),
            total_minor: number(said, "totalMinor").unwrap_or(0),
            products,
            locked_until_us: number(said, "lockedUntilUs").unwrap_or(0),
            idempotency_key: text(said, "idempotencyKey"),
            by_card: text(said, "paymentKind") != Some("external"),
            status: "pending",
            payment: None,
            reason: None,
            settled: None,
            placings: 1,
            illegal: Vec::new(),
        };
        entries.iter().skip(1).for_each(|entry| order.apply(entry));
        Some(order)
    }

    /// Whether what never changes of it is shown as it was placed: its lines, their currency, and
    /// how it is paid. Not where it goes: the log has that under its user's key.
    pub fn is_shown_in(&self, shown: &Value) -> bool {
        let placed = &self.placed.payload;
        line::shown(shown) == line::logged(placed)
            && text(shown, "currency") == text(placed, "currency")
            && line::paid_by(shown) == text(placed, "paymentKind")
    }

    fn apply(&mut self, entry: &'a LogEntry) {
        let (next, from): (&'static str, &[&str]) = match entry.event_type.as_str() {
            "OrderPlaced" => {
                self.placings += 1;
                return;
            }
            "OrderConfirmed" => ("paid", &["pending"]),
            "OrderCancelled" => ("cancelled", &["pending", "paid", "shipped", "delivered"]),
            "OrderFailed" => ("failed", &["pending"]),
            "OrderShipped" => ("shipped", &["paid"]),
            "OrderDelivered" => ("delivered", &["shipped"]),
            other => {
                self.illegal.push(("an event that orders do not have", other.to_owned()));
                return;
            }
        };
        if !from.contains(&self.status) {
            let detail = format!("{} after {} at {}", next, self.status, entry.position);
            self.illegal.push(("an order's status cannot follow on the one before", detail));
        }
        self.status = next;
        if next == "paid" {
            self.payment = text(&entry.payload, "paymentId");
        }
        if matches!(next, "cancelled" | "failed") {
            self.reason = text(&entry.payload, "reason");
        }
        if self.settled.is_none() {
            self.settled = Some(entry);
        }
    }
}
