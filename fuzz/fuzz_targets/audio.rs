//! Any bytes as a sound file: what it says of itself, and its frames.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    flambeau_fuzz::with_file(bytes, |path| {
        drop(flambeau_audio::info(path));
        drop(flambeau_audio::load_with(path).strict(false).build());
    });
});
