//! Elementwise ops keep the order in which their operands' dimensions lie in memory, as PyTorch's iterators do. Strides as
//! PyTorch 2.15 has them.

use flambeau_tensor::{DType, Device, Result, Tensor};

/// Numbers from 0 on in memory of `sizes`, of whose last dimension every `step`th is kept, with the dimensions in the order
/// `order`.
fn laid_out(sizes: &[usize], step: usize, order: &[usize]) -> Result<Tensor> {
    let count = sizes.iter().product::<usize>();
    let x = Tensor::arange(0.0, count as f64).build()?.reshape(sizes)?;
    let last = sizes.len() - 1;
    x.slice(last as isize, 0, sizes[last] as isize, step)?.permute(order)
}

/// Memory, step and order of an operand, and the strides of what is made of it.
type Case = (&'static [usize], usize, &'static [usize], &'static [usize]);

const ALONE: [Case; 8] = [
    (&[3, 4, 5], 1, &[2, 0, 1], &[1, 20, 5]),
    (&[3, 4, 5], 1, &[0, 2, 1], &[20, 1, 5]),
    // The gaps are left out.
    (&[3, 4, 10], 2, &[2, 1, 0], &[1, 5, 20]),
    (&[4, 6], 1, &[1, 0], &[1, 6]),
    (&[6, 1, 4], 1, &[2, 1, 0], &[1, 4, 4]),
    (&[2, 5, 3, 4], 1, &[3, 0, 2, 1], &[1, 60, 4, 12]),
    (&[2, 3, 2], 1, &[1, 2, 0], &[2, 1, 6]),
    (&[3, 4, 10], 2, &[0, 1, 2], &[20, 5, 1]),
];

#[test]
fn what_is_made_of_one_tensor_lies_as_it_does() -> Result<()> {
    for (sizes, step, order, right) in ALONE {
        let x = laid_out(sizes, step, order)?;
        let rows = x.contiguous()?;
        let made: [(&str, Tensor, Tensor); 8] = [
            ("copy", x.copy()?, rows.copy()?),
            ("relu", x.relu()?, rows.relu()?),
            ("add a number", x.add(1.0)?, rows.add(1.0)?),
            ("gelu", x.gelu()?, rows.gelu()?),
            ("cast", x.to_dtype(DType::BF16)?, rows.to_dtype(DType::BF16)?),
            ("compare", x.gt(7.0)?, rows.gt(7.0)?),
            ("masked_fill", x.masked_fill(rows.gt(7.0)?, 1.0)?, rows.masked_fill(rows.gt(7.0)?, 1.0)?),
            ("pow", x.pow(2.5)?, rows.pow(2.5)?),
        ];
        for (op, made, same) in made {
            assert_eq!(made.strides(), right, "{op} of {sizes:?} in the order {order:?}");
            assert!(made.equal(&same)?, "{op} of {sizes:?} in the order {order:?}");
            assert!(made.as_view().is_none(), "{op}: memory of its own");
        }
    }
    let column = Tensor::ones([1, 3]).build()?.t()?.expand([3, 5])?;
    assert_eq!((column.relu()?.strides(), column.copy()?.strides()), (&[5, 1][..], &[5, 1][..]));
    // Rows where they are asked for.
    let x = laid_out(&[3, 4, 5], 1, &[2, 0, 1])?;
    assert!(x.contiguous()?.is_contiguous() && x.softmax(-1)?.is_contiguous());
    assert!(x.permute_copy([1, 0, 2])?.is_contiguous() && x.unbind_copy(1)?[0].is_contiguous());
    // Meta tensors lie as others do.
    assert_eq!(x.to_device(Device::Meta)?.permute([2, 0, 1])?.copy()?.strides(), [1, 12, 4]);
    Ok(())
}

#[test]
fn of_several_the_first_that_tells_leads() -> Result<()> {
    let (permuted, rows) = (laid_out(&[3, 4, 5], 1, &[2, 0, 1])?, laid_out(&[5, 3, 4], 1, &[0, 1, 2])?);
    let (row, column) = (laid_out(&[4], 1, &[0])?, laid_out(&[5, 1, 1], 1, &[0, 1, 2])?);
    let matrix = laid_out(&[4, 3], 1, &[1, 0])?;
    let cases: [(&Tensor, &Tensor, [usize; 3]); 6] = [
        (&permuted, &rows, [1, 20, 5]),
        (&rows, &permuted, [12, 4, 1]),
        (&permuted, &row, [1, 20, 5]),
        (&row, &permuted, [1, 20, 5]),
        (&matrix, &column, [12, 1, 3]),
        (&column, &matrix, [12, 1, 3]),
    ];
    for (a, b, right) in cases {
        let what = format!("{:?} and {:?}", a.strides(), b.strides());
        let (sum, less) = (a.add(b)?, a.lt(b)?);
        assert_eq!((sum.strides(), less.strides()), (&right[..], &right[..]), "{what}");
        let (a, b) = (a.contiguous()?, b.contiguous()?);
        assert!(sum.equal(&a.add(&b)?)? && less.equal(&a.lt(&b)?)?, "{what}");
        // Into memory that lies in another order.
        let target = Tensor::zeros([3, 4, 5]).build()?.permute([2, 0, 1])?;
        target.copy_(&sum)?.mul_(&b)?;
        assert!(target.equal(&sum.mul(&b)?)?, "{what}");
    }
    Ok(())
}
