//! Gives libFuzzer's bytes to [`sagaline_fuzz::settings`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sagaline_fuzz::settings::run(bytes));
