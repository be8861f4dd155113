//! Where the elements of strided operands lie, as kernels are told.

use flambeau_tensor::{Error, ErrorKind, Result};

/// Dimensions that a kernel walks.
pub(crate) const MOST: usize = 8;
/// Operands.
pub(crate) const OPERANDS: usize = 4;

/// A dimension: its size, and for each operand the elements between neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dim {
    pub size: usize,
    pub strides: [i64; OPERANDS],
}

/// As kernels have it: `Places` in `common.cuh`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    rank: i32,
    wide: i32,
    size: [u32; MOST],
    magic: [u32; MOST],
    shift: [u32; MOST],
    stride: [[i64; MOST]; OPERANDS],
}

/// A factor and a shift that divide numbers below 2³¹ by `d`: `(high(n·factor) + n) >> shift`.
pub(crate) fn magic(d: u32) -> (u32, u32) {
    let shift = 32 - d.saturating_sub(1).leading_zeros();
    let factor = ((1u128 << 32) * ((1u128 << shift) - u128::from(d)) / u128::from(d.max(1))) + 1;
    (factor as u32, shift)
}

/// The dimensions, the innermost first, those of size 1 left out, and those joined that all operands walk in one go.
pub(crate) fn collapse(dims: impl DoubleEndedIterator<Item = Dim>) -> Vec<Dim> {
    let mut out: Vec<Dim> = Vec::new();
    for dim in dims.rev().filter(|d| d.size != 1) {
        match out.last_mut() {
            Some(last) if (0..OPERANDS).all(|k| dim.strides[k] == last.strides[k] * last.size as i64) => {
                last.size *= dim.size;
            }
            _ => out.push(dim),
        }
    }
    out
}

impl Places {
    /// Of collapsed dimensions, eight at most.
    ///
    /// # Errors
    /// Where a dimension has more than 2³² elements.
    pub fn new(dims: &[Dim]) -> Result<Places> {
        let mut places = Places {
            rank: dims.len() as i32,
            wide: 0,
            size: [1; MOST],
            magic: [0; MOST],
            shift: [0; MOST],
            stride: [[0; MOST]; OPERANDS],
        };
        let total = dims.iter().fold(1u128, |n, d| n * d.size as u128);
        places.wide = i32::from(total >= 1 << 31);
        for (d, dim) in dims.iter().enumerate() {
            let large = || Error::new(ErrorKind::Unsupported, "cuda", format!("a dimension of {} elements", dim.size));
            places.size[d] = u32::try_from(dim.size).map_err(|_| large())?;
            (places.magic[d], places.shift[d]) = magic(places.size[d]);
            for k in 0..OPERANDS {
                places.stride[k][d] = dim.strides[k];
            }
        }
        Ok(places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magic_divides() {
        for d in (1..2000).chain([4096, 65_535, 1 << 20, (1 << 31) - 1]) {
            let (factor, shift) = magic(d);
            for n in (0..3000).chain([(1 << 31) - 1, (1 << 30) + 7, d - 1, d, d + 1]) {
                let n = n & 0x7fff_ffff;
                let high = (u64::from(n) * u64::from(factor)) >> 32;
                assert_eq!((high + u64::from(n)) >> shift, u64::from(n / d), "{n} / {d}");
            }
        }
    }

    #[test]
    fn dimensions_are_joined_where_all_walk_on() {
        let dim = |size, a, b| Dim { size, strides: [a, b, 0, 0] };
        assert_eq!(collapse([dim(2, 12, 12), dim(3, 4, 4), dim(4, 1, 1)].into_iter()), [dim(24, 1, 1)]);
        assert_eq!(collapse([dim(2, 12, 0), dim(1, 9, 9), dim(12, 1, 1)].into_iter()), [dim(12, 1, 1), dim(2, 12, 0)]);
        assert_eq!(collapse([dim(1, 5, 5)].into_iter()), []);
    }
}
