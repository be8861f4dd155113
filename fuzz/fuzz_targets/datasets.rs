//! Any bytes as the files that only data sets have: MATLAB's, `.flo`, `.pfm`, pickles, masks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    flambeau_fuzz::with_file(bytes, |path| {
        drop(flambeau_vision::datasets::read_mat(path));
        drop(flambeau_vision::datasets::read_flo(path));
        drop(flambeau_vision::datasets::read_pfm(path, 2));
        drop(flambeau_vision::io::read_mask(path));
        drop(flambeau_serialize::torch::load_pickle(path));
    });
});
