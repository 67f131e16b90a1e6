//! The models of handshakes are whole: each has a twin that must fall, stands on its page, and names labels that are in use.

use super::{files, read};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::labels;

const PAGE: &str = "docs/models/README.md";
/// It shows that one of two locks is enough, so nothing of it can be left out.
const WITHOUT_TWIN: &str = "invite-without-psk.vp";

/// Every model and twin, by the name of its file.
fn models() -> BTreeMap<String, String> {
    let all = files(&[".vp"]).into_iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned());
    all.map(|name| (name.clone(), read(&format!("docs/models/{name}")))).collect()
}

/// The cells of the rows of tables whose first cell is code.
fn cells(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// What the checker must find of each query: 0 that it holds, 1 that it is refuted.
fn expected(model: &str) -> Vec<char> {
    let said = model.lines().next().unwrap().strip_prefix("// Expected: ").unwrap();
    let (kinds, found): (Vec<_>, Vec<_>) = said.chars().enumerate().partition(|(at, _)| at % 2 == 0);
    assert!(kinds.iter().all(|(_, kind)| ['a', 'c'].contains(kind)) && kinds.len() == found.len(), "{said}");
    found.into_iter().map(|(_, found)| found).collect()
}

#[test]
fn every_model_holds_stands_on_its_page_and_has_a_twin_with_the_same_queries_that_falls() {
    let (models, page) = (models(), read(PAGE));
    let rows: BTreeMap<&str, &str> = cells(&page).into_iter().filter_map(|row| Some((names(row[0]).next()?, *row.get(2)?))).collect();
    let wholes: BTreeSet<&str> = models.keys().map(String::as_str).filter(|name| !name.contains("-twin")).collect();
    assert_eq!(rows.keys().copied().collect::<BTreeSet<_>>(), wholes, "models, and rows of {PAGE}");
    assert!(wholes.len() >= 11);
    for name in wholes {
        let held = expected(&models[name]);
        assert!(!held.is_empty() && held.iter().all(|found| *found == '0'), "{name} must hold");
        let twin = format!("{}-twin", name.strip_suffix(".vp").unwrap());
        let twins: Vec<&String> = models.keys().filter(|other| other.starts_with(&twin)).collect();
        assert_eq!(twins.is_empty(), name == WITHOUT_TWIN, "twins of {name}: {twins:?}");
        assert_eq!(twins.is_empty(), rows[name].trim_matches(['|', ' ']).is_empty(), "{name}: the page says what is missing in its twins");
        let of_model = |text: &str| text.split("queries[").nth(1).map(|queries| queries.split_whitespace().collect::<String>());
        for twin in twins {
            let fallen = expected(&models[twin]);
            assert!(fallen.contains(&'1'), "{twin} must fall");
            assert!(fallen.len() <= held.len() && models[twin] != models[name], "{twin}");
            assert!(of_model(&models[twin]).is_some(), "{twin} asks for nothing");
        }
    }
}

#[test]
fn every_label_of_the_models_is_one_of_the_code() {
    let (models, page) = (models(), read(PAGE));
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let used: BTreeSet<&str> = models.values().flat_map(|text| text.split(|c| !is_word(c))).filter(|word| word.starts_with("l_")).collect();
    let listed = cells(&page).into_iter().filter(|row| row[0].starts_with("`l_")).collect::<Vec<_>>();
    let named: BTreeSet<&str> = listed.iter().flat_map(|row| names(row[0])).collect();
    assert_eq!(used, named, "names in the models, and on {PAGE}");
    let known: BTreeSet<&str> = labels::ALL.iter().map(|label| std::str::from_utf8(label.as_bytes()).unwrap()).collect();
    for row in listed {
        let label = names(row[1]).next().unwrap();
        assert!(known.contains(format!("symbolon/1 {label}.").as_str()), "{label} is no label of the code");
    }
}
