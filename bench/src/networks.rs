//! Networks written from `nn`'s modules, the same as in `torch/networks.py`.

use flambeau::nn::Module;
use flambeau::nn::functional::{Attention, scaled_dot_product_attention};
use flambeau::prelude::{Call, Embedding, Forward, LSTM, LayerNorm, Linear, gelu};
use flambeau::{Result, Tensor, cat};

/// Tokens through an embedding and an LSTM, classified by its last state.
#[derive(Module)]
pub struct SequenceClassifier {
    embedding: Embedding,
    lstm: LSTM,
    head: Linear,
}

impl SequenceClassifier {
    pub fn new() -> Result<Self> {
        Ok(Self {
            embedding: Embedding::new(1000, 128).build()?,
            lstm: LSTM::new(128, 256).batch_first(true).build()?,
            head: Linear::new(256, 10).build()?,
        })
    }
}

impl Forward<&Tensor> for SequenceClassifier {
    type Output = Tensor;

    fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let (_, (h, _)) = self.lstm.call(&self.embedding.call(tokens)?)?;
        self.head.call(&h.select(0, -1)?)
    }
}

const WIDTH: usize = 256;
const HEADS: usize = 8;
const PLACES: usize = 128;
const WORDS: usize = 1000;

/// Keys and values of the places so far.
type Cache = Option<(Tensor, Tensor)>;

/// A layer of a decoder: attention to what came before, and a feed-forward network, each behind a norm.
#[derive(Module)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new() -> Result<Self> {
        Ok(Self {
            norm1: LayerNorm::new(WIDTH).build()?,
            qkv: Linear::new(WIDTH, 3 * WIDTH).build()?,
            out: Linear::new(WIDTH, WIDTH).build()?,
            norm2: LayerNorm::new(WIDTH).build()?,
            up: Linear::new(WIDTH, 4 * WIDTH).build()?,
            down: Linear::new(4 * WIDTH, WIDTH).build()?,
        })
    }

    /// Of `x`, `[batch, places, width]`, which follow the places of the cache.
    fn run(&self, x: &Tensor, cache: &mut Cache) -> Result<Tensor> {
        let (batch, places) = (x.shape()[0], x.shape()[1]);
        let qkv = self.qkv.call(&self.norm1.call(x)?)?.reshape([batch, places, 3, HEADS, WIDTH / HEADS])?;
        let part = |i: isize| qkv.select(2, i)?.transpose(1, 2);
        let (q, mut k, mut v) = (part(0)?, part(1)?, part(2)?);
        if let Some((keys, values)) = cache {
            (k, v) = (cat(&[&*keys, &k], 2)?, cat(&[&*values, &v], 2)?);
        }
        // One place more may attend to all.
        let y = scaled_dot_product_attention(&q, &k, &v, Attention::new().is_causal(places > 1))?;
        *cache = Some((k, v));
        let x = x.add(&self.out.call(&y.transpose(1, 2)?.reshape([batch, places, WIDTH])?)?)?;
        x.add(&self.down.call(&gelu(&self.up.call(&self.norm2.call(&x)?)?)?)?)
    }
}

/// A small GPT.
#[derive(Module)]
pub struct Gpt {
    words: Embedding,
    places: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl Gpt {
    pub fn new() -> Result<Self> {
        Ok(Self {
            words: Embedding::new(WORDS, WIDTH).build()?,
            places: Embedding::new(PLACES, WIDTH).build()?,
            blocks: (0..4).map(|_| Block::new()).collect::<Result<_>>()?,
            norm: LayerNorm::new(WIDTH).build()?,
            head: Linear::new(WIDTH, WORDS).bias(false).build()?,
        })
    }

    /// The scores of the words after each token, the first of which stands at place `first`.
    fn run(&self, tokens: &Tensor, first: usize, caches: &mut [Cache]) -> Result<Tensor> {
        let places = Tensor::arange(first as i64, (first + tokens.shape()[1]) as i64).build()?;
        let mut x = self.words.call(tokens)?.add(&self.places.call(&places)?)?;
        for (block, cache) in self.blocks.iter().zip(caches) {
            x = block.run(&x, cache)?;
        }
        self.head.call(&self.norm.call(&x)?)
    }

    fn caches(&self) -> Vec<Cache> {
        self.blocks.iter().map(|_| None).collect()
    }

    /// The likeliest `count` tokens behind a prompt `[1, places]`.
    pub fn generate(&self, prompt: &Tensor, count: usize) -> Result<Tensor> {
        let (mut caches, mut first) = (self.caches(), 0);
        let (mut tokens, mut all) = (prompt.clone(), Vec::new());
        for _ in 0..count {
            let scores = self.run(&tokens, first, &mut caches)?;
            first += tokens.shape()[1];
            tokens = scores.select(1, -1)?.argmax_keepdim(-1)?;
            all.push(tokens.clone());
        }
        cat(&all, 1)
    }
}

impl Forward<&Tensor> for Gpt {
    type Output = Tensor;

    fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        self.run(tokens, 0, &mut self.caches())
    }
}
