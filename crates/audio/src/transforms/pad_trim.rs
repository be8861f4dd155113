//! One length for all, so that waveforms go into a batch.

use flambeau_nn::{Forward, Module};
use flambeau_tensor::{Result, Tensor};

/// Signals `[..., frames]` cut, or filled with zeros at the end, to `max_len` frames. (torchaudio had this
/// transform until 0.4.)
///
/// ```
/// use flambeau_audio::transforms::{Call, PadTrim};
/// use flambeau_tensor::Tensor;
///
/// let second = PadTrim::new(4);
/// assert_eq!(second.call(&Tensor::ones([1, 2]).build()?)?.to_vec::<f32>()?, [1.0, 1.0, 0.0, 0.0]);
/// assert_eq!(second.call(&Tensor::ones([1, 9]).build()?)?.shape(), [1, 4]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct PadTrim {
    max_len: usize,
}

impl PadTrim {
    /// To `max_len` frames.
    pub fn new(max_len: usize) -> Self {
        PadTrim { max_len }
    }
}

impl Forward<&Tensor> for PadTrim {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.fit(-1, self.max_len, 0.0)
    }
}
