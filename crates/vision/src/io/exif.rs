//! The one thing of EXIF data that changes what is seen: the orientation.

use flambeau_tensor::{Result, Tensor};

/// The orientation, 1 to 8, in the first directory of EXIF data; `None` where there is none that makes sense.
pub(super) fn orientation(exif: &[u8]) -> Option<u8> {
    let little = match exif.get(..2)? {
        b"II" => true,
        b"MM" => false,
        _ => return None,
    };
    let two = |at: usize| {
        let bytes = *exif.get(at..)?.first_chunk::<2>()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let four = |at: usize| {
        let bytes = *exif.get(at..)?.first_chunk::<4>()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    if two(2)? != 42 {
        return None;
    }
    let directory = four(4)? as usize;
    let entries = exif.get(directory.checked_add(2)?..)?.chunks_exact(12).take(usize::from(two(directory)?));
    // A chunk of 12 bytes ends before the data do, so all of these places are inside.
    for (i, _) in entries.enumerate() {
        let entry = directory + 2 + 12 * i;
        if two(entry)? == 0x0112 {
            return u8::try_from(two(entry + 8)?).ok().filter(|o| (1..=8).contains(o));
        }
    }
    None
}

/// `[C, H, W]` turned and mirrored the way `orientation` says it is to be seen.
#[track_caller]
pub(super) fn upright(image: Tensor, orientation: Option<u8>) -> Result<Tensor> {
    match orientation {
        Some(2) => image.flip([-1]),
        Some(3) => image.flip([-2, -1]),
        Some(4) => image.flip([-2]),
        Some(5) => image.transpose(-1, -2)?.contiguous(),
        Some(6) => image.transpose(-1, -2)?.flip([-1]),
        Some(7) => image.transpose(-1, -2)?.flip([-2, -1]),
        Some(8) => image.transpose(-1, -2)?.flip([-2]),
        _ => Ok(image),
    }
}
