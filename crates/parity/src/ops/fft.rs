//! Fourier transforms.

use flambeau_tensor::StftOptions;

use super::Entry;
use crate::call::{ok, unsupported};

pub(super) const TABLE: &[Entry] = &[("stft", |c| {
    let reflect = match c.text_or(6, "pad_mode", "reflect")? {
        "reflect" => true,
        "constant" => false,
        other => return unsupported(format!("pad_mode {other}")),
    };
    if !c.flag(8, "onesided", true)? {
        return unsupported("onesided=False");
    }
    let given = |position, name| c.int_opt(position, name).map(|n| n.map(|n| n as usize));
    let options = StftOptions {
        hop_length: given(2, "hop_length")?,
        win_length: given(3, "win_length")?,
        window: c.tensor_opt(4, "window")?.cloned(),
        center: c.flag(5, "center", true)?,
        reflect,
        normalized: c.flag(7, "normalized", false)?,
    };
    let complex = c.x()?.dtype().is_complex() || options.window.as_ref().is_some_and(|w| w.dtype().is_complex());
    let spectrum = c.x()?.stft(c.size(1, "n_fft")?, &options)?;
    ok(if c.flag(9, "return_complex", complex)? { spectrum } else { spectrum.view_as_real()? })
})];
