//! Whole steps of training, inference, generation, and the memory they hold.

use crate::case::{Case, Kind, Work, classify, ids, infer, randn, step};
use crate::networks::{Gpt, SequenceClassifier};
use flambeau::prelude::*;
use flambeau::vision::models::{MobileNetV3, ResNet, mobilenet_v3_small, resnet18};

fn mlp() -> Result<Sequential> {
    Sequential::of((Linear::new(784, 512), ReLU::new(), Linear::new(512, 256), ReLU::new(), Linear::new(256, 10)))
}

fn mlp_step(optimizer: impl Fn(Vec<Tensor>) -> Result<Box<dyn Optimizer>>) -> Result<Work> {
    let model = mlp()?;
    let (optimizer, x, classes) = (optimizer(model.parameters())?, randn(&[64, 784])?, ids(10, &[64])?);
    classify(optimizer, x, classes, move |x| model.call(x))
}

fn cnn() -> Result<Work> {
    let model = Sequential::of((
        Conv2d::new(1, 32, 3),
        ReLU::new(),
        Conv2d::new(32, 64, 3),
        ReLU::new(),
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(9216, 128),
        ReLU::new(),
        Linear::new(128, 10),
    ))?;
    let optimizer = Adam::new(model.parameters()).build()?;
    classify(optimizer, randn(&[64, 1, 28, 28])?, ids(10, &[64])?, move |x| model.call(x))
}

fn lstm_classifier() -> Result<Work> {
    let model = SequenceClassifier::new()?;
    let optimizer = Adam::new(model.parameters()).build()?;
    classify(optimizer, ids(1000, &[32, 64])?, ids(10, &[32])?, move |x| model.call(x))
}

fn encoder() -> Result<Work> {
    let layer = TransformerEncoderLayer::new(256, 8).dim_feedforward(1024).dropout(0.0).batch_first(true).build()?;
    let (encoder, head) = (TransformerEncoder::new(&layer, 4)?, Linear::new(256, 100).build()?);
    let mut parameters = encoder.parameters();
    parameters.extend(head.parameters());
    let optimizer = AdamW::new(parameters).build()?;
    let model = move |x: &Tensor| head.call(&encoder.call(x)?.mean(1)?);
    classify(optimizer, randn(&[8, 128, 256])?, ids(100, &[8])?, model)
}

fn gpt_step() -> Result<Work> {
    let model = Gpt::new()?;
    let optimizer = AdamW::new(model.parameters()).build()?;
    let (tokens, targets) = (ids(1000, &[8, 128])?, ids(1000, &[8 * 128])?);
    step(optimizer, move || cross_entropy(&model.call(&tokens)?.flatten(0, 1)?, &targets))
}

/// 32 tokens behind a prompt of 32, keys and values kept.
fn gpt_generate() -> Result<Work> {
    let (model, prompt) = (Gpt::new()?, ids(1000, &[1, 32])?);
    infer(move || model.generate(&prompt, 32))
}

fn resnet_step() -> Result<Work> {
    let model = resnet18().build()?;
    let optimizer = SGD::new(model.parameters()).lr(1e-3).momentum(0.9).build()?;
    classify(optimizer, randn(&[8, 3, 224, 224])?, ids(1000, &[8])?, move |x| model.call(x))
}

fn resnet_infer(batch: usize) -> Result<Work> {
    let model: ResNet = resnet18().build()?;
    model.eval();
    let x = randn(&[batch, 3, 224, 224])?;
    infer(move || model.call(&x))
}

fn mobilenet_infer(batch: usize) -> Result<Work> {
    let model: MobileNetV3 = mobilenet_v3_small().build()?;
    model.eval();
    let x = randn(&[batch, 3, 224, 224])?;
    infer(move || model.call(&x))
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("mlp_sgd", || mlp_step(|p| Ok(Box::new(SGD::new(p).lr(1e-3).build()?)))),
        Case::new("mlp_adam", || mlp_step(|p| Ok(Box::new(Adam::new(p).build()?)))),
        Case::new("cnn_adam", cnn),
        Case::new("lstm_classifier", lstm_classifier),
        Case::new("encoder_adamw", encoder),
        Case::new("gpt_train", gpt_step),
        Case::new("gpt_generate", gpt_generate),
        Case::new("resnet18_train_8", resnet_step),
        Case::new("resnet18_infer_1", || resnet_infer(1)),
        Case::new("resnet18_infer_8", || resnet_infer(8)),
        Case::new("mobilenet_v3_small_infer_1", || mobilenet_infer(1)),
        Case::new("mobilenet_v3_small_infer_8", || mobilenet_infer(8)),
    ]
}

pub(super) fn memory() -> Vec<Case> {
    vec![
        Case::new("resnet18_train_8_memory", resnet_step).kind(Kind::Memory),
        Case::new("gpt_train_memory", gpt_step).kind(Kind::Memory),
    ]
}
