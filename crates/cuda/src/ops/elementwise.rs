//! Ops that go element by element: `kernels/elementwise.cu`.

use super::copies::filled;
use super::host::on_host;
use super::places::{Dim, MOST, OPERANDS, Places, collapse};
use super::{CudaKernel, Lane, number};
use crate::backend::{address_of, gpu_of};
use crate::context::Gpu;
use crate::kernels::{COMPLEX, ELEMENTWISE, Kernel};
use crate::stream::{Queue, Task, queue};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::*;
use smallvec::SmallVec;

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Flat {
    out: u64,
    inputs: [u64; 3],
    number: [u64; 3],
    extra: [u64; 3],
    n: i64,
}

/// As kernels have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Strided {
    flat: Flat,
    out_dtype: i32,
    in_dtype: [i32; 3],
    places: Places,
}

/// What is read: elements of a tensor, or a number in the lane's bits.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    Tensor(&'a Tensor),
    Number(u64),
    /// Real and imaginary part.
    Complex([u64; 2]),
}

/// Memory that a kernel reads or writes, and how.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub address: u64,
    pub dtype: DType,
    pub shape: &'a [usize],
    pub strides: &'a [usize],
}

impl<'a> Operand<'a> {
    pub fn of(t: &'a Tensor) -> Result<Operand<'a>> {
        Ok(Operand { address: address_of(t)?, dtype: t.dtype(), shape: t.shape(), strides: t.strides() })
    }

    /// Elements between neighbours in dimension `d` of the output, which has `rank`; 0 where it is broadcast.
    fn stride(&self, d: usize, rank: usize) -> i64 {
        match (d + self.shape.len()).checked_sub(rank) {
            Some(own) if self.shape[own] != 1 => self.strides[own] as i64,
            _ => 0,
        }
    }
}

/// The kernels of one functor.
pub(crate) struct Functor {
    kernels: &'static [(Form, Kernel)],
    /// That of complex numbers.
    complex: Option<Kernel>,
}

/// Which kernel of a functor: any layouts in a lane, or rows of one dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Any(Lane),
    Rows(DType),
}

impl Functor {
    fn kernel(&'static self, form: Form) -> Option<&'static Kernel> {
        if form == Form::Any(Lane::Complex) {
            return self.complex.as_ref();
        }
        self.kernels.iter().find(|(f, _)| *f == form).map(|(_, kernel)| kernel)
    }
}

macro_rules! functor {
    (@ $name:literal real) => { functor!(@@ $name, Form::Any(Lane::F32) "_f32", Form::Any(Lane::F64) "_f64",
        Form::Rows(DType::F32) "_f32_flat", Form::Rows(DType::F64) "_f64_flat", Form::Rows(DType::F16) "_f16_flat",
        Form::Rows(DType::BF16) "_bf16_flat") };
    (@ $name:literal real int) => { functor!(@@ $name, Form::Any(Lane::F32) "_f32", Form::Any(Lane::F64) "_f64",
        Form::Any(Lane::I64) "_i64", Form::Rows(DType::F32) "_f32_flat", Form::Rows(DType::F64) "_f64_flat",
        Form::Rows(DType::F16) "_f16_flat", Form::Rows(DType::BF16) "_bf16_flat", Form::Rows(DType::I64) "_i64_flat") };
    (@ $name:literal real int truth) => { functor!(@@ $name, Form::Any(Lane::F32) "_f32", Form::Any(Lane::F64) "_f64",
        Form::Any(Lane::I64) "_i64", Form::Any(Lane::Truth) "_bool", Form::Rows(DType::F32) "_f32_flat",
        Form::Rows(DType::F64) "_f64_flat", Form::Rows(DType::F16) "_f16_flat", Form::Rows(DType::BF16) "_bf16_flat",
        Form::Rows(DType::I64) "_i64_flat") };
    (@ $name:literal heavy) => { functor!(@@ $name, Form::Any(Lane::F32) "_f32", Form::Any(Lane::F64) "_f64") };
    (@ $name:literal heavy whole) => { functor!(@@ $name, Form::Any(Lane::F32) "_f32", Form::Any(Lane::F64) "_f64",
        Form::Any(Lane::I64) "_i64") };
    (@ $name:literal whole) => { functor!(@@ $name, Form::Any(Lane::I64) "_i64") };
    (@ $name:literal heavy int) => { functor!(@@ $name, Form::Any(Lane::F32) "_f32", Form::Any(Lane::F64) "_f64",
        Form::Any(Lane::I64) "_i64", Form::Rows(DType::I64) "_i64_flat") };
    (@ $name:literal answer truth) => { functor!(@@ $name, Form::Any(Lane::F32) "_f32", Form::Any(Lane::F64) "_f64",
        Form::Any(Lane::I64) "_i64", Form::Any(Lane::Truth) "_bool") };
    (@ $name:literal int truth) => { functor!(@@ $name, Form::Any(Lane::I64) "_i64", Form::Any(Lane::Truth) "_bool",
        Form::Rows(DType::I64) "_i64_flat") };
    (@ $name:literal nothing) => { Functor { kernels: &[], complex: None } };
    (@ $name:literal truth) => { functor!(@@ $name, Form::Any(Lane::Truth) "_bool") };
    (@@ $name:literal, $(Form::$form:ident($lane:expr) $suffix:literal),*) => {
        Functor { kernels: {
            static KERNELS: [(Form, Kernel); [$($suffix),*].len()] =
                    [$((Form::$form($lane), Kernel::new(&ELEMENTWISE, concat!($name, $suffix)))),*];
                &KERNELS
        }, complex: None }
    };
}

macro_rules! functors {
    // What is of complex numbers, too, has a kernel of the same name in `complex.cu`.
    (@complex $name:literal) => { None };
    (@complex $name:literal complex) => { Some(Kernel::new(&COMPLEX, concat!("complex_", $name))) };
    ($($NAME:ident $name:literal $($kind:ident)+ $(, $complex:ident)?;)*) => {
        $(pub(super) static $NAME: Functor = Functor {
            complex: functors!(@complex $name $($complex)?),
            ..functor!(@ $name $($kind)+)
        };)*
        #[cfg(test)]
        pub(crate) static FUNCTORS: &[&Functor] = &[$(&$NAME),*];
    };
}

functors! {
    CONJ "conj" nothing, complex; CAST "cast" answer truth, complex;
    NEG "neg" real int, complex; ABS "abs" real int, complex; SIGN "sign" heavy int; SQUARE "square" real int, complex; CUBE "cube" heavy int, complex;
    RELU "relu" real int; EXP "exp" real, complex; EXP2 "exp2" heavy, complex; EXPM1 "expm1" heavy, complex; LOG "log" real, complex; LOG2 "log2" heavy, complex;
    LOG10 "log10" heavy, complex; LOG1P "log1p" heavy, complex; SQRT "sqrt" real, complex; RSQRT "rsqrt" heavy, complex; RECIPROCAL "reciprocal" real, complex;
    SIN "sin" heavy, complex; COS "cos" heavy, complex; TAN "tan" heavy, complex; ASIN "asin" heavy, complex; ACOS "acos" heavy, complex; ATAN "atan" heavy, complex;
    SINH "sinh" heavy, complex; COSH "cosh" heavy, complex; TANH "tanh" real, complex; ASINH "asinh" heavy, complex; ACOSH "acosh" heavy, complex; ATANH "atanh" heavy, complex;
    SIGMOID "sigmoid" real, complex; ERF "erf" heavy; ERFC "erfc" heavy; ERFINV "erfinv" heavy; FLOOR "floor" heavy; CEIL "ceil" heavy;
    ROUND "round" heavy; TRUNC "trunc" heavy; ISNAN "isnan" heavy, complex; ISINF "isinf" heavy, complex; ISFINITE "isfinite" heavy, complex;
    LOGICAL_NOT "logical_not" truth, complex; CLAMP "clamp" real int;
    ADD "add" real int truth, complex; SUB "sub" real int, complex; MUL "mul" real int truth, complex; DIV "div" real, complex; POW "pow" heavy, complex;
    ATAN2 "atan2" heavy; MAXIMUM "maximum" real int truth; MINIMUM "minimum" real int truth;
    EQ "eq" answer truth, complex; NE "ne" answer truth, complex; LT "lt" answer truth; LE "le" answer truth; GT "gt" answer truth;
    GE "ge" answer truth; LOGICAL_AND "logical_and" truth; LOGICAL_OR "logical_or" truth; LOGICAL_XOR "logical_xor" truth;
    BITWISE_AND "bitwise_and" int truth; BITWISE_OR "bitwise_or" int truth; BITWISE_XOR "bitwise_xor" int truth;
    REMAINDER "remainder" heavy whole; FMOD "fmod" heavy whole; DIV_FLOOR "div_floor" heavy whole;
    DIV_TRUNC "div_trunc" heavy whole; GCD "gcd" whole; NEXTAFTER "nextafter" heavy;
    RELU_BACKWARD "relu_backward" real; TANH_BACKWARD "tanh_backward" real; SIGMOID_BACKWARD "sigmoid_backward" real;
    GELU "gelu" real; GELU_BACKWARD "gelu_backward" real; GELU_TANH "gelu_tanh" real;
    GELU_TANH_BACKWARD "gelu_tanh_backward" real; SILU "silu" real; SILU_BACKWARD "silu_backward" real;
    MISH "mish" heavy; MISH_BACKWARD "mish_backward" heavy; SOFTPLUS "softplus" heavy;
    SOFTPLUS_BACKWARD "softplus_backward" heavy; ELU "elu" heavy; ELU_BACKWARD "elu_backward" heavy;
    LEAKY_RELU "leaky_relu" heavy; LEAKY_RELU_BACKWARD "leaky_relu_backward" heavy; HARDTANH "hardtanh" heavy;
    HARDTANH_BACKWARD "hardtanh_backward" heavy; HARDSWISH "hardswish" heavy;
    HARDSWISH_BACKWARD "hardswish_backward" heavy; HARDSIGMOID "hardsigmoid" heavy;
    HARDSIGMOID_BACKWARD "hardsigmoid_backward" heavy; LOG_SIGMOID "log_sigmoid" heavy;
    LOG_SIGMOID_BACKWARD "log_sigmoid_backward" heavy;
}

macro_rules! by_size {
    ($($STATIC:ident $name:literal: $($size:literal)*;)*) => {
        $(pub(crate) static $STATIC: [(usize, Kernel); [$($size),*].len()] =
            [$(($size, Kernel::new(&ELEMENTWISE, concat!($name, $size)))),*];)*
    };
}

// Elements as bits, by their size.
by_size! { COPY "copy_": 1 2 4 8 16; WHERE "where_": 1 2 4 8; }

fn of_size(kernels: &'static [(usize, Kernel)], size: usize) -> Option<&'static Kernel> {
    kernels.iter().find(|(s, _)| *s == size).map(|(_, kernel)| kernel)
}

impl Functor {
    /// Queues it, or runs the op on the host where there is no such kernel.
    pub(super) fn run(&'static self, work: &Work<'_>, lane: Option<Lane>, inputs: &[Input<'_>]) -> Result<Ran> {
        self.run_with(work, lane, inputs, [0; 3])
    }

    /// [`run`](Functor::run) with the functor's own parameters, as bits.
    pub(super) fn run_with(
        &'static self,
        work: &Work<'_>,
        lane: Option<Lane>,
        inputs: &[Input<'_>],
        extra: [u64; 3],
    ) -> Result<Ran> {
        let out = work.outputs[0];
        let Some(any) = lane.and_then(|lane| self.kernel(Form::Any(lane))) else { return on_host(work) };
        let same = |input: &Input<'_>| match input {
            Input::Tensor(t) => t.dtype() == out.dtype() && t.is_contiguous() && t.shape() == out.shape(),
            Input::Number(_) | Input::Complex(_) => true,
        };
        let fits = Lane::of(out.dtype()) == lane && out.is_contiguous() && inputs.iter().all(same);
        let flat = if fits { self.kernel(Form::Rows(out.dtype())) } else { None };
        launch(work, any, flat, inputs, extra)
    }
}

/// Queues a kernel on tensors.
pub(super) fn launch(
    work: &Work<'_>,
    any: &Kernel,
    flat: Option<&Kernel>,
    inputs: &[Input<'_>],
    extra: [u64; 3],
) -> Result<Ran> {
    let out = work.outputs[0];
    let gpu = gpu_of(out)?;
    let task = Task::of(work);
    let to = Operand::of(out)?;
    let (mut numbers, mut extra) = ([0; 3], extra);
    let mut from: SmallVec<[Option<Operand<'_>>; 3]> = SmallVec::new();
    for ((input, number), beside) in inputs.iter().zip(&mut numbers).zip(&mut extra) {
        from.push(match input {
            Input::Tensor(t) => Some(Operand::of(t)?),
            Input::Number(bits) => {
                *number = *bits;
                None
            }
            Input::Complex(parts) => {
                [*number, *beside] = *parts;
                None
            }
        });
    }
    queue(gpu, &task, |queue| {
        // SAFETY: operands are as large as their shapes say (the contract of `Backend::run`), and stay while what is
        // queued uses them, which was written down.
        unsafe { launch_raw(gpu, queue, (any, flat), to, &from, (numbers, extra)) }
    })?;
    Ok(Ran::Queued)
}

/// Queues a kernel on memory.
///
/// # Safety
/// The operands are there, as large as their shapes and strides say, until what is queued is over.
pub(super) unsafe fn launch_raw(
    gpu: &Gpu,
    queue: &Queue,
    (any, flat): (&Kernel, Option<&Kernel>),
    to: Operand<'_>,
    from: &[Option<Operand<'_>>],
    (numbers, extra): ([u64; 3], [u64; 3]),
) -> Result<()> {
    let n: usize = to.shape.iter().product();
    if n == 0 {
        return Ok(());
    }
    let mut head = Flat { out: to.address, inputs: [0; 3], number: numbers, extra, n: n as i64 };
    for (address, operand) in head.inputs.iter_mut().zip(from) {
        *address = operand.map_or(0, |o| o.address);
    }
    let aligned = (head.out | head.inputs.iter().fold(0, |all, a| all | a)) % 16 == 0;
    if let Some(kernel) = flat.filter(|_| aligned) {
        let threads = n.div_ceil(16 / to.dtype.size());
        // SAFETY: `Flat` is the parameter of kernels of this form; the caller vouches for the operands.
        return unsafe { kernel.launch(gpu, queue, grid(threads)?, 256, &head) };
    }
    let rank = to.shape.len();
    let dims = (0..rank).map(|d| {
        let mut strides = [0; OPERANDS];
        strides[0] = to.stride(d, rank);
        for (stride, operand) in strides[1..].iter_mut().zip(from) {
            *stride = operand.map_or(0, |o| o.stride(d, rank));
        }
        Dim { size: to.shape[d], strides }
    });
    let dims = collapse(dims);
    let mut in_dtype = [0; 3];
    for (dtype, operand) in in_dtype.iter_mut().zip(from) {
        *dtype = operand.map_or(0, |o| number(o.dtype));
    }
    // What a kernel does not walk, the host does: a launch for each place.
    let (inner, outer) = dims.split_at(dims.len().min(MOST));
    let places = Places::new(inner)?;
    let count: usize = inner.iter().map(|d| d.size).product();
    let times: usize = outer.iter().map(|d| d.size).product();
    for i in 0..times {
        let mut params = Strided { flat: head, out_dtype: number(to.dtype), in_dtype, places };
        params.flat.n = count as i64;
        let mut left = i;
        for dim in outer {
            let step = (left % dim.size) as i64;
            left /= dim.size;
            params.flat.out = params.flat.out.wrapping_add_signed(step * dim.strides[0] * to.dtype.size() as i64);
            for (k, operand) in from.iter().enumerate() {
                let size = operand.map_or(0, |o| o.dtype.size() as i64);
                params.flat.inputs[k] = params.flat.inputs[k].wrapping_add_signed(step * dim.strides[k + 1] * size);
            }
        }
        // SAFETY: `Strided` is the parameter of kernels of this form; the caller vouches for the operands.
        unsafe { any.launch(gpu, queue, grid(count)?, 256, &params)? };
    }
    Ok(())
}

/// Blocks of 256 threads.
pub(super) fn grid(threads: usize) -> Result<[u32; 3]> {
    let blocks = threads.div_ceil(256);
    match u32::try_from(blocks).ok().filter(|b| *b <= i32::MAX as u32) {
        Some(blocks) => Ok([blocks, 1, 1]),
        None => Err(Error::new(ErrorKind::Unsupported, "cuda", format!("{threads} threads"))),
    }
}

/// Queues a copy from memory to memory, with a change of dtype where theirs differ; false where there is no kernel.
///
/// # Safety
/// As [`launch_raw`].
pub(super) unsafe fn copy_raw(gpu: &Gpu, queue: &Queue, to: Operand<'_>, from: Operand<'_>) -> Result<bool> {
    let kernel = match (Lane::of(from.dtype), Lane::of(to.dtype)) {
        _ if from.dtype == to.dtype => of_size(&COPY, to.dtype.size()),
        (Some(lane), Some(_)) => CAST.kernel(Form::Any(lane)),
        _ => complex(&[from.dtype, to.dtype]).and_then(|lane| CAST.kernel(Form::Any(lane))),
    };
    let Some(kernel) = kernel else { return Ok(false) };
    // SAFETY: the caller's word.
    unsafe { launch_raw(gpu, queue, (kernel, None), to, &[Some(from)], ([0; 3], [0; 3]))? };
    Ok(true)
}

/// Queues a fill with a number of the lane, in its bits.
///
/// # Safety
/// As [`launch_raw`].
pub(super) unsafe fn fill_raw(gpu: &Gpu, queue: &Queue, to: Operand<'_>, lane: Lane, bits: u64) -> Result<bool> {
    let Some(kernel) = CAST.kernel(Form::Any(lane)) else { return Ok(false) };
    // SAFETY: the caller's word.
    unsafe { launch_raw(gpu, queue, (kernel, None), to, &[None], ([bits, 0, 0], [0; 3]))? };
    Ok(true)
}

/// The lane of complex numbers, where all that has no other lane is complex.
fn complex(dtypes: &[DType]) -> Option<Lane> {
    let all = dtypes.iter().all(|d| d.is_complex() || Lane::of(*d).is_some());
    (all && dtypes.iter().any(|d| d.is_complex())).then_some(Lane::Complex)
}

/// The lane of a dtype, complex ones included.
fn any(dtype: DType) -> Option<Lane> {
    Lane::of(dtype).or_else(|| complex(&[dtype]))
}

impl CudaKernel for Cast {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let ([from], [to]) = (work.inputs, work.outputs) else { return Ok(Ran::Lacking) };
        let lanes = (Lane::of(from.dtype()), Lane::of(to.dtype()));
        if from.dtype() == to.dtype() {
            // A truth value is 0 or 1, whatever its bits were.
            let Some(kernel) = of_size(&COPY, to.dtype().size()) else { return on_host(work) };
            return launch(work, kernel, None, &[Input::Tensor(from)], [0; 3]);
        }
        match lanes {
            (Some(lane), Some(_)) => CAST.run(work, Some(lane), &[Input::Tensor(from)]),
            _ => CAST.run(work, complex(&[from.dtype(), to.dtype()]), &[Input::Tensor(from)]),
        }
    }
}

macro_rules! unary {
    // The input is read as the lane of: the output, for functions of floating-point numbers; itself, for others.
    ($of:ident: $($Op:ident $FUNCTOR:ident,)*) => {$(
        impl CudaKernel for $Op {
            fn run(&self, work: &Work<'_>) -> Result<Ran> {
                $FUNCTOR.run(work, any(work.$of[0].dtype()), &[Input::Tensor(work.inputs[0])])
            }
        }
    )*};
}

unary! { outputs: Exp EXP, Exp2 EXP2, Expm1 EXPM1, Log LOG, Log2 LOG2, Log10 LOG10, Log1p LOG1P, Sqrt SQRT, Rsqrt RSQRT,
Reciprocal RECIPROCAL, Asin ASIN, Acos ACOS, Atan ATAN, Sinh SINH, Cosh COSH, Tanh TANH, Asinh ASINH, Acosh ACOSH,
Atanh ATANH, Sigmoid SIGMOID, Erf ERF, Erfc ERFC, Erfinv ERFINV, Sin SIN, Cos COS, Tan TAN, }
unary! { inputs: Neg NEG, Sign SIGN, Square SQUARE, Relu RELU, Abs ABS, IsNan ISNAN, IsInf ISINF, IsFinite ISFINITE,
Floor FLOOR, Ceil CEIL, Round ROUND, Trunc TRUNC, }

impl CudaKernel for LogicalNot {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let x = work.inputs[0];
        let lane = Lane::of(x.dtype()).map(|_| Lane::Truth).or_else(|| complex(&[x.dtype()]));
        LOGICAL_NOT.run(work, lane, &[Input::Tensor(x)])
    }
}

impl CudaKernel for Conj {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let x = work.inputs[0];
        let functor = if x.dtype().is_complex() { &CONJ } else { &CAST };
        functor.run(work, any(x.dtype()), &[Input::Tensor(x)])
    }
}

/// A number in a lane's bits, as an element of `dtype` holds it; a factor or divisor of halves stays as it is.
pub(super) fn bits(value: Scalar, dtype: DType, exact: bool) -> u64 {
    let single = |x: f64| u64::from((x as f32).to_bits());
    match dtype {
        DType::Bool => u64::from(value.to_f64() != 0.0),
        DType::U8 => u64::from(value.to_i64() as u8),
        DType::I8 => i64::from(value.to_i64() as i8) as u64,
        DType::I16 => i64::from(value.to_i64() as i16) as u64,
        DType::I32 => i64::from(value.to_i64() as i32) as u64,
        DType::I64 => value.to_i64() as u64,
        DType::F16 if !exact => single(f16::from_f32(value.to_f64() as f32).to_f64()),
        DType::BF16 if !exact => single(bf16::from_f32(value.to_f64() as f32).to_f64()),
        DType::F64 => value.to_f64().to_bits(),
        _ => single(value.to_f64()),
    }
}

/// An element of up to eight bytes as it lies in memory; `None` for complex numbers that are not zero.
pub(super) fn element(value: Scalar, dtype: DType) -> Option<[u8; 8]> {
    let mut bytes = [0; 8];
    let mut put = |from: &[u8]| bytes[..from.len()].copy_from_slice(from);
    match dtype {
        DType::F16 => put(&f16::from_f64(value.to_f64()).to_le_bytes()),
        DType::BF16 => put(&bf16::from_f64(value.to_f64()).to_le_bytes()),
        DType::Complex64 | DType::Complex128 if value.to_bool() => return None,
        DType::Complex64 | DType::Complex128 => {}
        _ => put(&bits(value, dtype, true).to_le_bytes()),
    }
    Some(bytes)
}

/// The operands of an op on two.
fn operands<'a>(scalar: ScalarOperand, inputs: &[&'a Tensor], exact: bool) -> [Input<'a>; 2] {
    let dtype = inputs[0].dtype();
    let number = |value: Scalar| match dtype {
        DType::Complex64 | DType::Complex128 => {
            let part = |x: f64| if dtype == DType::Complex64 && !exact { f64::from(x as f32) } else { x }.to_bits();
            let z = value.to_c128();
            Input::Complex([part(z.re), part(z.im)])
        }
        _ => Input::Number(bits(value, dtype, exact)),
    };
    match scalar {
        ScalarOperand::Left(value) => [number(value), Input::Tensor(inputs[0])],
        ScalarOperand::Right(value) => [Input::Tensor(inputs[0]), number(value)],
        ScalarOperand::None => [Input::Tensor(inputs[0]), Input::Tensor(inputs[1])],
    }
}

macro_rules! binary {
    ($($Op:ident $FUNCTOR:ident $exact:literal,)*) => {$(
        impl CudaKernel for $Op {
            fn run(&self, work: &Work<'_>) -> Result<Ran> {
                let lane = any(work.inputs[0].dtype());
                $FUNCTOR.run(work, lane, &operands(self.scalar, work.inputs, $exact))
            }
        }
    )*};
}

binary! {
    Add ADD false, Sub SUB false, Mul MUL true, Div DIV true, Atan2 ATAN2 false, Maximum MAXIMUM false, Minimum MINIMUM false,
    BitwiseAnd BITWISE_AND false, BitwiseOr BITWISE_OR false, BitwiseXor BITWISE_XOR false,
    Eq EQ false, Ne NE false, Lt LT false, Le LE false, Gt GT false, Ge GE false,
}

// A kernel that meets a zero where it is to divide whole numbers tells it by the mailbox.
macro_rules! division {
    ($($Op:ident $FUNCTOR:ident,)*) => {$(
        impl CudaKernel for $Op {
            fn run(&self, work: &Work<'_>) -> Result<Ran> {
                let dtype = work.inputs[0].dtype();
                let lane = Lane::of(dtype).map(|lane| if lane == Lane::Truth { Lane::I64 } else { lane });
                let extra = if dtype.is_float() {
                    [f64::from(number(dtype)).to_bits(), 0, 0]
                } else if matches!(self.scalar, ScalarOperand::Right(by) if by.to_i64() == 0) {
                    return on_host(work); // Which says so at once.
                } else {
                    let gpu = gpu_of(work.outputs[0])?;
                    let (mail, call) = gpu.mailbox.of(gpu, work.op.name(), work.at)?;
                    [mail, u64::from(call), 0]
                };
                $FUNCTOR.run_with(work, lane, &operands(self.scalar, work.inputs, true), extra)
            }
        }
    )*};
}

division! { Remainder REMAINDER, Fmod FMOD, DivFloor DIV_FLOOR, DivTrunc DIV_TRUNC, }

impl CudaKernel for Gcd {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let lane = Lane::of(work.inputs[0].dtype());
        GCD.run(work, lane, &operands(self.scalar, work.inputs, false))
    }
}

impl CudaKernel for NextAfter {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let dtype = work.inputs[0].dtype();
        if dtype == DType::F16 {
            return on_host(work); // Which says that there is none.
        }
        let extra = [f64::from(number(dtype)).to_bits(), 0, 0];
        NEXTAFTER.run_with(work, Lane::of(dtype), &operands(self.scalar, work.inputs, false), extra)
    }
}

impl CudaKernel for Clamp {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let x = work.inputs[0];
        let whole: Option<(i64, i64)> = match x.dtype() {
            DType::U8 => Some((0, 255)),
            DType::I8 => Some((i8::MIN.into(), i8::MAX.into())),
            DType::I16 => Some((i16::MIN.into(), i16::MAX.into())),
            DType::I32 => Some((i32::MIN.into(), i32::MAX.into())),
            DType::I64 => Some((i64::MIN, i64::MAX)),
            _ => None,
        };
        let extra = if let Some((low, high)) = whole {
            // A bound beyond what the dtype holds binds nothing, or everything.
            let bound = |s: Option<Scalar>, none: i64| s.map_or(none, |s| s.to_i64()).clamp(low, high);
            [bound(self.min, low) as u64, bound(self.max, high) as u64, 0]
        } else if x.dtype().is_float() {
            let bound = |s: Option<Scalar>, none: f64| s.map_or(none, |s| s.to_f64()).to_bits();
            [bound(self.min, f64::NEG_INFINITY), bound(self.max, f64::INFINITY), 0]
        } else {
            return on_host(work);
        };
        CLAMP.run_with(work, Lane::of(x.dtype()), &[Input::Tensor(x)], extra)
    }
}

macro_rules! logical {
    ($($Op:ident $FUNCTOR:ident,)*) => {$(
        impl CudaKernel for $Op {
            fn run(&self, work: &Work<'_>) -> Result<Ran> {
                if work.inputs.iter().any(|t| t.dtype().is_complex()) || self.scalar != ScalarOperand::None {
                    return on_host(work);
                }
                $FUNCTOR.run(work, Some(Lane::Truth), &operands(self.scalar, work.inputs, false))
            }
        }
    )*};
}

logical! { LogicalAnd LOGICAL_AND, LogicalOr LOGICAL_OR, LogicalXor LOGICAL_XOR, }

macro_rules! of_two {
    ($($Op:ident $FUNCTOR:ident,)*) => {$(
        impl CudaKernel for $Op {
            fn run(&self, work: &Work<'_>) -> Result<Ran> {
                let [g, y] = work.inputs else { return Ok(Ran::Lacking) };
                $FUNCTOR.run(work, Lane::of(g.dtype()), &[Input::Tensor(g), Input::Tensor(y)])
            }
        }
    )*};
}

of_two! { ReluBackward RELU_BACKWARD, TanhBackward TANH_BACKWARD, SigmoidBackward SIGMOID_BACKWARD, }

impl CudaKernel for Pow {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let dtype = work.inputs[0].dtype();
        // The number 0 gives 1 even of 0, whose power by a tensor's 0 is none.
        if matches!(self.scalar, ScalarOperand::Right(exponent) if dtype.is_complex() && exponent.is_zero()) {
            return filled(work, 1.0.into());
        }
        let real = match self.scalar {
            ScalarOperand::Right(Scalar::Complex(_)) => None,
            ScalarOperand::Right(value) if dtype.is_float() => Some(value.to_f64()),
            _ => None,
        };
        // Powers that are products, roots or reciprocals.
        let short = match real {
            Some(2.0) => Some(&SQUARE),
            Some(3.0) => Some(&CUBE),
            Some(0.5) => Some(&SQRT),
            Some(-0.5) => Some(&RSQRT),
            Some(-1.0) => Some(&RECIPROCAL),
            _ => None,
        };
        match short {
            Some(functor) => functor.run(work, Lane::of(dtype), &[Input::Tensor(work.inputs[0])]),
            None => POW.run(work, any(dtype), &operands(self.scalar, work.inputs, false)),
        }
    }
}

impl CudaKernel for Where {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let [condition, ..] = work.inputs else { return Ok(Ran::Lacking) };
        let dtype = work.outputs[0].dtype();
        let plain = condition.dtype() == DType::Bool && work.inputs[1..].iter().all(|t| t.dtype() == dtype);
        let mut tensors = work.inputs[1..].iter().map(|t| Input::Tensor(t));
        let mut operand = |value: Option<Scalar>| match value {
            Some(value) => element(value, dtype).map(|bytes| Input::Number(u64::from_le_bytes(bytes))),
            None => tensors.next(),
        };
        match (of_size(&WHERE, dtype.size()), operand(self.input), operand(self.other)) {
            (Some(kernel), Some(a), Some(b)) if plain => {
                launch(work, kernel, None, &[Input::Tensor(condition), a, b], [0; 3])
            }
            _ => on_host(work),
        }
    }
}

macro_rules! counted {
    ($($NAME:ident $name:literal)*) => {
        $(static $NAME: Kernel = Kernel::new(&ELEMENTWISE, $name);)*
        #[cfg(test)]
        static COUNTED: &[&Kernel] = &[$(&$NAME),*];
    };
}

counted! { ARANGE_I64 "arange_i64" ARANGE_F64 "arange_f64" LINSPACE_F32 "linspace_f32" LINSPACE_F64 "linspace_f64" }

impl CudaKernel for Arange {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        if self.dtype.is_complex() {
            return on_host(work);
        }
        match (self.start, self.step) {
            (Scalar::Int(a), Scalar::Int(s)) => launch(work, &ARANGE_I64, None, &[], [a as u64, s as u64, 0]),
            (a, s) => launch(work, &ARANGE_F64, None, &[], [a.to_f64().to_bits(), s.to_f64().to_bits(), 0]),
        }
    }
}

impl CudaKernel for Linspace {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let gaps = (self.len.max(2) - 1) as f64;
        let (a, b) = (self.start.to_f64(), self.end.to_f64());
        match Lane::of(self.dtype) {
            None => on_host(work),
            Some(Lane::F32) => {
                let single = |x: f64| match self.dtype {
                    DType::F16 => f16::from_f32(x as f32).to_f32(),
                    DType::BF16 => bf16::from_f32(x as f32).to_f32(),
                    _ => x as f32,
                };
                let (a, b) = (single(a), single(b));
                let step = (b - a) / gaps as f32;
                launch(work, &LINSPACE_F32, None, &[], [a, b, step].map(|x| f64::from(x).to_bits()))
            }
            Some(_) => launch(work, &LINSPACE_F64, None, &[], [a, b, (b - a) / gaps].map(f64::to_bits)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::FAMILIES;

    #[test]
    fn every_kernel_that_is_named_is_in_its_archive() {
        let complex = COMPLEX.text().unwrap();
        for kernel in FUNCTORS.iter().filter_map(|f| f.complex.as_ref()) {
            assert!(complex.contains(&format!(".entry {}(", kernel.name)), "{}", kernel.name);
        }
        let texts: Vec<String> = FAMILIES.iter().map(|f| f.text().unwrap()).collect();
        let all = FUNCTORS.iter().flat_map(|f| f.kernels.iter().map(|(_, k)| k.name));
        let sized = COPY.iter().chain(&WHERE).map(|(_, k)| k.name);
        for name in all.chain(sized).chain(COUNTED.iter().map(|k| k.name)) {
            assert!(texts[0].contains(&format!(".entry {name}(")), "{name}");
        }
    }
}
