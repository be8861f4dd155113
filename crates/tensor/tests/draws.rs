//! Samples drawn by rejection, against what PyTorch 2.15 draws after `manual_seed(3)`. The uniform that comes after them
//! says that as much was taken out of the generator.

use flambeau_tensor::{DType, Generator, Result, Tensor, bf16, f16};

fn tensor(x: &[f64], dtype: DType) -> Tensor {
    Tensor::from_vec(x.to_vec(), x.len()).unwrap().to_dtype(dtype).unwrap()
}

type Draw = fn(DType, &Generator) -> Result<Tensor>;

const COUNTS: [f64; 9] = [0., 5., 40., 40., 100., 100., 1000., 7., 3.];
const CHANCES: [f64; 9] = [0.5, 0.3, 0.4, 0.7, 0.02, 0.98, 0.35, 0., 1.];
const SHAPES: [f64; 8] = [0., 0.1, 0.5, 1., 2.5, 30., 0.9, 7.];

/// The call, what comes in f32, and the uniform after it.
const DRAWS: [(Draw, &[f64], f64); 4] = [
    (
        |dtype, g| tensor(&SHAPES, dtype).standard_gamma(Some(g)),
        &[0., 0.332795799, 0.243876457, 0.981941581, 4.021784306, 32.601932526, 2.313501358, 7.816734791],
        0.3686259388923645,
    ),
    (
        |dtype, g| tensor(&[0.3, 1., 4., 0.1, 0.2, 20.], dtype).reshape([2, 3])?.sample_dirichlet(Some(g)),
        &[0.0860615596, 0.4894838631, 0.4244545996, 0.0001477497281, 0.00557191763, 0.9942803383],
        0.26087963581085205,
    ),
    (
        |dtype, g| tensor(&[0., 0.5, 3., 9.5, 10., 25., 1000., 1e5], dtype).poisson(Some(g)),
        &[0., 0., 2., 11., 5., 36., 1015., 99276.],
        0.4301472306251526,
    ),
    (
        |dtype, g| tensor(&COUNTS, dtype).binomial(&tensor(&CHANCES, dtype), Some(g)),
        &[0., 0., 14., 31., 1., 97., 354., 0., 3.],
        0.2927446961402893,
    ),
];

#[test]
fn samples_are_pytorchs() {
    for (i, (draw, expected, after)) in DRAWS.into_iter().enumerate() {
        for dtype in [DType::F32, DType::F64] {
            let generator = Generator::with_seed(3);
            let drawn = draw(dtype, &generator).unwrap();
            assert_eq!(drawn.dtype(), dtype);
            let drawn = drawn.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
            for (x, e) in drawn.iter().zip(expected) {
                assert!((x - e).abs() <= 1e-6 * e.abs().max(1e-3), "draw {i} in {dtype}: {drawn:?}, not {expected:?}");
            }
            let next = Tensor::rand(1).generator(&generator).build().unwrap().item::<f32>().unwrap();
            assert_eq!(next, after as f32, "draw {i} in {dtype}");
        }
    }
}

/// A shape of zero gives the smallest number that is not zero.
#[test]
fn gamma_is_never_zero() {
    let zero = tensor(&[0.0], DType::F64).standard_gamma(None).unwrap();
    assert_eq!(zero.item::<f64>().unwrap(), f64::MIN_POSITIVE);
    let mut out = [f16::ZERO];
    Generator::with_seed(0).standard_gamma(&mut out, &[f16::ZERO]).unwrap();
    assert_eq!(out[0], f16::MIN_POSITIVE);
    let mut out = [bf16::ZERO; 2];
    Generator::with_seed(0).dirichlet(&mut out, &[bf16::from_f32(1e-30), bf16::from_f32(50.0)], 2).unwrap();
    assert!(out[0] > bf16::ZERO && out[1] < bf16::ONE, "{out:?}");
}

#[test]
fn wrong_parameters_are_errors() {
    let x = |v: f64| tensor(&[v], DType::F32);
    let errors = [
        x(-1.0).standard_gamma(None),
        x(f64::NAN).standard_gamma(None),
        x(f64::NAN).sample_dirichlet(None),
        tensor(&[1.0], DType::F32).reshape([0usize; 0]).unwrap().sample_dirichlet(None),
        x(f64::INFINITY).poisson(None),
        x(-0.5).poisson(None),
        tensor(&[1.0], DType::I64).poisson(None),
        x(f64::INFINITY).binomial(0.5, None),
        x(3.0).binomial(1.5, None),
        x(3.0).binomial(&tensor(&[0.5, 0.5, 0.5], DType::F64), None),
        tensor(&[1.0, 2.0], DType::F32).binomial(&tensor(&[0.5, 0.5, 0.5], DType::F32), None),
    ];
    for (i, error) in errors.into_iter().enumerate() {
        assert!(error.is_err(), "call {i}");
    }
}
