//! SpecAugment: parts of a spectrogram hidden by chance while a model trains.
//! See D. S. Park et al., *SpecAugment*, 2019, arXiv:1904.08779.

use crate::functional::{MaskAxis, mask_along_axis, mask_along_axis_iid};
use flambeau_nn::{Forward, Module};
use flambeau_tensor::{Operand, Result, Tensor, builder, ensure};

macro_rules! maskings {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $param:ident, $axis:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        pub struct $Name {
            $param: usize,
            value: f64,
            iid_masks: bool,
            p: f64,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                /// The mask is shorter than this.
                $param: usize,
            }
            options {
                /// What hidden values become, 0 unless set.
                value: f64 = 0.0,
                /// A mask of its own for each of a batch, `[..., freq, time]` of three dimensions at least? Not unless set.
                iid_masks: bool = false,
                /// The part of the axis that a mask is shorter than, 1 unless set.
                p: f64 = 1.0,
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                ensure!((0.0..=1.0).contains(&b.p), Argument, stringify!($Name), "p {} must be from 0 to 1", b.p);
                Ok($Name { $param: b.$param, value: b.value, iid_masks: b.iid_masks, p: b.p })
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                mask(x, self.$param, self.value, MaskAxis::$axis, self.p, self.iid_masks)
            }
        }
    )*};
}

maskings! {
    /// Hides a run of time steps of spectrograms `[..., freq, time]`, drawn anew at each call, the same in
    /// the whole batch unless set otherwise; as `torchaudio.transforms.TimeMasking`.
    TimeMasking, TimeMaskingBuilder, time_mask_param, Time;
    /// Hides a run of frequencies of spectrograms `[..., freq, time]`, drawn anew at each call, the same in
    /// the whole batch unless set otherwise; as `torchaudio.transforms.FrequencyMasking`.
    FrequencyMasking, FrequencyMaskingBuilder, freq_mask_param, Frequency;
}

#[track_caller]
fn mask<'a>(
    x: &Tensor,
    param: usize,
    value: impl Into<Operand<'a>>,
    axis: MaskAxis,
    p: f64,
    each: bool,
) -> Result<Tensor> {
    match each {
        true => mask_along_axis_iid(x, param, value, axis, p),
        false => mask_along_axis(x, param, value, axis, p),
    }
}

/// Hides several runs of time steps, and then of frequencies, of spectrograms `[..., freq, time]`; as
/// `torchaudio.transforms.SpecAugment`.
#[derive(Module)]
pub struct SpecAugment {
    n_time_masks: usize,
    time_mask_param: usize,
    n_freq_masks: usize,
    freq_mask_param: usize,
    iid_masks: bool,
    p: f64,
    zero_masking: bool,
}

builder! {
    /// Options of [`SpecAugment`].
    pub struct SpecAugmentBuilder => SpecAugment;
    new {
        /// How many runs of time steps.
        n_time_masks: usize,
        /// Each is shorter than this.
        time_mask_param: usize,
        /// How many runs of frequencies.
        n_freq_masks: usize,
        /// Each is shorter than this.
        freq_mask_param: usize,
    }
    options {
        /// Masks of its own for each of a batch? Yes unless set; one spectrogram alone has no batch.
        iid_masks: bool = true,
        /// The part of the axis that a mask is shorter than, 1 unless set.
        p: f64 = 1.0,
        /// Hide by zeros, or by the mean (unless set).
        zero_masking: bool = false,
    }
}

impl SpecAugment {
    #[track_caller]
    fn from_builder(b: SpecAugmentBuilder) -> Result<Self> {
        ensure!((0.0..=1.0).contains(&b.p), Argument, "SpecAugment", "p {} must be from 0 to 1", b.p);
        Ok(SpecAugment {
            n_time_masks: b.n_time_masks,
            time_mask_param: b.time_mask_param,
            n_freq_masks: b.n_freq_masks,
            freq_mask_param: b.freq_mask_param,
            iid_masks: b.iid_masks,
            p: b.p,
            zero_masking: b.zero_masking,
        })
    }
}

impl Forward<&Tensor> for SpecAugment {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let each = self.iid_masks && x.rank() > 2;
        let mean = if self.zero_masking { None } else { Some(x.mean(..)?) };
        let mut hidden = x.clone();
        let masks = [
            (MaskAxis::Time, self.n_time_masks, self.time_mask_param),
            (MaskAxis::Frequency, self.n_freq_masks, self.freq_mask_param),
        ];
        for (axis, count, param) in masks {
            for _ in 0..count {
                hidden = match &mean {
                    None => mask(&hidden, param, 0.0, axis, self.p, each)?,
                    Some(mean) => mask(&hidden, param, mean, axis, self.p, each)?,
                };
            }
        }
        Ok(hidden)
    }
}
