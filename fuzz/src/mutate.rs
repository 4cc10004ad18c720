//! Random changes to good inputs: what a fuzzer does when it has no coverage to follow.
//!
//! Everything is drawn from one seeded generator, so that a run is repeated exactly by its seed.

/// A small generator (`splitmix64`, after Steele, Lea and Flood's paper). Good enough to break things.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound.max(1) as u64) as usize
    }
}

/// Values at which arithmetic goes wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
    u64::MAX - 1,
    1 << 32,
];

/// Makes `out` a changed copy of one of `corpus`, never longer than `most`.
pub fn mutate(corpus: &[Vec<u8>], rng: &mut Rng, most: usize, out: &mut Vec<u8>) {
    out.clear();
    if let Some(seed) = corpus.get(rng.below(corpus.len())) {
        out.extend_from_slice(seed);
    }
    for _ in 0..=rng.below(6) {
        change(corpus, rng, out);
    }
    out.truncate(most);
}

fn change(corpus: &[Vec<u8>], rng: &mut Rng, out: &mut Vec<u8>) {
    let at = rng.below(out.len() + 1);
    let rest = out.len() - at;
    match rng.below(9) {
        0 if rest > 0 => out[at] ^= 1 << rng.below(8),
        1 if rest > 0 => out[at] = rng.word() as u8,
        2 => out.insert(at, rng.word() as u8),
        3 => out.truncate(at),
        4 => {
            let len = rng.below(rest.min(64));
            out.drain(at..at + len);
        }
        5 => {
            // A piece of itself again, somewhere else.
            let from = rng.below(out.len());
            let len = rng.below((out.len() - from).min(256));
            let piece = out[from..from + len].to_vec();
            out.splice(at..at, piece);
        }
        6 => {
            // A number at an edge, in one of the widths and orders that formats use.
            let value = EDGES[rng.below(EDGES.len())];
            let width = [1, 2, 4, 8][rng.below(4)].min(rest);
            let bytes = if rng.below(2) == 0 {
                value.to_le_bytes()
            } else {
                value.swap_bytes().to_be_bytes()
            };
            out[at..at + width].copy_from_slice(&bytes[..width]);
        }
        7 => {
            // The tail of another.
            let other = &corpus[rng.below(corpus.len())];
            let from = rng.below(other.len());
            out.truncate(at);
            out.extend_from_slice(&other[from..]);
        }
        _ => {
            // Words that text formats trip over.
            let words: [&[u8]; 10] = [
                b"\n\n",
                b"\r\n",
                b":",
                b"%",
                b"Content-Length: 18446744073709551615\n",
                b"\0",
                b"\"\\u0000",
                b"[[[[[[[[[[[[[[[[",
                b"{40}",
                b"(((((((((((((((((",
            ];
            let word = words[rng.below(words.len())];
            out.splice(at..at, word.iter().copied());
        }
    }
}
