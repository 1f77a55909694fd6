//! Events that cannot follow.
