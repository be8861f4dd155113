//! Random numbers in PyTorch's order, whatever the strides: which numbers are drawn, into which elements, and how many
//! words that takes from the generator.
//!
//! Each expected number is PyTorch's (2.15, CPU, seed 42): Σ i·yᵢ / n over the elements in logical order, counted from
//! 1 (of complex ones, over their parts), plus the `rand(())` that follows.

use flambeau_tensor::random::with_generator;
use flambeau_tensor::{DType, Generator, Result, Tensor};

type Draw = fn(&Tensor) -> Result<Tensor>;

/// What is drawn; the last five columns of a row lack where the tensor cannot be written to.
const DRAWS: &[(DType, Draw)] = &[
    (DType::F32, |x| x.rand_like()),
    (DType::F64, |x| x.rand_like()),
    (DType::F32, |x| x.randn_like()),
    (DType::F64, |x| x.randn_like()),
    (DType::F16, |x| x.randn_like()),
    (DType::BF16, |x| x.randn_like()),
    (DType::Complex64, |x| x.randn_like()),
    (DType::F32, |x| x.add(0.5)?.bernoulli()),
    (DType::F32, |x| x.normal_(1.0, 2.0).cloned()),
    (DType::F64, |x| x.normal_(1.0, 2.0).cloned()),
    (DType::BF16, |x| x.normal_(1.0, 2.0).cloned()),
    (DType::F16, |x| x.uniform_(-1.0, 3.0).cloned()),
    (DType::I64, |x| x.random_(-5, 100).cloned()),
    (DType::U8, |x| x.random_(0, 100).cloned()),
    (DType::F32, |x| x.bernoulli_(0.3).cloned()),
    (DType::F32, |x| x.exponential_(0.5).cloned()),
    (DType::I64, |x| x.geometric_(0.2).cloned()),
    (DType::F64, |x| x.cauchy_(0.5, 2.0).cloned()),
    (DType::F32, |x| x.log_normal_(0.1, 0.5).cloned()),
];

type Row = (&'static str, usize, &'static [f64]);

#[rustfmt::skip]
const PYTORCH: &[Row] = &[
    ("contiguous", 12, &[4.91967, 2.49561, 2.46072, 2.46072, 2.46100, 2.45671, -2.60768, 2.95274, 11.31613, 11.31613, 11.30844, 10.57017, 326.53607, 229.03607, 3.43865, 10.27775, 45.60531, -3.92269, 9.45804]),
    ("contiguous", 30, &[8.01696, 6.39988, -3.70185, 2.89224, 6.20996, 6.20880, 5.39485, 9.68489, 7.30766, 20.48644, 27.05775, 13.71278, 839.55155, 740.55155, 7.73148, 22.25810, 106.43148, -32.89773, 21.24234]),
    ("transposed", 12, &[5.11770, 2.27968, 1.54273, 1.54273, 1.54284, 1.53972, 3.53608, 2.95274, 9.48014, 9.48014, 9.47983, 11.36222, 315.20274, 268.95274, 3.43865, 8.27067, 47.43865, -10.39292, 8.61670]),
    ("transposed", 30, &[9.08574, 6.23958, 3.91617, 3.91617, 3.91723, 3.91698, 2.75036, 9.68489, 22.80086, 22.80086, 22.80564, 17.98748, 812.95155, 691.45155, 7.43148, 21.40500, 105.86482, -27.07350, 20.97405]),
    ("permuted", 12, &[5.05016, 2.39430, 1.69932, 1.69932, 1.69950, 1.69736, 2.81616, 2.95274, 9.79333, 9.79333, 9.79151, 11.09204, 314.36940, 210.61940, 3.43865, 9.57137, 48.35531, -10.15281, 8.74561]),
    ("permuted", 30, &[8.60039, 6.33481, 0.95998, 0.95998, 0.96105, 0.96101, 0.05897, 9.68489, 16.88847, 16.88847, 16.88968, 16.04726, 813.81822, 678.15155, 7.56482, 21.61157, 106.33148, -32.62596, 19.34174]),
    ("channels last", 12, &[5.11770, 2.27968, 1.54273, 1.54273, 1.54284, 1.53972, 3.53608, 2.95274, 9.48014, 9.48014, 9.47983, 11.36222, 315.20274, 268.95274, 3.43865, 8.27067, 47.43865, -10.39292, 8.61670]),
    ("channels last", 30, &[9.08574, 6.23958, 3.91617, 3.91617, 3.91723, 3.91698, 2.75036, 9.68489, 22.80086, 22.80086, 22.80564, 17.98748, 812.95155, 691.45155, 7.43148, 21.40500, 105.86482, -27.07350, 20.97405]),
    ("rows", 12, &[4.91967, 2.49561, 2.46072, 2.46072, 2.46100, 2.45671, -2.60768, 2.95274, 11.31613, 11.31613, 11.30844, 10.57017, 326.53607, 229.03607, 3.43865, 10.27775, 45.60531, -3.92269, 9.45804]),
    ("rows", 30, &[8.01696, 6.39988, -3.70185, 2.89224, 6.20996, 6.20880, 5.39485, 9.68489, 7.30766, 20.48644, 27.05775, 13.71278, 839.55155, 740.55155, 7.73148, 22.25810, 106.43148, -32.89773, 21.24234]),
    ("columns", 12, &[4.91967, 2.49561, 2.46072, 2.46072, 2.46100, 2.45671, -2.60768, 2.95274, 11.31613, 11.31613, 11.30844, 10.57017, 326.53607, 229.03607, 3.43865, 10.27775, 45.60531, -3.92269, 9.45804]),
    ("columns", 30, &[8.01696, 6.39988, -3.70185, 2.89224, 6.20996, 6.20880, 5.39485, 9.68489, 23.53020, 23.53020, 23.52888, 13.71278, 839.55155, 740.55155, 7.73148, 22.25810, 106.43148, -32.89773, 21.24234]),
    ("columns transposed", 12, &[5.11770, 2.27968, 1.54273, 1.54273, 1.54284, 1.53972, 3.53608, 2.95274, 9.48014, 9.48014, 9.47983, 11.36222, 315.20274, 268.95274, 3.43865, 8.27067, 47.43865, -10.39292, 8.61670]),
    ("columns transposed", 30, &[9.08574, 6.23958, 3.91617, 3.91617, 3.91723, 3.91698, 2.75036, 9.68489, 22.80086, 22.80086, 22.80564, 17.98748, 812.95155, 691.45155, 7.43148, 21.40500, 105.86482, -27.07350, 20.97405]),
    ("every other", 12, &[4.91967, 2.49561, 2.46072, 2.46072, 2.46100, 2.45671, -2.60768, 2.95274, 11.31613, 11.31613, 11.30844, 10.57017, 326.53607, 229.03607, 3.43865, 10.27775, 45.60531, -3.92269, 9.45804]),
    ("every other", 30, &[8.01696, 6.39988, -3.70185, 2.89224, 6.20996, 6.20880, 5.39485, 9.68489, 23.53020, 23.53020, 23.52888, 13.71278, 839.55155, 740.55155, 7.73148, 22.25810, 106.43148, -32.89773, 21.24234]),
    ("expanded", 12, &[4.91967, 2.49561, 2.46072, 2.46072, 2.46100, 2.45671, -2.60768, 2.95274]),
    ("expanded", 30, &[8.01696, 6.39988, -3.70185, 2.89224, 6.20996, 6.20880, 5.39485, 9.68489]),
    ("expanded transposed", 12, &[4.91967, 2.49561, 2.46072, 2.46072, 2.46100, 2.45671, -2.60768, 2.95274]),
    ("expanded transposed", 30, &[8.01696, 6.39988, -3.70185, 2.89224, 6.20996, 6.20880, 5.39485, 9.68489]),
];

fn laid_out(name: &str, n: usize, dtype: DType) -> Result<Tensor> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape).dtype(dtype).build();
    let m = n / 3;
    match name {
        "contiguous" => zeros(&[3, m]),
        "transposed" => zeros(&[m, 3])?.t(),
        "permuted" => zeros(&[3, 2, n / 6])?.permute([2, 0, 1]),
        "channels last" => zeros(&[1, m, 1, 3])?.permute([0, 3, 1, 2]),
        "rows" => zeros(&[m + 2, 3])?.narrow(0, 1, m),
        "columns" => zeros(&[3, m + 2])?.narrow(1, 1, m),
        "columns transposed" => zeros(&[m, 5])?.narrow(1, 1, 3)?.t(),
        "every other" => zeros(&[2 * n])?.slice(0, 0, 2 * n as isize, 2),
        "expanded" => zeros(&[m, 1])?.expand([m, 3]),
        "expanded transposed" => zeros(&[m, 1])?.expand([m, 3])?.t(),
        other => panic!("no layout {other}"),
    }
}

#[test]
fn strided_tensors_are_filled_in_pytorchs_order() {
    for (name, n, expected) in PYTORCH {
        for (i, ((dtype, draw), want)) in DRAWS.iter().zip(*expected).enumerate() {
            let x = laid_out(name, *n, *dtype).unwrap();
            let (y, after) = with_generator(&Generator::with_seed(42), || {
                (draw(&x).unwrap(), Tensor::rand(()).build().unwrap().item::<f64>().unwrap())
            });
            let y = if dtype.is_complex() { y.view_as_real().unwrap() } else { y };
            let y = y.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
            let mark = y.iter().zip(1..).map(|(y, i)| y * i as f64).sum::<f64>() / y.len() as f64 + after;
            assert!((mark - want).abs() < 1e-4, "draw {i} of {n} {dtype}, {name}: {mark} instead of {want}");
        }
    }
}

#[test]
fn what_is_made_alike_lies_alike() {
    let x = Tensor::zeros([4, 5]).build().unwrap();
    let t = x.t().unwrap();
    let gaps = Tensor::zeros([4, 7]).build().unwrap().narrow(1, 1, 5).unwrap().t().unwrap();
    for like in [t.zeros_like(), t.ones_like(), t.full_like(2), t.rand_like(), t.randint_like(0, 9), gaps.randn_like()]
    {
        let like = like.unwrap();
        assert_eq!((like.shape(), like.strides()), (&[5, 4][..], &[1, 5][..]));
        assert!(like.as_view().is_none());
    }
    assert!(x.narrow(1, 0, 3).unwrap().zeros_like().unwrap().is_contiguous());
    let expanded = Tensor::zeros([5, 1]).build().unwrap().expand([5, 4]).unwrap();
    assert_eq!(expanded.rand_like().unwrap().strides(), [4, 1]);
    assert!(expanded.normal_(0.0, 1.0).unwrap_err().to_string().contains("several indices"));
}

#[test]
fn only_the_view_is_written_and_wrong_parameters_write_nothing() {
    let x = Tensor::zeros([4, 6]).build().unwrap();
    x.narrow(1, 2, 2).unwrap().t().unwrap().uniform_(1.0, 2.0).unwrap();
    assert_eq!(x.gt(0.0).unwrap().sum(0).unwrap().to_vec::<i64>().unwrap(), [0, 0, 4, 4, 0, 0]);
    let whole = x.copy().unwrap();
    let v = x.t().unwrap();
    let errors = [v.geometric_(1.0), v.cauchy_(0.0, 0.0), v.log_normal_(0.0, -1.0), v.random_(3, 3), v.bernoulli_(2.0)];
    for (error, op) in errors.into_iter().zip(["geometric_", "cauchy_", "log_normal_", "random_", "bernoulli_"]) {
        assert_eq!(error.unwrap_err().place(), op);
    }
    assert!(x.equal(&whole).unwrap());
    assert!(x.add(0.5).unwrap().bernoulli().is_err());
}
