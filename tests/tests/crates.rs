//! What `deny.toml` says of licences, sources and bans holds for every crate that is built. The
//! same page is read by cargo-deny, which `just deny` runs; this needs nothing but cargo.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The strings between the quotes of a list in `deny.toml`.
fn list(page: &str, head: &str) -> Vec<String> {
    let (_, rest) = page.split_once(head).unwrap();
    let (list, _) = rest.split_once("\n]").unwrap();
    list.lines().filter(|line| !line.trim_start().starts_with('#')).map(str::to_owned).collect()
}

fn quoted(line: &str) -> Vec<String> {
    line.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A crate that is built: its name, what it says of its licence, and where it comes from if that is not
/// the registry.
type Crate = (String, String, Option<String>);

/// All crates that are built on one platform, all features and tests included; none when cargo cannot get
/// those of another one. The lock file would list more: what a feature that is off would bring.
fn crates(platform: &str) -> Option<BTreeSet<Crate>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["tree", "--locked", "--workspace", "--all-features", "--prefix", "none", "--format", "{p}|{l}", "--target", platform]);
    let said = cargo.current_dir(root()).output().unwrap();
    if !said.status.success() {
        eprintln!("skipped: {platform}: {}", String::from_utf8_lossy(&said.stderr));
        return None;
    }
    let said = String::from_utf8(said.stdout).unwrap();
    let read = |line: &str| -> Crate {
        let (package, licence) = line.trim_end_matches(" (*)").split_once('|').unwrap();
        let mut words = package.split(' ');
        let name = words.next().unwrap().to_owned();
        let more: Vec<&str> = words.skip(1).filter(|word| *word != "(proc-macro)").collect();
        let source = (!more.is_empty()).then(|| more.join(" ").trim_matches(['(', ')']).to_owned());
        (name, licence.to_owned(), source)
    };
    Some(said.lines().filter(|line| !line.is_empty()).map(read).collect())
}

/// Whether an SPDX expression can be met by licences that are let in: `OR` leaves the choice, and
/// `AND` binds closer. An old `/` is an `OR`.
fn is_met(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any_of(&words, &mut at, allowed);
    assert_eq!(at, words.len(), "not an SPDX expression: {expression}");
    met
}

fn any_of(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all_of(words, at, allowed);
    }
    met
}

fn all_of(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let word = words.get(*at).copied().unwrap_or_default();
    *at += 1;
    if word == "(" {
        let met = any_of(words, at, allowed);
        assert_eq!(words.get(*at), Some(&")"));
        *at += 1;
        return met;
    }
    if words.get(*at) == Some(&"WITH") {
        // An exception gives more, but has to be let in by name.
        *at += 2;
        return false;
    }
    allowed(word)
}

#[test]
fn spdx_expressions_are_read_as_they_are_meant() {
    let allowed = |licence: &str| ["MIT", "ISC"].contains(&licence);
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT/GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("(GPL-3.0 OR MIT) AND BSD-3-Clause", false),
        ("MIT WITH something", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}

#[test]
fn every_crate_that_is_built_has_a_licence_and_a_source_that_are_let_in_and_none_is_banned() {
    let page = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let allowed: BTreeSet<String> = list(&page, "\nallow = [").iter().flat_map(|line| quoted(line)).collect();
    assert!(allowed.contains("MIT") && allowed.len() > 5, "{allowed:?}");
    let exceptions: Vec<Vec<String>> = list(&page, "\nexceptions = [").iter().map(|line| quoted(line)).collect();
    // A crate with a requirement on its version is one that had a fault; cargo-deny looks at those.
    let banned: BTreeSet<String> =
        list(&page, "\ndeny = [").iter().filter_map(|line| quoted(line).into_iter().next()).filter(|name| !name.contains('@')).collect();
    assert!(banned.contains("sled"), "{banned:?}");
    let platforms = list(&page, "\ntargets = [").iter().flat_map(|line| quoted(line)).collect::<Vec<_>>();
    assert_eq!(platforms.len(), 4);
    let (mut faults, mut looked_at) = (BTreeSet::new(), 0);
    for platform in platforms {
        let Some(crates) = crates(&platform) else { continue };
        looked_at += 1;
        assert!(crates.len() > 200, "{platform}: {} crates", crates.len());
        for (name, licence, source) in crates {
            let of_crate = exceptions.iter().find(|exception| exception.first() == Some(&name));
            let is_allowed =
                |word: &str| allowed.contains(word) || of_crate.is_some_and(|exception| exception[1..].iter().any(|known| known == word));
            if !is_met(&licence, &is_allowed) {
                faults.insert(format!("{name}: the licence {licence:?} is not let in"));
            }
            // Ours lie here; so does the one that stands for OpenSSL.
            if let Some(source) = source.filter(|source| !Path::new(source).starts_with(root())) {
                faults.insert(format!("{name}: the source {source} is not let in"));
            }
            if banned.contains(&name) {
                faults.insert(format!("{name}: is banned"));
            }
        }
    }
    assert!(looked_at > 0, "cargo knows of no platform's crates");
    assert!(faults.is_empty(), "{faults:#?}");
}
