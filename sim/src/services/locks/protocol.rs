//! What can be asked of the lock machine. Each answer is what the port's method returns.

use std::time::Duration;

use sagaline_storage::lock::Lease;
use serde::{Deserialize, Serialize};

/// A request to the lock service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum LockRequest {
    Acquire { resource: String, holder: String, ttl: Duration },
    Renew(Lease),
    Release(Lease),
    Inspect(String),
}
