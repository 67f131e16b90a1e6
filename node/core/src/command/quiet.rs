//! Texts, notes, names and links must not reach a log by way of `Debug`.

use super::{Command, Reply, Who};
use std::fmt::{Debug, Formatter, Result};

impl Debug for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("Command(..)")
    }
}

impl Debug for Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("Who(..)")
    }
}

impl Debug for Reply {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("Reply(..)")
    }
}
