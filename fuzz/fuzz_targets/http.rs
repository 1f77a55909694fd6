//! Gives libFuzzer's bytes to [`sagaline_fuzz::http`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sagaline_fuzz::http::run(bytes));
