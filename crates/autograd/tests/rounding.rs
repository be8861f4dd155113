//! Half precision is rounded where PyTorch's kernels round it; the numbers are those of PyTorch 2.15.

use flambeau_autograd::{Autograd, grad};
use flambeau_tensor::{
    DType, InterpolateMode, InterpolateOptions, PadMode, Reduce, Result, Spacing, Tensor, shape::Spatial, special,
};

/// Numbers in no order, `scale`-ths from `−off / scale` on, as `dtype` keeps them.
fn numbers(shape: &[usize], dtype: DType, scale: f64, off: i64) -> Result<Tensor> {
    let n: usize = shape.iter().product();
    let all: Vec<f64> = (0..n as i64).map(|i| (i * 7919 % 97 - off) as f64 / scale).collect();
    Tensor::from_vec(all, shape)?.to_dtype(dtype)
}

fn x(shape: &[usize], dtype: DType) -> Result<Tensor> {
    numbers(shape, dtype, 8.0, 48)
}

/// A cotangent.
fn g(shape: &[usize], dtype: DType) -> Result<Tensor> {
    numbers(shape, dtype, 7.0, 31)
}

fn equal(what: &str, y: &Tensor, right: [&[f64]; 2]) -> Result<()> {
    let right = if y.dtype() == DType::BF16 { right[0] } else { right[1] };
    assert_eq!(y.to_dtype(DType::F64)?.to_vec::<f64>()?, right, "{what} of {}", y.dtype());
    Ok(())
}

fn derived(at: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let at = at.detach().requires_grad_()?;
    let y = f(&at)?;
    // With a history of its own.
    let cotangent = g(y.shape(), y.dtype())?.requires_grad_()?.mul(1.0)?;
    let loss = y.mul(&cotangent)?;
    let mut all = grad(&[&loss.sum(..)?], &[&at])?;
    Ok(all.remove(0))
}

fn linear(x: &Tensor, size: impl Into<Spatial>, corners: bool) -> Result<Tensor> {
    x.interpolate(InterpolateOptions::size(size).mode(InterpolateMode::Linear).align_corners(corners))
}

#[test]
fn results_are_rounded_as_in_pytorch() -> Result<()> {
    for dtype in [DType::BF16, DType::F16] {
        // Along the last dimension the sum and its logarithm are kept as elements, along others they are not.
        #[rustfmt::skip]
        equal("log_softmax of rows", &x(&[2, 6], dtype)?.log_softmax(-1)?, [
            &[-11.1875, -3.421875, -7.78125, -0.0458984375, -4.40625, -8.8125, -0.32421875, -4.6875, -9.0625, -1.328125, -5.6875, -10.0625],
            &[-11.171875, -3.421875, -7.796875, -0.0467529296875, -4.421875, -8.796875, -0.326171875, -4.703125, -9.078125, -1.326171875, -5.703125, -10.078125],
        ])?;
        #[rustfmt::skip]
        equal("log_softmax of columns", &x(&[4, 2], dtype)?.log_softmax(0)?, [
            &[-10.1875, -3.40625, -6.78125, -0.038330078125, -3.40625, -8.8125, -0.034912109375, -5.40625],
            &[-10.15625, -3.4140625, -6.78515625, -0.03826904296875, -3.41015625, -8.7890625, -0.034820556640625, -5.4140625],
        ])?;
        equal(
            "linear interpolation",
            &linear(&x(&[1, 1, 5], dtype)?, [8], true)?,
            [
                &[-6.0, -1.578125, 1.1328125, -1.375, -0.4140625, 4.0, 3.25, 0.75],
                &[-6.0, -1.572265625, 1.1259765625, -1.375, -0.4111328125, 4.015625, 3.25, 0.75],
            ],
        )?;
        let volume = linear(&x(&[1, 1, 2, 2, 3], dtype)?, [2, 3, 4], false)?;
        let slice = [
            4.125, 1.390625, -1.890625, -4.625, 3.625, 0.890625, -2.390625, -5.125, 3.125, 0.390625, -2.890625, -5.625,
        ];
        equal("trilinear interpolation", &volume.select(2, 1)?, [&slice, &slice])?;
        equal(
            "the mean of volumes",
            &x(&[1, 2, 3, 4, 5], dtype)?.adaptive_avg_pool3d(1)?,
            [&[-0.07080078125, -0.064453125], &[-0.07086181640625, -0.0645751953125]],
        )?;
        let (base, source) = (x(&[2, 3], dtype)?, numbers(&[2, 5], dtype, 9.0, 31)?);
        let index = Tensor::new([0i64, 2, 0, 0, 2])?;
        equal(
            "index_reduce",
            &base.index_reduce(1, &index, &source, Reduce::Mean, true)?,
            [
                &[-0.859375, 1.75, 1.125, 0.8046875, 0.75, 2.203125],
                &[-0.861328125, 1.75, 1.125, 0.8095703125, 0.75, 2.19921875],
            ],
        )?;
        equal(
            "index_reduce of the source alone",
            &base.index_reduce(1, &index, &source, Reduce::Mean, false)?,
            [
                &[0.85546875, 1.75, 3.0, -0.62890625, 0.75, 5.125],
                &[0.8515625, 1.75, 3.0, -0.62939453125, 0.75, 5.109375],
            ],
        )?;
        equal(
            "ndtr",
            &special::ndtr(&numbers(&[6], dtype, 16.0, 48)?)?,
            [
                &[0.001953125, 0.80859375, 0.09375, 0.9921875, 0.6484375, 0.03515625],
                &[0.00146484375, 0.80908203125, 0.0947265625, 0.9951171875, 0.64599609375, 0.034912109375],
            ],
        )?;
        equal(
            "gradient",
            &x(&[6], dtype)?.gradient(&[Spacing::Even(2.1)], 0, 1)?[0],
            [
                &[3.6875, 0.8046875, 0.8046875, 0.8046875, -2.078125, -2.078125],
                &[3.69140625, 0.8037109375, 0.8037109375, 0.8037109375, -2.083984375, -2.083984375],
            ],
        )?;
        equal(
            "gradient of the second order",
            &x(&[6], dtype)?.gradient(&[Spacing::Even(2.1)], 0, 2)?[0],
            [
                &[6.5625, 0.8046875, 0.8046875, 0.8046875, -2.078125, -2.078125],
                &[6.578125, 0.8037109375, 0.8037109375, 0.8037109375, -2.083984375, -2.083984375],
            ],
        )?;
        let (base, source) = (x(&[3, 2], dtype)?, numbers(&[5, 2], dtype, 9.0, 31)?);
        equal(
            "index_reduce of rows",
            &base.index_reduce(0, &index, &source, Reduce::Mean, true)?,
            [
                &[-0.328125, 1.375, -2.625, 5.125, -0.63671875, 2.484375],
                &[-0.333984375, 1.3828125, -2.625, 5.125, -0.63916015625, 2.49609375],
            ],
        )?;
        let quarters = [3.0; 4];
        equal("histc", &x(&[20], dtype)?.histc(4, -3.0, 5.0)?, [&quarters, &quarters])?;
        let one = [0.0, 0.0, 1.0, 0.0];
        equal("histc of one", &Tensor::full([1], -8.5).dtype(dtype).build()?.histc(4, 0.0, 0.0)?, [&one, &one])?;
    }
    Ok(())
}

#[test]
fn gradients_are_rounded_as_in_pytorch() -> Result<()> {
    for dtype in [DType::BF16, DType::F16] {
        let a = numbers(&[2, 5], dtype, 9.0, 48)?;
        equal(
            "cumprod",
            &derived(&a, |x| x.cumprod(1))?,
            [
                &[-168.0, 564.0, -394.0, 203.0, 290.0, 69.5, -62.75, 652.0, 36.5, -65.5],
                &[-168.75, 563.5, -391.25, 202.875, 289.75, 68.9375, -62.09375, 645.0, 36.21875, -64.75],
            ],
        )?;
        let a = numbers(&[1, 4], dtype, 9.0, 48)?;
        a.narrow(1, 1, 1)?.fill_(0.0)?;
        equal(
            "cumprod around 0",
            &derived(&a, |x| x.cumprod(1))?,
            [&[-4.4375, 440.0, 0.0, 0.0], &[-4.4296875, 439.25, 0.0, 0.0]],
        )?;
        let a = numbers(&[1, 1, 2, 2, 2], dtype, 9.0, 48)?;
        equal(
            "circular padding",
            &derived(&a, |x| x.pad_with(&[1; 6], PadMode::Circular))?,
            [
                &[30.625, 15.1875, 24.25, 22.75, 19.25, 17.625, 13.0, 11.375],
                &[30.578125, 15.1484375, 24.28125, 22.71875, 19.28125, 17.703125, 13.0, 11.421875],
            ],
        )?;
        // By the weights before they are rounded.
        let a = numbers(&[1, 1, 5], dtype, 9.0, 48)?;
        equal(
            "linear interpolation",
            &derived(&a, |x| linear(x, [8], true))?,
            [
                &[-2.53125, 4.40625, 7.96875, 3.5625, 5.21875],
                &[-2.53125, 4.41015625, 7.94140625, 3.552734375, 5.203125],
            ],
        )?;
    }
    Ok(())
}

#[test]
fn the_upper_cholesky_factor_has_pytorchs_gradient() -> Result<()> {
    let complex = |parts: [[f64; 2]; 4]| Tensor::new(parts)?.view_as_complex()?.reshape([2, 2]);
    let a = complex([[4.0, 0.0], [1.0, 2.0], [1.0, -2.0], [5.0, 0.0]])?.requires_grad_()?;
    let u = flambeau_tensor::linalg::cholesky(&a, true)?;
    let cotangent = complex([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0]])?;
    let by_a = &grad(&[&u.mul(&cotangent.conj()?)?.real()?.sum(..)?], &[&a])?[0];
    let right = [0.4477, 0.25, 0.2418, -0.5164, 0.2418, 0.5164, 1.0328, 0.0];
    let found = by_a.view_as_real()?.reshape(-1)?.to_vec::<f64>()?;
    assert!(found.iter().zip(right).all(|(a, b)| (a - b).abs() < 5e-5), "{found:?}");
    // Only the upper triangle is read.
    let lower_lost = a.detach().triu(0)?;
    assert_eq!(
        flambeau_tensor::linalg::cholesky(&lower_lost, true)?.to_vec::<flambeau_tensor::Complex<f64>>()?,
        u.to_vec()?
    );
    Ok(())
}

#[test]
fn what_is_not_a_number_has_an_angle_without_slope() -> Result<()> {
    let x = Tensor::new([1.0f32, -2.0, f32::NAN])?.requires_grad_()?;
    assert_eq!(grad(&[&x.angle()?.sum(..)?], &[&x])?[0].to_vec::<f32>()?, [0.0; 3]);
    Ok(())
}

#[test]
fn products_of_three_dtypes_are_computed_in_the_widest() -> Result<()> {
    let (x, b) = (Tensor::new([1.0f32, 2.0])?, Tensor::new([3.0f32, 7.0])?);
    let a = Tensor::new([1.0f32, 3.0])?.to_dtype(DType::BF16)?;
    assert_eq!(x.addcdiv(&a, &b, 3.14)?.to_vec::<f32>()?, [2.046_666_6, 3.345_714_3]);
    assert_eq!(x.addcmul(&a, &b, 3.14)?.to_vec::<f32>()?, [10.42, 67.94]);
    Ok(())
}
