//! The form before PyTorch 1.6: pickles one after another (a magic number, the version, the machine, the value,
//! the keys of the storages), then the storages.

use super::globals::Kind;
use super::pickle::{self, Item, Node, Pickled, Root, What};
use super::{Place, Value, told, unfold};
use crate::source::Source;
use crate::stored::Stored;
use flambeau_tensor::Result;
use std::collections::HashMap;
use std::rc::Rc;

const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const VERSION: i128 = 1001;

/// True for the start of a pickle.
pub(crate) fn is_legacy(start: &[u8]) -> bool {
    matches!(start, [0x80, 0..=5, ..])
}

/// The pickle at byte `at`.
fn run(source: &Source<'_>, at: u64) -> Result<Pickled> {
    // Its length is not told. Most are short, and the storages behind it are not.
    let mut window = 1u64 << 20;
    loop {
        let there = source.len().saturating_sub(at);
        let bytes = source.bytes(at, window.min(there) as usize)?;
        match pickle::run(&bytes, Kind::Checkpoint) {
            Err(fault) if matches!(fault.what, What::Cut) && window < there => window *= 4,
            result => return result.map_err(|fault| told(source, fault, "", at)),
        }
    }
}

pub(super) fn read(source: &Source<'_>) -> Result<Value> {
    let mut at = 0;
    let mut next = || -> Result<Pickled> {
        let pickled = run(source, at)?;
        at += pickled.len as u64;
        Ok(pickled)
    };
    if !matches!(next()?.value, Item::Int(MAGIC)) {
        return Err(source.fault("neither an archive nor the form before 1.6: it does not begin with PyTorch's number"));
    }
    match next()?.value {
        Item::Int(VERSION) => {}
        version => {
            return Err(source.unsupported(format!("the version {version:?} of PyTorch's files; {VERSION} is read")));
        }
    }
    let big = is_big(&next()?);
    let value = next()?;
    let keys = next()?;
    let places = storages(source, &value, &keys, at, big)?;
    let place = |root: &Root| {
        places
            .get(&root.key)
            .map(|at| Place::At(*at))
            .ok_or_else(|| source.fault(format!("the file has no storage {:?}, which its tensors need", root.key)))
    };
    unfold(source, &value.value, &value.heap, value.len, big, &place)
}

/// True where the machine that wrote the file kept high bytes first.
fn is_big(machine: &Pickled) -> bool {
    let Item::Node(place) = machine.value else { return false };
    let Node::Dict(pairs) = &machine.heap.nodes[place] else { return false };
    pairs
        .iter()
        .any(|(key, value)| matches!((key, value), (Item::Str(key), Item::Bool(false)) if &key[..] == "little_endian"))
}

/// Where the storages lie: in the order of `keys` from byte `at` on, each behind its number of elements.
fn storages(source: &Source<'_>, value: &Pickled, keys: &Pickled, at: u64, big: bool) -> Result<HashMap<Rc<str>, u64>> {
    let Item::Node(list) = keys.value else {
        return Err(source.fault(format!("no list of storages before byte {at}")));
    };
    let Node::List(list) = &keys.heap.nodes[list] else {
        return Err(source.fault(format!("no list of storages before byte {at}")));
    };
    let roots: HashMap<&str, &Root> = value.heap.roots.iter().map(|root| (&root.key[..], root)).collect();
    let (mut places, mut at) = (HashMap::new(), at);
    for key in list {
        let Some(root) = (if let Item::Str(key) = key { roots.get(&key[..]) } else { None }) else {
            return Err(source.fault(format!("the storage {key:?} is listed before byte {at}, but no tensor has it")));
        };
        let mut count = [0; 8];
        source.read(at, &mut count)?;
        let count = if big { u64::from_be_bytes(count) } else { u64::from_le_bytes(count) };
        let width = root.stored.map_or(1, Stored::width) as u64;
        if count.checked_mul(width) != Some(root.bytes as u64) {
            let needed = root.bytes as u64 / width;
            let message =
                format!("the storage {:?} at byte {at} has {count} elements, its tensors need {needed}", root.key);
            return Err(source.fault(message));
        }
        source.check(at + 8, root.bytes as u64)?;
        places.insert(root.key.clone(), at + 8);
        at += 8 + root.bytes as u64;
    }
    Ok(places)
}
