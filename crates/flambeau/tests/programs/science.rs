//! Science without networks, and with one: spectra, sums over indices, fits by L-BFGS, equations of motion.

use flambeau::autograd::{GradOptions, grad_with};
use flambeau::fft::{self, Norm};
use flambeau::prelude::*;
use flambeau::{einsum, linalg};

/// u'' = f on a circle, by Fourier's method.
#[test]
fn poisson_on_a_circle() -> Result<()> {
    let _alone = crate::alone();
    let n = 64;
    let x = Tensor::arange(0, n).dtype(DType::F64).build()? * (2.0 * PI / n as f64);
    let f = -9.0 * (3.0 * &x).sin()?;
    let k = fft::fftfreq(n, 1.0 / n as f64, DType::F64)?;
    let inverse = (-k.square()?).reciprocal()?.masked_fill(k.eq(0)?, 0)?;
    let u = fft::ifft(&(fft::fft(&f, None, -1, Norm::Backward)? * inverse), None, -1, Norm::Backward)?.real()?;
    assert!(u.allclose((3.0 * &x).sin()?)?);
    Ok(())
}

/// The moments of inertia of a cloud of points, rotated: traces and determinants stay.
#[test]
fn inertia_is_a_tensor() -> Result<()> {
    let _alone = crate::alone();
    flambeau::manual_seed(0);
    let points = Tensor::randn([50, 3]).dtype(DType::F64).build()?;
    let inertia = |r: &Tensor| -> Result<Tensor> {
        let squares = einsum("ni,ni->", &[r, r])?;
        Ok(squares * Tensor::eye(3).dtype(DType::F64).build()? - einsum("ni,nj->ij", &[r, r])?)
    };
    let (sin, cos) = 0.3f64.sin_cos();
    let turn = tensor!([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]).to_dtype(DType::F64)?;
    let turned = inertia(&points.matmul(turn.t()?)?)?;
    let there_and_back = linalg::multi_dot(&[&turn.t()?, &turned, &turn])?;
    let options = flambeau::CloseOptions::new().rtol(1e-6);
    assert!(there_and_back.allclose_with(inertia(&points)?, options)?);
    Ok(())
}

/// A decaying oscillation is fitted to noisy points.
#[test]
fn a_curve_is_fitted() -> Result<()> {
    let _alone = crate::alone();
    flambeau::manual_seed(0);
    let t = Tensor::linspace(0.0, 4.0, 80).dtype(DType::F64).build()?;
    let curve = |p: &Tensor| -> Result<Tensor> { Ok((-p.i(0)? * &t).exp()? * (p.i(1)? * &t + p.i(2)?).cos()?) };
    let measured = curve(&tensor!([0.5, 3.0, 0.2]).to_dtype(DType::F64)?)? + 0.01 * t.randn_like()?;

    let parameters = tensor!([0.3, 2.6, 0.0]).to_dtype(DType::F64)?.requires_grad_()?;
    let mut optimizer = LBFGS::new([&parameters]).lr(0.5).max_iter(40).build()?;
    optimizer.step_with(&mut || {
        parameters.clear_grad();
        let loss = mse_loss(curve(&parameters)?, &measured)?;
        loss.backward()?;
        Ok(loss)
    })?;
    let options = flambeau::CloseOptions::new().atol(2e-2);
    assert!(parameters.allclose_with(tensor!([0.5, 3.0, 0.2]).to_dtype(DType::F64)?, options)?, "{parameters}");
    Ok(())
}

/// x'' = −x, x(0) = 0, x'(0) = 1, solved by a network that is told the equation alone.
#[test]
fn a_network_solves_an_equation_of_motion() -> Result<()> {
    let _alone = crate::alone();
    flambeau::manual_seed(0);
    let network = Sequential::of((Linear::new(1, 16), Tanh::new(), Linear::new(16, 1)))?.to(DType::F64)?;
    let t = Tensor::linspace(0.0, 2.0, 20).dtype(DType::F64).build()?.unsqueeze(-1)?.requires_grad_()?;
    // The conditions at 0 hold whatever the network says.
    let position = |t: &Tensor| -> Result<Tensor> { Ok(t + t.square()? * network.call(t)?) };
    let slope = |y: &Tensor| -> Result<Tensor> {
        let options = GradOptions::new().create_graph(true);
        Ok(grad_with(&[&y.sum(..)?], &[&t], options)?.remove(0).expect("a derivative"))
    };
    let mut optimizer = LBFGS::new(network.parameters()).max_iter(60).build()?;
    optimizer.step_with(&mut || {
        network.zero_grad();
        let x = position(&t)?;
        let loss = (slope(&slope(&x)?)? + x).square()?.mean(..)?;
        loss.backward()?;
        Ok(loss)
    })?;
    let error = (position(&t)? - t.sin()?).abs()?.max_all()?.item::<f64>()?;
    assert!(error < 5e-3, "{error}");
    Ok(())
}
