//! Optimizers and schedules take any options: an error, or steps that end soon, in little memory.

#[path = "../../../tensor/tests/attack/thrown.rs"]
mod thrown;

use flambeau_autograd::Autograd;
use flambeau_optim::*;
use flambeau_tensor::{Build, Result, Tensor};
use thrown::{Given, Thrown};

/// A leaf with a gradient, where a tensor can be one.
fn parameter(x: &Given, grad: &Given) -> Result<Tensor> {
    let p = x.detach().copy()?.requires_grad_()?;
    p.set_grad(Some((**grad).clone()))?;
    Ok(p)
}

/// Three steps.
fn walk(mut optimizer: impl Optimizer) -> Result<()> {
    for _ in 0..3 {
        optimizer.step()?;
    }
    let state = optimizer.state_dict()?;
    optimizer.load_state_dict(&state)
}

/// Ten of a schedule.
fn follow<B: Build<Output: Scheduler>>(schedule: B) -> Result<()> {
    let mut schedule = schedule.build()?;
    for _ in 0..10 {
        schedule.step()?;
    }
    let state = schedule.state_dict()?;
    schedule.load_state_dict(&state)
}

fn number(t: &mut Thrown, right: f64) -> f64 {
    if t.one_in(4) { t.number() } else { right }
}

fn pair(t: &mut Thrown, a: f64, b: f64) -> (f64, f64) {
    (number(t, a), number(t, b))
}

fn count(t: &mut Thrown) -> u64 {
    t.size() as u64
}

#[test]
fn optimizers() {
    let mut t = Thrown::default();
    throw! { t;
        sgd(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), m = number(&mut t, 0.9), d = number(&mut t, 0.0), w = number(&mut t, 0.1), n = t.switch()) =>
            walk(SGD::new([&parameter(&x, &g)?]).lr(l).momentum(m).dampening(d).weight_decay(w).nesterov(n).build()?);
        adam(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), b = pair(&mut t, 0.9, 0.99), e = number(&mut t, 1e-8), w = number(&mut t, 0.1), a = t.switch()) =>
            walk(Adam::new([&parameter(&x, &g)?]).lr(l).betas(b).eps(e).weight_decay(w).amsgrad(a).build()?);
        adamw(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), b = pair(&mut t, 0.9, 0.99), c = t.switch()) =>
            walk(AdamW::new([&parameter(&x, &g)?]).lr(l).betas(b).capturable(c).build()?);
        adamax(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), b = pair(&mut t, 0.9, 0.99), e = number(&mut t, 1e-8)) =>
            walk(Adamax::new([&parameter(&x, &g)?]).lr(l).betas(b).eps(e).build()?);
        nadam(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), b = pair(&mut t, 0.9, 0.99), m = number(&mut t, 4e-3)) =>
            walk(NAdam::new([&parameter(&x, &g)?]).lr(l).betas(b).momentum_decay(m).build()?);
        radam(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), b = pair(&mut t, 0.9, 0.99), e = number(&mut t, 1e-8)) =>
            walk(RAdam::new([&parameter(&x, &g)?]).lr(l).betas(b).eps(e).build()?);
        rmsprop(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), a = number(&mut t, 0.9), m = number(&mut t, 0.9), c = t.switch()) =>
            walk(RMSprop::new([&parameter(&x, &g)?]).lr(l).alpha(a).momentum(m).centered(c).build()?);
        rprop(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), e = pair(&mut t, 0.5, 1.2), s = pair(&mut t, 1e-6, 50.0)) =>
            walk(Rprop::new([&parameter(&x, &g)?]).lr(l).etas(e).step_sizes(s).build()?);
        adagrad(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), d = number(&mut t, 0.0), i = number(&mut t, 0.0), e = number(&mut t, 1e-10)) =>
            walk(Adagrad::new([&parameter(&x, &g)?]).lr(l).lr_decay(d).initial_accumulator_value(i).eps(e).build()?);
        adadelta(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), r = number(&mut t, 0.9), e = number(&mut t, 1e-6)) =>
            walk(Adadelta::new([&parameter(&x, &g)?]).lr(l).rho(r).eps(e).build()?);
        asgd(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), d = number(&mut t, 1e-4), a = number(&mut t, 0.75), z = t.number()) =>
            walk(ASGD::new([&parameter(&x, &g)?]).lr(l).lambd(d).alpha(a).t0(z).build()?);
        adafactor(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), b = number(&mut t, -0.8), d = number(&mut t, 1.0), e = pair(&mut t, 1e-8, 1e-3)) =>
            walk(Adafactor::new([&parameter(&x, &g)?]).lr(l).beta2_decay(b).d(d).eps((Some(e.0), e.1)).build()?);
        muon(x = t.tensor(&[3, 2]), g = t.tensor(&[3, 2]), l = number(&mut t, 0.1), m = number(&mut t, 0.9), e = number(&mut t, 1e-7), n = t.pick(&[0, 1, 5, 99, 100, usize::MAX])) =>
            walk(Muon::new([&parameter(&x, &g)?]).lr(l).momentum(m).eps(e).ns_steps(n).build()?);
        lbfgs(x = t.tensor(&[3]), l = number(&mut t, 1.0), n = t.pick(&[0, 1, 20]), h = t.size(), a = number(&mut t, 1e-7), s = t.switch()) => {
            let p = x.detach().copy()?.requires_grad_()?;
            let search = s.then_some("strong_wolfe");
            let mut o = LBFGS::new([&p]).lr(l).max_iter(n).history_size(h).tolerance_grad(a).line_search_fn(search).build()?;
            for _ in 0..3 {
                let mut loss = || {
                    p.set_grad(None)?;
                    let y = p.sub(1.0)?.pow(4.0)?.sum(..)?;
                    y.backward()?;
                    Ok(y)
                };
                o.step_with(&mut loss)?;
            }
            Ok::<(), flambeau_tensor::Error>(())
        };
    }
    t.report();
}

#[test]
fn schedules() {
    let mut t = Thrown::default();
    let parameter = Tensor::ones([2]).build().and_then(|x| x.requires_grad_()).unwrap();
    let made = || SGD::new([&parameter]).lr(0.1).momentum(0.9).build();
    throw! { t;
        step(n = count(&mut t), g = t.number()) => follow(StepLR::new(&made()?, n).gamma(g));
        milestones(a = count(&mut t), b = count(&mut t), g = t.number()) => follow(MultiStepLR::new(&made()?, [a, b]).gamma(g));
        exponential(g = t.number()) => follow(ExponentialLR::new(&made()?, g));
        constant(f = t.number(), n = count(&mut t)) => follow(ConstantLR::new(&made()?).factor(f).total_iters(n));
        linear(a = t.number(), b = t.number(), n = count(&mut t)) => follow(LinearLR::new(&made()?).start_factor(a).end_factor(b).total_iters(n));
        polynomial(p = t.number(), n = count(&mut t)) => follow(PolynomialLR::new(&made()?).power(p).total_iters(n));
        cosine(n = count(&mut t), e = t.number()) => follow(CosineAnnealingLR::new(&made()?, n).eta_min(e));
        restarts(n = count(&mut t), m = count(&mut t), e = t.number()) => follow(CosineAnnealingWarmRestarts::new(&made()?, n).t_mult(m).eta_min(e));
        one_cycle(l = t.number(), n = count(&mut t), p = t.number(), a = t.number(), b = t.number(), h = t.switch()) =>
            follow(OneCycleLR::new(&made()?, l, n).pct_start(p).div_factor(a).final_div_factor(b).three_phase(h));
        cyclic(l = t.number(), m = t.number(), n = count(&mut t), d = count(&mut t), g = t.number()) => follow(CyclicLR::new(&made()?, l, m).step_size_up(n).step_size_down(d).gamma(g));
        swa(l = t.number(), n = count(&mut t)) => follow(SWALR::new(&made()?, l).anneal_epochs(n));
        plateau(f = t.number(), n = count(&mut t), c = count(&mut t), h = t.number(), m = t.number()) => {
            let mut schedule = ReduceLROnPlateau::new(&made()?).factor(f).patience(n).cooldown(c).threshold(h).min_lr(m).build()?;
            (0..10).try_for_each(|i| schedule.step_metric(if i == 3 { f64::NAN } else { 1.0 }))
        };
    }
    t.report();
}
