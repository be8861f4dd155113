//! Convolutions, pools and norms, attention, recurrent layers.

use crate::case::{Case, call, derive, frozen, leaf, randn, trained};
use crate::networks::{attend, causal};
use candle_core::{Result, Tensor};
use candle_nn::attention::{AttnMask, flash_attn};
use candle_nn::rnn::RNN;
use candle_nn::{GroupNorm, Module};

#[derive(Clone, Copy)]
enum Conv {
    Plain { padding: usize, stride: usize, groups: usize },
    Transposed { padding: usize, stride: usize },
}

/// A convolution's names, forward and in training, the shapes of input, weight and output.
type Row = ([&'static str; 2], &'static [usize], &'static [usize], &'static [usize], Conv);

fn table() -> Vec<Row> {
    let same = |padding| Conv::Plain { padding, stride: 1, groups: 1 };
    let strided = Conv::Plain { padding: 3, stride: 2, groups: 1 };
    let depthwise = Conv::Plain { padding: 1, stride: 1, groups: 128 };
    let transposed = Conv::Transposed { padding: 1, stride: 2 };
    vec![
        (["conv_64_56_3x3", "conv_64_56_3x3_train"], &[8, 64, 56, 56], &[64, 64, 3, 3], &[8, 64, 56, 56], same(1)),
        (
            ["conv_64_56_1x1_256", "conv_64_56_1x1_256_train"],
            &[8, 64, 56, 56],
            &[256, 64, 1, 1],
            &[8, 256, 56, 56],
            same(0),
        ),
        (["conv_7x7s2", "conv_7x7s2_train"], &[8, 3, 224, 224], &[64, 3, 7, 7], &[8, 64, 112, 112], strided),
        (["conv_256_14", "conv_256_14_train"], &[8, 256, 14, 14], &[256, 256, 3, 3], &[8, 256, 14, 14], same(1)),
        (["conv_512_7", "conv_512_7_train"], &[8, 512, 7, 7], &[512, 512, 3, 3], &[8, 512, 7, 7], same(1)),
        (["conv_depthwise", "conv_depthwise_train"], &[8, 128, 28, 28], &[128, 1, 3, 3], &[8, 128, 28, 28], depthwise),
        (["conv_1_28", "conv_1_28_train"], &[64, 1, 28, 28], &[32, 1, 3, 3], &[64, 32, 26, 26], same(0)),
        (["conv1d", "conv1d_train"], &[16, 64, 4000], &[64, 64, 9], &[16, 64, 4000], same(4)),
        (["conv_transpose", "conv_transpose_train"], &[8, 64, 28, 28], &[64, 32, 4, 4], &[8, 32, 56, 56], transposed),
    ]
}

fn convolve(x: &Tensor, w: &Tensor, conv: Conv) -> Result<Tensor> {
    match conv {
        Conv::Plain { padding, stride, groups } if x.rank() == 3 => x.conv1d(w, padding, stride, 1, groups),
        Conv::Plain { padding, stride, groups } => x.conv2d(w, padding, stride, 1, groups),
        Conv::Transposed { padding, stride } => x.conv_transpose2d(w, padding, 0, stride, 1),
    }
}

pub(super) fn conv() -> Vec<Case> {
    let mut cases = Vec::new();
    for ([name, training], input, weight, output, conv) in table() {
        cases.push(Case::new(name, move || {
            let (x, w) = (randn(input)?, randn(weight)?);
            match *output {
                [n, c, l] => call([n, c, l], move || convolve(&x, &w, conv)),
                [n, c, h, w2] => call([n, c, h, w2], move || convolve(&x, &w, conv)),
                _ => unreachable!("three or four dimensions"),
            }
        }));
        cases.push(Case::new(training, move || {
            let (x, w) = (leaf(input)?, leaf(weight)?);
            derive(vec![x.clone(), w.clone()], move || convolve(&x, &w, conv))
        }));
    }
    cases
}

const FEATURES: (usize, usize, usize, usize) = (8, 64, 56, 56);

pub(super) fn pool() -> Vec<Case> {
    vec![
        Case::new("avg_pool2d", || {
            let x = randn((8, 64, 112, 112))?;
            call([8, 64, 56, 56], move || x.avg_pool2d(2))
        }),
        Case::new("batch_norm_train", || {
            let (x, weight) = (leaf(FEATURES)?, randn(FEATURES)?);
            let (map, norm) = trained(|vb| candle_nn::batch_norm(64, 1e-5, vb))?;
            let vars = map.data().lock().expect("no thread of ours panics");
            let leaves = vec![vars["weight"].clone(), vars["bias"].clone(), x.clone()];
            derive(leaves, move || norm.forward_train(&x)?.mul(&weight))
        }),
        Case::new("group_norm_train", || {
            let (x, weight, scale, shift) = (leaf(FEATURES)?, randn(FEATURES)?, leaf(64)?, leaf(64)?);
            let norm = GroupNorm::new(scale.as_tensor().clone(), shift.as_tensor().clone(), 64, 8, 1e-5)?;
            derive(vec![scale, shift, x.clone()], move || norm.forward(&x)?.mul(&weight))
        }),
        Case::new("interpolate_bilinear", || {
            let x = randn((8, 3, 224, 224))?;
            call([8, 3, 160, 160], move || x.upsample_bilinear2d(160, 160, false))
        }),
    ]
}

/// `[batch, heads, places, width]`, by the op for the CPU, which wants heads behind places.
fn attention_op(name: &'static str, [batch, heads, places, width]: [usize; 4], is_causal: bool) -> Case {
    Case::new(name, move || {
        let make = || randn((batch, places, heads, width));
        let (q, k, v) = (make()?, make()?, make()?);
        call([batch, heads, places, width], move || {
            let mask = if is_causal { AttnMask::causal() } else { AttnMask::None };
            flash_attn::<f32>(&q, &k, &v, 1.0 / (width as f32).sqrt(), mask, None, None)
        })
    })
}

/// The same in single ops.
fn attention_composed(name: &'static str, shape: [usize; 4], is_causal: bool) -> Case {
    Case::new(name, move || {
        let make = || randn(shape.to_vec());
        let (q, k, v) = (make()?, make()?, make()?);
        let mask = is_causal.then(|| causal(shape[2])).transpose()?;
        call(shape, move || attend(&q, &k, &v, mask.as_ref()))
    })
}

pub(super) fn attention() -> Vec<Case> {
    const SMALL: [usize; 4] = [4, 8, 256, 64];
    vec![
        attention_op("attention", SMALL, false),
        attention_op("attention_causal", SMALL, true),
        attention_composed("attention_composed", SMALL, false),
        attention_composed("attention_causal_composed", SMALL, true),
        Case::new("attention_train", || {
            let make = || leaf(SMALL.to_vec());
            let (q, k, v) = (make()?, make()?, make()?);
            derive(vec![q.clone(), k.clone(), v.clone()], move || attend(&q, &k, &v, None))
        }),
        attention_op("attention_causal_2048", [1, 8, 2048, 64], true),
        attention_composed("attention_causal_2048_composed", [1, 8, 2048, 64], true),
    ]
}

/// 32 sequences of 64 steps, which candle has the sequences first of.
const STEPS: (usize, usize, usize) = (32, 64, 128);

pub(super) fn recurrent() -> Vec<Case> {
    vec![
        Case::new("lstm", || {
            let (x, lstm) = (randn(STEPS)?, frozen(|vb| candle_nn::lstm(128, 256, Default::default(), vb))?);
            call([32, 64, 256], move || lstm.states_to_tensor(&lstm.seq(&x)?))
        }),
        Case::new("lstm_train", || {
            let (x, (map, lstm)) = (leaf(STEPS)?, trained(|vb| candle_nn::lstm(128, 256, Default::default(), vb))?);
            let leaves = [map.all_vars(), vec![x.clone()]].concat();
            derive(leaves, move || lstm.states_to_tensor(&lstm.seq(&x)?))
        }),
        Case::new("gru_train", || {
            let (x, (map, gru)) = (leaf(STEPS)?, trained(|vb| candle_nn::gru(128, 256, Default::default(), vb))?);
            let leaves = [map.all_vars(), vec![x.clone()]].concat();
            derive(leaves, move || gru.states_to_tensor(&gru.seq(&x)?))
        }),
    ]
}
