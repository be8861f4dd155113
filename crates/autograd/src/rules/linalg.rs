//! Derivatives of linear algebra, as PyTorch derives them (Giles 2008, "An extended collection of matrix derivative
//! results"; for Hermitian, singular and other eigenvalues with the gauge that leaves a phase free).

use super::{Grads, Rule, Saved, Saves, not_differentiable, via_decomposition};
use crate::node::backward_error;
use flambeau_tensor::{ErrorKind, Result, Tensor, cat, dispatch, linalg, ops::*};
use smallvec::smallvec;

fn adjoint(x: &Tensor) -> Result<Tensor> {
    x.transpose(-2, -1)?.conj()
}

fn diagonal(x: &Tensor) -> Result<Tensor> {
    x.diag_embed(0, -2, -1)
}

/// A gradient, zeros where an output was not used.
fn or_zeros(grad: &Option<Tensor>, like: &Tensor) -> Result<Tensor> {
    match grad {
        Some(grad) => Ok(grad.clone()),
        None => super::zeros_like(like),
    }
}

/// The only gradient, unless no output that counts was used.
fn one_of(s: &Saved<'_>, used: bool, f: impl FnOnce() -> Result<Tensor>) -> Result<Grads> {
    if used { s.one(f) } else { Ok(smallvec![None; s.inputs()]) }
}

fn sum(terms: impl IntoIterator<Item = Result<Tensor>>) -> Result<Option<Tensor>> {
    let mut all: Option<Tensor> = None;
    for term in terms {
        let term = term?;
        all = Some(match all {
            None => term,
            Some(all) => all.add(&term)?,
        });
    }
    Ok(all)
}

impl Rule for Solve {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0).output(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let right = linalg::solve_ex(&adjoint(&s.input(0)?)?, g, true, false)?.0;
        s.two(|| right.matmul(adjoint(&s.output(0)?)?)?.neg(), || Ok(right.clone()))
    }
}

impl Rule for SolveTriangular {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0).output(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        let op = SolveTriangular { upper: !self.upper, ..*self };
        let right = dispatch(op, &[&adjoint(&s.input(0)?)?, g])?;
        let triangle = |x: Tensor| match (self.upper, self.unitriangular) {
            _ if self.whole => Ok(x),
            (true, unit) => x.triu(unit as isize),
            (false, unit) => x.tril(-(unit as isize)),
        };
        s.two(|| triangle(right.matmul(adjoint(&s.output(0)?)?)?.neg()?), || Ok(right.clone()))
    }
}

impl Rule for Det {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0).output(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| {
            let (a, det) = (s.input(0)?, s.output(0)?);
            let (inverse, info) = linalg::inv_ex(&a, false)?;
            let singular = info.ne(0)?;
            let scale = |x: Tensor, by: Tensor| x.mul(by.conj()?.unsqueeze(-1)?.unsqueeze(-1)?);
            let regular = scale(adjoint(&inverse)?, g.conj()?.mul(&det)?)?;
            // Inside of a `vmap` nobody may look whether one is.
            let known = !crate::vmap::is_on();
            let meta = det.device() == flambeau_tensor::Device::Meta;
            if meta || (known && !singular.any(..)?.scalar()?.to_bool()) {
                return Ok(regular);
            }
            // The adjugate by singular values: det U · det Vᴴ · U diag(Π of the others) Vᴴ.
            let linalg::SingularValues { u, s: values, vh } = linalg::svd(&a, false)?;
            let n = values.size(-1)?;
            let mask = Tensor::eye(n).device(a.device()).build()?.ne(0)?;
            let shape = [values.shape(), &[n]].concat();
            let others = values.unsqueeze(-2)?.expand(shape)?.masked_fill(&mask, 1)?.prod(-1)?;
            let phase = linalg::det(&u)?.mul(linalg::det(&vh)?)?;
            let adjugate = u.mul(others.unsqueeze(-2)?)?.matmul(&vh)?;
            let adjugate = adjugate.mul(g.mul(phase)?.unsqueeze(-1)?.unsqueeze(-1)?)?;
            adjugate.where_cond(singular.unsqueeze(-1)?.unsqueeze(-1)?, &regular)
        })
    }
}

impl Rule for Slogdet {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0).output(0)
    }
    fn vjp_all(&self, s: &Saved<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        s.one(|| {
            let (a, sign) = (s.input(0)?, s.output(0)?);
            let zero = super::zeros_like(&sign)?;
            let mut by = match &grads[1] {
                Some(g) => g.to_dtype(a.dtype())?,
                None => zero.clone(),
            };
            if let (Some(g), true) = (&grads[0], a.dtype().is_complex()) {
                // The phase turns by the imaginary part of the logarithm.
                let turn = g.conj()?.mul(&sign)?.imag()?;
                let none = turn.zeros_like()?;
                by = by.sub(none.complex(&turn)?)?;
            }
            let inverse = linalg::inv_ex(&a, false)?.0;
            adjoint(&inverse)?.mul(by.unsqueeze(-1)?.unsqueeze(-1)?)
        })
    }
}

impl Rule for Cholesky {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.output(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| {
            let lower = |x: &Tensor| if self.upper { adjoint(x) } else { Ok(x.clone()) };
            let (l, g) = (lower(&s.output(0)?)?, lower(g)?);
            // The imaginary parts of the diagonal stay, as in PyTorch: there is no step that they would count in.
            let inner = adjoint(&l)?.matmul(&g)?.tril(0)?;
            let both = inner.add(adjoint(&inner.tril(-1)?)?)?.mul(0.5)?;
            // L⁻ᴴ · both · L⁻¹
            let left = linalg::solve_triangular(&adjoint(&l)?, &both, true, true, false)?;
            linalg::solve_triangular(&l, &left, false, false, false)
        })
    }
}

impl Rule for LuFactor {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.output(0).output(1)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| {
            let (lu, pivots) = (s.output(0)?, s.output(1)?);
            let (m, n) = (lu.size(-2)?, lu.size(-1)?);
            let k = m.min(n);
            let (p, l, u) = linalg::lu_unpack(&lu, &pivots)?;
            let (gl, gu) = (g.narrow(-1, 0, k)?.tril(-1)?, g.narrow(-2, 0, k)?.triu(0)?);
            let (l1, u1) = (l.narrow(-2, 0, k)?, u.narrow(-1, 0, k)?);
            let gu1 = gu.narrow(-1, 0, k)?;
            let (l1h, u1h) = (adjoint(&l1)?, adjoint(&u1)?);
            // Lᴴ gL below the diagonal, gU Uᴴ from it on, less what the other block takes.
            let mut below = l1h.matmul(gl.narrow(-2, 0, k)?)?;
            let mut above = gu1.matmul(&u1h)?;
            let mut rest = None;
            let by_l = |x: &Tensor| linalg::solve_triangular(&l1h, x, true, true, true);
            let by_u = |x: &Tensor| linalg::solve_triangular(&u1h, x, false, false, false);
            if n > m {
                let (u2, gu2) = (u.narrow(-1, k as isize, n - k)?, gu.narrow(-1, k as isize, n - k)?);
                below = below.sub(gu2.matmul(adjoint(&u2)?)?)?;
                rest = Some((by_l(&gu2)?, -1));
            } else if m > n {
                let (l2, gl2) = (l.narrow(-2, k as isize, m - k)?, gl.narrow(-2, k as isize, m - k)?);
                above = above.sub(adjoint(&l2)?.matmul(&gl2)?)?;
                rest = Some((by_u(&gl2)?, -2));
            }
            let first = by_u(&by_l(&below.tril(-1)?.add(above.triu(0)?)?)?)?;
            let whole = match rest {
                None => first,
                Some((rest, dim)) => cat(&[&first, &rest], dim)?,
            };
            p.matmul(&whole)
        })
    }
}

impl Rule for Qr {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.output(0).output(1)
    }
    fn vjp_all(&self, s: &Saved<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        one_of(s, grads.iter().any(Option::is_some), || {
            let (q, r) = (s.output(0)?, s.output(1)?);
            let (m, n) = (q.size(-2)?, r.size(-1)?);
            if self.complete && m > n {
                let message = format!("{} has no derivative of a complete Q with more rows than columns", s.place());
                return Err(backward_error(ErrorKind::NotDifferentiable, message));
            }
            let (mut gq, gr) = (or_zeros(&grads[0], &q)?, or_zeros(&grads[1], &r)?);
            let k = m.min(n);
            let (r1, gr1) = (r.narrow(-1, 0, k)?, gr.narrow(-1, 0, k)?);
            let mut rest = None;
            if n > m {
                let (r2, gr2) = (r.narrow(-1, k as isize, n - k)?, gr.narrow(-1, k as isize, n - k)?);
                // R₂ = Qᴴ A₂ and A₂ = Q R₂.
                gq = gq.add(q.matmul(&r2)?.matmul(adjoint(&gr2)?)?)?;
                rest = Some(q.matmul(&gr2)?);
            }
            let inner = gr1.matmul(adjoint(&r1)?)?.sub(adjoint(&q)?.matmul(&gq)?)?.triu(0)?;
            let real = inner.diagonal(0, -2, -1)?.real()?.to_dtype(q.dtype())?;
            let upper = inner.triu(1)?;
            let both = upper.add(adjoint(&upper)?)?.add(diagonal(&real)?)?;
            let first = gq.add(q.matmul(&both)?)?;
            let first = linalg::solve_triangular(&adjoint(&r1)?, &first, false, false, false)?;
            match rest {
                None => Ok(first),
                Some(rest) => cat(&[&first, &rest], -1),
            }
        })
    }
}

/// xⱼ − xᵢ, and 1 on the diagonal.
fn differences(x: &Tensor) -> Result<Tensor> {
    let n = x.size(-1)?;
    let eye = Tensor::eye(n).dtype(x.dtype()).device(x.device()).build()?;
    x.unsqueeze(-2)?.sub(x.unsqueeze(-1)?)?.add(eye)
}

/// `x` with zeros on the diagonal.
fn off_diagonal(x: &Tensor) -> Result<Tensor> {
    let mask = Tensor::eye(x.size(-1)?).device(x.device()).build()?.ne(0)?;
    x.masked_fill(mask, 0)
}

impl Rule for Eigh {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.output(0).output(1)
    }
    fn vjp_all(&self, s: &Saved<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        one_of(s, grads.iter().any(Option::is_some), || {
            let (values, v) = (s.output(0)?, s.output(1)?);
            let vh = adjoint(&v)?;
            let mut inner = None;
            if let Some(g) = &grads[1] {
                // Vectors turn only: the part of their change that is skew.
                let turn = vh.matmul(g)?;
                let skew = turn.sub(adjoint(&turn)?)?.mul(0.5)?;
                inner = Some(off_diagonal(&skew)?.div(differences(&values)?)?);
            }
            if let Some(g) = &grads[0] {
                let scaled = v.mul(g.unsqueeze(-2)?)?;
                return match inner {
                    None => scaled.matmul(&vh),
                    Some(inner) => v.matmul(&inner)?.add(&scaled)?.matmul(&vh),
                };
            }
            match inner {
                Some(inner) => v.matmul(&inner)?.matmul(&vh),
                None => v.zeros_like(),
            }
        })
    }
}

impl Rule for Eig {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.output(0).output(1).meta(0)
    }
    fn vjp_all(&self, s: &Saved<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        one_of(s, grads.iter().any(Option::is_some), || {
            let (values, v) = (s.output(0)?, s.output(1)?);
            let vh = adjoint(&v)?;
            let mut inner = super::zeros_like(&v)?;
            if let Some(g) = &grads[1] {
                // A vector's norm does not change: what would change it is taken away.
                let along = vh.matmul(g)?;
                let real = along.diagonal(0, -2, -1)?.real()?.to_dtype(v.dtype())?;
                let across = along.sub(vh.matmul(v.mul(real.unsqueeze(-2)?)?)?)?;
                inner = off_diagonal(&across)?.div(differences(&values)?.conj()?)?;
            }
            if let Some(g) = &grads[0] {
                inner = inner.add(diagonal(g)?)?;
            }
            let found = linalg::solve_ex(&vh, &inner.matmul(&vh)?, true, false)?.0;
            if s.meta(0)?.dtype.is_complex() { Ok(found) } else { found.real() }
        })
    }
}

impl Rule for Svd {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.output(0).output(1).output(2)
    }
    fn vjp_all(&self, s: &Saved<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        one_of(s, grads.iter().any(Option::is_some), || {
            let (u, values, vh) = (s.output(0)?, s.output(1)?, s.output(2)?);
            let k = values.size(-1)?;
            let (m, n) = (u.size(-2)?, vh.size(-1)?);
            if (u.size(-1)? > k && grads[0].is_some()) || (vh.size(-2)? > k && grads[2].is_some()) {
                let message = format!("{} has no derivative of singular vectors beyond the first {k}", s.place());
                return Err(backward_error(ErrorKind::NotDifferentiable, message));
            }
            let (u, vh) = (u.narrow(-1, 0, k)?, vh.narrow(-2, 0, k)?);
            let (uh, v) = (adjoint(&u)?, adjoint(&vh)?);
            if let [None, Some(g), None] = grads {
                return u.mul(g.unsqueeze(-2)?)?.matmul(&vh);
            }
            let (columns, rows) = (values.unsqueeze(-2)?, values.unsqueeze(-1)?);
            let apart = differences(&values.square()?)?;
            let skew = |x: &Tensor| off_diagonal(&x.sub(adjoint(x)?)?)?.div(&apart);
            let by_u = grads[0].as_ref().map(|g| uh.matmul(g)).transpose()?;
            let gv = grads[2].as_ref().map(adjoint).transpose()?;
            let by_v = gv.as_ref().map(|g| vh.matmul(g)).transpose()?;
            let mut terms = Vec::new();
            if let Some(x) = &by_u {
                terms.push(skew(x)?.mul(&columns));
                if x.dtype().is_complex() {
                    // The phase that both vectors share.
                    let turn = x.diagonal(0, -2, -1)?.imag()?.div(&values)?;
                    terms.push(diagonal(&turn.zeros_like()?.complex(&turn)?));
                }
            }
            if let Some(x) = &by_v {
                terms.push(skew(x)?.mul(&rows));
            }
            if let Some(g) = &grads[1] {
                terms.push(diagonal(g)?.to_dtype(u.dtype()));
            }
            let inner = sum(terms)?.map_or_else(|| super::zeros_like(&uh.matmul(&u)?), Ok)?;
            let mut found = u.matmul(&inner)?.matmul(&vh)?;
            if let (Some(g), Some(x), true) = (&grads[0], &by_u, m > k) {
                let beyond = g.sub(u.matmul(x)?)?.div(&columns)?;
                found = found.add(beyond.matmul(&vh)?)?;
            }
            if let (Some(g), Some(x), true) = (&gv, &by_v, n > k) {
                let beyond = adjoint(&g.sub(v.matmul(x)?)?)?.div(&rows)?;
                found = found.add(u.matmul(&beyond)?)?;
            }
            Ok(found)
        })
    }
}

impl Rule for Pinv {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0).output(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| {
            let (a, p) = (s.input(0)?, s.output(0)?);
            let (gh, ph) = (adjoint(g)?, adjoint(&p)?);
            let first = adjoint(&p.matmul(&gh)?.matmul(&p)?)?.neg()?;
            // What leaves the column space of A, and its row space.
            let columns = gh.matmul(&p)?.matmul(&ph)?;
            let columns = columns.sub(a.matmul(p.matmul(&columns)?)?)?;
            let rows = ph.matmul(&p)?.matmul(&gh)?;
            let rows = rows.sub(rows.matmul(&p)?.matmul(&a)?)?;
            first.add(columns)?.add(rows)
        })
    }
}

impl Rule for MatrixExp {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| {
            // The upper right block of the exponential of (Aᴴ G; 0 Aᴴ) (Mathias 1996).
            let a = adjoint(&s.input(0)?)?;
            let n = a.size(-1)?;
            let (top, bottom) = (cat(&[&a, g], -1)?, cat(&[&a.zeros_like()?, &a], -1)?);
            let both = dispatch(MatrixExp, &[&cat(&[&top, &bottom], -2)?])?;
            both.narrow(-2, 0, n)?.narrow(-1, n as isize, n)
        })
    }
}

via_decomposition!(HouseholderProduct);
not_differentiable!(Geqrf, LdlFactor, LdlSolve);
