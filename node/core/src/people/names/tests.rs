use super::*;

#[test]
fn a109_names_that_look_alike_are_found() {
    let table = [
        ("Ben", "ben", "case"),
        ("Ben", "BEN", "case"),
        ("Ben", "B\u{200b}en", "zero-width space"),
        ("Ben", "Be\u{200d}n", "joiner with nothing to join"),
        ("Ben", "Ben\u{fe0f}", "variation selector"),
        ("Ben", "\u{202e}Ben", "direction override"),
        ("Ben", "Ben\u{2066}", "direction isolate"),
        ("Ben", "B\u{ad}en", "soft hyphen"),
        ("Ben", "Ben\u{3164}", "Hangul filler"),
        ("Ben", "Ben\u{e0041}", "tag letter"),
        ("Ben", "  Ben  ", "spaces around"),
        ("Ben Li", "Ben\u{a0} Li", "other spaces"),
        ("Zo\u{eb}", "Zoe\u{308}", "decomposed letter"),
        ("J\u{fc}rgen", "JU\u{308}RGEN", "decomposed capital"),
        ("Ben", "\u{ff22}\u{ff45}\u{ff4e}", "full width"),
        ("fi", "\u{fb01}", "ligature"),
        ("Ben", "\u{412}en", "Cyrillic capital Ve"),
        ("Ben", "B\u{435}n", "Cyrillic small ie"),
        ("paypal", "p\u{430}yp\u{430}l", "Cyrillic small a"),
        ("Anna", "\u{391}nna", "Greek capital alpha"),
        ("Tom", "T\u{3bf}m", "Greek omicron"),
        ("Ian", "lan", "capital I and small l"),
        ("Bill", "BiII", "two capital I"),
        ("Oto", "0to", "zero"),
        ("Tom", "Torn", "rn and m"),
        ("Cem", "\u{421}em", "Cyrillic capital Es"),
    ];
    for (a, b, what) in table {
        assert!(is_alike(a, b) && is_alike(b, a), "{what}: {a:?} {b:?}");
    }
    for (a, b) in
        [("Ben", "Ken"), ("Ben", "Benn"), ("Jose", "Jos\u{e9}"), ("Andi", "Andy"), ("Ben 2", "Ben 3"), ("日本", "日木"), ("Ben", "")]
    {
        assert!(!is_alike(a, b), "{a:?} {b:?}");
    }
}

#[test]
fn typing_finds_a_name_whatever_its_case_and_form_but_no_other_script() {
    assert!(is_same("J\u{fc}rgen", "ju\u{308}rgen") && is_same("Ben", "be\u{200b}n") && is_same("Ben", "\u{ff22}EN"));
    assert!(!is_same("Ben", "\u{412}en") && !is_same("Ian", "lan"));
}

#[test]
fn a109_names_that_pose_as_an_id_or_a_command_are_marked() {
    let id = "r74qqo6e5dmmmwizqf62e5ztvyxwaea72mciqlft6hmwm6ouiawa";
    let ids = [
        id.to_owned(),
        id.to_uppercase(),
        id[..26].to_owned(),
        format!("\u{200b}{id}"),
        id.replace('o', "\u{43e}"),
        id.replace('l', "I"),
        id.replace('o', "0"),
        format!("{} {}", &id[..26], &id[26..]),
    ];
    for name in ids {
        assert_eq!(pose(&name), Some(Pose::Id), "{name:?}");
    }
    for name in ["unfriend", "Unfriend", "UP", "you", "Me", "-h", "--json", "\u{2212}v", "symbolon:abc", "unfr\u{456}end", "se\u{200b}nd"] {
        assert_eq!(pose(name), Some(Pose::Command), "{name:?}");
    }
    for name in ["Be\u{202e}n", "\u{200b}", "\u{3164}", "", "Ben\u{200d}", "A\u{2800}"] {
        assert_eq!(pose(name), Some(Pose::Hidden), "{name:?}");
    }
    let plain = [
        "Ben",
        "Benjamin",
        "Benjamin Franklin Abcdefgh",
        "J\u{fc}rgen",
        "Zoe\u{308}",
        "Cara 🌸",
        "👩‍👩‍👧",
        "❤️ Tom",
        "שלום",
        "علی‌رضا",
        "日本語",
        "Ben  Li",
        "Upton",
        "O'Neill-Smith",
    ];
    for name in plain {
        assert_eq!(pose(name), None, "{name:?}");
    }
    let begins = |name: &str| Look::of(name).beginnings().any(|name| id.starts_with(&name));
    assert!(begins("R74QQO6E") && begins("r74qq\u{43e}6e") && begins("r74q qo6e"));
    assert!(!begins("r74qqo6") && !begins("benjamin"));
}

#[test]
fn a109_cleaned_name_has_nothing_hidden_and_keeps_what_scripts_need() {
    assert_eq!(clean(" B\u{202e}e\u{200b}n\u{200d}\t Li\u{feff} "), "Ben Li");
    assert_eq!(clean("\u{200b}\u{3164}"), "");
    for name in ["👩‍👩‍👧", "❤️ Tom", "علی‌رضا", "Zo\u{eb}"] {
        assert_eq!(clean(name), name);
    }
}

#[test]
fn a_name_that_reads_as_a_line_of_a_room_s_history_is_known_and_others_are_not() {
    for name in [
        "Ana added Eve",
        "You",
        "you",
        "ＹＯＵ",
        "Cem left the room",
        "Ben ADDED",
        "Ana removed",
        "Eve is an admin now",
        "x took the topic away",
    ] {
        assert!(tells(name), "{name}");
    }
    for name in ["Ana", "Made Wijaya", "Youssef", "Lefty", "Adder", "Roomy McRoom", "Nguyễn"] {
        assert!(!tells(name), "{name}");
    }
}
