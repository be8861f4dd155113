//! L-BFGS, with a line search for the strong Wolfe conditions.

use crate::base::{Closure, Coefficient, GroupOptions, Optim, Rule, Scaling, Slot, State, Stepped, bound, optimizer};
use flambeau_autograd::{Autograd, enable_grad, no_grad};
use flambeau_serialize::torch::Value;
use flambeau_tensor::{DType, Result, Tensor, bail, cat, ensure};

optimizer! {
    /// The limited-memory BFGS method: `torch.optim.LBFGS`. Liu & Nocedal 1989; the line search is that of Nocedal &
    /// Wright 2006, chapter 3.5, as minFunc has it.
    ///
    /// A step calls its closure several times, so it is [`step_with`](crate::Optimizer::step_with). All parameters stand in
    /// one group, and its numbers are read from the device, for what is done next depends on them.
    pub struct LBFGS(LBFGSBuilder): LbfgsRule;
    options {
        /// Learning rate.
        lr: ~into Coefficient = 1.0.into(),
        /// Most iterations in a step.
        max_iter: usize = 20,
        /// Most calls of the closure in a step; none: 5/4 of `max_iter`.
        max_eval: ~into Option<usize> = None,
        /// It is over where no gradient is larger.
        tolerance_grad: f64 = 1e-7,
        /// It is over where parameters and loss change by less.
        tolerance_change: f64 = 1e-9,
        /// Steps that are remembered.
        history_size: usize = 100,
        /// `Some("strong_wolfe")`, or steps of length `lr`.
        line_search_fn: ~into LineSearch = LineSearch(None),
        /// Uphill instead of down.
        maximize: bool = false,
    }
    kept {}
}

/// The name of a line search, or none.
#[derive(Clone, Debug)]
pub struct LineSearch(Option<String>);

impl From<&str> for LineSearch {
    fn from(name: &str) -> Self {
        LineSearch(Some(name.to_string()))
    }
}

impl From<Option<&str>> for LineSearch {
    fn from(name: Option<&str>) -> Self {
        LineSearch(name.map(str::to_string))
    }
}

impl crate::base::OptionValue for LineSearch {
    fn to_value(&self) -> Value {
        self.0.clone().into()
    }
}

pub struct LbfgsRule;

impl Rule for LbfgsRule {
    const NAME: &'static str = "LBFGS";
    const SLOTS: &'static [Slot] = &[
        Slot::any("func_evals"),
        Slot::any("n_iter"),
        Slot::any("d"),
        Slot::any("t"),
        Slot::any("old_dirs"),
        Slot::any("old_stps"),
        Slot::any("ro"),
        Slot::any("H_diag"),
        Slot::any("prev_flat_grad"),
        Slot::any("prev_loss"),
        Slot::any("al"),
    ];

    fn settle(o: &mut GroupOptions) {
        if o.count("max_eval").is_none() {
            o.set("max_eval", o.count("max_iter").unwrap_or(0).saturating_mul(5) / 4);
        }
    }

    fn check(o: &GroupOptions) -> Result<()> {
        bound!("LBFGS", "lr", o.number("lr")?, 0.0..);
        for name in ["max_iter", "history_size"] {
            ensure!(o.count(name).is_some(), Argument, "LBFGS", "\"{name}\" is no count");
        }
        match o.get("line_search_fn").and_then(Value::as_str) {
            None | Some("strong_wolfe") => Ok(()),
            Some(other) => bail!(Argument, "LBFGS", "there is no line search \"{other}\", only \"strong_wolfe\""),
        }
    }

    fn update(_: &GroupOptions, _: &mut [Stepped<'_>], _: &Scaling) -> Result<()> {
        bail!(Argument, "LBFGS", "a step needs a closure: `step_with`")
    }

    fn step_with(optimizer: &mut Optim<Self>, closure: Option<Closure<'_>>) -> Result<Option<Tensor>> {
        let Some(closure) = closure else { bail!(Argument, "LBFGS", "a step needs a closure: `step_with`") };
        let groups = optimizer.groups.all();
        let [options] = groups.as_slice() else {
            bail!(Argument, "LBFGS", "there is one group of parameters, not {}", groups.len())
        };
        let params: Vec<Tensor> = optimizer.params.iter().map(|p| p.tensor.clone()).collect();
        let mut memory = Memory::of(&optimizer.params[0].state)?;
        let mut search = Search { params, maximize: options.flag("maximize"), closure };
        let (loss, moved) = no_grad(|| search.run(options, &mut memory))?;
        memory.put(&mut optimizer.params[0].state, moved)?;
        Ok(Some(loss))
    }
}

/// What is known of the function so far.
#[derive(Default)]
struct Memory {
    evals: usize,
    iterations: usize,
    /// The last direction, and how far along it.
    d: Option<Tensor>,
    t: f64,
    /// Changes of the gradient and of the point, and 1 over their product.
    dirs: Vec<Tensor>,
    steps: Vec<Tensor>,
    ro: Vec<f64>,
    scale: f64,
    grad: Option<Tensor>,
    loss: f64,
}

impl Memory {
    fn of(state: &State) -> Result<Memory> {
        let count = |slot| state.value(slot).and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let number = |v: Option<&Value>| match v {
            Some(Value::Tensor(t)) => t.item::<f64>(),
            other => Ok(other.and_then(Value::as_f64).unwrap_or(0.0)),
        };
        let tensors = |slot: usize| -> Vec<Tensor> {
            let items = state.value(slot).map(Value::items).unwrap_or_default();
            items.iter().filter_map(Value::as_tensor).cloned().collect()
        };
        let tensor = |slot: usize| state.value(slot).and_then(Value::as_tensor).cloned();
        let ro = state.value(6).map(Value::items).unwrap_or_default();
        let memory = Memory {
            evals: count(0),
            iterations: count(1),
            d: tensor(2),
            t: number(state.value(3))?,
            dirs: tensors(4),
            steps: tensors(5),
            ro: ro.iter().map(|v| number(Some(v))).collect::<Result<_>>()?,
            scale: number(state.value(7))?,
            grad: tensor(8),
            loss: number(state.value(9))?,
        };
        let (dirs, steps, ro) = (memory.dirs.len(), memory.steps.len(), memory.ro.len());
        let whole = memory.iterations == 0 || (memory.d.is_some() && memory.grad.is_some());
        ensure!(dirs == steps && steps == ro && whole, State, "LBFGS", "its memory is not whole");
        Ok(memory)
    }

    fn put(self, state: &mut State, moved: bool) -> Result<()> {
        state.set_value(0, self.evals);
        state.set_value(1, self.iterations);
        let (true, Some(d), Some(grad)) = (moved, self.d, self.grad) else { return Ok(()) };
        let number = |x: f64| Tensor::scalar_on(x.into(), d.dtype(), d.device()).map(Value::Tensor);
        let list = |tensors: Vec<Tensor>| Value::List(tensors.into_iter().map(Value::Tensor).collect());
        state.set_value(6, self.ro.iter().map(|x| number(*x)).collect::<Result<Vec<Value>>>()?);
        state.set_value(7, number(self.scale)?);
        state.set_value(2, d);
        state.set_value(3, self.t);
        state.set_value(4, list(self.dirs));
        state.set_value(5, list(self.steps));
        state.set_value(8, grad);
        state.set_value(9, self.loss);
        Ok(())
    }

    /// The direction from `grad`, after the step that led there.
    fn direction(&mut self, grad: &Tensor, history: usize) -> Result<Tensor> {
        let (Some(d), Some(before)) = (&self.d, &self.grad) else {
            self.scale = 1.0;
            return grad.neg();
        };
        let (y, s) = (grad.sub(before)?, d.mul(self.t)?);
        let ys = dot(&y, &s)?;
        if ys > 1e-10 {
            if self.dirs.len() >= history.max(1) {
                self.dirs.remove(0);
                self.steps.remove(0);
                self.ro.remove(0);
            }
            let round = rounding(&y);
            self.scale = round(ys / dot(&y, &y)?);
            self.ro.push(round(1.0 / ys));
            self.dirs.push(y);
            self.steps.push(s);
        }
        let (round, mut q) = (rounding(grad), grad.neg()?);
        let mut weights = vec![0.0; self.dirs.len()];
        for i in (0..self.dirs.len()).rev() {
            weights[i] = round(dot(&self.steps[i], &q)? * self.ro[i]);
            q = q.sub(&self.dirs[i].mul(weights[i])?)?;
        }
        let mut r = q.mul(self.scale)?;
        for (i, weight) in weights.into_iter().enumerate() {
            let back = round(dot(&self.dirs[i], &r)? * self.ro[i]);
            r = r.add(&self.steps[i].mul(round(weight - back))?)?;
        }
        Ok(r)
    }
}

fn dot(a: &Tensor, b: &Tensor) -> Result<f64> {
    a.dot(b)?.item()
}

/// Numbers are rounded as the parameters are, as PyTorch computes them in tensors: near the minimum it is the last digit
/// that decides where a search ends.
fn rounding(x: &Tensor) -> fn(f64) -> f64 {
    if x.dtype() == DType::F64 { |x| x } else { |x| f64::from(x as f32) }
}

fn largest(x: &Tensor) -> Result<f64> {
    if x.numel() == 0 { Ok(0.0) } else { x.abs()?.amax(..)?.item() }
}

/// A point on the line: how far, the loss, its gradient, and the gradient along the line.
#[derive(Clone)]
struct Point {
    t: f64,
    loss: f64,
    grad: Tensor,
    slope: f64,
}

struct Search<'a> {
    params: Vec<Tensor>,
    maximize: bool,
    closure: Closure<'a>,
}

impl Search<'_> {
    /// The first loss, and whether there was anything to do.
    fn run(&mut self, o: &GroupOptions, memory: &mut Memory) -> Result<(Tensor, bool)> {
        let (lr, max_iter) = (o.number("lr")?, o.count("max_iter").unwrap_or(0));
        let max_eval = o.count("max_eval").unwrap_or(0);
        let (least_grad, least_change) = (o.number("tolerance_grad")?, o.number("tolerance_change")?);
        let history = o.count("history_size").unwrap_or(0);
        let wolfe = o.get("line_search_fn").and_then(Value::as_str).is_some();
        let (first, mut loss, mut grad) = self.evaluate()?;
        let mut evals = 1;
        memory.evals += 1;
        if largest(&grad)? <= least_grad {
            return Ok((first, false));
        }
        let mut iterations = 0;
        while iterations < max_iter {
            iterations += 1;
            memory.iterations += 1;
            let d = memory.direction(&grad, history)?;
            memory.loss = loss;
            memory.grad = Some(grad.clone());
            let start = if memory.iterations == 1 { (1.0 / grad.abs()?.sum(..)?.item::<f64>()?).min(1.0) } else { 1.0 };
            memory.t = rounding(&grad)(start * lr);
            let slope = dot(&grad, &d)?;
            memory.d = Some(d.clone());
            if slope > -least_change {
                break;
            }
            let mut used = 0;
            if wolfe {
                let from = Point { t: 0.0, loss, grad: grad.clone(), slope };
                let left = max_eval.saturating_sub(evals);
                let found = self.strong_wolfe(&d, from, memory.t, least_change, left)?;
                (memory.t, loss, grad, used) = (found.0.t, found.0.loss, found.0.grad, found.1);
                self.go(&d, memory.t)?;
            } else {
                self.go(&d, memory.t)?;
                if iterations != max_iter {
                    (_, loss, grad) = self.evaluate()?;
                    used = 1;
                }
            }
            evals += used;
            memory.evals += used;
            let over = iterations == max_iter
                || evals >= max_eval
                || largest(&grad)? <= least_grad
                || largest(&d)? * memory.t.abs() <= least_change
                || (loss - memory.loss).abs() < least_change;
            if over {
                break;
            }
        }
        Ok((first, true))
    }

    /// The loss here as the closure gave it and as it is to fall, and all gradients in a row.
    fn evaluate(&mut self) -> Result<(Tensor, f64, Tensor)> {
        let loss = enable_grad(|| (self.closure)())?;
        let value: f64 = loss.item()?;
        let flat = |p: &Tensor| {
            let grad = match p.grad() {
                Some(grad) => grad,
                None => p.detach().zeros_like()?,
            };
            let grad = grad.contiguous()?;
            if grad.dtype().is_complex() { grad.view_as_real()?.flatten(0, -1) } else { grad.reshape(grad.numel()) }
        };
        let grads: Vec<Tensor> = self.params.iter().map(flat).collect::<Result<_>>()?;
        let grad = cat(&grads, 0)?;
        let grad = if self.maximize { grad.neg()? } else { grad };
        Ok((loss, if self.maximize { -value } else { value }, grad))
    }

    /// Moves the parameters by `t` along `d`.
    fn go(&self, d: &Tensor, t: f64) -> Result<()> {
        let mut at = 0;
        for p in &self.params {
            let p = p.detach();
            let p = if p.dtype().is_complex() { p.view_as_real()? } else { p };
            let part = d.narrow(0, at, p.numel())?.reshape(p.shape())?;
            p.add_(&part.mul(t)?)?;
            at += p.numel() as isize;
        }
        Ok(())
    }

    /// The point at `t` along `d`; the parameters stay.
    fn at(&mut self, d: &Tensor, t: f64) -> Result<Point> {
        let kept: Vec<Tensor> = self.params.iter().map(|p| p.detach().copy()).collect::<Result<_>>()?;
        self.go(d, t)?;
        let evaluated = self.evaluate();
        for (p, kept) in self.params.iter().zip(&kept) {
            p.detach().copy_(kept)?;
        }
        let (_, loss, grad) = evaluated?;
        let slope = dot(&grad, d)?;
        Ok(Point { t, loss, grad, slope })
    }

    /// A point along `d` where the strong Wolfe conditions hold, as far as `most` calls lead, and the number of calls.
    fn strong_wolfe(
        &mut self,
        d: &Tensor,
        start: Point,
        t: f64,
        least_change: f64,
        most: usize,
    ) -> Result<(Point, usize)> {
        const FALL: f64 = 1e-4;
        const FLATTER: f64 = 0.9;
        let length = largest(d)?;
        let mut new = self.at(d, t)?;
        let (mut evals, mut tries, mut previous) = (1, 0, start.clone());
        let round = rounding(d);
        let too_high = |p: &Point| p.loss > round(start.loss + round(round(FALL * p.t) * start.slope));
        let flat = |p: &Point| p.slope.abs() <= round(-FLATTER * start.slope);
        // Go on until an interval has a point inside.
        let mut bracket = None;
        while tries < most {
            if too_high(&new) || (tries > 1 && new.loss >= previous.loss) {
                bracket = Some([previous.clone(), new.clone()]);
                break;
            }
            if flat(&new) {
                return Ok((new, evals));
            }
            if new.slope >= 0.0 {
                bracket = Some([previous.clone(), new.clone()]);
                break;
            }
            let bounds = (round(new.t + round(0.01 * round(new.t - previous.t))), round(new.t * 10.0));
            let t = cubic(&previous, &new, Some(bounds), round);
            previous = std::mem::replace(&mut new, self.at(d, t)?);
            evals += 1;
            tries += 1;
        }
        let mut bracket = bracket.unwrap_or_else(|| [start.clone(), new.clone()]);
        // Narrow it.
        let mut low = usize::from(bracket[0].loss > bracket[1].loss);
        let mut stuck = false;
        while tries < most {
            let (a, b) = (bracket[0].t.min(bracket[1].t), bracket[0].t.max(bracket[1].t));
            if round(round(b - a) * length) < least_change {
                break;
            }
            let mut t = cubic(&bracket[0], &bracket[1], None, round);
            // Not too near to an end twice.
            let margin = round(0.1 * round(b - a));
            if round(b - t).min(round(t - a)) < margin {
                if stuck || t >= b || t <= a {
                    t = round(if round(t - b).abs() < round(t - a).abs() { b - margin } else { a + margin });
                    stuck = false;
                } else {
                    stuck = true;
                }
            } else {
                stuck = false;
            }
            let new = self.at(d, t)?;
            evals += 1;
            tries += 1;
            let high = 1 - low;
            if too_high(&new) || new.loss >= bracket[low].loss {
                bracket[high] = new;
                low = usize::from(bracket[0].loss > bracket[1].loss);
                continue;
            }
            let done = flat(&new);
            if !done && round(new.slope * round(bracket[high].t - bracket[low].t)) >= 0.0 {
                bracket[high] = bracket[low].clone();
            }
            bracket[low] = new;
            if done {
                break;
            }
        }
        Ok((bracket[low].clone(), evals))
    }
}

/// The lowest point between `a` and `b` of the cubic through both.
fn cubic(a: &Point, b: &Point, bounds: Option<(f64, f64)>, round: fn(f64) -> f64) -> f64 {
    let (least, most) = bounds.unwrap_or((a.t.min(b.t), a.t.max(b.t)));
    let chord = round(round(3.0 * (a.loss - b.loss)) / round(a.t - b.t));
    let d1 = round(round(a.slope + b.slope) - chord);
    let square = round(round(d1 * d1) - round(a.slope * b.slope));
    if square < 0.0 || square.is_nan() {
        return round(round(least + most) / 2.0);
    }
    let d2 = round(square.sqrt());
    // Back from the farther end.
    let (near, far) = if a.t <= b.t { (a, b) } else { (b, a) };
    let part = round(round(round(far.slope + d2) - d1) / round(round(far.slope - near.slope) + round(2.0 * d2)));
    round(far.t - round(round(far.t - near.t) * part)).max(least).min(most)
}
