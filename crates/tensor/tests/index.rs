//! Writing to parts of a tensor, where its elements share memory or are named twice.

use flambeau_tensor::{DType, Tensor};

fn floats(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

fn list(numbers: &[i64]) -> Tensor {
    Tensor::from_slice(numbers, numbers.len()).unwrap()
}

#[test]
fn a_part_of_an_expanded_tensor_is_replaced_alone() {
    let x = Tensor::from_slice(&[1.0f32, 2.0], 2).unwrap().expand([3, 2]).unwrap();
    let row = Tensor::from_slice(&[7.0f32, 8.0], 2).unwrap();
    assert_eq!(floats(&x.select_scatter(&row, 0, 1).unwrap()), [1.0, 2.0, 7.0, 8.0, 1.0, 2.0]);
    let rows = row.reshape([1, 2]).unwrap();
    assert_eq!(floats(&x.slice_scatter(&rows, 0, 0, 1, 1).unwrap()), [7.0, 8.0, 1.0, 2.0, 1.0, 2.0]);
    assert_eq!(floats(&x.diagonal_scatter(&row, 0, 0, 1).unwrap()), [7.0, 2.0, 1.0, 8.0, 1.0, 2.0]);
    assert_eq!(floats(&x), [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    // With strides, but none shared.
    let turned = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]).unwrap().t().unwrap();
    assert_eq!(floats(&turned.select_scatter(&row, 0, 1).unwrap()), [1.0, 3.0, 7.0, 8.0]);
}

#[test]
fn elements_that_share_memory_take_one_value_but_no_sum() {
    let x = Tensor::from_slice(&[1.0f32], 1).unwrap();
    assert!(x.expand([3]).unwrap().add_(1.0).is_err());
    assert_eq!(floats(&x), [1.0]);
    x.expand([3]).unwrap().fill_(2.0).unwrap();
    assert_eq!(floats(&x), [2.0]);
    x.expand([3]).unwrap().zero_().unwrap();
    assert_eq!(floats(&x), [0.0]);
}

#[test]
fn a_part_of_moved_dimensions_is_copied_in_its_order() {
    let x = Tensor::arange(0, 10).build().unwrap().reshape([5, 2]).unwrap().movedim(-1, 0).unwrap();
    assert_eq!(x.narrow(1, 1, 3).unwrap().contiguous().unwrap().to_vec::<i64>().unwrap(), [2, 4, 6, 3, 5, 7]);
}

#[test]
fn what_is_put_twice_is_added_twice() {
    let x = Tensor::zeros([3]).build().unwrap();
    x.index_put_(&[Some(&list(&[0, 0]))], &Tensor::full((), 1.0).build().unwrap(), true).unwrap();
    assert_eq!(floats(&x), [2.0, 0.0, 0.0]);
    let x = Tensor::zeros([2, 3]).dtype(DType::I64).build().unwrap();
    let y = x.index_put(&[Some(&list(&[1, 1]))], &list(&[1, 2, 3]), true).unwrap();
    assert_eq!(y.to_vec::<i64>().unwrap(), [0, 0, 0, 2, 4, 6]);
}
