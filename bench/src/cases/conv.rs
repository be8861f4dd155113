//! Convolutions, forward and with the gradients of input and weight.

use crate::case::{Case, derive, infer, leaf};
use flambeau::{ConvOptions, ConvTransposeOptions};

/// Which function it is.
#[derive(Clone, Copy)]
enum Conv {
    Plain(ConvOptions),
    Transposed(ConvTransposeOptions),
}

/// A convolution's names, forward and in training, the shapes of input, weight and (for the count of operations) one
/// channel of its output.
type Row = ([&'static str; 2], &'static [usize], &'static [usize], &'static [usize], Conv);

fn table() -> Vec<Row> {
    let same = |padding: usize| Conv::Plain(ConvOptions::new().padding(padding));
    let strided = Conv::Plain(ConvOptions::new().stride(2).padding(3));
    let depthwise = Conv::Plain(ConvOptions::new().padding(1).groups(128usize));
    let transposed = Conv::Transposed(ConvTransposeOptions::new().stride(2).padding(1));
    vec![
        (["conv_64_56_3x3", "conv_64_56_3x3_train"], &[8, 64, 56, 56], &[64, 64, 3, 3], &[56, 56], same(1)),
        (["conv_64_56_1x1_256", "conv_64_56_1x1_256_train"], &[8, 64, 56, 56], &[256, 64, 1, 1], &[56, 56], same(0)),
        (["conv_7x7s2", "conv_7x7s2_train"], &[8, 3, 224, 224], &[64, 3, 7, 7], &[112, 112], strided),
        (["conv_256_14", "conv_256_14_train"], &[8, 256, 14, 14], &[256, 256, 3, 3], &[14, 14], same(1)),
        (["conv_512_7", "conv_512_7_train"], &[8, 512, 7, 7], &[512, 512, 3, 3], &[7, 7], same(1)),
        (["conv_depthwise", "conv_depthwise_train"], &[8, 128, 28, 28], &[128, 1, 3, 3], &[28, 28], depthwise),
        (["conv_1_28", "conv_1_28_train"], &[64, 1, 28, 28], &[32, 1, 3, 3], &[26, 26], same(0)),
        (["conv1d", "conv1d_train"], &[16, 64, 4000], &[64, 64, 9], &[4000], same(4)),
        (["conv3d", "conv3d_train"], &[4, 16, 16, 56, 56], &[32, 16, 3, 3, 3], &[16, 56, 56], same(1)),
        (["conv_transpose", "conv_transpose_train"], &[8, 64, 28, 28], &[64, 32, 4, 4], &[28, 28], transposed),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for ([name, training], input, weight, grid, conv) in table() {
        let make = move |train: bool| {
            let (x, w) = (leaf(input)?, leaf(weight)?);
            let leaves = vec![x.clone(), w.clone()];
            let forward = move || match conv {
                Conv::Plain(options) if input.len() == 3 => x.conv1d(&w, None, options),
                Conv::Plain(options) if input.len() == 5 => x.conv3d(&w, None, options),
                Conv::Plain(options) => x.conv2d(&w, None, options),
                Conv::Transposed(options) => x.conv_transpose2d(&w, None, options),
            };
            if train { derive(leaves, forward) } else { infer(forward) }
        };
        let flops = 2 * input[0] * weight.iter().product::<usize>() * grid.iter().product::<usize>();
        cases.push(Case::new(name, move || make(false)).flops(flops));
        cases.push(Case::new(training, move || make(true)).flops(3 * flops));
    }
    cases
}
