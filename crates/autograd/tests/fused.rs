//! Attention and recurrent layers: the kernels against their decompositions, over shapes that fill blocks and do not, and
//! the same bits at any number of threads.

mod common;

use common::{close, kernel_is_decomposition, sample, seeded, values};
use flambeau_tensor::{
    DType, GridMode, GridPadding, GridSample, GridSampleBackward, Interpolate, InterpolateBackward, InterpolateMode,
    MemoryFormat, Op, RnnLayer, RnnLayerBackward, RnnMode, ScaledDotProductAttention,
    ScaledDotProductAttentionBackward, Tensor, dispatch_all, set_num_threads,
};

fn run(op: &Op, inputs: &[Tensor]) -> Vec<Tensor> {
    dispatch_all(op.clone(), &inputs.iter().collect::<Vec<_>>()).unwrap().into_iter().collect()
}

/// A backward kernel against its decomposition, in both precisions.
fn backward_is_decomposition(op: impl Into<Op>, inputs: &[Tensor]) {
    let op = op.into();
    for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 1e-4)] {
        let cast = |t: &Tensor| if t.dtype().is_float() { t.to_dtype(dtype).unwrap() } else { t.clone() };
        let given: Vec<Tensor> = inputs.iter().map(cast).collect();
        let theirs = op.decompose(&inputs.iter().collect::<Vec<_>>()).unwrap().unwrap();
        let ours = run(&op, &given);
        assert_eq!(ours.len(), theirs.len());
        for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(a.shape(), b.shape());
            close(&format!("{op:?} in {dtype}, output {i}"), &values(a), &values(b), tolerance);
        }
    }
}

/// Queries, keys, values: heads, those of the keys, queries, keys, numbers of both and of the values.
fn operands([heads, own, l, s, e, ev]: [usize; 6]) -> Vec<Tensor> {
    [(1, [2, heads, l, e]), (2, [2, own, s, e]), (3, [2, own, s, ev])].map(|(i, s)| seeded(i, &s, -1.5, 1.5)).into()
}

#[test]
fn attention_is_its_decomposition() {
    // Less than a tile and than a block, several blocks of keys and queries, groups of heads.
    for sizes in [[1, 1, 3, 2, 1, 1], [2, 1, 7, 20, 5, 3], [2, 2, 100, 300, 16, 33], [4, 2, 130, 130, 20, 16]] {
        let [heads, _, l, s, ..] = sizes;
        let qkv = operands(sizes);
        let numbers = seeded(5, &[2, heads, l, s], -1.0, 1.0);
        let may = seeded(6, &[1, heads, l, s], -1.0, 1.0).gt(-0.3).unwrap();
        // A row in which nothing may be attended to.
        let may = may.logical_and(&Tensor::arange(0, l as i64).build().unwrap().ne(1).unwrap().unsqueeze(-1).unwrap());
        let may = may.unwrap().expand([2, heads, l, s]).unwrap();
        for (mask, causal, scale) in
            [(None, false, 0.3), (None, true, 0.5), (Some(numbers), false, -0.4), (Some(may), false, 0.2)]
        {
            let op = ScaledDotProductAttention { scale, causal, mask: mask.is_some() };
            let all: Vec<Tensor> = qkv.iter().chain(&mask).cloned().collect();
            kernel_is_decomposition(op, &all);
            let made = run(&op.into(), &all);
            let mut back = vec![sample(made[0].shape(), -1.0, 1.0)];
            back.extend([&qkv[..], &made].concat());
            back.extend(mask);
            backward_is_decomposition(ScaledDotProductAttentionBackward { of: op }, &back);
        }
    }
}

#[test]
fn samples_of_a_grid_are_their_decomposition() {
    let images: [(&[usize], &[usize]); 3] =
        [(&[2, 3, 5, 7], &[2, 20, 17, 2]), (&[1, 9, 1, 4], &[1, 2, 3, 2]), (&[2, 2, 3, 4, 5], &[2, 3, 10, 11, 3])];
    for (shape, grid) in images {
        // Inside, at the border and far outside.
        let (x, grid) = (seeded(1, shape, -1.0, 1.0), seeded(2, grid, -2.5, 2.5));
        for mode in [GridMode::Nearest, GridMode::Bilinear, GridMode::Bicubic] {
            if mode == GridMode::Bicubic && shape.len() == 5 {
                continue;
            }
            for padding in [GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection] {
                for align_corners in [false, true] {
                    let op = GridSample { mode, padding, align_corners };
                    let inputs = [x.clone(), grid.clone()];
                    backward_is_decomposition(op, &inputs);
                    let g = seeded(3, run(&op.into(), &inputs)[0].shape(), -1.0, 1.0);
                    for grads in [[true, true], [true, false], [false, true]] {
                        let inputs = [g.clone(), x.clone(), grid.clone()];
                        backward_is_decomposition(GridSampleBackward { of: op, grads }, &inputs);
                    }
                }
            }
        }
    }
}

#[test]
fn samples_beside_infinities_and_at_nan_are_as_in_pytorch() {
    let inf = f64::INFINITY;
    let x = Tensor::new([[[[1.0, inf], [3.0, 4.0]]]]).unwrap();
    // The corner itself, a place outside, and one that is none.
    let grid = Tensor::new([[[[-1.0, -1.0], [-3.0, 0.0], [f64::NAN, 0.0]]]]).unwrap();
    let op = GridSample { mode: GridMode::Nearest, padding: GridPadding::Zeros, align_corners: true };
    assert_eq!(values(&run(&op.into(), &[x.clone(), grid.clone()])[0]), [1.0, 0.0, 0.0]);
    let op = GridSample { mode: GridMode::Bilinear, ..op };
    let made = values(&run(&op.into(), &[x, grid.clone()])[0]);
    assert!(made[0].is_nan() && made[1] == 0.0 && made[2].is_nan(), "{made:?}");
    let x = Tensor::new([[[[1.0, 2.0], [3.0, 4.0]]]]).unwrap();
    for (mode, right) in [(GridMode::Bilinear, [1.0, 2.0, 2.0]), (GridMode::Nearest, [1.0, 1.0, 1.0])] {
        let op: Op = GridSample { mode, padding: GridPadding::Border, align_corners: true }.into();
        assert_eq!(values(&run(&op, &[x.clone(), grid.clone()])[0]), right);
        assert_eq!(values(&op.decompose(&[&x, &grid]).unwrap().unwrap()[0]), right);
    }
}

#[test]
fn another_size_is_its_decomposition() {
    use InterpolateMode as Mode;
    // Fewer and more elements than a block, larger and smaller, one element, several bands of rows.
    let sizes: [(&[usize], &[usize]); 7] = [
        (&[2, 3, 7], &[11]),
        (&[2, 3, 9], &[1]),
        (&[2, 3, 5, 7], &[11, 13]),
        (&[1, 2, 90, 50], &[17, 70]),
        (&[1, 1, 1, 1], &[80, 3]),
        (&[1, 5, 40, 45], &[70, 44]),
        (&[2, 2, 3, 4, 5], &[5, 3, 11]),
    ];
    let modes = [Mode::Nearest, Mode::NearestExact, Mode::Linear, Mode::Bicubic, Mode::Lanczos];
    for (shape, size) in sizes {
        for (mode, align_corners, antialias, factor) in modes.into_iter().flat_map(|mode| {
            let all = [(false, false), (true, false), (false, true)];
            all.into_iter().flat_map(move |(align, wide)| [false, true].map(|factor| (mode, align, wide, factor)))
        }) {
            let quotients = size.iter().zip(&shape[2..]).map(|(to, from)| (*to as f64 + 0.3) / *from as f64);
            let factors = if factor { quotients.collect() } else { Default::default() };
            let op = Interpolate { mode, size: size.into(), factors, align_corners, antialias };
            let x = seeded(1, shape, -1.0, 1.0);
            if dispatch_all(op.clone().into(), &[&x]).is_err() {
                continue; // options that do not go together
            }
            kernel_is_decomposition(op.clone(), std::slice::from_ref(&x));
            let g = seeded(2, &[&shape[..2], size].concat(), -1.0, 1.0);
            let back = InterpolateBackward { of: op.clone(), size: shape[2..].into() };
            kernel_is_decomposition(back, &[g]);
            if shape.len() == 4 {
                let last = x.contiguous_in(MemoryFormat::ChannelsLast).unwrap();
                let (made, same) = (run(&op.clone().into(), &[last]), run(&op.into(), &[x]));
                assert!(made[0].is_contiguous_in(MemoryFormat::ChannelsLast));
                close("channels last", &values(&made[0]), &values(&same[0]), 1e-14);
            }
        }
    }
}

#[test]
fn gradients_of_another_size_are_those_of_pytorch() {
    use InterpolateMode as Mode;
    let g = Tensor::new([[[[1., 2., 3.], [4., 5., 6.]]]]).unwrap();
    let cases: [(_, _, [f64; 12]); 4] = [
        (Mode::Linear, false, [0.625, 0.875, 1.125, 1.875, 1.041667, 1.083333, 1.25, 1.875, 2.5, 2.375, 2.625, 3.75]),
        (
            Mode::Linear,
            true,
            [0.4375, 0.8125, 1.1875, 1.3125, 1.3125, 1.875, 2.325, 2.3625, 1.75, 2.3125, 2.6875, 2.625],
        ),
        (
            Mode::Bicubic,
            true,
            [
                0.329871, 0.639666, 1.080729, 1.248288, 1.372148, 1.854006, 2.418102, 2.546756, 1.815875, 2.259602,
                2.700665, 2.734293,
            ],
        ),
        (Mode::NearestExact, false, [1., 0., 2., 3., 0., 0., 0., 0., 4., 0., 5., 6.]),
    ];
    for (mode, antialias, want) in cases {
        let (size, factors) = ([2, 3].into_iter().collect(), Default::default());
        let of = Interpolate { mode, size, factors, align_corners: false, antialias };
        let back = InterpolateBackward { of, size: [3, 4].into_iter().collect() };
        close(&format!("{mode:?}"), &values(&run(&back.into(), std::slice::from_ref(&g))[0]), &want, 2e-6);
    }
}

/// A layer, and its inputs for a hidden size.
fn layer(mode: RnnMode, hidden: usize, out: Option<usize>, sizes: &[usize], reverse: bool) -> (RnnLayer, Vec<Tensor>) {
    let (rows, n, gates, width) = (sizes.iter().sum::<usize>(), sizes[0], mode.gates() * hidden, out.unwrap_or(hidden));
    let (bias, lstm) = (mode == RnnMode::Gru, mode == RnnMode::Lstm);
    let shapes = [
        (true, vec![rows, gates]),
        (true, vec![n, width]),
        (true, vec![gates, width]),
        (bias, vec![gates]),
        (lstm, vec![n, hidden]),
        (out.is_some(), vec![width, hidden]),
    ];
    let inputs = shapes.iter().enumerate().filter(|(_, (there, _))| *there);
    let inputs = inputs.map(|(i, (_, shape))| seeded(i as u64, shape, -0.5, 0.5)).collect();
    let batch_sizes = sizes.into();
    (RnnLayer { mode, batch_sizes, reverse, bias, projection: out.is_some(), saves: true }, inputs)
}

#[test]
fn recurrent_layers_are_their_decompositions() {
    let (tanh, relu, lstm, gru) = (RnnMode::RnnTanh, RnnMode::RnnRelu, RnnMode::Lstm, RnnMode::Gru);
    for (mode, out) in [(tanh, None), (relu, None), (lstm, None), (lstm, Some(3)), (gru, None)] {
        for (hidden, sizes) in [(5, &[1][..]), (5, &[4, 4, 2, 1, 1]), (40, &[13, 13, 9])] {
            for reverse in [false, true] {
                let (op, inputs) = layer(mode, hidden, out, sizes, reverse);
                kernel_is_decomposition(RnnLayer { saves: false, ..op.clone() }, &inputs);
                kernel_is_decomposition(op.clone(), &inputs);
                let made = run(&op.clone().into(), &inputs);
                for grads in [[true, true, mode == lstm], [true, false, false], [false, true, false]] {
                    let states = made.iter().take(op.states()).enumerate().filter(|(i, _)| grads[*i]);
                    let mut back: Vec<Tensor> =
                        states.map(|(i, t)| seeded(20 + i as u64, t.shape(), -1.0, 1.0)).collect();
                    back.push(made[0].clone());
                    back.extend(made[op.states()..].iter().cloned());
                    back.extend(
                        inputs[1..].iter().enumerate().filter(|(i, _)| !(op.bias && *i == 2)).map(|x| x.1.clone()),
                    );
                    backward_is_decomposition(RnnLayerBackward { of: op.clone(), grads }, &back);
                }
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let all = |op: &Op, inputs: &[Tensor], threads| -> Vec<Vec<f64>> {
        set_num_threads(threads);
        run(op, inputs).iter().map(values).collect()
    };
    let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
    let inputs: Vec<Tensor> = operands([4, 4, 600, 300, 32, 32]).iter().map(single).collect();
    let op: Op = ScaledDotProductAttention { scale: 0.2, causal: true, mask: false }.into();
    assert_eq!(all(&op, &inputs, 1), all(&op, &inputs, 3));
    let (op, inputs) = layer(RnnMode::Lstm, 200, None, &[40, 40, 30], false);
    let inputs: Vec<Tensor> = inputs.iter().map(single).collect();
    assert_eq!(all(&op.clone().into(), &inputs, 1), all(&op.into(), &inputs, 3));
    let of = GridSample { mode: GridMode::Bilinear, padding: GridPadding::Zeros, align_corners: false };
    let (x, grid) = (seeded(1, &[3, 20, 30, 40], -1.0, 1.0), seeded(2, &[3, 50, 60, 2], -1.2, 1.2));
    let inputs = [single(&seeded(3, &[3, 20, 50, 60], -1.0, 1.0)), single(&x), single(&grid)];
    assert_eq!(all(&of.into(), &inputs[1..], 1), all(&of.into(), &inputs[1..], 3));
    let op: Op = GridSampleBackward { of, grads: [true, true] }.into();
    assert_eq!(all(&op, &inputs, 1), all(&op, &inputs, 3));
}

#[test]
fn what_does_not_fit_is_an_error() {
    let (op, inputs) = layer(RnnMode::Gru, 4, None, &[2, 2], false);
    let call = |op: &RnnLayer, inputs: &[Tensor]| {
        dispatch_all(op.clone().into(), &inputs.iter().collect::<Vec<_>>()).unwrap_err().to_string()
    };
    let rising = RnnLayer { batch_sizes: [1, 3].into(), ..op.clone() };
    assert!(call(&rising, &inputs).contains("must not rise"));
    assert!(call(&RnnLayer { batch_sizes: [2, usize::MAX].into(), ..op.clone() }, &inputs).contains("must add up"));
    assert!(call(&op, &inputs[..3]).contains("inputs behind the first"));
    let mut other = inputs.clone();
    other[1] = seeded(1, &[2, 3], -1.0, 1.0);
    assert!(call(&op, &other).contains("the weight") || call(&op, &other).contains("h has shape"));
    let qkv = operands([3, 2, 4, 4, 2, 2]);
    let op = ScaledDotProductAttention { scale: 1.0, causal: false, mask: false };
    let e = dispatch_all(op.into(), &qkv.iter().collect::<Vec<_>>()).unwrap_err().to_string();
    assert!(e.contains("must be […, L, E]"), "{e}");
}
