//! Every op there is, made by hand with whatever attributes, and inputs that go with it often, but not always.

use super::Gen;
use super::operands::*;
use flambeau_tensor::custom::{CpuInput, CpuKernel, CpuOutput, Custom, CustomOp};
use flambeau_tensor::op::{Meta, Metas, Outputs};
use flambeau_tensor::ops::Pick;
use flambeau_tensor::*;

/// An op of somebody's own: x + x, of `f32` alone by its kernel.
#[derive(Debug)]
struct Own {
    kernel: bool,
}

impl CustomOp for Own {
    fn name(&self) -> &'static str {
        "custom"
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        ensure!(!inputs.is_empty(), Argument, self.name(), "no input");
        Meta::like(inputs[0]).one()
    }
    fn cpu(&self) -> Option<&dyn CpuKernel> {
        self.kernel.then_some(self)
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        Some(inputs[0].add(inputs[0]).map(|y| Outputs::from_iter([y])))
    }
}

impl CpuKernel for Own {
    fn run(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        let x = inputs[0].rows::<f32>()?;
        outputs[0].rows::<f32>()?.iter_mut().zip(&x[..]).for_each(|(y, x)| *y = x + x);
        Ok(())
    }
}

type Made = (Op, Vec<Tensor>);
type Maker = fn(&mut Gen) -> Made;

macro_rules! unary {
    ($($Op:ident),*) => { &[$(|g| { let x = g.tensor(); ($Op.into(), vec![x]) }),*] };
}
macro_rules! binary {
    ($g:ident; $($Op:expr),*) => {
        &[$(|$g| {
            let (op, x, n) = ($Op, $g.tensor(), $g.pick(&[1, 2, 2, 2, 3]));
            (op.into(), like($g, x, n))
        }),*]
    };
}
macro_rules! backward {
    ($($Op:expr),*) => { &[$(|g| { let x = float(g); ($Op.into(), like(g, x, 2)) }),*] };
}
macro_rules! over {
    ($($Op:ident),*) => { &[$(|g| { let x = g.tensor(); ($Op { dims: dims(g) }.into(), vec![x]) }),*] };
}
macro_rules! along {
    ($($Op:ident { $($name:ident: $value:expr),* } of $n:literal),*) => {
        &[$(|g| { let x = g.tensor(); ($Op { dim: dim(g), $($name: $value),* }.into(), like(g, x, $n)) }),*]
    };
}

const UNARY: &[Maker] = unary!(
    Neg,
    Abs,
    Sign,
    Exp,
    Exp2,
    Expm1,
    Log,
    Log2,
    Log10,
    Log1p,
    Sqrt,
    Rsqrt,
    Square,
    Reciprocal,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Sigmoid,
    Relu,
    Erf,
    Erfc,
    Erfinv,
    Floor,
    Ceil,
    Round,
    Trunc,
    IsNan,
    IsInf,
    IsFinite,
    LogicalNot,
    Conj,
    Silu,
    Mish,
    Hardswish,
    Hardsigmoid,
    LogSigmoid,
    Rfft,
    ViewAsReal,
    ViewAsComplex
);

const BINARY: &[Maker] = binary!(
    g;
    Add { scalar: scalar(g) },
    Sub { scalar: scalar(g) },
    Mul { scalar: scalar(g) },
    Div { scalar: scalar(g) },
    DivFloor { scalar: scalar(g) },
    DivTrunc { scalar: scalar(g) },
    Remainder { scalar: scalar(g) },
    Fmod { scalar: scalar(g) },
    Pow { scalar: scalar(g) },
    Atan2 { scalar: scalar(g) },
    Maximum { scalar: scalar(g) },
    Minimum { scalar: scalar(g) },
    Eq { scalar: scalar(g) },
    Ne { scalar: scalar(g) },
    Lt { scalar: scalar(g) },
    Le { scalar: scalar(g) },
    Gt { scalar: scalar(g) },
    Ge { scalar: scalar(g) },
    LogicalAnd { scalar: scalar(g) },
    LogicalOr { scalar: scalar(g) },
    LogicalXor { scalar: scalar(g) },
    BitwiseAnd { scalar: scalar(g) },
    BitwiseOr { scalar: scalar(g) },
    BitwiseXor { scalar: scalar(g) },
    Gcd { scalar: scalar(g) },
    NextAfter { scalar: scalar(g) },
    SpecialPair { function: g.pick(&PAIRS) }
);

const PAIRS: [SpecialPairFunction; 10] = [
    SpecialPairFunction::Hypot,
    SpecialPairFunction::LogAddExp,
    SpecialPairFunction::LogAddExp2,
    SpecialPairFunction::Copysign,
    SpecialPairFunction::Igamma,
    SpecialPairFunction::Igammac,
    SpecialPairFunction::Zeta,
    SpecialPairFunction::ChebyshevU,
    SpecialPairFunction::Laguerre,
    SpecialPairFunction::HermiteH,
];

const SPECIAL: [SpecialFunction; 7] = [
    SpecialFunction::Lgamma,
    SpecialFunction::Polygamma(3),
    SpecialFunction::Polygamma(u32::MAX),
    SpecialFunction::Ndtri,
    SpecialFunction::ModifiedBesselK0,
    SpecialFunction::AiryAi,
    SpecialFunction::Exponent,
];

const BACKWARD: &[Maker] = backward!(
    SiluBackward(Silu),
    MishBackward(Mish),
    GeluBackward(Gelu { tanh: true }),
    SoftplusBackward(Softplus { beta: 1.0, threshold: 20.0 }),
    EluBackward(Elu { alpha: 1.0, scale: 1.0, input_scale: 1.0 }),
    LeakyReluBackward(LeakyRelu { slope: 0.1 }),
    HardtanhBackward(Hardtanh { min: -1.0, max: 1.0 }),
    HardswishBackward(Hardswish),
    HardsigmoidBackward(Hardsigmoid),
    LogSigmoidBackward(LogSigmoid),
    ReluBackward,
    TanhBackward,
    SigmoidBackward
);

const OVER: &[Maker] = over!(Mean, Amax, Amin, Any, All, CountNonzero, LogSumExp, Flip);

const ALONG: &[Maker] = along!(
    Argmax {} of 1, Argmin {} of 1, MaxDim {} of 1, MinDim {} of 1, Cumsum { reverse: true } of 1, Cumprod { reverse: false } of 1,
    Logcumsumexp {} of 1, Cummax {} of 1, Cummin {} of 1, Recurrence { reverse: true } of 2, Softmax {} of 1, LogSoftmax {} of 1,
    SoftmaxBackward {} of 2, LogSoftmaxBackward {} of 2
);

const OTHERS: &[Maker] = &[
    // factories
    |g| {
        (
            Full { value: 1.into(), shape: g.list(3, Gen::u).into(), dtype: g.dtype(), device: Device::Cpu }.into(),
            vec![],
        )
    },
    |g| {
        (Arange { start: 1.into(), step: 2.5.into(), len: g.u(), dtype: g.dtype(), device: Device::Cpu }.into(), vec![])
    },
    |g| {
        (
            Linspace { start: 0.into(), end: 1.5.into(), len: g.u(), dtype: g.dtype(), device: Device::Cpu }.into(),
            vec![],
        )
    },
    |g| {
        let distribution = g.pick(&[Distribution::Permutation, Distribution::Normal { mean: 0.0, std: 1.0 }]);
        let (shape, dtype) = (shape(g), g.dtype());
        (Random { distribution, generator: None, shape, dtype, device: Device::Cpu, strided: false }.into(), vec![])
    },
    |g| {
        let x = g.tensor();
        (Multinomial { samples: g.u(), replacement: g.one_in(2), generator: None }.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        (Dropout { p: g.pick(&[0.0, 0.5, 1.0, -1.0, f64::NAN]), generator: None }.into(), vec![x])
    },
    // element by element
    |g| {
        let x = g.tensor();
        (Cast { dtype: g.dtype(), rows: g.one_in(2) }.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        let value = g.pick(&[None, None, Some(2.into())]);
        let mut all = vec![g.other(&x).ne(0).unwrap(), x.clone(), x];
        all.truncate(if value.is_some() { 2 } else { 3 });
        (Where { input: None, other: value }.into(), count(g, all))
    },
    |g| {
        let x = g.tensor();
        (
            Transfer { from: Device::Cpu, to: g.pick(&[Device::Cpu, Device::Meta]), non_blocking: g.one_in(2) }.into(),
            vec![x],
        )
    },
    |g| {
        let x = g.tensor();
        (Special { function: g.pick(&SPECIAL) }.into(), vec![x])
    },
    |g| {
        let x = float(g);
        (Custom::new(Own { kernel: g.one_in(2) }).into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        (Detach.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        (Clamp { min: Some(1.into()), max: None }.into(), vec![x])
    },
    |g| (Gelu { tanh: g.one_in(2) }.into(), vec![float(g)]),
    |g| (Softplus { beta: 1.0, threshold: 20.0 }.into(), vec![float(g)]),
    |g| (Elu { alpha: 1.0, scale: 1.0, input_scale: 1.0 }.into(), vec![float(g)]),
    |g| (LeakyRelu { slope: 0.1 }.into(), vec![float(g)]),
    |g| (Hardtanh { min: -1.0, max: 1.0 }.into(), vec![float(g)]),
    // reductions
    |g| {
        let x = g.tensor();
        (Sum { dims: dims(g), dtype: g.dtype() }.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        (Prod { dim: dim(g), dtype: g.dtype() }.into(), vec![x])
    },
    |g| (VarMean { dims: dims(g), correction: 1.0, root: g.one_in(2) }.into(), vec![float(g)]),
    |g| (Norm { dims: dims(g), ord: g.pick(&[0.0, 2.0, f64::INFINITY]) }.into(), vec![float(g)]),
    // order
    |g| {
        let x = g.tensor();
        (Sort { descending: true, stable: g.pick(&[true, false]) }.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        (Topk { k: g.u(), largest: true }.into(), vec![x])
    },
    |g| {
        let place = Pick::Place(g.u());
        let x = g.tensor();
        let pick = g.pick(&[place, Pick::Median, Pick::NanMedian, Pick::Mode]);
        (Kthvalue { pick, shared: g.pick(&[true, false]) }.into(), vec![x])
    },
    // linear algebra
    |g| (LuFactor { pivot: g.one_in(2), check: g.one_in(2) }.into(), vec![float(g)]),
    |g| {
        let (op, x) = (Solve { op: "solve", check: g.one_in(2) }, square(g));
        (op.into(), like(g, x, 2))
    },
    |g| {
        let (op, x) =
            (SolveTriangular { upper: g.one_in(2), unitriangular: g.one_in(2), whole: g.one_in(2) }, square(g));
        (op.into(), like(g, x, 2))
    },
    |g| (Det.into(), vec![square(g)]),
    |g| (Slogdet.into(), vec![square(g)]),
    |g| (Cholesky { upper: g.one_in(2), check: g.one_in(2) }.into(), vec![square(g)]),
    |g| (Geqrf.into(), vec![float(g)]),
    |g| {
        let x = float(g);
        let tau = g.tensor_of(&x.shape()[..x.rank().saturating_sub(1)], x.dtype());
        (HouseholderProduct.into(), vec![x, tau])
    },
    |g| (Qr { complete: g.one_in(2) }.into(), vec![float(g)]),
    |g| (Eigh { upper: g.one_in(2) }.into(), vec![square(g)]),
    |g| (Eig.into(), vec![square(g)]),
    |g| (Svd { full_matrices: g.one_in(2) }.into(), vec![float(g)]),
    |g| (Pinv { atol: g.pick(&[0.0, 1e9, f64::NAN]), rtol: 1e-9 }.into(), vec![float(g)]),
    |g| (MatrixExp.into(), vec![square(g)]),
    |g| (LdlFactor { hermitian: g.one_in(2), check: g.one_in(2) }.into(), vec![square(g)]),
    |g| {
        let ld = square(g);
        let pivots = g.index(&ld.shape()[..ld.rank().saturating_sub(1)]).to_dtype(DType::I32).unwrap();
        let b = if g.one_in(2) { g.other(&ld) } else { ld.clone() };
        (LdlSolve { hermitian: g.one_in(2) }.into(), vec![ld, pivots.sub(1).unwrap(), b])
    },
    // products
    |g| {
        let x = g.tensor();
        (Matmul.into(), like(g, x, 2))
    },
    |g| {
        let (x, n) = (g.tensor(), 2 + g.next() as usize % 2);
        (Linear.into(), like(g, x, n))
    },
    // windows
    |g| (MaxPool { windows: windows(g) }.into(), vec![float(g)]),
    |g| {
        let grad = float(g);
        let places = g.index(grad.shape());
        (MaxPoolBackward { size: g.spatial() }.into(), vec![grad, places])
    },
    |g| {
        let divisor_override = if g.one_in(3) { Some(g.i()) } else { None };
        (AvgPool { windows: windows(g), count_include_pad: g.one_in(2), divisor_override }.into(), vec![float(g)])
    },
    |g| {
        let pool = AvgPool { windows: windows(g), count_include_pad: g.one_in(2), divisor_override: None };
        (AvgPoolBackward { pool, size: g.spatial() }.into(), vec![float(g)])
    },
    |g| {
        let (op, n, all) = (conv(g), 2 + g.next() as usize % 2, signals(g));
        (op.into(), all[..n].to_vec())
    },
    |g| {
        let (n, all) = (2 + g.next() as usize % 2, signals(g));
        let op = ConvInputGrad { conv: conv(g), size: g.spatial(), transposed: g.pick(&[true, false]) };
        (op.into(), all[..n].to_vec())
    },
    |g| {
        let [x, y, _] = signals(g);
        (ConvWeightGrad { conv: conv(g), kernel: g.spatial() }.into(), vec![x, y])
    },
    // norms
    |g| {
        let (dims, weight, bias) = (dim(g), g.one_in(2), g.one_in(2));
        let (over, _, x) = normed(g, dims);
        let n = 1 + weight as usize + bias as usize;
        (LayerNorm { dims, eps: 1e-5, weight, bias }.into(), count(g, [x, over.clone(), over][..n].to_vec()))
    },
    |g| {
        let (dims, weight) = (dim(g), g.one_in(2));
        let (over, lead, x) = normed(g, dims);
        let of = LayerNorm { dims, eps: 1e-5, weight, bias: false };
        let n = 4 + weight as usize;
        let all = [x.clone(), x, lead.clone(), lead, over];
        (LayerNormBackward { of, needs: [g.one_in(2), g.one_in(2), g.one_in(2)] }.into(), count(g, all[..n].to_vec()))
    },
    |g| {
        let (dims, weight) = (dim(g), g.one_in(2));
        let (over, _, x) = normed(g, dims);
        (RmsNorm { dims, eps: 1e-5, weight }.into(), count(g, [x, over][..1 + weight as usize].to_vec()))
    },
    |g| {
        let (dims, weight) = (dim(g), g.one_in(2));
        let (over, lead, x) = normed(g, dims);
        let of = RmsNorm { dims, eps: 1e-5, weight };
        let all = [x.clone(), x, lead, over];
        (
            RmsNormBackward { of, needs: [g.one_in(2), g.one_in(2)] }.into(),
            count(g, all[..3 + weight as usize].to_vec()),
        )
    },
    |g| {
        let (training, weight) = (g.one_in(2), g.one_in(2));
        let (p, x) = by_channel(g);
        let n = if training { 1 } else { 3 } + weight as usize;
        let all = [x, p.clone(), p.clone(), p];
        (BatchNorm { training, eps: 1e-5, weight, bias: false }.into(), count(g, all[..n].to_vec()))
    },
    |g| {
        let (training, weight) = (g.one_in(2), g.one_in(2));
        let (p, x) = by_channel(g);
        let of = BatchNorm { training, eps: 1e-5, weight, bias: false };
        let all = [x.clone(), x, p.clone(), p.clone(), p];
        let all = count(g, all[..4 + weight as usize].to_vec());
        (BatchNormBackward { of, needs: [g.one_in(2), g.one_in(2), g.one_in(2)] }.into(), all)
    },
    |g| {
        let (groups, weight) = (g.u(), g.one_in(2));
        let (p, x) = by_channel(g);
        let all = count(g, [x, p][..1 + weight as usize].to_vec());
        (GroupNorm { groups, eps: 1e-5, weight, bias: false }.into(), all)
    },
    |g| {
        let (groups, weight) = (g.pick(&[0, 1, 1, 2, usize::MAX]), g.one_in(2));
        let (p, x) = by_channel(g);
        let of = GroupNorm { groups, eps: 1e-5, weight, bias: false };
        let stats = g.tensor_of(&[x.shape().first().copied().unwrap_or(1), groups.min(9)], DType::F32);
        let all = [x.clone(), x, stats.clone(), stats, p];
        let all = count(g, all[..4 + weight as usize].to_vec());
        (GroupNormBackward { of, needs: [g.one_in(2), g.one_in(2), g.one_in(2)] }.into(), all)
    },
    // losses
    |g| {
        let (op, inputs) = ctc(g);
        (op.into(), inputs)
    },
    |g| {
        let (op, mut inputs) = ctc(g);
        let grad = g.tensor_of(&inputs[0].shape()[1..2], inputs[0].dtype());
        inputs.insert(0, grad);
        (CtcLossBackward { of: Box::new(op) }.into(), count(g, inputs))
    },
    // samples of a grid
    |g| {
        let (op, inputs) = samples(g);
        (op.into(), count(g, inputs))
    },
    |g| {
        let (of, mut inputs) = samples(g);
        let (x, grid) = (inputs[0].shape(), inputs[1].shape());
        let shape: Vec<usize> = x[..2].iter().chain(&grid[1..grid.len() - 1]).copied().collect();
        inputs.insert(0, g.tensor_of(&shape, inputs[0].dtype()));
        (GridSampleBackward { of, grads: [g.one_in(2), g.one_in(2)] }.into(), count(g, inputs))
    },
    // another size
    |g| {
        let (op, inputs) = resampled(g);
        (op.into(), count(g, inputs))
    },
    |g| {
        let (of, mut inputs) = resampled(g);
        let size = inputs[0].shape()[2..].into();
        let shape: Vec<usize> = inputs[0].shape()[..2].iter().chain(&of.size).copied().collect();
        inputs[0] = g.tensor_of(&shape, inputs[0].dtype());
        (InterpolateBackward { of, size }.into(), count(g, inputs))
    },
    // attention and recurrent layers
    |g| {
        let (op, inputs) = attention(g);
        (op.into(), count(g, inputs))
    },
    |g| {
        let (of, mut inputs) = attention(g);
        let mut lead = inputs[0].shape().to_vec();
        let out = inputs[0].clone();
        lead.pop();
        let lse = g.tensor_of(&lead, DType::F32);
        inputs.insert(0, out.clone());
        inputs.insert(4, out);
        inputs.insert(5, lse);
        (ScaledDotProductAttentionBackward { of }.into(), count(g, inputs))
    },
    |g| {
        let (op, inputs) = recurrent(g);
        (op.into(), count(g, inputs))
    },
    |g| {
        let (of, inputs) = recurrent(g);
        let (x, h) = (inputs[0].clone(), inputs[1].clone());
        let y = g.tensor_of(&[x.shape()[0], h.shape()[1]], DType::F32);
        let c = g.tensor_of(&[x.shape()[0], h.shape()[1]], DType::F32);
        let mut all = vec![y.clone(), y];
        match of.mode {
            RnnMode::Lstm => all.extend([x, c]),
            RnnMode::Gru => all.push(g.tensor_of(&[x.shape()[0], 4 * h.shape()[1]], DType::F32)),
            _ => {}
        }
        all.extend(inputs.into_iter().skip(1).filter(|t| t.rank() != 1));
        let grads = if g.one_in(6) { [g.one_in(2), g.one_in(2), g.one_in(2)] } else { [true, false, false] };
        (RnnLayerBackward { of, grads }.into(), count(g, all))
    },
    // elements by number, joining, padding
    |g| {
        let x = g.tensor();
        let i = index(g);
        (Embedding { padding: None }.into(), vec![x, i])
    },
    |g| {
        let x = g.tensor().ne(0).unwrap();
        (Nonzero { count: g.u() }.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        (Nonzero { count: g.u() }.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        let i = g.index(x.shape());
        (Gather { dim: dim(g) }.into(), vec![x, i])
    },
    |g| {
        let x = g.tensor();
        let i = index(g);
        (Gather { dim: dim(g) }.into(), vec![x, i])
    },
    |g| {
        let x = g.tensor();
        let i = if g.one_in(3) { index(g) } else { g.index(x.shape()) };
        let reduce = g.pick(&[None, Some(Reduce::Sum), Some(Reduce::Mean), Some(Reduce::Amax)]);
        let source = if g.one_in(2) { g.other(&x) } else { g.tensor_of(i.shape(), x.dtype()) };
        (Scatter { dim: dim(g), reduce, include_self: g.one_in(2) }.into(), vec![x, i, source])
    },
    |g| {
        let x = g.tensor();
        let all = like(g, x, 1 + (g.0 % 3) as usize);
        let sizes =
            all.iter().map(|t| if g.one_in(4) { g.u() } else { t.shape().first().copied().unwrap_or(0) }).collect();
        (Cat { dim: g.pick(&[0, 0, 0, 1, 2, usize::MAX]), sizes }.into(), all)
    },
    |g| {
        let (dims, all) = indexed(g);
        (Index { op: "index", dims, wrap: g.one_in(2) }.into(), all)
    },
    |g| {
        let (dims, mut all) = indexed(g);
        let values = if g.one_in(2) { g.other(&all[0]) } else { all[0].clone() };
        all.insert(1, values);
        (IndexPut { op: "index_put", dims, wrap: g.one_in(2), accumulate: g.one_in(2) }.into(), all)
    },
    |g| {
        let x = g.tensor();
        let pads = (0..if g.one_in(4) { g.next() as usize % 4 } else { x.rank() }).map(|_| (g.i(), g.i())).collect();
        (Pad { pads, value: 1.into() }.into(), vec![x])
    },
    // steps, transforms
    |g| {
        let momentum = if g.one_in(2) { 0.9 } else { 0.0 };
        let (dampening, weight_decay) = (0.0, 0.0);
        let scalars = StepScalars::default();
        let (nesterov, maximize, first) = (false, false, g.one_in(2));
        let op = SgdStep { lr: 0.1, momentum, dampening, weight_decay, nesterov, maximize, first, scalars };
        let x = float(g);
        let params = 1 + g.next() as usize % 3;
        (op.into(), like(g, x, params * if momentum == 0.0 { 2 } else { 3 }))
    },
    |g| {
        let (amsgrad, eps, weight_decay) = (g.one_in(2), 1e-8, 0.0);
        let (lr, beta1, beta2, step) = (0.1, 0.9, 0.99, Some(g.u() as u64));
        let (decoupled, maximize, scalars) = (true, false, StepScalars::default());
        let op = AdamStep { lr, beta1, beta2, eps, weight_decay, decoupled, amsgrad, maximize, step, scalars };
        let x = float(g);
        let params = 1 + g.next() as usize % 3;
        (op.into(), like(g, x, params * if amsgrad { 5 } else { 4 }))
    },
    |g| {
        let lists = 1 + g.next() as usize % 3;
        let at = |g: &mut Gen| if g.one_in(8) { g.u() as u16 } else { g.next() as u16 % 4 };
        let formula = (0..g.next() % 6)
            .map(|_| match g.next() % 6 {
                0 | 1 => StepInstruction::Load { list: at(g) },
                2 => StepInstruction::Sqrt { x: at(g) },
                3 => StepInstruction::Div { a: at(g), b: at(g) },
                4 => StepInstruction::Addcdiv { x: at(g), a: at(g), b: at(g), number: at(g) },
                _ => StepInstruction::BySign { x: at(g), negative: at(g), zero: at(g), positive: at(g) },
            })
            .collect();
        let stores = (0..g.next() % 3).map(|_| (at(g), at(g))).collect();
        let params = 1 + g.next() as usize % 3;
        let numbers = g.list(4, Gen::u).into_iter().map(|x| x as f64).cycle().take(4 * params).collect();
        let lists = if g.one_in(8) { g.u() } else { lists };
        let op = PointwiseStep { formula, stores, lists, numbers };
        let x = float(g);
        (op.into(), like(g, x, params * lists.min(8).saturating_add(1)))
    },
    |g| {
        let x = float(g).to_dtype(DType::Complex64).unwrap();
        (Irfft { n: g.u() }.into(), vec![x])
    },
    |g| {
        let x = float(g).to_dtype(DType::Complex64).unwrap();
        (Fft { inverse: g.one_in(2) }.into(), vec![x])
    },
    // views
    |g| {
        let x = g.tensor();
        (Permute { order: dims(g) }.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        (Expand { shape: g.list(4, Gen::u).into() }.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        (Reshape { shape: g.list(4, Gen::u).into() }.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        (Slice { dim: dim(g), start: g.u(), len: g.u(), step: g.u() }.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        (Diagonal { offset: g.i(), dim1: dim(g), dim2: dim(g) }.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        (Unfold { dim: dim(g), size: g.u(), step: g.u() }.into(), vec![x])
    },
    |g| {
        let x = g.tensor();
        (AsStrided { layout: Box::new(layout(g, &x)) }.into(), vec![x])
    },
    |g| {
        let (x, y) = (g.tensor(), g.tensor());
        (AsStridedScatter { base: layout(g, &x), view: layout(g, &y) }.into(), vec![x, y])
    },
    |g| {
        let x = g.tensor();
        (AsStridedBackward { base: layout(g, &x), view: layout(g, &x) }.into(), vec![x])
    },
];

/// Op number `nr`, the list from the start again, with attributes and inputs.
pub fn op(g: &mut Gen, nr: usize) -> Made {
    // Ops with attributes are met more often.
    let lists = [UNARY, BINARY, BACKWARD, OVER, ALONG, OTHERS, OVER, ALONG, OTHERS, OTHERS];
    let all = lists.iter().map(|list| list.len()).sum::<usize>();
    let mut nr = nr % all;
    for list in lists {
        if nr < list.len() {
            return list[nr](g);
        }
        nr -= list.len();
    }
    unreachable!("the number is below the sum of the lengths")
}
