//! How files keep elements: in flambeau's dtypes, or in others that are widened to one of these as they are
//! read.

use crate::gguf::Quant;
use crate::source::Source;
use flambeau_tensor::shape::checked_numel;
use flambeau_tensor::{DType, Result, Tensor, f16};

/// A type of elements in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stored {
    /// One that flambeau has.
    Is(DType),
    /// Floating point of one byte.
    F8(F8),
    /// Elements of less than a byte, of so many bits.
    Bits(usize),
    /// Blocks of elements with a scale.
    Quantized(Quant),
}

/// The floating point numbers of one byte, named as PyTorch names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum F8 {
    E4M3,
    E5M2,
    /// A power of two: no sign, no mantissa.
    E8M0,
    E4M3Fnuz,
    E5M2Fnuz,
}

impl Stored {
    /// Bytes of an element; one, where elements are no whole bytes.
    pub(crate) fn width(self) -> usize {
        match self {
            Stored::Is(dtype) => dtype.size(),
            Stored::F8(_) | Stored::Bits(_) | Stored::Quantized(_) => 1,
        }
    }

    /// Bytes of `shape`; none where they cannot be counted, or are no whole ones or whole blocks.
    pub(crate) fn bytes(self, shape: &[usize]) -> Option<usize> {
        let numel = checked_numel(shape)?;
        match self {
            Stored::Bits(bits) => numel.checked_mul(bits).filter(|b| b.is_multiple_of(8)).map(|b| b / 8),
            Stored::Quantized(quant) => {
                let (elements, bytes) = quant.block();
                shape.last().filter(|row| row.is_multiple_of(elements))?;
                (numel / elements).checked_mul(bytes)
            }
            _ => numel.checked_mul(self.width()),
        }
    }

    /// The dtype that holds all of its values; none for elements of less than a byte.
    pub(crate) fn dtype(self) -> Option<DType> {
        Some(match self {
            Stored::Is(dtype) => dtype,
            // Its range is that of f32.
            Stored::F8(F8::E8M0) | Stored::Quantized(_) => DType::F32,
            Stored::F8(_) => DType::F16,
            Stored::Bits(_) => return None,
        })
    }

    /// The tensor of `shape` from byte `at` of `source` on, which has the bytes; `name` is for errors.
    pub(crate) fn read(self, source: &Source<'_>, shape: &[usize], at: u64, name: &str) -> Result<Tensor> {
        let bytes = || source.bytes(at, self.bytes(shape).unwrap_or(usize::MAX));
        match self {
            Stored::Is(dtype) => source.tensor(dtype, shape, at),
            Stored::F8(F8::E8M0) => Tensor::from_vec(bytes()?.iter().map(|b| F8::E8M0.value(*b)).collect(), shape),
            Stored::F8(kind) => {
                Tensor::from_vec(bytes()?.iter().map(|b| f16::from_f32(kind.value(*b))).collect(), shape)
            }
            Stored::Quantized(quant) => {
                let packed = bytes()?;
                Tensor::from_bytes_with(DType::F32, shape, |to| {
                    quant.unpack(&packed, to);
                    Ok(())
                })
            }
            Stored::Bits(bits) => {
                Err(source.unsupported(format!("{name:?} has elements of {bits} bits, which flambeau lacks")))
            }
        }
    }
}

impl F8 {
    /// The number that `byte` stands for.
    fn value(self, byte: u8) -> f32 {
        let (mantissa_bits, bias) = match self {
            F8::E4M3 => (3, 7),
            F8::E4M3Fnuz => (3, 8),
            F8::E5M2 => (2, 15),
            F8::E5M2Fnuz => (2, 16),
            F8::E8M0 if byte == 0xff => return f32::NAN,
            F8::E8M0 => return 2f64.powi(i32::from(byte) - 127) as f32,
        };
        let magnitude = byte & 0x7f;
        let special = match self {
            F8::E4M3 if magnitude == 0x7f => Some(f32::NAN),
            F8::E5M2 if magnitude == 0x7c => Some(f32::INFINITY),
            F8::E5M2 if magnitude > 0x7c => Some(f32::NAN),
            // The place of -0 is that of NaN.
            F8::E4M3Fnuz | F8::E5M2Fnuz if byte == 0x80 => Some(f32::NAN),
            _ => None,
        };
        let (exponent, mantissa) = (i32::from(magnitude >> mantissa_bits), magnitude & ((1 << mantissa_bits) - 1));
        let fraction = f32::from(mantissa) / f32::from(1u8 << mantissa_bits);
        let value = special.unwrap_or(match exponent {
            0 => fraction * 2f32.powi(1 - bias),
            _ => (1.0 + fraction) * 2f32.powi(exponent - bias),
        });
        if byte & 0x80 == 0 { value } else { -value }
    }
}
