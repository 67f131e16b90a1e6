//! The documents say what is so: rows, test names, labels, links, files and examples.
//!
//! With `DOCUMENTS_WRITE=1` tests that are named after an attack are entered in its row of
//! `docs/coverage.md`; everything else in the documents is written by hand.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "documents/models.rs"]
mod models;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use symbolon_presence::labels;

/// Attacks and faults: prefix, first and last number of each group, digits.
const ATTACKS: [(&str, u32, u32, usize); 8] = [
    ("A", 1, 18, 2),
    ("A", 20, 33, 2),
    ("A", 40, 46, 2),
    ("A", 50, 64, 2),
    ("A", 70, 77, 2),
    ("A", 80, 97, 2),
    ("A", 100, 112, 3),
    ("R", 1, 15, 1),
];

/// Rows of each source document.
const SOURCES: [(&str, u32); 5] = [("S0", 34), ("S1", 40), ("S2", 30), ("S3", 24), ("S4", 60)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files of the project with one of these endings.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !["target", ".git", "corpus", "node_modules"].contains(&name) {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Tests that start the built command, or drive its sockets and folders; and those of documents.
const REAL: [&str; 10] = [
    "cli/tests/",
    "node/tests/",
    "node/src/net/tests",
    "tests/tests/end_to_end",
    "tests/tests/lab",
    "tests/tests/campaigns",
    "tests/tests/flood",
    "tests/tests/qr",
    "tests/tests/walkthroughs",
    "tests/tests/documents",
];

/// The names of all tests in the tree.
fn tests() -> BTreeSet<String> {
    tests_where(|_| true)
}

/// The names of the tests in files that are wanted, by their paths in the tree.
fn tests_where(is_wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let wanted = |file: &PathBuf| is_wanted(file.strip_prefix(root()).unwrap().to_str().unwrap());
    for file in files(&[".rs"]).into_iter().filter(wanted) {
        let source = fs::read_to_string(&file).unwrap();
        let mut follows = false;
        for line in source.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                follows = true;
            } else if follows && !line.starts_with("#[") && !line.starts_with("//") {
                follows = false;
                let name = line.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')).map(|(name, _)| name);
                names.insert(name.unwrap_or_else(|| panic!("{}: no name after #[test]", file.display())).to_owned());
            }
        }
    }
    names
}

/// One row of a coverage table.
struct Row {
    id: String,
    state: String,
    shown_by: Vec<String>,
}

fn rows(page: &str) -> Vec<Row> {
    page.lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
            let [id, _, state, tests] = cells.as_slice() else { return None };
            let is_row = id.starts_with(['S', 'A', 'R']) && id.chars().any(|c| c.is_ascii_digit());
            let shown_by = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            is_row.then(|| Row { id: (*id).to_owned(), state: (*state).to_owned(), shown_by })
        })
        .collect()
}

fn expected_ids() -> BTreeSet<String> {
    let sources = SOURCES.iter().flat_map(|(source, last)| (1..=*last).map(move |number| format!("{source}-{number:02}")));
    let attacks =
        ATTACKS.iter().flat_map(|&(prefix, first, last, digits)| (first..=last).map(move |number| format!("{prefix}{number:0digits$}")));
    sources.chain(attacks).collect()
}

#[test]
fn every_row_stands_in_the_coverage_table_exactly_once() {
    let found: Vec<String> = rows(&read("docs/coverage.md")).into_iter().map(|row| row.id).collect();
    let unique: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(found.len(), unique.len(), "a row stands there twice");
    assert_eq!(unique, expected_ids());
}

#[test]
fn every_state_is_known_and_every_test_that_the_coverage_names_exists() {
    let tests = tests();
    for row in rows(&read("docs/coverage.md")) {
        match row.state.as_str() {
            "works" | "partly" => assert!(!row.shown_by.is_empty(), "{}: nothing shows it", row.id),
            "not yet" => assert!(row.shown_by.is_empty(), "{}: a test shows it, yet it is not there", row.id),
            other => panic!("{}: {other} is no state", row.id),
        }
        for name in row.shown_by {
            assert!(tests.contains(&name) || (name.contains('/') && root().join(&name).is_file()), "{}: there is no {name}", row.id);
        }
    }
}

#[test]
fn every_row_that_works_is_shown_by_a_test_of_the_real_thing() {
    let real = tests_where(|file| REAL.iter().any(|folder| file.starts_with(folder)));
    for row in rows(&read("docs/coverage.md")).into_iter().filter(|row| row.state == "works") {
        assert!(row.shown_by.iter().any(|name| real.contains(name)), "{} works, but below the real node only: that is partly", row.id);
    }
}

#[test]
fn every_bound_of_the_strangers_ledger_names_a_test_or_says_that_there_is_none() {
    let (tests, page) = (tests(), read("docs/strangers.md"));
    let mut rows = 0;
    for line in page.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---") && !line.starts_with("| resource |")) {
        let cells: Vec<&str> = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')).unwrap().split('|').map(str::trim).collect();
        let [resource, _, _, _, _, shown_by] = cells.as_slice() else { panic!("not six cells: {line}") };
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{resource}: an empty cell");
        let names: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
        assert!(*shown_by == "none yet" || !names.is_empty(), "{resource}: neither a test nor none yet");
        for name in names {
            assert!(tests.contains(name), "{resource}: there is no {name}");
        }
        rows += 1;
    }
    assert!(rows >= 40, "only {rows} rows");
}

/// Every row that a test's name begins with: `a18_r9_an_invite…` stands for two, `s4_11_a_friend…` for one of a source document.
fn ids_in<'a>(test: &str, ids: &'a BTreeMap<String, String>) -> Vec<&'a String> {
    let mut found = Vec::new();
    let mut rest = test;
    while let Some((head, behind)) = rest.split_once('_') {
        let of_source = behind.split_once('_').and_then(|(number, behind)| Some((ids.get(&format!("{head}-{number}"))?, behind)));
        let Some((id, behind)) = ids.get(head).map(|id| (id, behind)).or(of_source) else { break };
        found.push(id);
        rest = behind;
    }
    found
}

/// Tests by the rows that they are named after.
fn tests_by_attack() -> BTreeMap<String, BTreeSet<String>> {
    let ids: BTreeMap<String, String> = expected_ids().into_iter().map(|id| (id.to_lowercase(), id)).collect();
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for test in tests() {
        for id in ids_in(&test, &ids) {
            named.entry(id.clone()).or_default().insert(test.clone());
        }
    }
    named
}

#[test]
fn every_id_in_a_tests_name_is_read() {
    let ids: BTreeMap<String, String> = expected_ids().into_iter().map(|id| (id.to_lowercase(), id)).collect();
    for (test, rows) in [
        ("a18_r9_an_invite_used_twice", &["A18", "R9"][..]),
        ("a20_a23_a24_stores_of_former_friends", &["A20", "A23", "A24"]),
        ("s4_11_a102_a_friend_in_between", &["S4-11", "A102"]),
        ("a_friend_in_between_of_a18_and_r9", &[]),
        ("a999_nothing", &[]),
    ] {
        assert_eq!(ids_in(test, &ids), rows, "{test}");
    }
}

#[test]
fn every_test_that_is_named_after_an_attack_stands_in_its_row() {
    let mut page = read("docs/coverage.md");
    let write = std::env::var_os("DOCUMENTS_WRITE").is_some();
    for (id, tests) in tests_by_attack() {
        let row = rows(&page).into_iter().find(|row| row.id == id).unwrap();
        let missing: Vec<&String> = tests.iter().filter(|test| !row.shown_by.contains(test)).collect();
        if write && !missing.is_empty() {
            let line = page.lines().find(|line| line.starts_with(&format!("| {id} |"))).unwrap().to_owned();
            let what = line.split('|').nth(2).unwrap().trim();
            let state = if row.state == "not yet" { "partly" } else { &row.state };
            let all: Vec<String> = row.shown_by.iter().chain(missing).map(|test| format!("`{test}`")).collect();
            page = page.replace(&line, &format!("| {id} | {what} | {state} | {} |", all.join(", ")));
        } else {
            assert!(missing.is_empty(), "{id}: {missing:?} stand in no row; DOCUMENTS_WRITE=1 enters them");
        }
    }
    if write {
        fs::write(root().join("docs/coverage.md"), page).unwrap();
    }
}

#[test]
fn the_encoding_page_lists_exactly_the_labels_there_are() {
    let page = read("docs/protocol/encoding.md");
    let listed: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `symbolon/1 "))
        .filter_map(|line| line.split_once('`'))
        .map(|(l, _)| l)
        .collect();
    let known: BTreeSet<&str> =
        labels::ALL.iter().map(|label| std::str::from_utf8(label.as_bytes()).unwrap().strip_prefix("symbolon/1 ").unwrap()).collect();
    assert_eq!(listed, known);
}

#[test]
fn the_glossary_is_in_alphabetical_order_and_names_every_frame() {
    let page = read("docs/glossary.md");
    let words: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).skip(1).collect();
    let sorted_by = |word: &&str| word.to_lowercase().replace('_', "");
    assert!(words.is_sorted_by_key(sorted_by), "{:?}", words.windows(2).find(|pair| sorted_by(&pair[0]) > sorted_by(&pair[1])));
    let known: BTreeSet<&str> = words.iter().flat_map(|word| word.split(", ")).collect();
    let frames = read("relay/src/frame.rs");
    let frames: Vec<&str> = frames.lines().filter_map(|line| line.trim().split_once("(#[n(0)] ")).map(|(frame, _)| frame).collect();
    assert!(frames.len() >= 15);
    for frame in frames {
        assert!(known.contains(frame), "{frame} has no line in the glossary");
    }
}

#[test]
fn every_kind_of_frame_that_is_dropped_is_explained() {
    let source = read("node/core/src/turn.rs");
    let named = |line: &str| Some(line.trim().strip_prefix("Self::")?.split_once(" => \"")?.1.strip_suffix("\",")?.to_owned());
    let kinds: Vec<String> = source.lines().filter_map(named).collect();
    assert!(kinds.len() >= 12, "{kinds:?}");
    let page = read("docs/protocol/mailbox.md");
    for kind in kinds {
        assert!(page.contains(&format!("| `{kind}` | ")), "{kind}");
    }
}

/// A document's text without its fenced blocks.
fn prose(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let mut fenced = false;
    let kept = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    });
    kept.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut links = 0;
    for document in files(&[".md"]) {
        for target in prose(&document).split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()) {
            if target.starts_with("https://") || target.starts_with('#') {
                continue;
            }
            let file = target.split('#').next().unwrap();
            assert!(document.parent().unwrap().join(file).exists(), "{}: {target} leads nowhere", document.display());
            links += 1;
        }
    }
    assert!(links > 40, "only {links} links were found");
}

#[test]
fn every_file_that_a_document_names_exists() {
    let mut named = 0;
    for document in files(&[".md"]) {
        for name in prose(&document).split('`').skip(1).step_by(2) {
            let is_path = name.contains('/')
                && [".rs", ".md", ".toml", ".json", ".py"].iter().any(|ending| name.ends_with(ending))
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
                && !name.starts_with('/');
            if is_path {
                assert!(root().join(name).exists(), "{}: there is no {name}", document.display());
                named += 1;
            }
        }
    }
    assert!(named > 20, "only {named} files were found");
}

#[test]
fn every_example_in_the_protocol_pages_is_a_frozen_vector() {
    let vectors: String = files(&[".json"])
        .iter()
        .filter(|file| file.parent().unwrap().ends_with("tests/vectors"))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let mut examples = 0;
    for page in files(&[".md"]).iter().filter(|file| file.parent().unwrap().ends_with("docs/protocol")) {
        for block in fs::read_to_string(page).unwrap().split("```hex\n").skip(1) {
            let hex: String = block.split("```").next().unwrap().split_whitespace().collect();
            assert!(vectors.contains(&format!("\"{hex}\"")), "{}: {hex} is no vector", page.display());
            examples += 1;
        }
    }
    assert!(examples >= 6, "only {examples} examples were found");
}

#[test]
fn the_threat_model_states_what_is_no_goal() {
    let page = read("docs/threat-model.md");
    let stated = page.split("## What it is not").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    for no_goal in ["**No calls.**", "**No anonymity.**", "**No deniability.**"] {
        assert!(stated.contains(no_goal), "{no_goal} is not stated");
    }
    assert!(stated.contains("traffic patterns are not hidden"));
    assert!(page.contains("audited") && read("README.md").contains("not audited"));
}

#[test]
fn every_promise_of_the_threat_model_names_tests_that_exist() {
    let (tests, page) = (tests(), read("docs/threat-model.md"));
    let section =
        |title: &str| page.split(&format!("\n## {title}\n")).nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap().to_owned();
    let mut promises: Vec<String> = section("What is protected")
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| asset |"))
        .inspect(|line| assert_eq!(line.matches('|').count(), 5, "four cells stand in a row: {line}"))
        .map(|line| line.trim_end_matches('|').rsplit('|').next().unwrap().to_owned())
        .collect();
    for title in ["Who attacks, and what each can do", "Trust at first contact"] {
        promises.extend(section(title).split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()).map(|paragraph| {
            let (said, named) = paragraph.rsplit_once("\nTests: ").unwrap_or_else(|| panic!("it names no test: {paragraph}"));
            assert!(!said.trim().is_empty());
            named.to_owned()
        }));
    }
    assert!(promises.len() >= 25, "only {} promises", promises.len());
    for promise in promises {
        let names: Vec<&str> = promise.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test in {promise}");
        for name in names {
            assert!(tests.contains(name), "there is no {name}");
        }
    }
}

#[test]
fn the_licences_are_there_and_every_crate_names_them() {
    assert!(read("LICENSE-MIT").contains("Permission is hereby granted, free of charge"));
    assert!(read("LICENSE-APACHE").contains("Version 2.0, January 2004"));
    assert!(read("Cargo.toml").contains("license = \"MIT OR Apache-2.0\""));
    let manifests = files(&["Cargo.toml"]);
    assert!(manifests.len() >= 7);
    for manifest in manifests {
        let text = fs::read_to_string(&manifest).unwrap();
        let named = ["license.workspace = true", "license = \"MIT OR Apache-2.0\""].iter().any(|form| text.contains(form));
        assert!(named, "{} names no licence", manifest.display());
    }
}

#[test]
fn every_direct_dependency_has_its_reason() {
    let page = read("docs/decisions/dependencies.md");
    let explained: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| line.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
        .collect();
    let manifest = read("Cargo.toml");
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let named: BTreeSet<&str> = section
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with('#') && !name.starts_with("symbolon"))
        .collect();
    assert_eq!(named, explained);
}

#[test]
fn the_first_two_pages_stay_short() {
    let lines = |path| read(path).lines().count();
    assert!((80..=120).contains(&lines("README.md")), "{} lines", lines("README.md"));
    assert!(lines("ARCHITECTURE.md") <= 150, "{} lines", lines("ARCHITECTURE.md"));
}

/// What a patch expects of each file: the lines of a hunk that it keeps or takes away.
fn expected_by(patch: &str) -> Vec<(String, String)> {
    let mut hunks: Vec<(String, String)> = Vec::new();
    let mut path = "";
    for line in patch.lines().skip_while(|line| !line.starts_with("--- ")) {
        if let Some(file) = line.strip_prefix("--- a/") {
            path = file;
        } else if line.starts_with("@@") {
            hunks.push((path.to_owned(), String::new()));
        } else if let (Some(kept), Some((_, lines))) = (line.strip_prefix([' ', '-']), hunks.last_mut()) {
            lines.push_str(kept);
            lines.push('\n');
        }
    }
    hunks
}

#[test]
fn every_mutant_still_fits_the_code() {
    let patches = files(&[".patch"]);
    assert!(patches.len() > 20);
    for patch in patches {
        let hunks = expected_by(&fs::read_to_string(&patch).unwrap());
        assert!(!hunks.is_empty(), "{patch:?} changes nothing");
        for (path, lines) in hunks {
            assert!(read(&path).contains(&lines), "{patch:?} does not fit {path}");
        }
    }
}
