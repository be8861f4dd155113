//! Any bytes as a safetensors file: `Ok` or `Err`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = flambeau_serialize::load_from(bytes);
});
