//! Against what PyTorch gives for the same index.

use super::*;
use crate::tensor;

fn count(shape: &[usize]) -> Tensor {
    Tensor::arange(0, shape.iter().product::<usize>()).build().and_then(|x| x.reshape(shape)).unwrap()
}

/// Shape and elements of `x[index]`.
fn got(x: &Tensor, index: impl IntoIndex) -> (Vec<usize>, Vec<i64>) {
    let out = x.i(index).unwrap();
    (out.shape().to_vec(), out.to_vec().unwrap())
}

#[test]
fn integers_and_ranges_are_views() {
    let x = count(&[3, 4]);
    assert_eq!(got(&x, 1), (vec![4], vec![4, 5, 6, 7]));
    assert_eq!(got(&x, (.., 0)), (vec![3], vec![0, 4, 8]));
    assert_eq!(got(&x, (-1, -2)), (vec![], vec![10]));
    assert_eq!(got(&x, (1.., ..2)), (vec![2, 2], vec![4, 5, 8, 9]));
    assert_eq!(got(&x, (..=1, 2..=-1)), (vec![2, 2], vec![2, 3, 6, 7]));
    assert_eq!(got(&x, ((..).every(2), (1..9).every(2))), (vec![2, 2], vec![1, 3, 9, 11]));
    assert_eq!(got(&x, (-2..-1, NewAxis)).0, [1, 1, 4]);
    assert_eq!(got(&x, (Ellipsis, 1)), (vec![3], vec![1, 5, 9]));
    assert_eq!(got(&x, (2..1, ..)).0, [0, 4]);
    assert!(x.i((.., 0)).unwrap().storage().is(x.storage()));
    assert_eq!(got(&x, tensor!(2)), (vec![4], vec![8, 9, 10, 11]));
}

#[test]
fn index_tensors_stand_in_place_or_first() {
    let x = count(&[2, 3, 4]);
    assert_eq!(
        got(&x, (.., [2, 0])),
        (vec![2, 2, 4], [8, 9, 10, 11, 0, 1, 2, 3, 20, 21, 22, 23, 12, 13, 14, 15].into())
    );
    assert_eq!(got(&x, ([0, 1], [0, 2])).1, [0, 1, 2, 3, 20, 21, 22, 23]);
    assert_eq!(got(&x, (.., [0, 2], [1, -1])), (vec![2, 2], vec![1, 11, 13, 23]));
    // Apart, they go first; an integer leaves no dimension between them.
    assert_eq!(got(&x, ([0, 1], .., [0, 3])), (vec![2, 3], vec![0, 4, 8, 15, 19, 23]));
    assert_eq!(got(&x, ([0, 1], 1, [0, 3])), (vec![2], vec![4, 19]));
    let grid = tensor!([[0], [1]]);
    assert_eq!(got(&x, (&grid, 0, [1, 2])), (vec![2, 2], vec![1, 2, 13, 14]));
    assert_eq!(x.i((NewAxis, [0, 0, 1], NewAxis)).unwrap().shape(), [1, 3, 1, 3, 4]);
    assert_eq!(x.i(Vec::<i64>::new()).unwrap().shape(), [0, 3, 4]);
}

#[test]
fn masks_pick_what_is_true() {
    let x = count(&[2, 3, 2]);
    assert_eq!(got(&x, x.gt(8).unwrap()), (vec![3], vec![9, 10, 11]));
    let mask = tensor!([[true, false, true], [false, false, true]]);
    assert_eq!(got(&x, &mask), (vec![3, 2], vec![0, 1, 4, 5, 10, 11]));
    assert_eq!(got(&x, (&mask, 1)), (vec![3], vec![1, 5, 11]));
    assert_eq!(got(&x, (&mask, [1, 0, 1])), (vec![3], vec![1, 4, 11]));
    assert_eq!(got(&x, (1, [true, false, true])), (vec![2, 2], vec![6, 7, 10, 11]));
    assert_eq!(x.i(true).unwrap().shape(), [1, 2, 3, 2]);
    assert_eq!(x.i((0, false)).unwrap().shape(), [0, 3, 2]);
}

#[test]
fn assignment_goes_through_views_and_tensors() {
    let x = count(&[3, 4]);
    x.set((1, ..), 0).unwrap().set((.., 3), tensor!([7, 8, 9])).unwrap();
    assert_eq!(x.to_vec::<i64>().unwrap(), [0, 1, 2, 7, 0, 0, 0, 8, 8, 9, 10, 9]);
    x.set(x.gt(6).unwrap(), -1).unwrap().set(([0, 2], [0, 1]), tensor!([5, 6])).unwrap();
    assert_eq!(x.to_vec::<i64>().unwrap(), [5, 1, 2, -1, 0, 0, 0, -1, -1, 6, -1, -1]);
    x.i((.., 1..3)).unwrap().set((.., [1, 0]), tensor!([[[3, 4]]])).unwrap();
    assert_eq!(x.to_vec::<i64>().unwrap(), [5, 4, 3, -1, 0, 4, 3, -1, -1, 4, 3, -1]);
    x.set(([true, false, true], 0), tensor!([1.5, 2.5])).unwrap();
    assert_eq!(x.i((.., 0)).unwrap().to_vec::<i64>().unwrap(), [1, 0, 2]);
}

#[test]
fn errors_name_what_is_wrong() {
    let x = count(&[3, 4]);
    let says = |e: Result<Tensor>| e.unwrap_err().message().to_string();
    assert_eq!(says(x.i((1, 4))), "index 4 is out of range for dimension 1 of size 4");
    assert_eq!(says(x.i((0, 0, 0))), "3 dimensions are indexed, the tensor of shape [3, 4] has 2");
    assert_eq!(says(x.i((.., [0, -5]))), "index -5 is out of range for dimension 1 of size 4");
    assert_eq!(says(x.i([true, false])), "the mask of shape [2] has size 2 where dimension 0 of the tensor has 3");
    assert_eq!(says(x.i(([0, 1], [0, 1, 2]))), "index tensors of shapes [2], [3] do not broadcast together");
    assert_eq!(
        says(x.i(tensor!([0.5]))),
        "an index is of integers (or a mask of bool where it says so), this tensor is float32"
    );
    let before = x.to_vec::<i64>().unwrap();
    assert!(x.set([0, 3], 9).is_err() && x.set((.., 0), tensor!([1, 2])).is_err());
    assert_eq!(x.to_vec::<i64>().unwrap(), before);
}
