//! Linear algebra.

use flambeau_tensor::linalg::{self, Cutoff, Driver, MatrixOrd, QrMode, Triangle};
use flambeau_tensor::{DType, Dims, Result, Tensor};

use super::{Entry, NOT_HERMITIAN};
use crate::call::{Call, KEYWORD, Outcome, Trouble, ok, unsupported};
use crate::value::Value;

/// A function of one tensor and nothing else.
macro_rules! unary {
    ($($name:literal => $function:ident,)*) => {
        pub(super) const UNARY: &[Entry] = &[$(($name, |c| ok(linalg::$function(c.x()?)?)),)*];
    };
}

unary! {
    "linalg.det" => det,
    "linalg.eigvals" => eigvals,
    "linalg.inv" => inv,
    "linalg.matrix_sqrth" => matrix_sqrth,
    "linalg.polar" => polar,
    "linalg.svdvals" => svdvals,
    "logdet" => logdet,
    "matrix_exp" => matrix_exp,
}

pub(super) const PRODUCTS: &[Entry] = &[
    ("linalg.cross", |c| ok(linalg::cross(c.x()?, c.tensor(1, "other")?, c.dim_or(KEYWORD, "dim", -1)?)?)),
    ("linalg.diagonal", |c| {
        let dims = (c.dim_or(KEYWORD, "dim1", -2)?, c.dim_or(KEYWORD, "dim2", -1)?);
        ok(linalg::diagonal(c.x()?, c.dim_or(KEYWORD, "offset", 0)?, dims.0, dims.1)?)
    }),
    ("linalg.multi_dot", |c| ok(linalg::multi_dot(&c.tensors(0, "tensors")?)?)),
    ("linalg.vander", |c| {
        let n = if c.given(KEYWORD, "N").is_some() { Some(c.size(KEYWORD, "N")?) } else { None };
        ok(linalg::vander(c.x()?, n)?)
    }),
    ("linalg.vecdot", |c| ok(linalg::vecdot(c.x()?, c.tensor(1, "y")?, c.dim_or(KEYWORD, "dim", -1)?)?)),
    ("linalg.vector_norm", |c| {
        let dims = c.ints_opt(2, "dim")?.map_or(Dims::All, Dims::from);
        let x = in_dtype(c)?;
        ok(linalg::vector_norm(&x, c.float_or(1, "ord", 2.0)?, dims, c.flag(3, "keepdim", false)?)?)
    }),
];

/// `input` in the dtype that is asked for.
fn in_dtype(c: &Call) -> Result<Tensor, Trouble> {
    match c.dtype_opt(KEYWORD, "dtype")? {
        None => Ok(c.x()?.clone()),
        Some(dtype) => Ok(c.x()?.to_dtype(dtype)?),
    }
}

/// `upper`, at this place.
fn upper(c: &Call, position: usize) -> Result<bool, Trouble> {
    c.flag(position, "upper", false)
}

pub(super) const SYSTEMS: &[Entry] = &[
    ("cholesky_inverse", |c| ok(c.x()?.cholesky_inverse(upper(c, 1)?)?)),
    ("cholesky_solve", |c| ok(c.x()?.cholesky_solve(c.tensor(1, "input2")?, upper(c, 2)?)?)),
    ("linalg.inv_ex", |c| ok(linalg::inv_ex(c.x()?, c.flag(KEYWORD, "check_errors", false)?)?)),
    ("linalg.ldl_factor", |c| {
        let parts = linalg::ldl_factor_ex(c.x()?, c.flag(KEYWORD, "hermitian", false)?, true)?;
        ok((parts.ld, parts.pivots))
    }),
    ("linalg.ldl_factor_ex", |c| {
        let check = c.flag(KEYWORD, "check_errors", false)?;
        let parts = linalg::ldl_factor_ex(c.x()?, c.flag(KEYWORD, "hermitian", false)?, check)?;
        ok((parts.ld, parts.pivots, parts.info))
    }),
    ("linalg.ldl_solve", |c| {
        let hermitian = c.flag(KEYWORD, "hermitian", false)?;
        ok(linalg::ldl_solve(c.x()?, c.tensor(1, "pivots")?, c.tensor(2, "B")?, hermitian)?)
    }),
    ("linalg.lstsq", |c| {
        let parts = least_squares(c)?;
        ok((parts.solution, parts.residuals, parts.rank, parts.singular_values))
    }),
    // The op's own function returns the first two parts.
    ("linalg.lstsq.grad_oriented", |c| {
        let parts = least_squares(c)?;
        ok((parts.solution, parts.residuals))
    }),
    ("linalg.lu", |c| ok(linalg::lu(c.x()?, c.flag(KEYWORD, "pivot", true)?)?)),
    ("linalg.lu_factor", |c| {
        let parts = linalg::lu_factor(c.x()?, c.flag(KEYWORD, "pivot", true)?)?;
        ok((parts.lu, parts.pivots))
    }),
    ("linalg.lu_factor_ex", |c| {
        let check = c.flag(KEYWORD, "check_errors", false)?;
        let parts = linalg::lu_factor_ex(c.x()?, c.flag(KEYWORD, "pivot", true)?, check)?;
        ok((parts.lu, parts.pivots, parts.info))
    }),
    ("linalg.lu_solve", |c| {
        let (left, adjoint) = (c.flag(KEYWORD, "left", true)?, c.flag(KEYWORD, "adjoint", false)?);
        ok(linalg::lu_solve(c.x()?, c.tensor(1, "pivots")?, c.tensor(2, "B")?, left, adjoint)?)
    }),
    ("linalg.slogdet", |c| {
        let parts = linalg::slogdet(c.x()?)?;
        ok((parts.sign, parts.logabsdet))
    }),
    ("linalg.solve", |c| ok(linalg::solve(c.x()?, c.tensor(1, "B")?, c.flag(KEYWORD, "left", true)?)?)),
    ("linalg.solve_ex", |c| {
        let (left, check) = (c.flag(KEYWORD, "left", true)?, c.flag(KEYWORD, "check_errors", false)?);
        ok(linalg::solve_ex(c.x()?, c.tensor(1, "B")?, left, check)?)
    }),
    ("linalg.solve_triangular", |c| {
        let (left, unit) = (c.flag(KEYWORD, "left", true)?, c.flag(KEYWORD, "unitriangular", false)?);
        let upper = c.flag(KEYWORD, "upper", false)?;
        ok(linalg::solve_triangular(c.x()?, c.tensor(1, "B")?, upper, left, unit)?)
    }),
    ("linalg.tensorinv", |c| ok(linalg::tensorinv(c.x()?, c.size_or(1, "ind", 2)?)?)),
    ("linalg.tensorsolve", |c| {
        let dims = c.ints_opt(2, "dims")?;
        ok(linalg::tensorsolve(c.x()?, c.tensor(1, "other")?, dims.as_deref())?)
    }),
    ("lu", |c| {
        let parts = linalg::lu_factor_ex(c.x()?, c.flag(1, "pivot", true)?, false)?;
        if c.flag(2, "get_infos", false)? {
            ok((parts.lu, parts.pivots, parts.info))
        } else {
            ok((parts.lu, parts.pivots))
        }
    }),
    ("lu_solve", |c| ok(c.x()?.lu_solve(c.tensor(1, "LU_data")?, c.tensor(2, "LU_pivots")?)?)),
    ("lu_unpack", |c| {
        c.flag(2, "unpack_data", true)?;
        c.flag(3, "unpack_pivots", true)?;
        ok(linalg::lu_unpack(c.x()?, c.tensor(1, "LU_pivots")?)?)
    }),
    ("triangular_solve", |c| {
        let a = c.tensor(1, "A")?;
        let (upper, transpose) = (c.flag(2, "upper", true)?, c.flag(3, "transpose", false)?);
        let unit = c.flag(4, "unitriangular", false)?;
        let turned = if transpose { a.transpose(-2, -1)? } else { a.clone() };
        let x = linalg::solve_triangular(&turned, c.x()?, upper != transpose, true, unit)?;
        ok((x, a.clone()))
    }),
];

fn least_squares(c: &Call) -> Result<linalg::LeastSquares, Trouble> {
    let driver = match c.text_or(KEYWORD, "driver", "gelsy")? {
        "gels" => Driver::Gels,
        "gelsd" => Driver::Gelsd,
        "gelss" => Driver::Gelss,
        _ => Driver::Gelsy,
    };
    Ok(linalg::lstsq(c.x()?, c.tensor(1, "B")?, c.float_opt(2, "rcond")?, driver)?)
}

/// A cutoff that is a number or a tensor of one.
fn bound(c: &Call, name: &str) -> Result<Option<f64>, Trouble> {
    match c.given(KEYWORD, name) {
        Some(Value::Tensor(t)) if t.numel() == 1 => Ok(Some(t.to_dtype(DType::F64)?.reshape([1])?.to_vec::<f64>()?[0])),
        Some(Value::Tensor(_)) => unsupported(format!("{name} for each matrix")),
        _ => c.float_opt(KEYWORD, name),
    }
}

fn cutoff(c: &Call) -> Result<Cutoff, Trouble> {
    Ok(Cutoff { atol: bound(c, "atol")?, rtol: bound(c, "rtol")? })
}

fn triangle(c: &Call) -> Result<Triangle, Trouble> {
    Ok(if c.text_or(1, "UPLO", "L")? == "U" { Triangle::Upper } else { Triangle::Lower })
}

pub(super) const FACTORS: &[Entry] = &[
    ("geqrf", |c| ok(c.x()?.geqrf()?)),
    ("linalg.cholesky", |c| ok(linalg::cholesky(c.x()?, c.flag(KEYWORD, "upper", false)?)?)),
    ("linalg.cholesky_ex", |c| {
        let check = c.flag(KEYWORD, "check_errors", false)?;
        ok(linalg::cholesky_ex(c.x()?, c.flag(KEYWORD, "upper", false)?, check)?)
    }),
    ("linalg.eig", |c| {
        let parts = linalg::eig(c.x()?)?;
        ok((parts.eigenvalues, parts.eigenvectors))
    }),
    ("linalg.eigh", |c| {
        let parts = linalg::eigh(c.x()?, triangle(c)?)?;
        ok((parts.eigenvalues, parts.eigenvectors))
    }),
    ("linalg.eigvalsh", |c| ok(linalg::eigvalsh(c.x()?, triangle(c)?)?)),
    ("linalg.householder_product", |c| ok(linalg::householder_product(c.x()?, c.tensor(1, "tau")?)?)),
    ("linalg.matrix_power", |c| ok(linalg::matrix_power(c.x()?, c.int(1, "n")?)?)),
    ("linalg.matrix_rank", |c| ok(linalg::matrix_rank(c.x()?, cutoff(c)?, c.flag(KEYWORD, "hermitian", false)?)?)),
    ("linalg.pinv", |c| ok(linalg::pinv(c.x()?, cutoff(c)?, c.flag(KEYWORD, "hermitian", false)?)?)),
    ("linalg.pinv.hermitian", |_| unsupported(NOT_HERMITIAN)),
    // The op's own function multiplies two factors first.
    ("linalg.pinv.singular", |c| {
        let product = c.x()?.matmul(c.tensor(1, "b")?.transpose(-2, -1)?)?;
        ok(linalg::pinv(&product, Cutoff::default(), false)?)
    }),
    ("linalg.qr", |c| {
        let mode = match c.text_or(1, "mode", "reduced")? {
            "complete" => QrMode::Complete,
            "r" => QrMode::R,
            _ => QrMode::Reduced,
        };
        ok(linalg::qr(c.x()?, mode)?)
    }),
    ("linalg.svd", |c| {
        let parts = linalg::svd(c.x()?, c.flag(1, "full_matrices", true)?)?;
        ok((parts.u, parts.s, parts.vh))
    }),
    ("ormqr", |c| {
        let (left, transpose) = (c.flag(3, "left", true)?, c.flag(4, "transpose", false)?);
        ok(c.x()?.ormqr(c.tensor(1, "tau")?, c.tensor(2, "other")?, left, transpose)?)
    }),
    ("pinverse", |c| ok(c.x()?.pinverse(c.float_or(1, "rcond", 1e-15)?)?)),
    ("svd", |c| {
        c.flag(2, "compute_uv", true)?;
        ok(c.x()?.svd(c.flag(1, "some", true)?)?)
    }),
];

/// An order of a norm, which may be a word.
fn order(c: &Call, name: &str) -> Result<Option<MatrixOrd>, Trouble> {
    Ok(match c.given(1, name) {
        Some(Value::Str(s)) if s == "fro" => Some(MatrixOrd::Fro),
        Some(Value::Str(s)) if s == "nuc" => Some(MatrixOrd::Nuc),
        _ => c.float_opt(1, name)?.map(MatrixOrd::Number),
    })
}

pub(super) const NORMS: &[Entry] = &[
    ("linalg.cond", |c| ok(linalg::cond(c.x()?, order(c, "p")?)?)),
    ("linalg.matrix_norm", |c| {
        let ord = order(c, "ord")?.unwrap_or_default();
        let dims = match c.ints_opt(2, "dim")?.as_deref() {
            Some([rows, columns]) => (*rows, *columns),
            _ => (-2, -1),
        };
        ok(linalg::matrix_norm(&in_dtype(c)?, ord, dims, c.flag(3, "keepdim", false)?)?)
    }),
    ("linalg.norm", |c| norm(c)),
    // The tensor itself is the only argument that is differentiated.
    ("linalg.norm.subgradients_at_zero", |c| norm(c)),
];

fn norm(c: &Call) -> Outcome {
    let dims = c.ints_opt(2, "dim")?;
    ok(linalg::norm(&in_dtype(c)?, order(c, "ord")?, dims.as_deref(), c.flag(3, "keepdim", false)?)?)
}
