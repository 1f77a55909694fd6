//! The promises of a [`ViewStore`].
//!
//! Called by the tests of its adapters, with a factory of empty stores.

pub mod clear;

pub mod commit;

pub mod crash;

pub mod model;

pub mod page;

mod samples;

use std::future::Future;

use crate::views::ViewStore;

/// Makes the stores to be tested.
pub trait ViewsFactory: Sync {
    /// What is tested.
    type Store: ViewStore;

    /// An empty store that shares nothing with the others.
    fn create(&self) -> impl Future<Output = Self::Store> + Send;
}

/// A factory whose stores can be crashed.
pub trait CrashableViews: ViewsFactory {
    /// A store that starts from what a crash of this moment would leave of `store`.
    fn crash(&self, store: Self::Store) -> impl Future<Output = Self::Store> + Send;
}

/// Every promise that needs no crash.
pub async fn run_all<F: ViewsFactory>(factory: &F) {
    commit::run_all(factory).await;
    page::run_all(factory).await;
    clear::run_all(factory).await;
    for seed in 0..20 {
        model::random_changes_equal_a_model(factory, seed).await;
    }
}
