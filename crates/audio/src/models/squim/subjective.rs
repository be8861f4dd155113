//! What listeners would say of speech.

use crate::models::{Wav2Vec2Model, Wav2Vec2ModelBuilder, wav2vec2_base};
use flambeau_nn::{Call, Forward, Linear, Module};
use flambeau_tensor::{Result, Tensor, builder, cat, ensure};

const OP: &str = "SquimSubjective";

/// A mean over time by weights that are learned.
#[derive(Module)]
struct AttPool {
    linear1: Linear,
    linear2: Linear,
}

#[derive(Module)]
struct Predictor {
    att_pool_layer: AttPool,
    att_dim: usize,
}

impl Forward<&Tensor> for Predictor {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let pool = &self.att_pool_layer;
        let weights = pool.linear1.call(x)?.transpose(2, 1)?.softmax(2)?;
        let scores = pool.linear2.call(&weights.matmul(x)?.squeeze(1)?)?.softmax(1)?;
        let levels = Tensor::linspace(0.0, 4.0, self.att_dim).dtype(x.dtype()).device(x.device()).build()?;
        scores.mul(&levels)?.sum(1)
    }
}

/// The mean opinion score `[batch]`, 1 to 5, of speech `[batch, samples]` beside any clean speech `[batch, samples']`, as
/// `torchaudio.models.SquimSubjective`; the clean speech is repeated or cut to the length of the other. See P. Manocha and A.
/// Kumar, *Speech quality assessment through MOS using non-matching references*, 2022, arXiv:2206.12285.
#[derive(Module)]
pub struct SquimSubjective {
    ssl_model: Wav2Vec2Model,
    projector: Linear,
    predictor: Predictor,
}

builder! {
    /// Options of [`SquimSubjective`]; they begin as those of `squim_subjective_base`.
    pub struct SquimSubjectiveBuilder => SquimSubjective;
    new {}
    options {
        /// The network that hears, `wav2vec2_base` unless set.
        ssl_model: Wav2Vec2ModelBuilder = wav2vec2_base(),
        /// Numbers of a step that it gives, 768 unless set.
        feat_dim: usize = 768,
        /// Numbers that become of them, 32 unless set.
        proj_dim: usize = 32,
        /// Levels between 0 and 4 that scores are a mean of, 5 unless set.
        att_dim: usize = 5,
    }
}

impl SquimSubjective {
    #[track_caller]
    fn from_builder(b: SquimSubjectiveBuilder) -> Result<Self> {
        ensure!(b.att_dim > 0, Argument, OP, "att_dim must be above 0");
        let ssl_model = b.ssl_model.build()?;
        let projector = Linear::new(b.feat_dim, b.proj_dim).build()?;
        let both = 2 * b.proj_dim;
        let linear1 = Linear::new(both, 1).build()?;
        let att_pool_layer = AttPool { linear1, linear2: Linear::new(both, b.att_dim).build()? };
        Ok(SquimSubjective { ssl_model, projector, predictor: Predictor { att_pool_layer, att_dim: b.att_dim } })
    }

    #[track_caller]
    fn heard(&self, x: &Tensor) -> Result<Tensor> {
        let (features, _) = self.ssl_model.extract_features(x, None, None)?;
        match features.last() {
            Some(last) => self.projector.call(last),
            None => flambeau_tensor::bail!(Argument, OP, "the network that hears has no layers"),
        }
    }
}

/// Speech, and clean speech.
impl Forward<(&Tensor, &Tensor)> for SquimSubjective {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (waveform, reference): (&Tensor, &Tensor)) -> Result<Tensor> {
        ensure!(
            waveform.rank() == 2 && reference.rank() == 2 && reference.shape()[1] > 0,
            Shape,
            OP,
            "both signals are [batch, samples] and have samples, these are {:?} and {:?}",
            waveform.shape(),
            reference.shape()
        );
        let (samples, there) = (waveform.shape()[1], reference.shape()[1]);
        let times = if there < samples { samples / there + 1 } else { 1 };
        let reference = cat(&vec![reference; times], 1)?.narrow(1, 0, samples)?;
        let (speech, clean) = (self.heard(waveform)?, self.heard(&reference)?);
        self.predictor.call(&cat(&[&clean, &speech], 2)?)?.neg()?.add(5.0)
    }
}

/// The options of `torchaudio.models.squim_subjective_base`.
pub fn squim_subjective_base() -> SquimSubjectiveBuilder {
    SquimSubjective::new()
}
