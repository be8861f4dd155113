//! Kernels of order. An element and its place are packed into one integer, the element above as bits that
//! order as the numbers do: comparing two is one instruction, no two are equal, and any sort of them is
//! stable. Long lines go through a radix sort. Where order need not be stable and elements are equal, their order
//! is that of PyTorch's algorithms (`introsort`).

use super::lanes::by_dtype;
use super::{CpuKernel, Dst, Src, introsort, lengthen, par, reserve};
use crate::dtype::Stored;
use crate::ops::{Kthvalue, Pick, Sort, Topk};
use crate::{Result, ensure};
use half::{bf16, f16};

/// Lines shorter than this are sorted by comparison.
const RADIX_FROM: usize = 1500;
const DIGIT: u32 = 11;

/// An integer that holds key (above) and place (below).
trait Packed: Copy + Ord + Send + Sync + Default + 'static {
    /// Bits of the key.
    const KEY: u32;
    fn pack(key: u64, place: usize) -> Self;
    fn place(self) -> usize;
    fn key(self) -> u64;
    /// The digit of the key that starts at bit `at`.
    fn digit(self, at: u32) -> usize {
        (self.key() >> at) as usize & ((1 << DIGIT) - 1)
    }
}

impl Packed for u64 {
    const KEY: u32 = 32;
    fn pack(key: u64, place: usize) -> u64 {
        key << 32 | place as u64
    }
    fn place(self) -> usize {
        self as u32 as usize
    }
    fn key(self) -> u64 {
        self >> 32
    }
}

impl Packed for u128 {
    const KEY: u32 = 64;
    fn pack(key: u64, place: usize) -> u128 {
        (key as u128) << 64 | place as u128
    }
    fn place(self) -> usize {
        self as u64 as usize
    }
    fn key(self) -> u64 {
        (self >> 64) as u64
    }
}

/// A stored element as a key.
trait Sortable: Stored {
    type Packed: Packed;
    /// Bits that order as the elements do: equal for equal elements, NaN above all.
    fn key(self) -> u64;
    fn nan(self) -> bool {
        false
    }
}

macro_rules! sortable {
    ($($t:ty, $packed:ty, |$x:ident| $key:expr $(, $nan:expr)?;)*) => {$(
        impl Sortable for $t {
            type Packed = $packed;
            #[inline(always)]
            fn key(self) -> u64 { let $x = self; $key }
            $(#[inline(always)] fn nan(self) -> bool { let $x = self; $nan })?
        }
    )*};
}

/// The bits of a float, made to order as an unsigned number. `x + 0.0` makes one zero of two.
#[inline(always)]
fn single(x: f32) -> u64 {
    let bits = if x.is_nan() { 0x7fff_ffff } else { (x + 0.0).to_bits() };
    (if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }) as u64
}

#[inline(always)]
fn double(x: f64) -> u64 {
    let bits = if x.is_nan() { u64::MAX >> 1 } else { (x + 0.0).to_bits() };
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

sortable! {
    u8, u64, |x| x as u64;
    i8, u64, |x| (x as i32 as u32 ^ 1 << 31) as u64;
    i16, u64, |x| (x as i32 as u32 ^ 1 << 31) as u64;
    i32, u64, |x| (x as u32 ^ 1 << 31) as u64;
    i64, u128, |x| x as u64 ^ 1 << 63;
    f16, u64, |x| single(x.to_f32()), x.is_nan();
    bf16, u64, |x| single(x.to_f32()), x.is_nan();
    f32, u64, |x| single(x), x.is_nan();
    f64, u128, |x| double(x), x.is_nan();
}

/// What turns the order of keys around, if it is to be.
fn mask<P: Packed>(flip: bool) -> u64 {
    if flip { u64::MAX >> (64 - P::KEY) } else { 0 }
}

/// The line's elements packed; `flip` turns the order of the keys around, not that of the places.
fn pack<T: Sortable>(line: &[T], flip: bool, to: &mut Vec<T::Packed>) -> Result<()> {
    to.clear();
    reserve(to, line.len())?;
    let mask = mask::<T::Packed>(flip);
    to.extend(line.iter().enumerate().map(|(i, x)| T::Packed::pack(x.key() ^ mask, i)));
    Ok(())
}

/// By the elements alone.
fn less<P: Packed>(a: &P, b: &P) -> bool {
    a.key() < b.key()
}

/// True where two of sorted keys are of equal elements.
fn ties<P: Packed>(keys: &[P]) -> bool {
    keys.windows(2).any(|pair| pair[0].key() == pair[1].key())
}

/// Sorts `keys`, which are in the order of their places, by digits from the lowest up.
fn radix<P: Packed>(keys: &mut Vec<P>, spare: &mut Vec<P>) -> Result<()> {
    lengthen(spare, keys.len(), P::default())?;
    for at in (0..P::KEY).step_by(DIGIT as usize) {
        let mut starts = [0usize; 1 << DIGIT];
        keys.iter().for_each(|k| starts[k.digit(at)] += 1);
        if starts.contains(&keys.len()) {
            continue;
        }
        let mut sum = 0;
        for s in &mut starts {
            sum += std::mem::replace(s, sum);
        }
        for k in keys.iter() {
            let s = &mut starts[k.digit(at)];
            spare[*s] = *k;
            *s += 1;
        }
        std::mem::swap(keys, spare);
    }
    Ok(())
}

/// The memory one thread works in.
struct Scratch<P> {
    keys: Vec<P>,
    spare: Vec<P>,
}

impl<P: Packed> Scratch<P> {
    fn sort<T: Sortable<Packed = P>>(&mut self, line: &[T], flip: bool, stable: bool) -> Result<()> {
        pack(line, flip, &mut self.keys)?;
        if line.len() < RADIX_FROM {
            self.keys.sort_unstable()
        } else {
            radix(&mut self.keys, &mut self.spare)?
        }
        if !stable && line.len() > introsort::SHORT && ties(&self.keys) {
            pack(line, flip, &mut self.keys)?;
            introsort::sort(&mut self.keys, less);
        }
        Ok(())
    }

    /// The `k` smallest keys in order; of equal ones those that PyTorch takes, in its order.
    fn smallest<T: Sortable<Packed = P>>(&mut self, line: &[T], k: usize, flip: bool) -> Result<()> {
        self.first_smallest(line, k, flip)?;
        let Some(last) = self.keys.last().map(|key| key.key()) else { return Ok(()) };
        let mask = mask::<P>(flip);
        let among = |keys: &[P]| keys.iter().rev().take_while(|key| key.key() == last).count();
        let more = k < line.len() && line.iter().filter(|x| x.key() ^ mask == last).count() > among(&self.keys);
        if !(more || ties(&self.keys)) {
            return Ok(());
        }
        pack(line, flip, &mut self.keys)?;
        if k <= line.len() / 64 {
            introsort::partial_sort(&mut self.keys, k, less);
        } else {
            introsort::nth_element(&mut self.keys, k - 1, less);
            introsort::sort(&mut self.keys[..k - 1], less);
        }
        self.keys.truncate(k);
        Ok(())
    }

    /// The `k` smallest keys in order, of equal ones the first, in one pass that keeps few of them.
    fn first_smallest<T: Sortable<Packed = P>>(&mut self, line: &[T], k: usize, flip: bool) -> Result<()> {
        let room = k.saturating_mul(2).max(1024);
        if k == 0 || line.len() / 2 <= room {
            pack(line, flip, &mut self.keys)?;
            select(&mut self.keys, k);
        } else {
            let (mask, keys) = (mask::<P>(flip), &mut self.keys);
            pack(&line[..room], flip, keys)?;
            select(keys, k);
            let mut limit = keys[k - 1];
            for (i, x) in line.iter().enumerate().skip(room) {
                let key = P::pack(x.key() ^ mask, i);
                if key < limit {
                    keys.push(key);
                    if keys.len() == room {
                        select(keys, k);
                        limit = keys[k - 1];
                    }
                }
            }
            select(keys, k);
        }
        self.keys.sort_unstable();
        Ok(())
    }
}

/// Cuts `keys` to the `k` smallest ones, the largest of them last.
fn select<P: Packed>(keys: &mut Vec<P>, k: usize) {
    if k < keys.len() {
        if k > 0 {
            keys.select_nth_unstable(k - 1);
        }
        keys.truncate(k);
    }
}

/// Calls `f` with each line of `x`, and the lines of `values` and `places` (`k` long) to fill.
fn lines<T: Sortable>(
    x: &Src<'_>,
    outputs: &mut [Dst<'_>],
    f: impl Fn(&mut Scratch<T::Packed>, &[T], &mut [T], &mut [i64]) -> Result<()> + Sync,
) -> Result<()> {
    let n = x.shape().last().copied().unwrap_or(1);
    let k = outputs[0].shape().last().copied().unwrap_or(1);
    if outputs[0].numel() == 0 {
        return Ok(());
    }
    let (values, places) = outputs.split_at_mut(1);
    let (x, values, places) = (x.contiguous::<T>(), values[0].slice::<T>(), places[0].slice::<i64>());
    let together = (par::GRAIN / (8 * n.max(1))).max(1);
    let size = k * together;
    let tasks = values.chunks_mut(size).zip(places.chunks_mut(size)).enumerate().collect();
    par::try_each(tasks, |(task, (values, places))| {
        let mut scratch = Scratch { keys: Vec::new(), spare: Vec::new() };
        for (i, (values, places)) in values.chunks_mut(k).zip(places.chunks_mut(k)).enumerate() {
            f(&mut scratch, &x[(task * together + i) * n..][..n], values, places)?;
        }
        Ok(())
    })
}

/// Values and places of the first keys.
fn unpack<T: Sortable>(keys: &[T::Packed], line: &[T], values: &mut [T], places: &mut [i64]) {
    for ((key, value), place) in keys.iter().zip(values).zip(places) {
        (*value, *place) = (line[key.place()], key.place() as i64);
    }
}

/// A line's places are packed into 32 bits.
fn check_lines(op: &'static str, x: &Src<'_>) -> Result<()> {
    let fits = x.shape().last().is_none_or(|n| *n <= u32::MAX as usize);
    ensure!(fits, Unsupported, op, "a line of more than {} elements", u32::MAX);
    Ok(())
}

impl CpuKernel for Sort {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn go<T: Sortable>(op: &Sort, x: &Src<'_>, outputs: &mut [Dst<'_>]) -> Result<()> {
            lines::<T>(x, outputs, |scratch, line, values, places| {
                scratch.sort(line, op.descending, op.stable)?;
                unpack(&scratch.keys, line, values, places);
                Ok(())
            })
        }
        check_lines("sort", &inputs[0])?;
        by_dtype!("sort", inputs[0].dtype(), { kept T => go::<T>(self, &inputs[0], outputs), })
    }
}

impl CpuKernel for Topk {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn go<T: Sortable>(op: &Topk, x: &Src<'_>, outputs: &mut [Dst<'_>]) -> Result<()> {
            lines::<T>(x, outputs, |scratch, line, values, places| {
                scratch.smallest(line, op.k, op.largest)?;
                unpack(&scratch.keys, line, values, places);
                Ok(())
            })
        }
        check_lines("topk", &inputs[0])?;
        by_dtype!("topk", inputs[0].dtype(), { kept T => go::<T>(self, &inputs[0], outputs), })
    }
}

/// The place in `line` of the element that is asked for.
fn pick<T: Sortable>(pick: Pick, scratch: &mut Scratch<T::Packed>, line: &[T]) -> Result<usize> {
    let nans = || line.iter().filter(|x| x.nan()).count();
    let k = match pick {
        Pick::Mode => {
            scratch.sort(line, false, false)?;
            return Ok(mode(&scratch.keys));
        }
        Pick::Place(k) => k,
        Pick::Median => match line.iter().position(|x| x.nan()) {
            Some(place) => return Ok(place),
            None => (line.len() - 1) / 2,
        },
        Pick::NanMedian => (line.len() - nans()).saturating_sub(1) / 2,
    };
    pack(line, false, &mut scratch.keys)?;
    let key = *scratch.keys.select_nth_unstable(k).1;
    let alone = || line.iter().filter(|x| x.key() == key.key()).count() == 1;
    if !matches!(pick, Pick::Place(_)) || alone() {
        return Ok(key.place());
    }
    pack(line, false, &mut scratch.keys)?;
    introsort::quick_select(&mut scratch.keys, k, less);
    Ok(scratch.keys[k].place())
}

/// The place of the last of the most frequent of sorted keys.
fn mode<P: Packed>(keys: &[P]) -> usize {
    let mut best = (0, 0);
    for run in keys.chunk_by(|a, b| a.key() == b.key()) {
        if run.len() > best.0 {
            best = (run.len(), run[run.len() - 1].place());
        }
    }
    best.1
}

impl CpuKernel for Kthvalue {
    fn run(&self, inputs: &[Src<'_>], outputs: &mut [Dst<'_>]) -> Result<()> {
        fn go<T: Sortable>(which: Pick, x: &Src<'_>, outputs: &mut [Dst<'_>]) -> Result<()> {
            lines::<T>(x, outputs, |scratch, line, values, places| {
                let place = pick(which, scratch, line)?;
                (values[0], places[0]) = (line[place], place as i64);
                Ok(())
            })
        }
        check_lines("kthvalue", &inputs[0])?;
        by_dtype!("kthvalue", inputs[0].dtype(), { kept T => go::<T>(self.pick, &inputs[0], outputs), })
    }
}
