//! Cases recorded from torchaudio.

pub mod dataset;
pub mod decoder;
pub mod functional;
pub mod io;
pub mod kaldi;
pub mod model;
pub mod pipeline;
pub mod transform;

use flambeau_audio::{
    functional::{
        ConvolveMode, DiagonalLoading, MaskAxis, MelNorm, MelScaleKind, Normalized, Reduction, ReferenceChannel,
        ResamplingMethod, VadOptions,
    },
    transforms::{WindowFn, hamming_window, hann_window},
};
use flambeau_tensor::{DType, PadMode, Tensor};

use crate::{
    call::{Call, KEYWORD, Trouble, unsupported},
    value::Value,
};

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

    pub fn count_opt(&self, name: &str) -> Result<Option<usize>, Trouble> {
        Ok(self.0.int_opt(KEYWORD, name)?.map(|n| n as usize))
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

    /// A channel's number, or weights of all.
    pub fn reference(&self) -> Result<Option<ReferenceChannel<'a>>, Trouble> {
        match self.0.given(KEYWORD, "reference_channel") {
            None | Some(Value::None) => Ok(None),
            Some(Value::Tensor(weights)) => Ok(Some(ReferenceChannel::Weights(weights))),
            Some(_) => Ok(Some(self.0.size(KEYWORD, "reference_channel")?.into())),
        }
    }

    pub fn loading(&self) -> Result<DiagonalLoading, Trouble> {
        Ok(DiagonalLoading::new()
            .diagonal_loading(self.flag("diagonal_loading", true)?)
            .diag_eps(self.float("diag_eps", 1e-7)?)
            .eps(self.float("eps", 1e-8)?))
    }

    pub fn reduction(&self) -> Result<Reduction, Trouble> {
        match self.text("reduction", "mean")? {
            "mean" => Ok(Reduction::Mean),
            "sum" => Ok(Reduction::Sum),
            "none" => Ok(Reduction::None),
            other => unsupported(format!("reduction {other}")),
        }
    }

    /// What makes windows, with what it is given there (`wkwargs`) in it.
    pub fn window_fn(&self) -> Result<WindowFn, Trouble> {
        let periodic = match self.0.given(KEYWORD, "wkwargs") {
            None => true,
            Some(Value::Dict(items)) => match &items[..] {
                [] => true,
                [(name, Value::Bool(periodic))] if name == "periodic" => *periodic,
                _ => return unsupported(format!("windows with {items:?}")),
            },
            Some(other) => return unsupported(format!("windows with {other:?}")),
        };
        let name = match self.0.given(KEYWORD, "window_fn") {
            None => "hann_window",
            Some(Value::Str(name)) => name,
            Some(other) => return unsupported(format!("windows by {other:?}")),
        };
        Ok(match (name, periodic) {
            ("hann_window", true) => hann_window,
            ("hamming_window", true) => hamming_window,
            ("hann_window", false) => |n| Tensor::hann_window(n, false, DType::F32),
            ("hamming_window", false) => |n| Tensor::hamming_window(n, false, DType::F32),
            _ => return unsupported(format!("windows by {name}")),
        })
    }

    /// The window and the samples of a frame, which it fits.
    pub fn window(&self, n_fft: &str) -> Result<(&'a Tensor, usize), Trouble> {
        let (window, n_fft) = (self.tensor("window")?, self.count(n_fft, 0)?);
        match self.count("win_length", 0)? {
            win_length if win_length > n_fft => unsupported("a window longer than a frame"),
            _ => Ok((window, n_fft)),
        }
    }

    pub fn vad_options(&self) -> Result<VadOptions, Trouble> {
        let d = VadOptions::new();
        Ok(VadOptions {
            trigger_level: self.float("trigger_level", d.trigger_level)?,
            trigger_time: self.float("trigger_time", d.trigger_time)?,
            search_time: self.float("search_time", d.search_time)?,
            allowed_gap: self.float("allowed_gap", d.allowed_gap)?,
            pre_trigger_time: self.float("pre_trigger_time", d.pre_trigger_time)?,
            boot_time: self.float("boot_time", d.boot_time)?,
            noise_up_time: self.float("noise_up_time", d.noise_up_time)?,
            noise_down_time: self.float("noise_down_time", d.noise_down_time)?,
            noise_reduction_amount: self.float("noise_reduction_amount", d.noise_reduction_amount)?,
            measure_freq: self.float("measure_freq", d.measure_freq)?,
            measure_duration: self.float_opt("measure_duration")?,
            measure_smooth_time: self.float("measure_smooth_time", d.measure_smooth_time)?,
            hp_filter_freq: self.float("hp_filter_freq", d.hp_filter_freq)?,
            lp_filter_freq: self.float("lp_filter_freq", d.lp_filter_freq)?,
            hp_lifter_freq: self.float("hp_lifter_freq", d.hp_lifter_freq)?,
            lp_lifter_freq: self.float("lp_lifter_freq", d.lp_lifter_freq)?,
        })
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
