//! The machines that commands ask.

use crate::delivery::Delivery;
use crate::delivery::relays::Relays;
use crate::intake::Intake;
use crate::presence::Presence;
use crate::renewal::Standings;
use crate::views::Shown;

/// The machines that commands ask.
pub(crate) struct Machines<'a> {
    pub delivery: &'a mut Delivery,
    pub relays: &'a mut Relays,
    pub presence: &'a mut Presence,
    pub intake: &'a Intake,
    pub standings: &'a mut Standings,
}

impl Machines<'_> {
    /// Those of which something is shown.
    pub fn shown(&self) -> Shown<'_> {
        Shown { delivery: self.delivery, relays: self.relays, presence: self.presence, intake: self.intake, standings: self.standings }
    }
}
