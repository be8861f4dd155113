//! Numbers from the default generator, drawn as torchvision draws them.

use flambeau_tensor::random::default_generator;
use flambeau_tensor::{Result, Tensor};

/// A number evenly in `from..to`: `torch.empty(1).uniform_(from, to)`.
#[track_caller]
pub(super) fn uniform(from: f64, to: f64) -> Result<f64> {
    let x = Tensor::zeros([1]).build()?;
    x.uniform_(from, to)?;
    Ok(f64::from(x.item::<f32>()?))
}

/// `torch.rand(N)`.
#[track_caller]
pub(super) fn rand<const N: usize>() -> Result<[f32; N]> {
    let x = Tensor::rand([N]).build()?.to_vec::<f32>()?;
    Ok(std::array::from_fn(|i| x[i]))
}

/// True with probability `p`: not `torch.rand(1) >= p`.
#[track_caller]
pub(super) fn happens(p: f64) -> Result<bool> {
    let [x] = rand()?;
    Ok(x < p as f32)
}

/// `torch.rand(()) <= p`.
#[track_caller]
pub(super) fn at_most(p: f64) -> Result<bool> {
    let [x] = rand()?;
    Ok(x <= p as f32)
}

/// An integer in `from..to`: `torch.randint(from, to, ())`.
#[track_caller]
pub(super) fn integer(from: i64, to: i64) -> Result<i64> {
    Tensor::randint(from, to, [1]).build()?.item::<i64>()
}

/// An index below `n`.
#[track_caller]
pub(super) fn below(n: usize) -> Result<usize> {
    Ok(integer(0, n as i64)? as usize)
}

/// `torch.randperm(n)`.
#[track_caller]
pub(super) fn permutation(n: usize) -> Result<Vec<usize>> {
    Ok(Tensor::randperm(n).build()?.to_vec::<i64>()?.into_iter().map(|i| i as usize).collect())
}

/// An index drawn by weight: `torch.multinomial(weights, 1)`.
#[track_caller]
pub(super) fn category(weights: &[f32]) -> Result<usize> {
    let mut one = [0i64];
    default_generator().multinomial(&mut one, weights, weights.len(), 1, false)?;
    Ok(one[0] as usize)
}

/// A row of shares that add up to one: `torch._sample_dirichlet` of a row of `alpha`.
#[track_caller]
pub(super) fn dirichlet(alpha: &[f32]) -> Result<Vec<f32>> {
    let gammas = alpha.iter().map(|a| gamma(f64::from(*a))).collect::<Result<Vec<f64>>>()?;
    let sum: f64 = gammas.iter().sum();
    // Never quite 0 and never quite 1.
    Ok(gammas.into_iter().map(|g| ((g / sum) as f32).clamp(f32::MIN_POSITIVE, 1.0f32.next_down())).collect())
}

/// A sample of the gamma distribution by G. Marsaglia & W. Tsang, "A simple method for generating gamma variables"
/// (2000); PyTorch's `sample_gamma`, whose constants are single numbers.
#[track_caller]
fn gamma(mut alpha: f64) -> Result<f64> {
    let generator = default_generator();
    let uniform = || -> Result<f64> {
        let mut x = [0.0f64];
        generator.uniform(&mut x, 0.0, 1.0)?;
        Ok(x[0])
    };
    let mut scale = 1.0;
    if alpha < 1.0 {
        if alpha == 0.0 {
            return Ok(f64::MIN_POSITIVE);
        }
        scale = (1.0 - uniform()?).powf(1.0 / alpha);
        alpha += 1.0;
    }
    let d = alpha - f64::from(1.0f32 / 3.0);
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let (mut x, mut y) = ([0.0f64], 0.0);
        while y <= 0.0 {
            generator.normal_serial(&mut x, 0.0, 1.0)?;
            y = 1.0 + c * x[0];
        }
        let v = y * y * y;
        let u = 1.0 - uniform()?;
        let xx = x[0] * x[0];
        if u < 1.0 - f64::from(0.0331f32) * xx * xx || u.ln() < 0.5 * xx + d * (1.0 - v + v.ln()) {
            return Ok((scale * d * v).max(f64::MIN_POSITIVE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against `torch._sample_dirichlet` after `manual_seed(3)`.
    #[test]
    fn shares_add_up() {
        flambeau_tensor::manual_seed(3);
        for alpha in [0.3f32, 1.0, 4.0] {
            let shares = dirichlet(&[alpha; 3]).unwrap();
            assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{shares:?}");
        }
    }
}
