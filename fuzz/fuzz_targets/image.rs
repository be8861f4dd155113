//! Any bytes as an image, turned as its EXIF data says.
#![no_main]

use flambeau_vision::io::{ImageReadOptions, decode_image_as};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = decode_image_as(bytes, ImageReadOptions::new().apply_exif_orientation(true));
});
