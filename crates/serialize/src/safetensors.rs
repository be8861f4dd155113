//! The safetensors format: eight bytes with the length of the header, the header (JSON), the elements of
//! the tensors one after another, little-endian.

use crate::Metadata;
use crate::header::{self, Entry};
use crate::json::write_string;
use flambeau_tensor::{DType, Error, ErrorKind, NamedTensors, Result, StateDict, Tensor, bail, ensure};
use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind as Os, Read, Write};
use std::path::Path;

/// Where bytes come from, in order.
pub(crate) trait Source {
    /// The next `n` bytes. The caller has checked that the source is long enough for them.
    fn take(&mut self, n: usize) -> Result<&[u8]>;
}

/// Bytes in memory.
pub(crate) struct Slice<'a>(&'a [u8]);

impl<'a> Slice<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Slice(bytes)
    }
}

impl Source for Slice<'_> {
    fn take(&mut self, n: usize) -> Result<&[u8]> {
        let Some((head, tail)) = self.0.split_at_checked(n) else {
            bail!(Format, "read <bytes>", "{} bytes are left, {n} are needed", self.0.len())
        };
        self.0 = tail;
        Ok(head)
    }
}

/// A file, read through one buffer that grows to the largest tensor.
pub(crate) struct Stream<'a> {
    file: File,
    path: &'a Path,
    place: u64,
    buffer: Vec<u8>,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(file: File, path: &'a Path) -> Self {
        Stream { file, path, place: 0, buffer: Vec::new() }
    }
}

impl Source for Stream<'_> {
    fn take(&mut self, n: usize) -> Result<&[u8]> {
        if self.buffer.len() < n {
            let more = n - self.buffer.len();
            if self.buffer.try_reserve_exact(more).is_err() {
                bail!(Memory, "load", "no memory for {n} bytes of {}", self.path.display())
            }
            self.buffer.resize(n, 0);
        }
        let buffer = &mut self.buffer[..n];
        match self.file.read_exact(buffer) {
            Ok(()) => {}
            // It was longer when it was opened.
            Err(e) if e.kind() == Os::UnexpectedEof => {
                let message = format!("the file ends within the {n} bytes from byte {}", self.place);
                return Err(Error::format(self.path, message).with_source(e));
            }
            Err(e) => return Err(Error::io("read", self.path, e)),
        }
        self.place += n as u64;
        Ok(buffer)
    }
}

/// Reads a file of `len` bytes; `path` is what errors call it.
pub(crate) fn read(source: &mut dyn Source, len: u64, path: &Path) -> Result<(StateDict, Metadata)> {
    let fault = |message: String| Error::format(path, message);
    let Some(rest) = len.checked_sub(8) else {
        return Err(fault(format!("the file ends at byte {len}, within the 8 bytes of the header's length")));
    };
    let mut first = [0; 8];
    first.copy_from_slice(source.take(8)?);
    let promised = u64::from_le_bytes(first);
    let sizes = (promised <= rest)
        .then(|| Some((usize::try_from(promised).ok()?, usize::try_from(rest - promised).ok()?)))
        .flatten();
    let Some((header_len, data_len)) = sizes else {
        return Err(fault(format!(
            "the header is said to have {promised} bytes (at byte 0), the file ends at byte {len}"
        )));
    };
    let header = {
        let bytes = source.take(header_len)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|e| fault(format!("the header is not UTF-8 at byte {}", 8 + e.valid_up_to())))?;
        header::parse(text, data_len).map_err(|(kind, f)| {
            let message = format!("{} (byte {})", f.message, f.at);
            if kind == ErrorKind::Format {
                fault(message)
            } else {
                Error::new(kind, format!("read {}", path.display()), message)
            }
        })?
    };
    Ok((tensors(source, &header.entries)?, header.metadata))
}

/// The tensors, read in the order of the data, given in that of the header.
fn tensors(source: &mut dyn Source, entries: &[Entry]) -> Result<StateDict> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|i| (entries[*i].bytes.start, entries[*i].bytes.end));
    let mut read: Vec<Option<Tensor>> = entries.iter().map(|_| None).collect();
    for i in order {
        let Entry { dtype, shape, bytes, .. } = &entries[i];
        let data = source.take(bytes.len())?;
        read[i] = Some(if cfg!(target_endian = "big") {
            let mut data = data.to_vec();
            swap(*dtype, &mut data);
            Tensor::from_bytes(*dtype, shape, &data)?
        } else {
            Tensor::from_bytes(*dtype, shape, data)?
        });
    }
    Ok(entries.iter().zip(read).filter_map(|(e, t)| Some((e.name.clone(), t?))).collect())
}

/// From the byte order of a big-endian machine to the file's, or back.
fn swap(dtype: DType, bytes: &mut [u8]) {
    let unit = dtype.to_real().size();
    bytes.chunks_exact_mut(unit).for_each(|number| number.reverse());
}

/// A file about to be written: everything that can be refused has been looked at.
pub(crate) struct Plan {
    /// In the order in which their elements are written.
    tensors: Vec<(String, Tensor)>,
    /// Padded to eight bytes.
    header: String,
}

impl Plan {
    #[track_caller]
    pub(crate) fn new(named: &(impl NamedTensors + ?Sized), metadata: &[(&str, &str)]) -> Result<Plan> {
        let mut tensors: Vec<(String, Tensor)> = Vec::new();
        named.each_named(&mut |name, tensor| tensors.push((name.to_string(), tensor.detach())));
        check(&tensors, metadata)?;
        // Wide elements first: so each tensor lies aligned to its element, as readers that map the file
        // need it. The header keeps the order of the names.
        let mut order: Vec<usize> = (0..tensors.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(tensors[*i].1.dtype().size()));
        let (mut offsets, mut end) = (vec![(0, 0); tensors.len()], 0usize);
        for &i in &order {
            let begin = end;
            let bytes = tensors[i].1.numel().checked_mul(tensors[i].1.dtype().size());
            let Some(next) = bytes.and_then(|b| begin.checked_add(b)) else {
                bail!(Memory, "save", "the tensors have more bytes than can be counted")
            };
            end = next;
            offsets[i] = (begin, end);
        }
        let header = describe(&tensors, &offsets, metadata);
        let tensors = order.into_iter().map(|i| tensors[i].clone()).collect();
        Ok(Plan { tensors, header })
    }

    pub(crate) fn write(&self, to: &mut dyn Write, path: &Path) -> Result<()> {
        let mut put = |bytes: &[u8]| to.write_all(bytes).map_err(|e| Error::io("write", path, e));
        put(&(self.header.len() as u64).to_le_bytes())?;
        put(self.header.as_bytes())?;
        for (_, tensor) in &self.tensors {
            let mut bytes = tensor.to_bytes()?;
            if cfg!(target_endian = "big") {
                swap(tensor.dtype(), &mut bytes);
            }
            put(&bytes)?;
        }
        to.flush().map_err(|e| Error::io("write", path, e))
    }
}

#[track_caller]
fn check(tensors: &[(String, Tensor)], metadata: &[(&str, &str)]) -> Result<()> {
    let mut names = HashSet::new();
    for (name, tensor) in tensors {
        ensure!(names.insert(name.as_str()), Argument, "save", "two tensors are called {name:?}");
        ensure!(name != "__metadata__", Argument, "save", "the format keeps the name \"__metadata__\" for itself");
        let known = header::dtype_name(tensor.dtype()).is_some();
        ensure!(
            known,
            Unsupported,
            "save",
            "{name:?} is {}, which safetensors has no place for; `view_as_real` has one",
            tensor.dtype()
        );
        ensure!(tensor.device().has_data(), Device, "save", "{name:?} is on {}, which keeps no data", tensor.device());
    }
    let mut names = HashSet::new();
    for (name, _) in metadata {
        ensure!(names.insert(*name), Argument, "save", "two fields of the metadata are called {name:?}");
    }
    Ok(())
}

/// The header's text, padded with spaces to eight bytes.
fn describe(tensors: &[(String, Tensor)], offsets: &[(usize, usize)], metadata: &[(&str, &str)]) -> String {
    let mut text = String::from("{");
    if !metadata.is_empty() {
        text.push_str("\"__metadata__\":{");
        for (i, (name, value)) in metadata.iter().enumerate() {
            text.push_str(if i == 0 { "" } else { "," });
            write_string(&mut text, name);
            text.push(':');
            write_string(&mut text, value);
        }
        text.push('}');
    }
    for ((name, tensor), (begin, end)) in tensors.iter().zip(offsets) {
        text.push_str(if text.len() == 1 { "" } else { "," });
        write_string(&mut text, name);
        let shape = tensor.shape().iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        // `check` has refused dtypes without a name.
        let dtype = header::dtype_name(tensor.dtype()).unwrap_or_default();
        text.push_str(&format!(":{{\"dtype\":\"{dtype}\",\"shape\":[{shape}],\"data_offsets\":[{begin},{end}]}}"));
    }
    text.push('}');
    while text.len() % 8 != 0 {
        text.push(' ');
    }
    text
}
