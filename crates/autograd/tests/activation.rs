//! Activation functions: against PyTorch's numbers, against their decompositions, and their derivatives
//! against finite differences.

mod common;

use common::{check, close, kernel_is_decomposition, sample, seeded, values};
use flambeau_autograd::{Autograd, grad};
use flambeau_tensor::{DType, ErrorKind, Result, Tensor, ops::*};

type F = fn(&Tensor) -> Result<Tensor>;

const FUNCTIONS: &[(&str, F)] = &[
    ("gelu", |x| x.gelu()),
    ("gelu_tanh", |x| x.gelu_with(Approximate::Tanh)),
    ("silu", Tensor::silu),
    ("mish", Tensor::mish),
    ("softplus", |x| x.softplus(2.0, 5.0)),
    ("elu", |x| x.elu(1.3)),
    ("selu", Tensor::selu),
    ("celu", |x| x.celu(1.3)),
    ("leaky_relu", |x| x.leaky_relu(0.1)),
    ("hardtanh", |x| x.hardtanh(-3.0, 3.0)),
    ("relu6", Tensor::relu6),
    ("hardswish", Tensor::hardswish),
    ("hardsigmoid", Tensor::hardsigmoid),
    ("logsigmoid", Tensor::logsigmoid),
    ("tanhshrink", Tensor::tanhshrink),
    ("softsign", Tensor::softsign),
    ("threshold", |x| x.threshold(0.4, 2.0)),
    ("hardshrink", |x| x.hardshrink(0.7)),
    ("softshrink", |x| x.softshrink(0.7)),
    ("relu", Tensor::relu),
    ("tanh", Tensor::tanh),
    ("sigmoid", Tensor::sigmoid),
];

const X: [f64; 8] = [-4.0, -3.0, -0.7, 0.0, 0.4, 1.5, 3.0, 7.0];

/// Name, values at `X` and derivatives there, as PyTorch 2.15 gives them in `float64`.
type Known = (&'static str, &'static [f64], &'static [f64]);
const KNOWN: &[Known] = &[
    (
        "gelu",
        &[-0.000126685, -0.004049694, -0.169374557, 0.0, 0.262168697, 1.399789198, 2.995950306, 7.0],
        &[-0.00050365, -0.011945647, 0.023385899, 0.5, 0.802729798, 1.127469192, 1.011945647, 1.0],
    ),
    (
        "gelu_tanh",
        &[-7.0246e-05, -0.003637392, -0.169429865, 0.0, 0.262161169, 1.399571577, 2.996362608, 7.0],
        &[-0.000335123, -0.011584167, 0.023642781, 0.5, 0.802658834, 1.127710793, 1.011584167, 1.0],
    ),
    (
        "silu",
        &[-0.07194484, -0.14227762, -0.232268559, 0.0, 0.239475064, 1.226361714, 2.85772238, 6.993622642],
        &[-0.052664615, -0.088104106, 0.176613217, 0.5, 0.694791958, 1.041294154, 1.088104106, 1.005460497],
    ),
    (
        "mish",
        &[-0.072591741, -0.145647461, -0.267870235, 0.0, 0.289030534, 1.403378266, 2.986535005, 6.99998838],
        &[-0.05377321, -0.093393115, 0.184416073, 0.6, 0.837017503, 1.088487985, 1.021106911, 1.000021559],
    ),
    (
        "softplus",
        &[0.000167703, 0.001237843, 0.110208705, 0.34657359, 0.585550333, 1.524293676, 3.0, 7.0],
        &[0.00033535, 0.002472623, 0.197816111, 0.5, 0.689974481, 0.952574127, 1.0, 1.0],
    ),
    (
        "elu",
        &[-1.276189669, -1.235276811, -0.654439105, 0.0, 0.4, 1.5, 3.0, 7.0],
        &[0.023810331, 0.064723189, 0.645560895, 1.3, 1.0, 1.0, 1.0, 1.0],
    ),
    (
        "selu",
        &[-1.725898628, -1.670568729, -0.885053046, 0.0, 0.420280395, 1.576051481, 3.152102962, 7.354906911],
        &[0.032200713, 0.087530612, 0.873046295, 1.758099341, 1.050700987, 1.050700987, 1.050700987, 1.050700987],
    ),
    (
        "celu",
        &[-1.240068846, -1.170662245, -0.541260878, 0.0, 0.4, 1.5, 3.0, 7.0],
        &[0.046100884, 0.099490576, 0.583645488, 1.000000037, 1.0, 1.0, 1.0, 1.0],
    ),
    ("leaky_relu", &[-0.4, -0.3, -0.07, 0.0, 0.4, 1.5, 3.0, 7.0], &[0.1, 0.1, 0.1, 0.1, 1.0, 1.0, 1.0, 1.0]),
    ("hardtanh", &[-3.0, -3.0, -0.7, 0.0, 0.4, 1.5, 3.0, 3.0], &[0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]),
    ("relu6", &[0.0, 0.0, 0.0, 0.0, 0.4, 1.5, 3.0, 6.0], &[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]),
    (
        "hardswish",
        &[-0.0, -0.0, -0.268333333, 0.0, 0.226666667, 1.125, 3.0, 7.0],
        &[0.0, 0.0, 0.266666667, 0.5, 0.633333333, 1.0, 1.0, 1.0],
    ),
    (
        "hardsigmoid",
        &[0.0, 0.0, 0.383333333, 0.5, 0.566666667, 0.75, 1.0, 1.0],
        &[0.0, 0.0, 0.166666672, 0.166666672, 0.166666672, 0.166666672, 0.0, 0.0],
    ),
    (
        "logsigmoid",
        &[
            -4.018149928,
            -3.048587352,
            -1.103186049,
            -0.693147181,
            -0.513015252,
            -0.201413278,
            -0.048587352,
            -0.000911466,
        ],
        &[0.98201379, 0.952574127, 0.668187772, 0.5, 0.40131234, 0.182425524, 0.047425873, 0.000911051],
    ),
    (
        "tanhshrink",
        &[-3.0006707, -2.004945246, -0.095632223, 0.0, 0.020051038, 0.594851746, 2.004945246, 6.000001663],
        &[0.998659049, 0.990133963, 0.36526041, 0.0, 0.144361214, 0.819293361, 0.990133963, 0.999996674],
    ),
    (
        "softsign",
        &[-0.8, -0.75, -0.411764706, 0.0, 0.285714286, 0.6, 0.75, 0.875],
        &[0.04, 0.0625, 0.346020761, 1.0, 0.510204082, 0.16, 0.0625, 0.015625],
    ),
    ("threshold", &[2.0, 2.0, 2.0, 2.0, 2.0, 1.5, 3.0, 7.0], &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
    ("hardshrink", &[-4.0, -3.0, 0.0, 0.0, 0.0, 1.5, 3.0, 7.0], &[1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
    ("softshrink", &[-3.3, -2.3, 0.0, 0.0, 0.0, 0.8, 2.3, 6.3], &[1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
];

#[test]
fn values_and_slopes_are_pytorchs() {
    for (name, y, slope) in KNOWN {
        let f = FUNCTIONS.iter().find(|f| f.0 == *name).unwrap().1;
        for (dtype, tolerance) in [(DType::F64, 1e-7), (DType::F32, 1e-6)] {
            let x = Tensor::from_slice(&X, 8).unwrap().to_dtype(dtype).unwrap().requires_grad_().unwrap();
            let ours = f(&x).unwrap();
            close(name, &values(&ours), y, tolerance);
            close(&format!("{name}'"), &values(&grad(&[&ours.sum(..).unwrap()], &[&x]).unwrap()[0]), slope, tolerance);
        }
    }
}

#[test]
fn derivatives() {
    for (name, f) in FUNCTIONS {
        check(name, |x| f(&x[0]), &[sample(&[3, 4], -3.7, 3.7)]);
        check(name, |x| f(&x[0]), &[sample(&[2, 3], -1.0, 1.0).t().unwrap()]);
    }
    check("glu", |x| x[0].glu(-1), &[sample(&[2, 4], -2.0, 2.0)]);
    check("prelu", |x| x[0].prelu(&x[1]), &[sample(&[2, 3, 2], -2.0, 2.0), seeded(1, &[3], 0.1, 0.5)]);
    check("prelu, one weight", |x| x[0].prelu(&x[1]), &[sample(&[4], -2.0, 2.0), seeded(1, &[1], 0.1, 0.5)]);
}

#[test]
fn kernels_are_their_decompositions() {
    let (x, g) = (sample(&[5, 7], -5.0, 5.0), seeded(2, &[5, 7], -1.0, 1.0));
    macro_rules! both {
        ($($op:expr, $Backward:ident;)*) => {$(
            kernel_is_decomposition($op, &[x.clone()]);
            kernel_is_decomposition($Backward($op), &[g.clone(), x.clone()]);
        )*};
    }
    both! {
        Gelu { tanh: false }, GeluBackward;
        Gelu { tanh: true }, GeluBackward;
        Silu, SiluBackward;
        Mish, MishBackward;
        Softplus { beta: 1.5, threshold: 2.0 }, SoftplusBackward;
        Elu { alpha: 1.2, scale: 1.1, input_scale: 0.7 }, EluBackward;
        LeakyRelu { slope: 0.1 }, LeakyReluBackward;
        Hardtanh { min: -1.0, max: 2.0 }, HardtanhBackward;
        Hardswish, HardswishBackward;
        Hardsigmoid, HardsigmoidBackward;
        LogSigmoid, LogSigmoidBackward;
    }
    kernel_is_decomposition(ReluBackward, &[g.clone(), x.clone()]);
    kernel_is_decomposition(TanhBackward, &[g.clone(), x.clone()]);
    kernel_is_decomposition(SigmoidBackward, &[g.clone(), x.clone()]);
}

#[test]
fn in_place_keeps_the_gradient() {
    let x = sample(&[6], -2.0, 2.0).requires_grad_().unwrap();
    let y = x.mul(1.0).unwrap();
    y.elu_(1.0).unwrap();
    let apart = x.elu(1.0).unwrap();
    close("elu_", &values(&y), &values(&apart), 0.0);
    let (ours, theirs) =
        (grad(&[&y.sum(..).unwrap()], &[&x]).unwrap(), grad(&[&apart.sum(..).unwrap()], &[&x]).unwrap());
    close("elu_'", &values(&ours[0]), &values(&theirs[0]), 0.0);
}

#[test]
fn faults_are_named() {
    let x = Tensor::zeros([2, 3]).build().unwrap();
    assert_eq!(x.glu(1).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(x.glu(5).unwrap_err().kind(), ErrorKind::Index);
    assert_eq!(x.hardtanh(1.0, 0.0).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(x.softshrink(-1.0).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(x.prelu(&Tensor::zeros([2]).build().unwrap()).unwrap_err().kind(), ErrorKind::Shape);
    let whole = Tensor::zeros([2]).dtype(DType::I64).build().unwrap();
    let message = whole.gelu().unwrap_err().to_string();
    assert!(message.starts_with("gelu: not defined for int64"), "{message}");
    assert_eq!(Tensor::from_vec(vec![-3i64, 4, 9], 3).unwrap().relu6().unwrap().to_vec::<i64>().unwrap(), [0, 4, 6]);
}

/// burn#1139, burn#2249, candle#2083, burn#3727: far out, at kinks, and beside what `where` did not take.
#[test]
fn gradients_far_out_and_at_kinks() -> Result<()> {
    let slope = |x: &[f32], f: F| -> Result<Vec<f64>> {
        let x = Tensor::from_slice(x, x.len())?.requires_grad_()?;
        f(&x)?.sum(..)?.backward()?;
        Ok(values(&x.grad().unwrap()))
    };
    assert_eq!(slope(&[-90.0, -200.0, 0.0], Tensor::sigmoid)?[2], 0.25);
    close("sigmoid", &slope(&[-90.0, -200.0, 0.0], Tensor::sigmoid)?, &[0.0, 0.0, 0.25], 1e-6);
    close("abs", &slope(&[0.0, -1.0], Tensor::abs)?, &[0.0, -1.0], 0.0);
    close("silu", &slope(&[0.0, 100.0], Tensor::silu)?, &[0.5, 1.0], 1e-6);
    // As PyTorch: 0 · ∞.
    let beside = slope(&[1.0, 0.0], |x| x.where_cond(&Tensor::from_slice(&[true, true], 2)?, &x.rdiv(1.0)?))?;
    close("where", &beside, &[1.0, f64::NAN], 0.0);
    Ok(())
}
