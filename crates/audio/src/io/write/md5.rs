//! The MD5 of RFC 1321, which a FLAC has of its samples.

const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// What has been counted in so far.
pub(super) struct Md5 {
    state: [u32; 4],
    table: [u32; 64],
    rest: Vec<u8>,
    length: u64,
}

impl Md5 {
    pub fn new() -> Self {
        Md5 {
            state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476],
            table: std::array::from_fn(|i| ((i as f64 + 1.0).sin().abs() * 4_294_967_296.0) as u32),
            rest: Vec::new(),
            length: 0,
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let (blocks, behind) = rest.as_chunks::<64>();
        blocks.iter().for_each(|block| self.block(block));
        self.rest = behind.to_vec();
    }

    pub fn finish(mut self) -> [u8; 16] {
        let bits = self.length.wrapping_mul(8);
        let mut end = vec![0x80];
        end.resize(1 + (119 - self.rest.len() % 64) % 64, 0);
        end.extend(bits.to_le_bytes());
        self.update(&end);
        let mut digest = [0; 16];
        for (four, word) in digest.chunks_exact_mut(4).zip(self.state) {
            four.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }

    fn block(&mut self, block: &[u8; 64]) {
        let words: [u32; 16] = std::array::from_fn(|i| {
            u32::from_le_bytes([block[4 * i], block[4 * i + 1], block[4 * i + 2], block[4 * i + 3]])
        });
        let [mut a, mut b, mut c, mut d] = self.state;
        for i in 0..64 {
            let (mixed, word) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
                2 => (b ^ c ^ d, (3 * i + 5) % 16),
                _ => (c ^ (b | !d), 7 * i % 16),
            };
            let sum = a.wrapping_add(mixed).wrapping_add(self.table[i]).wrapping_add(words[word]);
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4]));
        }
        for (state, more) in self.state.iter_mut().zip([a, b, c, d]) {
            *state = state.wrapping_add(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Md5;

    #[test]
    fn digests_of_the_rfc() {
        let digest = |parts: &[&str]| {
            let mut md5 = Md5::new();
            parts.iter().for_each(|part| md5.update(part.as_bytes()));
            md5.finish().iter().map(|b| format!("{b:02x}")).collect::<String>()
        };
        assert_eq!(digest(&[]), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(digest(&["a", "bc"]), "900150983cd24fb0d6963f7d28e17f72");
        let long = "12345678901234567890123456789012345678901234567890123456789012345678901234567890";
        assert_eq!(digest(&[&long[..70], &long[70..]]), "57edf4a22be3c955ac49da2e2107b67a");
    }
}
