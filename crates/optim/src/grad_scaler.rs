//! Loss scaling for half precision: `torch.amp.GradScaler`.

use crate::base::{Groups, Optimizer, Scaling};
use flambeau_autograd::{Autograd, no_grad};
use flambeau_serialize::torch::Value;
use flambeau_tensor::{DType, Device, Error, Result, Tensor, bail, builder, ensure};

/// Scales the loss so that gradients in `f16` do not vanish, leaves a step out where they overflowed, and finds the
/// scale by itself: `torch.amp.GradScaler`. Micikevicius et al. 2018.
///
/// The scale, and whether an infinity was found, stay on the device: with Adam, AdamW and SGD nothing is read back.
/// Other optimizers have no step that heeds them, so [`step`](GradScaler::step) reads one number for those.
///
/// ```
/// use flambeau_autograd::Autograd;
/// use flambeau_optim::{Adam, GradScaler, Optimizer};
/// use flambeau_tensor::Tensor;
///
/// let w = Tensor::ones(2).build()?.requires_grad_()?;
/// let mut optimizer = Adam::new([&w]).lr(0.1).build()?;
/// let mut scaler = GradScaler::new().build()?;
/// for _ in 0..3 {
///     optimizer.zero_grad();
///     scaler.scale(&w.square()?.sum(..)?)?.backward()?;
///     scaler.step(&mut optimizer)?;
///     scaler.update()?;
/// }
/// assert!(w.to_vec::<f32>()?.iter().all(|x| (x - 0.7).abs() < 0.01));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct GradScaler {
    options: GradScalerBuilder,
    /// The scale and the steps without an infinity in a row, where losses are.
    there: Option<There>,
    scale: f64,
    tracker: i64,
    found: Vec<Found>,
}

builder! {
    /// Options of [`GradScaler`].
    pub struct GradScalerBuilder => GradScaler;
    new {}
    options {
        /// The first scale.
        init_scale: f64 = 65536.0,
        /// What the scale is multiplied with after `growth_interval` steps without an infinity.
        growth_factor: f64 = 2.0,
        /// What it is multiplied with after an infinity.
        backoff_factor: f64 = 0.5,
        /// Steps until the scale grows.
        growth_interval: u64 = 2000,
        /// Off, nothing is scaled and each step is plain.
        enabled: bool = true,
    }
}

#[derive(Debug)]
struct There {
    scale: Tensor,
    tracker: Tensor,
}

/// What was found in an optimizer's gradients since the last update.
#[derive(Debug)]
struct Found {
    groups: Groups,
    /// `f32 []`, not zero where there was an infinity or NaN.
    inf: Tensor,
    unscaled: bool,
    stepped: bool,
}

impl GradScaler {
    fn from_builder(b: GradScalerBuilder) -> Result<Self> {
        ensure!(b.growth_factor > 1.0, Argument, "GradScaler", "a growth factor of {} is not above 1", b.growth_factor);
        let backoff = b.backoff_factor;
        ensure!(backoff > 0.0 && backoff < 1.0, Argument, "GradScaler", "a backoff factor of {backoff} is not in 0..1");
        ensure!(b.init_scale > 0.0, Argument, "GradScaler", "a scale of {} is not above 0", b.init_scale);
        let scale = b.init_scale;
        Ok(GradScaler { options: b, there: None, scale, tracker: 0, found: Vec::new() })
    }

    /// The scale and the tracker on `device`, where they stay.
    fn on(&mut self, device: Device) -> Result<&There> {
        let there = match self.there.take() {
            Some(there) => there,
            None => There {
                scale: Tensor::scalar_on(self.scale.into(), DType::F32, device)?,
                tracker: Tensor::scalar_on((self.tracker as f64).into(), DType::F32, device)?,
            },
        };
        Ok(self.there.insert(there))
    }

    /// The loss times the scale.
    ///
    /// # Errors
    /// Where memory runs out.
    #[track_caller]
    pub fn scale(&mut self, loss: &Tensor) -> Result<Tensor> {
        if !self.options.enabled {
            return Ok(loss.clone());
        }
        let scale = self.on(loss.device())?.scale.to_device(loss.device())?;
        loss.mul(&scale)
    }

    /// Divides the optimizer's gradients by the scale, to clip them or look at them before the step.
    ///
    /// # Errors
    /// Where it was done already since the last [`update`](GradScaler::update).
    #[track_caller]
    pub fn unscale_(&mut self, optimizer: &dyn Optimizer) -> Result<()> {
        if !self.options.enabled {
            return Ok(());
        }
        let groups = optimizer.groups();
        let known = self.found.iter().any(|f| f.groups.is(&groups));
        ensure!(!known, Argument, "unscale_", "the gradients are unscaled already, or the step is taken");
        let grads = gradients(optimizer);
        let found = self.look(groups, &grads)?;
        no_grad(|| {
            let scale = self.there.as_ref().map(|t| t.scale.reciprocal()).transpose()?;
            for grad in &grads {
                if let Some(inverse) = &scale {
                    grad.mul_(&inverse.to_device(grad.device())?)?;
                }
            }
            Ok::<_, Error>(())
        })?;
        self.found.push(Found { unscaled: true, ..found });
        Ok(())
    }

    /// Looks for infinities and NaNs.
    fn look(&mut self, groups: Groups, grads: &[Tensor]) -> Result<Found> {
        let Some(first) = grads.first() else { bail!(Argument, "GradScaler", "there are no gradients") };
        let device = self.on(first.device())?.scale.device();
        let inf = no_grad(|| {
            let mut finite: Option<Tensor> = None;
            for grad in grads {
                let all = grad.isfinite()?.all(..)?.to_device(device)?;
                finite = Some(match finite {
                    Some(before) => before.logical_and(&all)?,
                    None => all,
                });
            }
            match finite {
                Some(finite) => finite.logical_not()?.to_dtype(DType::F32),
                None => Tensor::scalar_on(0.0.into(), DType::F32, device),
            }
        })?;
        Ok(Found { groups, inf, unscaled: false, stepped: false })
    }

    /// The optimizer's step with unscaled gradients, left out where one is not finite.
    ///
    /// # Errors
    /// Where it was taken already since the last [`update`](GradScaler::update), or there are no gradients; as
    /// [`Optimizer::step`].
    #[track_caller]
    pub fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        if !self.options.enabled {
            return optimizer.step();
        }
        let groups = optimizer.groups();
        // No step on the device divides a sparse gradient.
        let fused = optimizer.takes_scaling() && optimizer.parameters().iter().all(|p| p.sparse_grad().is_none());
        let place = match self.found.iter().position(|f| f.groups.is(&groups)) {
            Some(place) => place,
            None if fused => {
                let found = self.look(groups, &gradients(optimizer))?;
                self.found.push(found);
                self.found.len() - 1
            }
            None => {
                self.unscale_(optimizer)?;
                self.found.len() - 1
            }
        };
        let found = &self.found[place];
        ensure!(
            !found.stepped,
            Argument,
            "GradScaler::step",
            "the step is taken already; `update` comes before the next"
        );
        if fused {
            let scale = self.there.as_ref().filter(|_| !found.unscaled).map(|t| t.scale.clone());
            optimizer.step_scaled(&Scaling { grad_scale: scale, found_inf: Some(found.inf.clone()) })?;
        } else if found.inf.item::<f32>()? == 0.0 {
            optimizer.step()?;
        }
        self.found[place].stepped = true;
        Ok(())
    }

    /// After the steps: a smaller scale where an infinity was found, a larger one after many steps without.
    ///
    /// # Errors
    /// Where there was no step.
    #[track_caller]
    pub fn update(&mut self) -> Result<()> {
        if !self.options.enabled {
            return Ok(());
        }
        let (Some(there), Some(first)) = (&self.there, self.found.first()) else {
            bail!(Argument, "GradScaler::update", "no step since the last update")
        };
        let o = &self.options;
        let (scale, tracker) = no_grad(|| {
            let mut found = first.inf.clone();
            for other in &self.found[1..] {
                found = found.maximum(&other.inf)?;
            }
            let found = found.gt(0.0)?;
            let steps = there.tracker.add(1.0)?.masked_fill(&found, 0.0)?;
            let grows = steps.ge(o.growth_interval as f64)?;
            let larger = there.scale.mul(o.growth_factor)?;
            // A scale that would be infinite stays.
            let larger = larger.where_cond(&larger.isfinite()?, &there.scale)?;
            let scale = larger.where_cond(&grows, &there.scale)?;
            let scale = there.scale.mul(o.backoff_factor)?.where_cond(&found, &scale)?;
            Ok::<_, Error>((scale, steps.masked_fill(&grows, 0.0)?))
        })?;
        self.there = Some(There { scale, tracker });
        self.found.clear();
        Ok(())
    }

    /// The scale, read from the device; 1 where scaling is off.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn get_scale(&self) -> Result<f64> {
        match &self.there {
            _ if !self.options.enabled => Ok(1.0),
            Some(there) => there.scale.item(),
            None => Ok(self.scale),
        }
    }

    /// The scale and its factors, under PyTorch's names.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn state_dict(&self) -> Result<Value> {
        let tracker = match &self.there {
            Some(there) => there.tracker.item::<f64>()? as i64,
            None => self.tracker,
        };
        let o = &self.options;
        Ok(Value::dict([
            ("scale", self.get_scale()?.into()),
            ("growth_factor", o.growth_factor.into()),
            ("backoff_factor", o.backoff_factor.into()),
            ("growth_interval", o.growth_interval.into()),
            ("_growth_tracker", tracker.into()),
        ]))
    }

    /// Takes what [`state_dict`](GradScaler::state_dict) gave, here or in PyTorch.
    ///
    /// # Errors
    /// Where a number is missing; nothing is changed then.
    #[track_caller]
    pub fn load_state_dict(&mut self, state: &Value) -> Result<()> {
        let number = |name: &str| match state.get(name).and_then(Value::as_f64) {
            Some(x) => Ok(x),
            None => bail!(State, "GradScaler", "\"{name}\" is missing or no number"),
        };
        let (scale, tracker) = (number("scale")?, number("_growth_tracker")?);
        let (growth, backoff) = (number("growth_factor")?, number("backoff_factor")?);
        let interval = number("growth_interval")?;
        (self.scale, self.tracker, self.there) = (scale, tracker as i64, None);
        (self.options.growth_factor, self.options.backoff_factor) = (growth, backoff);
        self.options.growth_interval = interval as u64;
        self.found.clear();
        Ok(())
    }
}

fn gradients(optimizer: &dyn Optimizer) -> Vec<Tensor> {
    let values = |p: &Tensor| p.sparse_grad().map(|sparse| sparse.values().clone()).or_else(|| p.grad());
    optimizer.parameters().iter().filter_map(values).collect()
}
