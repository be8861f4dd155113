//! In-place ops and views: values, histories, and the errors that keep gradients from getting lost.

use flambeau_autograd::Autograd;
use flambeau_tensor::{Result, Tensor, no_grad, tensor};

fn leaf(values: &[f64]) -> Result<Tensor> {
    Tensor::from_slice(values, values.len())?.requires_grad_()
}

fn grad(x: &Tensor) -> Vec<f64> {
    x.grad().unwrap().to_vec().unwrap()
}

#[test]
fn an_in_place_op_is_part_of_the_history() -> Result<()> {
    let x = leaf(&[1.0, 2.0])?;
    let y = x.mul(2.0)?;
    y.mul_(&y)?; // (2x)²
    y.add_(1.0)?;
    y.sum(..)?.backward()?;
    assert_eq!(grad(&x), [8.0, 16.0]);
    Ok(())
}

#[test]
fn an_overwritten_value_names_both_ops() -> Result<()> {
    let x = leaf(&[1.0, 2.0])?;
    let y = x.mul(2.0)?;
    let z = y.mul(&x)?.sum(..)?;
    y.add_(1.0)?;
    let e = z.backward().unwrap_err().to_string();
    assert!(
        e.contains("a value saved by `mul`")
            && e.contains("overwritten by `add_`")
            && e.contains("version 1, saved at version 0"),
        "{e}"
    );
    assert_eq!(e.matches("in_place.rs").count(), 3, "both ops and the call have a line: {e}");
    Ok(())
}

#[test]
fn a_leaf_is_written_under_no_grad_only() -> Result<()> {
    let x = leaf(&[1.0, 2.0])?;
    assert!(x.add_(1.0).unwrap_err().to_string().contains("leaf"));
    assert!(x.select(0, 0)?.add_(1.0).unwrap_err().to_string().contains("view of a leaf"));
    no_grad(|| x.add_(1.0).map(drop))?;
    assert_eq!(x.to_vec::<f64>()?, [2.0, 3.0]);
    assert!(x.is_leaf() && x.requires_grad());
    Ok(())
}

#[test]
fn writing_a_view_reaches_the_base() -> Result<()> {
    let x = leaf(&[1.0, 2.0, 3.0])?;
    let y = x.mul(1.0)?;
    let view = y.narrow(0, 1, 2)?;
    view.mul_(10.0)?;
    assert_eq!(y.to_vec::<f64>()?, [1.0, 20.0, 30.0]);
    y.square()?.sum(..)?.backward()?;
    assert_eq!(grad(&x), [2.0, 400.0, 600.0]);
    Ok(())
}

#[test]
fn writing_the_base_reaches_its_views() -> Result<()> {
    let x = leaf(&[1.0, 2.0, 3.0])?;
    let y = x.mul(1.0)?;
    let (one, other) = (y.narrow(0, 0, 2)?, y.select(0, 2)?);
    y.mul_(&x)?; // x²
    one.mul_(3.0)?;
    other.sum(..)?.add(one.sum(..)?)?.backward()?;
    assert_eq!(grad(&x), [6.0, 12.0, 6.0]);
    Ok(())
}

#[test]
fn a_base_without_history_takes_one_from_its_view() -> Result<()> {
    let x = leaf(&[2.0])?;
    let base = Tensor::zeros([3]).dtype(flambeau_tensor::DType::F64).build()?;
    base.narrow(0, 1, 1)?.copy_(&x.square()?)?;
    assert!(base.requires_grad());
    base.mul(&base)?.sum(..)?.backward()?; // x⁴
    assert_eq!(grad(&x), [32.0]);
    Ok(())
}

#[test]
fn a_view_made_under_no_grad_refuses_what_its_base_would_miss() -> Result<()> {
    let x = leaf(&[2.0])?;
    let base = Tensor::zeros([3]).dtype(flambeau_tensor::DType::F64).build()?;
    let view = no_grad(|| base.narrow(0, 1, 1))?;
    assert!(view.copy_(&x).unwrap_err().to_string().contains("no_grad"));
    Ok(())
}

type Write = fn(&Tensor) -> Result<()>;

/// Every way to write into a tensor of two elements.
fn writes() -> Vec<(&'static str, Write)> {
    vec![
        ("mul_ by a number", |v| v.mul_(2.0).map(drop)),
        ("add_ of a number", |v| v.add_(1.0).map(drop)),
        ("mul_ by a tensor", |v| v.mul_(&tensor!([2.0, 3.0]; flambeau_tensor::DType::F64)).map(drop)),
        ("fill_", |v| v.fill_(0.0).map(drop)),
        ("zero_", |v| v.zero_().map(drop)),
        ("copy_", |v| v.copy_(&tensor!([2.0, 3.0]; flambeau_tensor::DType::F64)).map(drop)),
        ("index_put_", |v| {
            v.index_put_(&[Some(&tensor!([1]))], &tensor!(5.0; flambeau_tensor::DType::F64), false).map(drop)
        }),
        ("masked_fill_", |v| v.masked_fill_(&tensor!([true, false]), 7.0).map(drop)),
        ("clamp_", |v| v.clamp_(.., 0.5).map(drop)),
        ("sin_", |v| v.sin_().map(drop)),
        ("normal_", |v| v.normal_(0.0, 1.0).map(drop)),
        ("data_mut", |v| {
            v.data_mut::<f64>()?[0] = 3.0;
            Ok(())
        }),
    ]
}

/// `y.sum()` would take its gradient from a history that has not heard of the write.
#[test]
fn a_view_made_under_no_grad_is_not_written_outside() -> Result<()> {
    type View = fn(&Tensor) -> Result<Tensor>;
    let views: &[View] = &[
        |y| no_grad(|| y.narrow(0, 0, 2)),
        |y| no_grad(|| y.narrow(0, 1, 3))?.narrow(0, 0, 2),
        |y| no_grad(|| y.narrow(0, 0, 3)?.narrow(0, 1, 2)),
        |y| y.narrow(0, 0, 3).and_then(|v| no_grad(|| v.narrow(0, 0, 2))),
    ];
    for (name, write) in writes() {
        for view in views {
            let x = leaf(&[1.0, 2.0, 3.0, 4.0])?;
            let y = x.mul(1.0)?;
            let v = view(&y)?;
            let (before, e) = (y.detach().to_vec::<f64>()?, write(&v).expect_err(name));
            assert!(e.message().contains("view made under `no_grad`"), "{name}: {e}");
            assert_eq!(y.detach().to_vec::<f64>()?, before, "{name}: nothing is written");
            // Under `no_grad` it is the user's affair, as in PyTorch.
            no_grad(|| write(&v))?;
            y.sum(..)?.backward()?;
            assert_eq!(grad(&x), [1.0; 4]);
        }
        // The base takes a history after the view was made.
        let x = leaf(&[1.0, 2.0])?;
        let y = Tensor::ones([2]).dtype(flambeau_tensor::DType::F64).build()?;
        let v = no_grad(|| y.narrow(0, 0, 2))?;
        y.mul_(&x)?;
        assert!(write(&v).is_err(), "{name}");
    }
    Ok(())
}

/// As PyTorch has them: nobody is misled where the base is a leaf, or the tensor was detached.
#[test]
fn what_has_no_history_to_mislead_is_written() -> Result<()> {
    for (name, write) in writes() {
        let x = leaf(&[1.0, 2.0])?;
        write(&no_grad(|| x.narrow(0, 0, 2))?).unwrap_or_else(|e| panic!("{name}: {e}"));
        let y = leaf(&[1.0, 2.0])?.mul(1.0)?;
        write(&y.detach()).unwrap_or_else(|e| panic!("{name}: {e}"));
        write(&y.detach().narrow(0, 0, 2)?).unwrap_or_else(|e| panic!("{name}: {e}"));
        // What saved the value says so.
        let z = y.sin()?.sum(..)?;
        write(&y.detach())?;
        assert!(z.backward().unwrap_err().to_string().contains("overwritten"), "{name}");
    }
    Ok(())
}

/// pytorch#36608, #49824: in place on a part of an unbound part.
#[test]
fn a_part_of_an_unbound_part_is_written() -> Result<()> {
    let a = Tensor::ones([2, 3]).dtype(flambeau_tensor::DType::F64).build()?.requires_grad_()?;
    let x = a.mul(1.0)?;
    x.unbind(0)?[0].narrow(0, 0, 2)?.mul_(2.0)?;
    x.sum(..)?.backward()?;
    assert_eq!(grad(&a), [2.0, 2.0, 1.0, 1.0, 1.0, 1.0]);
    Ok(())
}

/// The base takes its gradient through the ops that made the view, however many; they need no stack and no memory.
#[test]
fn a_view_of_a_view_of_a_view_is_written() -> Result<()> {
    for many in [2, 7, 8, 9, 40, 20_000] {
        let x = leaf(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
        let y = x.mul(1.0)?;
        let mut v = y.reshape([2, 3])?.t()?;
        for i in 0..many {
            v = if i % 2 == 0 { v.narrow(0, 0, 3)? } else { v.unsqueeze(0)?.select(0, 0)? };
        }
        v.select(0, 1)?.mul_(10.0)?; // x[1] and x[4]
        v.select(0, 2)?.copy_(&v.select(0, 0)?.copy()?.square()?)?; // x[2] = x[0]², x[5] = x[3]²
        assert_eq!(y.detach().to_vec::<f64>()?, [1.0, 20.0, 1.0, 4.0, 50.0, 16.0]);
        y.square()?.sum(..)?.backward()?;
        // Of x₀² + x₀⁴, (10 x₁)², x₃² + x₃⁴, (10 x₄)².
        assert_eq!(grad(&x), [6.0, 400.0, 0.0, 264.0, 1000.0, 0.0]);
    }
    Ok(())
}

/// A complex tensor is written through its real parts, and pairs through the complex numbers that they are.
#[test]
fn parts_of_complex_numbers_are_written() -> Result<()> {
    let x = leaf(&[1.0, 2.0, 3.0, 4.0])?;
    let z = x.reshape([2, 2])?.mul(1.0)?.view_as_complex()?.mul(1.0)?; // 1 + 2i, 3 + 4i
    let imaginary = z.view_as_real()?.select(1, 1)?;
    imaginary.mul_(&x.narrow(0, 0, 2)?)?; // 1 + 2i, 3 + 8i
    z.view_as_real()?.square()?.sum(..)?.backward()?;
    // Of x₀² + (x₁ x₀)² + x₂² + (x₃ x₁)².
    assert_eq!(grad(&x), [10.0, 68.0, 6.0, 32.0]);

    let x = leaf(&[1.0, 2.0, 3.0, 4.0])?;
    let y = x.reshape([2, 2])?.mul(1.0)?;
    y.view_as_complex()?.select(0, 0)?.mul_(flambeau_tensor::Complex::new(0.0, 2.0))?; // 1 + 2i becomes −4 + 2i
    assert_eq!(y.detach().to_vec::<f64>()?, [-4.0, 2.0, 3.0, 4.0]);
    y.square()?.sum(..)?.backward()?;
    assert_eq!(grad(&x), [8.0, 16.0, 6.0, 8.0]);
    Ok(())
}

/// Longer than what a view remembers op by op, through both changes of dtype: what is written scales by three the
/// elements it reaches, so that is their gradient.
#[test]
fn a_view_at_the_end_of_a_long_way_is_written() -> Result<()> {
    let away_and_back = |x: Tensor| -> Result<Tensor> { x.view_as_complex()?.t()?.t()?.view_as_real() };
    for ends_complex in [false, true] {
        let x = leaf(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])?;
        let y = x.reshape([2, 2, 2])?.mul(1.0)?;
        let mut end = away_and_back(y.clone())?;
        for _ in 0..5 {
            end = away_and_back(end)?;
        }
        let end = end.select(0, 1)?;
        if ends_complex {
            end.view_as_complex()?.mul_(3.0)?
        } else {
            end.mul_(3.0)?
        };
        assert_eq!(y.detach().to_vec::<f64>()?, [1.0, 2.0, 3.0, 4.0, 15.0, 18.0, 21.0, 24.0]);
        y.sum(..)?.backward()?;
        assert_eq!(grad(&x), [1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0]);

        // From a complex base.
        let x = leaf(&[1.0, 2.0, 3.0, 4.0])?;
        let z = x.reshape([2, 2])?.view_as_complex()?.mul(1.0)?;
        let mut end = z.view_as_real()?;
        for _ in 0..5 {
            end = away_and_back(end)?;
        }
        let end = end.select(-1, 1)?;
        end.mul_(3.0)?;
        assert_eq!(z.detach().view_as_real()?.to_vec::<f64>()?, [1.0, 6.0, 3.0, 12.0]);
        z.view_as_real()?.sum(..)?.backward()?;
        assert_eq!(grad(&x), [1.0, 3.0, 1.0, 3.0]);
    }
    Ok(())
}

#[test]
fn a_fill_cuts_the_history() -> Result<()> {
    let x = leaf(&[1.0, 2.0, 3.0])?;
    let y = x.mul(5.0)?;
    y.select(0, 1)?.zero_()?;
    y.sum(..)?.backward()?;
    assert_eq!(grad(&x), [5.0, 0.0, 5.0]);
    Ok(())
}

#[test]
fn overlapping_reads_and_writes_see_the_old_values() -> Result<()> {
    let x = Tensor::arange(0, 6).build()?;
    x.narrow(0, 1, 5)?.add_(&x.narrow(0, 0, 5)?)?;
    assert_eq!(x.to_vec::<i64>()?, [0, 1, 3, 5, 7, 9]);
    let m = Tensor::arange(0, 9).build()?.reshape([3, 3])?;
    m.add_(&m.t()?)?;
    assert_eq!(m.to_vec::<i64>()?, [0, 4, 8, 4, 8, 12, 8, 12, 16]);
    let e = Tensor::zeros([1]).build()?.expand([4])?;
    assert!(e.add_(1.0).unwrap_err().to_string().contains("expanded"));
    Ok(())
}

#[test]
fn a_held_slice_is_an_error_not_a_deadlock() -> Result<()> {
    let x = Tensor::zeros([4]).build()?;
    let held = x.data::<f32>()?;
    assert!(x.add_(1.0).unwrap_err().to_string().contains("holds a slice"));
    assert_eq!(x.add(1.0)?.to_vec::<f32>()?, [1.0; 4]);
    drop(held);
    x.add_(1.0)?;
    Ok(())
}
