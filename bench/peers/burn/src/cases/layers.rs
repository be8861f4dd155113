//! Convolutions, pools and norms, attention, recurrent layers.

use crate::case::{Case, beside, call, derive, device, leaf, randn, tracking, wanted};
use burn::nn::{BatchNormConfig, GroupNormConfig, GruConfig, LstmConfig};
use burn::tensor::module::max_pool2d;
use burn::tensor::module::{attention as attend, avg_pool2d, conv_transpose2d, conv1d, conv2d, conv3d, interpolate};
use burn::tensor::ops::{
    AttentionModuleOptions, AvgPoolOptions, ConvOptions, ConvTransposeOptions, GridSampleOptions, InterpolateMode,
    InterpolateOptions, MaxPoolOptions,
};
use burn::tensor::{Distribution, Tensor};

/// A convolution forward, and with the gradients of input and weight.
fn both<const D: usize>(
    [name, training]: [&'static str; 2],
    [input, weight, output]: [[usize; D]; 3],
    f: impl Fn(Tensor<D>, Tensor<D>) -> Tensor<D> + Copy + 'static,
) -> [Case; 2] {
    [
        Case::new(name, move || {
            let (x, w) = (randn(input), randn(weight));
            call(output, move || f(x.clone(), w.clone()))
        }),
        Case::new(training, move || {
            let (x, w) = (leaf(input), leaf(weight));
            derive(vec![wanted(&x), wanted(&w)], move || f(x.clone(), w.clone()))
        }),
    ]
}

pub(super) fn conv() -> Vec<Case> {
    let images = |names, shapes, stride, padding, groups| {
        both(names, shapes, move |x, w| conv2d(x, w, None, ConvOptions::new([stride; 2], [padding; 2], [1; 2], groups)))
    };
    [
        images(["conv_64_56_3x3", "conv_64_56_3x3_train"], [[8, 64, 56, 56], [64, 64, 3, 3], [8, 64, 56, 56]], 1, 1, 1),
        images(
            ["conv_64_56_1x1_256", "conv_64_56_1x1_256_train"],
            [[8, 64, 56, 56], [256, 64, 1, 1], [8, 256, 56, 56]],
            1,
            0,
            1,
        ),
        images(["conv_7x7s2", "conv_7x7s2_train"], [[8, 3, 224, 224], [64, 3, 7, 7], [8, 64, 112, 112]], 2, 3, 1),
        images(["conv_256_14", "conv_256_14_train"], [[8, 256, 14, 14], [256, 256, 3, 3], [8, 256, 14, 14]], 1, 1, 1),
        images(["conv_512_7", "conv_512_7_train"], [[8, 512, 7, 7], [512, 512, 3, 3], [8, 512, 7, 7]], 1, 1, 1),
        images(
            ["conv_depthwise", "conv_depthwise_train"],
            [[8, 128, 28, 28], [128, 1, 3, 3], [8, 128, 28, 28]],
            1,
            1,
            128,
        ),
        images(["conv_1_28", "conv_1_28_train"], [[64, 1, 28, 28], [32, 1, 3, 3], [64, 32, 26, 26]], 1, 0, 1),
        both(["conv1d", "conv1d_train"], [[16, 64, 4000], [64, 64, 9], [16, 64, 4000]], |x, w| {
            conv1d(x, w, None, ConvOptions::new([1], [4], [1], 1))
        }),
        both(["conv3d", "conv3d_train"], [[4, 16, 16, 56, 56], [32, 16, 3, 3, 3], [4, 32, 16, 56, 56]], |x, w| {
            conv3d(x, w, None, ConvOptions::new([1; 3], [1; 3], [1; 3], 1))
        }),
        both(["conv_transpose", "conv_transpose_train"], [[8, 64, 28, 28], [64, 32, 4, 4], [8, 32, 56, 56]], |x, w| {
            conv_transpose2d(x, w, None, ConvTransposeOptions::new([2; 2], [1; 2], [0; 2], [1; 2], 1))
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const IMAGES: [usize; 4] = [8, 64, 112, 112];
const FEATURES: [usize; 4] = [8, 64, 56, 56];

pub(super) fn pool() -> Vec<Case> {
    vec![
        Case::new("max_pool2d", || {
            let x = randn(IMAGES);
            let options = || MaxPoolOptions::new([3; 2]).with_stride([2; 2]).with_padding([1; 2]);
            call(FEATURES, move || max_pool2d(x.clone(), options()))
        }),
        Case::new("avg_pool2d", || {
            let x = randn(IMAGES);
            call(FEATURES, move || avg_pool2d(x.clone(), AvgPoolOptions::new([2; 2]).with_stride([2; 2])))
        }),
        Case::new("batch_norm_train", || {
            let (x, weight, norm) = (leaf(FEATURES), beside(FEATURES), BatchNormConfig::new(64).init(&tracking()));
            let leaves = vec![wanted(&norm.gamma.val()), wanted(&norm.beta.val()), wanted(&x)];
            derive(leaves, move || norm.forward(x.clone()) * weight.clone())
        }),
        Case::new("group_norm_train", || {
            let (x, weight, norm) = (leaf(FEATURES), beside(FEATURES), GroupNormConfig::new(8, 64).init(&tracking()));
            let (gamma, beta) = norm.gamma.as_ref().zip(norm.beta.as_ref()).ok_or("a norm without weights")?;
            let leaves = vec![wanted(&gamma.val()), wanted(&beta.val()), wanted(&x)];
            derive(leaves, move || norm.forward(x.clone()) * weight.clone())
        }),
        Case::new("interpolate_bilinear", || {
            let x = randn([8, 3, 224, 224]);
            let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
            let options = options.with_output_size([160, 160]);
            call([8, 3, 160, 160], move || interpolate(x.clone(), options.clone()))
        }),
        Case::new("grid_sample", || {
            let x = randn([8, 16, 64, 64]);
            let grid = Tensor::random([8, 64, 64, 2], Distribution::Uniform(-1.0, 1.0), &device());
            call([8, 16, 64, 64], move || x.clone().grid_sample_2d(grid.clone(), GridSampleOptions::default()))
        }),
    ]
}

pub(super) fn attention() -> Vec<Case> {
    const SMALL: [usize; 4] = [4, 8, 256, 64];
    let options = |is_causal| AttentionModuleOptions { is_causal, ..Default::default() };
    let forward = move |name, shape, is_causal| {
        Case::new(name, move || {
            let (q, k, v) = (randn(shape), randn(shape), randn(shape));
            call(shape, move || attend(q.clone(), k.clone(), v.clone(), None, None, options(is_causal)))
        })
    };
    vec![
        forward("attention", SMALL, false),
        forward("attention_causal", SMALL, true),
        Case::new("attention_train", move || {
            let (q, k, v) = (leaf(SMALL), leaf(SMALL), leaf(SMALL));
            let leaves = vec![wanted(&q), wanted(&k), wanted(&v)];
            derive(leaves, move || attend(q.clone(), k.clone(), v.clone(), None, None, options(false)))
        }),
        forward("attention_causal_2048", [1, 8, 2048, 64], true),
    ]
}

/// 32 sequences of 64 steps, which burn has the sequences first of.
const STEPS: [usize; 3] = [32, 64, 128];

pub(super) fn recurrent() -> Vec<Case> {
    vec![
        Case::new("lstm", || {
            let (x, lstm) = (randn(STEPS), LstmConfig::new(128, 256, true).init(&device()));
            call([32, 64, 256], move || lstm.forward(x.clone(), None).0)
        }),
        Case::new("lstm_train", || {
            let (x, lstm) = (leaf(STEPS), LstmConfig::new(128, 256, true).init(&tracking()));
            let weight = lstm.input_gate.hidden_transform.weight.val();
            derive(vec![wanted(&weight), wanted(&x)], move || lstm.forward(x.clone(), None).0)
        }),
        Case::new("gru_train", || {
            let (x, gru) = (leaf(STEPS), GruConfig::new(128, 256, true).init(&tracking()));
            let weight = gru.update_gate.hidden_transform.weight.val();
            derive(vec![wanted(&weight), wanted(&x)], move || gru.forward(x.clone(), None))
        }),
    ]
}
