//! Writing: what cannot be written is refused before a byte is.

use super::{ALIAS, alias, header};
use crate::json::write_string;
use crate::source::swap;
use flambeau_tensor::{Error, NamedTensors, Result, Tensor, bail, ensure};
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

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
        check(&tensors)?;
        let (tensors, aliases) = apart(tensors);
        check_fields(metadata, &tensors, &aliases)?;
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
        let fields = metadata.iter().copied().chain(aliases.iter().map(|(name, of)| (name.as_str(), of.as_str())));
        let header = describe(&tensors, &offsets, &fields.collect::<Vec<_>>());
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

/// The tensors, those that are one once, under its first name; and a field of the metadata for each other name.
fn apart(tensors: Vec<(String, Tensor)>) -> (Vec<(String, Tensor)>, Vec<(String, String)>) {
    let (mut kept, mut aliases): (Vec<(String, Tensor)>, _) = (Vec::new(), Vec::new());
    for (name, tensor) in tensors {
        let same = |other: &Tensor| {
            other.dtype() == tensor.dtype()
                && other.layout() == tensor.layout()
                && other.storage().is(tensor.storage())
                && tensor.numel() > 0
        };
        match kept.iter().find(|(_, other)| same(other)) {
            Some((first, _)) => aliases.push((format!("{ALIAS}{name}"), first.clone())),
            None => kept.push((name, tensor)),
        }
    }
    (kept, aliases)
}

#[track_caller]
fn check(tensors: &[(String, Tensor)]) -> Result<()> {
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
    Ok(())
}

/// The fields of the metadata come back as they are: none is there twice, and none reads as another name of a tensor.
#[track_caller]
fn check_fields(metadata: &[(&str, &str)], tensors: &[(String, Tensor)], aliases: &[(String, String)]) -> Result<()> {
    let names: HashSet<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    let mut fields = HashSet::new();
    for (field, value) in metadata {
        let name = alias(field, value, |name| names.contains(name));
        let kept = name.is_none() && !aliases.iter().any(|(alias, _)| alias == field);
        ensure!(kept, Argument, "save", "the field {field:?} of the metadata would be another name of a tensor");
        ensure!(fields.insert(*field), Argument, "save", "two fields of the metadata are called {field:?}");
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
