//! Disks that fill up or lose their power. Both need root; without it they are skipped, and
//! say so.

use symbolon_tests::campaign::{full, power};

#[test]
fn r2_full_disk_is_told_clearly_and_loses_nothing() {
    match full::disk() {
        Ok(disk) => {
            let report = full::run(&disk, 2).unwrap();
            assert!(report.refused >= 40 && report.tally.accepted >= 50, "{report:?}");
        }
        Err(reason) => println!("skipped: no small filesystem can be mounted here: {reason}"),
    }
}

#[test]
fn everything_acknowledged_is_there_after_power_cuts() {
    match power::disk() {
        Ok(disk) => {
            let report = power::run(disk, 6, 1).unwrap();
            assert!(report.cuts == 6 && report.tally.accepted > 20, "{report:?}");
        }
        Err(reason) => println!("skipped: no disk can be made to lose its power here: {reason}"),
    }
}
