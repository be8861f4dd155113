//! Elementwise ops give the same whatever memory their operands share, however it lies, and whether an operand is
//! a tensor of the output's shape, one that is broadcast, or a number.

use flambeau_tensor::{CloseOptions, Complex, DType, Device, ErrorKind, Generator, Result, Scalar, Tensor, tensor};

#[path = "elementwise/in_place.rs"]
mod in_place;
#[path = "elementwise/special.rs"]
mod special;

fn numbers(shape: &[usize]) -> Tensor {
    Tensor::randn(shape).generator(&Generator::with_seed(5)).build().unwrap()
}

/// `write` into a tensor that shares memory with its operand, and the same op into memory of its own.
#[track_caller]
fn check(made: &Tensor, own: &Tensor, op: impl Fn(&Tensor, &Tensor) -> Tensor, write: impl Fn(&Tensor, &Tensor)) {
    let (made, own) = (made.copy().unwrap(), own.clone());
    let want = op(&made, &own).to_vec::<f32>().unwrap();
    write(&made, &own);
    assert_eq!(made.to_vec::<f32>().unwrap(), want);
}

#[test]
fn in_place_on_memory_of_its_own() {
    for n in [1, 17, 5_000, 100_003] {
        let (x, y) = (numbers(&[n]), numbers(&[n]).neg().unwrap());
        check(
            &x,
            &y,
            |x, y| x.add(y).unwrap(),
            |x, y| {
                x.add_(y).unwrap();
            },
        );
        check(
            &x,
            &y,
            |x, _| x.mul(3.0).unwrap(),
            |x, _| {
                x.mul_(3.0).unwrap();
            },
        );
        check(
            &x,
            &y,
            |x, _| x.exp().unwrap(),
            |x, _| {
                x.exp_().unwrap();
            },
        );
        // The other operand has another dtype, or one element.
        let whole = y.mul(8.0).unwrap().to_dtype(DType::I32).unwrap();
        check(
            &x,
            &whole,
            |x, y| x.sub(y).unwrap(),
            |x, y| {
                x.sub_(y).unwrap();
            },
        );
        check(
            &x,
            &numbers(&[1]),
            |x, y| x.mul(y).unwrap(),
            |x, y| {
                x.mul_(y).unwrap();
            },
        );
    }
}

#[test]
fn the_target_is_every_operand() {
    for n in [1, 17, 5_000, 100_003] {
        let x = numbers(&[n]);
        let want = x.mul(&x).unwrap().to_vec::<f32>().unwrap();
        x.mul_(&x).unwrap();
        assert_eq!(x.to_vec::<f32>().unwrap(), want, "{n}");
        let (seen, want) = (x.view([n]).unwrap(), x.add(&x).unwrap().to_vec::<f32>().unwrap());
        x.add_(&seen).unwrap();
        assert_eq!(x.to_vec::<f32>().unwrap(), want, "{n}, through a view");
    }
}

#[test]
fn operands_overlap_the_target() {
    for n in [3, 17, 5_000, 100_003] {
        for (from, to) in [(0, 1), (1, 0), (0, 2)] {
            let x = numbers(&[n + 2]);
            let (target, other) = (x.narrow(0, to, n).unwrap(), x.narrow(0, from, n).unwrap());
            let want = target.add(&other).unwrap().to_vec::<f32>().unwrap();
            target.add_(&other).unwrap();
            assert_eq!(target.to_vec::<f32>().unwrap(), want, "{n} elements from {from} to {to}");
        }
    }
    for n in [2, 7, 100, 333] {
        let x = numbers(&[n, n]);
        let want = x.add(&x.t().unwrap()).unwrap().to_vec::<f32>().unwrap();
        x.add_(&x.t().unwrap()).unwrap();
        assert_eq!(x.to_vec::<f32>().unwrap(), want, "{n}, turned");
    }
}

type Binary = fn(&Tensor, &Tensor) -> Result<Tensor>;
type WithScalar = fn(&Tensor, Scalar) -> Result<Tensor>;

/// Ops on two tensors, and with a number on the right and on the left.
const OPS: &[(&str, Binary, WithScalar, Option<WithScalar>)] = &[
    ("add", |a, b| a.add(b), |a, v| a.add(v), None),
    ("sub", |a, b| a.sub(b), |a, v| a.sub(v), Some(|b, v| b.rsub(v))),
    ("mul", |a, b| a.mul(b), |a, v| a.mul(v), None),
    ("div", |a, b| a.div(b), |a, v| a.div(v), Some(|b, v| b.rdiv(v))),
    ("floor_divide", |a, b| a.floor_divide(b), |a, v| a.floor_divide(v), Some(|b, v| b.rfloor_divide(v))),
    ("div_trunc", |a, b| a.div_trunc(b), |a, v| a.div_trunc(v), None),
    ("remainder", |a, b| a.remainder(b), |a, v| a.remainder(v), Some(|b, v| b.rremainder(v))),
    ("fmod", |a, b| a.fmod(b), |a, v| a.fmod(v), None),
    ("pow", |a, b| a.pow(b), |a, v| a.pow(v), Some(|b, v| b.rpow(v))),
    ("atan2", |a, b| a.atan2(b), |a, v| a.atan2(v), None),
    ("maximum", |a, b| a.maximum(b), |a, v| a.maximum(v), None),
    ("minimum", |a, b| a.minimum(b), |a, v| a.minimum(v), None),
    ("eq", |a, b| a.eq(b), |a, v| a.eq(v), None),
    ("ne", |a, b| a.ne(b), |a, v| a.ne(v), None),
    ("lt", |a, b| a.lt(b), |a, v| a.lt(v), None),
    ("le", |a, b| a.le(b), |a, v| a.le(v), None),
    ("gt", |a, b| a.gt(b), |a, v| a.gt(v), None),
    ("ge", |a, b| a.ge(b), |a, v| a.ge(v), None),
    ("logical_and", |a, b| a.logical_and(b), |a, v| a.logical_and(v), None),
    ("logical_or", |a, b| a.logical_or(b), |a, v| a.logical_or(v), None),
    ("logical_xor", |a, b| a.logical_xor(b), |a, v| a.logical_xor(v), None),
    ("bitwise_and", |a, b| a.bitwise_and(b), |a, v| a.bitwise_and(v), None),
    ("bitwise_or", |a, b| a.bitwise_or(b), |a, v| a.bitwise_or(v), None),
    ("bitwise_xor", |a, b| a.bitwise_xor(b), |a, v| a.bitwise_xor(v), None),
];

/// The same dtype, shape and bits.
#[track_caller]
fn same(what: &str, got: &Tensor, want: &Tensor) {
    assert_eq!((got.dtype(), got.shape()), (want.dtype(), want.shape()), "{what}");
    assert_eq!(got.to_bytes().unwrap(), want.to_bytes().unwrap(), "{what}");
}

const REAL: [DType; 10] = [
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

/// Numbers from 1 to 9 in `dtype`, so that whatever is asked of them is defined.
fn digits(dtype: DType, shape: &[usize]) -> Tensor {
    Tensor::randint(1, 10, shape).generator(&Generator::with_seed(3)).build().unwrap().to_dtype(dtype).unwrap()
}

#[test]
fn a_number_is_a_tensor_of_one_element() {
    for dtype in REAL {
        // Small, long, turned, and every second column.
        let long = digits(dtype, &[1, 3000]);
        let turned = digits(dtype, &[7, 5]).t().unwrap();
        let spread = digits(dtype, &[6, 90]).slice(1, 0, 90, 2).unwrap();
        for x in [digits(dtype, &[5]), long, turned, spread, digits(dtype, &[]), digits(dtype, &[0, 3])] {
            for (name, op, right, left) in OPS {
                for value in [Scalar::Int(3), Scalar::Bool(true), Scalar::Float(2.0)] {
                    let filled = x.to_dtype(value.promote(dtype)).unwrap().full_like(value).unwrap();
                    let what = format!("{name} of {dtype} {:?} and {value}", x.shape());
                    match (op(&x, &filled), right(&x, value)) {
                        (Ok(want), Ok(got)) => same(&what, &got, &want),
                        (want, got) => {
                            assert_eq!(got.unwrap_err().kind(), want.unwrap_err().kind(), "{what}");
                        }
                    }
                    if let Some(left) = left {
                        match (op(&filled, &x), left(&x, value)) {
                            (Ok(want), Ok(got)) => same(&format!("{what}, reversed"), &got, &want),
                            (want, got) => assert_eq!(got.unwrap_err().kind(), want.unwrap_err().kind(), "{what}"),
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_broadcast_is_not_copied_and_gives_the_same() {
    let shapes: &[[&[usize]; 2]] = &[
        [&[4, 16], &[16]],
        [&[4, 16], &[4, 1]],
        [&[4, 1], &[1, 5]],
        [&[900, 3], &[3]],
        [&[300, 5, 7], &[5, 7]],
        [&[300, 5, 7], &[5, 1]],
        [&[3, 700], &[700]],
        [&[3, 700], &[3, 1]],
        [&[], &[2, 3]],
        [&[1, 1], &[3]],
        [&[2, 1, 3, 1, 2], &[4, 1, 2, 1]],
        [&[0, 3], &[1, 3]],
        [&[40_000, 2], &[2]],
    ];
    for dtype in [DType::F32, DType::F16, DType::I32, DType::U8, DType::Complex64] {
        for [a, b] in shapes {
            let (x, y) = (digits(dtype, a), digits(dtype, b).add(1).unwrap());
            let turned = y.transpose(0, -1).and_then(|t| t.contiguous()).and_then(|t| t.transpose(0, -1));
            for y in [Some(y), turned.ok()].into_iter().flatten() {
                let both = flambeau_tensor::broadcast_tensors(&[&x, &y]).unwrap();
                let (p, q) = (both[0].copy().unwrap(), both[1].copy().unwrap());
                for (name, op, ..) in OPS.iter().filter(|op| ["sub", "mul", "ne"].contains(&op.0)) {
                    let what = format!("{name} of {dtype} {a:?} and {b:?}");
                    same(&what, &op(&x, &y).unwrap(), &op(&p, &q).unwrap());
                    same(&what, &op(&y, &x).unwrap(), &op(&q, &p).unwrap());
                }
                let mask = y.ne(4).unwrap();
                same(
                    "where",
                    &x.where_cond(&mask, &y).unwrap(),
                    &p.where_cond(&mask.expand(p.shape()).unwrap().copy().unwrap(), &q).unwrap(),
                );
                if x.shape() == p.shape() {
                    let (target, strided) =
                        (x.copy().unwrap(), Tensor::zeros([x.numel(), 2]).dtype(dtype).build().unwrap());
                    let strided = strided
                        .select(1, 0)
                        .unwrap()
                        .as_strided(x.shape(), x.strides().iter().map(|s| 2 * s).collect::<Vec<_>>(), 0)
                        .unwrap();
                    strided.copy_(&x).unwrap();
                    same("in place", target.sub_(&y).unwrap(), &p.sub(&q).unwrap());
                    same("in place, strided", &strided.sub_(&y).unwrap().contiguous().unwrap(), &p.sub(&q).unwrap());
                }
            }
        }
    }
    let error = numbers(&[3]).add_(&numbers(&[2, 3])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    let error = numbers(&[3]).add(numbers(&[2])).unwrap_err();
    assert!(error.to_string().contains("[3] and [2] do not broadcast"), "{error}");
}

#[test]
fn numbers_promote_by_their_category() {
    // As torch.result_type has it.
    for (dtype, value, want) in [
        (DType::U8, Scalar::Int(300), DType::U8),
        (DType::Bool, Scalar::Int(1), DType::I64),
        (DType::I16, Scalar::Float(0.5), DType::F32),
        (DType::F16, Scalar::Float(1e9), DType::F16),
        (DType::F16, Scalar::Complex(Complex::new(0.0, 1.0)), DType::Complex64),
        (DType::F64, Scalar::Complex(Complex::new(0.0, 1.0)), DType::Complex128),
        (DType::Complex64, Scalar::Float(0.5), DType::Complex64),
    ] {
        let x = digits(dtype, &[3]);
        assert_eq!(x.add(value).unwrap().dtype(), want, "{dtype} and {value}");
        // As in PyTorch, masks are not subtracted.
        match x.rsub(value) {
            Ok(difference) => assert_eq!(difference.dtype(), want, "{value} and {dtype}"),
            Err(error) => assert!(dtype == DType::Bool && error.to_string().contains("logical_not"), "{error}"),
        }
    }
    // Integers wrap to the tensor's dtype, as in PyTorch.
    let bytes = tensor!([100, 200, 44]; DType::U8);
    assert_eq!(bytes.add(300).unwrap().to_vec::<u8>().unwrap(), [144, 244, 88]);
    assert_eq!(bytes.gt(300).unwrap().to_vec::<bool>().unwrap(), [true, true, false]);
    assert_eq!(bytes.eq(300).unwrap().to_vec::<bool>().unwrap(), [false, false, true]);
    assert_eq!(bytes.floor_divide(300).unwrap().to_vec::<u8>().unwrap(), [2, 4, 1]);
    assert_eq!(bytes.floor_divide(256).unwrap_err().kind(), ErrorKind::Argument);
    // Half precision rounds a summand to its own, but not a factor.
    let halves = tensor!([1000.0]; DType::F16);
    assert_eq!(halves.mul(1.0007).unwrap().to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap(), [1000.5]);
    assert_eq!(halves.maximum(1000.3).unwrap().to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap(), [1000.5]);
}

#[test]
fn a_complex_number_is_infinite_where_one_part_is() {
    // As in PyTorch, whatever the other part.
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let z = tensor!([Complex::new(inf, nan), Complex::new(nan, -inf), Complex::new(nan, 0.0), Complex::new(1.0, inf)]);
    assert_eq!(z.isinf().unwrap().to_vec::<bool>().unwrap(), [true, true, false, true]);
}

#[test]
fn a_power_by_a_number_is_the_product_root_or_reciprocal() {
    let x = tensor!([-0.0, -2.0, 0.25, 3.0, f32::NEG_INFINITY]);
    let power = |v: f64| x.pow(v).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(power(2.0), [0.0, 4.0, 0.0625, 9.0, f32::INFINITY]);
    assert_eq!(power(3.0), [0.0, -8.0, 0.015625, 27.0, f32::NEG_INFINITY]);
    assert_eq!(power(-1.0), [f32::NEG_INFINITY, -0.5, 4.0, 1.0 / 3.0, 0.0]);
    assert_eq!(power(-2.0), [f32::INFINITY, 0.25, 16.0, 1.0 / 9.0, 0.0]);
    assert_eq!(power(1.0), x.to_vec::<f32>().unwrap());
    assert_eq!(power(0.0), [1.0; 5]);
    // The root's own special values, as in PyTorch.
    let root = power(0.5);
    assert!(root[0] == 0.0 && root[0].is_sign_negative() && root[1].is_nan() && root[4].is_nan());
    assert_eq!(power(-0.5)[..1], [f32::NEG_INFINITY]);
    let whole = tensor!([-3, 2, 100]; DType::I8);
    assert_eq!(whole.pow(2).unwrap().to_vec::<i8>().unwrap(), [9, 4, 16]);
    assert_eq!(whole.pow(3).unwrap().to_vec::<i8>().unwrap(), [-27, 8, 64]);
    assert_eq!(whole.rpow(2).unwrap().to_vec::<i8>().unwrap(), [0, 4, 0]);
    assert_eq!(whole.pow(-1).unwrap_err().kind(), ErrorKind::Argument);
    let z = tensor!([Complex::new(1.0f32, 2.0)]);
    assert_eq!(z.pow(2).unwrap().to_vec::<Complex<f32>>().unwrap(), [Complex::new(-3.0, 4.0)]);
}

#[test]
fn a_cpu_tensor_without_dimensions_is_a_number_on_another_device() {
    let there = Tensor::zeros([2, 3]).dtype(DType::F16).device(Device::Meta).build().unwrap();
    let (whole, half) = (tensor!(3), tensor!(0.5; DType::F64));
    for out in [there.add(&whole).unwrap(), whole.sub(&there).unwrap(), half.pow(&there).unwrap()] {
        assert_eq!((out.device(), out.dtype(), out.shape()), (Device::Meta, DType::F16, &[2, 3][..]));
    }
    let ints = there.to_dtype(DType::I32).unwrap();
    assert_eq!(ints.mul(&half).unwrap().dtype(), DType::F64);
    there.add_(&half).unwrap();
    let mask = there.gt(&half).unwrap();
    assert_eq!(there.where_cond(&mask, &whole).unwrap().dtype(), DType::F16);
    assert_eq!(there.masked_fill(&mask, &whole).unwrap().dtype(), DType::F16);
    // Any other mix is an error.
    assert_eq!(there.add(&tensor!([1.0])).unwrap_err().kind(), ErrorKind::Device);
    assert_eq!(half.add_(&there).unwrap_err().kind(), ErrorKind::Shape);
}

const INTS: [DType; 5] = [DType::U8, DType::I8, DType::I16, DType::I32, DType::I64];

/// Integers of `dtype` from its whole range, both ends among them.
fn integers(dtype: DType, n: usize, seed: u64) -> Tensor {
    let bits = 8 * dtype.size() as u32;
    let wide = Tensor::randint(i64::MIN / 2, i64::MAX / 2, n).generator(&Generator::with_seed(seed)).build().unwrap();
    let ends = [0, 1, -1, i64::MAX >> (64 - bits), i64::MIN >> (64 - bits), 1 << (bits - 1).min(62)];
    let wide = wide.to_vec::<i64>().unwrap().into_iter().enumerate();
    let mixed =
        wide.map(|(i, x)| if i % 5 == 0 { ends[(i / 5 + seed as usize) % ends.len()] } else { x >> (64 - bits) });
    Tensor::from_vec(mixed.collect(), n).unwrap().to_dtype(dtype).unwrap()
}

#[test]
fn integers_wrap_in_their_own_width() {
    for dtype in INTS {
        let (a, b) = (integers(dtype, 1003, 1), integers(dtype, 1003, 2));
        // Every third one, backwards in memory order of another tensor.
        let strided = |x: &Tensor| x.slice(0, 1, 1000, 3).unwrap();
        for (a, b) in
            [(a.clone(), b.clone()), (strided(&a), strided(&b)), (a.clone(), strided(&b).slice(0, 3, 4, 1).unwrap())]
        {
            let wide = |x: &Tensor| x.to_dtype(DType::I64).unwrap();
            for (name, op, ..) in OPS {
                if ["div", "atan2", "floor_divide", "div_trunc", "remainder", "fmod", "pow"].contains(name) {
                    continue;
                }
                // The same in 64 bits, cut to the width: what wraps twice is what wraps once.
                let (got, want) = (op(&a, &b).unwrap(), op(&wide(&a), &wide(&b)).unwrap());
                same(&format!("{name} of {dtype}"), &got, &want.to_dtype(got.dtype()).unwrap());
            }
            type Unary = fn(&Tensor) -> Result<Tensor>;
            let unary: &[(&str, Unary)] = &[
                ("neg", Tensor::neg),
                ("abs", Tensor::abs),
                ("sign", Tensor::sign),
                ("square", Tensor::square),
                ("relu", Tensor::relu),
                ("floor", Tensor::floor),
                ("clamp", |x| x.clamp(3, 100)),
                ("pow 3", |x| x.pow(3)),
            ];
            for (name, op) in unary {
                let (got, want) = (op(&a).unwrap(), op(&wide(&a)).unwrap());
                same(&format!("{name} of {dtype}"), &got, &want.to_dtype(dtype).unwrap());
            }
        }
    }
    let x = tensor!([1, 255]; DType::U8);
    assert_eq!(x.clamp(-3, 1000).unwrap().to_vec::<u8>().unwrap(), [1, 255]);
    // In place, into a narrower and a wider one.
    let x = tensor!([100, -100]; DType::I8);
    x.add_(&tensor!([100, 1000]; DType::I32)).unwrap();
    assert_eq!(x.to_vec::<i8>().unwrap(), [-56, -124]);
    let x = tensor!([100.0, -100.0]);
    x.add_(&tensor!([-7, 8]; DType::I8)).unwrap();
    assert_eq!(x.to_vec::<f32>().unwrap(), [93.0, -92.0]);
}

#[test]
fn casts_agree_between_all_dtypes() {
    // What every dtype holds, as integers; of these a cast from any to any is a choice of what it keeps.
    let numbers = [0i64, 1, 2, 100, 127];
    let all = [&REAL[..], &[DType::Complex64, DType::Complex128]].concat();
    for from in &all {
        for to in &all {
            for n in [1usize, 5, 200, 1501] {
                let values: Vec<i64> = (0..n).map(|i| numbers[i % 5]).collect();
                let x = Tensor::from_vec(values.clone(), n).unwrap().to_dtype(*from).unwrap();
                let kept = |v: i64| if *from == DType::Bool || *to == DType::Bool { i64::from(v != 0) } else { v };
                let want: Vec<f64> = values.iter().map(|v| kept(*v) as f64).collect();
                let cast = x.to_dtype(*to).unwrap();
                assert_eq!(cast.dtype(), *to);
                assert_eq!(cast.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap(), want, "{from} to {to}");
                // Strided on the way in, and on the way out.
                let spread = x.unsqueeze(1).unwrap().expand([n, 3]).unwrap().copy().unwrap().select(1, 1).unwrap();
                same(&format!("strided {from} to {to}"), &spread.to_dtype(*to).unwrap(), &cast);
                let target = Tensor::zeros([n, 2]).dtype(*to).build().unwrap().select(1, 1).unwrap();
                if from.can_cast(*to) {
                    target.copy_(&x).unwrap();
                    same(&format!("{from} to strided {to}"), &target.contiguous().unwrap(), &cast);
                }
                let one = x.slice(0, 0, 1, 1).unwrap().expand([n]).unwrap();
                assert!(one.to_dtype(*to).unwrap().eq(0).unwrap().to_vec::<bool>().unwrap().iter().all(|b| *b));
            }
        }
    }
    // Truncated and wrapped, as in PyTorch; not zero is true.
    let x = tensor!([-1.5, 300.7, 0.25, -129.0]);
    assert_eq!(x.to_dtype(DType::U8).unwrap().to_vec::<u8>().unwrap(), [255, 44, 0, 127]);
    assert_eq!(x.to_dtype(DType::I8).unwrap().to_vec::<i8>().unwrap(), [-1, 44, 0, 127]);
    assert_eq!(x.to_dtype(DType::Bool).unwrap().to_vec::<bool>().unwrap(), [true; 4]);
    let x = tensor!([-1i64, 70_000, 1 << 40]);
    assert_eq!(x.to_dtype(DType::I16).unwrap().to_vec::<i16>().unwrap(), [-1, 4464, 0]);
    assert_eq!(x.to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap(), [-1.0, 70_000.0, 1_099_511_627_776.0]);
}

#[test]
fn complex_numbers_compute_in_their_own_parts() {
    let parts = |seed| Tensor::randn([1003, 2]).generator(&Generator::with_seed(seed)).build().unwrap();
    let (a, b) = (parts(1).view_as_complex().unwrap(), parts(2).view_as_complex().unwrap());
    let wide = |x: &Tensor| x.to_dtype(DType::Complex128).unwrap();
    for (a, b) in [(a.clone(), b.clone()), (a.slice(0, 0, 1000, 2).unwrap(), b.slice(0, 3, 1003, 2).unwrap())] {
        for (name, op, ..) in OPS.iter().filter(|op| ["add", "sub", "mul", "div"].contains(&op.0)) {
            let (got, want) = (op(&a, &b).unwrap(), op(&wide(&a), &wide(&b)).unwrap());
            assert_eq!(got.dtype(), DType::Complex64);
            assert!(wide(&got).allclose_with(&want, CloseOptions::new().atol(1e-6)).unwrap(), "{name}");
        }
        for (got, want) in [(a.abs(), wide(&a).abs()), (a.square(), wide(&a).square()), (a.conj(), wide(&a).conj())] {
            let (got, want) = (got.unwrap(), want.unwrap());
            assert!(
                got.to_dtype(want.dtype())
                    .unwrap()
                    .allclose_with(&want, CloseOptions::new().rtol(1e-6).atol(1e-6))
                    .unwrap()
            );
        }
    }
    let ends = tensor!([Complex::new(f32::INFINITY, f32::NAN), Complex::new(f32::NAN, f32::NEG_INFINITY)]);
    assert_eq!(ends.abs().unwrap().to_vec::<f32>().unwrap(), [f32::INFINITY; 2]);
    let huge = tensor!([Complex::new(3e30f32, 4e30), Complex::new(0.0, -1e-30)]);
    assert_eq!(huge.abs().unwrap().to_vec::<f32>().unwrap(), [5e30, 1e-30]);
    assert_eq!(huge.eq(&huge).unwrap().to_vec::<bool>().unwrap(), [true; 2]);
}

#[test]
fn a_choice_moves_every_dtype_bit_by_bit() {
    let all = [&REAL[..], &[DType::Complex64, DType::Complex128]].concat();
    for dtype in all {
        let (a, b) = (digits(dtype, &[70, 3]), digits(dtype, &[3]).add(digits(dtype, &[3])).unwrap());
        let mask = digits(DType::F32, &[70, 1]).gt(4).unwrap();
        let wide = |x: &Tensor| x.to_dtype(DType::Complex128).unwrap();
        let want = wide(&a).where_cond(&mask, wide(&b)).unwrap();
        same("where", &wide(&a.where_cond(&mask, &b).unwrap()), &want);
        let value = if dtype == DType::Bool { Scalar::Bool(true) } else { Scalar::Int(7) };
        let filled = wide(&a).masked_fill(&mask, if dtype == DType::Bool { 1 } else { 7 }).unwrap();
        same("masked_fill", &wide(&a.masked_fill(&mask, value).unwrap()), &filled);
        let target = a.t().unwrap();
        target.masked_fill_(&mask.t().unwrap(), value).unwrap();
        same("masked_fill_", &wide(&a), &filled);
    }
}

#[test]
fn three_operands_are_broadcast_each_in_its_own_way() {
    // Long and short rows, and parts for threads that begin in the middle of one.
    for (rows, columns) in [(400, 100), (2_000, 5), (3, 20_000), (5, 7)] {
        let shape = [rows, columns];
        let whole = |x: &Tensor| x.expand(shape).unwrap().copy().unwrap();
        for dtype in [DType::F32, DType::U8] {
            let ways = [[rows, columns], [1, columns], [rows, 1], [1, 1]].map(|shape| digits(dtype, &shape));
            for mask in &ways {
                let mask = mask.gt(4).unwrap();
                for a in &ways {
                    let filled = a.masked_fill(&mask, 3).unwrap();
                    let expanded = whole(a).masked_fill(whole(&mask), 3).unwrap();
                    same("masked_fill", &whole(&filled), &expanded);
                    for b in &ways {
                        let (got, want) = (a.where_cond(&mask, b), whole(a).where_cond(whole(&mask), whole(b)));
                        same("where", &whole(&got.unwrap()), &want.unwrap());
                    }
                }
            }
            let target = ways[0].copy().unwrap();
            target.mul_(&ways[1]).unwrap().sub_(&ways[2]).unwrap();
            let want = ways[0].mul(whole(&ways[1])).unwrap().sub(whole(&ways[2])).unwrap();
            same("in place", &target, &want);
        }
    }
}

#[test]
fn operands_in_any_order_of_dimensions_are_as_if_they_lay_in_rows() {
    let sizes = [9isize, 70, 33];
    let x = Tensor::randn(sizes.map(|n| n as usize)).build().unwrap();
    let numbers = x.to_vec::<f32>().unwrap();
    for order in [[0, 2, 1], [2, 1, 0], [1, 0, 2], [2, 0, 1], [1, 2, 0]] {
        let view = x.permute(order).unwrap();
        let steps = [70 * 33, 33, 1];
        let [a, b, c] = order.map(|d| (sizes[d as usize] as usize, steps[d as usize]));
        let mut want = Vec::new();
        for i in 0..a.0 {
            for j in 0..b.0 {
                want.extend((0..c.0).map(|k| numbers[i * a.1 + j * b.1 + k * c.1]));
            }
        }
        let shape = [a.0, b.0, c.0];
        let rows = Tensor::from_vec(want.clone(), shape).unwrap();
        let same = |got: Tensor, want: &Tensor| {
            let (got, want) = (got.to_dtype(DType::F64).unwrap(), want.to_dtype(DType::F64).unwrap());
            assert_eq!(got.to_vec::<f64>().unwrap(), want.to_vec::<f64>().unwrap(), "{order:?}");
        };
        assert_eq!(view.copy().unwrap().to_vec::<f32>().unwrap(), want, "{order:?}");
        for dtype in [DType::BF16, DType::F64, DType::I32, DType::Bool, DType::Complex128] {
            let real = |x: &Tensor| x.to_dtype(dtype).unwrap().to_dtype(DType::F32).unwrap();
            same(real(&view), &real(&rows));
        }
        // Into an output that lies across, beside operands that are broadcast, and in place.
        let across = x.zeros_like().unwrap();
        across.permute(order).unwrap().copy_(&rows).unwrap();
        same(across, &x);
        let line = Tensor::randn([shape[1], 1]).build().unwrap();
        let sum = |x: &Tensor| x.add(&line).unwrap().mul(2.0).unwrap();
        same(sum(&view), &sum(&rows));
        let own = rows.copy().unwrap();
        own.add_(&view).unwrap();
        same(own, &rows.mul(2.0).unwrap());
    }
}
