//! Gives libFuzzer's bytes to [`sagaline_fuzz::import`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sagaline_fuzz::import::run(bytes));
