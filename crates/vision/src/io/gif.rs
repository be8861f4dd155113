//! GIF files, by code of our own: every frame, whole to the trailer, drawn on the canvas as torchvision draws it.
//!
//! A frame is drawn over the one before it, or over the background colour where its own `disposal` is 2, as in
//! torchvision. A frame that reaches over the canvas is an error.

use super::{Fault, Pixels};

/// How every GIF starts, before the version.
pub(super) const START: [u8; 3] = *b"GIF";

/// The disposal that asks for the background colour.
const RESTORE: u8 = 2;

/// All frames, each as large as the canvas, red, green and blue.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Pixels<u8>>, Fault> {
    let file = File::read(bytes)?;
    let n = file.width * file.height;
    let background = file.background();
    let mut frames: Vec<Pixels<u8>> = Vec::with_capacity(file.frames.len());
    for frame in &file.frames {
        let mut samples = match frames.last() {
            Some(before) if frame.disposal != RESTORE => before.samples.clone(),
            _ => background.iter().flat_map(|c| std::iter::repeat_n(*c, n)).collect(),
        };
        frame.draw(&mut samples, file.width, n, frame.transparent)?;
        frames.push(file.pixels(samples));
    }
    Ok(frames)
}

/// The first frame, as Pillow's `convert("RGB")` has it: what is transparent has its colour.
pub(super) fn first(bytes: &[u8]) -> Result<Pixels<u8>, Fault> {
    let file = File::read(bytes)?;
    let Some(frame) = file.frames.first() else { return Err("there is no frame".into()) };
    let n = file.width * file.height;
    let around = frame.color(frame.transparent.unwrap_or(0)).unwrap_or([0; 3]);
    let mut samples: Vec<u8> = around.iter().flat_map(|c| std::iter::repeat_n(*c, n)).collect();
    frame.draw(&mut samples, file.width, n, None)?;
    Ok(file.pixels(samples))
}

struct File<'a> {
    width: usize,
    height: usize,
    colors: &'a [u8],
    background: u8,
    frames: Vec<Frame<'a>>,
}

struct Frame<'a> {
    /// Left, top, width, height.
    place: [usize; 4],
    colors: &'a [u8],
    transparent: Option<u8>,
    disposal: u8,
    interlaced: bool,
    /// Where its data start, for faults.
    at: usize,
    indices: Vec<u8>,
}

/// Reads bytes in order; where there are no more, says so.
struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let taken = self.bytes.get(self.at..self.at + n).ok_or_else(|| super::early(self.bytes))?;
        self.at += n;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    /// A table of colours, where the flags say that there is one.
    fn colors(&mut self, flags: u8) -> Result<&'a [u8], Fault> {
        if flags & 0x80 == 0 { Ok(&[]) } else { self.take(3 << ((flags & 7) + 1)) }
    }

    /// Passes over blocks to the empty one; `each` sees them.
    fn blocks(&mut self, mut each: impl FnMut(&'a [u8])) -> Result<(), Fault> {
        loop {
            match self.byte()? {
                0 => return Ok(()),
                len => each(self.take(usize::from(len))?),
            }
        }
    }
}

fn two(bytes: &[u8], at: usize) -> usize {
    usize::from(bytes[at]) | usize::from(bytes[at + 1]) << 8
}

impl<'a> File<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut from = Bytes { bytes, at: 0 };
        let head = from.take(13)?;
        if !matches!(&head[3..6], b"87a" | b"89a") {
            return Err(format!("GIF version {} does not exist (byte 3)", head[3..6].escape_ascii()));
        }
        let (width, height) = (two(head, 6), two(head, 8));
        if width == 0 || height == 0 {
            return Err(format!("header promises {width}×{height} pixels (byte 6)"));
        }
        let colors = from.colors(head[10])?;
        let mut file = File { width, height, colors, background: head[11], frames: Vec::new() };
        let (mut transparent, mut disposal) = (None, 0);
        loop {
            let at = from.at;
            match from.byte()? {
                0x3b => break,
                0x21 => {
                    let control = from.byte()? == 0xf9;
                    from.blocks(|block| {
                        if let (true, [flags, _, _, index, ..]) = (control, block) {
                            disposal = flags >> 2 & 7;
                            transparent = (flags & 1 == 1).then_some(*index);
                        }
                    })?;
                }
                0x2c => {
                    super::check_size(width, height, 3 * (file.frames.len() + 1), bytes.len())?;
                    let frame = file.frame(&mut from, at, transparent.take(), std::mem::take(&mut disposal))?;
                    file.frames.push(frame);
                }
                other => return Err(format!("block {other:02x} at byte {at} does not exist")),
            }
        }
        if file.frames.is_empty() {
            return Err(format!("the image ends at byte {} without a frame", from.at));
        }
        Ok(file)
    }

    fn frame(
        &self,
        from: &mut Bytes<'a>,
        at: usize,
        transparent: Option<u8>,
        disposal: u8,
    ) -> Result<Frame<'a>, Fault> {
        let head = from.take(9)?;
        let place = [two(head, 0), two(head, 2), two(head, 4), two(head, 6)];
        let [left, top, wide, high] = place;
        if left + wide > self.width || top + high > self.height {
            let canvas = (self.width, self.height);
            return Err(format!(
                "the frame at byte {at}, {wide}×{high} pixels at ({left}, {top}), reaches over the canvas of {}×{}",
                canvas.0, canvas.1
            ));
        }
        let own = from.colors(head[8])?;
        let colors = if own.is_empty() { self.colors } else { own };
        if colors.is_empty() {
            return Err(format!("the frame at byte {at} has no table of colours"));
        }
        let bits = from.byte()?;
        let start = from.at;
        if !(1..=11).contains(&bits) {
            return Err(format!("codes of {bits} bits do not exist (byte {})", start - 1));
        }
        let mut packed = Vec::new();
        from.blocks(|block| packed.extend_from_slice(block))?;
        let indices = unpack(&packed, u32::from(bits), wide * high)
            .ok_or_else(|| format!("the pixels of the frame at byte {at} are damaged or end too early"))?;
        Ok(Frame { place, colors, transparent, disposal, interlaced: head[8] & 0x40 != 0, at: start, indices })
    }

    /// The colour of the canvas; black where the file gives none.
    fn background(&self) -> [u8; 3] {
        self.colors.as_chunks().0.get(usize::from(self.background)).copied().unwrap_or([0; 3])
    }

    fn pixels(&self, samples: Vec<u8>) -> Pixels<u8> {
        Pixels { channels: 3, height: self.height, width: self.width, samples }
    }
}

impl Frame<'_> {
    fn color(&self, index: u8) -> Option<[u8; 3]> {
        self.colors.as_chunks().0.get(usize::from(index)).copied()
    }

    /// Draws it on a canvas of three planes of `n` pixels, except for `transparent`.
    fn draw(&self, canvas: &mut [u8], width: usize, n: usize, transparent: Option<u8>) -> Result<(), Fault> {
        let [left, top, wide, high] = self.place;
        for (row, indices) in self.indices.chunks_exact(wide.max(1)).enumerate() {
            let y = top + if self.interlaced { interlaced(row, high) } else { row };
            for (x, index) in indices.iter().enumerate() {
                if Some(*index) == transparent {
                    continue;
                }
                let color = self
                    .color(*index)
                    .ok_or_else(|| format!("the frame at byte {} has colour {index}, its table has not", self.at))?;
                let to = y * width + left + x;
                [canvas[to], canvas[n + to], canvas[2 * n + to]] = color;
            }
        }
        Ok(())
    }
}

/// The row of the picture that comes as number `k` of an interlaced frame: every eighth, the ones between them, and so on.
fn interlaced(k: usize, high: usize) -> usize {
    let mut before = 0;
    for (first, step) in [(0, 8), (4, 8), (2, 4), (1, 2)] {
        let rows = high.saturating_sub(first).div_ceil(step);
        if k < before + rows {
            return first + (k - before) * step;
        }
        before += rows;
    }
    k
}

/// The `want` indices that LZW codes of at least `bits` + 1 bits stand for; `None` where they are damaged or too few.
fn unpack(packed: &[u8], bits: u32, want: usize) -> Option<Vec<u8>> {
    const MOST: usize = 4096;
    let (clear, end) = (1usize << bits, (1usize << bits) + 1);
    let mut out: Vec<u8> = Vec::with_capacity(want);
    // Each code stands for a stretch of what is out already, as (start, length); single values for themselves.
    let mut table: Vec<(usize, usize)> = Vec::with_capacity(MOST);
    let (mut size, mut before): (u32, Option<(usize, usize)>) = (bits + 1, None);
    let (mut held, mut count, mut source) = (0u32, 0u32, packed.iter());
    while out.len() < want {
        while count < size {
            held |= u32::from(*source.next()?) << count;
            count += 8;
        }
        let code = (held & ((1 << size) - 1)) as usize;
        (held, count) = (held >> size, count - size);
        if code == clear {
            table.clear();
            (size, before) = (bits + 1, None);
            continue;
        }
        if code == end {
            return None;
        }
        let start = out.len();
        let made = table.len() + end + 1;
        match code {
            _ if code < clear => out.push(code as u8),
            // A code that is just being made is the stretch before it and its first value once more: that stretch and
            // what follows it, as the next value out is its first.
            _ if code == made => {
                let (from, len) = before.filter(|_| made < MOST)?;
                out.extend_from_within(from..from + len);
                out.push(out[start]);
            }
            _ => {
                let (from, len) = *table.get(code - end - 1)?;
                out.extend_from_within(from..from + len);
            }
        }
        if let Some((from, len)) = before.filter(|_| made < MOST) {
            table.push((from, len + 1));
            if table.len() + end + 1 == 1 << size && size < 12 {
                size += 1;
            }
        }
        before = Some((start, out.len() - start));
    }
    out.truncate(want);
    Some(out)
}
