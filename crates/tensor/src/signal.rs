//! Signal processing beside the transforms, as `torch.signal`: window functions.

/// Window functions, as `torch.signal.windows`: `m` values in `dtype`, symmetric if `sym`, else one period of m + 1
/// without its last value. They are computed in `f64` and rounded once.
///
/// ```
/// use flambeau_tensor::{DType, signal::windows};
/// assert_eq!(windows::hann(5, true, DType::F64)?.to_vec::<f64>()?[2], 1.0);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
pub mod windows {
    use crate::{DType, Result, Tensor, ensure};
    use std::f64::consts::PI;

    /// `value(i, last)` at each i of a window, `last` being the index that mirrors 0; 1 where there is only one value.
    #[track_caller]
    fn window(op: &'static str, m: usize, sym: bool, dtype: DType, value: impl Fn(f64, f64) -> f64) -> Result<Tensor> {
        ensure!(dtype.is_float(), DType, op, "a window is of floating point numbers, not {dtype}");
        let last = if sym { m.max(1) - 1 } else { m } as f64;
        let window = Tensor::ones(m).dtype(DType::F64).build()?;
        if m > 1 {
            window.data_mut::<f64>()?.iter_mut().enumerate().for_each(|(i, x)| *x = value(i as f64, last));
        }
        window.to_dtype(dtype)
    }

    /// A triangle, 0 at the ends: `torch.signal.windows.bartlett`.
    ///
    /// # Errors
    /// Where `dtype` is not of floating point numbers, as for every window.
    #[track_caller]
    pub fn bartlett(m: usize, sym: bool, dtype: DType) -> Result<Tensor> {
        window("bartlett", m, sym, dtype, |i, last| 1.0 - (2.0 * i / last - 1.0).abs())
    }

    /// Three terms of cosines, 0.42, 0.5 and 0.08: `torch.signal.windows.blackman`.
    ///
    /// # Errors
    /// As [`bartlett`].
    #[track_caller]
    pub fn blackman(m: usize, sym: bool, dtype: DType) -> Result<Tensor> {
        cosines("blackman", m, &[0.42, 0.5, 0.08], sym, dtype)
    }

    /// Half a period of the sine: `torch.signal.windows.cosine`.
    ///
    /// # Errors
    /// As [`bartlett`].
    #[track_caller]
    pub fn cosine(m: usize, sym: bool, dtype: DType) -> Result<Tensor> {
        window("cosine", m, sym, dtype, |i, last| (PI * (i + 0.5) / (last + 1.0)).sin())
    }

    /// exp(−|i − c| / tau) with c the `center`, the middle unless given: `torch.signal.windows.exponential`.
    ///
    /// # Errors
    /// As [`bartlett`]; and where `tau` is not above 0, or a center is given to a symmetric window.
    #[track_caller]
    pub fn exponential(m: usize, center: Option<f64>, tau: f64, sym: bool, dtype: DType) -> Result<Tensor> {
        ensure!(tau > 0.0, Argument, "exponential", "tau must be above 0, it is {tau}");
        ensure!(!sym || center.is_none(), Argument, "exponential", "a symmetric window has its center in the middle");
        window("exponential", m, sym, dtype, |i, last| (-(i - center.unwrap_or(last / 2.0)).abs() / tau).exp())
    }

    /// exp(−(i − c)² / (2 std²)) with c the middle: `torch.signal.windows.gaussian`.
    ///
    /// # Errors
    /// As [`bartlett`], and where `std` is not above 0.
    #[track_caller]
    pub fn gaussian(m: usize, std: f64, sym: bool, dtype: DType) -> Result<Tensor> {
        ensure!(std > 0.0, Argument, "gaussian", "std must be above 0, it is {std}");
        window("gaussian", m, sym, dtype, |i, last| (-0.5 * ((i - last / 2.0) / std).powi(2)).exp())
    }

    #[track_caller]
    fn cosines(op: &'static str, m: usize, a: &[f64], sym: bool, dtype: DType) -> Result<Tensor> {
        window(op, m, sym, dtype, |i, last| {
            let angle = 2.0 * PI * i / last;
            let term = |(k, a): (usize, &f64)| if k % 2 == 0 { 1.0 } else { -1.0 } * a * (k as f64 * angle).cos();
            a.iter().enumerate().map(term).sum()
        })
    }

    /// Σ (−1)ᵏ aₖ cos(2πki / n): `torch.signal.windows.general_cosine`.
    ///
    /// # Errors
    /// As [`bartlett`], and where there are no coefficients `a`.
    #[track_caller]
    pub fn general_cosine(m: usize, a: &[f64], sym: bool, dtype: DType) -> Result<Tensor> {
        ensure!(!a.is_empty(), Argument, "general_cosine", "there must be coefficients");
        cosines("general_cosine", m, a, sym, dtype)
    }

    /// alpha − (1 − alpha) cos(2πi / n): `torch.signal.windows.general_hamming`.
    ///
    /// # Errors
    /// As [`bartlett`].
    #[track_caller]
    pub fn general_hamming(m: usize, alpha: f64, sym: bool, dtype: DType) -> Result<Tensor> {
        cosines("general_hamming", m, &[alpha, 1.0 - alpha], sym, dtype)
    }

    /// A raised cosine whose ends are at 0.08: `torch.signal.windows.hamming`.
    ///
    /// # Errors
    /// As [`bartlett`].
    #[track_caller]
    pub fn hamming(m: usize, sym: bool, dtype: DType) -> Result<Tensor> {
        general_hamming(m, 0.54, sym, dtype)
    }

    /// A raised cosine: `torch.signal.windows.hann`.
    ///
    /// # Errors
    /// As [`bartlett`].
    #[track_caller]
    pub fn hann(m: usize, sym: bool, dtype: DType) -> Result<Tensor> {
        general_hamming(m, 0.5, sym, dtype)
    }

    /// I₀(beta √(1 − (2i / n − 1)²)) / I₀(beta): `torch.signal.windows.kaiser`.
    ///
    /// # Errors
    /// As [`bartlett`], and where `beta` is below 0 or not finite.
    #[track_caller]
    pub fn kaiser(m: usize, beta: f64, sym: bool, dtype: DType) -> Result<Tensor> {
        ensure!(beta >= 0.0 && beta.is_finite(), Argument, "kaiser", "beta must be 0 or above, it is {beta}");
        let whole = log_i0(beta);
        window("kaiser", m, sym, dtype, |i, last| {
            let along = 2.0 * i / last - 1.0;
            (log_i0(beta * (1.0 - along * along).max(0.0).sqrt()) - whole).exp()
        })
    }

    /// The logarithm of the modified Bessel function I₀, x ≥ 0: its power series, and from 30 on its asymptotic one
    /// (Abramowitz and Stegun, 9.6.12 and 9.7.1).
    fn log_i0(x: f64) -> f64 {
        let (mut term, mut sum) = (1.0, 1.0);
        if x < 30.0 {
            let quarter = x * x / 4.0;
            for k in 1..100 {
                term *= quarter / (k * k) as f64;
                sum += term;
            }
            return f64::ln(sum);
        }
        for k in 1..20 {
            let odd = (2 * k - 1) as f64;
            term *= odd * odd / (8.0 * x * k as f64);
            sum += term;
        }
        x - 0.5 * (2.0 * PI * x).ln() + f64::ln(sum)
    }

    /// Four terms of cosines (Nuttall 1981, minimum side lobes with a continuous first derivative):
    /// `torch.signal.windows.nuttall`.
    ///
    /// # Errors
    /// As [`bartlett`].
    #[track_caller]
    pub fn nuttall(m: usize, sym: bool, dtype: DType) -> Result<Tensor> {
        cosines("nuttall", m, &[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym, dtype)
    }
}
