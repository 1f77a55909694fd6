//! The ports' promises as public test functions: an adapter's test file only calls them.
