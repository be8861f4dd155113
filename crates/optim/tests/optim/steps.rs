//! How optimizers step: in every precision and layout, through lists, with hooks and closures, and without a look at a
//! number on the device.

use crate::{ALL, give, make, quartic};
use flambeau_autograd::{Autograd, no_grad};
use flambeau_optim::rule::Value;
use flambeau_optim::*;
use flambeau_tensor::profiler::profile;
use flambeau_tensor::{DType, Result, Tensor, tensor};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Numbers that differ, in a matrix.
fn matrix(rows: usize, columns: usize, dtype: DType) -> Result<Tensor> {
    let n = rows * columns;
    Tensor::arange(0.0, n as f64).build()?.sin()?.reshape([rows, columns])?.to_dtype(dtype)
}

fn steps(o: &mut dyn Optimizer, params: &[Tensor], count: usize) -> Result<()> {
    for _ in 0..count {
        let name = o.name();
        o.step_with(&mut || {
            let loss = quartic(params)?;
            params.iter().try_for_each(|p| p.grad().map_or(Ok(()), |grad| give(name, p, grad)))?;
            Ok(loss)
        })?;
    }
    Ok(())
}

/// After five steps from the same numbers.
fn stepped(name: &str, param: &Tensor, options: &[(&'static str, Value)]) -> Result<Vec<f64>> {
    let param = param.requires_grad_()?;
    let group = options.iter().fold(ParamGroup::new([&param]), |g, (n, v)| g.set(*n, v.clone()));
    steps(&mut *make(name, &[group])?, std::slice::from_ref(&param), 5)?;
    param.detach().to_dtype(DType::F64)?.contiguous()?.to_vec()
}

fn near(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * b.abs().max(1.0))
}

#[test]
fn in_every_precision() -> Result<()> {
    for (name, _) in ALL {
        let wide = stepped(name, &matrix(4, 3, DType::F64)?, &[])?;
        assert!(!near(&wide, &matrix(4, 3, DType::F64)?.to_vec()?, 1e-7), "{name} does not move");
        // Muon works in bf16 whatever the parameter is, LBFGS asks for more as long as numbers differ, and in f16
        // Adafactor's product of rows and columns overflows, in PyTorch, too.
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 5e-3), (DType::BF16, 4e-2)] {
            if (*name, dtype) == ("LBFGS", DType::F16) {
                continue; // Its products of gradients overflow, in PyTorch, too.
            }
            let found = stepped(name, &matrix(4, 3, dtype)?, &[])?;
            let coarse = matches!((*name, dtype), ("Muon" | "LBFGS", _) | ("Adafactor", DType::F16));
            let tolerance = if coarse { f64::max(tolerance, 2e-2) * 4.0 } else { tolerance };
            assert!(near(&found, &wide, tolerance), "{name} in {dtype}: {found:?} where {wide:?} is right");
        }
    }
    Ok(())
}

/// Lists are stepped in blocks with a rest behind them; numbers by themselves are a rest.
#[test]
fn an_element_steps_the_same_wherever_it_stands() -> Result<()> {
    type Make = fn(&[Tensor]) -> Result<Box<dyn Optimizer>>;
    let optimizers: [Make; 11] = [
        |p| Ok(Box::new(SGD::new(p).lr(0.1).weight_decay(0.1).maximize(true).build()?)),
        |p| Ok(Box::new(SGD::new(p).lr(0.1).momentum(0.9).dampening(0.3).build()?)),
        |p| Ok(Box::new(SGD::new(p).lr(0.1).momentum(0.9).nesterov(true).weight_decay(0.1).build()?)),
        |p| Ok(Box::new(Adam::new(p).lr(0.1).build()?)),
        |p| Ok(Box::new(Adam::new(p).lr(0.1).weight_decay(0.1).maximize(true).build()?)),
        |p| Ok(Box::new(Adam::new(p).lr(0.1).weight_decay(0.1).amsgrad(true).build()?)),
        |p| Ok(Box::new(AdamW::new(p).lr(0.1).amsgrad(true).build()?)),
        |p| Ok(Box::new(RMSprop::new(p).lr(0.1).momentum(0.9).centered(true).weight_decay(0.1).build()?)),
        |p| Ok(Box::new(NAdam::new(p).lr(0.1).eps(1e-3).build()?)),
        |p| Ok(Box::new(Rprop::new(p).lr(0.1).maximize(true).build()?)),
        |p| Ok(Box::new(ASGD::new(p).lr(0.1).t0(1.0).build()?)),
    ];
    for (i, make) in optimizers.into_iter().enumerate() {
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let numbers = matrix(1, 293, dtype)?;
            let leaf = |t: Tensor| t.copy()?.detach().requires_grad_();
            let together = vec![leaf(numbers.clone())?];
            let apart = (0..293).map(|k| leaf(numbers.slice(1, k, k + 1, 1)?)).collect::<Result<Vec<_>>>()?;
            for params in [&together, &apart] {
                steps(&mut *make(params)?, params, 3)?;
            }
            let one = together[0].detach().to_dtype(DType::F64)?.to_vec::<f64>()?;
            let each =
                apart.iter().map(|p| p.detach().to_dtype(DType::F64)?.item::<f64>()).collect::<Result<Vec<_>>>()?;
            assert_eq!(one, each, "optimizer {i} in {dtype}");
        }
    }
    Ok(())
}

#[test]
fn whatever_the_strides_are() -> Result<()> {
    for (name, _) in ALL {
        for dtype in [DType::F32, DType::BF16] {
            let rows = matrix(4, 3, dtype)?;
            let right = stepped(name, &rows.copy()?, &[])?;
            let turned = rows.t()?.contiguous()?.t()?;
            assert!(!turned.is_contiguous());
            assert!(near(&stepped(name, &turned, &[])?, &right, 1e-6), "{name}, transposed, in {dtype}");
            // Every second element of a larger tensor; the others stay.
            let large = Tensor::full([4, 6], 7.0).dtype(dtype).build()?;
            let part = large.slice(1, 0, 6, 2)?;
            part.copy_(&rows)?;
            let found = stepped(name, &part.detach(), &[])?;
            assert!(near(&found, &right, 1e-6), "{name}, sliced, in {dtype}: {found:?} where {right:?} is right");
            assert_eq!(large.slice(1, 1, 6, 2)?.to_dtype(DType::F64)?.sum(..)?.item::<f64>()?, 84.0);
        }
    }
    Ok(())
}

#[test]
fn complex_parameters_are_pairs_of_real_ones() -> Result<()> {
    for (name, _) in ALL.iter().filter(|(n, _)| !matches!(*n, "Adafactor" | "Muon" | "SparseAdam" | "LBFGS")) {
        let pairs = matrix(4, 2, DType::F32)?;
        let real = pairs.copy()?.requires_grad_()?;
        let complex = pairs.copy()?.view_as_complex()?.copy()?.requires_grad_()?;
        let mut of_real = make(name, &[ParamGroup::new([&real])])?;
        let mut of_complex = make(name, &[ParamGroup::new([&complex])])?;
        for _ in 0..4 {
            let grad = real.detach().square()?;
            real.set_grad(Some(grad.copy()?))?;
            complex.set_grad(Some(grad.view_as_complex()?.copy()?))?;
            of_real.step()?;
            of_complex.step()?;
        }
        let found = complex.detach().view_as_real()?.to_vec::<f32>()?;
        assert_eq!(found, real.to_vec::<f32>()?, "{name}");
        // What it kept is complex, too, and comes back.
        of_complex.load_state_dict(&of_complex.state_dict()?)?;
    }
    Ok(())
}

/// 200 parameters of many sizes are one op, and each is as if it were alone.
#[test]
fn lists_are_one_pass() -> Result<()> {
    let all: Vec<Tensor> =
        (0..200).map(|i| matrix(1 + i % 7, 1 + i * 13 % 300, DType::F32)?.requires_grad_()).collect::<Result<_>>()?;
    let alone: Vec<Tensor> = all.iter().map(|p| p.detach().copy()?.requires_grad_()).collect::<Result<_>>()?;
    let fused = ["Adam", "AdamW", "SGD", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "Adagrad", "Adadelta", "ASGD"];
    for name in fused {
        let mut together = make(name, &[ParamGroup::new(&all)])?;
        let mut each: Vec<_> = alone.iter().map(|p| make(name, &[ParamGroup::new([p])])).collect::<Result<Vec<_>>>()?;
        for _ in 0..3 {
            for (a, b) in all.iter().zip(&alone) {
                let grad = a.detach().cos()?;
                a.set_grad(Some(grad.copy()?))?;
                b.set_grad(Some(grad))?;
            }
            let (result, seen) = profile(|| together.step());
            result?;
            assert_eq!(seen.count(name), 1, "{seen}");
            each.iter_mut().try_for_each(|o| o.step())?;
        }
        for (a, b) in all.iter().zip(&alone) {
            assert_eq!(a.to_vec::<f32>()?, b.to_vec::<f32>()?, "{name}");
        }
    }
    Ok(())
}

/// Parameters that are parts of one tensor go into one list.
#[test]
fn parts_of_one_tensor_step_together() -> Result<()> {
    let whole = matrix(4, 3, DType::F32)?;
    let right = stepped("Adam", &whole.copy()?, &[])?;
    let parts: Vec<Tensor> = (0..4).map(|i| whole.narrow(0, i, 1)?.detach().requires_grad_()).collect::<Result<_>>()?;
    steps(&mut Adam::new(&parts).build()?, &parts, 5)?;
    assert!(near(&whole.to_dtype(DType::F64)?.to_vec()?, &right, 1e-6));
    // Where they overlap, nothing is written.
    let both = [whole.narrow(0, 0, 2)?.detach().requires_grad_()?, whole.narrow(0, 1, 2)?.detach().requires_grad_()?];
    let before = whole.to_vec::<f32>()?;
    quartic(&both)?;
    let fault = Adam::new(&both).build()?.step().unwrap_err();
    assert!(fault.message().contains("shares memory"), "{fault}");
    assert_eq!(whole.to_vec::<f32>()?, before);
    Ok(())
}

/// With the rate and the counter on the device, a step of any optimizer looks at no number, and is the same.
#[test]
fn nothing_is_read_back() -> Result<()> {
    for (name, _) in ALL.iter().filter(|(n, _)| *n != "LBFGS") {
        let p = matrix(4, 3, DType::F32)?.requires_grad_()?;
        let capturable = make(name, &[ParamGroup::new([&p])])?.groups().get(0).unwrap().get("capturable").is_some();
        let lr = tensor!(0.02f32);
        let plain = stepped(name, &p.detach().copy()?, &[("lr", 0.02.into())])?;
        let mut group = ParamGroup::new([&p]).set("lr", &lr);
        if capturable {
            group = group.set("capturable", true);
        }
        let mut o = make(name, &[group])?;
        for _ in 0..5 {
            quartic(std::slice::from_ref(&p))?;
            if *name == "SparseAdam" {
                give(name, &p, p.grad().expect("just made"))?;
            }
            let (result, seen) = profile(|| o.step());
            result?;
            let reads: Vec<_> =
                seen.events().iter().filter(|e| e.read).map(|e| format!("{} at {}", e.name, e.at)).collect();
            // How many rows a sparse gradient has is a shape, which the host has to know.
            let shapes = if *name == "SparseAdam" { reads.len() } else { 0 };
            assert_eq!(seen.reads(), shapes, "{name} reads {reads:?}");
            assert!(shapes <= 1, "{name} reads {reads:?}");
        }
        let found: Vec<f64> = p.detach().to_dtype(DType::F64)?.to_vec()?;
        assert!(near(&found, &plain, 2e-5), "{name}: {found:?} where {plain:?} is right");
        // Loaded, the counter is on the device again.
        o.load_state_dict(&o.state_dict()?)?;
        let schedule = ExponentialLR::new(&o, 0.5).build();
        schedule?.step()?;
        assert!((lr.item::<f64>()? - 0.02).abs() < 1e-9, "{name}: what was loaded is the optimizer's own");
    }
    Ok(())
}

#[test]
fn hooks_see_each_step() -> Result<()> {
    let p = tensor!([1.0f32]).requires_grad_()?;
    let mut o: Box<dyn Optimizer> = Box::new(SGD::new([&p]).lr(0.5).build()?);
    let (before, after) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = |n: &Arc<AtomicUsize>| {
        let n = n.clone();
        Box::new(move |o: &mut dyn Optimizer| {
            n.fetch_add(1, Ordering::Relaxed);
            assert_eq!(o.name(), "SGD");
            Ok(())
        })
    };
    let first = o.register_step_pre_hook(count(&before));
    o.register_step_post_hook(count(&after));
    p.set_grad(Some(tensor!([1.0f32])))?;
    o.step()?;
    assert!(o.remove_hook(first) && !o.remove_hook(first));
    o.step()?;
    assert_eq!((before.load(Ordering::Relaxed), after.load(Ordering::Relaxed)), (1, 2));
    o.register_step_pre_hook(Box::new(|_| flambeau_tensor::bail!(Argument, "hook", "no")));
    assert!(o.step().is_err());
    assert_eq!(p.to_vec::<f32>()?, [0.0]);
    Ok(())
}

#[test]
fn a_closure_gives_the_loss() -> Result<()> {
    let p = tensor!([3.0f32]).requires_grad_()?;
    let mut o = SGD::new([&p]).lr(0.25).build()?;
    let loss = no_grad(|| {
        o.step_with(&mut || {
            p.clear_grad();
            let loss = p.square()?.sum(..)?;
            loss.backward()?;
            Ok(loss)
        })
    })?;
    assert_eq!((loss.item::<f32>()?, p.to_vec::<f32>()?), (9.0, vec![1.5]));
    // LBFGS needs one, and finds the minimum of a square at once.
    let mut o = LBFGS::new([&p]).line_search_fn("strong_wolfe").build()?;
    assert!(o.step().unwrap_err().message().contains("closure"));
    o.step_with(&mut || {
        p.clear_grad();
        let loss = p.sub(2.0)?.square()?.sum(..)?;
        loss.backward()?;
        Ok(loss)
    })?;
    assert!((p.item::<f32>()? - 2.0).abs() < 1e-4, "{p}");
    Ok(())
}
