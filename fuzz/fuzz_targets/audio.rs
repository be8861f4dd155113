//! Any bytes as a sound file: what it says of itself, and its frames, as a whole and in chunks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    flambeau_fuzz::with_file(bytes, |path| {
        drop(flambeau_audio::info(path));
        drop(flambeau_audio::load_with(path).strict(false).build());
        if let Ok(mut reader) = flambeau_audio::io::StreamReader::new(path, 1000).overlap(100).strict(false).build() {
            reader.by_ref().take(100).for_each(drop);
            drop(reader.seek(500));
            reader.take(1).for_each(drop);
        }
    });
});
