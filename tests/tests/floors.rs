//! The check of floors in `.ci/floors` refuses what it is there to refuse, and passes this workspace.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Floors of a made-up crate: two modules on the ground, one in the middle, one on top.
const FLOORS: &str = "floor ground\n    left\n    right # a note\nfloor middle\n    middle\nfloor top\n    top\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Whether the check passes a workspace, and all that it says.
fn judge(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(root().join(".ci/floors")).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// A crate `made` with these files in it, next to the empty modules that `FLOORS` names.
struct Made(TempDir);

impl Made {
    fn with(files: &[(&str, &str)]) -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        made.write("made/Cargo.toml", "");
        for module in ["lib", "left", "right", "middle", "top"] {
            made.write(&format!("made/src/{module}.rs"), "");
        }
        for (file, text) in files {
            made.write(&format!("made/src/{file}"), text);
        }
        made.list("")
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The same with these arrows to go.
    fn list(self, arrows: &str) -> Self {
        self.write(".ci/floors.list", &format!("# A note.\ncrate made\n{FLOORS}to go\n{arrows}"));
        self
    }

    fn judge(&self) -> (bool, String) {
        judge(&["--judge", self.0.path().to_str().unwrap()])
    }

    fn passes(&self) -> String {
        let (passed, said) = self.judge();
        assert!(passed, "{said}");
        said
    }

    fn is_refused(&self, because: &str) {
        let (passed, said) = self.judge();
        assert!(!passed && said.contains(because), "not refused because {because}: {said}");
    }
}

#[test]
fn every_crate_of_the_workspace_keeps_to_its_floors() {
    let (passed, said) = judge(&[]);
    assert!(passed, "{said}");
    for krate in ["presence", "relay", "node/core", "node", "cli"] {
        assert!(said.contains(&format!("ok: {krate} (")), "{krate}: {said}");
    }
}

#[test]
fn a_module_may_use_what_is_below_it_and_the_root_may_use_all() {
    let made = Made::with(&[
        ("lib.rs", "mod top;\npub use top::Top;\nuse middle::Middle;"),
        ("top.rs", "use crate::middle::{self, Middle};\nuse crate::{left, right::Right as R};\nuse std::fmt;"),
        ("middle.rs", "use super::left;\nfn f() { crate::right::g::<u8>(left::G) }"),
    ]);
    assert_eq!(made.passes(), "ok: made (4 modules, 3 floors, 0 arrows to go)\n");
}

#[test]
fn an_arrow_up_is_refused_however_it_is_written() {
    for text in [
        "use crate::top::Top;",
        "pub(crate) use crate::top;",
        "use super::top::Top;",
        "use crate::{left, top::{self, Top}};",
        "use crate::{\n    left,\n    top as roof,\n};",
        "fn f() { crate::top::g() }",
        "fn f(top: super::top::Top) {}",
        "fn f() -> Vec<crate::top::Top> { r\"\\\"; '\"'; \"\\\"\"; crate::top::g() }",
        "/* a\nnote */ fn f() { g!(\"text\n\", crate::top::H) }",
        "mod inner; // a file of its own\n",
    ] {
        let inner = "use super::super::top::Top;";
        let files = [("middle.rs", text), ("middle/inner.rs", inner)];
        let files = if text.starts_with("mod") { &files[..] } else { &files[..1] };
        Made::with(files).is_refused("middle -> top runs up (made/src/middle");
    }
}

#[test]
fn the_roof_of_a_crate_is_above_all_its_modules() {
    Made::with(&[("top.rs", "use crate::Core;")]).is_refused("top -> crate runs up (made/src/top.rs:1)");
    Made::with(&[("top.rs", "\n\nuse super::*;")]).is_refused("top -> crate runs up (made/src/top.rs:3)");
}

#[test]
fn an_arrow_to_a_module_on_the_same_floor_is_refused() {
    Made::with(&[("left.rs", "use crate::right;")]).is_refused("left -> right runs beside it (made/src/left.rs:1)");
}

#[test]
fn a_circle_of_modules_is_refused() {
    let made = Made::with(&[("middle.rs", "use crate::top;"), ("top.rs", "use crate::middle;")]);
    made.is_refused("middle -> top runs up");
    let made = Made::with(&[("left.rs", "use crate::right;"), ("right.rs", "use crate::left;")]);
    made.is_refused("right -> left runs beside it");
}

#[test]
fn a_circle_of_files_inside_a_module_is_refused() {
    let parent = ("top.rs", "mod one;\nmod two;\nuse one::One;");
    let child = Made::with(&[parent, ("top/one.rs", "use super::Top;"), ("top/two.rs", "")]);
    child.is_refused("a circle of files: top");
    let files = [("top.rs", "mod one;\nmod two;"), ("top/one.rs", "use super::two;"), ("top/two.rs", "use super::one;")];
    Made::with(&files).is_refused("a circle of files: top/");
    // `use` gives the module a name, and the path continues inline.
    let inline = [parent, ("top/one.rs", "use crate::top;\nfn f() { top::two::g() }"), ("top/two.rs", "use super::one::One;")];
    Made::with(&inline).is_refused("a circle of files: top/");
    Made::with(&[parent, ("top/one.rs", "use super::two::Two;"), ("top/two.rs", "")]).passes();
}

#[test]
fn an_arrow_that_is_listed_as_still_there_passes() {
    let made = Made::with(&[("middle.rs", "use crate::top;")]).list("    middle -> top\n");
    assert_eq!(made.passes(), "ok: made (4 modules, 3 floors, 1 arrows to go)\n");
    let files = [("top.rs", "mod one;\nuse one::One;"), ("top/one.rs", "use super::Top;")];
    Made::with(&files).list("    top/one -> top\n").passes();
}

#[test]
fn a_listed_arrow_that_is_gone_is_refused() {
    Made::with(&[]).list("    middle -> top\n").is_refused("middle -> top is gone");
    // It runs down, so it needs no line.
    Made::with(&[("top.rs", "use crate::middle;")]).list("    top -> middle\n").is_refused("top -> middle is gone");
    Made::with(&[]).list("    top/one -> top\n").is_refused("top/one -> top is gone");
    let files = [("top.rs", "mod one;"), ("top/one.rs", "use super::Top;")];
    Made::with(&files).list("    top/one -> top\n").is_refused("top/one -> top is in no circle");
}

#[test]
fn a_field_that_one_module_names_is_refused_in_all_others() {
    let files = [("middle.rs", "fn f(turn: Turn) { turn.cipher.seal() }\n#[cfg(test)]\nmod t { fn f() { g().cipher } }")];
    Made::with(&files).list("only middle names cipher\n").passes();
    Made::with(&files).list("only top names cipher\n").is_refused("middle names cipher, which only top may (made/src/middle.rs:1)");
    Made::with(&files).list("middle names cipher\nonly top names cipher\n").passes();
    // What saves a row: two modules may name it.
    Made::with(&files).list("only right and middle name cipher\n").passes();
    Made::with(&files).list("only right and top name cipher\n").is_refused("middle names cipher, which only right or top may");
    let made = Made::with(&[("lib.rs", "fn f(turn: Turn) { turn.cipher.seal() }")]);
    made.list("middle names cipher\nonly top names cipher\n").is_refused("middle names cipher no more");
}

#[test]
fn a_notice_that_two_modules_name_is_refused_in_all_others() {
    for text in ["use crate::left::Notice;", "use super::left::{A, Notice as N};", "fn f(n: crate::left::Notice) {}"] {
        let made = || Made::with(&[("middle.rs", text)]);
        made().list("only middle and top name Notice\n").passes();
        made().list("only top and middle name Notice\n").passes();
        let because = "middle names Notice, which only right or top may (made/src/middle.rs:1)";
        made().list("only right and top name Notice\n").is_refused(because);
    }
    let of_another = "use crate::left::NoticeBoard;\n#[cfg(test)]\nuse crate::left::Notice;";
    Made::with(&[("middle.rs", of_another)]).list("only right and top name Notice\n").passes();
}

#[test]
fn tests_may_look_anywhere_and_what_follows_them_may_not() {
    let tests = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nuse crate::top;\n#[cfg(test)]\nmod inline {\n    use crate::top;\n}\n\
        #[cfg(feature = \"testing\")]\nimpl A {\n    fn f() { crate::top::g() }\n}\n";
    let files = [("middle.rs", tests), ("middle/tests.rs", "use crate::top::*;\nuse super::*;")];
    Made::with(&files).passes();
    let more = format!("{tests}use crate::top;");
    Made::with(&[("middle.rs", &more), files[1]]).is_refused("middle -> top runs up (made/src/middle.rs:13)");
    Made::with(&[("middle.rs", "#[cfg(not(test))]\nuse crate::top;")]).is_refused("middle -> top runs up");
}

#[test]
fn notes_and_texts_draw_no_arrow() {
    let text = "//! [`crate::top`]\n/* use crate::top; */\nconst A: &str = \"use crate::top; \\\" crate::top::A\";\n\
        const B: &str = r#\"\" crate::top::B\"#;\nconst C: char = '\"';\npub(in crate::top) fn f() {} // crate::top::g";
    Made::with(&[("middle.rs", text)]).passes();
}

#[test]
fn list_and_folder_must_name_the_same_modules_and_crates() {
    Made::with(&[("new.rs", "")]).is_refused("new stands on no floor");
    let made = Made::with(&[]);
    fs::remove_file(made.0.path().join("made/src/top.rs")).unwrap();
    made.is_refused("top stands on a floor and is no module");
    let made = Made::with(&[]);
    made.write("other/Cargo.toml", "");
    made.write("other/src/lib.rs", "");
    made.is_refused("does not know the crate other");
    let made = Made::with(&[]);
    made.write(".ci/floors.list", "");
    made.is_refused("names no crate");
}

#[test]
fn a_file_of_more_than_450_lines_is_refused_wherever_it_stands() {
    let lines = |number: usize| "//\n".repeat(number);
    Made::with(&[("top.rs", &lines(450))]).passes();
    Made::with(&[("top.rs", &lines(451))]).is_refused("made/src/top.rs has 451 lines");
    let made = Made::with(&[]);
    made.write("tests/tests/story/long.rs", &lines(451));
    made.is_refused("tests/tests/story/long.rs has 451 lines");
    // What a build has made is not read.
    let made = Made::with(&[]);
    made.write("target/debug/build/bound.rs", &lines(451));
    made.passes();
}

#[test]
fn a_function_of_more_than_80_lines_is_refused_unless_it_is_listed_as_a_table() {
    let function = |lines: usize| {
        format!("impl Top {{\n    pub(super) fn long(\n        &self,\n    ) {{\n{}    }}\n}}\n", "        look();\n".repeat(lines - 4))
    };
    Made::with(&[("top.rs", &function(80))]).passes();
    Made::with(&[("top.rs", &function(81))]).is_refused("the function long has 81 lines");
    // Short ones, and one that is only declared, add up to none.
    let short = "trait A {\n    fn a(\n        &self,\n    );\n    fn b(&self);\n}\nfn c() {}\nfn d() {\n    c();\n}\n";
    Made::with(&[("top.rs", &format!("{short}{}", "// A note.\n".repeat(90)))]).passes();
    let listed = |made: Made| {
        let list = fs::read_to_string(made.0.path().join(".ci/floors.list")).unwrap();
        made.write(".ci/floors.list", &list.replace("floor ground", "table top long\nfloor ground"));
        made
    };
    listed(Made::with(&[("top.rs", &function(81))])).passes();
    listed(Made::with(&[("top.rs", &function(80))])).is_refused("the table top long is short, or gone");
}
