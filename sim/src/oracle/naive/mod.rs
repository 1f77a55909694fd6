//! The product's state as an outsider folds it: from the JSON of the log alone, field by field, without a
//! line of the product's code. Used by the oracles; never decides what the product may do, only what
//! must follow from what it wrote.

pub mod append;
pub mod event;
pub mod http;
pub mod json;
pub mod ledger;
pub mod line;
pub mod moment;
pub mod order;
pub mod payment;
pub mod saga;
pub mod saga_page;
pub mod steps;
pub mod terms;
pub mod time;
