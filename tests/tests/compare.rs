//! The script that compares a bench of before with one of after (`tests/benches/compare`), on two that only print.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A bench that prints a text; `{n}` in it is 1 in its first run, then 2 and so on.
fn bench(folder: &Path, name: &str, prints: &str) -> PathBuf {
    let path = folder.join(name);
    let script = format!("#!/bin/sh\necho >>$0.runs\nn=$(wc -l <$0.runs)\ncat <<END\n{}\nEND\n", prints.replace("{n}", "${n}"));
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

fn compare(before: &Path, after: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare");
    Command::new(script).arg("--binaries").args([before, after]).arg("3").output().unwrap()
}

/// The row of a label, without how wide it is.
fn row(out: &Output, label: &str) -> String {
    let text = String::from_utf8_lossy(&out.stdout);
    let found = text.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_else(|| panic!("no {label} in {text}"));
    found.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn figures_of_before_and_after_stand_side_by_side_by_their_labels_and_what_one_side_lacks_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let before = bench(
        folder.path(),
        "before",
        "seal / open     31.2 / 33.1 us\n--- TCP\nround trip p50      90{n} us   1.7 of 568\n--- QUIC\nround trip p50     {n}000 us",
    );
    let after = bench(
        folder.path(),
        "after",
        "--- TCP\nround trip p50     451 us   1..2 of 1\nbytes      {n} B\n--- QUIC\nround trip p50     {n}00 us",
    );
    let out = compare(&before, &after);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(row(&out, "seal / open "), "31.20 (31.20..31.20) only before");
    assert_eq!(row(&out, "TCP: round trip p50"), "902 (901..903) 451 (451..451) 0.50");
    assert_eq!(row(&out, "QUIC: round trip p50"), "2000 (1000..3000) 200 (100..300) 0.10");
    assert_eq!(row(&out, "TCP: bytes"), "2.00 (1.00..3.00) only after");
}

#[test]
fn a_bench_that_fails_or_says_nothing_is_no_comparison() {
    let folder = tempfile::tempdir().unwrap();
    let good = bench(folder.path(), "good", "texts/s     8 of 9");
    let bad = bench(folder.path(), "bad", "texts/s     8 of 9");
    fs::write(&bad, "#!/bin/sh\necho 'texts/s     8'\nexit 1\n").unwrap();
    let silent = bench(folder.path(), "silent", "nothing to say");
    assert!(compare(&good, &good).status.success());
    assert!(!compare(&bad, &good).status.success());
    assert!(!compare(&good, &bad).status.success());
    assert!(!compare(&silent, &silent).status.success());
}
