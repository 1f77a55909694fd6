//! The shell: the only place that spawns, sleeps or selects. Generic over one [`Backend`].
//!
//! [`Backend`]: sagaline_storage::Backend

pub mod outcome;
pub mod step;

mod call;
mod definition;
mod keys;
mod stage;

pub mod http_client;
pub mod projection;
pub mod timer;

pub use call::Call;
pub use definition::{Definition, DefinitionBuilder};
pub use keys::{SAGA_CATEGORY, saga_of, saga_stream};
pub use outcome::{Failure, Outcome, Probe};
pub use projection::{IndexKey, Projection, Recorded, View};
pub use stage::{LoadError, Loaded, StageError};
pub use step::{Compensable, Step};
