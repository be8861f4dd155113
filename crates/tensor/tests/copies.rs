//! Copies of views have memory of their own; what takes over another tensor's shape, dtype or device; filled diagonals.
//! Values from PyTorch 2.15.

use flambeau_tensor::{DType, Result, Tensor, tensor};

#[test]
fn a_copy_of_a_view_does_not_alias() -> Result<()> {
    let x = tensor!([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let mut copies = vec![
        x.t_copy()?,
        x.transpose_copy(0, 1)?,
        x.permute_copy([1, 0])?,
        x.select_copy(0, 1)?,
        x.slice_copy(1, 0, 2, 1)?,
        x.narrow_copy(0, 1, 1)?,
        x.diagonal_copy(0, 0, 1)?,
        x.unsqueeze_copy(0)?,
        x.squeeze_copy(..)?,
        x.view_copy([6])?,
        x.expand_copy([4, 2, 3])?,
        x.unfold_copy(1, 2, 1)?,
        x.as_strided_copy([2, 2], [1, 2], 0)?,
        x.view_copy([3, 2])?.view_as_complex_copy()?,
        x.view_copy([3, 2])?.view_as_complex()?.view_as_real_copy()?,
    ];
    copies.extend(x.unbind_copy(0)?);
    copies.extend(x.split_copy(1, 1)?);
    copies.extend(x.split_with_sizes_copy(&[1, 2], 1)?);
    for copy in &copies {
        copy.zero_()?;
    }
    assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert!(x.narrow_copy(0, 2, 1).is_err() && x.view_copy([4]).is_err());
    assert_eq!(x.unfold_copy(1, 2, 1)?.to_vec::<f32>()?, x.unfold(1, 2, 1)?.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn as_another_tensor() -> Result<()> {
    let (x, y) = (tensor!([[1.5], [2.5]]), Tensor::zeros([2, 3]).dtype(DType::I64).build()?);
    assert_eq!(x.expand_as(&y)?.shape(), [2, 3]);
    assert_eq!(y.reshape_as(Tensor::zeros([3, 2]).build()?)?.shape(), [3, 2]);
    assert_eq!(y.view_as(Tensor::zeros([6]).build()?)?.shape(), [6]);
    assert_eq!(y.ravel()?.shape(), [6]);
    assert_eq!(x.type_as(&y)?.to_vec::<i64>()?, [1, 2]);
    assert_eq!(y.new_ones([2])?.to_vec::<i64>()?, [1, 1]);
    assert_eq!(x.new_zeros([2])?.to_vec::<f32>()?, [0.0, 0.0]);
    assert!(y.to_dtype(DType::U8)?.new_full([2], 300).is_err());
    assert!(x.view_as(&y).is_err() && x.reshape_as(&y).is_err() && y.expand_as(&x).is_err());
    Ok(())
}

/// The flat places that are filled.
fn filled(shape: &[usize], wrap: bool) -> Result<Vec<usize>> {
    let x = Tensor::zeros(shape).build()?;
    x.fill_diagonal_(1.0, wrap)?;
    Ok(x.to_vec::<f32>()?.iter().enumerate().filter(|(_, v)| **v == 1.0).map(|(i, _)| i).collect())
}

#[test]
fn diagonals_are_filled() -> Result<()> {
    assert_eq!(filled(&[3, 3], false)?, [0, 4, 8]);
    assert_eq!(filled(&[2, 4], true)?, [0, 5]);
    assert_eq!(filled(&[7, 3], false)?, [0, 4, 8]);
    assert_eq!(filled(&[7, 3], true)?, [0, 4, 8, 12, 16, 20]);
    assert_eq!(filled(&[4, 3], true)?, [0, 4, 8]);
    assert_eq!(filled(&[3, 3, 3], true)?, [0, 13, 26]);
    assert_eq!(filled(&[5, 0], true)?, []);
    // In the tensor that a view shows.
    let x = Tensor::zeros([4, 5]).build()?;
    x.t()?.narrow(0, 1, 4)?.fill_diagonal_(7.0, false)?;
    let places: Vec<usize> = (0..20).filter(|i| x.to_vec::<f32>().is_ok_and(|x| x[*i] == 7.0)).collect();
    assert_eq!(places, [1, 7, 13, 19]);
    assert!(tensor!([1.0]).fill_diagonal_(1.0, false).is_err());
    assert!(Tensor::zeros([2, 2, 3]).build()?.fill_diagonal_(1.0, false).is_err());
    Ok(())
}
