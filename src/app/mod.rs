//! The reference application: orders that are paid. Written against the surface that every user of the
//! library has, and nothing below it.

pub mod gateway;

pub mod steps;

pub mod order_processing;
pub mod order_refund;

pub mod orders;

pub use order_processing::{ORDER_PROCESSING, order_processing};
pub use order_refund::{ORDER_REFUND, RefundOrder, order_refund};
pub use orders::{Accepted, Cancelled, ChangeError, Orders, PlaceError};
