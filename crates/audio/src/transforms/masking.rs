//! SpecAugment: parts of a spectrogram hidden by chance while a model trains.
//! See D. S. Park et al., *SpecAugment*, 2019, arXiv:1904.08779.

use flambeau_nn::{Forward, Module};
use flambeau_tensor::{Result, Tensor, builder, ensure};

macro_rules! maskings {
    ($($(#[$doc:meta])* $Name:ident, $Builder:ident, $param:ident, $dim:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Module)]
        pub struct $Name {
            $param: usize,
            value: f64,
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
            }
        }

        impl $Name {
            fn from_builder(b: $Builder) -> Result<Self> {
                Ok($Name { $param: b.$param, value: b.value })
            }
        }

        impl Forward<&Tensor> for $Name {
            type Output = Tensor;
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                mask(stringify!($Name), x, self.$param, self.value, $dim)
            }
        }
    )*};
}

maskings! {
    /// Hides a run of time steps of spectrograms `[..., freq, time]`, drawn anew at each call, the same in
    /// the whole batch; as `torchaudio.transforms.TimeMasking`.
    TimeMasking, TimeMaskingBuilder, time_mask_param, -1;
    /// Hides a run of frequencies of spectrograms `[..., freq, time]`, drawn anew at each call, the same in
    /// the whole batch; as `torchaudio.transforms.FrequencyMasking`.
    FrequencyMasking, FrequencyMaskingBuilder, freq_mask_param, -2;
}

/// Draws length and start in torchaudio's order, and so hides what it would.
#[track_caller]
fn mask(name: &'static str, x: &Tensor, param: usize, value: f64, dim: isize) -> Result<Tensor> {
    ensure!(x.rank() >= 2, Shape, name, "a spectrogram is [..., freq, time], this is {:?}", x.shape());
    let size = x.size(dim)?;
    if param == 0 {
        return Ok(x.clone());
    }
    let draw = || Tensor::rand([1]).build()?.item::<f32>();
    let length = draw()? * param as f32;
    let start = draw()? * (size as f32 - length);
    // Truncation toward zero, as `long()`: a mask longer than the spectrogram starts before it.
    let (start, end) = (start as i64, start as i64 + length as i64);
    let along = Tensor::arange(0, size as i64).device(x.device()).build()?;
    let hidden = along.ge(start)?.logical_and(&along.lt(end)?)?;
    x.masked_fill(&if dim == -1 { hidden } else { hidden.unsqueeze(-1)? }, value)
}
