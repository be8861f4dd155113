//! Factors give back what they were made of, in every precision, shape and batch; what cannot be factored is an error
//! that says where.

use flambeau_tensor::linalg::{self, Cutoff, Driver, MatrixOrd, QrMode, Triangle};
use flambeau_tensor::{DType, ErrorKind, Generator, Result, Tensor, tensor};

const DTYPES: [DType; 4] = [DType::F32, DType::F64, DType::Complex64, DType::Complex128];

fn random(shape: &[usize], dtype: DType, seed: u64) -> Tensor {
    let part = |seed| {
        let numbers = Tensor::randn(shape).dtype(DType::F64).generator(&Generator::with_seed(seed));
        numbers.build().unwrap()
    };
    let x = if dtype.is_complex() { part(seed).complex(part(seed + 1000)).unwrap() } else { part(seed) };
    x.to_dtype(dtype).unwrap()
}

fn adjoint(x: &Tensor) -> Tensor {
    x.transpose(-2, -1).unwrap().conj().unwrap()
}

/// The greatest difference, beside what the dtype holds.
#[track_caller]
fn same(a: &Tensor, b: &Tensor) {
    assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()));
    if a.numel() == 0 {
        return;
    }
    let off = a.sub(b).unwrap().abs().unwrap().amax(..).unwrap().item::<f64>().unwrap();
    let size = b.abs().unwrap().amax(..).unwrap().item::<f64>().unwrap().max(1.0);
    let within = if a.dtype().to_real() == DType::F32 { 2e-5 } else { 1e-12 };
    assert!(off <= within * size, "{off:e} apart, of {size:e}, {} {:?}", a.dtype(), a.shape());
}

fn identity(like: &Tensor, n: usize) -> Tensor {
    let shape = [&like.shape()[..like.rank() - 2], &[n, n]].concat();
    Tensor::eye(n).dtype(like.dtype()).build().unwrap().expand(shape).unwrap()
}

#[track_caller]
fn orthonormal(q: &Tensor) {
    same(&adjoint(q).matmul(q).unwrap(), &identity(q, q.size(-1).unwrap()));
}

#[test]
fn products_of_factors_are_what_was_factored() -> Result<()> {
    let shapes: [&[usize]; 8] = [&[1, 1], &[5, 5], &[7, 3], &[3, 7], &[2, 3, 4, 4], &[0, 3], &[2, 0, 3, 3], &[70, 40]];
    for (i, (shape, dtype)) in shapes.iter().flat_map(|s| DTYPES.map(|d| (*s, d))).enumerate() {
        let a = random(shape, dtype, i as u64);
        let (p, l, u) = linalg::lu(&a, true)?;
        same(&p.matmul(&l)?.matmul(&u)?, &a);
        same(&u.tril(-1)?, &u.zeros_like()?);
        for mode in [QrMode::Reduced, QrMode::Complete] {
            let (q, r) = linalg::qr(&a, mode)?;
            same(&q.matmul(&r)?, &a);
            orthonormal(&q);
            same(&r.tril(-1)?, &r.zeros_like()?);
        }
        for full in [false, true] {
            let parts = linalg::svd(&a, full)?;
            orthonormal(&parts.u);
            orthonormal(&adjoint(&parts.vh));
            let k = parts.s.size(-1)?;
            let (u, vh) = (parts.u.narrow(-1, 0, k)?, parts.vh.narrow(-2, 0, k)?);
            same(&u.mul(parts.s.unsqueeze(-2)?)?.matmul(&vh)?, &a);
            if k > 1 {
                let falls = parts.s.narrow(-1, 0, k - 1)?.ge(&parts.s.narrow(-1, 1, k - 1)?)?;
                assert!(falls.all(..)?.item::<bool>()?);
            }
        }
        let inverse = linalg::pinv(&a, Cutoff::default(), false)?;
        same(&a.matmul(&inverse)?.matmul(&a)?, &a);
        let (packed, tau) = linalg::geqrf(&a)?;
        if a.size(-2)? >= a.size(-1)? {
            same(&linalg::householder_product(&packed, &tau)?, &linalg::qr(&a, QrMode::Reduced)?.0);
        }
    }
    Ok(())
}

#[test]
fn square_matrices() -> Result<()> {
    for (i, (shape, dtype)) in [&[1, 1][..], &[6, 6], &[2, 3, 5, 5], &[0, 2, 2], &[2, 0, 0], &[40, 40]]
        .iter()
        .flat_map(|s| DTYPES.map(|d| (*s, d)))
        .enumerate()
    {
        let a = random(shape, dtype, 100 + i as u64);
        let n = a.size(-1)?;
        let h = a.add(adjoint(&a))?;
        for triangle in [Triangle::Lower, Triangle::Upper] {
            // What is in the other triangle does not count.
            let half = if triangle == Triangle::Lower { h.tril(0)? } else { h.triu(0)? };
            let eigen = linalg::eigh(&half, triangle)?;
            orthonormal(&eigen.eigenvectors);
            let values = eigen.eigenvalues.to_dtype(dtype)?.unsqueeze(-2)?;
            same(&eigen.eigenvectors.mul(&values)?.matmul(adjoint(&eigen.eigenvectors))?, &h);
        }
        let eigen = linalg::eig(&a)?;
        let values = eigen.eigenvalues.unsqueeze(-2)?;
        let complex = a.to_dtype(dtype.to_complex())?;
        same(&complex.matmul(&eigen.eigenvectors)?, &eigen.eigenvectors.mul(&values)?);
        let product = eigen.eigenvalues.prod(-1)?;
        same(&product, &linalg::det(&a)?.to_dtype(product.dtype())?);
        let parts = linalg::slogdet(&a)?;
        same(&parts.sign.mul(parts.logabsdet.exp()?)?, &linalg::det(&a)?);
        let positive = a.matmul(adjoint(&a))?.add(identity(&a, n))?;
        for upper in [false, true] {
            let l = linalg::cholesky(&positive, upper)?;
            let both = if upper { adjoint(&l).matmul(&l)? } else { l.matmul(adjoint(&l))? };
            same(&both, &positive);
            same(&positive.matmul(l.cholesky_inverse(upper)?)?, &identity(&a, n));
        }
        let b = random(
            &[shape, &[3][..]].concat()[..shape.len() - 2].iter().copied().chain([n, 3]).collect::<Vec<_>>(),
            dtype,
            7,
        );
        let shifted = a.add(identity(&a, n).mul(9.0)?)?;
        same(&shifted.matmul(linalg::solve(&shifted, &b, true)?)?, &b);
        let wide = b.transpose(-2, -1)?;
        same(&linalg::solve(&shifted, &wide, false)?.matmul(&shifted)?, &wide);
        let factors = linalg::lu_factor_ex(&shifted, true, false)?;
        for adjointed in [false, true] {
            let x = linalg::lu_solve(&factors.lu, &factors.pivots, &b, true, adjointed)?;
            same(&if adjointed { adjoint(&shifted) } else { shifted.clone() }.matmul(&x)?, &b);
        }
        for hermitian in [false, true] {
            let sym = if hermitian { h.clone() } else { a.add(a.transpose(-2, -1)?)? };
            let parts = linalg::ldl_factor_ex(&sym, hermitian, false)?;
            let x = linalg::ldl_solve(&parts.ld, &parts.pivots, &b, hermitian)?;
            same(&sym.matmul(&x)?, &b);
        }
        let small = a.mul(0.3)?;
        let (plus, minus) = (linalg::matrix_exp(&small)?, linalg::matrix_exp(&small.neg()?)?);
        same(&plus.matmul(&minus)?, &identity(&a, n));
        same(&linalg::matrix_power(&shifted, -2)?.matmul(linalg::matrix_power(&shifted, 2)?)?, &identity(&a, n));
    }
    Ok(())
}

#[test]
fn what_has_no_full_rank() -> Result<()> {
    let a = random(&[6, 2], DType::F64, 1).matmul(random(&[2, 5], DType::F64, 2))?;
    assert_eq!(linalg::matrix_rank(&a, Cutoff::default(), false)?.item::<i64>()?, 2);
    let parts = linalg::svd(&a, true)?;
    orthonormal(&parts.u);
    orthonormal(&parts.vh);
    let inverse = linalg::pinv(&a, Cutoff::default(), false)?;
    same(&inverse.matmul(&a)?.matmul(&inverse)?, &inverse);
    let zero = Tensor::zeros([3, 3]).dtype(DType::F64).build()?;
    orthonormal(&linalg::svd(&zero, false)?.u);
    same(&linalg::pinv(&zero, Cutoff::default(), false)?, &zero);
    assert_eq!(linalg::det(&zero)?.item::<f64>()?, 0.0);
    assert_eq!(linalg::slogdet(&zero)?.logabsdet.item::<f64>()?, f64::NEG_INFINITY);
    assert_eq!(linalg::cond(&zero, Some(MatrixOrd::Fro))?.item::<f64>()?, f64::INFINITY);
    let b = random(&[6, 2], DType::F64, 3);
    let found = linalg::lstsq(&a, &b, None, Driver::Gelsd)?;
    assert_eq!(found.rank.item::<i64>()?, 2);
    // What is left is orthogonal to the columns.
    same(&a.t()?.matmul(a.matmul(&found.solution)?.sub(&b)?)?, &Tensor::zeros([5, 2]).dtype(DType::F64).build()?);
    Ok(())
}

#[test]
fn errors_say_which_matrix_it_is() {
    let singular = tensor!([[[1.0f64, 2.0], [3.0, 5.0]], [[1.0, 2.0], [2.0, 4.0]]]);
    let message = |x: Result<Tensor>| x.unwrap_err().to_string();
    let text = message(linalg::inv(&singular));
    assert!(text.contains("(Batch element 1)") && text.contains("diagonal element 2 is zero"), "{text}");
    let text = message(linalg::solve(&singular, &singular, true));
    assert!(text.contains("solve: (Batch element 1)") && text.contains("singular"), "{text}");
    assert!(linalg::lu_factor(&singular, true).is_err() && linalg::lu_factor_ex(&singular, true, false).is_ok());
    let (_, info) = linalg::inv_ex(&singular, false).unwrap();
    assert_eq!(info.to_vec::<i32>().unwrap(), [0, 2]);
    let text = message(linalg::cholesky(&tensor!([[1.0, 2.0], [2.0, 1.0]]), false));
    assert!(text.contains("leading minor of order 2"), "{text}");
    let text = message(linalg::det(&tensor!([[1.0, 2.0]])));
    assert!(text.contains("square") && text.contains("1 by 2"), "{text}");
    let text = message(linalg::svdvals(&tensor!([[f64::NAN]])));
    assert!(text.contains("non-finite"), "{text}");
    assert!(message(linalg::inv(&tensor!([[1i64, 2], [3, 4]]))).contains("int64"));
    assert_eq!(linalg::inv(&tensor!([1.0, 2.0])).unwrap_err().kind(), ErrorKind::Shape);
    assert!(linalg::matrix_norm(&tensor!([[1.0]]), 3.0, (-2, -1), false).is_err());
    assert!(linalg::lu_unpack(&tensor!([[1.0]]), &tensor!([3i32])).is_err());
}
