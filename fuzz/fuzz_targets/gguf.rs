//! Any bytes as a GGUF file, with every tensor it claims to hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    flambeau_fuzz::with_file(bytes, |path| {
        if let Ok(checkpoint) = flambeau_serialize::open(path) {
            checkpoint.names().for_each(|name| drop(checkpoint.tensor(name)));
        }
    });
});
