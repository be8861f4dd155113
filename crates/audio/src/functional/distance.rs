//! How far apart sets of sounds are.

use flambeau_tensor::{Result, Tensor, ensure, linalg};

/// Fréchet's distance of two normal distributions of means `[n]` and covariances `[n, n]`, a number. Follows
/// `torchaudio.functional.frechet_distance`; see D. C. Dowson and B. V. Landau, *The Fréchet distance between multivariate
/// normal distributions*, 1982.
///
/// # Errors
/// Where the shapes do not go together.
#[track_caller]
pub fn frechet_distance(mu_x: &Tensor, sigma_x: &Tensor, mu_y: &Tensor, sigma_y: &Tensor) -> Result<Tensor> {
    let n = mu_x.numel();
    ensure!(
        *mu_x.shape() == [n] && *mu_y.shape() == [n] && *sigma_x.shape() == [n, n] && *sigma_y.shape() == [n, n],
        Shape,
        "frechet_distance",
        "means are [n] and covariances [n, n], these are {:?}, {:?} and {:?}, {:?}",
        mu_x.shape(),
        sigma_x.shape(),
        mu_y.shape(),
        sigma_y.shape()
    );
    let apart = mu_x.sub(mu_y)?.square()?.sum(..)?;
    let spread = sigma_x.trace()?.add(&sigma_y.trace()?)?;
    let shared = linalg::eigvals(&sigma_x.matmul(sigma_y)?)?.sqrt()?.real()?.sum(..)?;
    apart.add(&spread)?.sub(&shared.mul(2.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flambeau_tensor::tensor;

    #[test]
    fn of_independent_numbers_it_is_a_sum() -> Result<()> {
        // Each number gives (difference of means)² + (difference of deviations)².
        let (x, y) = (tensor!([[4.0f64, 0.0], [0.0, 9.0]]), tensor!([[1.0f64, 0.0], [0.0, 16.0]]));
        let distance = frechet_distance(&tensor!([1.0f64, 2.0]), &x, &tensor!([0.0f64, 5.0]), &y)?;
        assert!((distance.item::<f64>()? - (1.0 + 9.0 + 1.0 + 1.0)).abs() < 1e-12);
        assert!(frechet_distance(&tensor!([1.0f64]), &x, &tensor!([0.0f64, 5.0]), &y).is_err());
        Ok(())
    }
}
