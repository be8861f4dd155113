//! Derivatives of the Fourier transforms: each is the other's adjoint, up to the weights of the
//! coefficients that a one-sided spectrum leaves out.

use super::{Forward, Grads, Rule, Saved, Saves};
use flambeau_tensor::{Result, Tensor, dispatch, ops::*};

/// 1 at both ends of the spectrum of `n` samples, `inner` between.
fn weights(n: usize, inner: f64, like: &Tensor) -> Result<Tensor> {
    let half = n / 2 + 1;
    let at = |k: usize| if k == 0 || (n % 2 == 0 && k == half - 1) { 1.0 } else { inner };
    let values: Vec<f64> = (0..half).map(at).collect();
    Tensor::from_vec(values, half)?.to_dtype(like.dtype().to_real())?.to_device(like.device())
}

impl Rule for Rfft {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        // Irfft counts inner coefficients twice; here each counts once.
        let n = s.meta(0)?.shape.last().copied().unwrap_or(1);
        s.one(|| dispatch(Irfft { n }, &[&g.mul(weights(n, 0.5, g)?)?]))
    }
}

impl Rule for Irfft {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| {
            let spectrum = dispatch(Rfft, &[g])?;
            spectrum.mul(weights(self.n, 2.0, &spectrum)?)
        })
    }
}

impl Rule for Fft {
    const FORWARD: Forward = Forward::Linear;
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| dispatch(Fft { inverse: !self.inverse }, &[g]))
    }
}
