//! Whole steps of training.

use crate::case::{Case, Result, Work, beside, ids, step, tracking};
use crate::networks::{Cnn, Encoder, Gpt, Mlp, SequenceClassifier};
use burn::nn::loss::{CrossEntropyLossConfig, MseLoss, Reduction};
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig};
use burn::tensor::{Int, Tensor};

/// PyTorch's settings.
fn adam() -> ModuleOptimizer {
    AdamConfig::new().with_epsilon(1e-8).init()
}

fn adamw() -> ModuleOptimizer {
    AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.01).init()
}

fn cross_entropy(scores: Tensor<2>, classes: &Tensor<1, Int>) -> Tensor<1> {
    CrossEntropyLossConfig::new().init(&scores.device()).forward(scores, classes.clone())
}

fn tiny_mlp() -> Result<Work> {
    let (x, y) = (beside([4, 8]), beside([4, 1]));
    step(Mlp::new(&[8, 8, 8, 1], &tracking()), SgdConfig::new().init(), move |model| {
        MseLoss::new().forward(model.forward(x.clone()), y.clone(), Reduction::Mean)
    })
}

fn mlp(optimizer: ModuleOptimizer) -> Result<Work> {
    let (x, classes) = (beside([64, 784]), ids(10, [64], &tracking()));
    step(Mlp::new(&[784, 512, 256, 10], &tracking()), optimizer, move |model| {
        cross_entropy(model.forward(x.clone()), &classes)
    })
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("tiny_mlp_train", tiny_mlp),
        Case::new("mlp_sgd", || mlp(SgdConfig::new().init())),
        Case::new("mlp_adam", || mlp(adam())),
        Case::new("cnn_adam", || {
            let (x, classes) = (beside([64, 1, 28, 28]), ids(10, [64], &tracking()));
            step(Cnn::new(&tracking()), adam(), move |model| cross_entropy(model.forward(x.clone()), &classes))
        }),
        Case::new("lstm_classifier", || {
            let (tokens, classes) = (ids(1000, [32, 64], &tracking()), ids(10, [32], &tracking()));
            step(SequenceClassifier::new(&tracking()), adam(), move |model| {
                cross_entropy(model.forward(tokens.clone()), &classes)
            })
        }),
        Case::new("encoder_adamw", || {
            let (x, classes) = (beside([8, 128, 256]), ids(100, [8], &tracking()));
            step(Encoder::new(&tracking()), adamw(), move |model| cross_entropy(model.forward(x.clone()), &classes))
        }),
        Case::new("gpt_train", || {
            let (tokens, targets) = (ids(1000, [8, 128], &tracking()), ids(1000, [8 * 128], &tracking()));
            step(Gpt::new(&tracking()), adamw(), move |model| {
                cross_entropy(model.forward(tokens.clone()).flatten::<2>(0, 1), &targets)
            })
        }),
    ]
}
