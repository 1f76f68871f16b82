//! The properties of `tests/fuzz` over the kept inputs, and over what a few seconds of mutating them give. `make fuzz`
//! looks for inputs by coverage and for longer; see `tests/fuzz/README.md`.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[path = "../fuzz/properties/lib.rs"]
#[allow(unreachable_pub, reason = "a crate of its own for cargo-fuzz")]
mod properties;

/// Longest input that is made, in bytes.
const MAX: usize = 4096;

#[test]
fn request_targets() {
    hold("target", properties::target);
}

#[test]
fn policy_files() {
    hold("policy", properties::policy);
}

#[test]
fn return_addresses() {
    hold("return_address", properties::return_address);
}

#[test]
fn bearer_headers() {
    hold("bearer", properties::bearer);
}

#[test]
fn signed_tokens() {
    hold("jwt", properties::jwt);
}

/// Three seconds of each property unless `FUZZ_SECONDS` says otherwise; `FUZZ_SEED` repeats a run.
#[expect(clippy::print_stdout, reason = "what repeats the run, shown when it fails")]
fn hold(name: &str, property: fn(&[u8]) -> bool) {
    let number = |key: &str| std::env::var(key).ok().map(|text| text.parse::<u64>().unwrap());
    let corpus = corpus(name);
    let taken = corpus.iter().filter(|input| try_one(name, property, input)).count();
    // A property that every input passes by, or that none is refused by, looks at nothing.
    assert!(
        taken > 2 && corpus.len() - taken > 2,
        "{name}: {taken} of {} kept inputs are taken",
        corpus.len()
    );

    let seed = number("FUZZ_SEED").unwrap_or_else(|| RandomState::new().hash_one(name));
    let mut random = Random(seed | 1);
    let (end, mut tried, mut taken) =
        (Instant::now() + Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(3)), 0_u64, 0_u64);
    while tried < 100 || Instant::now() < end {
        let input = random.input(&corpus);
        taken += u64::from(try_one(name, property, &input));
        tried += 1;
    }
    println!("{name}: {tried} inputs, {taken} of them taken; FUZZ_SEED={seed}");
    assert!(taken > 0, "{name}: nothing was taken of {tried} inputs; FUZZ_SEED={seed}");
}

/// What breaks the property is kept, so that it can be looked at and moved into the corpus.
fn try_one(name: &str, property: fn(&[u8]) -> bool, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| property(input))).unwrap_or_else(|_| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        let file = folder.join(format!("{name}-{:016x}", RandomState::new().hash_one(input)));
        fs::create_dir_all(folder).unwrap();
        fs::write(&file, input).unwrap();
        panic!("{name} is broken by {} ({})", input.escape_ascii(), file.display());
    })
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Where the line begins that `place` is in.
fn line_start(text: &[u8], place: usize) -> usize {
    text[..place.min(text.len())].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// xorshift64* (Marsaglia, Vigna): enough to choose places by.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % end.max(1)
    }

    /// One kept input, changed in one to four places.
    fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut input, corpus);
        }
        input.truncate(MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        const SPECIAL: &[u8] = b"/\\.%;?#&=@:,*[]{}()<>\"'|^$~+-_ \t\r\n\0\x7f\x80\xff2eEfFcC05aAxX";
        const WORDS: [&str; 16] = [
            "%2f", "%2e", "%5c", "%25", "%00", "//", "/..", "..;", "\u{ff0e}", "xn--", ":443", "://", "\n  ",
            ": ", "- ", "=",
        ];
        let place = self.below(input.len() + 1);
        let end = (place + 1 + self.below(8)).min(input.len());
        match self.below(8) {
            0 if place < input.len() => input[place] = SPECIAL[self.below(SPECIAL.len())],
            1 if place < input.len() => input[place] ^= 1 << self.below(8),
            2 => drop(input.drain(place..end)),
            3 => {
                let part = input[place..end].to_vec();
                let to = self.below(input.len() + 1);
                drop(input.splice(to..to, part));
            }
            4 => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len() + 1);
                let until = (from + self.below(40)).min(other.len());
                drop(input.splice(place..place, other[from..until].to_vec()));
            }
            // Files are changed by the line, too.
            5 => {
                let other = &corpus[self.below(corpus.len())];
                let lines: Vec<&[u8]> = other.split_inclusive(|byte| *byte == b'\n').collect();
                let line = lines.get(self.below(lines.len())).map_or(Vec::new(), |line| line.to_vec());
                let at = line_start(input, place);
                drop(input.splice(at..at, line));
            }
            6 => {
                let at = line_start(input, place);
                let length =
                    input[at..].iter().position(|byte| *byte == b'\n').map_or(input.len() - at, |n| n + 1);
                drop(input.drain(at..at + length));
            }
            _ => drop(input.splice(place..place, WORDS[self.below(WORDS.len())].bytes())),
        }
    }
}
