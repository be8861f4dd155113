//! Huffman codes, and the bits of a scan.

/// Codes of at most so many bits are looked up at once.
const LOOKUP: u32 = 9;

/// A table of codes.
pub(super) struct Huffman {
    /// By the next bits: the code's length and its symbol, 0 for a code that is longer.
    short: [(u8, u8); 1 << LOOKUP],
    /// By the next bits, where a code and the number behind it fit: bits in all, run of zeros, number. Only for
    /// coefficients behind the first; 0 bits for anything else.
    whole: Option<Box<[(u8, u8, i16); 1 << LOOKUP]>>,
    /// For each length: the first number of 16 bits that is beyond its codes.
    beyond: [u32; 17],
    /// For each length: the place of a code's symbol less the code itself.
    offset: [i32; 17],
    symbols: [u8; 256],
}

impl Huffman {
    /// A table of `lengths[i]` codes of `i + 1` bits; `None` where there cannot be such codes. With `whole`,
    /// symbols are a run of zeros and the length of a number.
    pub(super) fn new(lengths: &[u8; 16], symbols: &[u8], whole: bool) -> Option<Huffman> {
        let mut table =
            Huffman { short: [(0, 0); 1 << LOOKUP], whole: None, beyond: [0; 17], offset: [0; 17], symbols: [0; 256] };
        table.symbols.get_mut(..symbols.len())?.copy_from_slice(symbols);
        let (mut code, mut place) = (0u32, 0usize);
        for (length, count) in (1..=16u32).zip(lengths) {
            let count = usize::from(*count);
            table.offset[length as usize] = place as i32 - code as i32;
            if length <= LOOKUP {
                for (i, symbol) in symbols.get(place..place + count)?.iter().enumerate() {
                    let start = (code as usize + i) << (LOOKUP - length);
                    table.short.get_mut(start..start + (1 << (LOOKUP - length)))?.fill((length as u8, *symbol));
                }
            }
            (code, place) = (code + count as u32, place + count);
            if code > 1 << length {
                return None;
            }
            table.beyond[length as usize] = code << (16 - length);
            code <<= 1;
        }
        if whole {
            table.whole = Some(table.with_numbers());
        }
        Some(table)
    }

    /// The length and the symbol of the code that the next 16 bits start with, where it is a long one.
    #[cold]
    fn long(&self, bits: u32) -> Result<(u32, u8), NoCode> {
        for length in LOOKUP + 1..=16 {
            if bits < self.beyond[length as usize] {
                let place = (bits >> (16 - length)) as i32 + self.offset[length as usize];
                return Ok((length, *self.symbols.get(place as usize).ok_or(NoCode)?));
            }
        }
        Err(NoCode)
    }

    fn with_numbers(&self) -> Box<[(u8, u8, i16); 1 << LOOKUP]> {
        let mut whole = Box::new([(0, 0, 0); 1 << LOOKUP]);
        for (bits, (entry, &(length, symbol))) in whole.iter_mut().zip(&self.short).enumerate() {
            let (run, size) = (symbol >> 4, u32::from(symbol & 15));
            let all = u32::from(length) + size;
            if length > 0 && size > 0 && all <= LOOKUP {
                let number = (bits as u32 >> (LOOKUP - all)) & ((1 << size) - 1);
                *entry = (all as u8, run, extend(number, size) as i16);
            }
        }
        whole
    }
}

/// The number that `size` bits, 1 to 16, stand for: those that start with 0 are negative.
#[inline(always)]
fn extend(bits: u32, size: u32) -> i32 {
    bits as i32 - if bits >> (size - 1) == 0 { (1 << size) - 1 } else { 0 }
}

/// A code that is in no table.
pub(super) struct NoCode;

/// The bits of a scan. Loops hold a copy, which stays in registers. Behind its last byte come zeros; whoever takes them is told by [`Bits::overrun`].
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte to take.
    pub(super) at: usize,
    /// Bits that wait, from the highest down.
    buffer: u64,
    count: u32,
    /// How many of those ever in the buffer are zeros that no byte stands for.
    invented: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Bits { bytes, at, buffer: 0, count: 0, invented: 0 }
    }

    /// Whether more bits were taken than there are.
    #[inline(always)]
    pub(super) fn overrun(&self) -> bool {
        self.invented > self.count
    }

    /// Sees to it that 32 bits wait.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if self.count < 32 {
            self.refill();
        }
    }

    #[inline]
    fn refill(&mut self) {
        if let Some(next) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let next = u64::from_be_bytes(*next);
            // Whether one of the eight is ff.
            if (!next).wrapping_sub(0x0101_0101_0101_0101) & next & 0x8080_8080_8080_8080 == 0 {
                let bytes = (64 - self.count) / 8;
                self.buffer |= next >> self.count;
                self.count += 8 * bytes;
                self.at += bytes as usize;
                // Bits beyond the last whole byte come again with the next.
                self.buffer &= u64::MAX.checked_shl(64 - self.count).unwrap_or(u64::MAX);
                return;
            }
        }
        *self = self.refilled_slowly();
    }

    #[cold]
    #[inline(never)]
    fn refilled_slowly(mut self) -> Self {
        while self.count <= 56 {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff), _) | (None, _) => {
                    self.invented += 8;
                    0
                }
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        self
    }

    /// Drops what waits, so that bytes are read from `at` again.
    pub(super) fn restart(&mut self, at: usize) {
        *self = Bits::new(self.bytes, at);
    }

    /// The next `n` of the bits that wait, 1 to 16.
    #[inline(always)]
    fn peek(&self, n: u32) -> usize {
        (self.buffer >> (64 - n)) as usize
    }

    #[inline(always)]
    fn skip(&mut self, n: u32) {
        self.buffer <<= n;
        self.count = self.count.wrapping_sub(n);
    }

    /// `n` bits as a number, 0 to 16.
    #[inline(always)]
    pub(super) fn take(&mut self, n: u32) -> u32 {
        self.fill();
        let bits = (self.buffer >> 1 >> (63 - n)) as u32;
        self.skip(n);
        bits
    }

    /// The symbol of the next code. Leaves 16 bits waiting.
    #[inline(always)]
    pub(super) fn symbol(&mut self, table: &Huffman) -> Result<u8, NoCode> {
        self.fill();
        let (length, symbol) = table.short[self.peek(LOOKUP)];
        if length > 0 {
            self.skip(u32::from(length));
            return Ok(symbol);
        }
        let (length, symbol) = table.long(self.peek(16) as u32)?;
        self.skip(length);
        Ok(symbol)
    }

    /// A number of `size` bits, of which the first is 0 where it is negative.
    #[inline(always)]
    pub(super) fn number(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let bits = self.take(size);
        extend(bits, size)
    }

    /// A run of zeros and the number behind it; a number of 0 ends the block, or is 16 zeros (a run of 15).
    #[inline(always)]
    pub(super) fn run(&mut self, table: &Huffman) -> Result<(usize, i16), NoCode> {
        self.fill();
        if let Some(whole) = &table.whole {
            let (all, run, number) = whole[self.peek(LOOKUP)];
            if all > 0 {
                self.skip(u32::from(all));
                return Ok((usize::from(run), number));
            }
        }
        let symbol = self.symbol(table)?;
        Ok((usize::from(symbol >> 4), self.number(u32::from(symbol & 15)) as i16))
    }
}
