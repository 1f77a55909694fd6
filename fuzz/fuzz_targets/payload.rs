//! Gives libFuzzer's bytes to [`sagaline_fuzz::payload`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sagaline_fuzz::payload::run(bytes));
