//! Operators' verbs.
