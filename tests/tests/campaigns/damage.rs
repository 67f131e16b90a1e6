//! Damaged files are refused by name and never repaired, overwritten or believed.

use symbolon_tests::campaign::damage::{Kind, Victims};

#[test]
fn damaged_files_are_refused_by_name_or_every_record_is_right() {
    let victims = Victims::make().unwrap();
    let mut refused = 0;
    for kind in Kind::ALL {
        let report = victims.rounds(kind, 10, 1).unwrap();
        refused += report.refused;
    }
    assert!(refused >= 25, "too little was found to prove anything: {refused}");
}
