//! Softmax and its logarithm: against known numbers, against their decompositions, and their derivatives
//! against finite differences.

mod common;

use common::{check, close, kernel_is_decomposition, sample, seeded, values};
use flambeau_tensor::{DType, ErrorKind, Result, Tensor, ops::*};

type F = fn(&Tensor, isize) -> Result<Tensor>;
const FUNCTIONS: &[(&str, F)] =
    &[("softmax", Tensor::softmax), ("log_softmax", Tensor::log_softmax), ("softmin", Tensor::softmin)];

#[test]
fn known_values() {
    // Logarithms of shares: softmax gives the shares back.
    let shares = [0.1, 0.2, 0.3, 0.4];
    let x = Tensor::from_vec(shares.iter().map(|s: &f64| s.ln() + 500.0).collect(), [2, 2]).unwrap();
    close("softmax of all", &values(&x.flatten(0, -1).unwrap().softmax(0).unwrap()), &shares, 1e-12);
    close("rows", &values(&x.softmax(-1).unwrap()), &[1.0 / 3.0, 2.0 / 3.0, 3.0 / 7.0, 4.0 / 7.0], 1e-12);
    close("columns", &values(&x.softmax(0).unwrap()), &[0.25, 1.0 / 3.0, 0.75, 2.0 / 3.0], 1e-12);
    close(
        "log",
        &values(&x.log_softmax(1).unwrap()),
        &[1.0 / 3.0, 2.0 / 3.0, 3.0 / 7.0, 4.0 / 7.0].map(f64::ln),
        1e-12,
    );
    close("softmin", &values(&x.neg().unwrap().softmin(0).unwrap()), &[0.25, 1.0 / 3.0, 0.75, 2.0 / 3.0], 1e-12);
}

#[test]
fn extremes() {
    let x = Tensor::from_vec(vec![f32::NEG_INFINITY, 0.0, 1e30, f32::NEG_INFINITY], [2, 2]).unwrap();
    assert_eq!(x.softmax(1).unwrap().to_vec::<f32>().unwrap(), [0.0, 1.0, 1.0, 0.0]);
    assert_eq!(x.log_softmax(1).unwrap().to_vec::<f32>().unwrap(), [f32::NEG_INFINITY, 0.0, 0.0, f32::NEG_INFINITY]);
    // Columns take another path.
    assert_eq!(x.t().unwrap().contiguous().unwrap().softmax(0).unwrap().to_vec::<f32>().unwrap(), [0.0, 1.0, 1.0, 0.0]);
    assert!(
        Tensor::from_vec(vec![f32::NAN, 0.0], 2)
            .unwrap()
            .softmax(0)
            .unwrap()
            .to_vec::<f32>()
            .unwrap()
            .iter()
            .all(|p| p.is_nan())
    );
    assert_eq!(Tensor::from_vec(vec![3.0f32], ()).unwrap().softmax(0).unwrap().to_vec::<f32>().unwrap(), [1.0]);
    for shape in [[0, 3], [3, 0]] {
        for dim in [0, 1] {
            assert_eq!(Tensor::zeros(shape).build().unwrap().softmax(dim).unwrap().shape(), shape);
        }
    }
}

#[test]
fn derivatives() {
    for (name, f) in FUNCTIONS {
        for dim in [0, 1, 2] {
            check(name, |x| f(&x[0], dim), &[sample(&[2, 3, 4], -2.0, 2.0)]);
        }
        check(name, |x| f(&x[0], -1), &[sample(&[3, 4], -2.0, 2.0).t().unwrap()]);
        check(name, |x| f(&x[0], 0), &[sample(&[], -2.0, 2.0)]);
    }
}

#[test]
fn kernels_are_their_decompositions() {
    // Rows of more than one vector; columns of more than one strip.
    for (shape, dim) in [(vec![3, 77], 1), (vec![77], 0), (vec![2, 5, 70], 1), (vec![70, 3], 0), (vec![], 0)] {
        let (x, g) = (sample(&shape, -4.0, 4.0), seeded(2, &shape, -1.0, 1.0));
        kernel_is_decomposition(Softmax { dim }, &[x.clone()]);
        kernel_is_decomposition(LogSoftmax { dim }, &[x.clone()]);
        let y = |t: Result<Tensor>| t.unwrap().to_dtype(DType::BF16).unwrap().to_dtype(DType::F64).unwrap();
        kernel_is_decomposition(SoftmaxBackward { dim }, &[y(Ok(g.clone())), y(x.softmax(dim as isize))]);
        kernel_is_decomposition(LogSoftmaxBackward { dim }, &[y(Ok(g)), y(x.log_softmax(dim as isize))]);
    }
}

#[test]
fn faults_are_named() {
    let x = Tensor::zeros([2, 3]).build().unwrap();
    assert_eq!(x.softmax(2).unwrap_err().kind(), ErrorKind::Index);
    let whole = x.to_dtype(DType::I64).unwrap();
    assert_eq!(whole.softmax(0).unwrap_err().kind(), ErrorKind::DType);
    assert_eq!(whole.softmax_in(0, DType::F32).unwrap().dtype(), DType::F32);
}
