//! Gives libFuzzer's bytes to [`sagaline_fuzz::token`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sagaline_fuzz::token::run(bytes));
