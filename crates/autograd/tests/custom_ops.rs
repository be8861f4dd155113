//! Ops of somebody's own: as good as native ones, and checked where they promise something.

use flambeau_autograd::{Autograd, RULES, func, grad, gradcheck, gradgradcheck};
use flambeau_tensor::autocast::{Policy, autocast};
use flambeau_tensor::custom::{CpuInput, CpuKernel, CpuOutput, Custom, CustomOp};
use flambeau_tensor::op::{Attributes, Meta, Metas, Outputs, ToAttribute};
use flambeau_tensor::profiler::profile;
use flambeau_tensor::trace::trace;
use flambeau_tensor::{DType, Device, ErrorKind, Op, Result, Tensor, attributes, dispatch_into, no_grad, tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// x · sigmoid(βx): a kernel, and a decomposition for the derivative and for other devices.
#[derive(Clone, Debug)]
struct Swish {
    beta: f64,
}

impl CustomOp for Swish {
    fn name(&self) -> &'static str {
        "test::swish"
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        Meta::like(inputs[0]).one()
    }
    fn cpu(&self) -> Option<&dyn CpuKernel> {
        Some(self)
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        Some(composed(inputs[0], self.beta).map(|y| Outputs::from_iter([y])))
    }
    fn attributes(&self) -> Attributes {
        attributes!(Swish { beta } = self)
    }
    fn autocast(&self) -> Policy {
        Policy::Full
    }
}

impl CpuKernel for Swish {
    fn run(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        let swish = |x: f64| x / (1.0 + (-self.beta * x).exp());
        assert_eq!(inputs[0].shape(), outputs[0].shape());
        if inputs[0].dtype() == DType::F32 {
            let x = inputs[0].rows::<f32>()?;
            outputs[0].rows::<f32>()?.iter_mut().zip(&x[..]).for_each(|(y, x)| *y = swish(f64::from(*x)) as f32);
            return Ok(());
        }
        let x = inputs[0].rows::<f64>()?;
        outputs[0].rows::<f64>()?.iter_mut().zip(&x[..]).for_each(|(y, x)| *y = swish(*x));
        Ok(())
    }
}

fn composed(x: &Tensor, beta: f64) -> Result<Tensor> {
    x.mul(&x.mul(beta)?.sigmoid()?)
}

/// Sum and difference, with a derivative of its own.
#[derive(Debug)]
struct SumAndDifference {
    /// What goes wrong, for the tests that want it.
    fault: &'static str,
}

impl CustomOp for SumAndDifference {
    fn name(&self) -> &'static str {
        "test::sum_and_difference"
    }
    fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
        flambeau_tensor::ensure!(inputs.len() == 2, Argument, self.name(), "takes two tensors, not {}", inputs.len());
        Ok([Meta::like(inputs[0]), Meta::like(inputs[0])].into_iter().collect())
    }
    fn cpu(&self) -> Option<&dyn CpuKernel> {
        (self.fault != "no kernel").then_some(self)
    }
    fn decompose(&self, inputs: &[&Tensor]) -> Option<Result<Outputs>> {
        let wrong = || Ok(Outputs::from_iter([inputs[0].flatten(0, -1)?, inputs[1].clone()]));
        (self.fault == "no kernel").then(wrong)
    }
    fn vjp(&self, _: &[&Tensor], out: &[&Tensor], grads: &[Option<Tensor>]) -> Option<Result<Vec<Option<Tensor>>>> {
        let both = || {
            let zeros = || Tensor::zeros(out[0].shape()).dtype(out[0].dtype()).build();
            let (sum, difference) =
                (grads[0].clone().map_or_else(zeros, Ok)?, grads[1].clone().map_or_else(zeros, Ok)?);
            let mut all = vec![Some(sum.add(&difference)?), Some(sum.sub(&difference)?)];
            match self.fault {
                "one gradient" => drop(all.pop()),
                "flat gradient" => all[0] = Some(sum.flatten(0, -1)?),
                _ => {}
            }
            Ok(all)
        };
        Some(both())
    }
}

impl CpuKernel for SumAndDifference {
    fn run(&self, inputs: &[CpuInput<'_>], outputs: &mut [CpuOutput<'_>]) -> Result<()> {
        match self.fault {
            "kernel fails" => flambeau_tensor::bail!(Argument, self.name(), "as it was told"),
            "kernel panics" => panic!("as it was told"),
            "other dtype" => drop(inputs[0].rows::<i64>()?),
            _ => {}
        }
        let (a, b) = (inputs[0].rows::<f64>()?, inputs[1].rows::<f64>()?);
        for i in 0..a.len() {
            outputs[0].rows::<f64>()?[i] = a[i] + b[i];
            outputs[1].rows::<f64>()?[i] = a[i] - b[i];
        }
        Ok(())
    }
}

fn pair() -> (Tensor, Tensor) {
    let a = tensor!([[0.3, -1.2], [2.0, 0.7]]; DType::F64).t().unwrap();
    (a, tensor!([[1.0, 0.5], [-0.4, 0.9]]; DType::F64))
}

fn swish(x: &Tensor) -> Result<Tensor> {
    Swish { beta: 1.5 }.call(&[x])
}

#[test]
fn it_differentiates_to_any_order_in_both_directions() -> Result<()> {
    let (a, b) = pair();
    let both = |x: &[Tensor]| Ok(SumAndDifference { fault: "" }.call_all(&[&x[0], &x[1]])?.into_vec());
    gradcheck(both, &[a.copy()?, b.copy()?])?;
    gradgradcheck(|x| both(x)?.into_iter().map(|y| y.square()).collect(), &[a.copy()?, b.copy()?])?;
    // A gradient with a history: of f(x)², against the decomposition.
    let penalty = |f: &dyn Fn(&Tensor) -> Result<Tensor>| -> Result<Vec<f64>> {
        let x = a.copy()?.requires_grad_()?;
        let options = flambeau_autograd::GradOptions { create_graph: true, ..Default::default() };
        let g = flambeau_autograd::grad_with(&[&f(&x)?.square()?.sum(..)?], &[&x], options)?;
        g[0].as_ref().expect("a gradient").square()?.sum(..)?.backward()?;
        x.grad().expect("a gradient").to_vec()
    };
    let (ours, right) = (penalty(&swish)?, penalty(&|x| composed(x, 1.5))?);
    assert!(ours.iter().zip(&right).all(|(a, b)| (a - b).abs() < 1e-12), "{ours:?} {right:?}");
    // Forward.
    let tangent = b.clone();
    let (y, ours) = func::jvp(swish, &a, &tangent)?;
    let (_, right) = func::jvp(|x| composed(x, 1.5), &a, &tangent)?;
    assert!(y.allclose(&composed(&a, 1.5)?)? && ours.allclose(&right)?);
    // Only one of the outputs is used.
    let x = a.copy()?.requires_grad_()?;
    SumAndDifference { fault: "" }.call_all(&[&x, &b])?[1].sum(..)?.backward()?;
    assert_eq!(x.grad().expect("a gradient").to_vec::<f64>()?, [1.0; 4]);
    Ok(())
}

#[test]
fn it_is_traced_profiled_autocast_and_printed_by_its_name() -> Result<()> {
    let (a, b) = pair();
    let program = trace(&[&a], |x| Ok(vec![swish(x[0])?.add(1.0)?]))?;
    assert!(program.to_string().contains("Swish { beta: 1.5 }"), "{program}");
    assert_eq!(program.steps()[0].op.attributes(), [("beta", 1.5f64.to_attribute())]);
    assert_eq!(program.run(&[&b])?[0].to_vec::<f64>()?, swish(&b)?.add(1.0)?.to_vec::<f64>()?);
    let op = |beta| Op::from(Custom::new(Swish { beta }));
    assert!(op(1.0) == op(1.0) && op(1.0) != op(2.0));
    // What does not list its attributes is told apart by how it prints.
    let other = |fault| Op::from(Custom::new(SumAndDifference { fault }));
    assert!(other("a") == other("a") && other("a") != other("b") && op(1.0) != other("a"));

    let (y, profile) = profile(|| swish(&a));
    assert_eq!((profile.count("test::swish"), y?.shape()), (1, &[2, 2][..]));
    let half = a.to_dtype(DType::BF16)?;
    assert_eq!(autocast(DType::BF16, || swish(&half))?.dtype(), DType::F32);

    let x = a.copy()?.requires_grad_()?;
    let y = swish(&x)?;
    assert!(y.to_string().contains("grad_fn=<test::swish"), "{y}");
    assert!(RULES.iter().any(|(name, _)| *name == "Custom"));
    // In place, into any layout.
    let target = Tensor::zeros([2, 2]).dtype(DType::F64).build()?.t()?;
    no_grad(|| dispatch_into("swish_", Custom::new(Swish { beta: 1.5 }), &[&b], &target))?;
    assert_eq!(target.to_vec::<f64>()?, swish(&b)?.to_vec::<f64>()?);
    // Shapes alone.
    assert_eq!(swish(&a.to_device(Device::Meta)?)?.shape(), [2, 2]);
    Ok(())
}

#[test]
fn what_it_promises_and_does_not_keep_is_an_error() -> Result<()> {
    let (a, b) = pair();
    let call = |fault: &'static str| SumAndDifference { fault }.call_all(&[&a, &b]);
    let fails = |fault: &'static str, kind: ErrorKind, says: &str| {
        let error = call(fault).expect_err(fault);
        assert!(error.kind() == kind && error.to_string().contains(says), "{fault}: {error}");
        assert!(error.to_string().contains("custom_ops.rs"), "the user's line: {error}");
    };
    fails("kernel fails", ErrorKind::Argument, "as it was told");
    fails("other dtype", ErrorKind::DType, "float64");
    fails("no kernel", ErrorKind::Shape, "the decomposition gives");
    let error = SumAndDifference { fault: "" }.call_all(&[&a]).unwrap_err();
    assert!(error.to_string().contains("takes two tensors"), "{error}");
    let error = SumAndDifference { fault: "" }.call(&[&a, &b]).unwrap_err();
    assert!(error.to_string().contains("test::sum_and_difference"), "two outputs are not one: {error}");
    // Nothing stays locked behind a panic.
    assert!(catch_unwind(AssertUnwindSafe(|| call("kernel panics").is_ok())).is_err());
    a.add_(1.0)?;
    drop(a.data::<f64>());

    for (fault, says) in [("one gradient", "1 gradients for 2 inputs"), ("flat gradient", "shape [4]")] {
        let x = b.copy()?.requires_grad_()?;
        let y = SumAndDifference { fault }.call_all(&[&x, &b])?;
        let error = y[0].sum(..)?.backward().unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(x.grad().is_none());
    }
    // Neither a derivative nor a decomposition.
    #[derive(Debug)]
    struct Bare;
    impl CustomOp for Bare {
        fn name(&self) -> &'static str {
            "test::bare"
        }
        fn infer(&self, inputs: &[&Tensor]) -> Result<Metas> {
            Meta::like(inputs[0]).one()
        }
    }
    let error = Bare.call(&[&a]).unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("test::bare"), "{error}");
    let x = a.to_device(Device::Meta)?.requires_grad_()?;
    let error = grad(&[&Bare.call(&[&x])?.sum(..)?], &[&x]).unwrap_err();
    assert!(error.kind() == ErrorKind::NotDifferentiable && error.to_string().contains("test::bare"), "{error}");
    Ok(())
}
