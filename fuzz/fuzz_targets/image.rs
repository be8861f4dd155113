//! Any bytes as an image, turned as its EXIF data says, and as `ImageFolder` reads them.
#![no_main]

use flambeau_vision::io::{ImageReadOptions, decode_image_as, decode_image_rgb};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = decode_image_as(bytes, ImageReadOptions::new().apply_exif_orientation(true));
    let _ = decode_image_rgb(bytes);
});
