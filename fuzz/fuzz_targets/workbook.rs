#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (fsx_fuzz::target("workbook").run)(bytes));
