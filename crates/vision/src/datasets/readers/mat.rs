//! MATLAB's files of version 5 (`save -v6`, `-v7`): a header of 128 bytes, then variables, each compressed or not. Follows
//! `scipy.io.loadmat`: numbers have the type that they are stored in.

use flambeau_tensor::{DType, Error, Result, Tensor};
use flate2::read::ZlibDecoder;
use std::io::Read;
use std::path::Path;

/// A value of MATLAB's.
#[derive(Clone, Debug)]
pub enum Mat {
    /// numbers of this shape
    Numbers(Tensor),
    /// a text; the rows of one that has several, one behind the other
    Text(String),
    /// an array of values, in MATLAB's order: the first dimension runs first
    Cell(Vec<Mat>),
    /// an array of structs, in MATLAB's order: of each its fields in order
    Struct(Vec<Vec<MatVar>>),
}

/// A value with its name: a variable of a file, or a field of a struct.
pub type MatVar = (String, Mat);

impl Mat {
    /// The numbers, where there are such.
    pub fn numbers(&self) -> Option<&Tensor> {
        if let Mat::Numbers(tensor) = self { Some(tensor) } else { None }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        if let Mat::Text(text) = self { Some(text) } else { None }
    }

    /// The values of an array of values.
    pub fn cells(&self) -> Option<&[Mat]> {
        if let Mat::Cell(cells) = self { Some(cells) } else { None }
    }

    /// The first whole number of it.
    pub fn whole(&self) -> Option<i64> {
        self.wholes()?.first().copied()
    }

    /// All numbers as whole ones, in the order of rows.
    pub fn wholes(&self) -> Option<Vec<i64>> {
        self.numbers()?.to_dtype(DType::I64).ok()?.to_vec().ok()
    }

    /// A field of the struct at `index`.
    pub fn field(&self, index: usize, name: &str) -> Option<&Mat> {
        let Mat::Struct(structs) = self else { return None };
        structs.get(index)?.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }
}

/// The variables in a MATLAB file of version 5, in order.
///
/// ```no_run
/// let variables = flambeau_vision::datasets::read_mat("setid.mat")?;
/// for (name, value) in &variables {
///     println!("{name}: {:?}", value.numbers().map(|n| n.shape().to_vec()));
/// }
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the file cannot be read, is of another version, or promises more than it holds; the error names it and the byte.
pub fn read_mat(path: impl AsRef<Path>) -> Result<Vec<MatVar>> {
    let path = path.as_ref();
    let bytes = super::bytes(path)?;
    file(&bytes).map_err(|fault| Error::format(path, fault))
}

type Done<T> = std::result::Result<T, String>;

/// The kinds of elements.
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// Values lie in each other so deep at most.
const DEEPEST: usize = 32;

pub(super) fn file(bytes: &[u8]) -> Done<Vec<MatVar>> {
    if bytes.len() < 128 {
        return Err(format!("the file ends at byte {}, inside the header", bytes.len()));
    }
    let big = match &bytes[126..128] {
        b"IM" => false,
        b"MI" => true,
        _ if bytes.starts_with(b"\x89HDF") => return Err("of version 7.3 (HDF5); save it with -v7".into()),
        _ => return Err("no MATLAB file of version 5 (byte 126)".into()),
    };
    let version = if big { bytes[124] } else { bytes[125] };
    if version != 1 {
        return Err(format!("MATLAB's version {version} (byte 124); save it with -v7"));
    }
    let (mut source, mut variables) = (Source { bytes, at: 128, base: 0, big }, Vec::new());
    while source.at < bytes.len() {
        let at = source.at;
        let (kind, content) = source.element()?;
        let variable = match kind {
            MATRIX => matrix(content, 0)?,
            COMPRESSED => {
                let mut whole = Vec::new();
                // No more than deflate can come to, and as it arrives.
                ZlibDecoder::new(content.bytes)
                    .read_to_end(&mut whole)
                    .map_err(|e| format!("the compressed variable at byte {at}: {e}"))?;
                let mut inner = Source { bytes: &whole, at: 0, base: 0, big };
                let within = |fault| format!("{fault}, of the variable compressed at byte {at}");
                let (kind, content) = inner.element().map_err(within)?;
                if kind != MATRIX {
                    return Err(format!("an element of kind {kind} is compressed at byte {at}"));
                }
                matrix(content, 0).map_err(within)?
            }
            _ => continue,
        };
        variables.push(variable);
    }
    Ok(variables)
}

/// Bytes with the place where they are in the file.
#[derive(Clone, Copy)]
struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
    base: usize,
    big: bool,
}

impl<'a> Source<'a> {
    fn word(&self, at: usize) -> Done<u32> {
        let word = self.bytes.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok());
        let word =
            word.ok_or_else(|| format!("the file ends at byte {}, inside an element", self.base + self.bytes.len()))?;
        Ok(if self.big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
    }

    /// The next element: its kind and its content.
    fn element(&mut self) -> Done<(u32, Source<'a>)> {
        let first = self.word(self.at)?;
        let (kind, length, start, end) = if first >> 16 != 0 {
            // A small one: kind and length in four bytes, the content in the next four.
            let length = (first >> 16) as usize;
            if length > 4 {
                return Err(format!("a small element of {length} bytes at byte {}", self.base + self.at));
            }
            (first & 0xffff, length, self.at + 4, self.at + 8)
        } else {
            let length = self.word(self.at + 4)? as usize;
            let start = self.at + 8;
            // All but compressed ones are filled up to eight bytes.
            let fill = if first == COMPRESSED { length } else { length.next_multiple_of(8) };
            (first, length, start, start.saturating_add(fill))
        };
        let content = self.bytes.get(start..start + length).ok_or_else(|| {
            let (at, ends) = (self.base + self.at, self.base + self.bytes.len());
            format!("the element at byte {at} promises {length} bytes, the file ends at byte {ends}")
        })?;
        let content = Source { bytes: content, at: 0, base: self.base + start, big: self.big };
        self.at = end.min(self.bytes.len());
        Ok((kind, content))
    }

    /// The numbers of the next element.
    fn numbers(&mut self) -> Done<(DType, Vec<u8>)> {
        let at = self.base + self.at;
        let (kind, content) = self.element()?;
        let dtype = match kind {
            1 => DType::I8,
            2 | 16 => DType::U8,
            3 => DType::I16,
            4 | 17 => DType::U16,
            5 => DType::I32,
            6 | 18 => DType::U32,
            7 => DType::F32,
            9 => DType::F64,
            12 => DType::I64,
            13 => DType::U64,
            _ => return Err(format!("an element of kind {kind} at byte {at}, not numbers")),
        };
        let mut bytes = content.bytes.to_vec();
        if bytes.len() % dtype.size() != 0 {
            return Err(format!("{} bytes of {dtype} at byte {at}", bytes.len()));
        }
        if self.big != cfg!(target_endian = "big") {
            bytes.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
        }
        Ok((dtype, bytes))
    }

    /// The whole numbers of the next element.
    fn wholes(&mut self) -> Done<Vec<i64>> {
        let at = self.base + self.at;
        let (dtype, bytes) = self.numbers()?;
        let tensor = Tensor::from_bytes(dtype, [bytes.len() / dtype.size()], &bytes).map_err(|e| e.to_string())?;
        tensor.to_dtype(DType::I64).and_then(|t| t.to_vec()).map_err(|e| format!("byte {at}: {e}"))
    }

    /// The text of the next element, as bytes.
    fn name(&mut self) -> Done<String> {
        let (_, content) = self.element()?;
        Ok(String::from_utf8_lossy(content.bytes).trim_end_matches('\0').to_string())
    }
}

/// The variable in a matrix element.
fn matrix(mut source: Source<'_>, depth: usize) -> Done<MatVar> {
    let at = source.base;
    if depth > DEEPEST {
        return Err(format!("values lie in each other deeper than {DEEPEST} at byte {at}"));
    }
    if source.bytes.is_empty() {
        // How an empty value is written.
        let nothing = Tensor::from_vec(Vec::<f64>::new(), [0, 0]).map_err(|e| e.to_string())?;
        return Ok((String::new(), Mat::Numbers(nothing)));
    }
    let flags = {
        let (_, content) = source.element()?;
        content.word(0)?
    };
    let shape: Option<Vec<usize>> = source.wholes()?.iter().map(|side| usize::try_from(*side).ok()).collect();
    let shape = shape.filter(|shape| (2..=32).contains(&shape.len()));
    let Some((shape, count)) = shape.and_then(|s| {
        let count = s.iter().try_fold(1usize, |n, side| n.checked_mul(*side))?;
        Some((s, count))
    }) else {
        return Err(format!("the sizes of the variable at byte {at} make no sense"));
    };
    let name = source.name()?;
    // A value takes eight bytes at least.
    let most = source.bytes.len() / 8;
    let fits = |n: usize| {
        if n <= most {
            Ok(())
        } else {
            Err(format!("{n} values of {name:?} at byte {at}, {} bytes are left", source.bytes.len()))
        }
    };
    let value = match flags & 0xff {
        1 => {
            fits(count)?;
            Mat::Cell((0..count).map(|_| inner(&mut source, depth)).collect::<Done<_>>()?)
        }
        2 | 3 => {
            if flags & 0xff == 3 {
                source.name()?;
            }
            let fields = field_names(&mut source)?;
            fits(count.saturating_mul(fields.len()))?;
            if fields.is_empty() && count > most {
                return Err(format!("{count} empty structs at byte {at}"));
            }
            let one = |source: &mut Source<'_>| {
                fields.iter().map(|field| Ok((field.clone(), inner(source, depth)?))).collect::<Done<Vec<_>>>()
            };
            Mat::Struct((0..count).map(|_| one(&mut source)).collect::<Done<_>>()?)
        }
        4 => Mat::Text(text(&mut source, &shape)?),
        5 => sparse(&mut source, &shape)?,
        6..=15 => {
            let (dtype, bytes) = source.numbers()?;
            Mat::Numbers(dense(dtype, &shape, count, &bytes, at)?)
        }
        class => return Err(format!("{name:?} at byte {at} is of class {class}, which is not read")),
    };
    Ok((name, value))
}

/// A value inside another.
fn inner(source: &mut Source<'_>, depth: usize) -> Done<Mat> {
    let at = source.base + source.at;
    match source.element()? {
        (MATRIX, content) => Ok(matrix(content, depth + 1)?.1),
        (kind, _) => Err(format!("an element of kind {kind} at byte {at}, not a value")),
    }
}

/// Numbers in MATLAB's order as a tensor of this shape.
fn dense(dtype: DType, shape: &[usize], count: usize, bytes: &[u8], at: usize) -> Done<Tensor> {
    if bytes.len() != count.saturating_mul(dtype.size()) {
        return Err(format!("{} bytes for {count} numbers of {dtype} in the variable at byte {at}", bytes.len()));
    }
    let turned: Vec<usize> = shape.iter().rev().copied().collect();
    let order: Vec<isize> = (0..shape.len() as isize).rev().collect();
    let tensor = Tensor::from_bytes(dtype, &turned, bytes).and_then(|t| t.permute(&order[..])?.contiguous());
    tensor.map_err(|e| e.to_string())
}

/// The names of a struct's fields, each in as many bytes.
fn field_names(source: &mut Source<'_>) -> Done<Vec<String>> {
    let at = source.base + source.at;
    let width = source.wholes()?.first().and_then(|n| usize::try_from(*n).ok()).filter(|n| (1..=64).contains(n));
    let width = width.ok_or_else(|| format!("the names of fields at byte {at} have no length"))?;
    let (_, content) = source.element()?;
    let name = |bytes: &[u8]| {
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    Ok(content.bytes.chunks_exact(width).map(name).collect())
}

/// Characters of one or two bytes; those of a text of several rows stand by columns.
fn text(source: &mut Source<'_>, shape: &[usize]) -> Done<String> {
    let (kind, content) = source.clone().element()?;
    if kind == 16 {
        source.element()?;
        return Ok(String::from_utf8_lossy(content.bytes).into_owned());
    }
    let codes = source.wholes()?;
    let rows = shape[0].max(1).min(codes.len().max(1));
    let order = (0..rows).flat_map(|row| (row..codes.len()).step_by(rows));
    let units: Vec<u16> = order.map(|place| codes[place] as u16).collect();
    Ok(String::from_utf16_lossy(&units))
}

/// A sparse matrix: the rows of the numbers, where each column starts, the numbers.
fn sparse(source: &mut Source<'_>, shape: &[usize]) -> Done<Mat> {
    let at = source.base + source.at;
    let (rows, columns) = (source.wholes()?, source.wholes()?);
    let (dtype, bytes) = source.numbers()?;
    let size = dtype.size();
    let fault = || format!("the sparse matrix at byte {at} does not fit its sizes {shape:?}");
    let (&[height, width], true) = (shape, columns.len() == shape[1].saturating_add(1)) else { return Err(fault()) };
    // Dense it may be far greater than the file: as much as an image file may come to.
    let count = height.checked_mul(width).filter(|n| n.saturating_mul(size) <= (64 << 20)).ok_or_else(fault)?;
    let mut values = vec![0; count * size];
    for (column, ends) in columns.windows(2).enumerate() {
        let (Ok(start), Ok(end)) = (usize::try_from(ends[0]), usize::try_from(ends[1])) else { return Err(fault()) };
        for place in start..end {
            let row = rows.get(place).and_then(|row| usize::try_from(*row).ok()).filter(|row| *row < height);
            let (Some(row), Some(value)) = (row, bytes.get(place * size..(place + 1) * size)) else {
                return Err(fault());
            };
            let to = (column * height + row) * size;
            values[to..to + size].copy_from_slice(value);
        }
    }
    Ok(Mat::Numbers(dense(dtype, shape, count, &values, at)?))
}
