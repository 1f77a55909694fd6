//! What the clients do: drawn into the plan before a run ([`alphabet`], [`body`]), done during the run
//! by clients on a machine of their own, over HTTP like anybody's, and at the store like a service that
//! keeps lists there.

pub mod accounts;
pub mod alphabet;
pub mod body;
pub mod merchants;
pub mod operators;
pub mod rebuilds;
pub mod walkers;

#[cfg(madsim)]
mod account;
#[cfg(madsim)]
pub mod clients;
#[cfg(madsim)]
pub mod consumers;
#[cfg(madsim)]
pub mod http;
#[cfg(madsim)]
mod lists;
#[cfg(madsim)]
mod locks;
#[cfg(madsim)]
mod patience;
#[cfg(madsim)]
pub mod people;
#[cfg(madsim)]
pub mod readers;
#[cfg(madsim)]
pub(crate) mod request;
#[cfg(madsim)]
pub mod subscribers;
#[cfg(madsim)]
mod walk;
#[cfg(madsim)]
pub mod watchers;
