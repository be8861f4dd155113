//! What optimizers have in common: parameters in groups, the rates that schedulers change, state by
//! parameter, saving and loading.

use flambeau_autograd::Autograd;
use flambeau_tensor::{DType, Result, StateDict, Tensor, bail, ensure};
use parking_lot::Mutex;
use std::sync::Arc;

/// The numbers of a parameter group that a scheduler changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The learning rate.
    pub lr: f64,
    /// The learning rate when the first schedule was made; none before.
    pub initial_lr: Option<f64>,
    /// SGD's momentum, or Adam's beta1.
    pub momentum: f64,
}

/// A shared handle on an optimizer's rates, one for each parameter group.
#[derive(Clone, Debug)]
pub struct Rates(Arc<Mutex<Vec<Rate>>>);

impl Rates {
    /// The rates as they are.
    pub fn get(&self) -> Vec<Rate> {
        self.0.lock().clone()
    }

    /// Changes the rate of each group; `f` gets the group's number.
    pub fn update(&self, mut f: impl FnMut(usize, &mut Rate)) {
        self.0.lock().iter_mut().enumerate().for_each(|(i, r)| f(i, r));
    }
}

/// Something that moves parameters along their gradients: `torch.optim.Optimizer`.
pub trait Optimizer {
    /// One step from the gradients that `backward` left; a parameter without one stays.
    ///
    /// # Errors
    /// Where a gradient does not fit its parameter.
    fn step(&mut self) -> Result<()>;

    /// The parameters of all groups.
    fn parameters(&self) -> Vec<Tensor>;

    /// The rates of the groups, shared with schedulers.
    fn rates(&self) -> Rates;

    /// State and rates under PyTorch's names (`state.0.exp_avg`, `param_groups.0.lr`), to save and resume.
    ///
    /// # Errors
    /// Where a number does not go into a tensor.
    fn state_dict(&self) -> Result<StateDict>;

    /// Takes what [`state_dict`](Optimizer::state_dict) gave. State of another precision becomes the
    /// parameter's, as in PyTorch.
    ///
    /// # Errors
    /// Where a name or shape does not fit the parameters; nothing is changed then.
    fn load_state_dict(&mut self, state: &StateDict) -> Result<()>;

    /// Clears the gradients of all parameters, to none.
    fn zero_grad(&self) {
        self.parameters().iter().for_each(|p| p.clear_grad());
    }

    /// The learning rate of each group.
    fn lr(&self) -> Vec<f64> {
        self.rates().get().iter().map(|r| r.lr).collect()
    }

    /// Sets the learning rate of every group.
    fn set_lr(&mut self, lr: f64) {
        self.rates().update(|_, r| r.lr = lr);
    }
}

/// Parameters, their state, and the rates of their groups.
#[derive(Debug)]
pub(crate) struct Core {
    pub params: Vec<Param>,
    pub rates: Rates,
    /// The names of a parameter's state tensors.
    names: &'static [&'static str],
}

/// One parameter and what its optimizer keeps for it.
#[derive(Debug)]
pub(crate) struct Param {
    pub tensor: Tensor,
    pub group: usize,
    pub step: u64,
    pub state: Vec<Tensor>,
}

impl Core {
    /// Groups of parameters, each with the learning rate of its own or the common one.
    #[track_caller]
    pub fn new(
        op: &'static str,
        groups: Vec<(Vec<Tensor>, Option<f64>)>,
        rate: Rate,
        names: &'static [&'static str],
    ) -> Result<Core> {
        ensure!(groups.iter().any(|g| !g.0.is_empty()), Argument, op, "there are no parameters");
        let (mut params, mut rates): (Vec<Param>, Vec<Rate>) = (Vec::new(), Vec::new());
        for (tensors, lr) in groups.into_iter().filter(|g| !g.0.is_empty()) {
            let lr = lr.unwrap_or(rate.lr);
            ensure!(lr >= 0.0, Argument, op, "a learning rate of {lr} is negative");
            rates.push(Rate { lr, ..rate });
            for tensor in tensors {
                let i = params.len();
                ensure!(
                    tensor.dtype().is_differentiable(),
                    DType,
                    op,
                    "parameter {i} is {}, which has no gradient",
                    tensor.dtype()
                );
                ensure!(tensor.is_leaf(), Autograd, op, "parameter {i} is not a leaf: an op made it");
                ensure!(!params.iter().any(|p| p.tensor.is(&tensor)), Argument, op, "parameter {i} appears twice");
                params.push(Param { tensor, group: rates.len() - 1, step: 0, state: Vec::new() });
            }
        }
        Ok(Core { params, rates: Rates(Arc::new(Mutex::new(rates))), names })
    }

    pub fn tensors(&self) -> Vec<Tensor> {
        self.params.iter().map(|p| p.tensor.clone()).collect()
    }

    pub fn state_dict(&self) -> Result<StateDict> {
        let mut out = StateDict::new();
        let number = |x: f64| Tensor::scalar_on(x.into(), DType::F64, Default::default());
        for (i, p) in self.params.iter().enumerate() {
            if p.step > 0 {
                out.insert(format!("state.{i}.step"), number(p.step as f64)?);
            }
            for (name, tensor) in self.names.iter().zip(&p.state) {
                out.insert(format!("state.{i}.{name}"), tensor.detach());
            }
        }
        for (i, r) in self.rates.get().iter().enumerate() {
            out.insert(format!("param_groups.{i}.lr"), number(r.lr)?);
            if let Some(initial) = r.initial_lr {
                out.insert(format!("param_groups.{i}.initial_lr"), number(initial)?);
            }
            out.insert(format!("param_groups.{i}.momentum"), number(r.momentum)?);
        }
        Ok(out)
    }

    pub fn load_state_dict(&mut self, op: &'static str, from: &StateDict) -> Result<()> {
        let mut rates = self.rates.get();
        let mut states: Vec<(u64, Vec<Tensor>)> = Vec::new();
        for (i, p) in self.params.iter().enumerate() {
            let mut state = Vec::new();
            for name in self.names {
                let Some(saved) = from.get(&format!("state.{i}.{name}")) else { break };
                let (there, here) = (saved.dtype(), p.tensor.dtype());
                ensure!(
                    saved.shape() == p.tensor.shape() && there.can_cast(here),
                    State,
                    op,
                    "state.{i}.{name} is {there} {:?}, the parameter {here} {:?}",
                    saved.shape(),
                    p.tensor.shape()
                );
                let saved = saved.detach().to_device(p.tensor.device())?.to_dtype(here)?;
                state.push(saved.copy()?);
            }
            let step = from.get(&format!("state.{i}.step")).map_or(Ok(0.0), |t| t.item::<f64>())?;
            states.push((step.max(0.0) as u64, state));
        }
        for (i, r) in rates.iter_mut().enumerate() {
            for (name, to) in [("lr", &mut r.lr), ("momentum", &mut r.momentum)] {
                match from.get(&format!("param_groups.{i}.{name}")) {
                    Some(t) => *to = t.item()?,
                    None => bail!(State, op, "missing key \"param_groups.{i}.{name}\""),
                }
            }
            let initial = from.get(&format!("param_groups.{i}.initial_lr"));
            r.initial_lr = initial.map(|t| t.item::<f64>()).transpose()?;
        }
        let known = |key: &str| {
            let mut parts = key.split('.');
            let (kind, i, name) = (parts.next(), parts.next().and_then(|i| i.parse::<usize>().ok()), parts.next());
            match (kind, i, name) {
                (Some("state"), Some(i), Some(name)) => {
                    i < self.params.len() && (name == "step" || self.names.contains(&name))
                }
                (Some("param_groups"), Some(i), Some(name)) => {
                    i < rates.len() && ["lr", "initial_lr", "momentum"].contains(&name)
                }
                _ => false,
            }
        };
        if let Some(key) = from.keys().find(|k| !known(k)) {
            bail!(State, op, "unexpected key \"{key}\"")
        }
        for (p, (step, state)) in self.params.iter_mut().zip(states) {
            (p.step, p.state) = (step, state);
        }
        self.rates.update(|i, r| *r = rates[i]);
        Ok(())
    }
}

/// A gradient as the fused steps take it: the parameter's own dtype, whatever its strides.
pub(crate) fn fits_fused(param: &Tensor) -> bool {
    param.is_contiguous() && matches!(param.dtype(), DType::F32 | DType::F64)
}
