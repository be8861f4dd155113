//! Parametrizations, with PyTorch's values: marks recorded from the same seeds and weights.

use crate::common::{mark, near};
use flambeau_autograd::Autograd;
use flambeau_nn::utils::parametrizations::{
    OrthogonalMap, OrthogonalOptions, orthogonal_with, spectral_norm, weight_norm,
};
use flambeau_nn::utils::{self, parametrize};
use flambeau_nn::*;
use flambeau_tensor::random::with_generator;
use flambeau_tensor::{DType, Generator, Result, Tensor, no_grad};
use std::sync::Arc;

/// sin(1.3 i + 0.5).
pub fn wave(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|i| (1.3 * i as f64 + 0.5).sin() as f32).collect();
    Tensor::from_vec(values, shape).unwrap()
}

/// What `f` makes of the numbers from this seed, while other tests draw theirs.
pub fn seeded<R>(seed: u64, f: impl FnOnce() -> R) -> R {
    with_generator(&Generator::with_seed(seed), f)
}

pub fn linear(inputs: usize, outputs: usize) -> Result<Linear> {
    let layer = Linear::new(inputs, outputs).build()?;
    no_grad(|| {
        layer.weight.copy_(&wave(&[outputs, inputs]))?;
        layer.bias.as_ref().unwrap().copy_(&crate::common::input(&[outputs])).map(drop)
    })?;
    Ok(layer)
}

/// Marks of the output, and of the gradients of all parameters.
pub fn run<M: Layer>(layer: &M, x: &Tensor) -> Result<Vec<f64>> {
    let y = layer.call(x)?;
    y.mul(&wave(y.shape()))?.sum(..)?.backward()?;
    let grads = layer.parameters().into_iter().map(|p| mark(&p.grad().expect("a gradient")));
    Ok(std::iter::once(mark(&y)).chain(grads).collect())
}

fn names(module: &impl Module) -> Vec<String> {
    module.named_parameters().into_iter().map(|(name, _)| name).collect()
}

fn x() -> Tensor {
    crate::common::input(&[2, 3])
}

const COMPUTED: [&str; 3] = ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"];

#[test]
fn weights_of_length_and_direction() -> Result<()> {
    let recorded = [
        (Some(0), vec![4, 1], [-0.338435, 1.531805, -0.793063, -0.715077]),
        (Some(1), vec![1, 3], [-0.338435, 1.531805, -0.136729, -1.531916]),
        (None, vec![], [-0.338435, 1.531805, 0.064497, -1.00972]),
    ];
    for (dim, shape, marks) in recorded {
        let mut layer = linear(3, 4)?;
        weight_norm(&mut layer, "weight", dim)?;
        assert_eq!(names(&layer), COMPUTED);
        let length = layer.parameters()[1].clone();
        assert_eq!(length.shape(), shape);
        no_grad(|| length.mul_(1.5).map(drop))?;
        near("weight_norm", &run(&layer, &x())?, &marks);
    }
    Ok(())
}

#[test]
fn the_older_form_has_other_names() -> Result<()> {
    let mut layer = linear(3, 4)?;
    let plain = layer.call(&x())?;
    utils::weight_norm(&mut layer, "weight", 0)?;
    assert_eq!(names(&layer), ["bias", "weight_g", "weight_v"]);
    assert_eq!(layer.state_dict().names().collect::<Vec<_>>(), ["bias", "weight_g", "weight_v"]);
    assert_eq!(format!("{layer:?}"), "Linear(in_features=3, out_features=4, bias=True)");
    near("weight_norm", &run(&layer, &x())?, &[-0.382447, 1.531805, -0.793063, -0.476718]);

    // A state of it loads into the newer form.
    let mut newer = Linear::new(3, 4).build()?;
    weight_norm(&mut newer, "weight", 0)?;
    newer.load_state_dict(&layer.state_dict())?;
    assert!(newer.call(&x())?.equal(&layer.call(&x())?)?);
    utils::remove_weight_norm(&mut layer, "weight")?;
    assert_eq!(names(&layer), ["weight", "bias"]);
    near("removed", &[mark(&layer.call(&x())?)], &[mark(&plain)]);
    Ok(())
}

#[test]
fn spectral_norms_and_their_iterations() -> Result<()> {
    let normed = |norm: fn(&mut Linear, &str) -> Result<()>| {
        seeded(3, || {
            let mut layer = linear(3, 4)?;
            norm(&mut layer, "weight").map(|()| layer)
        })
    };
    let layer = normed(spectral_norm)?;
    let state = layer.state_dict();
    let names: Vec<&str> = state.names().collect();
    let list = "parametrizations.weight";
    assert_eq!(names, ["bias", &format!("{list}.original"), &format!("{list}.0._u"), &format!("{list}.0._v")]);
    near("first", &state.iter().map(|(_, t)| mark(t)).collect::<Vec<_>>(), &[-1.607413, 3.011786, 0.031672, -1.018899]);
    near("training", &run(&layer, &x())?, &[-0.425601, 1.531805, -0.366268]);
    let buffers = || layer.buffers().iter().map(mark).collect::<Vec<_>>();
    near("iterated", &buffers(), &[0.031673, -1.018907]);
    layer.eval();
    near("evaluation", &[mark(&layer.call(&x())?)], &[-0.425601]);
    near("evaluation", &buffers(), &[0.031673, -1.018907]);

    let mut transposed = ConvTranspose1d::new(2, 3, 2).build()?;
    no_grad(|| {
        transposed.weight.copy_(&wave(&[2, 3, 2]))?;
        transposed.bias.as_ref().unwrap().zero_().map(drop)
    })?;
    seeded(4, || spectral_norm(&mut transposed, "weight"))?;
    near("transposed", &transposed.buffers().iter().map(mark).collect::<Vec<_>>(), &[-0.02214, -0.205937]);
    near("transposed", &run(&transposed, &crate::common::input(&[1, 2, 4]))?, &[-0.312159, -0.01902, 0.465428]);
    Ok(())
}

/// It draws u and v, and iterates at the first call, v before u.
#[test]
fn the_older_spectral_norm_iterates_when_it_is_called() -> Result<()> {
    let layer = seeded(3, || {
        let mut layer = linear(3, 4)?;
        utils::spectral_norm(&mut layer, "weight").map(|()| layer)
    })?;
    let state = layer.state_dict();
    assert_eq!(state.names().collect::<Vec<_>>(), ["bias", "weight_orig", "weight_u", "weight_v"]);
    near(
        "drawn",
        &state.iter().map(|(_, t)| mark(t)).collect::<Vec<_>>(),
        &[-1.607413, 3.011786, -1.070317, -0.872036],
    );
    near("training", &run(&layer, &x())?, &[-0.423142, 1.531805, -0.416572]);
    let buffers = || layer.buffers().iter().map(mark).collect::<Vec<_>>();
    near("iterated", &buffers(), &[0.041858, -1.193597]);
    layer.eval();
    near("evaluation", &[mark(&layer.call(&x())?)], &[-0.423142]);
    near("evaluation", &buffers(), &[0.041858, -1.193597]);
    Ok(())
}

#[test]
fn orthogonal_weights() -> Result<()> {
    use OrthogonalMap::{Cayley, Householder, MatrixExp};
    // Inputs, outputs, the map, whether there is a base; marks of the state, of the run and of the weight.
    type Row = (usize, usize, Option<OrthogonalMap>, bool, &'static [f64], [f64; 3], f64);
    let recorded: [Row; 10] = [
        (4, 4, Some(Cayley), true, &[-1.607413, 0.315097, -0.125917], [1.965512, 1.531805, 0.141266], 0.119877),
        (3, 5, Some(Cayley), true, &[-1.738142, -0.200856, -0.500073], [-3.198801, 4.726931, 0.116897], -1.055467),
        (4, 4, Some(Cayley), false, &[-1.607413, -0.262284], [1.44266, 1.531805, -0.724784], -0.598896),
        (4, 4, None, true, &[-1.607413, 0.315097, -0.125917], [1.966719, 1.531805, 0.138629], 0.121895),
        (3, 5, None, true, &[-1.738142, -0.200856, -0.500073], [-3.363341, 4.726931, 1.061829], -0.098096),
        (5, 3, None, true, &[-0.61742, -2.804024, 0.484883], [0.187418, -0.534248, 1.644372], -0.718331),
        (3, 5, Some(MatrixExp), true, &[-1.738142, -0.200856, -0.500073], [-3.199242, 4.726931, 0.112405], -1.056955),
        (3, 5, Some(Householder), false, &[-1.738142, 0.658875], [-3.240736, 4.726931, -1.622171], -1.118796),
        (4, 4, Some(MatrixExp), false, &[-1.607413, -0.262284], [1.862696, 1.531805, -1.162528], -0.84624),
        (4, 4, Some(Householder), false, &[-1.607413, 0.85], [0.418324, 1.531805, -2.395641], -0.848125),
    ];
    for (inputs, outputs, map, base, state, marks, weight) in recorded {
        let name = format!("{inputs} to {outputs}, {map:?}, {base}");
        let mut layer = linear(inputs, outputs)?;
        let values = (0..inputs * outputs).map(|k| ((k * k * 5 + k * 3) % 13) as f32 / 6.0 - 1.0).collect::<Vec<_>>();
        no_grad(|| layer.weight.copy_(&Tensor::from_vec(values, [outputs, inputs])?).map(drop))?;
        let options = OrthogonalOptions::new().orthogonal_map(map).use_trivialization(base);
        seeded(7, || orthogonal_with(&mut layer, "weight", options))?;
        near(&name, &layer.state_dict().iter().map(|(_, t)| mark(t)).collect::<Vec<_>>(), state);
        let original = layer.parameters()[1].clone();
        no_grad(|| original.add_(&wave(&[outputs, inputs]).mul(0.2)?).map(drop))?;
        near(&name, &run(&layer, &crate::common::input(&[2, inputs]))?, &marks);
        near(&name, &[mark(&layer.weight.value()?)], &[weight]);
    }
    Ok(())
}

#[test]
fn a_parametrized_module_prints_and_lists_as_in_pytorch() -> Result<()> {
    let mut model = Sequential::of((Linear::new(2, 2), ReLU::new()))?;
    weight_norm(&mut model, "0.weight", 0)?;
    assert_eq!(
        format!("{model:?}"),
        "Sequential(
  (0): ParametrizedLinear(
    in_features=2, out_features=2, bias=True
    (parametrizations): ModuleDict(
      (weight): ParametrizationList(
        (0): _WeightNorm()
      )
    )
  )
  (1): ReLU()
)"
    );
    assert_eq!(names(&model), COMPUTED.map(|name| format!("0.{name}")));
    let mut attention = MultiheadAttention::new(4, 2).build()?;
    weight_norm(&mut attention, "in_proj_weight", 0)?;
    let list = "parametrizations.in_proj_weight";
    let wanted = [
        "in_proj_bias",
        "out_proj.weight",
        "out_proj.bias",
        &format!("{list}.original0"),
        &format!("{list}.original1"),
    ];
    assert_eq!(names(&attention), wanted);
    Ok(())
}

/// Twice a module of one's own: it is called inside another one that takes the parameter without calling its module.
#[derive(Module)]
struct Outer {
    inner: Linear,
}

impl Forward<&Tensor> for Outer {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.inner.weight.t()?)
    }
}

#[derive(Module)]
struct Scaled {
    by: Parameter,
}

impl parametrize::Parametrization for Scaled {
    fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
        originals[0].mul(&self.by)
    }
}

fn scaled(by: f32) -> Result<Scaled> {
    Ok(Scaled { by: Parameter::new(Tensor::full(1, by).build()?)? })
}

#[test]
fn whoever_is_called_computes_what_is_below() -> Result<()> {
    let mut model = Outer { inner: Linear::new(2, 2).bias(false).build()? };
    no_grad(|| model.inner.weight.fill_(1.0).map(drop))?;
    let trained = model.inner.weight.tensor().clone();
    parametrize::register_parametrization(&mut model, "inner.weight", scaled(3.0)?)?;
    parametrize::register_parametrization(&mut model, "inner.weight", scaled(2.0)?)?;
    assert!(parametrize::is_parametrized(&model.inner, Some("weight")));
    assert!(!parametrize::is_parametrized(&model.inner, Some("bias")) && !parametrize::is_parametrized(&model, None));

    let y = model.call(&Tensor::ones([1, 2]).build()?)?;
    assert_eq!(y.detach().to_vec::<f32>()?, [12.0; 2]);
    y.sum(..)?.backward()?;
    // The original is the tensor that the weight was, and gets the gradient through both.
    assert_eq!(trained.grad().expect("a gradient").to_vec::<f32>()?, [6.0; 4]);
    let by = |i: usize| model.parameters()[i].grad().expect("a gradient").to_vec::<f32>().unwrap();
    assert_eq!((by(1), by(2)), (vec![8.0], vec![12.0]));

    // Copies and moves keep them; given originals are computed with.
    let copy = model.deepcopy()?.to(DType::F64)?;
    assert_eq!(copy.call(&Tensor::ones([1, 2]).dtype(DType::F64).build()?)?.to_vec::<f64>()?, [12.0; 2]);
    let given = [("inner.parametrizations.weight.original", Tensor::full([2, 2], 0.5).build()?)];
    let y = functional_call(&model, &given, &Tensor::ones([1, 2]).build()?)?;
    assert_eq!(y.detach().to_vec::<f32>()?, [6.0; 2]);

    parametrize::remove_parametrizations(&mut model, "inner.weight", true)?;
    assert!(model.inner.weight.is(&trained), "an optimizer goes on with it");
    assert_eq!(trained.to_vec::<f32>()?, [6.0; 4]);
    Ok(())
}

#[test]
fn cached_values_are_computed_once() -> Result<()> {
    #[derive(Module)]
    struct Counted {
        calls: Buffer,
    }
    impl parametrize::Parametrization for Counted {
        fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
            no_grad(|| self.calls.add_(1).map(drop))?;
            Ok(originals[0].clone())
        }
    }
    let mut layer = Linear::new(2, 2).build()?;
    let calls = Tensor::zeros(()).dtype(DType::I64).build()?;
    parametrize::register_parametrization(&mut layer, "weight", Counted { calls: Buffer::new(calls.clone()) })?;
    let before = calls.item::<i64>()?;
    let x = Tensor::ones([1, 2]).build()?;
    parametrize::cached(|| {
        layer.call(&x)?;
        parametrize::cached(|| layer.call(&x))?;
        layer.call(&x)
    })?;
    assert_eq!(calls.item::<i64>()?, before + 1);
    layer.call(&x)?;
    layer.call(&x)?;
    assert_eq!(calls.item::<i64>()?, before + 3);
    Ok(())
}

#[test]
fn hooks_stay_where_a_parameter_is_computed() -> Result<()> {
    let mut layer = Linear::new(2, 2).build()?;
    let _hook = layer.register_forward_hook(|_, _, outputs| {
        outputs.visit_tensors_mut(&mut |y| *y = y.zeros_like().expect("zeros"));
        Ok(())
    })?;
    weight_norm(&mut layer, "weight", 0)?;
    assert_eq!(layer.call(&Tensor::ones([1, 2]).build()?)?.to_vec::<f32>()?, [0.0; 2]);
    Ok(())
}

#[test]
fn what_does_not_fit_is_told() -> Result<()> {
    let mut layer = Linear::new(2, 3).build()?;
    let told = |fault: Result<()>, text: &str| {
        let fault = fault.expect_err(text);
        assert!(fault.message().contains(text), "{fault}");
    };
    told(weight_norm(&mut layer, "wait", 0), "Linear has no parameter \"wait\"");
    told(weight_norm(&mut layer, "weight", 2), "has no dimension 2");
    told(parametrize::remove_parametrizations(&mut layer, "weight", true), "is not parametrized");
    #[derive(Module, Default)]
    struct Wide {
        id: ModuleId,
    }
    impl parametrize::Parametrization for Wide {
        fn forward(&self, originals: &[Tensor]) -> Result<Tensor> {
            originals[0].t()
        }
    }
    told(
        parametrize::register_parametrization(&mut layer, "weight", Wide::default()),
        "Wide makes float32 [2, 3] of a parameter that is float32 [3, 2]",
    );
    weight_norm(&mut layer, "weight", 0)?;
    told(parametrize::remove_parametrizations(&mut layer, "weight", false), "computed from 2 originals");
    #[derive(Module)]
    struct Twice {
        first: Arc<Linear>,
        second: Arc<Linear>,
    }
    let one = Arc::new(Linear::new(1, 1).build()?);
    let mut twice = Twice { first: one.clone(), second: one };
    told(weight_norm(&mut twice, "first.weight", 0), "stands at several places");
    Ok(())
}
