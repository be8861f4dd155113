//! What is computed along time from features, and the loss of a transducer, as modules.

use super::calls::calls;
use crate::functional::{self, RnntLossOptions, SlidingWindowCmnOptions};
use flambeau_nn::{Forward, Module};
use flambeau_tensor::{PadMode, Result, Tensor};

calls! {
    /// Features `[..., frames, features]` less their mean over a window that slides along:
    /// [`functional::sliding_window_cmn`].
    SlidingWindowCmn { options: SlidingWindowCmnOptions }, |this, x| functional::sliding_window_cmn(x, this.options);
}

/// The slopes of features `[..., frames]` over windows: [`functional::compute_deltas`]; as
/// `torchaudio.transforms.ComputeDeltas`.
#[derive(Module)]
pub struct ComputeDeltas {
    win_length: usize,
    #[module(skip)]
    mode: Option<PadMode>,
}

impl ComputeDeltas {
    /// Over so many frames (5 is usual), what is beyond the ends being the edge (`Some(PadMode::Replicate)`, as is usual),
    /// or zeros (`None`).
    pub fn new(win_length: usize, mode: Option<PadMode>) -> Self {
        ComputeDeltas { win_length, mode }
    }
}

impl Forward<&Tensor> for ComputeDeltas {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::compute_deltas(x, self.win_length, self.mode)
    }
}

/// The loss of a transducer: [`functional::rnnt_loss`]; as `torchaudio.transforms.RNNTLoss`.
#[derive(Module)]
pub struct RNNTLoss {
    options: RnntLossOptions,
}

impl RNNTLoss {
    /// With these options.
    pub fn new(options: RnntLossOptions) -> Self {
        RNNTLoss { options }
    }
}

/// Logits `[batch, frames, targets + 1, classes]`, targets `[batch, targets]`, and how many of both count, `[batch]`.
impl Forward<(&Tensor, &Tensor, &Tensor, &Tensor)> for RNNTLoss {
    type Output = Tensor;

    #[track_caller]
    fn forward(
        &self,
        (logits, targets, logit_lengths, target_lengths): (&Tensor, &Tensor, &Tensor, &Tensor),
    ) -> Result<Tensor> {
        functional::rnnt_loss(logits, targets, logit_lengths, target_lengths, self.options)
    }
}
