//! Cases of the special functions.

use super::{Table, strided};
use crate::common::sample;
use flambeau_tensor::{CtcLoss, DType, Result, Tensor, dispatch, special, tensor};

type Unary = fn(&Tensor) -> Result<Tensor>;

pub fn cases(t: &mut Table) {
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
