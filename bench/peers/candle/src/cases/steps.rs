//! Whole steps of training.

use crate::case::{Case, Work, ids, randn, step, trained};
use crate::networks::{Encoder, Gpt, SequenceClassifier};
use candle_core::{Result, Tensor};
use candle_nn::loss::{cross_entropy, mse};
use candle_nn::{AdamW, Module, Optimizer, ParamsAdamW, SGD, Sequential, VarBuilder, VarMap, conv2d, linear, seq};

/// Linear layers of these widths with ReLU between them.
fn mlp(widths: &[usize], vb: VarBuilder) -> Result<Sequential> {
    let mut model = seq();
    for (i, pair) in widths.windows(2).enumerate() {
        if i > 0 {
            model = model.add_fn(Tensor::relu);
        }
        model = model.add(linear(pair[0], pair[1], vb.pp(i))?);
    }
    Ok(model)
}

fn cnn(vb: VarBuilder) -> Result<Sequential> {
    Ok(seq()
        .add(conv2d(1, 32, 3, Default::default(), vb.pp("conv1"))?)
        .add_fn(Tensor::relu)
        .add(conv2d(32, 64, 3, Default::default(), vb.pp("conv2"))?)
        .add_fn(Tensor::relu)
        .add_fn(|x| x.max_pool2d(2)?.flatten_from(1))
        .add(linear(9216, 128, vb.pp("linear1"))?)
        .add_fn(Tensor::relu)
        .add(linear(128, 10, vb.pp("linear2"))?))
}

/// PyTorch's defaults; Adam is AdamW without decay.
fn adamw(map: &VarMap, weight_decay: f64) -> Result<AdamW> {
    AdamW::new(map.all_vars(), ParamsAdamW { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay })
}

/// A step of training a classifier on one batch.
fn classify(
    map: VarMap,
    optimizer: impl Optimizer + 'static,
    x: Tensor,
    classes: Tensor,
    model: impl Fn(&Tensor) -> Result<Tensor> + 'static,
) -> Result<Work> {
    step(map, optimizer, move || cross_entropy(&model(&x)?, &classes))
}

fn tiny_mlp() -> Result<Work> {
    let (map, model) = trained(|vb| mlp(&[8, 8, 8, 1], vb))?;
    let (x, y) = (randn((4, 8))?, randn((4, 1))?);
    let optimizer = SGD::new(map.all_vars(), 1e-3)?;
    step(map, optimizer, move || mse(&model.forward(&x)?, &y))
}

fn mlp_step<O: Optimizer + 'static>(optimizer: impl Fn(&VarMap) -> Result<O>) -> Result<Work> {
    let (map, model) = trained(|vb| mlp(&[784, 512, 256, 10], vb))?;
    let optimizer = optimizer(&map)?;
    classify(map, optimizer, randn((64, 784))?, ids(10, 64)?, move |x| model.forward(x))
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("tiny_mlp_train", tiny_mlp),
        Case::new("mlp_sgd", || mlp_step(|map| SGD::new(map.all_vars(), 1e-3))),
        Case::new("mlp_adam", || mlp_step(|map| adamw(map, 0.0))),
        Case::new("cnn_adam", || {
            let (map, model) = trained(cnn)?;
            let optimizer = adamw(&map, 0.0)?;
            classify(map, optimizer, randn((64, 1, 28, 28))?, ids(10, 64)?, move |x| model.forward(x))
        }),
        Case::new("lstm_classifier", || {
            let (map, model) = trained(SequenceClassifier::new)?;
            let optimizer = adamw(&map, 0.0)?;
            classify(map, optimizer, ids(1000, (32, 64))?, ids(10, 32)?, move |x| model.forward(x))
        }),
        Case::new("encoder_adamw", || {
            let (map, model) = trained(Encoder::new)?;
            let optimizer = adamw(&map, 0.01)?;
            classify(map, optimizer, randn((8, 128, 256))?, ids(100, 8)?, move |x| model.forward(x))
        }),
        Case::new("gpt_train", || {
            let (map, model) = trained(Gpt::new)?;
            let optimizer = adamw(&map, 0.01)?;
            let (tokens, targets) = (ids(1000, (8, 128))?, ids(1000, 8 * 128)?);
            step(map, optimizer, move || cross_entropy(&model.forward(&tokens)?.flatten(0, 1)?, &targets))
        }),
    ]
}
