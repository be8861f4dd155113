//! Vision transformers ("An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", A. Dosovitskiy et
//! al., 2021).

use crate::models::builder::{fill, model_builder, model_functions};
use crate::ops::{Activation, MLP, chains};
use flambeau_nn::{
    AttentionMasks, Call, Conv2d, Dropout, Forward, LayerNorm, Linear, Module, MultiheadAttention, Parameter,
    Sequential, Tanh, init,
};
use flambeau_tensor::{Result, Tensor, cat, ensure, no_grad};

chains! {
    /// The perceptron of a transformer's block.
    MLPBlock
}

/// A perceptron with GELU and dropout that begins as transformers' do: weights by inputs and outputs, biases near zero.
#[track_caller]
pub(crate) fn perceptron(dim: usize, hidden: usize, dropout: f64) -> Result<MLP> {
    let mlp = MLP::new(dim, [hidden, dim]).activation_layer(Activation::Gelu).dropout(dropout).build()?;
    fill(&mlp, |layer| {
        init::xavier_uniform_(layer.weight(), 1.0)?;
        layer.bias().map_or(Ok(()), |bias| init::normal_(bias, 0.0, 1e-6).map(drop))
    })?;
    Ok(mlp)
}

/// Attention and a perceptron, each after a normalisation and with what goes around it.
#[derive(Module)]
struct EncoderBlock {
    ln_1: LayerNorm,
    self_attention: MultiheadAttention,
    dropout: Dropout,
    ln_2: LayerNorm,
    mlp: MLPBlock,
}

impl Forward<&Tensor> for EncoderBlock {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.ln_1.call(x)?;
        let (y, _) = self.self_attention.call((&y, &y, &y, AttentionMasks::new().need_weights(false)))?;
        let x = self.dropout.call(&y)?.add(x)?;
        x.add(&self.mlp.call(&self.ln_2.call(&x)?)?)
    }
}

/// The blocks, with what tells one place from another.
#[derive(Module)]
struct Encoder {
    pos_embedding: Parameter,
    dropout: Dropout,
    layers: Sequential,
    ln: LayerNorm,
}

impl Forward<&Tensor> for Encoder {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.ln.call(&self.layers.call(&self.dropout.call(&x.add(&self.pos_embedding)?)?)?)
    }
}

/// A transformer over patches of an image, as `torchvision.models.VisionTransformer`; made by [`vit_b_16`] and its
/// fellows. It takes images `[N, 3, image_size, image_size]` and gives `[N, num_classes]`.
#[derive(Module)]
pub struct VisionTransformer {
    class_token: Parameter,
    conv_proj: Conv2d,
    encoder: Encoder,
    /// What tells the classes apart.
    pub heads: Sequential,
    image_size: usize,
}

impl Forward<&Tensor> for VisionTransformer {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let side = self.image_size;
        ensure!(
            matches!(x.shape(), [_, _, h, w] if *h == side && *w == side),
            Shape,
            "VisionTransformer",
            "images of shape {:?}: it was made for [N, 3, {side}, {side}]",
            x.shape()
        );
        // Patches as a sequence: [N, hidden, h, w] to [N, h · w, hidden].
        let x = self.conv_proj.call(x)?.flatten(2, -1)?.permute([0, 2, 1])?;
        let token = self.class_token.expand([x.shape()[0], 1, x.shape()[2]])?;
        let x = self.encoder.call(&cat(&[token, x], 1)?)?;
        self.heads.call(&x.select(1, 0)?)
    }
}

model_builder! {
    /// A [`VisionTransformer`] about to be made.
    pub struct VisionTransformerBuilder => VisionTransformer;
    fixed { patch_size: usize, num_layers: usize, num_heads: usize, hidden_dim: usize }
    options {
        /// The sides of the images, which the size of a patch divides; 224 unless set, those of the weights where there
        /// are some.
        image_size: ~into Option<usize> = None,
        /// The probability of dropping a number; 0 unless set.
        dropout: f64 = 0.0,
        /// The probability of dropping a weight of the attention; 0 unless set.
        attention_dropout: f64 = 0.0,
        /// A linear layer of this size and tanh before the last layer. None unless set.
        representation_size: ~into Option<usize> = None,
    }
}

impl VisionTransformerBuilder {
    fn block(&self) -> Result<EncoderBlock> {
        let dim = self.hidden_dim;
        Ok(EncoderBlock {
            ln_1: LayerNorm::new(dim).eps(1e-6).build()?,
            self_attention: MultiheadAttention::new(dim, self.num_heads)
                .dropout(self.attention_dropout)
                .batch_first(true)
                .build()?,
            dropout: Dropout::new(self.dropout).build()?,
            ln_2: LayerNorm::new(dim).eps(1e-6).build()?,
            mlp: MLPBlock::from_chain(perceptron(dim, 4 * dim, self.dropout)?.into_chain()),
        })
    }

    fn encoder(&self, places: usize) -> Result<Encoder> {
        let pos_embedding = Tensor::zeros([1, places, self.hidden_dim]).build()?;
        pos_embedding.normal_(0.0, 0.02)?;
        let mut layers = Sequential::new();
        for i in 0..self.num_layers {
            layers.push_named(format!("encoder_layer_{i}"), self.block()?)?;
        }
        Ok(Encoder {
            pos_embedding: Parameter::new(pos_embedding)?,
            dropout: Dropout::new(self.dropout).build()?,
            layers,
            ln: LayerNorm::new(self.hidden_dim).eps(1e-6).build()?,
        })
    }

    fn make(&self) -> Result<VisionTransformer> {
        let (patch, dim) = (self.patch_size, self.hidden_dim);
        let image_size = self.image_size.or(self.weights.map(|w| w.min_size.0)).unwrap_or(224);
        ensure!(
            image_size > 0 && image_size.is_multiple_of(patch) && image_size / patch < 1 << 15,
            Argument,
            self.name,
            "images of {image_size} pixels do not fall into patches of {patch}"
        );
        let conv_proj = Conv2d::new(3, dim, patch).stride(patch).build()?;
        let encoder = self.encoder((image_size / patch).pow(2) + 1)?;
        let mut heads = Sequential::new();
        let pre_logits = self.representation_size.map(|size| Linear::new(dim, size).build()).transpose()?;
        let head = Linear::new(self.representation_size.unwrap_or(dim), self.classes(1000)).build()?;
        init::trunc_normal_(&conv_proj.weight, 0.0, (1.0 / (3 * patch * patch) as f64).sqrt(), -2.0, 2.0)?;
        if let Some(bias) = &conv_proj.bias {
            init::zeros_(bias)?;
        }
        if let Some(pre_logits) = pre_logits {
            init::trunc_normal_(&pre_logits.weight, 0.0, (1.0 / dim as f64).sqrt(), -2.0, 2.0)?;
            if let Some(bias) = &pre_logits.bias {
                init::zeros_(bias)?;
            }
            heads.push_named("pre_logits", pre_logits)?.push_named("act", Tanh::new())?;
        }
        no_grad(|| head.parameters().iter().try_for_each(|parameter| parameter.zero_().map(drop)))?;
        heads.push_named("head", head)?;
        let class_token = Parameter::new(Tensor::zeros([1, 1, dim]).build()?)?;
        Ok(VisionTransformer { class_token, conv_proj, encoder, heads, image_size })
    }
}

model_functions! { VisionTransformerBuilder:
    /// ViT-B/16: the base network, patches of 16.
    vit_b_16(16, 12, 12, 768);
    /// ViT-B/32: the base network, patches of 32.
    vit_b_32(32, 12, 12, 768);
    /// ViT-L/16: the large network, patches of 16.
    vit_l_16(16, 24, 16, 1024);
    /// ViT-L/32: the large network, patches of 32.
    vit_l_32(32, 24, 16, 1024);
    /// ViT-H/14: the huge network, patches of 14.
    vit_h_14(14, 32, 16, 1280);
}
