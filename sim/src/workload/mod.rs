//! What the clients do: drawn into the plan before a run ([`alphabet`], [`body`]), done during the run
//! by clients on a machine of their own, over HTTP like anybody's, and at the store like a service that
//! keeps lists there.

pub mod alphabet;
pub mod body;
