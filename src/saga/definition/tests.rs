//! The rules of a definition, one by one.
