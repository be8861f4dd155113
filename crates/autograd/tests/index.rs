//! Gradients of first and second order of picking, placing, joining, padding and bounding, against finite
//! differences; and a few against PyTorch where differences do not exist.

use flambeau_autograd::{Autograd, GradOptions, grad_with, gradcheck, gradgradcheck};
use flambeau_tensor::{
    DType, Ellipsis, ErrorKind, Every, Generator, PadMode, Reduce, Result, Tensor, cat, stack, tensor,
};

fn randn(shape: &[usize], seed: u64) -> Tensor {
    Tensor::randn(shape).dtype(DType::F64).generator(&Generator::with_seed(seed)).build().unwrap()
}

/// Both orders, for a function of the inputs.
fn check(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) {
    gradcheck(|x| Ok(vec![f(x)?]), inputs).unwrap();
    gradgradcheck(|x| Ok(vec![f(x)?]), inputs).unwrap();
}

#[test]
fn reading_by_number() {
    let (x, i, j) = (randn(&[3, 4, 2], 1), tensor!([[0, 2], [2, -1]]), tensor!([3, 0]));
    check(|x| x[0].index_select(1, &tensor!([3, 3, 0])), std::slice::from_ref(&x));
    check(|x| x[0].index(&[Some(&i), Some(&j)]), std::slice::from_ref(&x));
    check(|x| x[0].i((&i, .., [0, 1])), std::slice::from_ref(&x));
    check(|x| x[0].i((Ellipsis, (..).every(2), 1)), std::slice::from_ref(&x));
    check(|x| x[0].i(x[0].detach().gt(0.0)?), std::slice::from_ref(&x));
    check(|x| x[0].take(&tensor!([0, 23, -1])), std::slice::from_ref(&x));
    check(|x| x[0].gather(1, &tensor!([[[0, 3], [1, 1]], [[2, 2], [0, 0]]])), std::slice::from_ref(&x));
    check(|x| x[0].take_along_dim(&tensor!([[[0], [3]]]), Some(1)), &[x]);
    let (weight, words) = (randn(&[5, 3], 2), tensor!([[0, 4], [4, 1]]));
    check(|w| w[0].embedding(&words, None), std::slice::from_ref(&weight));
    let w = weight.copy().and_then(|w| w.requires_grad_()).unwrap();
    w.embedding(&words, Some(-1)).and_then(|e| e.sum(..)).and_then(|s| s.backward()).unwrap();
    let of_rows = w.grad().unwrap().to_vec::<f64>().unwrap();
    assert_eq!(of_rows, [1., 1., 1., 1., 1., 1., 0., 0., 0., 0., 0., 0., 0., 0., 0.]);
}

#[test]
fn writing_by_number() {
    let (x, v) = (randn(&[3, 4], 3), randn(&[2, 4], 4));
    let rows = tensor!([2, 0]);
    check(|x| x[0].index_add(0, &tensor!([1, 1]), &x[1], -2.0), &[x.clone(), v.clone()]);
    check(|x| x[0].index_copy(0, &rows, &x[1]), &[x.clone(), v.clone()]);
    check(|x| x[0].index_fill(1, &rows, &x[1]), &[x.clone(), randn(&[], 5)]);
    check(|x| x[0].index_put(&[Some(&rows), Some(&tensor!([1, -1]))], &x[1], true), &[x.clone(), randn(&[2], 6)]);
    check(|x| x[0].index_put(&[Some(&rows)], &x[1], false), &[x.clone(), v.clone()]);
    let mask = tensor!([[true, false, true, true], [false, false, true, false], [true, true, false, false]]);
    check(|x| x[0].masked_scatter(&mask, &x[1]), &[x.clone(), v.clone()]);
    check(|x| x[0].put(&tensor!([0, 0, 11]), &x[1], true), &[x.clone(), randn(&[3], 7)]);
    let in_place = |x: &[Tensor]| {
        let y = x[0].mul(2.0)?;
        y.set((.., 1), &x[1])?.set((rows.clone(), [0, 3]), 5.0)?.set(&mask, 1.5)?;
        y.i((1, ..))?.mul_(3.0)?;
        y.square()
    };
    check(in_place, &[x, randn(&[3], 8)]);
}

#[test]
fn scattering() {
    let (x, v) = (randn(&[3, 4], 9), randn(&[2, 4], 10));
    let index = tensor!([[0, 2, 2, 0], [1, 0, 2, 0]]);
    check(|x| x[0].scatter(0, &index.narrow(0, 0, 1)?, &x[1]), &[x.clone(), v.clone()]);
    check(|x| x[0].scatter(1, &tensor!([[0, 3], [2, 1]]), 1.5), std::slice::from_ref(&x));
    check(|x| x[0].scatter_add(0, &index, &x[1]), &[x.clone(), v.clone()]);
    for reduce in [Reduce::Sum, Reduce::Mean, Reduce::Prod, Reduce::Amax, Reduce::Amin] {
        for own in [true, false] {
            check(|x| x[0].scatter_reduce(0, &index, &x[1], reduce, own), &[x.clone(), v.clone()]);
        }
    }
    check(|x| x[0].index_reduce(0, &tensor!([2, 2]), &x[1], Reduce::Mean, true), &[x, v]);
}

#[test]
fn a_single_zero_factor_gets_the_product_of_the_others() {
    let base = tensor!([2.0, 3.0]; DType::F64).requires_grad_().unwrap();
    let source = tensor!([0.0, 5.0, 0.0, 0.0]; DType::F64).requires_grad_().unwrap();
    let out = base.scatter_reduce(0, &tensor!([0, 0, 1, 1]), &source, Reduce::Prod, true).unwrap();
    out.sum(..).unwrap().backward().unwrap();
    assert_eq!(source.grad().unwrap().to_vec::<f64>().unwrap(), [10., 0., 0., 0.]);
    assert_eq!(base.grad().unwrap().to_vec::<f64>().unwrap(), [0., 0.]);
}

/// As PyTorch: right in the first order, an error rather than a wrong zero in the second.
#[test]
fn a_product_of_several_zeros_has_no_second_derivative() {
    let base = tensor!([2.0]; DType::F64);
    let source = tensor!([0.0, 0.0, 5.0]; DType::F64).requires_grad_().unwrap();
    let out = base.scatter_reduce(0, &tensor!([0, 0, 0]), &source, Reduce::Prod, true).unwrap();
    let options = GradOptions { create_graph: true, ..Default::default() };
    let slope = grad_with(&[&out], &[&source], options).unwrap().remove(0).unwrap();
    assert_eq!(slope.detach().to_vec::<f64>().unwrap(), [0., 0., 0.]);
    let e = slope.sum(..).unwrap().backward().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotDifferentiable, "{e}");
}

#[test]
fn joining_and_turning() {
    let (x, y) = (randn(&[2, 3], 11), randn(&[2, 3], 12));
    check(|x| cat(&[&x[0], &x[1], &x[0]], 1), &[x.clone(), y.clone()]);
    check(|x| stack(x, -1), &[x.clone(), y.clone()]);
    let one = std::slice::from_ref(&x);
    check(|x| x[0].flip([0, 1]), one);
    check(|x| x[0].rot90(1, 0, 1), one);
    check(|x| x[0].roll([1, -1], [0, 1]), one);
    check(|x| x[0].roll(2, ..), one);
    check(|x| x[0].repeat([2, 1, 2]), one);
    check(|x| x[0].repeat_interleave(2, Some(1)), one);
    check(|x| x[0].repeat_interleave_each(&tensor!([2, 0, 1]), Some(1)), one);
    check(|x| x[0].tril(0)?.add(&x[0].triu(1)?.square()?), one);
    check(|x| x[0].diag(1), one);
    check(|x| x[0].diag_embed(-1, 0, 2), one);
    check(|x| x[0].select_scatter(&x[1].select(0, 1)?, 0, 0), &[x.clone(), y.clone()]);
    check(|x| x[0].slice_scatter(&x[1].narrow(1, 0, 2)?, 1, 0, 3, 2), &[x, y]);
}

#[test]
fn padding_and_bounds() {
    let x = randn(&[2, 3, 4], 13);
    let one = std::slice::from_ref(&x);
    check(|x| x[0].pad(&[1, 2, -1, 1], 0.5), one);
    for mode in [PadMode::Reflect, PadMode::Replicate, PadMode::Circular] {
        check(|x| x[0].pad_with(&[2, 1, 0, 2], mode), one);
    }
    check(|x| x[0].clamp(-0.5, 0.5), one);
    check(|x| x[0].clamp(&x[1], ..), &[x.clone(), randn(&[3, 1], 14)]);
    check(|x| x[0].lerp(&x[1], 0.3)?.add(&x[0].lerp(&x[1], 0.7)?), &[x.clone(), randn(&[4], 15)]);
    check(|x| x[0].lerp(&x[1], &x[2]), &[x.clone(), randn(&[4], 15), randn(&[3, 1], 16)]);
    check(|x| x[0].addcmul(&x[1], &x[2], -2.0), &[x.clone(), randn(&[4], 17), randn(&[3, 1], 18)]);
    check(|x| x[0].addcdiv(&x[1], &x[2].exp()?, 0.5), &[x, randn(&[4], 19), randn(&[3, 1], 20)]);
    // PyTorch 2.15: neither on bounds that are numbers nor from NaN does the gradient pass.
    let edge = tensor!([-1.0, 0.0, 0.5, 1.0, 2.0, f32::NAN]).requires_grad_().unwrap();
    let out = edge.clamp(0.0, 1.0).unwrap();
    out.mul(1.0).unwrap().sum(..).unwrap().backward().unwrap();
    assert_eq!(edge.grad().unwrap().to_vec::<f32>().unwrap(), [0., 0., 1., 0., 0., 0.]);
    // Bounds that are tensors share it with an element that is equal to them, unless the bounds meet.
    let leaf = |x: Tensor| x.requires_grad_().unwrap();
    let x = leaf(tensor!([1.0, 0.0, 2.0, 1.0, 0.0, 2.0]));
    let (min, max) = (leaf(tensor!([1.0, 1.0, 1.0, 1.0, 1.0, 1.0])), leaf(tensor!([2.0, 2.0, 2.0, 1.0, 1.0, 1.0])));
    x.clamp(&min, &max).unwrap().sum(..).unwrap().backward().unwrap();
    let grad = |x: &Tensor| x.grad().unwrap().to_vec::<f32>().unwrap();
    assert_eq!(grad(&x), [0.5, 0.0, 0.5, 1.0, 0.0, 0.0]);
    assert_eq!(grad(&min), [0.5, 1.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(grad(&max), [0.0, 0.0, 0.5, 0.0, 0.0, 1.0]);
}
