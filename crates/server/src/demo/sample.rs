//! The sample set that ships with the source, and a few files that are made for their size or shape.

use std::fs;
use std::path::Path;

use holdfast_domain::{Entropy, SeededEntropy};

const FILES: [(&str, &[u8]); 6] = [
    ("Welcome.md", include_bytes!("../../sample/Welcome.md")),
    ("Reports/Q1 figures.csv", include_bytes!("../../sample/Reports/Q1 figures.csv")),
    ("Reports/Q2 figures.csv", include_bytes!("../../sample/Reports/Q2 figures.csv")),
    (
        "Plans/Summer #1 & 100% ready.txt",
        include_bytes!("../../sample/Plans/Summer #1 & 100% ready.txt"),
    ),
    ("Plans/Überblick.txt", include_bytes!("../../sample/Plans/Überblick.txt")),
    ("Plans/logo.svg", include_bytes!("../../sample/Plans/logo.svg")),
];

/// Writes the sample set below `folder`: about 250 files and 20 MB.
pub(super) fn write_sample(folder: &Path) -> std::io::Result<()> {
    let write = |path: &str, bytes: &[u8]| {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, bytes)
    };
    for (path, bytes) in FILES {
        write(path, bytes)?;
    }
    write("Plans/empty.txt", b"")?;
    fs::create_dir_all(folder.join("Plans/Empty folder"))?;
    // Compressible and incompressible, small and large: each takes its own way through a backup.
    let entropy = SeededEntropy::new(1);
    for number in 0..240 {
        let mut noise = vec![0; 2_000 + number * 31];
        entropy.fill(&mut noise);
        let text = format!("Minutes of meeting {number}\n").repeat(40 + number);
        write(
            &format!("Minutes/2026/{:02}/meeting {number}.txt", number % 12 + 1),
            text.as_bytes(),
        )?;
        if number % 8 == 0 {
            write(&format!("Pictures/photo {number}.jpg"), &noise)?;
        }
    }
    let mut video = vec![0; 15 << 20];
    entropy.fill(&mut video);
    write("Pictures/film.mp4", &video)
}
