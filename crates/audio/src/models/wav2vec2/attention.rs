//! Attention of wav2vec 2.0 and of WavLM, which adds a bias by how far apart two steps are.

use flambeau_nn::functional::{Attention, linear, scaled_dot_product_attention};
use flambeau_nn::{Call, Embedding, Forward, Linear, Mode, Module, MultiheadAttention, Parameter};
use flambeau_tensor::{Device, Result, Tensor, bail, ensure};

/// Attention of `[batch, steps, features]` with itself.
#[derive(Module)]
pub(super) struct SelfAttention {
    pub(super) k_proj: Linear,
    pub(super) v_proj: Linear,
    pub(super) q_proj: Linear,
    pub(super) out_proj: Linear,
    num_heads: usize,
    dropout: f64,
    mode: Mode,
}

/// `[batch, steps, features]` as `[batch, heads, steps, features of a head]`.
#[track_caller]
fn heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let [batch, steps, features] = x.dims()?;
    x.reshape([batch, steps, heads, features / heads])?.transpose(1, 2)
}

/// And back.
#[track_caller]
fn joined(x: &Tensor) -> Result<Tensor> {
    let [batch, heads, steps, features] = x.dims()?;
    x.transpose(1, 2)?.reshape([batch, steps, heads * features])
}

#[track_caller]
fn divisible(features: usize, heads: usize) -> Result<()> {
    ensure!(
        heads > 0 && features % heads == 0,
        Argument,
        "Wav2Vec2Model",
        "encoder_embed_dim {features} must be a multiple of encoder_num_heads {heads}"
    );
    Ok(())
}

impl SelfAttention {
    #[track_caller]
    pub(super) fn new(features: usize, num_heads: usize, dropout: f64, device: Device) -> Result<Self> {
        divisible(features, num_heads)?;
        let layer = || Linear::new(features, features).device(device).build();
        let (k_proj, v_proj, q_proj, out_proj) = (layer()?, layer()?, layer()?, layer()?);
        Ok(SelfAttention { k_proj, v_proj, q_proj, out_proj, num_heads, dropout, mode: Mode::new() })
    }
}

impl Forward<(&Tensor, Option<&Tensor>)> for SelfAttention {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, (x, mask): (&Tensor, Option<&Tensor>)) -> Result<Tensor> {
        let of = |layer: &Linear| heads(&layer.call(x)?, self.num_heads);
        let (q, k, v) = (of(&self.q_proj)?, of(&self.k_proj)?, of(&self.v_proj)?);
        let dropout = if self.mode.is_training() { self.dropout } else { 0.0 };
        let attended = scaled_dot_product_attention(&q, &k, &v, Attention::new().attn_mask(mask).dropout_p(dropout))?;
        self.out_proj.call(&joined(&attended)?)
    }
}

/// How WavLM counts distances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distances {
    /// Numbers in the table, half of them for what comes after.
    pub buckets: usize,
    /// From here on all distances are one.
    pub farthest: usize,
}

/// Attention with a bias by distance, which each query lets in by a gate. The first layer has the table of biases, and the
/// others are handed what it made.
#[derive(Module)]
pub(super) struct WavLMSelfAttention {
    gru_rel_pos_const: Parameter,
    rel_attn_embed: Option<Embedding>,
    attention: MultiheadAttention,
    gru_rel_pos_linear: Linear,
    num_heads: usize,
    distances: Distances,
    dropout: f64,
    mode: Mode,
}

flambeau_nn::plain_parts!(Distances);

impl WavLMSelfAttention {
    #[track_caller]
    pub(super) fn new(
        (features, num_heads): (usize, usize),
        dropout: f64,
        first: bool,
        distances: Distances,
        device: Device,
    ) -> Result<Self> {
        divisible(features, num_heads)?;
        ensure!(
            distances.buckets >= 4 && distances.farthest > distances.buckets / 4,
            Argument,
            "Wav2Vec2Model",
            "encoder_num_buckets {} must be 4 at least and encoder_max_distance {} above its quarter",
            distances.buckets,
            distances.farthest
        );
        let embedding = || Embedding::new(distances.buckets, num_heads).device(device).build();
        let rel_attn_embed = first.then(embedding).transpose()?;
        let attention = MultiheadAttention::new(features, num_heads).dropout(dropout).batch_first(true);
        let attention = attention.device(device).build()?;
        let gru_rel_pos_linear = Linear::new(features / num_heads, 8).device(device).build()?;
        let ones = Tensor::ones([1, num_heads, 1, 1]).device(device).build()?;
        Ok(WavLMSelfAttention {
            gru_rel_pos_const: Parameter::new(ones)?,
            rel_attn_embed,
            attention,
            gru_rel_pos_linear,
            num_heads,
            distances,
            dropout,
            mode: Mode::new(),
        })
    }

    /// The bias of each distance, `[1, heads, steps, steps]`.
    #[track_caller]
    fn biases(&self, table: &Embedding, steps: usize, device: Device) -> Result<Tensor> {
        let numbers: Vec<i64> = (0..steps as i64)
            .flat_map(|query| (0..steps as i64).map(move |key| key - query))
            .map(|distance| self.distances.bucket(distance))
            .collect();
        let numbers = Tensor::from_vec(numbers, [steps, steps])?.to_device(device)?;
        table.call(&numbers)?.permute([2, 0, 1])?.unsqueeze(0)
    }
}

impl Distances {
    /// The number of a distance: near ones have one each, far ones share them by their logarithm.
    fn bucket(self, distance: i64) -> i64 {
        let half = (self.buckets / 2) as i64;
        let exact = half / 2;
        let (after, distance) = (if distance > 0 { half } else { 0 }, distance.abs());
        if distance < exact {
            return after + distance;
        }
        let scale = (self.farthest as f64 / exact as f64).ln() as f32;
        let share = (distance as f32 / exact as f32).ln() / scale * (half - exact) as f32;
        after + (exact + share as i64).min(half - 1)
    }
}

impl Forward<(&Tensor, Option<&Tensor>)> for WavLMSelfAttention {
    type Output = (Tensor, Option<Tensor>);

    #[track_caller]
    fn forward(&self, (x, bias): (&Tensor, Option<&Tensor>)) -> Result<(Tensor, Option<Tensor>)> {
        let (heads_of, [batch, steps, _]) = (self.num_heads, x.dims()?);
        let bias = match (bias, &self.rel_attn_embed) {
            (Some(bias), _) => Some(bias.clone()),
            (None, Some(table)) => Some(self.biases(table, steps, x.device())?),
            (None, None) => None,
        };
        let mask = match &bias {
            None => None,
            Some(bias) => {
                let gates = self.gru_rel_pos_linear.call(&heads(x, heads_of)?)?;
                let gates = gates.reshape([batch, heads_of, steps, 2, 4])?.sum(-1)?.sigmoid()?;
                let (a, b) = (gates.narrow(-1, 0, 1)?, gates.narrow(-1, 1, 1)?);
                let gate = a.mul(&b.mul(&self.gru_rel_pos_const)?.sub(1.0)?)?.add(2.0)?;
                Some(gate.mul(bias)?)
            }
        };
        let Some(weight) = &self.attention.in_proj_weight else {
            bail!(State, "WavLMSelfAttention", "attention has no weight for queries, keys and values together")
        };
        let projected = linear(x, weight, self.attention.in_proj_bias.as_deref())?.chunk(3, -1)?;
        let [q, k, v] = &projected[..] else {
            bail!(State, "WavLMSelfAttention", "attention's weight has another shape")
        };
        let dropout = if self.mode.is_training() { self.dropout } else { 0.0 };
        let options = Attention::new().attn_mask(mask.as_ref()).dropout_p(dropout);
        let attended =
            scaled_dot_product_attention(heads(q, heads_of)?, heads(k, heads_of)?, heads(v, heads_of)?, options)?;
        Ok((self.attention.out_proj.call(&joined(&attended)?)?, bias))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_distances_share_a_number() {
        // As the Python original gives them for 8 numbers up to a distance of 16.
        let of = Distances { buckets: 8, farthest: 16 };
        let found: Vec<i64> = [-40, -16, -7, -4, -2, -1, 0, 1, 2, 3, 6, 16].map(|d| of.bucket(d)).into();
        assert_eq!(found, [3, 3, 3, 2, 2, 1, 0, 5, 6, 6, 7, 7]);
    }
}
