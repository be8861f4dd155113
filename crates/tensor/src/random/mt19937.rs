//! The 32-bit Mersenne Twister (Matsumoto & Nishimura 1998, seeded as in their
//! 2002 revision): the only source of random bits on the CPU.
//!
//! PyTorch draws from the same engine one word at a time. Here a whole block of
//! 624 words is made at once in loops that vectorise, and readers copy out of it;
//! the sequence is the same.

use super::simd::vectorized;

/// Words in the state, and in one block of output.
pub(super) const STATE_WORDS: usize = 624;
/// Distance of the word that is mixed into each word of the next block.
const SHIFT: usize = 397;

/// The engine: state, and the block of output words made from it.
#[derive(Clone)]
pub(super) struct Mt19937 {
    state: [u32; STATE_WORDS],
    block: [u32; STATE_WORDS],
    /// Words of the block already handed out. 0 stands for "freshly seeded, no
    /// block made yet": once there is a block, at least one word of it is out
    /// before anybody can look.
    used: usize,
    seed: u64,
}

impl Mt19937 {
    /// An engine seeded with the low 32 bits of `seed`, as PyTorch does; the whole
    /// seed is remembered.
    pub(super) fn new(seed: u64) -> Self {
        let mut state = [0u32; STATE_WORDS];
        let mut previous = seed as u32;
        state[0] = previous;
        for (i, word) in state.iter_mut().enumerate().skip(1) {
            previous = 1_812_433_253u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i as u32);
            *word = previous;
        }
        Self { state, block: [0; STATE_WORDS], used: 0, seed }
    }

    /// An engine that stands where a saved one stood: `used` words of the block
    /// that belongs to `state` are out (0: freshly seeded).
    pub(super) fn resume(seed: u64, state: [u32; STATE_WORDS], used: usize) -> Self {
        let mut block = [0; STATE_WORDS];
        temper(&state, &mut block);
        Self { state, block, used: used.min(STATE_WORDS), seed }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn state(&self) -> &[u32; STATE_WORDS] {
        &self.state
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The next 32 bits.
    pub(super) fn next_u32(&mut self) -> u32 {
        let mut word = [0];
        self.fill(&mut word);
        word[0]
    }

    /// The next 64 bits: the word drawn first is the high half.
    pub(super) fn next_u64(&mut self) -> u64 {
        let mut words = [0; 2];
        self.fill(&mut words);
        join(words)
    }

    /// Fills `words` with the next words of the sequence.
    pub(super) fn fill(&mut self, mut words: &mut [u32]) {
        while !words.is_empty() {
            if self.used == 0 || self.used == STATE_WORDS {
                twist(&mut self.state);
                temper(&self.state, &mut self.block);
                self.used = 0;
            }
            let ready = &self.block[self.used..];
            let count = ready.len().min(words.len());
            let (head, tail) = words.split_at_mut(count);
            head.copy_from_slice(&ready[..count]);
            self.used += count;
            words = tail;
        }
    }

    /// Draws `count` words and throws them away.
    pub(super) fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.next_u32();
        }
    }
}

/// The 64-bit draw made of two words in the order they came.
#[inline(always)]
pub(super) fn join(words: [u32; 2]) -> u64 {
    u64::from(words[0]) << 32 | u64::from(words[1])
}

/// One step of the recurrence: `far` is the word 397 places on, `here` and `next`
/// give the upper bit and the lower 31.
#[inline(always)]
fn mix(far: u32, here: u32, next: u32) -> u32 {
    let joined = (here & 0x8000_0000) | (next & 0x7fff_ffff);
    let feedback = (next & 1).wrapping_neg() & 0x9908_b0df;
    far ^ (joined >> 1) ^ feedback
}

vectorized! {
    /// Replaces the state by the next one. Split where the word 397 places on wraps
    /// around, so that each loop runs over plain slices: the first reads only words
    /// not yet replaced, the second words that the first or it itself replaced at
    /// least 227 places before.
    fn twist(state: &mut [u32; STATE_WORDS]) {
        const HEAD: usize = STATE_WORDS - SHIFT;
        {
            let (near, far) = state.split_at_mut(SHIFT);
            for i in 0..HEAD {
                near[i] = mix(far[i], near[i], near[i + 1]);
            }
        }
        let mut start = HEAD;
        while start < STATE_WORDS - 1 {
            let count = HEAD.min(STATE_WORDS - 1 - start);
            let (done, rest) = state.split_at_mut(start);
            let back = &done[start - HEAD..][..count];
            let rest = &mut rest[..=count];
            for i in 0..count {
                rest[i] = mix(back[i], rest[i], rest[i + 1]);
            }
            start += count;
        }
        let last = STATE_WORDS - 1;
        state[last] = mix(state[last - HEAD], state[last], state[0]);
    }
}

vectorized! {
    /// Output words from state words.
    fn temper(state: &[u32; STATE_WORDS], block: &mut [u32; STATE_WORDS]) {
        for (out, &word) in block.iter_mut().zip(state) {
            let mut y = word;
            y ^= y >> 11;
            y ^= (y << 7) & 0x9d2c_5680;
            y ^= (y << 15) & 0xefc6_0000;
            y ^= y >> 18;
            *out = y;
        }
    }
}
