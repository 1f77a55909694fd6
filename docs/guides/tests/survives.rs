//! The test of the guide's first page: the saga as it should be.

include!(concat!(env!("OUT_DIR"), "/survives.rs"));
