//! Interpreters: the stack, the profiler, autocast and the tracer, without autograd.

use flambeau_tensor::autocast::{autocast, no_autocast};
use flambeau_tensor::dispatch::{Call, Interpreter, Output, Read, interpret, is_interpreted};
use flambeau_tensor::profiler::profile;
use flambeau_tensor::trace::{Value, trace};
use flambeau_tensor::{
    BatchNormOptions, DType, Device, Error, ErrorKind, Outputs, Result, StftOptions, Tensor, no_grad, tensor,
};
use std::cell::RefCell;
use std::rc::Rc;

fn numbers(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::from_vec((0..n).map(|i| (i as f32 * 0.7).sin()).collect(), shape).unwrap()
}

/// Writes down what it sees, under a name.
struct Log(&'static str, Rc<RefCell<Vec<String>>>);

impl Interpreter for Log {
    fn call(&self, call: Call<'_>) -> Result<Outputs> {
        let kind = match call.output {
            Output::Fresh => "",
            Output::View => " view",
            Output::Into { .. } => " into",
            Output::Update { .. } => " update",
        };
        self.1.borrow_mut().push(format!("{} {}{kind}", self.0, call.op.name()));
        call.run()
    }
    fn read(&self, read: &Read<'_>) -> Result<()> {
        self.1.borrow_mut().push(format!("{} read by {}", self.0, read.by));
        Ok(())
    }
}

fn logged<R>(f: impl FnOnce() -> R) -> (R, Vec<String>) {
    let log = Rc::new(RefCell::new(Vec::new()));
    let result = interpret(Rc::new(Log("a", log.clone())), f);
    (result, log.take())
}

#[test]
fn everything_that_makes_a_tensor_from_a_tensor_is_seen() {
    let x = numbers(&[2, 3]);
    let (result, log) = logged(|| -> Result<f32> {
        x.detach();
        let y = x.t()?.copy()?.to_dtype(DType::F64)?;
        y.to_device(Device::Meta)?;
        y.add_(&y.exp()?)?;
        y.copy_(&x.t()?)?;
        y.fill_(2.0)?;
        y.sum(..)?.item::<f32>()
    });
    assert_eq!(result.unwrap(), 12.0);
    let right = [
        "a detach view",
        "a permute view",
        "a to",
        "a to",
        "a to",
        "a exp",
        "a add into",
        "a permute view",
        "a to into",
        "a full into",
        "a sum",
        "a view view",
        "a read by item",
    ];
    assert_eq!(log, right);
}

#[test]
fn the_innermost_interpreter_is_asked_first_and_hands_on() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let x = numbers(&[2]);
    let layer = |name| Rc::new(Log(name, log.clone()));
    interpret(layer("outer"), || interpret(layer("inner"), || x.exp()?.to_vec::<f32>())).unwrap();
    assert_eq!(log.take(), ["inner exp", "outer exp", "inner read by to_vec", "outer read by to_vec"]);
    x.exp().unwrap();
    assert!(log.take().is_empty() && !is_interpreted());
}

/// Calls the op several times, and an op of its own.
struct Busy;
impl Interpreter for Busy {
    fn call(&self, call: Call<'_>) -> Result<Outputs> {
        call.inputs[0].neg()?.exp()?;
        call.run()
    }
}

#[test]
fn what_an_interpreter_calls_goes_to_those_below_it() {
    let x = numbers(&[2]);
    let (_, log) = logged(|| interpret(Rc::new(Busy), || x.sin()).unwrap());
    assert_eq!(log, ["a neg", "a exp", "a sin"]);
    // Within an interpreter's own work, a further interpreter stands above those below it only.
    struct Nested(Rc<RefCell<Vec<String>>>);
    impl Interpreter for Nested {
        fn call(&self, call: Call<'_>) -> Result<Outputs> {
            interpret(Rc::new(Log("nested", self.0.clone())), || call.run())
        }
    }
    let inner = Rc::new(RefCell::new(Vec::new()));
    let (_, log) = logged(|| interpret(Rc::new(Nested(inner.clone())), || x.sin()).unwrap());
    assert_eq!((inner.take(), log), (vec!["nested sin".to_string()], vec!["a sin".to_string()]));
}

#[test]
fn an_interpreter_that_fails_or_panics_leaves_the_stack_as_it_was() {
    struct Failing(bool);
    impl Interpreter for Failing {
        fn call(&self, call: Call<'_>) -> Result<Outputs> {
            assert!(!self.0, "on purpose");
            Err(Error::new(ErrorKind::Unsupported, call.op.name(), "refused"))
        }
    }
    let x = numbers(&[2]);
    let (_, log) = logged(|| {
        let error = interpret(Rc::new(Failing(false)), || x.exp()).unwrap_err();
        assert!(error.location().unwrap().file().ends_with("interpreters.rs"), "{error}");
        let before = x.to_vec::<f32>().unwrap();
        assert!(interpret(Rc::new(Failing(false)), || x.mul_(2.0).map(drop)).is_err());
        assert_eq!(x.to_vec::<f32>().unwrap(), before, "nothing was written");
        let panicked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| interpret(Rc::new(Failing(true)), || x.exp())));
        assert!(panicked.is_err());
        x.sin().unwrap();
    });
    assert_eq!(log, ["a read by to_vec", "a read by to_vec", "a sin"]);
    assert!(!is_interpreted());
}

#[test]
fn an_interpreter_that_calls_itself_or_answers_wrongly_is_an_error() {
    struct Itself;
    impl Interpreter for Itself {
        fn call(&self, call: Call<'_>) -> Result<Outputs> {
            interpret(Rc::new(Itself), || call.inputs[0].neg())?;
            call.run()
        }
    }
    let x = numbers(&[2]);
    let error = interpret(Rc::new(Itself), || x.exp()).unwrap_err();
    assert!(error.message().contains("calls itself") || error.message().contains("call itself"), "{error}");

    struct Nothing;
    impl Interpreter for Nothing {
        fn call(&self, _: Call<'_>) -> Result<Outputs> {
            Ok(Outputs::new())
        }
    }
    let error = interpret(Rc::new(Nothing), || x.exp()).unwrap_err();
    assert!(error.message().contains("0 tensors instead of 1"), "{error}");
    let error = interpret(Rc::new(Nothing), || x.unsqueeze(0)).unwrap_err();
    assert!(error.message().contains("0 tensors instead of 1"), "{error}");
    struct One(Tensor);
    impl Interpreter for One {
        fn call(&self, _: Call<'_>) -> Result<Outputs> {
            Ok([self.0.clone()].into_iter().collect())
        }
    }
    // Mean and variance of the batch come beside its result.
    let (x, mean, var) = (numbers(&[4, 3]), numbers(&[3]), numbers(&[3]));
    let options = BatchNormOptions::new().training(true).running_mean(&mean).running_var(&var);
    let error = interpret(Rc::new(One(x.clone())), || x.batch_norm(options)).unwrap_err();
    assert!(error.message().contains("1 tensors instead of 3"), "{error}");
    let error = interpret(Rc::new(One(x.clone())), || mean.unbind(0)).unwrap_err();
    assert_eq!((error.place(), error.kind()), ("slice", ErrorKind::Shape), "{error}");
    assert!(error.message().contains("shape [4, 3] instead of [1]"), "{error}");
    // Inputs of two dtypes, which the op does not take: what it would give of one tells.
    let (a, b) = (numbers(&[4, 3]), numbers(&[3, 2]).to_dtype(DType::F64).unwrap().t().unwrap());
    let error = interpret(Rc::new(One(x.clone())), || flambeau_tensor::dispatch(flambeau_tensor::Linear, &[&a, &b]))
        .unwrap_err();
    assert!(error.message().contains("shape [4, 3] instead of [4, 2]"), "{error}");
    x.exp().unwrap();
}

#[test]
fn what_is_refused_to_detach_is_the_error_of_the_next_call() -> Result<()> {
    struct Refuses(&'static str);
    impl Interpreter for Refuses {
        fn call(&self, call: Call<'_>) -> Result<Outputs> {
            if call.op.name() == self.0 {
                return Err(Error::new(ErrorKind::Unsupported, call.op.name(), "refused"));
            }
            call.run()
        }
    }
    struct Lies;
    impl Interpreter for Lies {
        fn call(&self, call: Call<'_>) -> Result<Outputs> {
            Ok(Outputs::from_iter([call.inputs[0].exp()?.sum(..)?]))
        }
    }
    let x = numbers(&[2, 3]);
    let before = x.to_vec::<f32>()?;
    // In the region, and after it.
    for inside in [true, false] {
        let y = interpret(Rc::new(Refuses("detach")), || {
            let y = x.detach();
            if inside {
                let (error, line) = (y.mul_(2.0).unwrap_err(), line!() - 2);
                assert_eq!((error.place(), error.location().map(|at| at.line())), ("detach", Some(line)), "{error}");
                assert!(y.mul(2.0).is_ok());
            }
            y
        });
        assert!(inside || is_interpreted());
        if !inside {
            let error = y.mul_(2.0).map(drop).unwrap_err();
            assert_eq!((error.place(), error.message()), ("detach", "refused"));
        }
        assert!(!is_interpreted());
        assert_eq!(x.to_vec::<f32>()?, before, "nothing was written");
        assert!(y.shape() == [2, 3] && y.storage().is(x.storage()) && x.exp().is_ok());
    }
    let y = interpret(Rc::new(Lies), || x.detach());
    let error = y.to_vec::<f32>().unwrap_err();
    assert!(error.message().contains("shape [] instead of [2, 3]"), "{error}");
    assert_eq!(y.to_vec::<f32>()?, before);
    Ok(())
}

#[test]
fn modes_inside_and_outside_do_not_disturb_the_stack() {
    let x = numbers(&[2]);
    let (_, log) = logged(|| {
        no_grad(|| x.exp()).unwrap();
        flambeau_tensor::inference_mode(|| x.sin()).unwrap();
    });
    assert_eq!(log, ["a exp", "a sin"]);
}

#[test]
fn a_profile_counts_ops_bytes_and_reads() {
    let x = numbers(&[8, 8]);
    let (result, profile) = profile(|| -> Result<f32> {
        let y = x.matmul(&x)?.matmul(&x.t()?)?;
        y.mul_(2.0)?;
        y.sum(..)?.item()
    });
    result.unwrap();
    assert_eq!(
        (profile.count("matmul"), profile.count("permute"), profile.count("mul_"), profile.reads()),
        (2, 1, 1, 1)
    );
    let rows = profile.by_op();
    let matmul = rows.iter().find(|r| r.name == "matmul").unwrap();
    assert_eq!((matmul.count, matmul.bytes), (2, 2 * 8 * 8 * 4));
    assert!(rows.windows(2).all(|w| w[0].time >= w[1].time));
    let event = profile.events().iter().find(|e| e.name == "matmul").unwrap();
    assert_eq!((&event.shapes[0][..], event.at.file().ends_with("interpreters.rs")), (&[8, 8][..], true));
    let table = profile.to_string();
    assert!(table.lines().count() == rows.len() + 2 && table.contains("matmul"), "{table}");
    let json = profile.chrome_trace();
    assert_eq!(json.matches("\"ph\":\"X\"").count(), profile.events().len());
    assert_eq!(json.matches('{').count(), json.matches('}').count());
}

#[test]
fn autocast_lowers_products_and_keeps_what_needs_range() {
    let (x, w) = (numbers(&[2, 3]), numbers(&[4, 3]));
    let half = autocast(DType::BF16, || -> Result<_> {
        let y = x.linear(&w, None)?;
        assert_eq!(y.dtype(), DType::BF16);
        assert_eq!(y.matmul(&w)?.dtype(), DType::BF16);
        assert_eq!(y.softmax(-1)?.dtype(), DType::BF16, "what has no policy keeps its dtype");
        assert_eq!(y.prod(-1)?.dtype(), DType::F32);
        assert_eq!(x.exp()?.dtype(), DType::F32);
        assert_eq!(x.to_dtype(DType::F64)?.linear(&w.to_dtype(DType::F64)?, None)?.dtype(), DType::F64);
        assert_eq!(no_autocast(|| x.linear(&w, None))?.dtype(), DType::F32);
        assert_eq!(autocast(DType::F16, || x.linear(&w, None))?.dtype(), DType::F16, "the innermost region acts");
        Ok(y)
    })
    .unwrap();
    let right = x.to_dtype(DType::BF16).unwrap().linear(&w.to_dtype(DType::BF16).unwrap(), None).unwrap();
    assert_eq!(half.to_vec::<flambeau_tensor::bf16>().unwrap(), right.to_vec::<flambeau_tensor::bf16>().unwrap());
    assert!(autocast(DType::F32, || x.linear(&w, None)).is_err());
    assert_eq!(x.linear(&w, None).unwrap().dtype(), DType::F32);
}

#[test]
fn a_program_runs_again_with_other_inputs() {
    let (x, w) = (numbers(&[2, 3]), numbers(&[3, 3]));
    let f = |x: &Tensor| -> Result<Tensor> {
        let y = x.matmul(&w)?;
        y.select(0, 0)?.mul_(10.0)?; // in place, through a view
        y.detach().sort(-1, false).map(|s| s.values)?.to_device(Device::Meta)?;
        y.relu()?.add(&x.sum(-1)?.unsqueeze(-1)?)
    };
    let program = trace(&[&x], |x| Ok(vec![f(x[0])?])).unwrap();
    let text = program.to_string();
    assert!(text.contains("c0") && text.contains("mul_") && text.contains("return %"), "{text}");
    assert_eq!(program.constants().len(), 1);
    let other = numbers(&[3, 2]).t().unwrap().neg().unwrap();
    let (again, right) = (program.run(&[&other]).unwrap(), f(&other).unwrap());
    assert_eq!(again[0].to_vec::<f32>().unwrap(), right.to_vec::<f32>().unwrap());
    assert!(program == trace(&[&x], |x| Ok(vec![f(x[0])?])).unwrap());
    assert!(program != trace(&[&x], |x| Ok(vec![x[0].matmul(&w)?])).unwrap());
    assert!(program.run(&[&numbers(&[2, 4])]).is_err() && program.run(&[]).is_err());
    // The identity, and a constant alone.
    let program = trace(&[&x], |v| Ok(vec![v[0].clone(), w.clone()])).unwrap();
    assert_eq!(program.outputs(), [Value::Input(0), Value::Constant(0)]);
    assert!(program.run(&[&other]).unwrap()[0].is(&other));
}

#[test]
fn a_branch_on_values_is_an_error_that_names_the_line() {
    let x = numbers(&[2]);
    let w = numbers(&[1]);
    let looks: [fn(&Tensor) -> Result<()>; 4] = [
        |x| x.sum(..)?.item::<f32>().map(drop),
        |x| x.to_vec::<f32>().map(drop),
        |x| x.exp()?.data::<f32>().map(drop),
        |x| x.t()?.to_bytes().map(drop),
    ];
    for look in looks {
        let error = trace(&[&x], |x| look(x[0]).map(|()| vec![])).err().unwrap();
        assert!(error.message().contains("looks at the values"), "{error}");
        assert!(error.location().unwrap().file().ends_with("interpreters.rs"), "{error}");
    }
    // A constant does not depend on the inputs.
    trace(&[&x], |x| Ok(vec![x[0].mul(w.item::<f32>()?)?])).unwrap();
    assert!(trace(&[&x, &x], |x| Ok(vec![x[0].clone()])).is_err());
}

/// As PyTorch 2.15 on the CPU: what is on its list computes in `f32` throughout, and what is not keeps its dtype.
#[test]
fn autocast_of_functions_made_of_ops() -> Result<()> {
    let x = Tensor::linspace(-1.0, 1.0, 300).build()?.reshape([30, 10])?;
    let halves = x.to_dtype(DType::BF16)?;
    let far = x.cdist(&x, 2.0)?;
    autocast(DType::BF16, || {
        for (got, dtype) in [
            (halves.cdist(&halves, 2.0)?, DType::F32),
            (halves.quantile(tensor!(0.5), None, false, Default::default())?, DType::F32),
            (halves.flatten(0, 1)?.stft(16, &StftOptions::new())?, DType::Complex64),
            (halves.i((..10, ..))?.trace()?, DType::F32),
            (x.bilinear(&x, Tensor::ones([2, 10, 10]).build()?, None)?, DType::F32),
            (x.i(0)?.dot(x.i(1)?)?, DType::F32),
            (x.mv(x.i(0)?)?, DType::F32),
            (x.i(0)?.inner(x.i(1)?)?, DType::BF16),
            (x.matmul(x.t()?)?, DType::BF16),
        ] {
            assert_eq!(got.dtype(), dtype);
        }
        // The products inside are those of `f32`.
        assert!(x.cdist(&x, 2.0)?.equal(&far)?);
        assert_eq!(x.matmul(x.t()?)?.dtype(), DType::BF16, "the region goes on");
        Ok(())
    })
}
