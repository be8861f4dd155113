//! What an optimizer keeps for each parameter: slots with names and kinds, as PyTorch's state dict has them.

use super::coefficient::Coefficient;
use flambeau_autograd::SparseTensor;
use flambeau_serialize::torch::Value;
use flambeau_tensor::{DType, Device, Result, Tensor};

/// What a slot of a parameter's state holds.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// A number: on the host, or where the group says `capturable` on the device; in a file a `float32` tensor `[]`.
    Count,
    /// A whole number, in a file an `int`.
    Int,
    /// A tensor of the parameter's shape and dtype.
    Like,
    /// A tensor of the parameter's dtype, of the shape that follows from the parameter's; none where it has none.
    Shaped(fn(&[usize]) -> Option<Vec<usize>>),
    /// Any value of PyTorch's; tensors in it are of the parameter's dtype.
    Any,
}

/// A slot of a parameter's state.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// PyTorch's name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

impl Slot {
    /// The count of steps: `"step"`.
    pub const STEP: Slot = Slot { name: "step", kind: Kind::Count };

    /// A tensor as the parameter is.
    pub const fn like(name: &'static str) -> Slot {
        Slot { name, kind: Kind::Like }
    }

    /// A number.
    pub const fn count(name: &'static str) -> Slot {
        Slot { name, kind: Kind::Count }
    }

    /// Any value.
    pub const fn any(name: &'static str) -> Slot {
        Slot { name, kind: Kind::Any }
    }
}

/// What a slot holds.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    Count(Coefficient),
    Tensor(Tensor),
    Value(Value),
}

/// A parameter's state, by the number of the slot.
#[derive(Clone, Debug, Default)]
pub struct State(pub(crate) Vec<Option<Held>>);

impl State {
    pub(crate) fn get(&self, slot: usize) -> Option<&Held> {
        self.0.get(slot).and_then(Option::as_ref)
    }

    pub(crate) fn put(&mut self, slot: usize, held: Held) {
        if self.0.len() <= slot {
            self.0.resize(slot + 1, None);
        }
        self.0[slot] = Some(held);
    }

    /// True where nothing is kept yet.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// The value in `slot`, of [`Kind::Any`].
    pub fn value(&self, slot: usize) -> Option<&Value> {
        match self.get(slot)? {
            Held::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Puts a value into `slot`, of [`Kind::Any`].
    pub fn set_value(&mut self, slot: usize, value: impl Into<Value>) {
        self.put(slot, Held::Value(value.into()));
    }
}

/// A parameter in a step: it and its gradient, detached, and its state. A complex parameter is seen as real numbers.
pub struct Stepped<'a> {
    /// The parameter, to write to.
    pub param: Tensor,
    /// Its gradient, not to write to; of a sparse one the values.
    pub grad: Tensor,
    /// Its gradient where that is sparse.
    pub sparse: Option<SparseTensor>,
    /// What is kept for it.
    pub state: &'a mut State,
    pub(crate) complex: bool,
    /// The group counts on the device.
    pub(crate) on_device: bool,
}

impl Stepped<'_> {
    /// The gradient to go down: with the other sign where `maximize`, the L2 penalty added.
    ///
    /// # Errors
    /// Where memory runs out.
    pub fn slope(&self, maximize: bool, weight_decay: f64) -> Result<Tensor> {
        let grad = if maximize { self.grad.neg()? } else { self.grad.clone() };
        if weight_decay == 0.0 { Ok(grad) } else { grad.add(&self.param.mul(weight_decay)?) }
    }

    /// The number in `slot`, which begins as `first`.
    ///
    /// # Errors
    /// Where memory runs out.
    pub fn count(&mut self, slot: usize, first: f64) -> Result<Coefficient> {
        let device = self.param.device();
        let on_device = |x: f64| Tensor::scalar_on(x.into(), DType::F32, device).map(Coefficient::Device);
        let held = match self.state.get(slot) {
            Some(Held::Count(Coefficient::Device(t))) => return Ok(t.clone().into()),
            Some(Held::Count(Coefficient::Host(x))) => *x,
            _ => first,
        };
        let now = if self.on_device { on_device(held)? } else { held.into() };
        self.state.put(slot, Held::Count(now.clone()));
        Ok(now)
    }

    /// Sets the number in `slot`; one on a device is written where it is.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn set_count(&mut self, slot: usize, to: &Coefficient) -> Result<()> {
        if let (Some(Held::Count(Coefficient::Device(there))), Coefficient::Device(to)) = (self.state.get(slot), to) {
            return there.copy_(to).map(drop);
        }
        self.state.put(slot, Held::Count(to.clone()));
        Ok(())
    }

    /// One more step: the number of this one, from 1 on.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn step(&mut self, slot: usize) -> Result<Coefficient> {
        match self.count(slot, 0.0)? {
            Coefficient::Host(x) => {
                let now = Coefficient::Host(x + 1.0);
                self.state.put(slot, Held::Count(now.clone()));
                Ok(now)
            }
            Coefficient::Device(t) => {
                t.add_(1.0)?;
                Ok(t.into())
            }
        }
    }

    /// The tensor in `slot`, as the parameter is, of zeros at first; to write to.
    ///
    /// # Errors
    /// Where memory runs out.
    pub fn like(&mut self, slot: usize) -> Result<Tensor> {
        self.like_with(slot, |_| Ok(()))
    }

    /// [`like`](Stepped::like), where it is new filled by `fill`.
    ///
    /// # Errors
    /// Where memory runs out, or `fill` fails.
    pub fn like_with(&mut self, slot: usize, fill: impl FnOnce(&Tensor) -> Result<()>) -> Result<Tensor> {
        if let Some(Held::Tensor(t)) = self.state.get(slot) {
            return if self.complex { t.view_as_real() } else { Ok(t.clone()) };
        }
        let param = &self.param;
        let zeros = |shape: &[usize]| Tensor::zeros(shape).dtype(param.dtype()).device(param.device()).build();
        let fresh = match rows_of(param) {
            Some(order) => back(&zeros(param.permute(&order[..])?.shape())?, &order)?,
            None => zeros(param.shape())?,
        };
        fill(&fresh)?;
        let kept = if self.complex { fresh.view_as_complex()? } else { fresh.clone() };
        self.state.put(slot, Held::Tensor(kept));
        Ok(fresh)
    }

    /// The tensor in `slot`, of zeros of `shape` at first; to write to.
    ///
    /// # Errors
    /// Where memory runs out.
    pub fn shaped(&mut self, slot: usize, shape: &[usize]) -> Result<Tensor> {
        if let Some(Held::Tensor(t)) = self.state.get(slot) {
            return Ok(t.clone());
        }
        let fresh = Tensor::zeros(shape).dtype(self.param.dtype()).device(self.param.device()).build()?;
        self.state.put(slot, Held::Tensor(fresh.clone()));
        Ok(fresh)
    }

    /// True where `slot` holds something.
    pub fn has(&self, slot: usize) -> bool {
        self.state.get(slot).is_some()
    }
}

impl Held {
    /// As a state dict holds it.
    pub(crate) fn to_value(&self, kind: Kind) -> Result<Value> {
        Ok(match (self, kind) {
            (Held::Count(Coefficient::Host(x)), Kind::Int) => Value::Int(*x as i128),
            (Held::Count(Coefficient::Device(t)), Kind::Int) => Value::Int(t.item::<f64>()? as i128),
            (Held::Count(Coefficient::Host(x)), _) => Tensor::scalar_on((*x).into(), DType::F32, Device::Cpu)?.into(),
            (Held::Count(Coefficient::Device(t)) | Held::Tensor(t), _) => t.detach().into(),
            (Held::Value(value), _) => value.clone(),
        })
    }

    /// Of what a state dict holds, for `param`; none for `None`. The error is what is wrong with it.
    pub(crate) fn of(value: &Value, kind: Kind, param: &Tensor, on_device: bool) -> Result<Option<Held>, String> {
        let told = |e: flambeau_tensor::Error| e.message().to_string();
        let tensor = |saved: &Tensor, shape: &[usize]| {
            let (there, here) = (saved.dtype(), param.dtype());
            if saved.shape() != shape || !there.can_cast(here) {
                return Err(format!("is {there} {:?} where {here} {shape:?} is right", saved.shape()));
            }
            own(saved, param).map_err(told)
        };
        match (kind, value) {
            (Kind::Any, value) => cast(value, param).map(|v| Some(Held::Value(v))).map_err(told),
            (_, Value::None) => Ok(None),
            (Kind::Count | Kind::Int, Value::Tensor(t)) if t.numel() == 1 && t.dtype().can_cast(DType::F32) => {
                if on_device && matches!(kind, Kind::Count) {
                    let step = t.detach().reshape(Vec::<usize>::new()).and_then(|t| t.to_dtype(DType::F32));
                    let step = step.and_then(|t| t.to_device(param.device())?.copy()).map_err(told)?;
                    return Ok(Some(Held::Count(step.into())));
                }
                let x: f64 = t.item().map_err(told)?;
                Ok(Some(Held::Count(x.into())))
            }
            (Kind::Count | Kind::Int, value) => match value.as_f64() {
                Some(x) => Ok(Some(Held::Count(x.into()))),
                None => Err("is no number".to_string()),
            },
            (Kind::Like, Value::Tensor(t)) => tensor(t, param.shape()).map(|t| Some(Held::Tensor(t))),
            (Kind::Shaped(shape), Value::Tensor(t)) => match shape(param.shape()) {
                Some(shape) => tensor(t, &shape).map(|t| Some(Held::Tensor(t))),
                None => Err(format!("is kept for no parameter of shape {:?}", param.shape())),
            },
            _ => Err("is no tensor".to_string()),
        }
    }
}

/// The order of dimensions in which a tensor's elements lie one after another, where they do though not in its own order.
/// State lies as its parameter does, so that a fused step walks both in the order of memory.
pub(crate) fn rows_of(t: &Tensor) -> Option<Vec<isize>> {
    if t.is_contiguous() {
        return None;
    }
    let order = t.layout().memory_order();
    t.layout().permute(&order).is_contiguous().then(|| order.iter().map(|&d| d as isize).collect())
}

/// `t`, whose dimensions stand in `order`, with them where they were.
fn back(t: &Tensor, order: &[isize]) -> Result<Tensor> {
    let mut inverse = vec![0isize; order.len()];
    order.iter().zip(0..).for_each(|(&d, i)| inverse[d as usize] = i);
    t.permute(&inverse[..])
}

/// A copy of `saved` that lies as `param` does, in its dtype and on its device, as PyTorch casts state.
fn own(saved: &Tensor, param: &Tensor) -> Result<Tensor> {
    let here = saved.detach().to_device(param.device())?.to_dtype(param.dtype())?;
    match rows_of(param).filter(|order| order.len() == here.rank()) {
        Some(order) => back(&here.permute(&order[..])?.contiguous()?.copy()?, &order),
        None => here.contiguous()?.copy(),
    }
}

/// `value`, its floats cast as [`own`] does.
fn cast(value: &Value, param: &Tensor) -> Result<Value> {
    let all = |items: &[Value]| items.iter().map(|v| cast(v, param)).collect::<Result<Vec<_>>>();
    Ok(match value {
        Value::Tensor(t) if t.dtype().is_float() && param.dtype().is_float() => own(t, param)?.into(),
        Value::Tensor(t) => t.detach().copy()?.into(),
        Value::List(items) => Value::List(all(items)?),
        Value::Tuple(items) => Value::Tuple(all(items)?),
        other => other.clone(),
    })
}
