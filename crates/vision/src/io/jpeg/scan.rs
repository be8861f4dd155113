//! The scans of a JPEG: from bits to coefficients, and from these to the samples of each component.

use super::frame::{Colors, Component, Frame, Scan, Tables, ZIGZAG};
use super::huffman::{Bits, Huffman, NoCode};
use super::idct::{self, Block};
use super::{early, next_marker};
use crate::io::{Fault, ImageReadMode, Region};
use std::ops::Range;

/// What the scans so far have given, for each component.
pub(super) struct Planes<'a> {
    bytes: &'a [u8],
    mode: ImageReadMode,
    /// The part of the image that is asked for; all of it without.
    region: Option<Region>,
    /// Blocks that may still be passed over without spending bits on them.
    passes: usize,
    /// As they are when the first scan begins.
    pub(super) colors: Option<Colors>,
    /// The blocks that are turned into samples.
    covers: Vec<Cover>,
    /// Those samples, row by row; empty where nobody asks for them.
    samples: Vec<Vec<u8>>,
    /// The coefficients of a progressive file.
    blocks: Vec<Vec<Block>>,
}

/// Blocks of a component, along x and y.
pub(super) struct Cover {
    pub(super) x: Range<usize>,
    pub(super) y: Range<usize>,
}

impl Cover {
    fn of(frame: &Frame, component: &Component, region: Option<Region>) -> Cover {
        let Some(region) = region else { return Cover { x: 0..component.padded.0, y: 0..component.padded.1 } };
        let (x, y) = frame.samples(component, region);
        let blocks = |samples: Range<usize>| samples.start / 8..samples.end.div_ceil(8);
        Cover { x: blocks(x), y: blocks(y) }
    }

    /// Samples from one row to the next.
    pub(super) fn stride(&self) -> usize {
        8 * self.x.len()
    }
}

/// A component within a scan.
struct Part<'a> {
    /// Its number in the frame.
    component: usize,
    dc: Option<&'a Huffman>,
    ac: Option<&'a Huffman>,
    /// Its blocks in a unit of the scan, along x and y.
    unit: (usize, usize),
    /// Blocks from one row to the next where all of the component is kept.
    stride: usize,
    /// The first coefficient of its last block.
    level: i32,
}

impl<'a> Planes<'a> {
    /// Nothing yet of the file `bytes`.
    pub(super) fn new(bytes: &'a [u8], mode: ImageReadMode, region: Option<Region>) -> Self {
        // A refining scan passes over 32,767 blocks for 15 bits. A picture of nothing at all takes a bit a block for its
        // first coefficients, and at most three such passes: 24 blocks for a byte of the file.
        let passes = bytes.len().saturating_mul(32);
        let (covers, samples, blocks) = Default::default();
        Planes { bytes, mode, region, passes, colors: None, covers, samples, blocks }
    }

    /// The samples of each component, and the blocks that they are of.
    pub(super) fn into_samples(mut self, frame: &Frame) -> (Vec<Vec<u8>>, Vec<Cover>) {
        for (i, component) in frame.components.iter().enumerate() {
            if let Some(blocks) = self.blocks.get(i).filter(|_| wanted(i, &self.samples)) {
                let (samples, cover) = (&mut self.samples[i], &self.covers[i]);
                for row in cover.y.clone() {
                    let blocks = &blocks[row * component.padded.0..][cover.x.clone()];
                    inverse(component, cover, blocks, row, samples);
                }
            }
        }
        (self.samples, self.covers)
    }

    /// Reads the scan whose header ends before byte `at`; returns where its data end.
    pub(super) fn read_scan(
        &mut self,
        frame: &mut Frame,
        tables: &Tables,
        header: &[u8],
        at: usize,
    ) -> Result<usize, Fault> {
        let bytes = self.bytes;
        let scan = Scan::read(header, at, frame, tables)?;
        if self.colors.is_none() {
            self.allocate(frame, Colors::of(frame, tables));
        }
        let single = scan.parts.len() == 1;
        let mut parts: Vec<Part> = scan
            .parts
            .iter()
            .map(|&(component, dc, ac)| Part {
                component,
                dc: tables.dc.get(dc).and_then(Option::as_ref),
                ac: tables.ac.get(ac).and_then(Option::as_ref),
                unit: if single { (1, 1) } else { frame.components[component].factors },
                stride: frame.components[component].padded.0,
                level: 0,
            })
            .collect();
        let units = if single { frame.components[parts[0].component].blocks } else { frame.units };
        let mut walk = Walk { bytes, start: at, bits: Bits::new(bytes, at), units, restart: tables.restart, next: 0 };
        let (band, (after, from)) = (scan.band, scan.bits);
        match (frame.progressive, band.0, after) {
            (false, ..) => self.sequential(frame, &mut walk, &mut parts)?,
            (true, 0, 0) => self.first_levels(&mut walk, &mut parts, from)?,
            (true, 0, _) => self.refined_levels(&mut walk, &mut parts, from)?,
            (true, _, 0) => self.first_band(&mut walk, &parts[0], band, from)?,
            (true, _, _) => self.refined_band(&mut walk, &parts[0], band, from)?,
        }
        Ok(walk.bits.at)
    }

    fn allocate(&mut self, frame: &Frame, colors: Colors) {
        self.colors = Some(colors);
        let gray = matches!(self.mode, ImageReadMode::Gray | ImageReadMode::GrayAlpha);
        for (i, c) in frame.components.iter().enumerate() {
            let blocks = c.padded.0 * c.padded.1;
            let wanted = i == 0 || !(gray && colors == Colors::YCbCr);
            let cover = Cover::of(frame, c, self.region);
            self.samples.push(vec![0; if wanted { 8 * cover.stride() * cover.y.len() } else { 0 }]);
            self.covers.push(cover);
            if frame.progressive {
                self.blocks.push(vec![[0; 64]; blocks]);
            }
        }
    }

    /// All of the coefficients of the scan's components, row by row of units, each row turned into samples. Of what
    /// is not asked for the codes are passed over; below the last row that is, nothing is read.
    fn sequential(&mut self, frame: &Frame, walk: &mut Walk, parts: &mut [Part]) -> Result<(), Fault> {
        let mut rows: Vec<Vec<Block>> =
            parts.iter().map(|p| vec![[0; 64]; self.covers[p.component].x.len() * p.unit.1]).collect();
        for y in 0..walk.units.1 {
            let (covers, samples) = (&self.covers, &self.samples);
            if parts.iter().all(|p| !wanted(p.component, samples) || y * p.unit.1 >= covers[p.component].y.end) {
                break;
            }
            rows.iter_mut().for_each(|row| row.fill([0; 64]));
            for x in 0..walk.units.0 {
                walk.begin_unit(parts)?;
                for (part, row) in parts.iter_mut().zip(&mut rows) {
                    let cover = &covers[part.component];
                    let (width, keep) = (cover.x.len(), wanted(part.component, samples));
                    for v in 0..part.unit.1 {
                        let row = &mut row[v * width..(v + 1) * width];
                        let keep = keep && cover.y.contains(&(y * part.unit.1 + v));
                        for h in 0..part.unit.0 {
                            let place = (x * part.unit.0 + h).wrapping_sub(cover.x.start);
                            match row.get_mut(place).filter(|_| keep) {
                                Some(block) => whole_block(&mut walk.bits, part, block),
                                None => passed_block(&mut walk.bits, part),
                            }
                            .map_err(|NoCode| walk.no_code())?;
                        }
                    }
                }
                walk.end_unit()?;
            }
            for (part, row) in parts.iter().zip(&rows) {
                let (cover, samples) = (&self.covers[part.component], &mut self.samples[part.component]);
                if samples.is_empty() {
                    continue;
                }
                for (v, blocks) in row.chunks_exact(cover.x.len()).enumerate() {
                    inverse(&frame.components[part.component], cover, blocks, y * part.unit.1 + v, samples);
                }
            }
        }
        Ok(())
    }

    /// Calls `f` with each block of the scan.
    fn each_block(
        &mut self,
        walk: &mut Walk,
        parts: &mut [Part],
        f: impl Fn(&mut Bits, &mut Part, &mut Block) -> Result<(), NoCode>,
    ) -> Result<(), Fault> {
        for y in 0..walk.units.1 {
            for x in 0..walk.units.0 {
                walk.begin_unit(parts)?;
                for part in parts.iter_mut() {
                    for v in 0..part.unit.1 {
                        let first = (y * part.unit.1 + v) * part.stride + x * part.unit.0;
                        for h in 0..part.unit.0 {
                            let block = &mut self.blocks[part.component][first + h];
                            f(&mut walk.bits, part, block).map_err(|NoCode| walk.no_code())?;
                        }
                    }
                }
                walk.end_unit()?;
            }
        }
        Ok(())
    }

    fn first_levels(&mut self, walk: &mut Walk, parts: &mut [Part], from: u8) -> Result<(), Fault> {
        self.each_block(walk, parts, |bits, part, block| {
            block[0] = (level(bits, part)? as i16).wrapping_shl(u32::from(from));
            Ok(())
        })
    }

    fn refined_levels(&mut self, walk: &mut Walk, parts: &mut [Part], from: u8) -> Result<(), Fault> {
        self.each_block(walk, parts, |bits, _, block| {
            block[0] |= (bits.take(1) as i16) << from;
            Ok(())
        })
    }

    fn first_band(&mut self, walk: &mut Walk, part: &Part, band: (usize, usize), from: u8) -> Result<(), Fault> {
        let Some(ac) = part.ac else { return Ok(()) };
        let (blocks, total) = (&mut self.blocks[part.component], walk.units.0 * walk.units.1);
        let (mut at, mut empty) = (0, 0);
        while at < total {
            if walk.begin_block(at)? {
                empty = 0;
            }
            if empty > 0 {
                // As many as there are before the next restart.
                let n = walk.until_restart(at).min(empty).min(total - at);
                (at, empty) = (at + n, empty - n);
                continue;
            }
            let block = &mut blocks[at / walk.units.0 * part.stride + at % walk.units.0];
            let mut k = band.0;
            while k <= band.1 {
                let (run, number) = walk.bits.run(ac).map_err(|NoCode| walk.no_code())?;
                if number == 0 && run < 15 {
                    empty = (1 << run) - 1 + walk.bits.take(run as u32) as usize;
                    break;
                }
                k += run;
                block[usize::from(ZIGZAG[k])] = number << from;
                k += 1;
            }
            if k > band.1 + 1 {
                return Err(walk.no_code());
            }
            walk.end_unit()?;
            at += 1;
        }
        Ok(())
    }

    fn refined_band(&mut self, walk: &mut Walk, part: &Part, band: (usize, usize), from: u8) -> Result<(), Fault> {
        let Some(ac) = part.ac else { return Ok(()) };
        let (blocks, total) = (&mut self.blocks[part.component], walk.units.0 * walk.units.1);
        let mut empty = 0;
        for at in 0..total {
            if walk.begin_block(at)? {
                empty = 0;
            }
            let block = &mut blocks[at / walk.units.0 * part.stride + at % walk.units.0];
            let mut k = band.0;
            if empty == 0 {
                empty = refined_block(&mut walk.bits, ac, block, (&mut k, band.1), from)
                    .map_err(|NoCode| walk.no_code())?;
            } else {
                self.passes = self.passes.checked_sub(1).ok_or_else(|| {
                    format!("the scan at byte {} refines more empty blocks than a file of this size has", walk.start)
                })?;
            }
            if empty > 0 {
                if !idct::only_level(block) {
                    refine(&mut walk.bits, block, (&mut k, band.1), from, usize::MAX);
                }
                empty -= 1;
            }
            walk.end_unit()?;
        }
        Ok(())
    }
}

/// Whether the samples of this component are asked for.
fn wanted(component: usize, samples: &[Vec<u8>]) -> bool {
    !samples[component].is_empty()
}

/// One row of blocks as samples, where it is one of those asked for.
fn inverse(component: &Component, cover: &Cover, blocks: &[Block], row: usize, samples: &mut [u8]) {
    let stride = cover.stride();
    let (Some(quantization), true) = (&component.quantization, cover.y.contains(&row)) else { return };
    let row = row - cover.y.start;
    if let Some(to) = samples.get_mut(8 * row * stride..8 * (row + 1) * stride) {
        idct::row(blocks, quantization, to, stride);
    }
}

/// The first coefficient, which is sent as the difference from the block before.
#[inline(always)]
fn level(bits: &mut Bits, part: &mut Part) -> Result<i32, NoCode> {
    let Some(dc) = part.dc else { return Err(NoCode) };
    let size = bits.symbol(dc)?;
    if size > 16 {
        return Err(NoCode);
    }
    part.level = part.level.wrapping_add(bits.number(u32::from(size)));
    Ok(part.level)
}

/// All coefficients of a block.
#[inline(always)]
fn whole_block(bits: &mut Bits, part: &mut Part, block: &mut Block) -> Result<(), NoCode> {
    each_coefficient(bits, part, |place, number| block[usize::from(ZIGZAG[place])] = number)
}

/// The same of a block that nobody asks for.
fn passed_block(bits: &mut Bits, part: &mut Part) -> Result<(), NoCode> {
    each_coefficient(bits, part, |_, _| {})
}

/// Calls `put` with those of a block's coefficients that are sent, each with its place in the file's order.
#[inline(always)]
fn each_coefficient(walk: &mut Bits, part: &mut Part, mut put: impl FnMut(usize, i16)) -> Result<(), NoCode> {
    let mut bits = *walk;
    put(0, level(&mut bits, part)? as i16);
    let Some(ac) = part.ac else { return Err(NoCode) };
    let mut k = 1;
    while k < 64 {
        let (run, number) = bits.run(ac)?;
        if number == 0 && run < 15 {
            break;
        }
        k += run;
        put(k, number);
        k += 1;
    }
    *walk = bits;
    if k > 64 { Err(NoCode) } else { Ok(()) }
}

/// One block of a refining scan up to where its band ends (0) or a run of blocks begins in which nothing
/// becomes other than zero: how many these are, with this one.
fn refined_block(
    bits: &mut Bits,
    ac: &Huffman,
    block: &mut Block,
    (k, last): (&mut usize, usize),
    from: u8,
) -> Result<usize, NoCode> {
    while *k <= last {
        let symbol = bits.symbol(ac)?;
        let (run, size) = (usize::from(symbol >> 4), symbol & 15);
        let mut new = 0;
        if size > 0 {
            new = if bits.take(1) == 1 { 1 << from } else { -1 << from };
        } else if run < 15 {
            return Ok((1 << run) + bits.take(run as u32) as usize);
        }
        refine(bits, block, (k, last), from, run);
        if *k > last {
            return if new == 0 { Ok(0) } else { Err(NoCode) };
        }
        if new != 0 {
            block[usize::from(ZIGZAG[*k])] = new;
        }
        *k += 1;
    }
    Ok(0)
}

/// Gives the coefficients that are not zero their next bit, up to the zero behind `zeros` others.
fn refine(walk: &mut Bits, block: &mut Block, (at, last): (&mut usize, usize), from: u8, mut zeros: usize) {
    let (mut bits, mut k, bit) = (*walk, *at, 1i16 << from);
    while k <= last {
        let coefficient = &mut block[usize::from(ZIGZAG[k])];
        if *coefficient != 0 {
            if bits.take(1) == 1 && *coefficient & bit == 0 {
                *coefficient = coefficient.wrapping_add(if *coefficient > 0 { bit } else { -bit });
            }
        } else if zeros == 0 {
            break;
        } else {
            zeros -= 1;
        }
        k += 1;
    }
    (*walk, *at) = (bits, k);
}

/// The way through a scan's units and restart markers.
struct Walk<'a> {
    bytes: &'a [u8],
    /// Where the data start.
    start: usize,
    bits: Bits<'a>,
    /// Units along x and y.
    units: (usize, usize),
    /// Units between restart markers, 0 for none.
    restart: usize,
    /// The number of the next unit.
    next: usize,
}

impl Walk<'_> {
    #[inline(always)]
    fn begin_unit(&mut self, parts: &mut [Part]) -> Result<(), Fault> {
        if self.begin_block(self.next)? {
            parts.iter_mut().for_each(|part| part.level = 0);
        }
        self.next += 1;
        Ok(())
    }

    /// Passes the restart marker before unit `at`, if there is one.
    #[inline(always)]
    fn begin_block(&mut self, at: usize) -> Result<bool, Fault> {
        if self.restart == 0 || at == 0 || at % self.restart != 0 {
            return Ok(false);
        }
        self.pass_marker(at / self.restart - 1)?;
        Ok(true)
    }

    #[cold]
    fn pass_marker(&mut self, number: usize) -> Result<(), Fault> {
        let (marker, after) = next_marker(self.bytes, self.bits.at)?;
        let due = 0xd0 + (number % 8) as u8;
        if marker != due {
            return Err(format!("marker {marker:02x} at byte {} instead of restart marker {due:02x}", after - 2));
        }
        self.bits.restart(after);
        Ok(())
    }

    /// Units from `at` to the next restart marker.
    fn until_restart(&self, at: usize) -> usize {
        if self.restart == 0 { usize::MAX } else { self.restart - at % self.restart }
    }

    #[inline(always)]
    fn end_unit(&self) -> Result<(), Fault> {
        if self.bits.overrun() { Err(self.overrun()) } else { Ok(()) }
    }

    #[cold]
    fn overrun(&self) -> Fault {
        match next_marker(self.bytes, self.bits.at) {
            Ok((marker, after)) => {
                format!("the scan at byte {} ends too early, at marker {marker:02x} at byte {}", self.start, after - 2)
            }
            Err(_) => early(self.bytes),
        }
    }

    #[cold]
    fn no_code(&self) -> Fault {
        if self.bits.overrun() {
            return self.overrun();
        }
        format!("the scan at byte {} is damaged near byte {}", self.start, self.bits.at)
    }
}
