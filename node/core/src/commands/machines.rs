//! The machines that commands ask.

use crate::delivery::Delivery;
use crate::delivery::relays::Relays;
use crate::devices::Capsules;
use crate::intake::Intake;
use crate::packages::Packages;
use crate::presence::Presence;
use crate::renewal::Standings;
use crate::views::Shown;
use crate::vouching::Vouching;

/// The machines that commands ask.
pub(crate) struct Machines<'a> {
    pub delivery: &'a mut Delivery,
    pub relays: &'a mut Relays,
    pub presence: &'a mut Presence,
    pub packages: &'a Packages,
    pub intake: &'a Intake,
    pub standings: &'a mut Standings,
    pub vouching: &'a mut Vouching,
    pub capsules: &'a Capsules,
}

impl Machines<'_> {
    /// Those of which something is shown.
    pub fn shown(&self) -> Shown<'_> {
        let Self { delivery, relays, presence, packages, intake, standings, vouching: _, capsules: _ } = self;
        Shown { delivery, relays, presence, packages, intake, standings }
    }
}
