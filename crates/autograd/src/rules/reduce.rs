//! Derivatives of reductions. The ops keep what they reduce with size 1, so gradients broadcast back.

use super::scan::shifted;
use super::{Forward, Grads, Rule, Saved, Saves, no_gradient};
use flambeau_tensor::op::Meta;
use flambeau_tensor::{Result, Tensor, ops::*};
use smallvec::smallvec;

no_gradient!(Argmax, Argmin, Any, All, CountNonzero);

impl Rule for Sum {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| g.expand(&s.meta(0)?.shape))
    }
}

/// How many elements met in one output.
fn count(shape: &[usize], dims: &[usize]) -> f64 {
    dims.iter().map(|d| shape[*d] as f64).product()
}

impl Rule for Mean {
    const FORWARD: Forward = Forward::Linear;
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.meta(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| {
            let shape = s.meta(0)?.shape;
            g.div(count(&shape, &self.dims))?.expand(&shape)
        })
    }
}

impl Rule for Prod {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0)
    }
    /// The product of the others, from those on the left and those on the right: right with zeros too.
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| {
            let x = s.input(0)?.conj()?;
            if x.rank() == 0 {
                return Ok(g.clone());
            }
            let dim = self.dim as isize;
            let left = shifted(&x.cumprod(dim)?, self.dim, false, 1.0)?;
            let right = shifted(&x.cumprod_reversed(dim)?, self.dim, true, 1.0)?;
            g.mul(&left.mul(&right)?)
        })
    }
}

macro_rules! shared_among_equals {
    ($($Op:ident),*) => {$(
        impl Rule for $Op {
            fn saves(&self, _: &[bool]) -> Saves {
                Saves::NONE.input(0).output(0)
            }
            fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
                s.one(|| {
                    let chosen = s.input(0)?.detach().eq(&s.output(0)?.detach())?.to_dtype(g.dtype())?;
                    g.div(&chosen.sum_keepdim(self.dims.clone())?)?.mul(&chosen)
                })
            }
        }
    )*};
}
shared_among_equals!(Amax, Amin);

/// `g` at the places `place` along `dim` of a tensor like `x`, 0 elsewhere.
pub(super) fn at_places(g: &Tensor, dim: usize, place: &Tensor, x: &Meta) -> Result<Tensor> {
    match x.shape.get(dim) {
        None => Ok(g.clone()),
        Some(_) => {
            Tensor::zeros(&x.shape).dtype(g.dtype()).device(g.device()).build()?.scatter_add(dim as isize, place, g)
        }
    }
}

/// Rules of ops whose second output says where the elements of the first came from, along the dimension `$dim` of an
/// input like `$x`: the gradient goes there.
macro_rules! to_the_place {
    ($($Op:ident),*; |$op:ident, $x:ident| $dim:expr) => {$(
        impl Rule for $Op {
            fn saves(&self, _: &[bool]) -> Saves {
                Saves::NONE.meta(0).output(1)
            }
            fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
                let $op = self;
                s.one(|| {
                    let $x = s.meta(0)?;
                    $crate::rules::reduce::at_places(g, $dim, &s.output(1)?, &$x)
                })
            }
        }
    )*};
}
pub(super) use to_the_place;

to_the_place!(MaxDim, MinDim; |op, x| op.dim);

impl Rule for LogSumExp {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0).output(0)
    }
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| s.input(0)?.sub(&s.output(0)?)?.exp()?.mul(g))
    }
}

impl Rule for VarMean {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0).output(1).output_if(0, self.root)
    }
    /// dvar/dx = 2 (x − mean) / (n − correction), dmean/dx = 1 / n.
    fn vjp_all(&self, s: &Saved<'_>, grads: &[Option<Tensor>]) -> Result<Grads> {
        let x = s.input(0)?;
        let n = count(x.shape(), &self.dims);
        let mut total = None;
        if let Some(Some(g)) = grads.first() {
            let g = if self.root {
                let std = s.output(0)?;
                g.div(&std.mul(2.0)?)?.masked_fill(&std.eq(0.0)?, 0.0)?
            } else {
                g.clone()
            };
            let slope = 2.0 / (n - self.correction).max(0.0);
            total = Some(x.sub(&s.output(1)?)?.mul(&g.mul(slope)?)?);
        }
        if let Some(Some(g)) = grads.get(1) {
            let g = g.div(n)?.expand(x.shape())?;
            total = Some(match total {
                Some(t) => t.add(&g)?,
                None => g,
            });
        }
        Ok(smallvec![total])
    }
}

impl Rule for Norm {
    fn saves(&self, _: &[bool]) -> Saves {
        Saves::NONE.input(0).output(0)
    }
    /// sign(x) (|x| / norm)ᵖ⁻¹; 0 where that has no limit. The quotient comes first: the powers, and what is divided by
    /// the norm of small numbers, may be out of range.
    fn vjp(&self, s: &Saved<'_>, g: &Tensor) -> Result<Grads> {
        s.one(|| {
            let (x, norm, p) = (s.input(0)?, s.output(0)?, self.ord);
            if p == 0.0 {
                return x.zeros_like();
            }
            if p == 1.0 {
                return x.sign()?.mul(g);
            }
            if p.is_infinite() {
                let chosen = x.abs()?.detach().eq(&norm.detach())?.to_dtype(x.dtype())?;
                let each = g.div(&chosen.sum_keepdim(self.dims.clone())?)?;
                return x.sign()?.mul(&chosen)?.mul(&each);
            }
            let nothing = norm.eq(0.0)?;
            let (share, g) = (x.div(&norm.masked_fill(&nothing, 1.0)?)?, g.masked_fill(&nothing, 0.0)?);
            if p == 2.0 {
                return share.mul(&g);
            }
            let mut size = share.abs()?;
            if p < 1.0 {
                // Where a power has no slope, none of any order: the sign beside it is 0.
                size = size.masked_fill(&x.eq(0.0)?, 1.0)?;
            }
            share.sign()?.mul(&size.pow(p - 1.0)?)?.mul(&g)
        })
    }
}
