//! The headers of a JPEG: frame, tables, scans, and what they say about colours.

use super::huffman::Huffman;
use crate::io::{Fault, Region};
use std::ops::Range;

/// The natural place of each coefficient in the order of a file. A damaged run may point up to 15 beyond.
pub(super) const ZIGZAG: [u8; 80] = {
    let mut places = [63; 80];
    let (mut k, mut x, mut y) = (0, 0usize, 0usize);
    while k < 64 {
        places[k] = (8 * y + x) as u8;
        // Up and to the right on even diagonals, back on odd ones, turning at the edges.
        if (x + y).is_multiple_of(2) {
            if x == 7 {
                y += 1;
            } else {
                x += 1;
                y = y.saturating_sub(1);
            }
        } else if y == 7 {
            x += 1;
        } else {
            y += 1;
            x = x.saturating_sub(1);
        }
        k += 1;
    }
    places
};

/// One of the frame's components.
pub(super) struct Component {
    pub(super) id: u8,
    /// Samples for the greatest count of a component in the frame, along x and y: the sampling factors.
    pub(super) factors: (usize, usize),
    /// The table it is quantised by: read when its first scan begins, as libjpeg does.
    table: u8,
    pub(super) quantization: Option<[u16; 64]>,
    /// Its samples.
    pub(super) size: (usize, usize),
    /// Its blocks of 8×8 samples.
    pub(super) blocks: (usize, usize),
    /// Its blocks, with those that fill up the last units of an interleaved scan.
    pub(super) padded: (usize, usize),
}

/// The frame header.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// The greatest sampling factors.
    pub(super) factors: (usize, usize),
    /// The units (MCUs) of an interleaved scan.
    pub(super) units: (usize, usize),
}

impl Frame {
    /// Reads the header at byte `at`, and holds it against the size of the file: a block of 8×8 samples takes
    /// one bit at the least.
    pub(super) fn read(content: &[u8], at: usize, progressive: bool, file: usize) -> Result<Frame, Fault> {
        let Some((&[bits, h0, h1, w0, w1, count], described)) = content.split_first_chunk::<6>() else {
            return Err(format!("the frame header at byte {at} is too short"));
        };
        let (height, width) = (usize::from(u16::from_be_bytes([h0, h1])), usize::from(u16::from_be_bytes([w0, w1])));
        if width == 0 || height == 0 {
            return Err(format!("the frame header at byte {at} promises {width}×{height} pixels"));
        }
        if bits != 8 {
            return Err(format!("the frame header at byte {at} promises {bits} bits a sample, 8 are supported"));
        }
        let described = described.as_chunks::<3>().0;
        let good = |c: &[u8; 3]| (1..=4).contains(&(c[1] >> 4)) && (1..=4).contains(&(c[1] & 15)) && c[2] < 4;
        if described.len() != usize::from(count) || !described.iter().all(good) {
            return Err(format!("the frame header at byte {at} does not describe its {count} components"));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(format!("the frame header at byte {at} has {count} components: 1, 3 and 4 are supported"));
        }
        let factors = |c: &[u8; 3]| (usize::from(c[1] >> 4), usize::from(c[1] & 15));
        let most = described.iter().map(factors).fold((1, 1), |a, b| (a.0.max(b.0), a.1.max(b.1)));
        let units = (width.div_ceil(8 * most.0), height.div_ceil(8 * most.1));
        let components: Vec<Component> = described
            .iter()
            .map(|c| {
                let (x, y) = factors(c);
                Component {
                    id: c[0],
                    factors: (x, y),
                    table: c[2],
                    quantization: None,
                    size: ((width * x).div_ceil(most.0), (height * y).div_ceil(most.1)),
                    blocks: ((width * x).div_ceil(8 * most.0), (height * y).div_ceil(8 * most.1)),
                    padded: (units.0 * x, units.1 * y),
                }
            })
            .collect();
        if components.iter().any(|c| most.0 % c.factors.0 != 0 || most.1 % c.factors.1 != 0) {
            return Err(format!("the frame header at byte {at} samples a component by a fraction of another"));
        }
        let blocks: usize = components.iter().map(|c| c.blocks.0 * c.blocks.1).sum();
        if blocks > file.saturating_mul(8) {
            return Err(format!("header promises {width}×{height} pixels, a file of {file} bytes cannot hold them"));
        }
        Ok(Frame { width, height, progressive, components, factors: most, units })
    }

    /// How many pixels a sample of `component` stands for, along x and y.
    pub(super) fn spread(&self, component: &Component) -> (usize, usize) {
        (self.factors.0 / component.factors.0, self.factors.1 / component.factors.1)
    }

    /// The samples of `component` that the pixels of `region` are made of, along x and y.
    pub(super) fn samples(&self, component: &Component, region: Region) -> (Range<usize>, Range<usize>) {
        let along = |start: usize, len: usize, by: usize, size: usize| {
            // Where a sample stands for several pixels, those beside it count, too.
            let margin = usize::from(by > 1);
            let end = ((start + len).div_ceil(by) + margin).min(size);
            (start / by).saturating_sub(margin)..end
        };
        let by = self.spread(component);
        (
            along(region.left, region.width, by.0, component.size.0),
            along(region.top, region.height, by.1, component.size.1),
        )
    }
}

/// What segments between the scans define.
#[derive(Default)]
pub(super) struct Tables {
    quantization: [Option<[u16; 64]>; 4],
    pub(super) dc: [Option<Huffman>; 4],
    pub(super) ac: [Option<Huffman>; 4],
    /// Units from one restart marker to the next, 0 for none.
    pub(super) restart: usize,
    jfif: bool,
    /// The transform that Adobe's segment names.
    adobe: Option<u8>,
}

impl Tables {
    pub(super) fn read_quantization(&mut self, mut content: &[u8], at: usize) -> Result<(), Fault> {
        let short = || format!("the quantization table at byte {at} is too short");
        while let Some((&head, rest)) = content.split_first() {
            let (wide, table) = (head >> 4 != 0, usize::from(head & 15));
            let Some(slot) = self.quantization.get_mut(table) else {
                return Err(format!("quantization table {table} at byte {at}: there are tables 0 to 3"));
            };
            let Some((values, rest)) = rest.split_at_checked(if wide { 128 } else { 64 }) else { return Err(short()) };
            let table = slot.insert([0; 64]);
            for (k, place) in ZIGZAG[..64].iter().enumerate() {
                table[usize::from(*place)] =
                    if wide { u16::from_be_bytes([values[2 * k], values[2 * k + 1]]) } else { u16::from(values[k]) };
            }
            content = rest;
        }
        Ok(())
    }

    pub(super) fn read_huffman(&mut self, mut content: &[u8], at: usize) -> Result<(), Fault> {
        while let Some((&head, rest)) = content.split_first() {
            let (class, table) = (head >> 4, usize::from(head & 15));
            if class > 1 || table > 3 {
                return Err(format!(
                    "Huffman table {class}/{table} at byte {at}: there are tables 0 to 3 of class 0 and 1"
                ));
            }
            let read = rest.split_first_chunk::<16>().and_then(|(lengths, rest)| {
                let count = lengths.iter().map(|n| usize::from(*n)).sum();
                let (symbols, rest) = rest.split_at_checked(count)?;
                Some((Huffman::new(lengths, symbols, class == 1)?, rest))
            });
            let Some((made, rest)) = read else { return Err(format!("the Huffman table at byte {at} is damaged")) };
            (if class == 0 { &mut self.dc } else { &mut self.ac })[table] = Some(made);
            content = rest;
        }
        Ok(())
    }

    pub(super) fn read_restart(&mut self, content: &[u8], at: usize) -> Result<(), Fault> {
        let Ok(&[high, low]) = <&[u8; 2]>::try_from(content) else {
            return Err(format!("the restart interval at byte {at} has {} bytes instead of 2", content.len()));
        };
        self.restart = usize::from(u16::from_be_bytes([high, low]));
        Ok(())
    }

    pub(super) fn read_application(&mut self, marker: u8, content: &[u8]) {
        match (marker, content) {
            (0xe0, [b'J', b'F', b'I', b'F', 0, _, _, _, _, _, _, _, _, _, ..]) => self.jfif = true,
            (0xee, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..]) => self.adobe = Some(*transform),
            _ => {}
        }
    }
}

/// What the components of a frame are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Colors {
    Gray,
    YCbCr,
    Rgb,
    /// inverted, as Adobe writes it
    Cmyk,
    /// CMYK whose first three are coded as brightness and colour
    Ycck,
}

impl Colors {
    /// libjpeg's rules (`default_decompress_parms`).
    pub(super) fn of(frame: &Frame, tables: &Tables) -> Colors {
        let ids: Vec<u8> = frame.components.iter().map(|c| c.id).collect();
        match (ids.as_slice(), tables.adobe) {
            ([_], _) => Colors::Gray,
            ([_, _, _, _], None | Some(0)) => Colors::Cmyk,
            ([_, _, _, _], Some(_)) => Colors::Ycck,
            _ if tables.jfif => Colors::YCbCr,
            (_, Some(0)) | (b"RGB", None) => Colors::Rgb,
            _ => Colors::YCbCr,
        }
    }
}

/// A scan's header: which components it has, by which tables, and which part of their coefficients.
pub(super) struct Scan {
    /// The component's number in the frame, its tables for the first and for the other coefficients.
    pub(super) parts: Vec<(usize, usize, usize)>,
    /// Its first and last coefficient.
    pub(super) band: (usize, usize),
    /// The bit below which coefficients were sent before, 0 for none; and that from which they are sent now.
    pub(super) bits: (u8, u8),
}

impl Scan {
    /// Reads the header that ends before byte `end`, and sees that all is there that the scan uses.
    pub(super) fn read(content: &[u8], end: usize, frame: &mut Frame, tables: &Tables) -> Result<Scan, Fault> {
        let fault = |what: &str| Err(format!("the scan at byte {end} {what}"));
        let Some((&count, rest)) = content.split_first() else { return fault("has no header") };
        let Some((named, &[first, last, bits])) = rest.split_last_chunk::<3>() else {
            return fault("has too short a header");
        };
        if named.len() != 2 * usize::from(count) || !(1..=4).contains(&count) {
            return fault(&format!("does not describe its {count} components"));
        }
        let mut parts = Vec::new();
        for &[id, by] in named.as_chunks::<2>().0 {
            // Names may be used twice (libjpeg goes by their order then).
            let free = |(i, c): &(usize, &super::frame::Component)| {
                c.id == id && parts.iter().all(|p: &(usize, _, _)| p.0 != *i)
            };
            let Some((component, _)) = frame.components.iter().enumerate().find(free) else {
                return fault(&format!("has component {id}, which the frame has not"));
            };
            parts.push((component, usize::from(by >> 4), usize::from(by & 15)));
        }
        let scan = Scan {
            parts,
            band: if frame.progressive { (usize::from(first), usize::from(last)) } else { (0, 63) },
            bits: if frame.progressive { (bits >> 4, bits & 15) } else { (0, 0) },
        };
        let (first, last) = scan.band;
        let part = if first == 0 { last == 0 } else { first <= last && last < 64 && count == 1 };
        if frame.progressive && !(part && scan.bits.1 < 14 && (scan.bits.0 == 0 || scan.bits.0 == scan.bits.1 + 1)) {
            return fault(&format!("sends coefficients {first} to {last}, bits {} to {}", scan.bits.0, scan.bits.1));
        }
        for &(component, dc, ac) in &scan.parts {
            let there = |tables: &[Option<Huffman>; 4], i: usize| tables.get(i).is_some_and(Option::is_some);
            if first == 0 && scan.bits.0 == 0 && !there(&tables.dc, dc) {
                return fault(&format!("uses Huffman table 0/{dc}, which is not defined"));
            }
            if last > 0 && !there(&tables.ac, ac) {
                return fault(&format!("uses Huffman table 1/{ac}, which is not defined"));
            }
            let component = &mut frame.components[component];
            if component.quantization.is_none() {
                component.quantization = tables.quantization[usize::from(component.table)];
            }
            if component.quantization.is_none() {
                return fault(&format!("uses quantization table {}, which is not defined", component.table));
            }
        }
        Ok(scan)
    }
}
