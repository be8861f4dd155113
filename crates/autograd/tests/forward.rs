//! Forward mode: its errors, its nesting, and what an op alone does not show (views, writes, custom functions). That
//! every op's tangents are right is shown by `every_op.rs`.

mod common;

use common::{check_forward, close, sample, seeded, values};
use flambeau_autograd::func::{jvp, jvp_all};
use flambeau_autograd::{Autograd, Context, Function, MultiFunction, grad};
use flambeau_tensor::{DType, ErrorKind, Result, Tensor, no_grad, tensor};

fn x() -> Tensor {
    tensor!([0.5, -1.0, 2.0]; DType::F64)
}

fn t() -> Tensor {
    tensor!([1.0, 0.5, -2.0]; DType::F64)
}

/// Tangents and gradients in another order of memory than the values, under a view that needs rows.
#[test]
fn views_of_tangents_that_lie_otherwise() -> Result<()> {
    let x = Tensor::linspace(-1.0, 1.0, 12).dtype(DType::F64).build()?.reshape([3, 4])?;
    let turned = Tensor::linspace(0.0, 3.0, 12).dtype(DType::F64).build()?.reshape([4, 3])?.t()?;
    let f = |x: &Tensor| x.square()?.view([-1])?.sin();
    let (_, tangent) = jvp(f, &x, &turned)?;
    let (_, right) = jvp(f, &x, &turned.contiguous()?)?;
    assert!(tangent.equal(&right)?);
    let leaf = x.detach().requires_grad_()?;
    let flat = leaf.square()?;
    flat.view([-1])?.sin()?.sum(..)?.add(&flat.mul(&turned)?.sum(..)?)?.backward()?;
    let right = leaf.detach().mul(2.0)?.mul(&flat.detach().cos()?.add(&turned)?)?;
    assert!(leaf.grad().expect("a gradient").allclose(&right)?);
    Ok(())
}

#[test]
fn value_and_tangent() -> Result<()> {
    let (y, dy) = jvp(|x| x.mul(x)?.mul(x), &x(), &t())?;
    assert_eq!(values(&y), [0.125, -1.0, 8.0]);
    assert_eq!(values(&dy), [0.75, 1.5, -24.0]);
    // What does not depend on the input stands still; so does what was captured.
    let (_, dy) = jvp(|_| Tensor::ones([2]).build(), &x(), &t())?;
    assert_eq!((values(&dy), dy.dtype()), (vec![0.0, 0.0], DType::F32));
    let outside = x();
    let (_, dy) = jvp(|x| x.mul(&outside), &outside, &t())?;
    assert_eq!(values(&dy), [0.5, -0.5, -4.0]);
    let (_, dy) = jvp(|x| x.detach().mul(x), &x(), &t())?;
    assert_eq!(values(&dy), [0.5, -0.5, -4.0]);
    // Nothing stays behind.
    assert!(!outside.requires_grad());
    assert_eq!(values(&outside.mul(2.0)?), [1.0, -2.0, 4.0]);
    Ok(())
}

#[test]
fn several_inputs_and_outputs() -> Result<()> {
    let (a, b) = (x(), tensor!([3.0, 4.0, 5.0]; DType::F64));
    let f = |x: &[Tensor]| Ok(vec![x[0].mul(&x[1])?, x[1].sum(..)?]);
    let (_, tangents) = jvp_all(f, &[&a, &b], &[&t(), &t()])?;
    assert_eq!(values(&tangents[0]), [3.5, 1.5, -14.0]);
    assert_eq!(values(&tangents[1]), [-0.5]);
    let (_, tangents) = jvp_all(|x| Ok(x.to_vec()), &[&a], &[&t()])?;
    assert_eq!(values(&tangents[0]), values(&t()));
    Ok(())
}

#[test]
fn a_tangent_fits_its_input() {
    let kind = |x: &Tensor, t: &Tensor| jvp(|x| x.exp(), x, t).unwrap_err();
    assert_eq!(kind(&x(), &tensor!([1.0]; DType::F64)).kind(), ErrorKind::Shape);
    assert_eq!(kind(&x(), &t().to_dtype(DType::F32).unwrap()).kind(), ErrorKind::DType);
    assert_eq!(kind(&tensor!([1, 2]), &tensor!([1, 2])).kind(), ErrorKind::DType);
    let meta = Tensor::zeros([3]).dtype(DType::F64).device(flambeau_tensor::Device::Meta).build().unwrap();
    assert_eq!(kind(&x(), &meta).kind(), ErrorKind::Device);
    let e = jvp_all(|x| Ok(x.to_vec()), &[&x()], &[]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Argument);
    assert!(e.location().is_some_and(|at| at.file().ends_with("forward.rs")), "{e}");
}

/// A view's tangent is its base's, seen through it; what is written to either moves both.
#[test]
fn views_and_writes() {
    let m = sample(&[3, 4], -1.5, 1.5);
    let v = seeded(13, &[4], -1.5, 1.5);
    type F = fn(&[Tensor]) -> Result<Tensor>;
    let cases: &[(&str, F)] = &[
        ("a row is written", |x| {
            let y = x[0].mul(2.0)?;
            y.select(0, 1)?.copy_(&x[1])?;
            y.mul(&y)
        }),
        ("a column of a transposed view is multiplied", |x| {
            let y = x[0].sin()?;
            let view = y.t()?.narrow(0, 1, 2)?;
            view.mul_(&x[1].narrow(0, 0, 3)?)?;
            y.mul(&view.sum(..)?)
        }),
        ("a base without a tangent takes one", |x| {
            let y = Tensor::zeros([2, 4]).dtype(DType::F64).build()?;
            let other = y.select(0, 1)?;
            y.select(0, 0)?.copy_(&x[1])?;
            y.add_(&x[0].narrow(0, 0, 2)?)?;
            other.mul(&y)
        }),
        ("the base is written after its views", |x| {
            let y = x[0].mul(1.0)?;
            let (row, column) = (y.select(0, 1)?, y.select(1, 2)?);
            y.mul_(&x[1])?;
            row.mul_(&row)?;
            row.sum(..)?.mul(&column)
        }),
        ("parts are cleared", |x| {
            let y = x[0].mul(&x[0])?;
            y.select(1, 0)?.zero_()?;
            y.select(0, 0)?.fill_(3.0)?;
            y.masked_fill_(&y.detach().gt(1.0)?, 0.5)?;
            y.mul(&y)
        }),
        ("elements are put", |x| {
            let y = x[0].mul(&x[0])?;
            y.index_put_(&[Some(&tensor!([0, 2]))], &x[1], false)?;
            y.index_put_(&[Some(&tensor!([1, 1]))], &x[1].exp()?, true)?;
            y.mul(&y)
        }),
        ("real parts of a complex tensor", |x| {
            let z = x[0].to_dtype(DType::Complex128)?.mul(&x[1])?;
            let parts = z.view_as_real()?;
            parts.select(-1, 1)?.copy_(&x[0])?;
            z.mul(&z)?.view_as_real()
        }),
        ("pairs as complex numbers", |x| {
            let y = x[0].mul(1.0)?.contiguous()?.reshape([3, 2, 2])?;
            let z = y.view_as_complex()?;
            z.select(0, 0)?.mul_(&z.select(0, 1)?.copy()?)?;
            y.mul(&y)
        }),
        ("windows that overlap", |x| x[1].unfold(0, 2, 1)?.mul(&x[1].narrow(0, 0, 3)?.unsqueeze(-1)?)),
        ("a view of a part that was detached", |x| {
            let y = x[0].mul(1.0)?;
            let apart = y.select(0, 1)?.detach();
            y.mul(&apart)
        }),
    ];
    for (name, f) in cases {
        check_forward(name, f, &[m.clone(), v.clone()]);
        check_forward(name, f, &[m.t().unwrap().contiguous().unwrap().t().unwrap(), v.clone()]);
    }
}

#[test]
fn in_place_ops() {
    type F = fn(&Tensor, &Tensor) -> Result<()>;
    let cases: &[(&str, F)] = &[
        ("add_", |y, v| y.add_(v).map(drop)),
        ("sub_", |y, v| y.sub_(v).map(drop)),
        ("mul_", |y, v| y.mul_(v).map(drop)),
        ("div_", |y, v| y.div_(v).map(drop)),
        ("mul_ by itself", |y, _| y.mul_(y).map(drop)),
        ("add_ of its transpose", |y, _| y.add_(&y.t()?).map(drop)),
        ("exp_", |y, _| y.exp_().map(drop)),
        ("sin_", |y, _| y.sin_().map(drop)),
        ("tanh_", |y, _| y.tanh_().map(drop)),
        ("sigmoid_", |y, _| y.sigmoid_().map(drop)),
        ("relu_", |y, _| y.relu_().map(drop)),
        ("clamp_", |y, _| y.clamp_(-0.6, 0.7).map(drop)),
        ("silu_", |y, _| y.silu_().map(drop)),
        ("copy_", |y, v| y.copy_(v).map(drop)),
        ("scatter_", |y, v| y.scatter_(0, &tensor!([[0, 2, 2], [1, 0, 2]]), v).map(drop)),
        ("under no_grad", |y, v| no_grad(|| y.mul_(v).map(drop))),
    ];
    let (x, v) = (sample(&[3, 3], -1.5, 1.5), seeded(13, &[3, 3], 0.4, 1.5));
    for (name, write) in cases {
        // Under `no_grad` reverse mode is blind; forward mode is not.
        if *name == "under no_grad" {
            let (t, s) = (seeded(3, &[3, 3], -1.0, 1.0), seeded(4, &[3, 3], -1.0, 1.0));
            let f = |x: &[Tensor]| {
                let y = x[0].mul(1.0)?;
                write(&y, &x[1])?;
                Ok(vec![y])
            };
            let (_, tangents) = jvp_all(f, &[&x, &v], &[&t, &s]).unwrap();
            let expected = t.mul(&v).unwrap().add(&x.mul(&s).unwrap()).unwrap();
            close(name, &values(&tangents[0]), &values(&expected), 1e-12);
            continue;
        }
        let whole = |x: &[Tensor]| {
            let y = x[0].mul(1.0)?;
            write(&y, &x[1])?;
            y.mul(&y)
        };
        check_forward(name, whole, &[x.clone(), v.clone()]);
        let part = |x: &[Tensor]| {
            let y = flambeau_tensor::cat(&[&x[0], &x[1]], 1)?;
            let view = y.t()?.slice(0, 0, 6, 2)?;
            write(&view, &x[1])?;
            y.mul(&y)
        };
        check_forward(&format!("{name} of a view"), part, &[x.clone(), v.clone()]);
    }
}

/// Rounds, with the derivative of 2x.
struct Rounded;

impl Function for Rounded {
    fn forward(&self, _: &mut Context, x: &Tensor) -> Result<Tensor> {
        x.round()
    }
    fn backward(&self, _: &Context, grad: &Tensor) -> Result<Tensor> {
        grad.mul(2.0)
    }
}

/// a·b and eᵃ, from saved inputs and outputs.
struct Both;

impl MultiFunction for Both {
    fn forward(&self, ctx: &mut Context, x: &[&Tensor]) -> Result<Vec<Tensor>> {
        let power = x[0].exp()?;
        x.iter().for_each(|x| ctx.save(x));
        ctx.save(&power);
        Ok(vec![x[0].mul(x[1])?, power])
    }
    fn backward(&self, ctx: &Context, grads: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let zero = ctx.saved(0)?.detach().zeros_like()?;
        let g = |i: usize| grads[i].clone().unwrap_or_else(|| zero.clone());
        let a = g(0).mul(ctx.saved(1)?)?.add(g(1).mul(ctx.saved(2)?)?)?;
        Ok(vec![Some(a), Some(g(0).mul(ctx.saved(0)?)?)])
    }
}

#[test]
fn a_custom_function_has_the_derivative_it_says() -> Result<()> {
    let (y, dy) = jvp(|x| Rounded.apply(x), &x(), &t())?;
    assert_eq!((values(&y), values(&dy)), (vec![0.0, -1.0, 2.0], vec![2.0, 1.0, -4.0]));
    check_forward(
        "two outputs",
        |x| {
            let out = Both.apply(&[&x[0], &x[1]])?;
            out[0].mul(&out[1])
        },
        &[x(), tensor!([3.0, 4.0, 5.0]; DType::F64)],
    );
    Ok(())
}

#[test]
fn levels_do_not_mix() -> Result<()> {
    // d/dx (x · d/dy (x + y)) = 1, not 2: the inner pass differentiates by y alone.
    let one = Tensor::ones(()).dtype(DType::F64).build()?;
    let outer = |x: &Tensor| {
        let (_, inner) = jvp(|y| x.add(y), &one, &one)?;
        x.mul(&inner)
    };
    assert_eq!(values(&jvp(outer, &one, &one)?.1), [1.0]);
    // The third derivative of x⁴ at 2.
    let two = Tensor::full((), 2.0).dtype(DType::F64).build()?;
    let d1 = |x: &Tensor| Ok(jvp(|x| x.square()?.square(), x, &one)?.1);
    let d2 = |x: &Tensor| Ok(jvp(d1, x, &one)?.1);
    assert_eq!(values(&jvp(d2, &two, &one)?.1), [48.0]);
    Ok(())
}

#[test]
fn the_product_of_a_hessian_with_a_vector() -> Result<()> {
    // Of Σ x³: 6 x t.
    let gradient = |x: &Tensor| {
        let x = x.requires_grad_()?;
        Ok(grad(&[&x.mul(&x)?.mul(&x)?.sum(..)?], &[&x])?.remove(0))
    };
    let (g, hvp) = jvp(gradient, &x(), &t())?;
    assert_eq!(values(&g), [0.75, 3.0, 12.0]);
    assert_eq!(values(&hvp), [3.0, -3.0, -24.0]);
    Ok(())
}

#[test]
fn an_error_or_a_panic_ends_the_pass() -> Result<()> {
    let e = jvp(|x| x.matmul(&tensor!([1.0]; DType::F64)), &x(), &t()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Shape);
    let panicked =
        std::panic::catch_unwind(|| jvp(|_: &Tensor| -> Result<Tensor> { panic!("the user's") }, &x(), &t()));
    assert!(panicked.is_err());
    assert_eq!(values(&jvp(|x| x.mul(x), &x(), &t())?.1), [1.0, -1.0, -8.0]);
    Ok(())
}

/// A tangent whose history leads to the tensor it belongs to is a circle: the end of the pass cuts it.
#[test]
fn nothing_stays_alive() -> Result<()> {
    let token = std::sync::Arc::new(());
    {
        let x = x().requires_grad_()?;
        let held = token.clone();
        let f = |x: &Tensor| {
            let y = x.exp()?;
            y.register_hook(move |_| {
                let _held = &held;
                Ok(None)
            })?;
            let z = y.mul(&y)?;
            z.select(0, 1)?.mul_(&x.select(0, 0)?)?;
            Ok(z)
        };
        let (y, dy) = jvp(f, &x, &t())?;
        assert!(y.requires_grad() && dy.requires_grad());
        assert_eq!(std::sync::Arc::strong_count(&token), 2);
    }
    assert_eq!(std::sync::Arc::strong_count(&token), 1);
    Ok(())
}

#[test]
fn an_update_has_no_derivative() -> Result<()> {
    use flambeau_tensor::{SgdStep, StepScalars, dispatch_update};
    let step = |x: &Tensor| {
        let (p, grad) = (x.mul(1.0)?, Tensor::ones([3]).dtype(DType::F64).build()?);
        let op = SgdStep {
            lr: 0.1,
            momentum: 0.0,
            dampening: 0.0,
            weight_decay: 0.0,
            nesterov: false,
            maximize: false,
            first: false,
            scalars: StepScalars::default(),
        };
        no_grad(|| dispatch_update("step", op, &[&grad], &[&p]))?;
        Ok(p)
    };
    assert_eq!(jvp(step, &x(), &t()).unwrap_err().kind(), ErrorKind::NotDifferentiable);
    Ok(())
}
