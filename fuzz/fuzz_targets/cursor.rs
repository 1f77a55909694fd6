//! Gives libFuzzer's bytes to [`sagaline_fuzz::cursor`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sagaline_fuzz::cursor::run(bytes));
