//! JPEG files: what is decoded is what libjpeg-turbo made of the same bytes, to the level; what is encoded is the same
//! file, to the byte.

use flambeau_tensor::Tensor;
use flambeau_vision::io::{ImageReadMode, decode_image_as, encode_jpeg};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::{
    call::Trouble,
    case::{field, tensors},
    value::Recorded,
};

/// Decodes one recorded file, or encodes one recorded image, and compares all bytes.
///
/// # Errors
///
/// There is an error, or the bytes are others.
pub fn run(json: &Json, data: &SafeTensors<'_>) -> Result<(), Trouble> {
    let name = field(json, "name")?.as_str().unwrap_or_default();
    let output = recorded(json, "output", data)?;
    let (shape, ours) = match json.get("quality").and_then(Json::as_u64) {
        None => {
            // Files of inks were recorded in colours.
            let mode = if output.shape.first() == Some(&3) { ImageReadMode::Rgb } else { ImageReadMode::Unchanged };
            let image = decode_image_as(&recorded(json, "file", data)?.bytes, mode)?;
            (image.shape().to_vec(), image.to_vec::<u8>()?)
        }
        Some(quality) => {
            let input = recorded(json, "input", data)?;
            let file = encode_jpeg(&Tensor::from_slice(&input.bytes, input.shape)?, quality as u8)?;
            (vec![file.len()], file)
        }
    };
    if shape != output.shape {
        return Err(Trouble::Failed(format!("{name}: {shape:?} instead of {:?}", output.shape)));
    }
    match ours.iter().zip(output.bytes.iter()).map(|(a, b)| a.abs_diff(*b)).max() {
        Some(0) => Ok(()),
        off => Err(Trouble::Failed(format!("{name}: off by {off:?}"))),
    }
}

fn recorded(json: &Json, key: &str, data: &SafeTensors<'_>) -> Result<Recorded, Trouble> {
    let mut one = tensors(&Json::Array(vec![field(json, key)?.clone()]), data)?;
    one.pop().ok_or_else(|| Trouble::Failed(format!("{key} is null")))
}
