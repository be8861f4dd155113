//! Image files: decoded to torchvision's pixels, encoded to files that decode to them; broken ones refused.

use flambeau_tensor::Tensor;
use flambeau_vision::io::{
    ImageReadMode, ImageReadOptions, decode_image, decode_image_as, decode_image_rgb, encode_jpeg, encode_png,
};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::{
    call::{Call, KEYWORD, Trouble, plain, unsupported},
    case::{Arguments, field, tensors},
    compare::{Plain, Tolerance, same_tensor},
    value::Recorded,
};

/// Runs one case.
///
/// # Errors
///
/// The call is not in the table, failed where torchvision's did not, or gave other pixels.
pub fn run(json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let about = json.get("about").and_then(Json::as_str).unwrap_or_default();
    let call = Call::of(&Arguments::setting(json, "kwargs", data)?)?;
    let ours = made(field(json, "call")?.as_str().unwrap_or_default(), json, &call, data);
    if json.get("error").is_some() {
        return match ours {
            Err(Trouble::Failed(_)) => Ok(()),
            Err(other) => Err(other),
            Ok(_) => Err(Trouble::Failed(format!("{about}: this is read, torchvision refuses it"))),
        };
    }
    let ours = ours.map_err(|trouble| match trouble {
        Trouble::Failed(why) => Trouble::Failed(format!("{about}: {why}")),
        other => other,
    })?;
    call.all_read()?;
    let theirs = recorded(json, "output", data)?;
    same_tensor(&plain(&ours)?, &Plain::from(&theirs), Tolerance::forward(theirs.element))
        .map_err(|why| Trouble::Failed(format!("{about}: {why}")))
}

fn made(name: &str, json: &Json, call: &Call, data: &SafeTensors<'_>) -> Result<Tensor, Trouble> {
    let file = || recorded(json, "file", data);
    match name {
        "decode_image" => {
            let mode = match call.text_or(KEYWORD, "mode", "UNCHANGED")? {
                "UNCHANGED" => ImageReadMode::Unchanged,
                "GRAY" => ImageReadMode::Gray,
                "GRAY_ALPHA" => ImageReadMode::GrayAlpha,
                "RGB" => ImageReadMode::Rgb,
                "RGB_ALPHA" => ImageReadMode::RgbAlpha,
                other => return unsupported(format!("mode {other}")),
            };
            let upright = call.flag(KEYWORD, "apply_exif_orientation", false)?;
            let options = ImageReadOptions::new().mode(mode).apply_exif_orientation(upright);
            Ok(decode_image_as(&file()?.bytes, options)?)
        }
        "pil_loader" => Ok(decode_image_rgb(&file()?.bytes)?),
        "encode_jpeg" => {
            let image = recorded(json, "input", data)?;
            let quality = call.size_or(KEYWORD, "quality", 75)?;
            let bytes = encode_jpeg(&Tensor::from_slice(&image.bytes, image.shape)?, quality as u8)?;
            Ok(decode_image(&bytes)?)
        }
        "encode_png" => {
            let image = recorded(json, "input", data)?;
            // Whatever the level, the pixels are the same; it is not ours to set.
            call.size_or(KEYWORD, "compression_level", 6)?;
            Ok(decode_image(&encode_png(&Tensor::from_slice(&image.bytes, image.shape)?)?)?)
        }
        other => unsupported(format!("the call `{other}` is not in the runner's table")),
    }
}

fn recorded(json: &Json, key: &str, data: &SafeTensors<'_>) -> Result<Recorded, Trouble> {
    let mut one = tensors(&Json::Array(vec![field(json, key)?.clone()]), data)?;
    one.pop().ok_or_else(|| Trouble::Failed(format!("{key} is null")))
}
