//! What has to hold whenever nothing is left to be done.

use super::*;

impl Room {
    fn tip(&self, paths: &[Vec<u16>], who: u8) -> u16 {
        tip(&paths[usize::from(who)])
    }

    /// Honest members who are in the room that they follow.
    fn insiders(&self, paths: &[Vec<u16>]) -> Vec<u8> {
        (0..MEMBERS).filter(|who| !self.is_stubborn(*who) && self.has(self.tip(paths, *who), *who)).collect()
    }

    /// All are in one epoch, and so have one roster.
    pub(super) fn apart(&mut self, paths: &[Vec<u16>]) -> Option<String> {
        let insiders = self.insiders(paths);
        let tips: BTreeSet<u16> = insiders.iter().map(|who| self.tip(paths, *who)).collect();
        if tips.len() != 1 {
            return Some(format!("members are in {} epochs", tips.len()));
        }
        let tip = *tips.first()?;
        let missing = (0..MEMBERS).find(|who| self.has(tip, *who) && self.tip(paths, *who) != tip);
        missing.map(|who| format!("{who} is in the roster and not in the epoch"))
    }

    /// No commit stands whose maker another one of the same parent has removed, and nobody who was removed is in again.
    pub(super) fn undone(&mut self, state: &State, paths: &[Vec<u16>]) -> Option<String> {
        let path = paths[usize::from(*self.insiders(paths).first()?)].clone();
        for at in path.iter().copied().filter(|at| *at != ROOT) {
            let epoch = self.epoch(at);
            let mut rivals = (0..).zip(&self.epochs).filter(|(at, rival)| state.removals.has(*at) && rival.parent == epoch.parent);
            // Over a week apart, more people may have been heard in the branch of somebody who was removed; the removal is made again.
            if !state.week && rivals.any(|(_, rival)| rival.rival.removes.contains(&user(epoch.by))) {
                return Some(format!("a commit of {} stands, who was removed beside it", epoch.by));
            }
        }
        for (place, at) in path.iter().enumerate() {
            for effect in &self.epoch(*at).effects {
                let Effect::Came(who) = effect else { continue };
                let is_out =
                    |at: &&u16| self.epoch(**at).effects.iter().any(|past| *past == Effect::Removed(*who) || *past == Effect::Left(*who));
                let Some(out) = path.iter().take(place).rev().find(is_out) else { continue };
                // Anyone who has seen that may want them in again.
                let maker = self.epoch(*at).by;
                let is_theirs = |held: &&Held| matches!(&self.wish(held).what, What::Add { user, .. } if user == who);
                let held = state.nodes[usize::from(maker)].wishes.iter().find(is_theirs)?;
                if !self.chain(held.born).contains(out) {
                    return Some(format!("{} was removed and is in again by an old wish", number_of(who)));
                }
            }
        }
        None
    }

    /// Each wish of somebody who is in the room is so, or the room has decided otherwise, or they may not.
    pub(super) fn lost(&mut self, state: &State, paths: &[Vec<u16>]) -> Option<String> {
        let path = paths[usize::from(*self.insiders(paths).first()?)].clone();
        let roster = self.epoch(*path.last()?).roster.clone();
        let history = self.history(&path);
        for (who, node) in (0..MEMBERS).zip(&state.nodes) {
            let Some(role) = roster.role(&user(who)).filter(|_| !self.is_stubborn(who)) else { continue };
            for held in &node.wishes {
                let wish = self.wish(held);
                let by_another = |effect: &Effect| history.iter().any(|past| past.effect == *effect && past.by != user(who));
                let is_lost = match &wish.what {
                    What::Add { user, .. } => {
                        let is_out = roster.user(user).is_none();
                        is_out && role >= Role::Admin && !history.iter().any(|past| past.effect == Effect::Removed(*user))
                    }
                    What::Remove(user) => {
                        let went = |past: &Past| past.effect == Effect::Removed(*user) || past.effect == Effect::Left(*user);
                        roster.role(user).is_some_and(|of| role > of) && !history.iter().any(went)
                    }
                    What::Drop(leaf) => roster.leaf(leaf).is_some(),
                    What::Leave { .. } => wish.maker == user(who),
                    What::Vouch { user, alias, .. } => {
                        let is_open = roster.knocks.as_ref().is_some_and(|knocks| knocks.alias == *alias && !knocks.is_stale);
                        is_open && roster.user(user).is_none() && !history.iter().any(|past| past.effect == Effect::Removed(*user))
                    }
                    What::Knocks(_) => match &roster.knocks {
                        Some(knocks) => knocks.is_stale,
                        None => role >= Role::Admin,
                    },
                    What::Hubs(wanted) => role >= Role::Admin && roster.knocks.as_ref().is_some_and(|knocks| knocks.hubs != wanted.hubs),
                    What::Name(name) => roster.name != *name && role >= Role::Admin && !by_another(&Effect::Named),
                    What::Topic(topic) => roster.topic != *topic && role >= Role::Admin && !by_another(&Effect::TopicSet),
                    What::Role(user, to) => {
                        let is_other = roster.role(user).is_some_and(|now| now != *to);
                        let is_set = history.iter().any(|past| matches!(&past.effect, Effect::Inherited(heir) if heir == user));
                        is_other && role == Role::Owner && !is_set && !by_another(&Effect::RoleSet(*user, *to))
                    }
                };
                if is_lost {
                    return Some(format!("{who} still wants {} and nobody does it", held.want));
                }
                // What counts as "since" by numbers is what came after the last epoch that both branches have.
                let shared = common(self.chain(held.born), &path);
                let by_branch = Wish { made_in: self.epoch(path[shared - 1]).number, ..wish.clone() };
                if (self.rules.judge)(&wish, &roster, &history) != (self.rules.judge)(&by_branch, &roster, &history) {
                    return Some(format!("the wish {} of {who} counts from a wrong epoch", held.want));
                }
            }
        }
        None
    }
}
