//! The binary cross entropy of a probability with its derivatives as PyTorch has them: exact inside, and numbers
//! where the probability is 0 or 1, at which the derivatives of the formula are not.

use flambeau_autograd::{Context, Function, MultiFunction};
use flambeau_tensor::{Error, ErrorKind, Result, Tensor};

/// What denominators do not fall below.
const EPSILON: f64 = 1e-12;

/// −y log x − (1 − y) log(1 − x), logarithms not below −100.
pub(super) struct BinaryCrossEntropy;

impl MultiFunction for BinaryCrossEntropy {
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let (x, y) = (inputs[0], inputs[1]);
        ctx.save(x);
        ctx.save(y);
        let one = y.mul(&clamped_log(x)?)?;
        let zero = y.rsub(1.0)?.mul(&clamped_log(&x.rsub(1.0)?)?)?;
        Ok(vec![one.add(&zero)?.neg()?])
    }

    fn backward(&self, ctx: &Context<'_>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(grad) = &grads[0] else { return Ok(vec![None, None]) };
        let (x, y) = (ctx.saved(0)?, ctx.saved(1)?);
        let of_x = ctx
            .needs_input_grad(0)
            .then(|| grad.mul(&single(BinaryCrossEntropySlope.apply(&[&x, &y])?)?))
            .transpose()?;
        let of_y = ctx.needs_input_grad(1).then(|| {
            let odds = ClampedLog.apply(&x.rsub(1.0)?)?.sub(ClampedLog.apply(&x)?)?;
            grad.mul(&odds)
        });
        Ok(vec![of_x, of_y.transpose()?])
    }
}

/// The derivative of [`BinaryCrossEntropy`] by x: (x − y) / max(x (1 − x), ε). Its own derivative by x is PyTorch's
/// `binary_cross_entropy_double_backward`.
struct BinaryCrossEntropySlope;

impl MultiFunction for BinaryCrossEntropySlope {
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let (x, y) = (inputs[0], inputs[1]);
        ctx.save(x);
        ctx.save(y);
        Ok(vec![x.sub(y)?.div(&spread(x)?)?])
    }

    fn backward(&self, ctx: &Context<'_>, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(grad) = &grads[0] else { return Ok(vec![None, None]) };
        let (x, y) = (ctx.saved(0)?, ctx.saved(1)?);
        let of_x = ctx.needs_input_grad(0).then(|| {
            let above = x.square()?.sub(x.mul(&y)?.mul(2.0)?)?.add(&y)?;
            let below = x.add(EPSILON)?.square()?.mul(&x.rsub(1.0)?.add(EPSILON)?.square()?)?;
            grad.mul(&above.div(&below)?)
        });
        let of_y = ctx.needs_input_grad(1).then(|| grad.div(&spread(&x)?)?.neg());
        Ok(vec![of_x.transpose()?, of_y.transpose()?])
    }
}

/// log x, not below −100; its derivative is 1 / max(x, ε).
struct ClampedLog;

impl Function for ClampedLog {
    fn forward(&self, ctx: &mut Context<'_>, x: &Tensor) -> Result<Tensor> {
        ctx.save(x);
        clamped_log(x)
    }

    fn backward(&self, ctx: &Context<'_>, grad: &Tensor) -> Result<Tensor> {
        grad.div(&ctx.saved(0)?.clamp_min(EPSILON)?)
    }
}

fn clamped_log(x: &Tensor) -> Result<Tensor> {
    x.log()?.clamp_min(-100.0)
}

/// x (1 − x), not below ε.
fn spread(x: &Tensor) -> Result<Tensor> {
    x.mul(&x.rsub(1.0)?)?.clamp_min(EPSILON)
}

/// The one output of a function.
pub(super) fn single(outputs: Vec<Tensor>) -> Result<Tensor> {
    let first = outputs.into_iter().next();
    first.ok_or_else(|| Error::new(ErrorKind::Autograd, "binary_cross_entropy", "the function returned nothing"))
}
