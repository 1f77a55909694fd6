//! The lock service: a hint that keeps work apart, never a proof that it is apart.

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::StorageError;

/// A resource held by someone for a while.
///
/// *A lease is a hint; only the fencing epoch checked inside `append` is a proof.*
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// What is held.
    pub resource: String,
    /// Who holds it.
    pub holder: String,
    /// Strictly grows with every acquisition of the resource.
    pub token: u64,
    /// How long it lasts from the moment of the answer, unless renewed.
    pub ttl: Duration,
}

/// What can be seen of a held resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseState {
    /// Who holds it.
    pub holder: String,
    /// The token it was given out with.
    pub token: u64,
    /// What is left of it.
    pub remaining: Duration,
}

/// Mutual exclusion with a time limit.
pub trait LockService: Clone + Send + Sync + 'static {
    /// Takes `resource` for `ttl` unless somebody else holds it. The same holder asking again while it
    /// holds gets `None` as well: a lock is not re-entrant.
    fn acquire(
        &self,
        resource: &str,
        holder: &str,
        ttl: Duration,
    ) -> impl Future<Output = Result<Option<Lease>, StorageError>> + Send;

    /// Starts the lease's time anew. False: it is no longer held by this token.
    fn renew(&self, lease: &Lease) -> impl Future<Output = Result<bool, StorageError>> + Send;

    /// Gives it up. False: it was no longer held by this token, and nothing was changed.
    fn release(&self, lease: &Lease) -> impl Future<Output = Result<bool, StorageError>> + Send;

    /// Who holds it now, if anybody.
    fn inspect(
        &self,
        resource: &str,
    ) -> impl Future<Output = Result<Option<LeaseState>, StorageError>> + Send;
}
