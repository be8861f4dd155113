//! Networks written from candle's layers, the same as `bench/src/networks.rs` and PyTorch's encoder.

use candle_core::{DType, Device, IndexOp, Module, Result, Tensor};
use candle_nn::ops::{layer_norm_slow, softmax_last_dim};
use candle_nn::rnn::{LSTM, RNN};
use candle_nn::{Embedding, Init, Linear, VarBuilder, embedding, linear, linear_no_bias};

/// Tokens through an embedding and an LSTM, classified by its last state.
pub struct SequenceClassifier {
    embedding: Embedding,
    lstm: LSTM,
    head: Linear,
}

impl SequenceClassifier {
    pub fn new(vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            embedding: embedding(1000, 128, vb.pp("embedding"))?,
            lstm: candle_nn::lstm(128, 256, Default::default(), vb.pp("lstm"))?,
            head: linear(256, 10, vb.pp("head"))?,
        })
    }

    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let states = self.lstm.seq(&self.embedding.forward(tokens)?)?;
        self.head.forward(states[states.len() - 1].h())
    }
}

const WIDTH: usize = 256;
const HEADS: usize = 8;
const PLACES: usize = 128;
const WORDS: usize = 1000;

/// The op for this has no derivative: composed.
struct Norm(Tensor, Tensor);

impl Norm {
    fn new(vb: VarBuilder) -> Result<Self> {
        Ok(Self(
            vb.get_with_hints(WIDTH, "weight", Init::Const(1.0))?,
            vb.get_with_hints(WIDTH, "bias", Init::Const(0.0))?,
        ))
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm_slow(x, &self.0, &self.1, 1e-5)
    }
}

/// Zero where a place may look, minus infinity at what comes behind it.
pub fn causal(places: usize) -> Result<Tensor> {
    let ahead = Tensor::triu2(places, DType::U8, &Device::Cpu)?.sub(&Tensor::eye(places, DType::U8, &Device::Cpu)?)?;
    let zeros = Tensor::zeros((places, places), DType::F32, &Device::Cpu)?;
    ahead.where_cond(&zeros.affine(0.0, f64::NEG_INFINITY)?, &zeros)
}

/// Attention in single ops, whose gradients are known.
pub fn attend(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let scale = 1.0 / (q.dim(3)? as f64).sqrt();
    let mut scores = (q.matmul(&k.t()?)? * scale)?;
    if let Some(mask) = mask {
        scores = scores.broadcast_add(mask)?;
    }
    // The op for the last dimension has no derivative.
    let weights = if scores.track_op() { candle_nn::ops::softmax(&scores, 3)? } else { softmax_last_dim(&scores)? };
    weights.matmul(v)
}

/// Attention and a feed-forward network with their norms: before them (a decoder's) or behind (an encoder's).
struct Block {
    norm1: Norm,
    qkv: Linear,
    out: Linear,
    norm2: Norm,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            norm1: Norm::new(vb.pp("norm1"))?,
            qkv: linear(WIDTH, 3 * WIDTH, vb.pp("qkv"))?,
            out: linear(WIDTH, WIDTH, vb.pp("out"))?,
            norm2: Norm::new(vb.pp("norm2"))?,
            up: linear(WIDTH, 4 * WIDTH, vb.pp("up"))?,
            down: linear(4 * WIDTH, WIDTH, vb.pp("down"))?,
        })
    }

    fn attention(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let (batch, places, _) = x.dims3()?;
        let qkv = self.qkv.forward(x)?.reshape((batch, places, 3, HEADS, WIDTH / HEADS))?;
        let part = |i: usize| qkv.i((.., .., i))?.transpose(1, 2)?.contiguous();
        let y = attend(&part(0)?, &part(1)?, &part(2)?, mask)?;
        self.out.forward(&y.transpose(1, 2)?.reshape((batch, places, WIDTH))?)
    }

    fn encode(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.norm1.forward(&(x + self.attention(x, None)?)?)?;
        self.norm2.forward(&(&x + self.down.forward(&self.up.forward(&x)?.relu()?)?)?)
    }

    fn decode(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let x = (x + self.attention(&self.norm1.forward(x)?, Some(mask))?)?;
        &x + self.down.forward(&self.up.forward(&self.norm2.forward(&x)?)?.gelu_erf()?)?
    }
}

fn blocks(vb: &VarBuilder) -> Result<Vec<Block>> {
    (0..4).map(|i| Block::new(vb.pp(format!("block{i}")))).collect()
}

/// Four layers of PyTorch's `TransformerEncoderLayer` and a classifier of their mean.
pub struct Encoder {
    blocks: Vec<Block>,
    head: Linear,
}

impl Encoder {
    pub fn new(vb: VarBuilder) -> Result<Self> {
        Ok(Self { blocks: blocks(&vb)?, head: linear(WIDTH, 100, vb.pp("head"))? })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.blocks.iter().try_fold(x.clone(), |x, block| block.encode(&x))?;
        self.head.forward(&x.mean(1)?)
    }
}

/// A small GPT.
pub struct Gpt {
    words: Embedding,
    places: Embedding,
    blocks: Vec<Block>,
    norm: Norm,
    head: Linear,
    mask: Tensor,
}

impl Gpt {
    pub fn new(vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            words: embedding(WORDS, WIDTH, vb.pp("words"))?,
            places: embedding(PLACES, WIDTH, vb.pp("places"))?,
            blocks: blocks(&vb)?,
            norm: Norm::new(vb.pp("norm"))?,
            head: linear_no_bias(WIDTH, WORDS, vb.pp("head"))?,
            mask: causal(PLACES)?,
        })
    }

    /// The scores of the words after each of 128 tokens.
    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let places = Tensor::arange(0u32, PLACES as u32, &Device::Cpu)?;
        let x = self.words.forward(tokens)?.broadcast_add(&self.places.forward(&places)?)?;
        let x = self.blocks.iter().try_fold(x, |x, block| block.decode(&x, &self.mask))?;
        self.head.forward(&self.norm.forward(&x)?)
    }
}
