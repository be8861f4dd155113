//! Any bytes as an `.npy` file, and as whatever `load` takes them for (`.npz`, an archive of PyTorch's, …).
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    flambeau_fuzz::with_file(bytes, |path| {
        drop(flambeau_serialize::npy::load(path));
        drop(flambeau_serialize::load(path));
    });
});
