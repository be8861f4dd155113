//! HuBERT while it is pretrained: part of a signal is hidden, and its labels are to be told.

use super::encoder::{AnyAttention, behind};
use super::masking::{MaskSelection, Spans};
use super::{Wav2Vec2Model, Wav2Vec2ModelBuilder};
use flambeau_autograd::{Context, Function};
use flambeau_nn::init::{self, Fan, Nonlinearity};
use flambeau_nn::{Call, Forward, Linear, Module, Parameter};
use flambeau_tensor::{DType, Result, Tensor, builder, cat, ensure, no_grad};

flambeau_nn::plain_parts!(Spans);

/// Hides steps behind one vector, and numbers behind zeros.
#[derive(Module)]
struct MaskGenerator {
    mask_embedding: Parameter,
    steps: Spans,
    channels: Spans,
}

impl MaskGenerator {
    /// `[batch, steps, features]` with parts hidden, and which steps, `[batch, steps]`.
    #[track_caller]
    fn masked(&self, x: &Tensor, filling: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let [batch, steps, features] = x.dims()?;
        let sizes = match filling {
            Some(filling) => {
                let filled = filling.to_dtype(DType::I64)?.sum(-1)?.to_vec::<i64>()?;
                Some(filled.into_iter().map(|n| steps - n as usize).collect::<Vec<_>>())
            }
            None => None,
        };
        let (mut x, mut hidden) =
            (x.clone(), Tensor::zeros([batch, steps]).dtype(DType::Bool).device(x.device()).build()?);
        if self.steps.probability > 0.0 {
            hidden = self.steps.mask(batch, steps, sizes.as_deref())?.to_device(x.device())?;
            let embedding = self.mask_embedding.to_dtype(x.dtype())?.expand([batch, steps, features])?;
            x = embedding.where_cond(hidden.unsqueeze(-1)?, &x)?;
        }
        if self.channels.probability > 0.0 {
            let numbers = self.channels.mask(batch, features, None)?.to_device(x.device())?;
            x = x.masked_fill(numbers.unsqueeze(1)?, 0.0)?;
        }
        Ok((x, hidden))
    }
}

/// How alike steps are to each label.
#[derive(Module)]
struct LogitGenerator {
    label_embeddings: Parameter,
    final_proj: Linear,
    skip_masked: bool,
    skip_nomask: bool,
}

/// What likenesses are divided by.
const TEMPERATURE: f64 = 0.1;

impl LogitGenerator {
    /// Of the steps where `which` is true: `[steps, 1 + classes]`, the right label first, which is left out further back.
    #[track_caller]
    fn logits(&self, projected: &Tensor, labels: &Tensor, which: &Tensor) -> Result<Tensor> {
        let places = which.flatten(0, -1)?.nonzero()?.squeeze(-1)?;
        let x = projected.flatten(0, 1)?.index_select(0, &places)?;
        let labels = labels.flatten(0, -1)?.to_dtype(DType::I64)?.index_select(0, &places)?;
        let right = self.label_embeddings.index_select(0, &labels)?;
        let [classes, features] = self.label_embeddings.dims()?;
        let all = self.label_embeddings.unsqueeze(1)?.expand([classes, right.shape()[0], features])?;
        let same = right.detach().eq(&all.detach())?.all(-1)?;
        let targets = cat(&[right.unsqueeze(0)?, all], 0)?;
        let alike = x.cosine_similarity(&targets, -1, 1e-8)?.div(TEMPERATURE)?;
        let others = alike.narrow(0, 1, classes)?.masked_fill(&same, f64::NEG_INFINITY)?;
        cat(&[alike.narrow(0, 0, 1)?, others], 0)?.transpose(0, 1)
    }
}

/// Scales the gradient.
struct GradMultiply(f64);

impl Function for GradMultiply {
    fn forward(&self, _: &mut Context<'_>, x: &Tensor) -> Result<Tensor> {
        x.copy()
    }
    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Tensor> {
        grad.mul(self.0)
    }
}

/// HuBERT for pretraining, as `torchaudio.models.HuBERTPretrainModel`: signals `[batch, samples]`, a label for each step
/// `[batch, steps]` and, where they differ, the signals' lengths, to logits of the hidden and of the other steps (`[steps,
/// 1 + num_classes]`, the right label first) and the mean square of the features.
#[derive(Module)]
pub struct HuBERTPretrainModel {
    wav2vec2: Wav2Vec2Model,
    mask_generator: MaskGenerator,
    logit_generator: LogitGenerator,
    feature_grad_mult: Option<f64>,
}

builder! {
    /// Options of [`HuBERTPretrainModel`].
    pub struct HuBERTPretrainModelBuilder => HuBERTPretrainModel;
    new {
        /// The network that is pretrained.
        wav2vec2: Wav2Vec2ModelBuilder,
    }
    options {
        /// The share of steps that are hidden, 0.8 unless set.
        mask_prob: f64 = 0.8,
        /// How long spans of them are, `mask_length` unless set.
        mask_selection: MaskSelection = MaskSelection::Static,
        /// 10 unless set.
        mask_length: usize = 10,
        /// Do spans keep apart? Not unless set.
        no_mask_overlap: bool = false,
        /// How far, 1 unless set.
        mask_min_space: usize = 1,
        /// The share of numbers that are hidden, 0 unless set.
        mask_channel_prob: f64 = 0.0,
        /// How long spans of them are, `mask_channel_length` unless set.
        mask_channel_selection: MaskSelection = MaskSelection::Static,
        /// 10 unless set.
        mask_channel_length: usize = 10,
        /// Do these spans keep apart? Not unless set.
        no_mask_channel_overlap: bool = false,
        /// How far, 1 unless set.
        mask_channel_min_space: usize = 1,
        /// Leave out the logits of steps that are hidden? Not unless set.
        skip_masked: bool = false,
        /// Leave out those of the others? Not unless set.
        skip_nomask: bool = false,
        /// Labels, 100 unless set.
        num_classes: usize = 100,
        /// Numbers in which labels and steps are compared, 256 unless set.
        final_dim: usize = 256,
        /// The factor, between 0 and 1, of gradients that go back into the convolutions; 0.1 unless set.
        feature_grad_mult: ~into Option<f64> = Some(0.1),
    }
}

impl HuBERTPretrainModelBuilder {
    /// The network with other options, as `change` makes them.
    pub fn with_wav2vec2(mut self, change: impl FnOnce(Wav2Vec2ModelBuilder) -> Wav2Vec2ModelBuilder) -> Self {
        self.wav2vec2 = change(self.wav2vec2);
        self
    }
}

impl HuBERTPretrainModel {
    #[track_caller]
    fn from_builder(b: HuBERTPretrainModelBuilder) -> Result<Self> {
        let factor = b.feature_grad_mult;
        ensure!(
            factor.is_none_or(|f| f > 0.0 && f < 1.0),
            Argument,
            "HuBERTPretrainModel",
            "feature_grad_mult {factor:?} must be between 0 and 1"
        );
        let (features, device) = (b.wav2vec2.encoder_embed_dim, b.wav2vec2.device);
        let wav2vec2 = b.wav2vec2.build()?;
        let drawn = |shape: &[usize]| {
            let made = Tensor::zeros(shape).device(device).build()?;
            init::uniform_(&made, 0.0, 1.0)?;
            Parameter::new(made)
        };
        let mask_generator = MaskGenerator {
            mask_embedding: drawn(&[features])?,
            steps: Spans {
                probability: b.mask_prob,
                length: b.mask_length,
                selection: b.mask_selection,
                no_overlap: b.no_mask_overlap,
                min_space: b.mask_min_space,
                at_least: 2,
            },
            channels: Spans {
                probability: b.mask_channel_prob,
                length: b.mask_channel_length,
                selection: b.mask_channel_selection,
                no_overlap: b.no_mask_channel_overlap,
                min_space: b.mask_channel_min_space,
                at_least: 0,
            },
        };
        let logit_generator = LogitGenerator {
            label_embeddings: drawn(&[b.num_classes, b.final_dim])?,
            final_proj: Linear::new(features, b.final_dim).device(device).build()?,
            skip_masked: b.skip_masked,
            skip_nomask: b.skip_nomask,
        };
        let model = HuBERTPretrainModel { wav2vec2, mask_generator, logit_generator, feature_grad_mult: factor };
        no_grad(|| model.draw())?;
        Ok(model)
    }

    /// The first values for pretraining, in torchaudio's order.
    #[track_caller]
    fn draw(&self) -> Result<()> {
        for layer in &self.wav2vec2.feature_extractor.conv_layers {
            init::kaiming_normal_(&layer.conv.weight, Fan::In, Nonlinearity::LeakyRelu(0.0))?;
        }
        let transformer = &self.wav2vec2.encoder.transformer;
        let places = &transformer.pos_conv_embed;
        // torchaudio draws here into the product of the weight's length and direction, which nobody keeps.
        let weight = places.conv.weight.value()?.copy()?;
        let size = transformer.pos_conv_embed.conv.bias.as_ref().map_or(1, |bias| bias.numel()) * places.kernel_size;
        init::normal_(&weight, 0.0, (4.0 / size as f64).sqrt())?;
        if let Some(bias) = &places.conv.bias {
            init::zeros_(bias)?;
        }
        let attentions = || {
            transformer.layers.iter().filter_map(|layer| match &layer.attention {
                AnyAttention::Plain(attention) => Some(attention),
                AnyAttention::WavLM(_) => None,
            })
        };
        for attention in attentions() {
            for layer in [&attention.k_proj, &attention.v_proj, &attention.q_proj] {
                init::xavier_uniform_(&layer.weight, std::f64::consts::FRAC_1_SQRT_2)?;
            }
            init::xavier_uniform_(&attention.out_proj.weight, 1.0)?;
        }
        for (layer, attention) in transformer.layers.iter().zip(attentions()) {
            let a = [&attention.k_proj, &attention.v_proj, &attention.q_proj, &attention.out_proj];
            let f = [&layer.feed_forward.intermediate_dense, &layer.feed_forward.output_dense];
            for linear in a.into_iter().chain(f) {
                init::normal_(&linear.weight, 0.0, 0.02)?;
                if let Some(bias) = &linear.bias {
                    init::zeros_(bias)?;
                }
            }
        }
        Ok(())
    }
}

impl Forward<(&Tensor, &Tensor, Option<&Tensor>)> for HuBERTPretrainModel {
    type Output = (Option<Tensor>, Option<Tensor>, Tensor);

    #[track_caller]
    fn forward(
        &self,
        (waveforms, labels, lengths): (&Tensor, &Tensor, Option<&Tensor>),
    ) -> Result<(Option<Tensor>, Option<Tensor>, Tensor)> {
        let (mut x, lengths) = self.wav2vec2.feature_extractor.call((waveforms, lengths))?;
        if let Some(factor) = self.feature_grad_mult {
            x = GradMultiply(factor).apply(&x)?;
        }
        let penalty = x.square()?.mean(..)?;
        ensure!(
            *labels.shape() == x.shape()[..2],
            Shape,
            "HuBERTPretrainModel",
            "labels are [batch, steps], here {:?}, these are {:?}",
            &x.shape()[..2],
            labels.shape()
        );
        let filling = lengths.as_ref().map(|lengths| behind(x.shape()[1], lengths)).transpose()?;
        let (x, mask) = self.wav2vec2.encoder.preprocess(&x, lengths.as_ref())?;
        let (x, hidden) = self.mask_generator.masked(&x, filling.as_ref())?;
        let x = self.wav2vec2.encoder.transformer.call((&x, mask.as_ref()))?;
        let mut seen = hidden.logical_not()?;
        let mut unseen = hidden;
        if let Some(filling) = &filling {
            let there = filling.logical_not()?;
            (seen, unseen) = (seen.logical_and(&there)?, unseen.logical_and(&there)?);
        }
        let generator = &self.logit_generator;
        let projected = generator.final_proj.call(&x)?;
        let of = |skip: bool, which: &Tensor| (!skip).then(|| generator.logits(&projected, labels, which)).transpose();
        Ok((of(generator.skip_masked, &unseen)?, of(generator.skip_nomask, &seen)?, penalty))
    }
}
