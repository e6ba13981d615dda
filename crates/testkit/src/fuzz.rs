//! A plain loop that feeds a parser hostile text, on the stable toolchain.
//!
//! Each target has a folder of inputs in `fuzz/corpus`. They are replayed first, then changed at random: with a fixed seed, so
//! that a failure is the same everywhere. `HOLDFAST_FUZZ_INPUTS` and `HOLDFAST_FUZZ_SEED` make longer and other runs. An input
//! that fails is printed; it goes into the corpus as a file with its fix.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

const INPUTS: u64 = 20_000;
const SEED: u64 = 1;
/// No input may take longer, whatever else the machine does.
const LIMIT: Duration = Duration::from_secs(5);
/// Longer inputs only repeat what shorter ones show.
const INPUT_BYTES: usize = 16 * 1024;

/// Runs `parse` on the corpus of `target` and on changed copies of it.
///
/// # Panics
/// When `parse` panics or takes too long, with the input; when there is no corpus.
pub fn replay_and_mutate(target: &str, parse: &dyn Fn(&str)) {
    feed(target, number("HOLDFAST_FUZZ_INPUTS").unwrap_or(INPUTS), parse);
}

/// The same with a twentieth of the inputs, for what does more than parse.
///
/// # Panics
/// As [`replay_and_mutate`].
pub fn replay_and_mutate_few(target: &str, parse: &dyn Fn(&str)) {
    feed(target, number("HOLDFAST_FUZZ_INPUTS").unwrap_or(INPUTS) / 20, parse);
}

fn feed(target: &str, inputs: u64, parse: &dyn Fn(&str)) {
    let corpus = corpus(target);
    for input in &corpus {
        run(target, input, parse);
    }
    let mut random = ChaCha8Rng::seed_from_u64(number("HOLDFAST_FUZZ_SEED").unwrap_or(SEED));
    for _ in 0..inputs {
        let mut input = pick(&corpus, &mut random).as_bytes().to_vec();
        for _ in 0..random.random_range(1..6) {
            mutate(&mut input, pick(&corpus, &mut random).as_bytes(), &mut random);
            input.truncate(INPUT_BYTES);
        }
        run(target, &String::from_utf8_lossy(&input), parse);
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn corpus(target: &str) -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the target has a folder in fuzz/corpus")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "fuzz/corpus/{target} is empty");
    // One input for each file, or for each line of a file named *.lines.
    let mut inputs = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("the corpus is text");
        if file.extension().is_some_and(|extension| extension == "lines") {
            inputs.extend(text.lines().map(str::to_owned));
        } else {
            inputs.push(text);
        }
    }
    inputs
}

fn pick<'a>(corpus: &'a [String], random: &mut ChaCha8Rng) -> &'a str {
    &corpus[random.random_range(0..corpus.len())]
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn run(target: &str, input: &str, parse: &dyn Fn(&str)) {
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| parse(input)));
    assert!(outcome.is_ok(), "{target} panics on {input:?}");
    assert!(started.elapsed() < LIMIT, "{target} takes too long on {input:?}");
}

/// Changes `input` once, perhaps with a part of `other`.
fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut ChaCha8Rng) {
    let at = random.random_range(0..=input.len());
    let end = random.random_range(at..=input.len());
    match random.random_range(0..7) {
        0 => input.insert(at, random.random()),
        1 => input.insert(
            at,
            *b"'\"()[]{}/,:;=&$@%\\ -.".get(random.random_range(0..21)).expect("it is as long"),
        ),
        2 => {
            input.drain(at..end);
        }
        3 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
        4 => {
            let from = random.random_range(0..=other.len());
            let to = random.random_range(from..=other.len());
            input.splice(at..end, other[from..to].iter().copied());
        }
        5 => {
            let part = input[at..end].to_vec();
            let times = if random.random_ratio(1, 20) { 2_000 } else { 2 };
            let copies = part.iter().copied().cycle().take((part.len() * times).min(INPUT_BYTES));
            input.splice(at..at, copies.collect::<Vec<u8>>());
        }
        _ => input.truncate(end),
    }
}
