//! The saga of the guide's first page, and the code of the other pages as doc tests.

include!(concat!(env!("OUT_DIR"), "/lib.rs"));

#[cfg(doctest)]
#[doc = include_str!("../../src/events.md")]
mod events {}

#[cfg(doctest)]
#[doc = include_str!("../../src/sagas.md")]
mod sagas {}

#[cfg(doctest)]
#[doc = include_str!("../../src/participants.md")]
mod participants {}

#[cfg(doctest)]
#[doc = include_str!("../../src/testing.md")]
mod testing {}
