//! What user code returns is checked where it enters: hooks, custom functions, gradients given by hand.

use flambeau_autograd::{Autograd, BackwardOptions, Context, Function, GradOptions, MultiFunction, grad_with};
use flambeau_tensor::{BatchNormOptions, Complex, DType, Device, ErrorKind, Result, Tensor, tensor};

fn leaf() -> Tensor {
    tensor!([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).requires_grad_().unwrap()
}

/// The ops whose backward kernels trust the gradient's shape.
fn consumers() -> Vec<(&'static str, fn(&Tensor) -> Result<Tensor>)> {
    vec![
        ("relu", Tensor::relu),
        ("tanh", Tensor::tanh),
        ("sigmoid", Tensor::sigmoid),
        ("gelu", |x| x.gelu()),
        ("silu", Tensor::silu),
        ("softmax", |x| x.softmax(1)),
        ("layer_norm", |x| x.layer_norm([3], None, None, 1e-5)),
        ("batch_norm", |x| x.batch_norm(BatchNormOptions::new().training(true))),
        ("sort", |x| Ok(x.sort(1, true)?.values)),
        ("cat", |x| flambeau_tensor::cat(&[x, x], 0)),
        ("index", |x| x.index_select(1, &tensor!([0, 2]))),
        ("embedding", |x| x.embedding(&tensor!([0, 1]), None)),
        ("clone", Tensor::copy),
    ]
}

fn other_values(like: &Tensor) -> Vec<(ErrorKind, &'static str, Tensor)> {
    vec![
        (ErrorKind::Shape, "size", Tensor::zeros([1]).build().unwrap()),
        (ErrorKind::Shape, "size", Tensor::zeros([64, 64]).build().unwrap()),
        (ErrorKind::Shape, "size", Tensor::zeros(()).build().unwrap()),
        (ErrorKind::DType, "type", like.detach().to_dtype(DType::F64).unwrap()),
        (ErrorKind::DType, "type", like.detach().to_dtype(DType::I64).unwrap()),
        (ErrorKind::Device, "device", Tensor::zeros(like.shape()).device(Device::Meta).build().unwrap()),
    ]
}

#[test]
fn a_hook_keeps_size_type_and_device() -> Result<()> {
    for (name, f) in consumers() {
        let shape = f(&leaf())?;
        for (kind, what, wrong) in other_values(&shape) {
            let y = f(&leaf())?;
            y.register_hook(move |_| Ok(Some(wrong.clone())))?;
            let e = y.sum(..)?.backward().unwrap_err();
            assert_eq!(e.kind(), kind, "{name}: {e}");
            assert!(e.message().contains(&format!("changed the {what} of the value")), "{name}: {e}");
            assert!(e.to_string().contains("user_code.rs"), "the user's line: {e}");
        }
    }
    Ok(())
}

#[test]
fn a_hook_of_a_leaf_does_so_too() -> Result<()> {
    for (kind, what, wrong) in other_values(&leaf()) {
        let x = leaf();
        x.register_hook(move |_| Ok(Some(wrong.clone())))?;
        let e = x.mul(2.0)?.sum(..)?.backward().unwrap_err();
        assert_eq!(e.kind(), kind, "{e}");
        assert!(e.message().contains(&format!("changed the {what} of the value")), "{e}");
        assert!(x.grad().is_none());
    }
    Ok(())
}

#[test]
fn a_gradient_is_assigned_to_what_it_fits() -> Result<()> {
    let x = leaf();
    for (kind, _, wrong) in other_values(&x) {
        assert_eq!(x.set_grad(Some(wrong)).unwrap_err().kind(), kind);
    }
    assert_eq!(x.set_grad(Some(x.clone())).unwrap_err().kind(), ErrorKind::Argument);
    x.set_grad(Some(x.detach().ones_like()?))?;
    x.sum(..)?.backward()?;
    assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [2.0; 6]);
    x.set_grad(None)?;
    assert!(x.grad().is_none());
    Ok(())
}

#[test]
fn gradients_to_start_from_fit_the_outputs() -> Result<()> {
    let start = |g: Tensor| {
        let y = leaf().relu().unwrap();
        let by_backward = y.backward_with(BackwardOptions {
            gradient: Some(g.clone()),
            retain_graph: Some(true),
            ..Default::default()
        });
        let x = leaf();
        let options = GradOptions { grad_outputs: vec![Some(g)], ..Default::default() };
        let by_grad = grad_with(&[&x.relu().unwrap()], &[&x], options);
        (by_backward, by_grad)
    };
    for (kind, _, wrong) in other_values(&leaf()).into_iter().filter(|w| w.0 != ErrorKind::DType) {
        let (one, two) = start(wrong);
        assert_eq!((one.unwrap_err().kind(), two.unwrap_err().kind()), (kind, kind));
    }
    let complex = Tensor::zeros([2, 3]).dtype(DType::Complex64).build()?;
    let (one, two) = start(complex);
    assert_eq!((one.unwrap_err().kind(), two.unwrap_err().kind()), (ErrorKind::DType, ErrorKind::DType));
    // As in PyTorch, a real one of another precision is cast.
    let (one, two) = start(Tensor::ones([2, 3]).dtype(DType::F64).build()?);
    one?;
    assert_eq!(two?[0].as_ref().map(Tensor::dtype), Some(DType::F32));
    let x = leaf();
    let options = GradOptions { grad_outputs: vec![None, None], ..Default::default() };
    assert_eq!(grad_with(&[&x.sum(..)?], &[&x], options).unwrap_err().kind(), ErrorKind::Argument);
    Ok(())
}

/// Passes its input on, and returns a gradient of one's choice.
struct Returns(Tensor);

impl Function for Returns {
    fn forward(&self, _: &mut Context, x: &Tensor) -> Result<Tensor> {
        x.copy()
    }
    fn backward(&self, _: &Context, _: &Tensor) -> Result<Tensor> {
        Ok(self.0.clone())
    }
}

#[test]
fn the_gradient_of_a_custom_function_is_brought_to_its_input() -> Result<()> {
    let of = |g: Tensor| -> Result<Tensor> {
        let x = leaf();
        Returns(g).apply(&x.relu()?)?.sum(..)?.backward()?;
        Ok(x.grad().unwrap())
    };
    // As PyTorch has it: summed where the input broadcasts to it, cast where it is of another real dtype.
    let larger = Tensor::ones([5, 2, 3]).build()?;
    assert_eq!(of(larger)?.to_vec::<f32>()?, [5.0; 6]);
    assert_eq!(of(Tensor::full([2, 3], 2.5).dtype(DType::F64).build()?)?.to_vec::<f32>()?, [2.5; 6]);
    assert_eq!(of(Tensor::full([2, 3], 2).dtype(DType::I64).build()?)?.to_vec::<f32>()?, [2.0; 6]);
    for (kind, wrong) in [
        (ErrorKind::Shape, Tensor::zeros([3]).build()?),
        (ErrorKind::Shape, Tensor::zeros(()).build()?),
        (ErrorKind::Shape, Tensor::zeros([2, 4]).build()?),
        (ErrorKind::DType, Tensor::from_vec(vec![Complex::new(1f32, 0.0); 6], [2, 3])?),
        (ErrorKind::Device, Tensor::zeros([2, 3]).device(Device::Meta).build()?),
    ] {
        let e = of(wrong).unwrap_err();
        assert_eq!(e.kind(), kind, "{e}");
        assert!(e.message().contains("`Returns`") && e.message().contains("invalid gradient at index 0"), "{e}");
    }
    Ok(())
}

/// a·b, whose backward forgets or adds gradients.
struct Product(usize);

impl MultiFunction for Product {
    fn forward(&self, ctx: &mut Context, x: &[&Tensor]) -> Result<Vec<Tensor>> {
        x.iter().for_each(|x| ctx.save(x));
        Ok(vec![x[0].mul(x[1])?])
    }
    fn backward(&self, ctx: &Context, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let g = grads[0].as_ref().expect("the only output");
        let mut all = vec![Some(g.mul(ctx.saved(1)?)?), Some(g.mul(ctx.saved(0)?)?)];
        all.resize(self.0, None);
        Ok(all)
    }
}

#[test]
fn a_function_of_several_inputs_sums_to_each() -> Result<()> {
    let (x, y) = (leaf(), tensor!([2.0, 3.0, 4.0]).requires_grad_()?);
    Product(2).apply(&[&x, &y])?[0].sum(..)?.backward()?;
    assert_eq!(y.grad().unwrap().to_vec::<f32>()?, [5.0, 7.0, 9.0]);
    for count in [1, 3] {
        let e = Product(count).apply(&[&x, &y])?[0].sum(..)?.backward().unwrap_err();
        assert!(e.message().contains(&format!("returned {count} gradients for 2 inputs")), "{e}");
    }
    Ok(())
}

/// Errors of the checks point at the line that asked for them.
#[test]
fn gradcheck_points_at_the_line_that_called_it() {
    let wrong = |x: &[Tensor]| Ok(vec![Returns(x[0].detach()).apply(&x[0])?]);
    let x = tensor!([1.0, 2.0]; DType::F64);
    for e in [
        flambeau_autograd::gradcheck(wrong, &[x.clone()]).unwrap_err(),
        flambeau_autograd::gradgradcheck(|x| Ok(vec![Skewed.apply(&x[0])?]), &[x.clone()]).unwrap_err(),
        flambeau_autograd::gradcheck(|x| Ok(x.to_vec()), &[x.to_dtype(DType::F32).unwrap()]).unwrap_err(),
    ] {
        assert!(e.location().is_some_and(|at| at.file().ends_with("user_code.rs")), "{e}");
    }
}

/// Its gradient is right, and that one's is not.
struct Skewed;

impl Function for Skewed {
    fn forward(&self, ctx: &mut Context, x: &Tensor) -> Result<Tensor> {
        ctx.save(x);
        x.square()
    }
    fn backward(&self, ctx: &Context, grad: &Tensor) -> Result<Tensor> {
        grad.mul(ctx.saved(0)?.detach().mul(2)?)
    }
}
