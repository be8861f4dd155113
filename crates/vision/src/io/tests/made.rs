//! Files made by hand, with what no common encoder writes.

/// A PNG of stored (uncompressed) rows.
pub(super) fn png(size: (u32, u32), bits: u8, color: u8, chunks: &[(&[u8; 4], &[u8])], rows: &[&[u8]]) -> Vec<u8> {
    let raw: Vec<u8> = rows.iter().flat_map(|r| std::iter::once(0).chain(r.iter().copied())).collect();
    let (a, b) =
        raw.iter().fold((1u32, 0u32), |(a, b), x| ((a + u32::from(*x)) % 65521, (b + a + u32::from(*x)) % 65521));
    let len = raw.len() as u16;
    let stored =
        [&[0x78, 1, 1][..], &len.to_le_bytes(), &(!len).to_le_bytes(), &raw, &((b << 16) | a).to_be_bytes()].concat();
    png_of(size, bits, color, chunks, &stored)
}

/// A PNG with this in its data chunk, and other chunks before it.
pub(super) fn png_of(
    size: (u32, u32),
    bits: u8,
    color: u8,
    chunks: &[(&[u8; 4], &[u8])],
    compressed: &[u8],
) -> Vec<u8> {
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |c, b| {
            (0..8).fold(c ^ u32::from(*b), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
        })
    }
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut add = |kind: &[u8], content: &[u8]| {
        out.extend((content.len() as u32).to_be_bytes());
        let both = [kind, content].concat();
        out.extend(&both);
        out.extend(crc(&both).to_be_bytes());
    };
    let head = [&size.0.to_be_bytes()[..], &size.1.to_be_bytes(), &[bits, color, 0, 0, 0]].concat();
    add(b"IHDR", &head);
    for (kind, content) in chunks {
        add(*kind, content);
    }
    add(b"IDAT", compressed);
    add(b"IEND", &[]);
    out
}

pub(super) fn segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    out.extend([0xff, marker]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}

/// Bits as the bytes of a scan.
pub(super) fn scan_data(out: &mut Vec<u8>, mut bits: Vec<bool>) {
    bits.resize(bits.len().next_multiple_of(8), true);
    for byte in bits.chunks(8) {
        let byte = byte.iter().fold(0u8, |b, bit| b << 1 | u8::from(*bit));
        out.push(byte);
        if byte == 0xff {
            out.push(0);
        }
    }
}

/// A baseline JPEG whose blocks have a level and a slope along x (the first two coefficients), quantised by 1.
/// `planes[c]` has the blocks of component c, row by row, padded to whole MCUs.
struct Jpeg<'a> {
    size: (u16, u16),
    ids: &'a [u8],
    sampling: &'a [(usize, usize)],
    planes: Vec<Vec<(i32, i32)>>,
    interleaved: bool,
}

impl Jpeg<'_> {
    fn bytes(&self) -> Vec<u8> {
        let (w, h) = (usize::from(self.size.0), usize::from(self.size.1));
        let count = self.ids.len();
        let (mh, mv) = self.sampling.iter().fold((1, 1), |(a, b), (x, y)| (a.max(*x), b.max(*y)));
        let (mx, my) = (w.div_ceil(8 * mh), h.div_ceil(8 * mv));
        let mut out = vec![0xff, 0xd8];
        segment(&mut out, 0xdb, &[&[0u8][..], &[1; 64]].concat());
        let mut frame = vec![8];
        frame.extend(self.size.1.to_be_bytes());
        frame.extend(self.size.0.to_be_bytes());
        frame.push(count as u8);
        for (id, (x, y)) in self.ids.iter().zip(self.sampling) {
            frame.extend([*id, (x * 16 + y) as u8, 0]);
        }
        segment(&mut out, 0xc0, &frame);
        // All codes have 4 bits: categories 0 to 11, and for the slopes end-of-block and sizes 1 to 11.
        let lengths = [0u8, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let symbols: Vec<u8> = (0..12).collect();
        segment(&mut out, 0xc4, &[&[0u8][..], &lengths, &symbols].concat());
        segment(&mut out, 0xc4, &[&[0x10u8][..], &lengths, &symbols].concat());
        let scan = |out: &mut Vec<u8>, components: &[usize]| {
            let mut head = vec![components.len() as u8];
            components.iter().for_each(|c| head.extend([self.ids[*c], 0]));
            head.extend([0, 63, 0]);
            segment(out, 0xda, &head);
            let mut bits: Vec<bool> = Vec::new();
            let mut before = vec![0i32; count];
            let put =
                |bits: &mut Vec<bool>, value: u32, n: u32| (0..n).rev().for_each(|i| bits.push(value >> i & 1 == 1));
            let mut block = |bits: &mut Vec<bool>, c: usize, (level, slope): (i32, i32)| {
                for (i, v) in [level - before[c], slope].into_iter().enumerate() {
                    let size = 32 - v.unsigned_abs().leading_zeros();
                    if i == 1 && size == 0 {
                        continue;
                    }
                    put(bits, size, 4);
                    put(bits, (if v < 0 { v + (1 << size) - 1 } else { v }) as u32, size);
                }
                put(bits, 0, 4);
                before[c] = level;
            };
            if let [c] = *components {
                let (sx, sy) = self.sampling[c];
                let wide = mx * sx;
                for y in 0..(h * sy).div_ceil(mv).div_ceil(8) {
                    for x in 0..(w * sx).div_ceil(mh).div_ceil(8) {
                        block(&mut bits, c, self.planes[c][y * wide + x]);
                    }
                }
            } else {
                for (y, x) in (0..my).flat_map(|y| (0..mx).map(move |x| (y, x))) {
                    for c in components {
                        let (sx, sy) = self.sampling[*c];
                        for (j, i) in (0..sy).flat_map(|j| (0..sx).map(move |i| (j, i))) {
                            block(&mut bits, *c, self.planes[*c][(y * sy + j) * mx * sx + x * sx + i]);
                        }
                    }
                }
            }
            scan_data(out, bits);
        };
        if self.interleaved {
            scan(&mut out, &(0..count).collect::<Vec<_>>());
        } else {
            (0..count).for_each(|c| scan(&mut out, &[c]));
        }
        out.extend([0xff, 0xd9]);
        out
    }

    /// Blocks of component `c`, each as `of(x, y)` says.
    fn plane(
        size: (u16, u16),
        sampling: &[(usize, usize)],
        c: usize,
        of: impl Fn(usize, usize) -> (i32, i32),
    ) -> Vec<(i32, i32)> {
        let (mh, mv) = sampling.iter().fold((1, 1), |(a, b), (x, y)| (a.max(*x), b.max(*y)));
        let wide = usize::from(size.0).div_ceil(8 * mh) * sampling[c].0;
        let high = usize::from(size.1).div_ceil(8 * mv) * sampling[c].1;
        (0..high).flat_map(|y| (0..wide).map(move |x| (x, y))).map(|(x, y)| of(x, y)).collect()
    }
}

/// A JPEG of components with these names and sampling factors; block (x, y) of component c has the level and the slope
/// `of(c, x, y)`.
pub(super) fn jpeg(
    size: (u16, u16),
    ids: &[u8],
    sampling: &[(usize, usize)],
    interleaved: bool,
    of: impl Fn(usize, usize, usize) -> (i32, i32),
) -> Vec<u8> {
    let planes = (0..ids.len()).map(|c| Jpeg::plane(size, sampling, c, |x, y| of(c, x, y))).collect();
    Jpeg { size, ids, sampling, planes, interleaved }.bytes()
}
