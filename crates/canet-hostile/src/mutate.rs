//! Seeded mutations of files: the small ones that fuzzers make.

use canet_data::draw::Draws;

/// Makes mutants of a file. The same seed and number give the same mutant.
#[derive(Debug, Clone, Copy)]
pub struct Mutator<'a> {
    /// Chooses among all mutants.
    pub seed: u64,
    /// What may be put in: words of the format that matter.
    pub words: &'a [&'a [u8]],
}

impl Mutator<'_> {
    /// Mutant `number` of `file`: one change, or up to four.
    pub fn mutant(&self, file: &[u8], number: u64) -> Vec<u8> {
        let mut draws = Draws::new(self.seed, 0, number, "mutant");
        let mut mutant = file.to_vec();
        let more = if draws.chance(0.5) { 0 } else { draws.below(4) };
        for _ in 0..=more {
            self.change(&mut mutant, &mut draws);
        }
        mutant
    }

    fn change(&self, bytes: &mut Vec<u8>, draws: &mut Draws) {
        let at = draws.below(bytes.len());
        let span = |bytes: &Vec<u8>, draws: &mut Draws| {
            at..(at + 1 + draws.below(64)).min(bytes.len()).max(at)
        };
        match draws.below(16) {
            0..=3 if !bytes.is_empty() => bytes[at] ^= 1 << draws.below(8),
            // A byte of the file itself is more often one that the format allows.
            8..=13 if !bytes.is_empty() => bytes[at] = bytes[draws.below(bytes.len())],
            14 if !bytes.is_empty() => bytes[at] = draws.bits() as u8,
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(span(bytes, draws))),
            6 => {
                let piece = bytes[span(bytes, draws)].to_vec();
                let to = draws.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            7 if bytes.len() > 4 => {
                // A field that says how much: the values at which programs go wrong.
                let value = [0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFF_FFFF, u32::MAX];
                let at = draws.below(bytes.len() - 4);
                let word = value[draws.below(value.len())];
                let word = if draws.chance(0.5) { word.to_be_bytes() } else { word.to_le_bytes() };
                bytes[at..at + 4].copy_from_slice(&word);
            }
            _ if !self.words.is_empty() => {
                let word = self.words[draws.below(self.words.len())];
                let over = if draws.chance(0.5) { span(bytes, draws) } else { at..at };
                bytes.splice(over, word.iter().copied());
            }
            _ => bytes.truncate(at),
        }
    }
}
