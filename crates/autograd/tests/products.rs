//! Rules of matrix products, convolution and pooling against finite differences, first and second order.

use flambeau_autograd::{gradcheck, gradgradcheck};
use flambeau_tensor::{
    AvgPoolOptions, ColumnOptions, Complex, ConvOptions, ConvTransposeOptions, DType, Generator, GridMode, GridPadding,
    InterpolateMode, InterpolateOptions, Interpolation, MaxPoolOptions, Padding, Result, Spacing, Tensor, cat, einsum,
};

fn normal(shape: &[usize], seed: u64) -> Tensor {
    Tensor::randn(shape).dtype(DType::F64).generator(&Generator::with_seed(seed)).build().unwrap()
}

fn complex(shape: &[usize], seed: u64) -> Tensor {
    let parts = |seed| normal(shape, seed).to_vec::<f64>().unwrap();
    let values = parts(seed).into_iter().zip(parts(seed + 100)).map(|(re, im)| Complex::new(re, im)).collect();
    Tensor::from_vec(values, shape).unwrap()
}

/// All elements different, far enough apart that no difference quotient changes which is larger.
fn distinct(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::from_vec((0..n).map(|i| (i * 7919 % n) as f64 * 0.1).collect(), shape).unwrap()
}

fn check(name: &str, f: impl Fn(&[Tensor]) -> Result<Tensor> + Copy, inputs: &[Tensor]) {
    let one = |x: &[Tensor]| Ok(vec![f(x)?]);
    gradcheck(one, inputs).unwrap_or_else(|e| panic!("{name}: {e}"));
    gradgradcheck(one, inputs).unwrap_or_else(|e| panic!("{name}, second order: {e}"));
}

#[test]
fn matrix_products() {
    let shapes: &[(&[usize], &[usize])] = &[
        (&[3], &[3]),
        (&[2, 3], &[3]),
        (&[3], &[3, 2]),
        (&[2, 3], &[3, 4]),
        (&[2, 2, 3], &[3, 2]),
        (&[2, 1, 2, 3], &[3, 3, 2]),
        (&[3], &[2, 3, 2]),
        (&[2, 2, 3], &[3]),
    ];
    for (a, b) in shapes {
        check(&format!("matmul {a:?} {b:?}"), |x| x[0].matmul(&x[1]), &[normal(a, 1), normal(b, 2)]);
        check(&format!("matmul {a:?} {b:?}, complex"), |x| x[0].matmul(&x[1]), &[complex(a, 1), complex(b, 2)]);
    }
    check("turned", |x| x[0].t()?.matmul(&x[1].t()?), &[normal(&[3, 2], 1), normal(&[4, 3], 2)]);
    check("addmm", |x| x[0].addmm(&x[1], &x[2], 0.5, 2.0), &[normal(&[2], 1), normal(&[3, 4], 2), normal(&[4, 2], 3)]);
    check("inner", |x| x[0].inner(&x[1]), &[normal(&[2, 3], 1), normal(&[2, 2, 3], 2)]);
    check("outer", |x| x[0].outer(&x[1]), &[complex(&[2], 1), complex(&[3], 2)]);
    check("vdot", |x| x[0].vdot(&x[1]), &[complex(&[3], 1), complex(&[3], 2)]);
}

#[test]
fn linear() {
    for x in [&[3][..], &[2, 3], &[2, 2, 3]] {
        check("linear", |x| x[0].linear(&x[1], Some(&x[2])), &[normal(x, 1), normal(&[4, 3], 2), normal(&[4], 3)]);
        check("linear, no bias", |x| x[0].linear(&x[1], None), &[complex(x, 1), complex(&[2, 3], 2)]);
    }
}

#[test]
fn convolutions() {
    let o = ConvOptions::new;
    let cases: &[(&[usize], &[usize], ConvOptions)] = &[
        (&[2, 2, 6], &[3, 2, 3], o().padding(1)),
        (&[2, 7], &[4, 1, 2], o().stride(2).groups(2_usize)),
        (&[1, 2, 5, 4], &[2, 2, 3, 2], o().stride((2, 1)).padding((1, 0)).dilation((1, 2))),
        (&[1, 2, 4, 5], &[2, 2, 2, 3], o().padding(Padding::Same)),
        (&[1, 2, 3, 3], &[3, 2, 1, 1], o()),
        (&[1, 1, 3, 3, 4], &[2, 1, 2, 2, 2], o().padding(1).stride(2)),
    ];
    for (x, w, options) in cases {
        let conv = |t: &[Tensor]| match w.len() {
            3 => t[0].conv1d(&t[1], Some(&t[2]), *options),
            4 => t[0].conv2d(&t[1], Some(&t[2]), *options),
            _ => t[0].conv3d(&t[1], Some(&t[2]), *options),
        };
        check(&format!("conv {x:?} {w:?}"), conv, &[normal(x, 1), normal(w, 2), normal(&w[..1], 3)]);
    }
    check(
        "complex",
        |t| t[0].conv1d(&t[1], Some(&t[2]), o().stride(2)),
        &[complex(&[1, 2, 4], 1), complex(&[2, 2, 2], 2), complex(&[2], 3)],
    );
}

#[test]
fn transposed_convolutions() {
    let o = ConvTransposeOptions::new;
    let one = |options| move |t: &[Tensor]| t[0].conv_transpose1d(&t[1], Some(&t[2]), options);
    check("plain", one(o()), &[normal(&[2, 2, 3], 1), normal(&[2, 3, 2], 2), normal(&[3], 3)]);
    check(
        "output padding",
        one(o().stride(3).padding(1).output_padding(2)),
        &[normal(&[1, 2, 3], 1), normal(&[2, 2, 3], 2), normal(&[2], 3)],
    );
    check(
        "dilation above stride",
        one(o().stride(1).dilation(3).output_padding(2)),
        &[normal(&[2, 3], 1), normal(&[2, 1, 2], 2), normal(&[1], 3)],
    );
    let two = |t: &[Tensor]| t[0].conv_transpose2d(&t[1], None, o().stride(2).groups(2_usize));
    check("groups", two, &[normal(&[1, 2, 2, 3], 1), normal(&[2, 2, 2, 2], 2)]);
}

#[test]
fn pooling() {
    let x = distinct(&[1, 2, 5, 6]);
    check("max", |t| t[0].max_pool2d(2), &[x.clone()]);
    check("max, overlapping", |t| t[0].max_pool2d(MaxPoolOptions::new(3).stride(1).padding(1)), &[x.clone()]);
    check(
        "max, dilated",
        |t| t[0].max_pool1d(MaxPoolOptions::new(2).dilation(2).ceil_mode(true)),
        &[distinct(&[2, 7])],
    );
    check("max of volumes", |t| t[0].max_pool3d((1, 2, 2)), &[distinct(&[1, 2, 4, 3])]);
    check("mean", |t| t[0].avg_pool2d(AvgPoolOptions::new(3).stride(2).padding(1)), &[x.clone()]);
    check(
        "mean, last window",
        |t| t[0].avg_pool2d(AvgPoolOptions::new(2).ceil_mode(true).count_include_pad(false)),
        &[x.clone()],
    );
    check("adaptive mean", |t| t[0].adaptive_avg_pool2d((3, 4)), &[x.clone()]);
    check("adaptive max", |t| t[0].adaptive_max_pool2d((2, 4)), &[x]);
}

#[test]
fn sums_of_products_by_an_equation() {
    let (a, b, c) = (normal(&[2, 3], 1), normal(&[3, 4], 2), normal(&[2, 4, 2], 3));
    check(
        "einsum of a chain",
        |x| einsum("ij,jk,ikl->l", x),
        &[a.clone(), b.t().unwrap().contiguous().unwrap().t().unwrap(), c],
    );
    check("einsum of a diagonal", |x| einsum("ii,i->i", x), &[normal(&[3, 3], 4), normal(&[3], 5)]);
    check("einsum broadcast", |x| einsum("...i,...i->...", x), &[normal(&[2, 1, 3], 6), normal(&[4, 3], 7)]);
    check("bilinear", |x| x[0].bilinear(&x[1], &x[2], None), &[a, normal(&[2, 4], 8), normal(&[2, 3, 4], 9)]);
}

#[test]
fn images_resampled() {
    let x = normal(&[1, 2, 4, 5], 1);
    for mode in [InterpolateMode::Nearest, InterpolateMode::Linear, InterpolateMode::Bicubic, InterpolateMode::Area] {
        let options = InterpolateOptions::size((3, 7)).mode(mode);
        check(&format!("{mode:?}"), |x| x[0].transpose(2, 3)?.interpolate(options.clone()), &[x.clone()]);
    }
    let smaller = InterpolateOptions::scale(0.5).mode(InterpolateMode::Linear).antialias(true);
    check("antialias", |x| x[0].interpolate(smaller.clone()), &[x.clone()]);
    // Between elements, where the derivative by the place exists.
    let grid = Tensor::new([[[[-0.93, -0.31], [0.13, 0.57], [0.71, 1.37]]]]).unwrap().to_dtype(DType::F64).unwrap();
    for mode in [GridMode::Bilinear, GridMode::Bicubic] {
        for padding in [GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection] {
            let name = format!("{mode:?}, {padding:?}");
            check(&name, |x| x[0].grid_sample(&x[1], mode, padding, false), &[x.clone(), grid.clone()]);
        }
    }
    check("affine_grid", |x| x[0].affine_grid([1, 1, 2, 3], false), &[normal(&[1, 2, 3], 2)]);
    let windows = ColumnOptions::new((2, 3)).dilation((2, 1)).padding(1).stride((1, 2));
    check("im2col", |x| x[0].im2col(windows), &[x.clone()]);
    let columns = x.im2col(windows).unwrap();
    check("col2im", |x| x[0].col2im((4, 5), windows), &[columns]);
}

#[test]
fn distances_and_differences() {
    let (x, y) = (normal(&[3, 4], 1), normal(&[2, 4], 2));
    for p in [1.0, 2.0, 3.0] {
        check("cdist", |x| x[0].cdist(&x[1], p), &[x.clone(), y.clone()]);
    }
    check("cdist by a product", |x| x[0].cdist(&x[1], 2.0), &[normal(&[26, 2], 3), normal(&[1, 2], 4)]);
    check("pdist", |x| x[0].pdist(2.0), &[x.clone()]);
    check("cosine_similarity", |x| x[0].cosine_similarity(&x[1], 1, 1e-8), &[normal(&[2, 4], 5), y]);
    check("renorm", |x| x[0].renorm(2.0, 0, 0.5), &[x.clone()]);
    check("cov", |x| x[0].cov(1, None, None), &[x.clone()]);
    check("gradient", |x| cat(&x[0].gradient(&[Spacing::Even(0.5)], .., 2)?, 0), &[x.clone()]);
    check("cross", |x| x[0].cross(&x[1], None), &[normal(&[2, 3], 6), normal(&[2, 3], 7)]);
    let q = Tensor::new([0.3, 0.8]).unwrap().to_dtype(DType::F64).unwrap();
    check("quantile", |x| x[0].quantile(&q, Some(1), false, Interpolation::Linear), &[distinct(&[2, 5])]);
}
