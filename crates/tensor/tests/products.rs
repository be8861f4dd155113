//! Sums of products: factors of integers, factors of zero, and half precision rounded once. Right values are
//! PyTorch's (2.15).

use flambeau_tensor::{DType, Result, Scalar, Tensor};

#[path = "products/linalg.rs"]
mod linalg;

fn filled(shape: &[usize], value: f64, dtype: DType) -> Tensor {
    Tensor::full(shape, value).dtype(dtype).build().unwrap()
}

fn reals(x: Result<Tensor>) -> Vec<f64> {
    x.unwrap().to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

type Added = fn(&Tensor, &Tensor, Scalar, Scalar) -> Result<Tensor>;

/// β·x + α·(a·b) of square matrices, as each op of the family has it.
const FAMILY: [(&str, Added); 4] = [
    ("addmm", |x, a, beta, alpha| x.addmm(a, a, beta, alpha)),
    ("addmv", |x, a, beta, alpha| x.select(0, 0)?.addmv(a, &a.select(0, 0)?, beta, alpha)),
    ("baddbmm", |x, a, beta, alpha| x.unsqueeze(0)?.baddbmm(&a.unsqueeze(0)?, &a.unsqueeze(0)?, beta, alpha)),
    ("addbmm", |x, a, beta, alpha| x.addbmm(&a.unsqueeze(0)?, &a.unsqueeze(0)?, beta, alpha)),
];

#[test]
fn factors_of_integers_are_cut() {
    let ones = filled(&[2, 2], 1.0, DType::I64);
    for (name, op) in FAMILY {
        let run = |beta: f64, alpha: f64| op(&ones, &ones, beta.into(), alpha.into());
        assert_eq!(run(1.0, 2.6).unwrap().dtype(), DType::I64, "{name}");
        for (beta, alpha, right) in [(1.0, 0.6, 1.0), (1.0, 2.6, 5.0), (0.6, 1.0, 2.0), (2.6, 1.5, 4.0)] {
            assert!(reals(run(beta, alpha)).iter().all(|x| *x == right), "{name} {beta} {alpha}");
        }
        assert!(run(1.0, f64::NAN).is_err(), "{name}");
        let bytes = ones.to_dtype(DType::U8).unwrap();
        assert!(reals(op(&bytes, &bytes, 1.into(), (-1).into())).iter().all(|x| *x == 255.0), "{name}");
        assert!(op(&bytes, &bytes, 1.into(), 300.into()).is_err(), "{name}");
    }
    let row = ones.select(0, 0).unwrap();
    assert!(ones.addr(&row, &row, 1, 2.6).is_err() && ones.addr(&row, &row, 1.5, 1).is_err());
    assert_eq!(reals(ones.addr(&row, &row, 3, 2)), [5.0; 4]);
    let truth = ones.to_dtype(DType::Bool).unwrap();
    let row = truth.select(0, 0).unwrap();
    assert_eq!(truth.addr(&row, &row, 1, 1).unwrap().to_vec::<bool>().unwrap(), [true; 4]);
}

#[test]
fn a_factor_of_zero_keeps_out_what_is_not_finite() {
    for dtype in [DType::F32, DType::F64, DType::Complex64] {
        let (ones, zero) = (filled(&[2, 2], 1.0, dtype), Scalar::Float(0.0));
        for bad in [f64::NAN, f64::INFINITY] {
            let bad = filled(&[2, 2], bad, dtype);
            for (name, op) in FAMILY {
                assert!(reals(op(&ones, &bad, 1.into(), zero)).iter().all(|x| *x == 1.0), "{name} of {dtype}");
                assert!(reals(op(&bad, &ones, zero, 1.into())).iter().all(|x| *x == 2.0), "{name} of {dtype}");
                assert!(reals(op(&bad, &bad, zero, zero)).iter().all(|x| *x == 0.0), "{name} of {dtype}");
            }
        }
    }
    // The outer product is no matrix product: there NaN stays.
    let row = Tensor::from_slice(&[f32::NAN, 1.0], 2).unwrap();
    let sums = reals(filled(&[2, 2], 1.0, DType::F32).addr(&row, &row, 1, 0));
    assert!(sums[..3].iter().all(|x| x.is_nan()) && sums[3] == 1.0, "{sums:?}");
}

/// β·x and the product are added as PyTorch does it, without a rounding between; its own results, where that decides.
#[test]
fn half_precision_is_multiplied_and_added_at_once() {
    let cases = [
        (DType::BF16, [-0.96875, -0.1318359375, -1.6953125], -2.890625),
        (DType::BF16, [0.515625, 1.171875, -0.74609375], -0.00012874603271484375),
        (DType::BF16, [-0.416015625, -0.734375, -0.859375], -0.1513671875),
        (DType::F16, [-1.48046875, -1.6337890625, -1.5390625], 0.00873565673828125),
        (DType::F16, [-1.00390625, -0.873046875, -0.27197265625], -2.974609375),
        (DType::F16, [-0.35009765625, -0.89013671875, -0.6865234375], 0.035552978515625),
    ];
    for (dtype, numbers, right) in cases {
        let [x, a, b] = numbers.map(|value| filled(&[1, 1], value, dtype));
        assert_eq!(reals(x.addmm(&a, &b, 3.4445, 2.0315)), [right], "{dtype} {numbers:?}");
    }
}

#[test]
fn half_precision_is_rounded_once() {
    let (x, a, b) =
        (filled(&[1, 1], 1000.0, DType::F16), filled(&[1, 64], 0.3, DType::F16), filled(&[64, 1], 100.3, DType::F16));
    assert_eq!(reals(x.addmm(&a, &b, 0.7, 0.1)), [892.5]);
    assert_eq!(reals(x.select(0, 0).unwrap().addmv(&a, &b.select(1, 0).unwrap(), 0.7, 0.1)), [892.5]);
    let (third, seventh) = (filled(&[3, 1, 4], 0.3, DType::F16), filled(&[3, 4, 1], 0.7, DType::F16));
    assert_eq!(reals(filled(&[1, 1], 1.0, DType::F16).addbmm(&third, &seventh, 0.7, 0.1)), [0.9521484375]);
    let batch = |x: &Tensor| x.to_dtype(DType::BF16).unwrap().unsqueeze(0).unwrap();
    assert_eq!(reals(batch(&x).baddbmm(&batch(&a), &batch(&b), 0.7, 0.1)), [892.0]);
    let bf = |v: &[f64]| Tensor::from_slice(v, v.len()).unwrap().to_dtype(DType::BF16).unwrap();
    assert_eq!(reals(bf(&[1.0, 2.0]).addr(&bf(&[0.3]), &bf(&[0.7, 0.9]), 0.3, 1.7)), [0.65625, 1.0625]);
    let half = |v: &[f64]| Tensor::from_slice(v, v.len()).unwrap().to_dtype(DType::F16).unwrap();
    assert_eq!(
        reals(half(&[1000.0, 2.0]).addcmul(&half(&[300.0, 0.1]), &half(&[300.0, 0.3]), 1.0 / 3.0)),
        [31008.0, 2.009765625]
    );
    assert_eq!(reals(half(&[1.0, 2.0]).addcmul(&half(&[0.1, 100.0]), &half(&[0.3, 500.0]), 1e-4)), [1.0, 7.0]);
    assert_eq!(reals(half(&[1.0, 2.0]).addcdiv(&half(&[0.1, 100.0]), &half(&[0.3, 500.0]), 1e5)), [33312.0, 20000.0]);
    assert_eq!(reals(half(&[0.1, 3.0]).lerp(&half(&[0.7, 1000.0]), 0.3)), [0.280029296875, 302.0]);
    assert_eq!(reals(half(&[0.1, 3.0]).lerp(&half(&[0.7, 1000.0]), &half(&[0.3, 0.8]))), [0.280029296875, 800.5]);
    assert_eq!(reals(bf(&[0.1, 3.0]).lerp(&bf(&[0.7, 1000.0]), 0.7)), [0.51953125, 700.0]);
}

#[test]
fn quotients_of_half_precision_are_rounded_before_they_are_cut() {
    let bf = |x: f32| Tensor::from_slice(&[x], 1).unwrap().to_dtype(DType::BF16).unwrap();
    // 17.99 is 18 in bfloat16.
    assert_eq!(reals(bf(17.875).div_trunc(bf(0.9921875))), [18.0]);
}

#[test]
fn integers_of_size_one_are_summed_in_their_dtype() {
    let bytes = |shape: &[usize]| filled(shape, 200.0, DType::U8);
    let y = bytes(&[2, 1]).tensordot(&bytes(&[3, 2]), [1], [0]).unwrap();
    assert_eq!((y.dtype(), reals(Ok(y))), (DType::U8, vec![192.0; 4]));
}

#[test]
fn a_factor_is_truncated_with_integers() {
    let x = Tensor::from_slice(&[1i64, 2], 2).unwrap();
    assert_eq!(x.addcmul(&x, &x, 1.5).unwrap().to_vec::<i64>().unwrap(), [2, 6]);
    let y = x.to_dtype(DType::F32).unwrap();
    assert_eq!(reals(x.addcmul(&y, &x, 1.5)), [2.5, 8.0]);
    let bytes = x.to_dtype(DType::U8).unwrap();
    assert_eq!(reals(bytes.addcmul(&bytes, &bytes, -1)), [0.0, 254.0]);
    assert!(bytes.addcmul(&bytes, &bytes, 300).is_err() && bytes.addcmul(&bytes, &bytes, -1.5).is_err());
    assert!(y.addcmul(&y, &y, 1e300).is_err());
}
