//! Cases of the special functions, and of fused ops that are functions of a network.

use super::{Table, strided};
use crate::common::{sample, seeded};
use flambeau_tensor::{
    CtcLoss, DType, GridMode, GridPadding, GridSample, InterpolateMode, InterpolateOptions, Result, RnnLayer, RnnMode,
    ScaledDotProductAttention, Tensor, cat, dispatch, dispatch_all, special, tensor,
};

type Unary = fn(&Tensor) -> Result<Tensor>;

/// The states of a layer, all outputs that are no mere help for the gradient, as one list.
fn states(layer: &RnnLayer, inputs: &[&Tensor]) -> Result<Tensor> {
    let made = dispatch_all(layer.clone().into(), inputs)?;
    cat(&made[..layer.states()].iter().map(|t| t.flatten(0, -1)).collect::<Result<Vec<_>>>()?, 0)
}

fn recurrent(t: &mut Table) {
    let layer = |mode, reverse, projection, saves| RnnLayer {
        mode,
        batch_sizes: [2, 2, 1].into(),
        reverse,
        bias: mode == RnnMode::Gru,
        projection,
        saves,
    };
    let x = |i: u64, shape: &[usize]| seeded(i, shape, -1.0, 1.0);
    for saves in [false, true] {
        for (mode, reverse) in [(RnnMode::RnnTanh, false), (RnnMode::RnnRelu, true)] {
            let op = layer(mode, reverse, false, saves);
            let f = move |[gx, h, w]: &[Tensor; 3]| states(&op, &[gx, h, w]);
            t.add("RnnLayer", [x(1, &[5, 2]), x(2, &[2, 2]), x(3, &[2, 2])], f);
        }
        let op = layer(RnnMode::Lstm, false, true, saves);
        let inputs = [x(1, &[5, 8]), x(2, &[2, 1]), x(3, &[8, 1]), x(4, &[2, 2]), x(5, &[1, 2])];
        t.add("RnnLayer", inputs, move |[gx, h, w, c, r]| states(&op, &[gx, h, w, c, r]));
        let op = layer(RnnMode::Gru, true, false, saves);
        let inputs = [x(1, &[5, 6]), x(2, &[2, 2]), x(3, &[6, 2]), x(4, &[6])];
        t.add("RnnLayer", inputs, move |[gx, h, w, b]| states(&op, &[gx, h, w, b]));
    }
    let run = |mode, reverse, inputs: &[&Tensor]| {
        let (batch_sizes, bias) = ([1, 1].into(), mode == RnnMode::Gru);
        states(&RnnLayer { mode, batch_sizes, reverse, bias, projection: false, saves: true }, inputs)
    };
    t.backward("RnnLayerBackward", [x(1, &[2, 1]), x(2, &[1, 1]), x(3, &[1, 1])], move |[gx, h, w]| {
        run(RnnMode::RnnTanh, false, &[gx, h, w])
    });
    let inputs = [x(1, &[2, 4]), x(2, &[1, 1]), x(3, &[4, 1]), x(4, &[1, 1])];
    t.backward("RnnLayerBackward", inputs, move |[gx, h, w, c]| run(RnnMode::Lstm, false, &[gx, h, w, c]));
    let inputs = [x(1, &[2, 3]), x(2, &[1, 1]), x(3, &[3, 1]), x(4, &[3])];
    t.backward("RnnLayerBackward", inputs, move |[gx, h, w, b]| run(RnnMode::Gru, true, &[gx, h, w, b]));
}

fn attention(t: &mut Table) {
    let run = |causal, inputs: &[&Tensor]| {
        let op = ScaledDotProductAttention { scale: 0.7, causal, mask: inputs.len() > 3 };
        dispatch_all(op.into(), inputs).map(|made| made[0].clone())
    };
    // Two heads of queries for one of the keys.
    let q = || seeded(1, &[2, 3, 2], -1.0, 1.0);
    let (k, v) = (|| seeded(2, &[1, 3, 2], -1.0, 1.0), || seeded(3, &[1, 3, 1], -1.0, 1.0));
    t.add("ScaledDotProductAttention", [q(), k(), v()], move |[q, k, v]| run(true, &[q, k, v]));
    t.add("ScaledDotProductAttention", [q(), k(), v()], move |[q, k, v]| {
        let mask = tensor!([[true, false, true], [false, false, false], [true, true, true]]);
        run(false, &[q, k, v, &mask.expand([2, 3, 3])?])
    });
    let mask = seeded(4, &[2, 3, 3], -1.0, 1.0);
    t.add("ScaledDotProductAttention", [q(), k(), v(), mask], move |[q, k, v, m]| run(false, &[q, k, v, m]));
    let small = || (seeded(1, &[2, 2], -1.0, 1.0), seeded(2, &[2, 2], -1.0, 1.0), seeded(3, &[2, 1], -1.0, 1.0));
    let (q, k, v) = small();
    t.backward("ScaledDotProductAttentionBackward", [q, k, v], move |[q, k, v]| run(false, &[q, k, v]));
}

fn grid(t: &mut Table) {
    let x = || seeded(1, &[1, 2, 3, 4], -1.0, 1.0);
    // Between elements, where the derivative by the place exists; one place is outside.
    let double = |t: Tensor| t.to_dtype(DType::F64).unwrap();
    let places = || double(tensor!([[[[-0.93, -0.31], [0.13, 0.57], [0.71, 1.37]]]]));
    let op = |mode, padding| GridSample { mode, padding, align_corners: false };
    for mode in [GridMode::Nearest, GridMode::Bilinear, GridMode::Bicubic] {
        for padding in [GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection] {
            let op = op(mode, padding);
            t.add("GridSample", [x(), places()], move |[x, grid]| dispatch(op, &[x, grid]));
        }
        let op = op(mode, GridPadding::Reflection);
        // The nearest element has no derivative by the place.
        if mode != GridMode::Nearest {
            t.backward("GridSampleBackward", [x(), places()], move |[x, grid]| dispatch(op, &[x, grid]));
        }
    }
    let op = GridSample { mode: GridMode::Bilinear, padding: GridPadding::Zeros, align_corners: true };
    let volume = seeded(2, &[1, 1, 3, 2, 3], -1.0, 1.0);
    let places = double(tensor!([[[[[-0.6, 0.3, 0.45], [0.4, -0.2, 1.3]]]]]));
    t.add("GridSample", [volume, places], move |[x, grid]| dispatch(op, &[x, grid]));
}

fn resampled(t: &mut Table) {
    use InterpolateMode as Mode;
    let x = || seeded(1, &[1, 2, 3, 4], -1.0, 1.0);
    let to = |mode, antialias| InterpolateOptions::size((4, 3)).mode(mode).antialias(antialias);
    for (mode, antialias) in [
        (Mode::Nearest, false),
        (Mode::NearestExact, false),
        (Mode::Linear, false),
        (Mode::Linear, true),
        (Mode::Bicubic, false),
        (Mode::Bicubic, true),
        (Mode::Lanczos, true),
    ] {
        t.add("Interpolate", [x()], move |[x]| x.interpolate(to(mode, antialias)));
        t.backward("InterpolateBackward", [x()], move |[x]| x.interpolate(to(mode, antialias)));
    }
    let to = |size: &[isize]| {
        let size = flambeau_tensor::shape::Spatial::from_slice(size).unwrap();
        InterpolateOptions::size(size).mode(Mode::Linear).align_corners(true)
    };
    t.add("Interpolate", [seeded(2, &[2, 1, 3], -1.0, 1.0)], move |[x]| x.interpolate(to(&[5])));
    t.add("Interpolate", [seeded(3, &[1, 1, 2, 3, 2], -1.0, 1.0)], move |[x]| x.interpolate(to(&[3, 2, 4])));
}

pub fn cases(t: &mut Table) {
    recurrent(t);
    resampled(t);
    grid(t);
    attention(t);
    let all: &[(Unary, f64, f64)] = &[
        (Tensor::lgamma, 0.3, 4.0),
        (Tensor::lgamma, -0.9, -0.2),
        (Tensor::digamma, 0.3, 4.0),
        (|x| x.polygamma(1), 0.5, 3.0),
        (|x| x.polygamma(3), 0.8, 3.0),
        (|x| x.mvlgamma(3), 1.6, 4.0),
        (special::erfcx, -1.0, 3.0),
        (special::log_ndtr, -3.0, 2.0),
        (special::ndtri, 0.06, 0.9),
        (special::i0, -2.0, 2.0),
        (special::i0e, 0.1, 9.0),
        (special::i1, -2.0, 2.0),
        (special::i1e, 0.1, 9.0),
        (special::bessel_j0, 0.3, 12.0),
        (special::bessel_j1, 0.3, 12.0),
        (special::bessel_y0, 0.8, 12.0),
        (special::bessel_y1, 0.8, 12.0),
        (special::modified_bessel_k0, 0.6, 4.0),
        (special::modified_bessel_k1, 0.6, 4.0),
        (special::scaled_modified_bessel_k0, 0.6, 4.0),
        (special::scaled_modified_bessel_k1, 0.6, 4.0),
    ];
    for (f, low, high) in all.iter().copied() {
        for x in [sample(&[2, 3], low, high), strided(|s| sample(s, low, high))] {
            t.add("Special", [x], move |[x]| f(x));
        }
    }
    // The mantissa changes, the exponent is constant.
    t.add("Special", [tensor!([0.6, -1.3, 5.0]; DType::F64)], |[x]| special::i0e(x)?.frexp().map(|y| y.mantissa));
    let q = || sample(&[2, 3], 0.8, 3.0);
    t.add("SpecialPair", [q()], |[q]| special::zeta(&tensor!([2.0, 3.5, 4.0]; DType::F64), q));
    t.add("SpecialPair", [q()], |[x]| special::gammainc(&tensor!([0.7, 1.5, 2.0]; DType::F64), x));
    t.add("SpecialPair", [q()], |[x]| special::gammaincc(&tensor!([[0.7], [1.5]]; DType::F64), x));
    type Pair = fn(&Tensor, &Tensor) -> Result<Tensor>;
    let pairs: [Pair; 4] =
        [|x, y| x.hypot(y), |x, y| x.logaddexp(y), |x, y| x.logaddexp2(y), |x, y| x.neg()?.copysign(y)];
    for f in pairs {
        t.add("SpecialPair", [q(), sample(&[3], 0.7, 2.0)], move |[x, y]| f(x, y));
        t.add("SpecialPair", [sample(&[2, 1], 0.4, 2.0), q()], move |[x, y]| f(x, y));
    }
    for zero_infinity in [false, true] {
        t.add("CtcLoss", [sample(&[4, 2, 3], -2.0, 1.0)], move |[x]| {
            let targets = tensor!([[1i64, 1], [2, 0]]);
            let (input_lengths, target_lengths) = (vec![4, 3], vec![2, 1]);
            dispatch(
                CtcLoss { blank: 0, input_lengths, target_lengths, zero_infinity },
                &[&x.log_softmax(-1)?, &targets],
            )
        });
    }
}
