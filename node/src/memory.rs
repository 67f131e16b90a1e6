//! Keeps what is in memory (keys, tokens, texts) from other ways out of the process.
//!
//! Not a defence against a program that runs as the same user with the right to look into
//! processes, nor against swap: encrypt that.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Forbids core dumps, and on Linux lets no other process of the user read this one's memory
/// or environment. Called first of all; where the system refuses, things stay as they were.
pub fn keep_private() {
    // A lower limit is never refused.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a110_process_leaves_no_core_and_is_not_dumpable() {
        keep_private();
        let limit = rustix::process::getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        #[cfg(target_os = "linux")]
        assert_eq!(rustix::process::dumpable_behavior().ok(), Some(rustix::process::DumpableBehavior::NotDumpable));
    }
}
