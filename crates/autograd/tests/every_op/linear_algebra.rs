//! Cases of linear algebra. What is determined up to a sign or a phase only is brought into a form that is not.

use super::{Table, complex, other, real};
use flambeau_tensor::linalg::{self, Cutoff, MatrixOrd, QrMode, Triangle};
use flambeau_tensor::{DType, Result, Tensor, cat};

/// Matrices whose diagonal outweighs the rest.
fn regular(x: Tensor) -> Tensor {
    let n = x.size(-1).unwrap();
    let weights = Tensor::arange(0, n as i64).dtype(DType::F64).build().unwrap().add(3).unwrap();
    x.add(weights.diag(0).unwrap()).unwrap()
}

fn adjoint(x: &Tensor) -> Result<Tensor> {
    x.transpose(-2, -1)?.conj()
}

fn flat(all: &[&Tensor]) -> Result<Tensor> {
    cat(&all.iter().map(|x| x.flatten(0, -1)).collect::<Result<Vec<_>>>()?, 0)
}

pub fn cases(t: &mut Table) {
    for a in [regular(real(&[2, 2, 2])), regular(real(&[3, 3])).t().unwrap(), regular(complex(&[2, 2]))] {
        let b = if a.dtype().is_complex() { complex(&[2, 1]) } else { other(&[a.size(-1).unwrap(), 2]) };
        t.add("Solve", [a.clone(), b.clone()], |[a, b]| linalg::solve(a, b, true));
        t.add("Solve", [a.clone()], |[a]| linalg::inv(a));
        t.add("SolveTriangular", [a.clone(), b.clone()], |[a, b]| linalg::solve_triangular(a, b, true, true, false));
        t.add("SolveTriangular", [a.clone(), b], |[a, b]| {
            linalg::solve_triangular(&a.mul(0.3)?, &adjoint(b)?, false, false, true)
        });
        t.add("Det", [a.clone()], |[a]| linalg::det(a));
        t.add("Slogdet", [a.clone()], |[a]| {
            let parts = linalg::slogdet(a)?;
            parts.logabsdet.mul(&parts.sign)
        });
        t.add("Cholesky", [a.clone()], |[a]| linalg::cholesky(&a.matmul(adjoint(a)?)?, false));
        t.add("LuFactor", [a.clone()], |[a]| Ok(linalg::lu_factor(a, true)?.lu));
        t.add("MatrixExp", [a.mul(0.3).unwrap()], |[a]| linalg::matrix_exp(a));
        t.add("Eigh", [a.clone()], |[a]| {
            let parts = linalg::eigh(&a.add(adjoint(a)?)?, Triangle::Lower)?;
            flat(&[&parts.eigenvalues, &parts.eigenvectors.abs()?.square()?])
        });
        t.add("Eig", [a.clone()], |[a]| linalg::eigvals(a));
        t.add("Eig", [a.clone()], |[a]| linalg::eig(a)?.eigenvectors.abs()?.square());
    }
    for a in [real(&[2, 3]), real(&[3, 2]), real(&[2, 2]), complex(&[3, 2]), complex(&[2, 3])] {
        t.add("LuFactor", [a.clone()], |[a]| Ok(linalg::lu_factor(a, true)?.lu));
        t.add("Qr", [a.clone()], |[a]| {
            let (q, r) = linalg::qr(a, QrMode::Reduced)?;
            flat(&[&q, &r])
        });
        t.add("Svd", [a.clone()], |[a]| linalg::svdvals(a));
        t.add("Svd", [a.clone()], |[a]| {
            let parts = linalg::svd(a, false)?;
            let weighted = parts.u.mul(parts.s.add(1)?.log()?.unsqueeze(-2)?)?.matmul(&parts.vh)?;
            flat(&[&weighted.abs()?.square()?, &parts.u.abs()?.square()?])
        });
        t.add("Pinv", [a.clone()], |[a]| linalg::pinv(a, Cutoff::default(), false));
        t.add("Svd", [a], |[a]| linalg::matrix_norm(a, MatrixOrd::Nuc, (-2, -1), false));
    }
    t.add("HouseholderProduct", [real(&[3, 2]), other(&[2])], |[a, tau]| linalg::householder_product(a, tau));
    t.add("HouseholderProduct", [complex(&[2, 2]), complex(&[1])], |[a, tau]| linalg::householder_product(a, tau));
}
