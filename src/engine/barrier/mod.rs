//! The participants' barrier: what makes calls that come twice, late, or after their undo harmless.
//!
//! A saga calls at least once. Whoever is called keeps, per saga and step, what it has answered, and
//! writes that *in the transaction of the effect itself*:
//!
//! 1. An older epoch than one seen before is refused: a former owner of the saga is still talking.
//! 2. An action that comes again gets the first answer, also when that was a no.
//! 3. An action that comes after its undo is refused: the undo left a tombstone.
//! 4. An undo of what never happened leaves the tombstone and is done.
//! 5. The barrier is asked first, the business second.
//!
//! [`Barrier`] is that record, as an aggregate; [`Guarded`] writes it together with an aggregate of this
//! node's own store; [`protocol`] says how services in any language do the same, with PostgreSQL's
//! statements for it, and [`Entered`] reads their row in Rust. (Rules 1 to 4 are DTM's sub-transaction
//! barrier with fencing added; rule 5 and the stored no close its remaining gaps.)

mod entered;
mod guarded;
pub mod protocol;
mod record;

pub use entered::Entered;
pub use guarded::{Answered, BarrierError, CallKey, Guarded};
pub use protocol::{CallHeaders, HeaderProblem};
pub use record::{Answer, Barrier, BarrierCommand, BarrierEvent, BarrierRefusal};
