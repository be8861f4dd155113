//! Networks written from burn's layers, the same as `bench/src/networks.rs` and PyTorch's models in its cases.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, Lstm, LstmConfig};
use burn::tensor::activation::{gelu, relu};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Int, Tensor};

/// Linear layers with ReLU between them.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    pub fn new(widths: &[usize], device: &Device) -> Self {
        Self { layers: widths.windows(2).map(|pair| LinearConfig::new(pair[0], pair[1]).init(device)).collect() }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (first, others) = self.layers.split_first().expect("there are layers");
        others.iter().fold(first.forward(x), |x, layer| layer.forward(relu(x)))
    }
}

/// Two convolutions and two linear layers.
#[derive(Module, Debug)]
pub struct Cnn {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: MaxPool2d,
    linear1: Linear,
    linear2: Linear,
}

impl Cnn {
    pub fn new(device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([1, 32], [3, 3]).init(device),
            conv2: Conv2dConfig::new([32, 64], [3, 3]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            linear1: LinearConfig::new(9216, 128).init(device),
            linear2: LinearConfig::new(128, 10).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.conv2.forward(relu(self.conv1.forward(x))));
        let x = self.pool.forward(x).flatten::<2>(1, 3);
        self.linear2.forward(relu(self.linear1.forward(x)))
    }
}

/// Tokens through an embedding and an LSTM, classified by its last state.
#[derive(Module, Debug)]
pub struct SequenceClassifier {
    embedding: Embedding,
    lstm: Lstm,
    head: Linear,
}

impl SequenceClassifier {
    pub fn new(device: &Device) -> Self {
        Self {
            embedding: EmbeddingConfig::new(1000, 128).init(device),
            lstm: LstmConfig::new(128, 256, true).init(device),
            head: LinearConfig::new(256, 10).init(device),
        }
    }

    pub fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<2> {
        let (_, state) = self.lstm.forward(self.embedding.forward(tokens), None);
        self.head.forward(state.hidden)
    }
}

const WIDTH: usize = 256;
const HEADS: usize = 8;
const PLACES: usize = 128;
const WORDS: usize = 1000;

/// Attention and a feed-forward network with their norms: before them (a decoder's) or behind (an encoder's).
#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(device: &Device) -> Self {
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        Self {
            norm1: LayerNormConfig::new(WIDTH).init(device),
            qkv: linear(WIDTH, 3 * WIDTH),
            out: linear(WIDTH, WIDTH),
            norm2: LayerNormConfig::new(WIDTH).init(device),
            up: linear(WIDTH, 4 * WIDTH),
            down: linear(4 * WIDTH, WIDTH),
        }
    }

    fn attention(&self, x: Tensor<3>, is_causal: bool) -> Tensor<3> {
        let [batch, places, _] = x.dims();
        let parts = self.qkv.forward(x).chunk(3, 2).into_iter();
        let mut parts = parts.map(|part| part.reshape([batch, places, HEADS, WIDTH / HEADS]).swap_dims(1, 2));
        let mut part = || parts.next().expect("queries, keys and values");
        let options = AttentionModuleOptions { is_causal, ..Default::default() };
        let y = attention(part(), part(), part(), None, None, options);
        self.out.forward(y.swap_dims(1, 2).reshape([batch, places, WIDTH]))
    }

    fn encode(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.norm1.forward(x.clone() + self.attention(x, false));
        self.norm2.forward(x.clone() + self.down.forward(relu(self.up.forward(x))))
    }

    fn decode(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attention(self.norm1.forward(x), true);
        x.clone() + self.down.forward(gelu(self.up.forward(self.norm2.forward(x))))
    }
}

fn blocks(device: &Device) -> Vec<Block> {
    (0..4).map(|_| Block::new(device)).collect()
}

/// Four layers of PyTorch's `TransformerEncoderLayer` and a classifier of their mean.
#[derive(Module, Debug)]
pub struct Encoder {
    blocks: Vec<Block>,
    head: Linear,
}

impl Encoder {
    pub fn new(device: &Device) -> Self {
        Self { blocks: blocks(device), head: LinearConfig::new(WIDTH, 100).init(device) }
    }

    pub fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let x = self.blocks.iter().fold(x, |x, block| block.encode(x));
        self.head.forward(x.mean_dim(1).squeeze_dim::<2>(1))
    }
}

/// A small GPT.
#[derive(Module, Debug)]
pub struct Gpt {
    words: Embedding,
    places: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl Gpt {
    pub fn new(device: &Device) -> Self {
        Self {
            words: EmbeddingConfig::new(WORDS, WIDTH).init(device),
            places: EmbeddingConfig::new(PLACES, WIDTH).init(device),
            blocks: blocks(device),
            norm: LayerNormConfig::new(WIDTH).init(device),
            head: LinearConfig::new(WIDTH, WORDS).with_bias(false).init(device),
        }
    }

    /// The scores of the words after each token.
    pub fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let [_, places] = tokens.dims();
        let places = Tensor::<1, Int>::arange(0..places as i64, &tokens.device()).unsqueeze::<2>();
        let x = self.words.forward(tokens) + self.places.forward(places);
        let x = self.blocks.iter().fold(x, |x, block| block.decode(x));
        self.head.forward(self.norm.forward(x))
    }
}
