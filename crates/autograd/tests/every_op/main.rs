//! Every differentiable op passes `gradcheck` to the third order in `f64`, agrees with itself in forward mode, and
//! none is left out: a case bears the name of its op's struct, its graph must hold that op, and an op with a rule
//! but without a case fails the test.
//!
//! The files of the families test more of each op (against PyTorch's numbers, at ties and zeros); this one
//! shows that there is nothing untested.

#[path = "../common/mod.rs"]
mod common;
mod functions;
mod linear_algebra;
mod vmap;

use common::{check, check_forward, sample, seeded};
use flambeau_autograd::{Autograd, GradOptions, RULES, RuleKind, enable_grad, grad_with, recorded_ops};
use flambeau_tensor::custom::CustomOp;
use flambeau_tensor::fft::{self, Norm};
use flambeau_tensor::op::{Meta, Metas, Outputs};
use flambeau_tensor::ops::{Conv, ConvInputGrad};
use flambeau_tensor::{
    Approximate, Arange, AvgPoolOptions, BatchNormOptions, Complex, ConvOptions, ConvTransposeOptions, DType, Full,
    Generator, MaxPoolOptions, Op, Reduce, Result, StdAndMean, Tensor, TopkOptions, Transfer, cat, dispatch, tensor,
};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

type F = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// The cases: the op's struct, inputs, function.
#[derive(Default)]
struct Table(Vec<(&'static str, Vec<Tensor>, F)>);

impl Table {
    fn add<const N: usize>(
        &mut self,
        op: &'static str,
        inputs: [Tensor; N],
        f: impl Fn(&[Tensor; N]) -> Result<Tensor> + 'static,
    ) {
        let f = move |x: &[Tensor]| match x.try_into() {
            Ok(x) => f(x),
            Err(_) => panic!("{op}: {} inputs instead of {N}", x.len()),
        };
        self.0.push((op, inputs.into(), Box::new(f)));
    }

    /// The gradient of `f`, to which `op` belongs, as a function of the inputs and the output's gradient.
    fn backward<const N: usize>(
        &mut self,
        op: &'static str,
        inputs: [Tensor; N],
        f: impl Fn(&[Tensor; N]) -> Result<Tensor> + Copy + 'static,
    ) {
        let seed = seeded(29, f(&inputs).unwrap().shape(), -1.0, 1.0);
        let gradient = move |x: &[Tensor]| {
            enable_grad(|| {
                // A view, through which a tangent is seen.
                let tracked = |t: &Tensor| match t.requires_grad() {
                    true => Ok(t.clone()),
                    false => t.as_strided(t.shape(), t.strides(), t.storage_offset())?.requires_grad_(),
                };
                let x = x.iter().map(tracked).collect::<Result<Vec<_>>>()?;
                let (seed, x) = x.split_last().expect("the output's gradient");
                let y = f(x.try_into().expect("the number of inputs"))?;
                let options =
                    GradOptions { grad_outputs: vec![Some(seed.clone())], create_graph: true, ..Default::default() };
                let grads = grad_with(&[&y], &x.iter().collect::<Vec<_>>(), options)?;
                cat(&grads.into_iter().flatten().map(|g| g.flatten(0, -1)).collect::<Result<Vec<_>>>()?, 0)
            })
        };
        self.0.push((op, inputs.into_iter().chain([seed]).collect(), Box::new(gradient)));
    }
}

fn real(shape: &[usize]) -> Tensor {
    sample(shape, -1.5, 1.5)
}

fn other(shape: &[usize]) -> Tensor {
    seeded(13, shape, -1.5, 1.5)
}

/// Complex numbers in the right half plane, away from the axis.
fn complex(shape: &[usize]) -> Tensor {
    let (re, im) = (sample(shape, 0.2, 1.2).to_vec::<f64>().unwrap(), other(shape).to_vec::<f64>().unwrap());
    Tensor::from_vec(re.into_iter().zip(im).map(|(re, im)| Complex::new(re, im)).collect(), shape).unwrap()
}

/// Every second column of a transposed matrix.
fn strided(x: impl Fn(&[usize]) -> Tensor) -> Tensor {
    x(&[4, 3]).t().unwrap().slice(1, 0, 4, 2).unwrap()
}

type Unary = fn(&Tensor) -> Result<Tensor>;

fn unary(t: &mut Table) {
    let all: &[(&str, Unary, f64, f64)] = &[
        ("Neg", Tensor::neg, -2.0, 2.0),
        ("Abs", Tensor::abs, -2.0, 2.0),
        ("Sign", Tensor::sign, -2.0, 2.0),
        ("Exp", Tensor::exp, -2.0, 2.0),
        ("Exp2", Tensor::exp2, -2.0, 2.0),
        ("Expm1", Tensor::expm1, -2.0, 2.0),
        ("Log", Tensor::log, 0.2, 3.0),
        ("Log2", Tensor::log2, 0.2, 3.0),
        ("Log10", Tensor::log10, 0.2, 3.0),
        ("Log1p", Tensor::log1p, -0.5, 3.0),
        ("Sqrt", Tensor::sqrt, 0.2, 3.0),
        ("Rsqrt", Tensor::rsqrt, 0.3, 3.0),
        ("Square", Tensor::square, -2.0, 2.0),
        ("Reciprocal", Tensor::reciprocal, 0.4, 2.0),
        ("Sin", Tensor::sin, -3.0, 3.0),
        ("Cos", Tensor::cos, -3.0, 3.0),
        ("Tan", Tensor::tan, -1.0, 1.0),
        ("Asin", Tensor::asin, -0.9, 0.9),
        ("Acos", Tensor::acos, -0.9, 0.9),
        ("Atan", Tensor::atan, -2.0, 2.0),
        ("Sinh", Tensor::sinh, -2.0, 2.0),
        ("Cosh", Tensor::cosh, -2.0, 2.0),
        ("Tanh", Tensor::tanh, -2.0, 2.0),
        ("Asinh", Tensor::asinh, -2.0, 2.0),
        ("Acosh", Tensor::acosh, 1.3, 3.0),
        ("Atanh", Tensor::atanh, -0.8, 0.8),
        ("Sigmoid", Tensor::sigmoid, -2.0, 2.0),
        ("Relu", Tensor::relu, -2.0, 2.0),
        ("Erf", Tensor::erf, -1.5, 1.5),
        ("Erfc", Tensor::erfc, -1.5, 1.5),
        ("Erfinv", Tensor::erfinv, -0.8, 0.8),
        ("Floor", Tensor::floor, 0.1, 0.9),
        ("Ceil", Tensor::ceil, 0.1, 0.9),
        ("Round", Tensor::round, 0.1, 0.4),
        ("Trunc", Tensor::trunc, 0.1, 0.9),
        ("Add", |x| x.add(1.5), -2.0, 2.0),
        ("Mul", |x| x.mul(1.5), -2.0, 2.0),
        ("Sub", |x| x.sub(1.5), -2.0, 2.0),
        ("Sub", |x| x.rsub(1.5), -2.0, 2.0),
        ("Div", |x| x.div(1.5), -2.0, 2.0),
        ("Div", |x| x.rdiv(1.5), 0.4, 2.0),
        ("DivFloor", |x| x.floor_divide(0.8), 0.1, 0.7),
        ("DivFloor", |x| x.rfloor_divide(3.1), 0.8, 0.9),
        ("DivTrunc", |x| x.div_trunc(0.8), 0.1, 0.7),
        ("Remainder", |x| x.remainder(0.8), 0.1, 0.7),
        ("Remainder", |x| x.rremainder(3.1), 0.8, 0.9),
        ("Fmod", |x| x.fmod(0.8), 0.1, 0.7),
        ("Pow", |x| x.pow(0), 0.4, 2.0),
        ("Pow", |x| x.pow(1.0), -2.0, 2.0),
        ("Pow", |x| x.pow(2), -2.0, 2.0),
        ("Pow", |x| x.pow(3.0), -2.0, 2.0),
        ("Pow", |x| x.pow(0.5), 0.4, 2.0),
        ("Pow", |x| x.pow(-0.5), 0.4, 2.0),
        ("Pow", |x| x.pow(-1), 0.4, 2.0),
        ("Pow", |x| x.pow(-2), 0.4, 2.0),
        ("Pow", |x| x.pow(1.7), 0.4, 2.0),
        ("Pow", |x| x.rpow(1.7), -2.0, 2.0),
        ("Pow", |x| x.rpow(0.0), 0.4, 2.0),
        ("Atan2", |x| x.atan2(0.7), -2.0, 2.0),
        ("Maximum", |x| x.maximum(0.3), -2.0, 0.2),
        ("Maximum", |x| x.maximum(0.3), 0.4, 2.0),
        ("Minimum", |x| x.minimum(0.3), -2.0, 2.0),
        ("Where", |x| x.where_cond(&x.detach().gt(0.1)?, 3.0), -2.0, 2.0),
        ("Where", |x| x.masked_fill(&x.detach().gt(0.1)?, 3.0), -2.0, 2.0),
        ("Clamp", |x| x.clamp(-0.6, 0.7), -2.0, 2.0),
        ("Clamp", |x| x.clamp(.., 0.7), -2.0, 2.0),
        ("Gelu", |x| x.gelu(), -2.0, 2.0),
        ("Gelu", |x| x.gelu_with(Approximate::Tanh), -2.0, 2.0),
        ("Silu", Tensor::silu, -2.0, 2.0),
        ("Mish", Tensor::mish, -2.0, 2.0),
        ("Softplus", |x| x.softplus(2.0, 3.0), -2.0, 2.0),
        ("Elu", |x| x.elu(1.3), -2.0, 2.0),
        ("Elu", Tensor::selu, -2.0, 2.0),
        ("LeakyRelu", |x| x.leaky_relu(0.1), -2.0, 2.0),
        ("Hardtanh", |x| x.hardtanh(-0.6, 0.7), -2.0, 2.0),
        ("Hardswish", Tensor::hardswish, -3.7, 3.7),
        ("Hardsigmoid", Tensor::hardsigmoid, -3.7, 3.7),
        ("LogSigmoid", Tensor::logsigmoid, -2.0, 2.0),
    ];
    for (op, f, low, high) in all.iter().copied() {
        for x in [sample(&[2, 3], low, high), strided(|s| sample(s, low, high)), sample(&[], low, high)] {
            t.add(op, [x], move |[x]| f(x));
        }
        t.add(op, [sample(&[0, 2], low, high)], move |[x]| f(x));
    }
    let complexes: &[(&str, Unary)] = &[
        ("Neg", Tensor::neg),
        ("Abs", Tensor::abs),
        ("Exp", Tensor::exp),
        ("Exp2", Tensor::exp2),
        ("Expm1", Tensor::expm1),
        ("Log", Tensor::log),
        ("Log2", Tensor::log2),
        ("Log10", Tensor::log10),
        ("Log1p", Tensor::log1p),
        ("Sqrt", Tensor::sqrt),
        ("Rsqrt", Tensor::rsqrt),
        ("Square", Tensor::square),
        ("Reciprocal", Tensor::reciprocal),
        ("Sin", Tensor::sin),
        ("Cos", Tensor::cos),
        ("Tan", Tensor::tan),
        ("Asin", Tensor::asin),
        ("Acos", Tensor::acos),
        ("Atan", Tensor::atan),
        ("Sinh", Tensor::sinh),
        ("Cosh", Tensor::cosh),
        ("Tanh", Tensor::tanh),
        ("Asinh", Tensor::asinh),
        ("Acosh", Tensor::acosh),
        ("Atanh", Tensor::atanh),
        ("Sigmoid", Tensor::sigmoid),
        ("Conj", Tensor::conj),
        ("Add", |z| z.add(Complex::new(0.5, -1.0))),
        ("Mul", |z| z.mul(Complex::new(0.5, -1.0))),
        ("Sub", |z| z.rsub(Complex::new(0.5, -1.0))),
        ("Div", |z| z.div(Complex::new(0.5, -1.0))),
        ("Div", |z| z.rdiv(Complex::new(0.5, -1.0))),
        ("Pow", |z| z.pow(2)),
        ("Pow", |z| z.pow(Complex::new(0.5, -1.0))),
        ("Pow", |z| z.rpow(Complex::new(0.5, -1.0))),
    ];
    for (op, f) in complexes.iter().copied() {
        t.add(op, [complex(&[3])], move |[z]| f(z));
        t.add(op, [strided(complex)], move |[z]| f(z));
    }
    let backwards: &[(&str, Unary)] = &[
        ("GeluBackward", |x| x.gelu()),
        ("GeluBackward", |x| x.gelu_with(Approximate::Tanh)),
        ("SiluBackward", Tensor::silu),
        ("MishBackward", Tensor::mish),
        ("SoftplusBackward", |x| x.softplus(2.0, 3.0)),
        ("EluBackward", |x| x.elu(1.3)),
        ("EluBackward", Tensor::selu),
        ("LeakyReluBackward", |x| x.leaky_relu(0.1)),
        ("HardtanhBackward", |x| x.hardtanh(-0.6, 0.7)),
        ("HardswishBackward", Tensor::hardswish),
        ("HardsigmoidBackward", Tensor::hardsigmoid),
        ("LogSigmoidBackward", Tensor::logsigmoid),
        ("ReluBackward", Tensor::relu),
        ("TanhBackward", Tensor::tanh),
        ("SigmoidBackward", Tensor::sigmoid),
    ];
    for (op, f) in backwards.iter().copied() {
        t.backward(op, [sample(&[2, 3], -3.7, 3.7)], move |[x]| f(x));
        t.backward(op, [strided(real)], move |[x]| f(x));
    }
    t.add("Cast", [real(&[2, 3])], |[x]| x.to_dtype(DType::Complex128));
    t.add("Cast", [complex(&[3])], |[z]| z.to_dtype(DType::F64));
    t.add("Cast", [strided(real)], |[x]| x.copy());
    for x in [real(&[2, 3]), strided(complex)] {
        t.add("Transfer", [x], |[x]| {
            dispatch(Transfer { from: x.device(), to: x.device(), non_blocking: false }, &[x])
        });
    }
}

fn binary(t: &mut Table) {
    type Binary = fn(&Tensor, &Tensor) -> Result<Tensor>;
    let all: &[(&str, Binary)] = &[
        ("Add", |a, b| a.add(b)),
        ("Sub", |a, b| a.sub(b)),
        ("Mul", |a, b| a.mul(b)),
        ("Div", |a, b| a.div(b)),
        ("DivFloor", |a, b| a.floor_divide(b)),
        ("DivTrunc", |a, b| a.div_trunc(b)),
        ("Remainder", |a, b| a.remainder(b)),
        ("Fmod", |a, b| a.fmod(b)),
        ("Pow", |a, b| a.abs()?.pow(b)),
        ("Atan2", |a, b| a.atan2(b)),
        ("Maximum", |a, b| a.maximum(b)),
        ("Minimum", |a, b| a.minimum(b)),
        ("NextAfter", |a, b| a.nextafter(b)),
        ("Where", |a, b| a.where_cond(&a.detach().gt(0.1)?, b)),
    ];
    for (op, f) in all.iter().copied() {
        let b = |shape: &[usize]| seeded(13, shape, 0.4, 1.9);
        for (x, y) in [
            (real(&[2, 3]), b(&[2, 3])),
            (real(&[2, 1]), b(&[3])),
            (strided(real), b(&[2])),
            (real(&[]), b(&[2, 2]).t().unwrap()),
        ] {
            t.add(op, [x, y], move |[a, b]| f(a, b));
        }
        t.add(op, [real(&[0, 1]), b(&[3])], move |[a, b]| f(a, b));
        // One tensor in both places, where it has slopes.
        if !matches!(op, "DivFloor" | "DivTrunc" | "Remainder" | "Fmod" | "NextAfter") {
            t.add(op, [b(&[3])], move |[a]| f(a, a));
        }
    }
    for (op, f) in all[..4].iter().chain(&[("Pow", (|a, b| a.pow(b)) as Binary)]).copied() {
        t.add(op, [complex(&[2, 1]), complex(&[3])], move |[a, b]| f(a, b));
        t.add(op, [complex(&[3]), seeded(13, &[3], 0.4, 1.9)], move |[a, b]| f(a, b));
        t.add(op, [seeded(13, &[3], 0.4, 1.9), complex(&[3])], move |[a, b]| f(a, b));
    }
    t.add("Where", [complex(&[3]), complex(&[1])], |[a, b]| a.where_cond(&tensor!([true, false, true]), b));
    // Powers of 0, and powers whose exponent is 0.
    t.add("Pow", [tensor!([0.0, 0.0, 0.0, -1.5]; DType::F64)], |[a]| a.pow(&tensor!([3.0, 2.0, 0.0, 3.0]; DType::F64)));
    t.add("Pow", [tensor!([1.5, 2.0, 0.7]; DType::F64)], |[b]| tensor!([0.0, 0.0, 1.5]; DType::F64).pow(b));
    t.add("Pow", [tensor!([1.5, 0.4]; DType::F64), tensor!([0.0, 0.0]; DType::F64)], |[a, b]| a.pow(b));
}

fn reductions(t: &mut Table) {
    let all: &[(&str, Unary)] = &[
        ("Sum", |x| x.sum(1)),
        ("Sum", |x| x.sum(..)),
        ("Mean", |x| x.mean(0)),
        ("Mean", |x| x.mean_keepdim(..)),
        ("Prod", |x| x.prod(0)),
        ("Prod", |x| x.prod(..)),
        ("Amax", |x| x.amax(1)),
        ("Amin", |x| x.amin(..)),
        ("MaxDim", |x| Ok(x.max_dim(0)?.values)),
        ("MinDim", |x| Ok(x.min_dim_keepdim(1)?.values)),
        ("VarMean", |x| x.var(1, 1.0)),
        ("VarMean", |x| x.std(.., 0.5)),
        ("VarMean", |x| {
            let StdAndMean { std, mean } = x.std_mean(0, 1.0)?;
            std.mul(&mean)
        }),
        ("LogSumExp", |x| x.logsumexp(0)),
        ("Norm", |x| x.norm(2.0, ..)),
        ("Norm", |x| x.norm(0.0, 0)),
        ("Norm", |x| x.norm(1.0, 0)),
        ("Norm", |x| x.norm(1.5, 0)),
        ("Norm", |x| x.norm(3.0, 1)),
        ("Norm", |x| x.norm(-1.0, 1)),
        ("Norm", |x| x.norm(f64::INFINITY, 1)),
        ("Norm", |x| x.norm(f64::NEG_INFINITY, 0)),
        ("Cumsum", |x| x.cumsum(0)),
        ("Cumsum", |x| x.cumsum_reversed(1)),
        ("Cumprod", |x| x.cumprod(1)),
        ("Cumprod", |x| x.cumprod_reversed(0)),
        ("Logcumsumexp", |x| x.logcumsumexp(1)),
        ("Cummax", |x| Ok(x.cummax(1)?.values)),
        ("Cummin", |x| Ok(x.cummin(0)?.values)),
        ("Sort", |x| Ok(x.sort(1, true)?.values)),
        ("Sort", |x| Ok(x.sort(0, false)?.values)),
        ("Topk", |x| Ok(x.topk_with(2, TopkOptions::new().dim(0))?.values)),
        ("Topk", |x| Ok(x.topk_with(1, TopkOptions::new().dim(1).largest(false))?.values)),
        ("Kthvalue", |x| Ok(x.kthvalue(2, 1)?.values)),
        ("Softmax", |x| x.softmax(0)),
        ("Softmax", |x| x.softmax(1)),
        ("LogSoftmax", |x| x.log_softmax(0)),
        ("LogSoftmax", |x| x.log_softmax(1)),
        ("Dropout", |x| Ok(x.native_dropout(0.4, Some(&Generator::with_seed(5)))?.0)),
    ];
    for (op, f) in all.iter().copied() {
        for x in [real(&[3, 4]), strided(real)] {
            t.add(op, [x], move |[x]| f(x));
        }
    }
    let of_scalars: &[(&str, Unary)] = &[
        ("Sum", |x| x.sum(..)),
        ("Mean", |x| x.mean(..)),
        ("Prod", |x| x.prod(..)),
        ("Amax", |x| x.amax(..)),
        ("LogSumExp", |x| x.logsumexp(..)),
        ("Norm", |x| x.norm(3.0, ..)),
        ("Cumsum", |x| x.cumsum(0)),
        ("Cumprod", |x| x.cumprod(0)),
        ("Logcumsumexp", |x| x.logcumsumexp(0)),
        ("Cummax", |x| Ok(x.cummax(0)?.values)),
        ("Sort", |x| Ok(x.sort(0, true)?.values)),
        ("Kthvalue", |x| Ok(x.kthvalue(1, 0)?.values)),
        ("Softmax", |x| x.softmax(0)),
        ("LogSoftmax", |x| x.log_softmax(0)),
    ];
    for (op, f) in of_scalars.iter().copied() {
        t.add(op, [real(&[])], move |[x]| f(x));
    }
    for p in [2.0, 3.0, 3.5] {
        t.add("Norm", [tensor!([0.0, 1.5, -2.0]; DType::F64)], move |[x]| x.norm(p, 0));
    }
    // One factor is zero, two are.
    for zeros in [tensor!([1.5, 0.0, -2.0]; DType::F64), tensor!([0.0, 1.5, 0.0, 2.0]; DType::F64)] {
        t.add("Prod", [zeros.clone()], |[x]| x.prod(0));
        t.add("Cumprod", [zeros], |[x]| x.cumprod(0));
    }
    let complexes: &[(&str, Unary)] = &[
        ("Sum", |z| z.sum(0)),
        ("Mean", |z| z.mean(..)),
        ("Prod", |z| z.prod(1)),
        ("Cumsum", |z| z.cumsum(1)),
        ("Cumprod", |z| z.cumprod(0)),
    ];
    for (op, f) in complexes.iter().copied() {
        t.add(op, [complex(&[2, 3])], move |[z]| f(z));
    }
    for reverse in [false, true] {
        t.add("Recurrence", [real(&[2, 4]), other(&[2, 4])], move |[a, b]| a.recurrence(b, 1, reverse));
        t.add("Recurrence", [complex(&[3]), complex(&[3])], move |[a, b]| a.recurrence(b, 0, reverse));
    }
    t.backward("SoftmaxBackward", [real(&[3, 4])], |[x]| x.softmax(0));
    t.backward("SoftmaxBackward", [strided(real)], |[x]| x.softmax(1));
    t.backward("LogSoftmaxBackward", [real(&[3, 4])], |[x]| x.log_softmax(1));
    t.backward("LogSoftmaxBackward", [strided(real)], |[x]| x.log_softmax(0));
}

fn products(t: &mut Table) {
    for (a, b) in [(&[3][..], &[3][..]), (&[2, 3], &[3, 2]), (&[2, 1, 2, 3], &[2, 3, 1]), (&[2, 0], &[0, 2])] {
        t.add("Matmul", [real(a), other(b)], |[a, b]| a.matmul(b));
        t.add("Matmul", [complex(a), complex(b)], |[a, b]| a.matmul(b));
    }
    t.add("Matmul", [strided(real), other(&[3, 2]).t().unwrap()], |[a, b]| a.t()?.matmul(&b.t()?));
    t.add("Linear", [real(&[2, 2, 3]), other(&[4, 3]), real(&[4])], |[x, w, b]| x.linear(w, Some(b)));
    t.add("Linear", [strided(real), other(&[2, 2]).t().unwrap()], |[x, w]| x.linear(w, None));
    t.add("Linear", [complex(&[3]), complex(&[2, 3]), complex(&[2])], |[x, w, b]| x.linear(w, Some(b)));

    let o = ConvOptions::new;
    let transposed = ConvTransposeOptions::new;
    t.add("Conv", [real(&[1, 2, 5]), other(&[2, 2, 3]), real(&[2])], move |[x, w, b]| {
        x.conv1d(w, Some(b), o().stride(2).padding(1))
    });
    t.add("Conv", [real(&[2, 4]), other(&[4, 1, 2])], move |[x, w]| x.conv1d(w, None, o().groups(2_usize).dilation(2)));
    t.add("Conv", [real(&[1, 1, 3, 4]), other(&[1, 1, 2, 2])], move |[x, w]| x.conv2d(w, None, o()));
    t.add("Conv", [complex(&[1, 3]), complex(&[1, 1, 2])], move |[x, w]| x.conv1d(w, None, o()));
    t.add("ConvInputGrad", [real(&[1, 2, 3]), other(&[2, 1, 2]), real(&[1])], move |[x, w, b]| {
        x.conv_transpose1d(w, Some(b), transposed().stride(2).output_padding(1))
    });
    t.add("ConvInputGrad", [complex(&[1, 3]), complex(&[1, 1, 2])], move |[x, w]| {
        x.conv_transpose1d(w, None, transposed())
    });
    // As `bf16` has it.
    t.add("ConvInputGrad", [real(&[2, 2, 3]), other(&[2, 2, 2]), real(&[4])], |[x, w, b]| {
        let conv = Conv { stride: 1.into(), padding: 0.into(), end: 0.into(), dilation: 1.into(), groups: 2 };
        dispatch(ConvInputGrad { conv, size: 4.into(), transposed: true }, &[x, w, b])
    });
    t.backward("ConvInputGrad", [real(&[1, 5]), other(&[2, 1, 2])], |[x, w]| {
        x.conv1d(w, None, ConvOptions::new().stride(2))
    });
    t.backward("ConvWeightGrad", [real(&[2, 4]), other(&[2, 1, 2])], |[x, w]| {
        x.conv1d(w, None, ConvOptions::new().groups(2_usize))
    });
    t.add("Rfft", [real(&[2, 5])], |[x]| x.rfft(None, -1));
    t.add("Rfft", [strided(real)], |[x]| x.rfft(Some(4), 0));
    t.add("Irfft", [complex(&[2, 3])], |[z]| z.irfft(Some(5), -1));
    t.add("Irfft", [strided(complex)], |[z]| z.irfft(None, 0));
    t.add("Fft", [complex(&[2, 3])], |[z]| fft::fft(z, Some(4), -1, Norm::Ortho));
    t.add("Fft", [strided(complex)], |[z]| fft::ifftn(z, None, None, Norm::Backward));
    t.add("Fft", [real(&[3, 4])], |[x]| fft::hfftn(&fft::fft2(x, None, None, Norm::Forward)?, None, None, Norm::Ortho));
}

/// All elements different, far enough apart that no difference quotient changes which is larger.
fn distinct(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::from_vec((0..n).map(|i| (i * 7919 % n) as f64 * 0.1).collect(), shape).unwrap()
}

fn pools_and_norms(t: &mut Table) {
    let two = [distinct(&[1, 2, 4, 5])];
    t.add("MaxPool", two.clone(), |[x]| x.max_pool2d(2));
    t.add("MaxPool", [distinct(&[2, 7])], |[x]| x.max_pool1d(MaxPoolOptions::new(3).stride(2).padding(1)));
    t.add("AvgPool", two.clone(), |[x]| x.avg_pool2d(AvgPoolOptions::new(3).stride(2).padding(1)));
    t.add("AvgPool", [strided(real).unsqueeze(0).unwrap()], |[x]| x.avg_pool1d(2));
    t.backward("MaxPoolBackward", two.clone(), |[x]| x.max_pool2d(MaxPoolOptions::new(3).stride(1)));
    t.backward("AvgPoolBackward", two, |[x]| x.avg_pool2d(AvgPoolOptions::new(2).ceil_mode(true)));

    let weight = |n| seeded(5, &[n], 0.3, 1.5);
    let affine = |x: Tensor, n| [x, weight(n), other(&[n])];
    t.add("LayerNorm", affine(real(&[3, 4]), 4), |[x, w, b]| x.layer_norm([4], Some(w), Some(b), 1e-2));
    t.add("LayerNorm", [strided(real)], |[x]| x.layer_norm([2], None, None, 1e-1));
    t.backward("LayerNormBackward", affine(real(&[2, 3]), 3), |[x, w, b]| x.layer_norm([3], Some(w), Some(b), 1e-1));
    t.add("RmsNorm", [real(&[3, 4]), weight(4)], |[x, w]| x.rms_norm([4], Some(w), Some(1e-2)));
    t.add("RmsNorm", [strided(real)], |[x]| x.rms_norm([2], None, Some(1e-1)));
    t.backward("RmsNormBackward", [real(&[2, 3]), weight(3)], |[x, w]| x.rms_norm([3], Some(w), Some(1e-1)));
    t.add("GroupNorm", affine(real(&[2, 4, 2]), 4), |[x, w, b]| x.group_norm(2, Some(w), Some(b), 1e-2));
    t.backward("GroupNormBackward", affine(real(&[1, 4, 2]), 4), |[x, w, b]| x.group_norm(2, Some(w), Some(b), 1e-1));
    t.add("BatchNorm", affine(real(&[4, 2, 2]), 2), |[x, w, b]| {
        x.batch_norm(BatchNormOptions::new().weight(w).bias(b).training(true).eps(1e-2))
    });
    t.add("BatchNorm", affine(strided(real), 2), |[x, w, b]| {
        let (mean, var) = (tensor!([0.1, -0.2]; DType::F64), tensor!([0.5, 1.5]; DType::F64));
        x.batch_norm(BatchNormOptions::new().running_mean(&mean).running_var(&var).weight(w).bias(b).eps(1e-2))
    });
    t.backward("BatchNormBackward", affine(real(&[4, 2]), 2), |[x, w, b]| {
        x.batch_norm(BatchNormOptions::new().weight(w).bias(b).training(true).eps(1e-1))
    });
}

fn elements(t: &mut Table) {
    for x in [real(&[3, 4]), complex(&[3, 4]), other(&[4, 3]).t().unwrap()] {
        let values = |shape: &[usize]| if x.dtype().is_complex() { complex(shape) } else { other(shape) };
        t.add("Index", [x.clone()], |[x]| x.index(&[Some(&tensor!([0, 2, 0])), Some(&tensor!([1, -1, 1]))]));
        t.add("Index", [x.clone()], |[x]| x.index_select(1, &tensor!([3, 3, 0])));
        for accumulate in [true, false] {
            t.add("IndexPut", [x.clone(), values(&[2, 4])], move |[x, v]| {
                x.index_put(&[Some(&tensor!([2, 0]))], v, accumulate)
            });
        }
        t.add("IndexPut", [x.clone(), values(&[2, 4])], |[x, v]| x.index_put(&[Some(&tensor!([1, 1]))], v, true));
        t.add("Gather", [x.clone()], |[x]| x.gather(1, &tensor!([[0, 3], [1, 1]])));
        t.add("Scatter", [x.clone(), values(&[1, 4])], |[x, v]| x.scatter(0, &tensor!([[0, 2, 2, 1]]), v));
        t.add("Scatter", [x.clone(), values(&[2, 4])], |[x, v]| {
            x.scatter_add(0, &tensor!([[0, 2, 2, 0], [1, 0, 2, 0]]), v)
        });
        t.add("Cat", [x.clone(), values(&[3, 2])], |[x, y]| cat(&[x, y, x], 1));
        t.add("Cat", [x.clone(), values(&[0, 4])], |[x, y]| cat(&[y, x], 0));
        t.add("Flip", [x.clone()], |[x]| x.flip([0, 1]));
        t.add("Pad", [x.clone()], |[x]| x.pad(&[1, 2, -1, 1], 0.5));
        t.add("Embedding", [x.clone()], |[w]| w.embedding(&tensor!([[0, 2], [2, 1]]), None));
    }
    let base =
        [real(&[3, 4]), tensor!([[1.5, 0.0, 0.0, 0.7], [-1.0, 2.0, 1.2, -0.4], [0.5, 0.3, 0.9, 0.0]]; DType::F64)];
    for reduce in [Reduce::Sum, Reduce::Mean, Reduce::Prod, Reduce::Amax, Reduce::Amin] {
        for own in [true, false] {
            let f =
                move |[x, v]: &[Tensor; 2]| x.scatter_reduce(0, &tensor!([[0, 2, 2, 0], [1, 0, 2, 0]]), v, reduce, own);
            t.add("Scatter", [real(&[3, 4]), other(&[2, 4])], f);
            if reduce == Reduce::Prod {
                // Zeros among the factors, in the base and in the source.
                let v = tensor!([[0.0, 0.6, -0.7, 0.0], [1.1, 0.0, 0.4, 1.3]]; DType::F64);
                base.iter().for_each(|x| t.add("Scatter", [x.clone(), v.clone()], f));
            }
        }
    }
}

/// An op of somebody's own, which has its decomposition for a derivative. More of them in `custom_ops.rs`.
fn custom(t: &mut Table) {
    #[derive(Debug)]
    struct Norm;
    impl CustomOp for Norm {
        fn name(&self) -> &'static str {
            "test::norm"
        }
        fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
            Meta::like(inputs[0]).one()
        }
        fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
            let y = inputs[0].square().and_then(|squares| inputs[0].div(squares.add(1.0)?.sqrt()?));
            Some(y.map(|y| Outputs::from_iter([y])))
        }
    }
    t.add("Custom", [real(&[2, 3])], |[x]| Norm.call(&[x]));
    t.add("Custom", [real(&[3, 2]).t().unwrap()], |[x]| Norm.call(&[x]));
}

fn views(t: &mut Table) {
    for x in [real(&[2, 3, 4]), complex(&[2, 3, 4]), other(&[4, 3, 2]).transpose(0, 2).unwrap()] {
        let values = if x.dtype().is_complex() { complex(&[2, 4]) } else { other(&[2, 4]) };
        t.add("Permute", [x.clone()], |[x]| x.permute([2, 0, 1]));
        t.add("Expand", [x.clone()], |[x]| x.narrow(1, 0, 1)?.expand([2, 2, 3, 4]));
        t.add("Reshape", [x.clone()], |[x]| x.contiguous()?.reshape([4, -1]));
        t.add("Slice", [x.clone()], |[x]| x.slice(2, 1, 4, 2));
        t.add("Slice", [x.clone()], |[x]| x.select(1, -1));
        t.add("Diagonal", [x.clone()], |[x]| x.diagonal(1, 1, 2));
        t.add("Unfold", [x.clone()], |[x]| x.unfold(2, 3, 1));
        // Elements are read twice.
        t.add("AsStrided", [x.clone()], |[x]| x.as_strided([3, 3], [2, 3], 1));
        t.add("AsStridedScatter", [x.clone(), values], |[x, v]| x.as_strided_scatter(v, x.select(1, 1)?.layout()));
    }
    t.backward("AsStridedBackward", [real(&[2, 4])], |[x]| x.unfold(1, 3, 1)?.square());
    t.backward("AsStridedBackward", [real(&[3, 2]).t().unwrap()], |[x]| x.as_strided([2, 2], [1, 2], 1)?.square());
    t.add("ViewAsReal", [complex(&[3])], |[z]| z.view_as_real());
    t.add("ViewAsReal", [strided(complex)], |[z]| z.view_as_real());
    t.add("ViewAsComplex", [real(&[3, 2])], |[x]| x.view_as_complex());
    // What is written in place.
    t.add("Slice", [real(&[2, 3]), other(&[3])], |[x, v]| {
        let y = x.mul(2.0)?;
        y.select(0, 1)?.mul_(v)?;
        y.select(1, 0)?.zero_()?;
        y.square()
    });
}

fn table() -> Table {
    let mut table = Table::default();
    [
        unary,
        binary,
        reductions,
        products,
        pools_and_norms,
        elements,
        views,
        custom,
        functions::cases,
        linear_algebra::cases,
    ]
    .iter()
    .for_each(|part| part(&mut table));
    table
}

/// The ops in the graph of `f`.
fn ops_of(inputs: &[Tensor], f: &F) -> Result<BTreeSet<&'static str>> {
    let leaves = inputs.iter().map(|t| t.detach().requires_grad_()).collect::<Result<Vec<_>>>()?;
    Ok(recorded_ops(&f(&leaves)?))
}

fn backward(name: &str, f: &F, inputs: &[Tensor]) {
    check(name, f, inputs);
}

fn forward(name: &str, f: &F, inputs: &[Tensor]) {
    check_forward(name, f, inputs);
}

/// With the op's result written into a view, and the base used.
fn in_place(name: &str, f: &F, inputs: &[Tensor]) {
    let written = |x: &[Tensor]| {
        let y = f(x)?;
        let base = Tensor::ones([3]).dtype(y.dtype()).build()?.mul(&y.unsqueeze(-1)?)?;
        base.select(-1, 1)?.copy_(&y)?;
        base.mul(&base)
    };
    check_forward(&format!("{name}, written"), written, inputs);
}

#[test]
fn every_differentiable_op_has_right_derivatives() {
    let (mut checked, mut faults) = (BTreeSet::new(), Vec::new());
    for (i, (op, inputs, f)) in table().0.iter().enumerate() {
        let shapes: Vec<String> = inputs.iter().map(|x| format!("{:?} {}", x.shape(), x.dtype())).collect();
        let name = format!("{op} of {} (case {i})", shapes.join(", "));
        match ops_of(inputs, f) {
            Ok(ops) if ops.contains(op) => drop(checked.insert(*op)),
            Ok(ops) => faults.push(format!("{name}: the op is not in its graph, {ops:?}")),
            Err(e) => faults.push(format!("{name}: {e}")),
        }
        for check in [backward, forward, in_place] {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&name, f, inputs))) {
                faults.push(panic.downcast_ref::<String>().cloned().unwrap_or(name.clone()));
            }
        }
    }
    assert_eq!(RULES.len(), Op::NAMES.len());
    for (op, kind) in RULES {
        if *kind == RuleKind::Rule && !checked.contains(op) {
            faults.push(format!("{op} has a rule and no case"));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Ops without inputs have no rule: what they fill has no history.
#[test]
fn a_fill_needs_no_rule() -> Result<()> {
    let x = real(&[2, 3]).requires_grad_()?;
    let fills: [Op; 2] = [
        Full { value: 3.0.into(), shape: [3].as_slice().into(), dtype: DType::F64, device: x.device() }.into(),
        Arange { start: 0.into(), step: 1.into(), len: 3, dtype: DType::F64, device: x.device() }.into(),
    ];
    for fill in fills {
        let y = x.mul(5.0)?;
        flambeau_tensor::dispatch_into("fill", fill, &[], &y.select(0, 1)?)?;
        y.sum(..)?.backward()?;
        assert_eq!(x.grad().unwrap().to_vec::<f64>()?, [5.0, 5.0, 5.0, 0.0, 0.0, 0.0]);
        x.clear_grad();
    }
    Ok(())
}
