//! Deliberate bugs that the simulation is asked to find: see [`sagaline_storage::canary`]. Here, so that the
//! pure parts need not name the store.

pub(crate) use sagaline_storage::canary::planted;
