//! Elementwise ops give the same whatever memory their operands share, and however it lies.

use flambeau_tensor::{DType, Generator, Tensor};

fn numbers(shape: &[usize]) -> Tensor {
    Tensor::randn(shape).generator(&Generator::with_seed(5)).build().unwrap()
}

/// `write` into a tensor that shares memory with its operand, and the same op into memory of its own.
#[track_caller]
fn check(made: &Tensor, own: &Tensor, op: impl Fn(&Tensor, &Tensor) -> Tensor, write: impl Fn(&Tensor, &Tensor)) {
    let (made, own) = (made.copy().unwrap(), own.clone());
    let want = op(&made, &own).to_vec::<f32>().unwrap();
    write(&made, &own);
    assert_eq!(made.to_vec::<f32>().unwrap(), want);
}

#[test]
fn in_place_on_memory_of_its_own() {
    for n in [1, 17, 5_000, 100_003] {
        let (x, y) = (numbers(&[n]), numbers(&[n]).neg().unwrap());
        check(
            &x,
            &y,
            |x, y| x.add(y).unwrap(),
            |x, y| {
                x.add_(y).unwrap();
            },
        );
        check(
            &x,
            &y,
            |x, _| x.mul(3.0).unwrap(),
            |x, _| {
                x.mul_(3.0).unwrap();
            },
        );
        check(
            &x,
            &y,
            |x, _| x.exp().unwrap(),
            |x, _| {
                x.exp_().unwrap();
            },
        );
        // The other operand has another dtype, or one element.
        let whole = y.mul(8.0).unwrap().to_dtype(DType::I32).unwrap();
        check(
            &x,
            &whole,
            |x, y| x.sub(y).unwrap(),
            |x, y| {
                x.sub_(y).unwrap();
            },
        );
        check(
            &x,
            &numbers(&[1]),
            |x, y| x.mul(y).unwrap(),
            |x, y| {
                x.mul_(y).unwrap();
            },
        );
    }
}

#[test]
fn the_target_is_every_operand() {
    for n in [1, 17, 5_000, 100_003] {
        let x = numbers(&[n]);
        let want = x.mul(&x).unwrap().to_vec::<f32>().unwrap();
        x.mul_(&x).unwrap();
        assert_eq!(x.to_vec::<f32>().unwrap(), want, "{n}");
        let (seen, want) = (x.view([n]).unwrap(), x.add(&x).unwrap().to_vec::<f32>().unwrap());
        x.add_(&seen).unwrap();
        assert_eq!(x.to_vec::<f32>().unwrap(), want, "{n}, through a view");
    }
}

#[test]
fn operands_overlap_the_target() {
    for n in [3, 17, 5_000, 100_003] {
        for (from, to) in [(0, 1), (1, 0), (0, 2)] {
            let x = numbers(&[n + 2]);
            let (target, other) = (x.narrow(0, to, n).unwrap(), x.narrow(0, from, n).unwrap());
            let want = target.add(&other).unwrap().to_vec::<f32>().unwrap();
            target.add_(&other).unwrap();
            assert_eq!(target.to_vec::<f32>().unwrap(), want, "{n} elements from {from} to {to}");
        }
    }
    for n in [2, 7, 100, 333] {
        let x = numbers(&[n, n]);
        let want = x.add(&x.t().unwrap()).unwrap().to_vec::<f32>().unwrap();
        x.add_(&x.t().unwrap()).unwrap();
        assert_eq!(x.to_vec::<f32>().unwrap(), want, "{n}, turned");
    }
}
