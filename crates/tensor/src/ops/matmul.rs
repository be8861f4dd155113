//! Matrix products: two ops, [`Matmul`] and [`Linear`], and PyTorch's many names over them.

use crate::autocast::Policy;
use crate::dtype::Category;
use crate::interpreters::autocast::{in_lower_precision, paused};
use crate::op::{Infer, Meta, Metas, Outputs};
use crate::ops::cast::{common_dtype, rounded_once};
use crate::ops::ternary::factor;
use crate::shape::{DimList, Shape, broadcast_shapes};
use crate::{DType, Result, Scalar, Tensor, bail, dispatch, ensure};
use smallvec::smallvec;

/// The product of matrices, or of batches of them of one shape: `[…, m, k]` by `[…, k, n]`.
#[derive(Clone, Copy, Debug)]
pub struct Matmul;

/// x·wᵀ + b for rows x: `[…, k]` by `[n, k]`, and a bias `[n]` where a third input is given.
#[derive(Clone, Copy, Debug)]
pub struct Linear;

impl Infer for Matmul {
    const NAME: &'static str = "matmul";
    const INPUTS: usize = 2;
    fn autocast(&self) -> Policy {
        Policy::Lower
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (a, b) = (inputs[0], inputs[1]);
        check_dtypes("matmul", a, b)?;
        let rank = a.rank();
        ensure!(
            rank >= 2 && rank == b.rank(),
            Shape,
            "matmul",
            "two ranks of at least 2 must be equal: {:?} and {:?}",
            a.shape(),
            b.shape()
        );
        let batch = rank - 2;
        ensure!(
            a.shape()[..batch] == b.shape()[..batch],
            Shape,
            "matmul",
            "batches {:?} and {:?} differ",
            a.shape(),
            b.shape()
        );
        check_inner("matmul", a, b)?;
        let mut shape = Shape::from_slice(&a.shape()[..rank - 1]);
        shape.push(b.shape()[rank - 1]);
        Meta::new(shape, a.dtype()).one()
    }
}

impl Infer for Linear {
    const NAME: &'static str = "linear";
    const INPUTS: usize = 2;
    fn autocast(&self) -> Policy {
        Policy::Lower
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        let (x, w) = (inputs[0], inputs[1]);
        check_dtypes("linear", x, w)?;
        ensure!(
            x.rank() >= 1 && w.rank() == 2,
            Shape,
            "linear",
            "the input {:?} needs a dimension, the weight {:?} two",
            x.shape(),
            w.shape()
        );
        let (k, features) = (x.shape()[x.rank() - 1], w.shape()[1]);
        ensure!(
            k == features,
            Shape,
            "linear",
            "input {:?} has {k} features, weight {:?} takes {features}",
            x.shape(),
            w.shape()
        );
        if let Some(b) = inputs.get(2) {
            check_dtypes("linear", x, b)?;
            ensure!(
                *b.shape() == w.shape()[..1],
                Shape,
                "linear",
                "the bias has shape {:?}, the weight {:?} asks for {:?}",
                b.shape(),
                w.shape(),
                &w.shape()[..1]
            );
        }
        let mut shape = Shape::from_slice(&x.shape()[..x.rank() - 1]);
        shape.push(w.shape()[0]);
        Meta::new(shape, x.dtype()).one()
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let whole = || -> Result<Outputs> {
            let product = inputs[0].matmul(&inputs[1].t()?)?;
            Ok(smallvec![match inputs.get(2) {
                Some(bias) => product.add(*bias)?,
                None => product,
            }])
        };
        Some(whole())
    }
}

#[track_caller]
fn check_dtypes(op: &'static str, a: &Tensor, b: &Tensor) -> Result<()> {
    ensure!(
        a.dtype() == b.dtype(),
        DType,
        op,
        "operands are {} and {}; both must have one dtype",
        a.dtype(),
        b.dtype()
    );
    ensure!(a.dtype() != DType::Bool, DType, op, "not defined for bool");
    Ok(())
}

/// The last dimension of `a` against the last but one (or the only one) of `b`.
#[track_caller]
fn check_inner(op: &'static str, a: &Tensor, b: &Tensor) -> Result<()> {
    let rows = |s: &[usize]| s.len().checked_sub(2).map_or(s.first().copied(), |d| Some(s[d]));
    match (a.shape().last().copied(), rows(b.shape())) {
        (Some(x), Some(y)) if x == y => Ok(()),
        (Some(x), Some(y)) => {
            bail!(Shape, op, "cannot multiply {:?} by {:?}: inner sizes {x} and {y} differ", a.shape(), b.shape())
        }
        _ => bail!(Shape, op, "cannot multiply {:?} by {:?}: both need at least one dimension", a.shape(), b.shape()),
    }
}

/// Ranks as the op's name promises, and inner sizes that agree.
#[track_caller]
fn check(op: &'static str, a: &Tensor, b: &Tensor, ranks: (usize, usize)) -> Result<()> {
    ensure!(
        (a.rank(), b.rank()) == ranks,
        Shape,
        op,
        "takes ranks {} and {}, the operands are {:?} and {:?}",
        ranks.0,
        ranks.1,
        a.shape(),
        b.shape()
    );
    check_dtypes(op, a, b)?;
    check_inner(op, a, b)
}

impl Tensor {
    /// The matrix product of any ranks, as `torch.matmul`: vectors are rows on the left and columns on
    /// the right, leading dimensions are batches that broadcast.
    ///
    /// ```
    /// # use flambeau_tensor::{Result, Tensor};
    /// # fn main() -> Result<()> {
    /// let a = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
    /// assert_eq!(a.matmul(&a)?.to_vec::<f32>()?, [7.0, 10.0, 15.0, 22.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where inner sizes differ, batches do not broadcast, or dtypes are not the same.
    #[track_caller]
    pub fn matmul(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        let other = other.as_ref();
        check_inner("matmul", self, other)?;
        match (self.rank(), other.rank()) {
            (2, 2) => dispatch(Matmul, &[self, other]),
            (1, 1) => dispatch(Matmul, &[&self.unsqueeze(0)?, &other.unsqueeze(1)?])?.reshape(()),
            (1, _) => self.unsqueeze(0)?.batched(other)?.squeeze(-2),
            (_, 1) => self.folded(&other.unsqueeze(1)?)?.squeeze(-1),
            (_, 2) => self.folded(other),
            _ => self.batched(other),
        }
    }

    /// By one matrix for all batches: they are rows of one product.
    #[track_caller]
    fn folded(&self, matrix: &Tensor) -> Result<Tensor> {
        if self.rank() == 2 {
            return dispatch(Matmul, &[self, matrix]);
        }
        let (k, n) = (matrix.shape()[0], matrix.shape()[1]);
        let mut shape = Shape::from_slice(&self.shape()[..self.rank() - 1]);
        let rows: usize = shape.iter().product();
        shape.push(n);
        dispatch(Matmul, &[&self.reshape([rows, k])?, matrix])?.reshape(shape)
    }

    /// Both with batches, which broadcast.
    #[track_caller]
    fn batched(&self, other: &Tensor) -> Result<Tensor> {
        let (a, b) = (self.shape(), other.shape());
        let (batch_a, batch_b) = (&a[..a.len() - 2], &b[..b.len() - 2]);
        if batch_a == batch_b {
            return dispatch(Matmul, &[self, other]);
        }
        let batch = broadcast_shapes("matmul", batch_a, batch_b)?;
        let grown = |t: &Tensor| {
            let mut shape = batch.clone();
            shape.extend_from_slice(&t.shape()[t.rank() - 2..]);
            t.expand(shape)
        };
        dispatch(Matmul, &[&grown(self)?, &grown(other)?])
    }

    /// The product of two matrices: `torch.mm`.
    ///
    /// # Errors
    /// Where they are no matrices, or the inner sizes differ.
    #[track_caller]
    pub fn mm(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        let other = other.as_ref();
        check("mm", self, other, (2, 2))?;
        dispatch(Matmul, &[self, other])
    }

    /// The products of two batches `[b, m, k]` and `[b, k, n]`: `torch.bmm`.
    ///
    /// # Errors
    /// Where they are no batches of matrices, or their sizes do not go together.
    #[track_caller]
    pub fn bmm(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        let other = other.as_ref();
        check("bmm", self, other, (3, 3))?;
        ensure!(
            self.shape()[0] == other.shape()[0],
            Shape,
            "bmm",
            "batches of {} and {} matrices differ",
            self.shape()[0],
            other.shape()[0]
        );
        dispatch(Matmul, &[self, other])
    }

    /// A matrix by a vector: `torch.mv`.
    ///
    /// # Errors
    /// Where it is no matrix by a vector, or the sizes differ.
    #[track_caller]
    pub fn mv(&self, vector: impl AsRef<Tensor>) -> Result<Tensor> {
        let vector = vector.as_ref();
        check("mv", self, vector, (2, 1))?;
        let _own = paused(); // not on the list of mixed precision, as `matmul` is
        self.matmul(vector)
    }

    /// The sum of the products of two vectors' elements: `torch.dot`.
    ///
    /// # Errors
    /// Where they are no vectors of one length.
    #[track_caller]
    pub fn dot(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        let other = other.as_ref();
        check("dot", self, other, (1, 1))?;
        let _own = paused();
        self.matmul(other)
    }

    /// [`dot`](Tensor::dot) with this vector conjugated: `torch.vdot`.
    ///
    /// # Errors
    /// Where they are no vectors of one length.
    #[track_caller]
    pub fn vdot(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        let other = other.as_ref();
        check("vdot", self, other, (1, 1))?;
        let _own = paused();
        self.conj()?.matmul(other)
    }

    /// All products of an element of this vector and one of `other`, `[n, m]`: `torch.outer`.
    ///
    /// # Errors
    /// Where one is no vector.
    #[track_caller]
    pub fn outer(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        let other = other.as_ref();
        ensure!(
            self.rank() == 1 && other.rank() == 1,
            Shape,
            "outer",
            "takes two vectors, the operands are {:?} and {:?}",
            self.shape(),
            other.shape()
        );
        self.unsqueeze(1)?.mul(other)
    }

    /// Products summed over the last dimension of both: `torch.inner`. A scalar multiplies.
    ///
    /// # Errors
    /// Where the last dimensions differ.
    #[track_caller]
    pub fn inner(&self, other: impl AsRef<Tensor>) -> Result<Tensor> {
        let other = other.as_ref();
        if self.rank() == 0 || other.rank() == 0 {
            return self.mul(other);
        }
        let (x, y) = (self.shape()[self.rank() - 1], other.shape()[other.rank() - 1]);
        ensure!(x == y, Shape, "inner", "last sizes {x} and {y} of {:?} and {:?} differ", self.shape(), other.shape());
        self.tensordot(other, [-1], [-1])
    }

    /// β·self + α·(a·b), `self` broadcast to the product: `torch.addmm`. With β = 0 what is in `self`
    /// does not matter, with α = 0 what is in the product does not. Of integers both factors are truncated.
    ///
    /// # Errors
    /// Where the shapes do not go together, or the dtype has no such factor.
    #[track_caller]
    pub fn addmm(
        &self,
        a: impl AsRef<Tensor>,
        b: impl AsRef<Tensor>,
        beta: impl Into<Scalar>,
        alpha: impl Into<Scalar>,
    ) -> Result<Tensor> {
        let (a, b, beta, alpha) = (a.as_ref(), b.as_ref(), beta.into(), alpha.into());
        in_lower_precision!(x = self, a = a, b = b => x.addmm(&*a, &*b, beta, alpha));
        check("addmm", a, b, (2, 2))?;
        let dtype = common_dtype([self, a, b]);
        if dtype.is_half() && !beta.is_zero() && !beta.is_one() {
            // PyTorch multiplies by β and adds without a rounding between; so do numbers that `f64` holds exactly.
            let beta = f64::from(factor("addmm", [self, a], beta)?.to_f64() as f32);
            let [x, a, b] = [self.to_dtype(DType::F64)?, a.to_dtype(DType::F32)?, b.to_dtype(DType::F32)?];
            let product = x.to_dtype(DType::F32)?.addmm(a, b, 0, alpha)?.to_dtype(DType::F64)?;
            return x.mul(beta)?.add(&product)?.to_dtype(DType::F32)?.to_dtype(dtype);
        }
        self.plus_product("addmm", [a, b], (beta, alpha), |a, b| dispatch(Matmul, &[a, b]))
    }

    /// β·self + α·(a·v): `torch.addmv`. Factors as in [`addmm`](Tensor::addmm).
    ///
    /// # Errors
    /// As for [`addmm`](Tensor::addmm).
    #[track_caller]
    pub fn addmv(
        &self,
        a: impl AsRef<Tensor>,
        v: impl AsRef<Tensor>,
        beta: impl Into<Scalar>,
        alpha: impl Into<Scalar>,
    ) -> Result<Tensor> {
        let (a, v) = (a.as_ref(), v.as_ref());
        check("addmv", a, v, (2, 1))?;
        self.plus_product("addmv", [a, v], (beta.into(), alpha.into()), |a, v| a.matmul(v))
    }

    /// β·self + α·(v ⊗ w): `torch.addr`. With β = 0 what is in `self` does not matter.
    ///
    /// # Errors
    /// Where the shapes do not go together, or a factor is of a higher kind than the tensors.
    #[track_caller]
    pub fn addr(
        &self,
        v: impl AsRef<Tensor>,
        w: impl AsRef<Tensor>,
        beta: impl Into<Scalar>,
        alpha: impl Into<Scalar>,
    ) -> Result<Tensor> {
        let (v, w) = (v.as_ref(), w.as_ref());
        let dtype = common_dtype([self, v, w]);
        let number = |factor: Scalar| match dtype {
            DType::Bool => Ok(Scalar::Bool(factor.to_bool())),
            // In half precision all that is computed is rounded, and so are the factors.
            DType::F16 | DType::BF16 => Ok(factor.stored_as("addr", dtype)?.rounded(dtype)),
            _ => factor.stored_as("addr", dtype),
        };
        let (beta, alpha) = (beta.into(), alpha.into());
        for factor in [beta, alpha] {
            ensure!(
                factor.category() <= dtype.category().max(Category::Int),
                DType,
                "addr",
                "the factor {factor} is not for tensors of {dtype}"
            );
        }
        let (beta, alpha) = (number(beta)?, number(alpha)?);
        let scaled = if alpha.is_one() { v.clone() } else { v.mul(alpha)? };
        self.plus("addr", scaled.outer(w)?, beta)
    }

    /// β·self + α·(the product of each pair of the batches): `torch.baddbmm`. Factors as in
    /// [`addmm`](Tensor::addmm).
    ///
    /// # Errors
    /// As for [`addmm`](Tensor::addmm).
    #[track_caller]
    pub fn baddbmm(
        &self,
        a: impl AsRef<Tensor>,
        b: impl AsRef<Tensor>,
        beta: impl Into<Scalar>,
        alpha: impl Into<Scalar>,
    ) -> Result<Tensor> {
        let (a, b, beta, alpha) = (a.as_ref(), b.as_ref(), beta.into(), alpha.into());
        in_lower_precision!(x = self, a = a, b = b => x.baddbmm(&*a, &*b, beta, alpha));
        check("baddbmm", a, b, (3, 3))?;
        self.plus_product("baddbmm", [a, b], (beta, alpha), |a, b| a.bmm(b))
    }

    /// β·self + α·(the sum of the products of the batches): `torch.addbmm`. Factors as in
    /// [`addmm`](Tensor::addmm).
    ///
    /// # Errors
    /// As for [`addmm`](Tensor::addmm).
    #[track_caller]
    pub fn addbmm(
        &self,
        a: impl AsRef<Tensor>,
        b: impl AsRef<Tensor>,
        beta: impl Into<Scalar>,
        alpha: impl Into<Scalar>,
    ) -> Result<Tensor> {
        let (a, b, beta, alpha) = (a.as_ref(), b.as_ref(), beta.into(), alpha.into());
        in_lower_precision!(x = self, a = a, b = b => x.addbmm(&*a, &*b, beta, alpha));
        check("addbmm", a, b, (3, 3))?;
        let batches = a.shape()[0];
        if a.dtype().is_half() && batches > 0 && batches == b.shape()[0] {
            // As PyTorch: batch by batch, each sum rounded.
            return (0..batches as isize).try_fold(self.clone(), |sum, i| {
                let beta = if i == 0 { beta } else { 1.into() };
                sum.addmm(&a.select(0, i)?, &b.select(0, i)?, beta, alpha)
            });
        }
        self.plus_product("addbmm", [a, b], (beta, alpha), |a, b| a.tensordot(b, [0, 2], [0, 1]))
    }

    /// β·self + α·product(a, b), the factors as numbers of the product's dtype.
    #[track_caller]
    fn plus_product(
        &self,
        op: &'static str,
        [a, b]: [&Tensor; 2],
        (beta, alpha): (Scalar, Scalar),
        product: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let (beta, alpha) = (factor(op, [a], beta)?, factor(op, [a], alpha)?);
        rounded_once([self, a, b], |[x, a, b]| {
            let product = product(a, b)?;
            let scaled = if alpha.is_one() {
                product
            } else if alpha.is_zero() {
                // Not even what is infinite or NaN comes through.
                product.masked_fill(&Tensor::scalar_on(true.into(), DType::Bool, product.device())?, 0)?
            } else {
                product.mul(alpha)?
            };
            x.plus(op, scaled, beta)
        })
    }

    /// β·self + product.
    #[track_caller]
    fn plus(&self, op: &'static str, product: Tensor, beta: Scalar) -> Result<Tensor> {
        let reached = broadcast_shapes(op, self.shape(), product.shape())?;
        ensure!(
            reached[..] == *product.shape(),
            Shape,
            op,
            "the input {:?} does not expand to the product {:?}",
            self.shape(),
            product.shape()
        );
        if beta.is_zero() {
            return Ok(product);
        }
        let scaled = if beta.is_one() { self.clone() } else { self.mul(beta)? };
        scaled.add(&product)
    }

    /// x·wᵀ + b for the rows `[…, k]` of this tensor, `weight` `[n, k]` and `bias` `[n]`:
    /// `torch.nn.functional.linear`. The weight is read where it lies.
    ///
    /// ```
    /// # use flambeau_tensor::tensor;
    /// let (x, weight) = (tensor!([[1.0, 2.0]]), tensor!([[1.0, 1.0], [0.0, 3.0], [2.0, 0.0]]));
    /// let y = x.linear(&weight, Some(&tensor!([0.5, 0.5, 0.5])))?;
    /// assert_eq!(y.to_vec::<f32>()?, [3.5, 6.5, 2.5]);
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the last dimension of the input is not that of the weight, or the bias does not fit.
    #[track_caller]
    pub fn linear(&self, weight: impl AsRef<Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
        let weight = weight.as_ref();
        if weight.rank() == 2 && bias.is_none_or(|b| *b.shape() == weight.shape()[..1]) {
            return match bias {
                Some(bias) => dispatch(Linear, &[self, weight, bias]),
                None => dispatch(Linear, &[self, weight]),
            };
        }
        ensure!(
            weight.rank() == 1 || weight.rank() == 2,
            Shape,
            "linear",
            "the weight has shape {:?}; [n, k] or [k] is right",
            weight.shape()
        );
        let product = self.matmul(&weight.t()?)?;
        match bias {
            Some(bias) => product.add(bias),
            None => Ok(product),
        }
    }

    /// Products summed over the dimensions `dims` of this tensor and `others` of `other`, pair by pair;
    /// what is left of both stands one after another: `torch.tensordot`.
    ///
    /// # Errors
    /// Where the pairs' sizes differ.
    #[track_caller]
    pub fn tensordot(
        &self,
        other: impl AsRef<Tensor>,
        dims: impl Into<crate::Dims>,
        others: impl Into<crate::Dims>,
    ) -> Result<Tensor> {
        let other = other.as_ref();
        let (da, db) =
            (dims.into().resolve("tensordot", self.rank())?, others.into().resolve("tensordot", other.rank())?);
        let there = da.iter().all(|d| *d < self.rank()) && db.iter().all(|d| *d < other.rank());
        ensure!(there, Index, "tensordot", "a tensor without dimensions has none to sum over");
        // A size of 1 goes with any: what would be broadcast to the other's size is summed there instead.
        for (&a, &b) in da.iter().zip(&db) {
            match (self.shape().get(a), other.shape().get(b)) {
                (Some(1), Some(n)) if *n != 1 => {
                    return self.tensordot(&other.sum_as_keepdim(other.dtype(), b)?, da, db);
                }
                (Some(n), Some(1)) if *n != 1 => return self.sum_as_keepdim(self.dtype(), a)?.tensordot(other, da, db),
                _ => {}
            }
        }
        let sizes = |t: &Tensor, d: &[usize]| -> Shape { d.iter().map(|d| t.shape()[*d]).collect() };
        let (summed, with) = (sizes(self, &da), sizes(other, &db));
        ensure!(
            summed == with,
            Shape,
            "tensordot",
            "dimensions {:?} of {:?} and {:?} of {:?} differ in size",
            &da[..],
            self.shape(),
            &db[..],
            other.shape()
        );
        let free = |t: &Tensor, d: &[usize]| -> DimList { (0..t.rank()).filter(|i| !d.contains(i)).collect() };
        let (fa, fb) = (free(self, &da), free(other, &db));
        let mut shape = sizes(self, &fa);
        shape.extend(sizes(other, &fb));
        let (m, k, n): (usize, usize, usize) =
            (sizes(self, &fa).iter().product(), summed.iter().product(), sizes(other, &fb).iter().product());
        let order = |first: &[usize], then: &[usize]| -> DimList { first.iter().chain(then).copied().collect() };
        let a = self.permute(order(&fa, &da))?.reshape([m, k])?;
        let b = other.permute(order(&db, &fb))?.reshape([k, n])?;
        a.matmul(&b)?.reshape(shape)
    }
}
