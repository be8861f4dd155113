//! Any bytes as a `.pt` file of either form: `Ok` or `Err`, and no code of the file's runs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    flambeau_fuzz::with_file(bytes, |path| drop(flambeau_serialize::torch::load(path)));
});
