use crate::{assert_close, compare, gpu, home, numbers, on_device};
use flambeau_tensor::{
    Approximate, DType, Device, Elu, EluBackward, Gelu, GeluBackward, Hardsigmoid, HardsigmoidBackward, Hardswish,
    HardswishBackward, Hardtanh, HardtanhBackward, LeakyRelu, LeakyReluBackward, LogSigmoid, LogSigmoidBackward, Mish,
    MishBackward, Op, ReluBackward, Result, Scalar, SigmoidBackward, Silu, SiluBackward, Softplus, SoftplusBackward,
    TanhBackward, Tensor, dispatch,
};

const FLOATS: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];
const SHAPE: [usize; 3] = [3, 5, 37];

type Unary = fn(&Tensor) -> Result<Tensor>;
type Binary = fn(&Tensor, &Tensor) -> Result<Tensor>;

#[test]
fn functions_of_one_number() {
    let gpu = gpu();
    let anywhere: &[(&str, Unary)] = &[
        ("neg", |x| x.neg()),
        ("abs", |x| x.abs()),
        ("sign", |x| x.sign()),
        ("square", |x| x.square()),
        ("relu", |x| x.relu()),
        ("exp", |x| x.exp()),
        ("exp2", |x| x.exp2()),
        ("expm1", |x| x.expm1()),
        ("sin", |x| x.sin()),
        ("cos", |x| x.cos()),
        ("atan", |x| x.atan()),
        ("sinh", |x| x.sinh()),
        ("cosh", |x| x.cosh()),
        ("tanh", |x| x.tanh()),
        ("asinh", |x| x.asinh()),
        ("sigmoid", |x| x.sigmoid()),
        ("erf", |x| x.erf()),
        ("erfc", |x| x.erfc()),
        ("floor", |x| x.floor()),
        ("ceil", |x| x.ceil()),
        ("round", |x| x.round()),
        ("trunc", |x| x.trunc()),
        ("isnan", |x| x.isnan()),
        ("isinf", |x| x.isinf()),
        ("isfinite", |x| x.isfinite()),
        ("pow 3", |x| x.pow(3.0)),
        ("gelu", |x| x.gelu()),
        ("gelu, tanh", |x| x.gelu_with(Approximate::Tanh)),
        ("silu", |x| x.silu()),
        ("mish", |x| x.mish()),
        ("softplus", |x| x.softplus(1.0, 20.0)),
        ("softplus, soon a line", |x| x.softplus(2.0, 1.0)),
        ("elu", |x| x.elu(0.7)),
        ("selu", |x| x.selu()),
        ("celu", |x| x.celu(1.5)),
        ("leaky_relu", |x| x.leaky_relu(0.1)),
        ("hardtanh", |x| x.hardtanh(-0.5, 0.7)),
        ("hardswish", |x| x.mul(3.0)?.hardswish()),
        ("hardsigmoid", |x| x.mul(3.0)?.hardsigmoid()),
        ("logsigmoid", |x| x.logsigmoid()),
        ("clamp", |x| x.clamp(-0.3, 0.8)),
    ];
    let positive: &[(&str, Unary)] = &[
        ("log", |x| x.log()),
        ("log2", |x| x.log2()),
        ("log10", |x| x.log10()),
        ("log1p", |x| x.log1p()),
        ("sqrt", |x| x.sqrt()),
        ("rsqrt", |x| x.rsqrt()),
        ("reciprocal", |x| x.reciprocal()),
        ("acosh of 1 + x", |x| x.add(1.0)?.acosh()),
        ("pow 1.5", |x| x.pow(1.5)),
    ];
    let inside: &[(&str, Unary)] = &[
        ("asin", |x| x.asin()),
        ("acos", |x| x.acos()),
        ("atanh", |x| x.atanh()),
        ("erfinv", |x| x.erfinv()),
        ("tan", |x| x.tan()),
    ];
    for dtype in FLOATS {
        let x = numbers(&SHAPE, dtype, 1);
        let above = x.abs().unwrap().add(0.5).unwrap();
        let within = x.mul(0.2).unwrap().clamp(-0.9, 0.9).unwrap();
        for (list, x) in [(anywhere, &x), (positive, &above), (inside, &within)] {
            for (name, f) in list {
                compare(&gpu, &format!("{name} {dtype}"), &[x.clone()], 4.0, |x| f(&x[0]));
            }
        }
    }
    for dtype in [DType::I64, DType::I32, DType::U8, DType::I16, DType::Bool] {
        let x = numbers(&SHAPE, dtype, 2);
        for (name, f) in [
            ("square", (|x| x.square()) as Unary),
            ("exp", |x| x.mul(0.1)?.exp()),
            ("logical_not", |x| x.logical_not()),
        ] {
            compare(&gpu, &format!("{name} {dtype}"), &[x.clone()], 4.0, |x| f(&x[0]));
        }
    }
}

#[test]
fn numbers_that_are_none_pass() {
    let gpu = gpu();
    let x = Tensor::from_vec(vec![f32::NAN, f32::INFINITY, -f32::INFINITY, 0.0, -0.0, 1.0, -1.0, 1e-40], [8]).unwrap();
    for (name, f) in [
        ("relu", (|x| x.relu()) as Unary),
        ("isnan", |x| x.isnan()),
        ("isinf", |x| x.isinf()),
        ("isfinite", |x| x.isfinite()),
        ("sign", |x| x.sign()),
        ("maximum", |x| x.maximum(0.5)),
        ("minimum", |x| x.minimum(0.5)),
        ("exp", |x| x.exp()),
        ("log", |x| x.log()),
        ("tanh", |x| x.tanh()),
        ("eq", |x| x.eq(x)),
        ("ne", |x| x.ne(x)),
    ] {
        compare(&gpu, name, &[x.clone()], 2.0, |x| f(&x[0]));
    }
    // What PyTorch's CPU gives: at NaN the gradient passes.
    let ones = x.ones_like().unwrap();
    let passes = dispatch(ReluBackward, &[&ones, &x.relu().unwrap()]).unwrap();
    assert_eq!(passes.to_vec::<f32>().unwrap(), [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
    compare(&gpu, "relu_backward", &[ones, x], 0.0, |x| dispatch(ReluBackward, &[&x[0], &x[1].relu()?]));
}

#[test]
fn negative_integers_stay_negative_in_other_dtypes() {
    let gpu = gpu();
    for from in [DType::I8, DType::I16, DType::I32, DType::I64] {
        let x = numbers(&SHAPE, DType::F32, 1).mul(40.0).unwrap().to_dtype(from).unwrap();
        for to in [DType::I8, DType::I16, DType::I32, DType::I64, DType::F16, DType::F32, DType::F64] {
            let what = format!("{from} as {to}");
            on_device(&what, || compare(&gpu, &what, &[x.clone()], 0.0, |x| x[0].to_dtype(to)));
        }
    }
}

#[test]
fn functions_of_two() {
    let gpu = gpu();
    let real: &[(&str, Binary)] = &[
        ("add", |a, b| a.add(b)),
        ("sub", |a, b| a.sub(b)),
        ("mul", |a, b| a.mul(b)),
        ("div", |a, b| a.div(b)),
        ("atan2", |a, b| a.atan2(b)),
        ("maximum", |a, b| a.maximum(b)),
        ("minimum", |a, b| a.minimum(b)),
        ("eq", |a, b| a.eq(b)),
        ("ne", |a, b| a.ne(b)),
        ("lt", |a, b| a.lt(b)),
        ("le", |a, b| a.le(b)),
        ("gt", |a, b| a.gt(b)),
        ("ge", |a, b| a.ge(b)),
        ("pow of |a|", |a, b| a.abs()?.add(0.1)?.pow(b)),
        ("remainder", |a, b| a.remainder(b)),
        ("fmod", |a, b| a.fmod(b)),
        ("floor_divide", |a, b| a.floor_divide(b)),
    ];
    for dtype in FLOATS {
        let (a, b) = (numbers(&SHAPE, dtype, 3), numbers(&SHAPE, dtype, 4));
        let row = numbers(&[37], dtype, 5);
        for (name, f) in real {
            compare(&gpu, &format!("{name} {dtype}"), &[a.clone(), b.clone()], 4.0, |x| f(&x[0], &x[1]));
            compare(&gpu, &format!("{name} {dtype} with a row"), &[a.clone(), row.clone()], 4.0, |x| f(&x[0], &x[1]));
        }
    }
    let whole: &[(&str, Binary)] = &[
        ("add", |a, b| a.add(b)),
        ("sub", |a, b| a.sub(b)),
        ("mul", |a, b| a.mul(b)),
        ("maximum", |a, b| a.maximum(b)),
        ("eq", |a, b| a.eq(b)),
        ("lt", |a, b| a.lt(b)),
        ("bitwise_and", |a, b| a.bitwise_and(b)),
        ("bitwise_xor", |a, b| a.bitwise_xor(b)),
        ("logical_or", |a, b| a.logical_or(b)),
        ("true division", |a, b| a.div(&b.add(1)?)),
    ];
    for dtype in [DType::I64, DType::I32, DType::I16, DType::U8, DType::I8] {
        let (a, b) = (numbers(&SHAPE, dtype, 6), numbers(&SHAPE, dtype, 7));
        for (name, f) in whole {
            compare(&gpu, &format!("{name} {dtype}"), &[a.clone(), b.clone()], 4.0, |x| f(&x[0], &x[1]));
        }
    }
}

#[test]
fn gradients_through_activations() {
    let gpu = gpu();
    let ops: Vec<Op> = vec![
        GeluBackward(Gelu { tanh: false }).into(),
        GeluBackward(Gelu { tanh: true }).into(),
        SiluBackward(Silu).into(),
        MishBackward(Mish).into(),
        SoftplusBackward(Softplus { beta: 2.0, threshold: 1.0 }).into(),
        EluBackward(Elu { alpha: 0.7, scale: 1.1, input_scale: 0.9 }).into(),
        LeakyReluBackward(LeakyRelu { slope: 0.1 }).into(),
        HardtanhBackward(Hardtanh { min: -0.5, max: 0.7 }).into(),
        HardswishBackward(Hardswish).into(),
        HardsigmoidBackward(Hardsigmoid).into(),
        LogSigmoidBackward(LogSigmoid).into(),
        ReluBackward.into(),
        TanhBackward.into(),
        SigmoidBackward.into(),
    ];
    for dtype in FLOATS {
        let (g, x) = (numbers(&SHAPE, dtype, 20), numbers(&SHAPE, dtype, 21));
        for op in &ops {
            let what = format!("{op:?} {dtype}");
            on_device(&what, || {
                compare(&gpu, &what, &[g.clone(), x.clone()], 6.0, |x| dispatch(op.clone(), &[&x[0], &x[1]]));
            });
        }
    }
}

#[test]
fn numbers_beside_tensors() {
    let gpu = gpu();
    for dtype in FLOATS {
        let x = numbers(&SHAPE, dtype, 8);
        for (name, f) in [
            ("x + 1.1", (|x| x.add(1.1)) as Unary),
            ("1.1 - x", |x| x.rsub(1.1)),
            ("x * 0.3", |x| x.mul(0.3)),
            ("x / 0.3", |x| x.div(0.3)),
            ("x > 0.1", |x| x.gt(0.1)),
        ] {
            compare(&gpu, &format!("{name} {dtype}"), &[x.clone()], 2.0, |x| f(&x[0]));
        }
    }
    let x = numbers(&SHAPE, DType::U8, 9);
    compare(&gpu, "u8 + 200", &[x.clone()], 0.0, |x| x[0].add(200));
    compare(&gpu, "u8 * 1.5", &[x], 1.0, |x| x[0].mul(1.5));
}

#[test]
fn dtypes_change_and_elements_move() {
    let gpu = gpu();
    let all = [
        DType::Bool,
        DType::U8,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F16,
        DType::BF16,
        DType::F32,
        DType::F64,
    ];
    for from in all {
        let x = numbers(&[4, 33], from, 10);
        for to in all {
            compare(&gpu, &format!("{from} to {to}"), &[x.clone()], 1.0, |x| x[0].to_dtype(to));
        }
        compare(&gpu, &format!("contiguous {from}"), &[x], 0.0, |x| x[0].transpose(0, 1)?.contiguous());
    }
    let condition = numbers(&SHAPE, DType::Bool, 11);
    for dtype in all {
        let (a, b) = (numbers(&SHAPE, dtype, 12), numbers(&[37], dtype, 13));
        compare(&gpu, &format!("where {dtype}"), &[condition.clone(), a, b], 0.0, |x| x[1].where_cond(&x[0], &x[2]));
    }
    let many = numbers(&[2, 3, 2, 3, 2, 3, 2, 3, 2, 2], DType::F32, 14);
    compare(&gpu, "ten dimensions", &[many], 1.0, |x| x[0].permute([9, 7, 5, 3, 1, 8, 6, 4, 2, 0])?.add(1.0));
}

#[test]
fn in_place_and_into_views() {
    let gpu = gpu();
    let x = numbers(&[6, 8], DType::F32, 15);
    let f = |x: &Tensor| -> Result<Tensor> {
        let x = x.mul(1.0)?;
        x.narrow(1, 2, 4)?.add_(2.0)?;
        x.transpose(0, 1)?.narrow(0, 0, 3)?.mul_(3.0)?;
        x.narrow(0, 1, 2)?.copy_(&x.narrow(0, 3, 2)?)?;
        x.narrow(1, 0, 2)?.fill_(7.0)?;
        Ok(x)
    };
    compare(&gpu, "in place", &[x.clone()], 1.0, |x| f(&x[0]));
    let halves = Tensor::zeros([6, 8]).dtype(DType::F16).device(gpu.device).build().unwrap();
    halves.copy_(&x.to_device(gpu.device).unwrap()).unwrap();
    assert_close("copy into halves", &halves, &x.to_dtype(DType::F16).unwrap(), 0.0);
}

#[test]
fn factories() {
    let gpu = gpu();
    for dtype in [DType::F32, DType::BF16, DType::I32, DType::Bool, DType::F64] {
        let there = Tensor::full([5, 3], Scalar::Int(1)).dtype(dtype).device(gpu.device).build().unwrap();
        let here = Tensor::full([5, 3], Scalar::Int(1)).dtype(dtype).build().unwrap();
        assert_close("full", &there, &here, 0.0);
    }
    for dtype in [DType::F32, DType::F64, DType::F16, DType::I32] {
        let build = |device| -> Result<[Tensor; 3]> {
            Ok([
                Tensor::arange_step(0.5, 9.0, 0.75).dtype(dtype).device(device).build()?,
                Tensor::linspace(-3.0, 7.0, 11).dtype(dtype).device(device).build()?,
                Tensor::full([7], -2.5).dtype(DType::F64).device(device).build()?,
            ])
        };
        let (there, here) = (build(gpu.device).unwrap(), build(Device::Cpu).unwrap());
        there.iter().zip(&here).for_each(|(there, here)| assert_close("a range", there, here, 1e-7));
    }
    let there = Tensor::arange_step(0, 10, 3).device(gpu.device).build().unwrap();
    assert_eq!(home(&there).to_vec::<i64>().unwrap(), [0, 3, 6, 9]);
    assert_eq!(Tensor::zeros([0, 3]).device(gpu.device).build().unwrap().exp().unwrap().shape(), [0, 3]);
}

#[test]
fn kernels_move_no_more_memory_than_they_must() {
    let gpu = gpu();
    let x = numbers(&[1000, 77], DType::F32, 16).to_device(gpu.device).unwrap();
    let y = x.mul(2.0).unwrap();
    let h = x.to_dtype(DType::BF16).unwrap();
    home(&y);
    for (name, f) in [
        ("add", &(|| x.add(&y)) as &dyn Fn() -> Result<Tensor>),
        ("exp", &|| x.exp()),
        ("bf16 mul", &|| h.mul(&h)),
        ("sin", &|| x.sin()),
        ("relu of a part", &|| x.narrow(0, 100, 800)?.relu()),
    ] {
        gpu.sim.counts();
        home(&f().unwrap());
        let counts = gpu.sim.counts();
        assert_eq!(counts.launches, 1, "{name}");
        assert!(counts.sector_ratio() <= 1.1, "{name}: {} times the ideal", counts.sector_ratio());
    }
}
