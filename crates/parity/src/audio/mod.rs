//! Cases recorded from torchaudio.

pub mod functional;
pub mod kaldi;

use flambeau_audio::functional::{
    ConvolveMode, MaskAxis, MelNorm, MelScaleKind, Normalized, Reduction, ResamplingMethod,
};
use flambeau_tensor::{PadMode, Tensor};

use crate::{
    call::{Call, KEYWORD, Trouble, unsupported},
    value::Value,
};

/// Functions of torchaudio that are not here yet: they want complex Fourier transforms, `solve`, `eigh`.
pub const LACKING: &[&str] = &[
    "frechet_distance",
    "griffinlim",
    "inverse_spectrogram",
    "mvdr_weights_rtf",
    "mvdr_weights_souden",
    "phase_vocoder",
    "pitch_shift",
    "rtf_evd",
    "rtf_power",
];

/// An argument by its name.
pub(crate) struct Words<'a>(pub &'a Call);

impl<'a> Words<'a> {
    pub fn float(&self, name: &str, default: f64) -> Result<f64, Trouble> {
        self.0.float_or(KEYWORD, name, default)
    }

    pub fn float_opt(&self, name: &str) -> Result<Option<f64>, Trouble> {
        self.0.float_opt(KEYWORD, name)
    }

    pub fn count(&self, name: &str, default: usize) -> Result<usize, Trouble> {
        self.0.size_or(KEYWORD, name, default)
    }

    pub fn rate(&self, name: &str) -> Result<u32, Trouble> {
        Ok(self.0.size(KEYWORD, name)? as u32)
    }

    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Trouble> {
        self.0.flag(KEYWORD, name, default)
    }

    pub fn text(&self, name: &str, default: &'a str) -> Result<&'a str, Trouble> {
        self.0.text_or(KEYWORD, name, default)
    }

    pub fn tensor(&self, name: &str) -> Result<&'a Tensor, Trouble> {
        self.0.tensor(KEYWORD, name)
    }

    pub fn tensor_opt(&self, name: &str) -> Result<Option<&'a Tensor>, Trouble> {
        self.0.tensor_opt(KEYWORD, name)
    }

    pub fn normalized(&self) -> Result<Normalized, Trouble> {
        match self.0.keyword("normalized") {
            None | Some(Value::Bool(false)) => Ok(Normalized::No),
            Some(Value::Bool(true)) => Ok(Normalized::Window),
            Some(Value::Str(s)) if s == "window" => Ok(Normalized::Window),
            Some(Value::Str(s)) if s == "frame_length" => Ok(Normalized::FrameLength),
            Some(other) => unsupported(format!("`normalized` is {other:?}")),
        }
    }

    pub fn pad_mode(&self, name: &str, default: &'a str) -> Result<Option<PadMode>, Trouble> {
        Ok(match self.text(name, default)? {
            "constant" => None,
            "reflect" => Some(PadMode::Reflect),
            "replicate" => Some(PadMode::Replicate),
            "circular" => Some(PadMode::Circular),
            other => return unsupported(format!("padding {other}")),
        })
    }

    pub fn norm(&self) -> Result<Option<MelNorm>, Trouble> {
        match self.0.text_opt(KEYWORD, "norm")? {
            None => Ok(None),
            Some("slaney") => Ok(Some(MelNorm::Slaney)),
            Some(other) => unsupported(format!("norm {other}")),
        }
    }

    pub fn mel_scale(&self) -> Result<MelScaleKind, Trouble> {
        match self.text("mel_scale", "htk")? {
            "htk" => Ok(MelScaleKind::Htk),
            "slaney" => Ok(MelScaleKind::Slaney),
            other => unsupported(format!("mel scale {other}")),
        }
    }

    /// `norm` of a cosine transform.
    pub fn ortho(&self) -> Result<bool, Trouble> {
        match self.0.keyword("norm") {
            None => Ok(true),
            Some(Value::None) => Ok(false),
            Some(Value::Str(s)) if s == "ortho" => Ok(true),
            Some(other) => unsupported(format!("norm {other:?}")),
        }
    }

    pub fn convolve_mode(&self) -> Result<ConvolveMode, Trouble> {
        match self.text("mode", "full")? {
            "full" => Ok(ConvolveMode::Full),
            "valid" => Ok(ConvolveMode::Valid),
            "same" => Ok(ConvolveMode::Same),
            other => unsupported(format!("mode {other}")),
        }
    }

    pub fn resampling(&self) -> Result<ResamplingMethod, Trouble> {
        let beta = self.float("beta", 14.769656459379492)?;
        match self.text("resampling_method", "sinc_interp_hann")? {
            "sinc_interp_hann" => Ok(ResamplingMethod::SincInterpHann),
            "sinc_interp_kaiser" => Ok(ResamplingMethod::SincInterpKaiser(beta)),
            other => unsupported(format!("resampling by {other}")),
        }
    }

    pub fn reduction(&self) -> Result<Reduction, Trouble> {
        match self.text("reduction", "mean")? {
            "mean" => Ok(Reduction::Mean),
            "sum" => Ok(Reduction::Sum),
            "none" => Ok(Reduction::None),
            other => unsupported(format!("reduction {other}")),
        }
    }

    /// The dimension `axis` of a spectrogram of `rank` dimensions.
    pub fn axis(&self, rank: usize) -> Result<MaskAxis, Trouble> {
        match self.count("axis", 0)? {
            axis if axis + 1 == rank => Ok(MaskAxis::Time),
            axis if axis + 2 == rank => Ok(MaskAxis::Frequency),
            axis => unsupported(format!("axis {axis}")),
        }
    }
}
