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
pub(crate) fn below(n: usize) -> Result<usize> {
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
    let mut shares = vec![0.0; alpha.len()];
    default_generator().dirichlet(&mut shares, alpha, alpha.len())?;
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        let generator = flambeau_tensor::Generator::with_seed(3);
        flambeau_tensor::random::with_generator(&generator, || {
            for alpha in [0.3f32, 1.0, 4.0] {
                let shares = dirichlet(&[alpha; 3]).unwrap();
                assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{shares:?}");
            }
        });
    }
}
