//! Every rule of the elementwise and view families against finite differences, first and second order.

use flambeau_autograd::{Autograd, BackwardOptions, gradcheck, gradgradcheck, recorded_ops};
use flambeau_tensor::{CloseOptions, Complex, DType, Generator, Result, Tensor, linalg, special, tensor};

/// Values in `low..high`, some distance from 0 so that kinks are not stepped over.
fn sample(shape: &[usize], low: f64, high: f64) -> Tensor {
    let generator = Generator::with_seed(7);
    let n: usize = shape.iter().product();
    let unit: Vec<f64> =
        Tensor::rand(n).dtype(flambeau_tensor::DType::F64).generator(&generator).build().unwrap().to_vec().unwrap();
    let values =
        unit.iter().map(|u| low + (high - low) * u).map(|v| if v.abs() < 0.05 { v + 0.1 } else { v }).collect();
    Tensor::from_vec(values, shape).unwrap()
}

fn complex(shape: &[usize]) -> Tensor {
    let (re, im) =
        (sample(shape, -1.0, 1.0).to_vec::<f64>().unwrap(), sample(shape, 0.2, 1.2).to_vec::<f64>().unwrap());
    Tensor::from_vec(re.into_iter().zip(im).map(|(re, im)| Complex::new(re, im)).collect(), shape).unwrap()
}

fn check(name: &str, f: impl Fn(&[Tensor]) -> Result<Tensor> + Copy, inputs: &[Tensor]) {
    let one = |x: &[Tensor]| Ok(vec![f(x)?]);
    gradcheck(one, inputs).unwrap_or_else(|e| panic!("{name}: {e}"));
    gradgradcheck(one, inputs).unwrap_or_else(|e| panic!("{name}, second order: {e}"));
}

#[test]
fn unary() {
    type F = fn(&Tensor) -> Result<Tensor>;
    let cases: &[(&str, F, f64, f64)] = &[
        ("neg", Tensor::neg, -2.0, 2.0),
        ("abs", Tensor::abs, -2.0, 2.0),
        ("sign", Tensor::sign, -2.0, 2.0),
        ("exp", Tensor::exp, -2.0, 2.0),
        ("exp2", Tensor::exp2, -2.0, 2.0),
        ("expm1", Tensor::expm1, -2.0, 2.0),
        ("log", Tensor::log, 0.2, 3.0),
        ("log2", Tensor::log2, 0.2, 3.0),
        ("log10", Tensor::log10, 0.2, 3.0),
        ("log1p", Tensor::log1p, -0.5, 3.0),
        ("sqrt", Tensor::sqrt, 0.2, 3.0),
        ("rsqrt", Tensor::rsqrt, 0.2, 3.0),
        ("square", Tensor::square, -2.0, 2.0),
        ("reciprocal", Tensor::reciprocal, 0.3, 2.0),
        ("sin", Tensor::sin, -3.0, 3.0),
        ("cos", Tensor::cos, -3.0, 3.0),
        ("tan", Tensor::tan, -1.0, 1.0),
        ("asin", Tensor::asin, -0.9, 0.9),
        ("acos", Tensor::acos, -0.9, 0.9),
        ("atan", Tensor::atan, -2.0, 2.0),
        ("sinh", Tensor::sinh, -2.0, 2.0),
        ("cosh", Tensor::cosh, -2.0, 2.0),
        ("tanh", Tensor::tanh, -2.0, 2.0),
        ("asinh", Tensor::asinh, -2.0, 2.0),
        ("acosh", Tensor::acosh, 1.3, 3.0),
        ("atanh", Tensor::atanh, -0.8, 0.8),
        ("sigmoid", Tensor::sigmoid, -2.0, 2.0),
        ("relu", Tensor::relu, -2.0, 2.0),
        ("erf", Tensor::erf, -1.5, 1.5),
        ("erfc", Tensor::erfc, -1.5, 1.5),
        ("erfinv", Tensor::erfinv, -0.8, 0.8),
        ("floor", Tensor::floor, 0.1, 0.9),
        ("ceil", Tensor::ceil, 0.1, 0.9),
        ("round", Tensor::round, 0.1, 0.4),
        ("trunc", Tensor::trunc, 0.1, 0.9),
    ];
    for (name, f, low, high) in cases {
        check(name, |x| f(&x[0]), &[sample(&[2, 3], *low, *high)]);
        check(name, |x| f(&x[0]), &[sample(&[2, 3], *low, *high).t().unwrap()]);
    }
}

#[test]
fn unary_complex() {
    type F = fn(&Tensor) -> Result<Tensor>;
    let cases: &[(&str, F)] = &[
        ("neg", Tensor::neg),
        ("abs", Tensor::abs),
        ("exp", Tensor::exp),
        ("log", Tensor::log),
        ("sqrt", Tensor::sqrt),
        ("rsqrt", Tensor::rsqrt),
        ("square", Tensor::square),
        ("reciprocal", Tensor::reciprocal),
        ("sin", Tensor::sin),
        ("cos", Tensor::cos),
        ("tan", Tensor::tan),
        ("sinh", Tensor::sinh),
        ("cosh", Tensor::cosh),
        ("tanh", Tensor::tanh),
        ("sigmoid", Tensor::sigmoid),
        ("conj", Tensor::conj),
        ("log1p", Tensor::log1p),
        ("expm1", Tensor::expm1),
        ("atan", Tensor::atan),
        ("asinh", Tensor::asinh),
        ("asin", Tensor::asin),
    ];
    for (name, f) in cases {
        check(name, |x| f(&x[0]), &[complex(&[3])]);
    }
    check("mul", |x| x[0].mul(&x[1]), &[complex(&[3]), complex(&[1])]);
    check("div", |x| x[0].div(&x[1]), &[complex(&[3]), complex(&[3])]);
    check("pow", |x| x[0].pow(&x[1]), &[complex(&[2]), complex(&[2])]);
    check("view_as_real", |x| x[0].view_as_real(), &[complex(&[3])]);
    check("view_as_complex", |x| x[0].view_as_complex(), &[sample(&[3, 2], -1.0, 1.0)]);
    check("mixed", |x| x[0].mul(&x[1]), &[complex(&[3]), sample(&[3], -1.0, 1.0)]);
}

#[test]
fn binary() {
    type F = fn(&Tensor, &Tensor) -> Result<Tensor>;
    let cases: &[(&str, F)] = &[
        ("add", |a, b| a.add(b)),
        ("sub", |a, b| a.sub(b)),
        ("mul", |a, b| a.mul(b)),
        ("div", |a, b| a.div(b)),
        ("pow", |a, b| a.abs()?.pow(b)),
        ("atan2", |a, b| a.atan2(b)),
        ("maximum", |a, b| a.maximum(b)),
        ("minimum", |a, b| a.minimum(b)),
        ("remainder", |a, b| a.remainder(b)),
        ("fmod", |a, b| a.fmod(b)),
        ("floor_divide", |a, b| a.floor_divide(b)),
        ("div_trunc", |a, b| a.div_trunc(b)),
        ("rsub", |a, b| a.rsub(b)),
    ];
    for (name, f) in cases {
        check(name, |x| f(&x[0], &x[1]), &[sample(&[2, 3], -2.0, 2.0), sample(&[2, 3], 0.4, 1.9)]);
        check(name, |x| f(&x[0], &x[1]), &[sample(&[2, 1], -2.0, 2.0), sample(&[3], 0.4, 1.9)]);
    }
    let mask = Tensor::from_vec(vec![true, false, true], 3).unwrap();
    check("where", |x| x[0].where_cond(&mask, &x[1]), &[sample(&[2, 3], -2.0, 2.0), sample(&[3], 0.4, 1.9)]);
    check("masked_fill", |x| x[0].masked_fill(&mask, 3.0), &[sample(&[2, 3], -2.0, 2.0)]);
}

#[test]
fn views() {
    let x = || sample(&[2, 3, 4], -1.0, 1.0);
    // Squared afterwards, so that the second order is not all zeros.
    let cases: &[(&str, fn(&Tensor) -> Result<Tensor>)] = &[
        ("permute", |x| x.permute([2, 0, 1])),
        ("expand", |x| x.unsqueeze(0)?.expand([2, 2, 3, 4])),
        ("reshape", |x| x.reshape([4, -1])),
        ("reshape of a transpose", |x| x.transpose(0, 2)?.reshape([6, 4])),
        ("slice", |x| x.slice(2, 1, 4, 2)),
        ("select", |x| x.select(1, -1)),
        ("diagonal", |x| x.diagonal(1, 1, 2)),
        ("unfold", |x| x.unfold(2, 3, 1)),
        ("as_strided", |x| x.as_strided([3, 3], [2, 3], 1)),
        ("squeeze", |x| x.narrow(0, 0, 1)?.squeeze(0)),
        ("chunk", |x| x.chunk(3, 2)?[1].mul(&x.chunk(3, 2)?[0])),
        ("sum", |x| x.sum([0, 2])),
        ("sum_to_size", |x| x.sum_to_size(&[3, 1])),
    ];
    for (name, f) in cases {
        check(name, |x| f(&x[0])?.square(), &[x()]);
    }
    check(
        "as_strided_scatter",
        |x| x[0].square()?.as_strided_scatter(&x[1].square()?, x[0].select(1, 1)?.layout()),
        &[x(), sample(&[2, 4], 0.1, 1.0)],
    );
}

#[test]
fn in_place() {
    check(
        "mul_",
        |x| {
            let y = x[0].mul(1.0)?;
            y.mul_(&x[1])?;
            y.square()
        },
        &[sample(&[2, 3], -1.0, 1.0), sample(&[3], 0.2, 1.0)],
    );
    check(
        "copy_ to a view",
        |x| {
            let y = x[0].mul(1.0)?;
            y.select(0, 1)?.copy_(&x[1].square()?)?;
            y.select(1, 0)?.mul_(3.0)?;
            y.square()
        },
        &[sample(&[2, 3], -1.0, 1.0), sample(&[3], 0.2, 1.0)],
    );
}

#[test]
fn a_number_or_a_broadcast_operand_is_part_of_the_op() {
    let (x, row) =
        (sample(&[2, 3], 0.1, 2.0).requires_grad_().unwrap(), sample(&[3], 0.1, 2.0).requires_grad_().unwrap());
    let mask = Tensor::from_vec(vec![true, false, true], 3).unwrap();
    type F<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;
    let cases: &[(&str, F<'_>)] = &[
        ("Sub", &|x| x.sub(1.0)),
        ("Sub", &|x| x.rsub(1.0)),
        ("Sub", &|x| x.sub(&row)),
        ("Div", &|x| x.rdiv(2.0)),
        ("Div", &|x| row.div(x)),
        ("Pow", &|x| x.pow(2.0)),
        ("Atan2", &|x| x.atan2(&row)),
        ("Maximum", &|x| x.maximum(0.5)),
        ("Where", &|x| x.masked_fill(&mask, 0.5)),
        ("Where", &|x| x.where_cond(&mask, &row)),
        ("Clamp", &|x| x.clamp(0.5, 1.0)),
    ];
    for (op, f) in cases {
        assert_eq!(recorded_ops(&f(&x).unwrap()).into_iter().collect::<Vec<_>>(), [*op]);
    }
    // The gradient of what was broadcast is summed: here over the rows.
    x.mul(&row).unwrap().sum(..).unwrap().backward().unwrap();
    let sums = x.detach().sum(0).unwrap();
    let grad = row.grad().unwrap();
    assert_eq!(grad.shape(), [3]);
    assert!(grad.allclose_with(&sums, CloseOptions::new().rtol(1e-12).atol(0.0)).unwrap());
}

/// Right values are PyTorch's, to the last bit: the gradients' products are rounded in its order.
#[test]
fn gradients_in_bfloat16_are_pytorchs() -> Result<()> {
    let half = |x: [f64; 3]| Tensor::from_slice(&x, 3)?.to_dtype(DType::BF16)?.requires_grad_();
    type Pair = fn(&Tensor, &Tensor) -> Result<Tensor>;
    let cases: [(&str, Pair, [f64; 3], [f64; 3]); 5] = [
        (
            "atan2",
            |x, y| x.atan2(y),
            [-0.699_218_75, 0.169_921_875, -0.304_687_5],
            [-0.233_398_437_5, 0.718_75, 0.718_75],
        ),
        ("hypot", |x, y| x.hypot(y), [0.221_679_687_5, -1.257_812_5, -2.031_25], [-0.664_062_5, 0.296_875, -0.859_375]),
        (
            "logaddexp",
            |x, y| x.logaddexp(y),
            [0.539_062_5, 0.140_625, -1.796_875],
            [0.162_109_375, 1.156_25, -0.404_296_875],
        ),
        (
            "logaddexp2",
            |x, y| x.logaddexp2(y),
            [0.486_328_125, 0.244_140_625, -1.617_187_5],
            [0.211_914_062_5, 1.046_875, -0.578_125],
        ),
        ("copysign", |x, y| x.copysign(y), [-0.699_218_75, -1.296_875, -2.203_125], [0.0; 3]),
    ];
    for (name, f, by_x, by_y) in cases {
        let (x, y) = (half([0.3, -1.7, 2.6])?, half([-0.9, 0.4, 1.1])?);
        let g = half([0.7, 1.3, -2.2])?.detach();
        f(&x, &y)?.backward_with(BackwardOptions::new().gradient(g))?;
        for (leaf, right) in [(x, by_x), (y, by_y)] {
            let found = leaf.grad().unwrap().to_dtype(DType::F64)?.to_vec::<f64>()?;
            assert_eq!(found, right, "{name}");
        }
    }
    Ok(())
}

#[test]
fn a_number_that_stays_where_it_is_has_no_slope() -> Result<()> {
    let (x, y) = (Tensor::from_slice(&[1.0, 2.0, 3.0], 3)?.requires_grad_()?, Tensor::from_slice(&[1.0, 3.0, 2.0], 3)?);
    x.nextafter(&y)?.sum(..)?.backward()?;
    assert_eq!(x.grad().unwrap().to_vec::<f64>()?, [0.0, 1.0, 1.0]);
    Ok(())
}

/// Right values are PyTorch's: zeros to the power of zeros have no value, and a gradient of 0.
#[test]
fn slopes_of_complex_powers_of_zero() -> Result<()> {
    let number = |x: [f64; 3]| Tensor::from_slice(&x, 3)?.to_dtype(DType::Complex128)?.requires_grad_();
    let (z, e) = (number([0.0, 1.0, 0.0])?, number([0.0, 0.0, 2.0])?);
    z.pow(&e)?.real()?.sum(..)?.backward()?;
    for leaf in [z, e] {
        assert_eq!(leaf.grad().unwrap().to_vec::<Complex<f64>>()?, [Complex::new(0.0, 0.0); 3]);
    }
    Ok(())
}

/// Right values are PyTorch's. Its gradients have values where nothing is read: imaginary parts of a diagonal, the other
/// triangle of a factor.
#[test]
fn gradients_of_cholesky_are_pytorchs() -> Result<()> {
    let c = Complex::new;
    let a = [c(4.0, 0.0), c(1.0, -2.0), c(1.0, 2.0), c(5.0, 0.0)];
    let a = Tensor::from_slice(&a, [2, 2])?.requires_grad_()?;
    let g = Tensor::from_slice(&[c(1.0, 2.0), c(7.0, 0.0), c(0.5, -1.0), c(-1.0, 1.0)], [2, 2])?;
    let with = |g: Tensor| BackwardOptions::new().gradient(g);
    linalg::cholesky(&a, false)?.backward_with(with(g))?;
    let right = [
        c(0.263_062_846_954_012_16, 0.455_687_153_045_987_84),
        c(0.060_450_277_563_209_726, 0.056_350_832_689_629_1),
        c(0.318_649_167_310_370_8, -0.185_450_277_563_209_7),
        c(-0.258_198_889_747_161, 0.258_198_889_747_161),
    ];
    let found = a.grad().unwrap().to_vec::<Complex<f64>>()?;
    assert!(found.iter().zip(&right).all(|(x, y)| (x - y).norm() < 1e-14), "{found:?}");

    let factor = || Tensor::from_slice(&[2.0, 0.0, 1.0, 3.0], [2, 2])?.requires_grad_();
    let near = |x: &Tensor, right: [f64; 4]| {
        let found = x.grad().unwrap().to_vec::<f64>().unwrap();
        assert!(found.iter().zip(&right).all(|(x, y)| (x - y).abs() < 1e-14), "{found:?}");
    };
    let (solved, inverse) = (factor()?, factor()?);
    let column = |x: [f64; 2]| Tensor::from_slice(&x, [2, 1]);
    linalg::cholesky_solve(&column([1.0, 2.0])?, &solved, false)?.backward_with(with(column([1.0, -1.0])?))?;
    near(&solved, [-0.25, -1.0 / 12.0, 0.0, 1.0 / 6.0]);
    let g = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0], [2, 2])?;
    linalg::cholesky_inverse(&inverse, false)?.backward_with(with(g))?;
    near(&inverse, [-5.0 / 36.0, -29.0 / 108.0, -2.0 / 9.0, -7.0 / 54.0]);
    Ok(())
}

/// Where the two summands of the quotient's derivative cancel, and at both zeros. Right values by the series, in more digits.
#[test]
fn slopes_at_and_near_zero() -> Result<()> {
    let slope = |f: fn(&Tensor) -> Result<Tensor>, x: f64, dtype: DType| -> Result<f64> {
        let x = tensor!([x]).to_dtype(dtype)?.requires_grad_()?;
        f(&x)?.sum(..)?.backward()?;
        x.grad().expect("a gradient").to_dtype(DType::F64)?.to_vec::<f64>().map(|g| g[0])
    };
    // d sinc(x) / dx = −π² x / 3 · (1 − (πx)² / 10 + …)
    let right = |x: f64| {
        let (t, pi) = (std::f64::consts::PI * x, std::f64::consts::PI);
        -pi * t / 3.0 * (1.0 - t * t / 10.0 * (1.0 - t * t / 28.0 * (1.0 - t * t / 54.0)))
    };
    for x in [0.0, -0.0, 1e-30, -1e-30, 1e-8, 1e-4, -1e-2, 0.1] {
        for (dtype, bound) in [(DType::F32, 1e-5), (DType::F64, 1e-7)] {
            let (found, right) = (slope(|x| x.sinc(), x, dtype)?, right(x));
            assert!((found - right).abs() <= bound * right.abs(), "sinc at {x} in {dtype}: {found}, {right} is right");
        }
    }
    for x in [0.0, -0.0] {
        assert_eq!(slope(|x| special::entr(x), x, DType::F32)?, f64::INFINITY, "entr at {x}");
    }
    Ok(())
}
