//! Lists whose length is an argument or a size of an operand: where the system has no memory for one, that is an error.

use crate::{Result, bail};

/// Where such an error comes from until an op puts its name to it.
pub(crate) const PLACE: &str = "memory";

/// `n` times `value`.
pub(crate) fn list<T: Clone>(n: usize, value: T) -> Result<Vec<T>> {
    let mut list = Vec::new();
    lengthen(&mut list, n, value)?;
    Ok(list)
}

/// Brings a list to `n` elements, those that are new of `value`.
pub(crate) fn lengthen<T: Clone>(list: &mut Vec<T>, n: usize, value: T) -> Result<()> {
    reserve(list, n.saturating_sub(list.len()))?;
    list.resize(n, value);
    Ok(())
}

/// Room for so many more elements.
#[track_caller]
pub(crate) fn reserve<T>(list: &mut Vec<T>, more: usize) -> Result<()> {
    if list.try_reserve_exact(more).is_err() {
        let bytes = more.saturating_mul(size_of::<T>());
        bail!(Memory, PLACE, "the system has no {bytes} bytes for what is computed on the way")
    }
    Ok(())
}

/// Bytes that are not worth the question.
pub(crate) const CHECKED: usize = 1 << 20;

/// There must be memory for so many bytes, which are asked for in pieces, or by code that ends the program without them:
/// for kernels outside this crate whose lists grow with an argument.
///
/// # Errors
/// Where the system has no such memory.
#[track_caller]
pub fn check_bytes(op: &'static str, bytes: usize) -> Result<()> {
    if bytes > CHECKED && Vec::<u8>::new().try_reserve_exact(bytes).is_err() {
        bail!(Memory, op, "the system has no {bytes} bytes for what is computed on the way")
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn what_is_too_long_is_an_error() {
        assert_eq!(list(3, 7).unwrap(), [7, 7, 7]);
        assert_eq!(list(usize::MAX, 0u64).unwrap_err().kind(), ErrorKind::Memory);
        let mut numbers = vec![1, 2, 3];
        lengthen(&mut numbers, 4, 0).unwrap();
        lengthen(&mut numbers, 2, 0).unwrap();
        assert_eq!(numbers, [1, 2]);
        assert!(reserve(&mut numbers, 1 << 62).is_err() && numbers == [1, 2]);
    }
}
