//! bzip2: blocks of text sorted by what follows (Burrows-Wheeler), moved to the front, in Huffman codes. Written after the
//! description in Seward's `bzip2` manual and the format that files have.

type Done<T> = std::result::Result<T, String>;

/// What a compressed file holds: one stream, or several one behind the other.
///
/// A block is at most 900 kB before its runs are unfolded, and each byte of these stands for at most 51, so no memory is asked
/// for that was not decoded.
pub(in crate::datasets) fn decompress(bytes: &[u8]) -> Done<Vec<u8>> {
    let mut bits = Bits { bytes, at: 0 };
    let mut out = Vec::new();
    loop {
        stream(&mut bits, &mut out)?;
        bits.at = bits.at.next_multiple_of(8);
        if bits.at / 8 >= bytes.len() {
            return Ok(out);
        }
    }
}

const BLOCK: u64 = 0x3141_5926_5359;
const END: u64 = 0x1772_4538_5090;

fn stream(bits: &mut Bits<'_>, out: &mut Vec<u8>) -> Done<()> {
    let start = bits.at / 8;
    if bits.take(24)? != 0x42_5a68 {
        return Err(format!("no bzip2 at byte {start}"));
    }
    let level = bits.take(8)?.wrapping_sub(u64::from(b'0'));
    if !(1..=9).contains(&level) {
        return Err(format!("a block size of {level} at byte {}", start + 3));
    }
    let mut all = 0u32;
    loop {
        let at = bits.at / 8;
        match bits.take(48)? {
            BLOCK => {
                let promised = bits.take(32)? as u32;
                let before = out.len();
                block(bits, level as usize * 100_000, out)?;
                let sum = crc(&out[before..]);
                if sum != promised {
                    return Err(format!(
                        "the check sum of the block at byte {at} is {promised:08x}, its content's {sum:08x}"
                    ));
                }
                all = all.rotate_left(1) ^ sum;
            }
            END => {
                let promised = bits.take(32)? as u32;
                return if promised == all {
                    Ok(())
                } else {
                    Err(format!("the check sum at byte {} is wrong", at + 6))
                };
            }
            _ => return Err(format!("neither a block nor the end at byte {at}")),
        }
    }
}

fn block(bits: &mut Bits<'_>, most: usize, out: &mut Vec<u8>) -> Done<()> {
    let at = bits.at / 8;
    let fault = |what: &str| Err(format!("the block at byte {at} {what}"));
    if bits.take(1)? == 1 {
        return fault("is shuffled, as no bzip2 has done since 0.9.5");
    }
    let origin = bits.take(24)? as usize;
    let mut front = Vec::new();
    let groups = bits.take(16)?;
    for group in (0..16).filter(|group| groups >> (15 - group) & 1 == 1) {
        let used = bits.take(16)?;
        front.extend((0..16).filter(|bit| used >> (15 - bit) & 1 == 1).map(|bit| (group * 16 + bit) as u8));
    }
    if front.is_empty() {
        return fault("uses no byte");
    }
    let symbols = front.len() + 2;
    let tables = bits.take(3)? as usize;
    let count = bits.take(15)? as usize;
    if !(2..=6).contains(&tables) || count == 0 {
        return fault("has no codes");
    }
    let mut order: Vec<u8> = (0..tables as u8).collect();
    let mut selectors = Vec::new();
    for _ in 0..count {
        let mut place = 0;
        while bits.take(1)? == 1 {
            place += 1;
            if place >= tables {
                return fault("chooses a code that it does not have");
            }
        }
        order[..=place].rotate_right(1);
        selectors.push(order[0]);
    }
    let codes = (0..tables).map(|_| Code::read(bits, symbols)).collect::<Done<Vec<_>>>()?;

    // Symbols: two digits of a run's length, a place in the list, the end.
    let (mut last, mut run, mut digit, mut counts) = (Vec::<u8>::new(), 0usize, 1usize, [0usize; 256]);
    'all: for table in selectors {
        for _ in 0..50 {
            let symbol = codes[usize::from(table)].symbol(bits)?;
            if symbol < 2 {
                run += digit << symbol;
                digit <<= 1;
                if run > most {
                    return fault("is longer than its size");
                }
                continue;
            }
            if run > 0 {
                last.resize(last.len() + run, front[0]);
                counts[usize::from(front[0])] += run;
            }
            (run, digit) = (0, 1);
            if symbol + 1 == symbols {
                break 'all;
            }
            front[..symbol].rotate_right(1);
            last.push(front[0]);
            counts[usize::from(front[0])] += 1;
            if last.len() > most {
                return fault("is longer than its size");
            }
        }
    }
    if last.len() > most || origin >= last.len() {
        return fault("starts behind its end");
    }
    unsorted(&last, &counts, origin, out);
    Ok(())
}

/// Undoes the sorting, then the runs: four of a byte are followed by how many more there are.
fn unsorted(last: &[u8], counts: &[usize; 256], origin: usize, out: &mut Vec<u8>) {
    let mut next = vec![0u32; last.len()];
    let mut places = [0usize; 256];
    let mut sum = 0;
    for (place, count) in places.iter_mut().zip(counts) {
        *place = sum;
        sum += count;
    }
    for (i, byte) in last.iter().enumerate() {
        let place = &mut places[usize::from(*byte)];
        next[*place] = i as u32;
        *place += 1;
    }
    let (mut at, mut before, mut same) = (next[origin] as usize, None, 0);
    for _ in 0..last.len() {
        let byte = last[at];
        at = next[at] as usize;
        if same == 4 {
            out.resize(out.len() + usize::from(byte), before.unwrap_or_default());
            (before, same) = (None, 0);
            continue;
        }
        same = if before == Some(byte) { same + 1 } else { 1 };
        before = Some(byte);
        out.push(byte);
    }
}

/// A Huffman code: of each length the first code, the number of codes, and the symbols in order.
struct Code {
    counts: [u32; 21],
    symbols: Vec<u16>,
}

impl Code {
    fn read(bits: &mut Bits<'_>, symbols: usize) -> Done<Code> {
        let mut length = bits.take(5)?;
        let mut lengths = Vec::new();
        for _ in 0..symbols {
            loop {
                if !(1..=20).contains(&length) {
                    return Err(format!("a code of {length} bits at byte {}", bits.at / 8));
                }
                if bits.take(1)? == 0 {
                    break;
                }
                length = if bits.take(1)? == 0 { length + 1 } else { length.wrapping_sub(1) };
            }
            lengths.push(length);
        }
        let mut counts = [0; 21];
        lengths.iter().for_each(|length| counts[*length as usize] += 1);
        let mut order: Vec<u16> = (0..symbols as u16).collect();
        order.sort_by_key(|symbol| lengths[usize::from(*symbol)]);
        Ok(Code { counts, symbols: order })
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Done<usize> {
        let (mut code, mut first, mut before) = (0u32, 0u32, 0u32);
        for count in &self.counts[1..] {
            code |= bits.take(1)? as u32;
            if let Some(place) = code.checked_sub(first).filter(|place| place < count) {
                return Ok(usize::from(self.symbols[(before + place) as usize]));
            }
            before += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(format!("the bits at byte {} are no code", bits.at / 8))
    }
}

/// Bits, the highest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, n: usize) -> Done<u64> {
        if self.at + n > self.bytes.len() * 8 {
            return Err(format!("the file ends at byte {}, before the end of the stream", self.bytes.len()));
        }
        let mut value = 0;
        for at in self.at..self.at + n {
            value = value << 1 | u64::from(self.bytes[at / 8] >> (7 - at % 8) & 1);
        }
        self.at += n;
        Ok(value)
    }
}

/// The check sum of a block: CRC-32 with the highest bit first.
fn crc(bytes: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|i| {
        (0..8).fold((i as u32) << 24, |c, _| if c >> 31 == 1 { c << 1 ^ 0x04c1_1db7 } else { c << 1 })
    });
    !bytes.iter().fold(u32::MAX, |c, byte| c << 8 ^ table[((c >> 24) as u8 ^ byte) as usize])
}
