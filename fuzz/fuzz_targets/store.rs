//! Gives libFuzzer's bytes to [`sagaline_fuzz::store`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sagaline_fuzz::store::run(bytes));
