//! Optimizers and schedules: against PyTorch, what they keep, and how they step.

mod pytorch;
mod scaling;
mod schedules;
mod sparse;
mod state;
mod steps;
mod swa;

use flambeau_autograd::{Autograd, SparseTensor};
use flambeau_optim::*;
use flambeau_tensor::{Result, Tensor};

/// Makes an optimizer of groups, with PyTorch's defaults.
type Make = fn(&[ParamGroup]) -> Result<Box<dyn Optimizer>>;

macro_rules! table {
    ($($Optimizer:ident),*) => {
        &[$((stringify!($Optimizer), |groups| {
            Ok(Box::new($Optimizer::new(Vec::<Tensor>::new()).groups(groups).build()?))
        })),*]
    };
}

/// Every optimizer there is.
const ALL: &[(&str, Make)] = table![
    SGD, Adam, AdamW, Adamax, NAdam, RAdam, RMSprop, Rprop, Adagrad, Adadelta, ASGD, Adafactor, Muon, SparseAdam, LBFGS
];

fn make(name: &str, groups: &[ParamGroup]) -> Result<Box<dyn Optimizer>> {
    ALL.iter().find(|(n, _)| *n == name).expect("an optimizer").1(groups)
}

/// Gives `p` a gradient, of the kind that the optimizer `name` takes: for SparseAdam the rows that are not zero.
fn give(name: &str, p: &Tensor, grad: Tensor) -> Result<()> {
    if name != "SparseAdam" {
        return p.set_grad(Some(grad));
    }
    let rows = grad.ne(0.0)?.any(-1)?.nonzero()?.reshape(-1)?;
    p.set_sparse_grad(SparseTensor::new(rows.unsqueeze(0)?, grad.index_select(0, &rows)?, p.shape())?)
}

/// The sum of (p − 1)⁴ and of p² / 2, with its gradients.
fn quartic(params: &[Tensor]) -> Result<Tensor> {
    params.iter().for_each(|p| p.clear_grad());
    let mut loss = Tensor::zeros([]).build()?;
    for p in params {
        let part = p.sub(1.0)?.pow(4.0)?.sum(..)?.add(&p.square()?.sum(..)?.div(2.0)?)?;
        loss = loss.add(&part.to_dtype(flambeau_tensor::DType::F32)?)?;
    }
    loss.backward()?;
    Ok(loss)
}
