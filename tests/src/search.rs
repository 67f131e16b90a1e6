//! A breadth-first search through all states that a model can reach: each one is looked at once, and what is wrong is
//! shown with the shortest way there.
//!
//! States are distinguished by 64 bits of a hash, as model checkers do: among a million states two fall together with a
//! chance of one in 30 million, and then one of them is not looked at.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What is searched.
pub trait Model {
    /// All that decides what may happen next.
    type State: Clone + Hash;
    /// One thing that may happen.
    type Step: Clone + Debug;

    /// Where it begins.
    fn start(&mut self) -> Self::State;
    /// All that may happen in a state, with what comes of it.
    fn steps(&mut self, state: &Self::State) -> Vec<(Self::Step, Self::State)>;
    /// Whether this may be left undone for ever. A state in which every step may is at rest.
    fn is_free(&self, step: &Self::Step) -> bool;
    /// What is wrong with a state at rest.
    fn wrong(&mut self, state: &Self::State) -> Option<String>;
}

/// What a search has found.
#[derive(Debug)]
pub struct Found<S> {
    /// States looked at.
    pub states: usize,
    /// Those at rest among them.
    pub rests: usize,
    /// The first thing that is wrong, and the steps that lead there. The search ends with it.
    pub wrong: Option<(String, Vec<S>)>,
}

/// Looks at every state of a model.
///
/// # Panics
///
/// When there are more than `most`: a model that is not searched through shows nothing.
pub fn search<M: Model>(model: &mut M, most: usize) -> Found<M::Step> {
    let mut seen: HashMap<u64, Option<(u64, M::Step)>> = HashMap::new();
    let mut queue = VecDeque::new();
    let start = model.start();
    seen.insert(digest(&start), None);
    queue.push_back(start);
    let mut rests = 0;
    while let Some(state) = queue.pop_front() {
        let here = digest(&state);
        let steps = model.steps(&state);
        if steps.iter().all(|(step, _)| model.is_free(step)) {
            rests += 1;
            if let Some(what) = model.wrong(&state) {
                return Found { states: seen.len(), rests, wrong: Some((what, way(&seen, here))) };
            }
        }
        for (step, next) in steps {
            let there = digest(&next);
            if let std::collections::hash_map::Entry::Vacant(place) = seen.entry(there) {
                place.insert(Some((here, step)));
                queue.push_back(next);
            }
        }
        assert!(seen.len() <= most, "more than {most} states");
    }
    Found { states: seen.len(), rests, wrong: None }
}

fn digest<S: Hash>(state: &S) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

fn way<S: Clone>(seen: &HashMap<u64, Option<(u64, S)>>, mut at: u64) -> Vec<S> {
    let mut way = Vec::new();
    while let Some(Some((before, step))) = seen.get(&at) {
        way.push(step.clone());
        at = *before;
    }
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up by two or three; wrong at one number.
    struct Counter {
        wrong: u32,
    }

    impl Model for Counter {
        type State = u32;
        type Step = u32;

        fn start(&mut self) -> u32 {
            0
        }

        fn steps(&mut self, state: &u32) -> Vec<(u32, u32)> {
            [2, 3].into_iter().map(|step| (step, state + step)).filter(|(_, next)| *next <= 10).collect()
        }

        fn is_free(&self, _: &u32) -> bool {
            true
        }

        fn wrong(&mut self, state: &u32) -> Option<String> {
            (*state == self.wrong).then(|| "there".to_owned())
        }
    }

    #[test]
    fn every_state_is_looked_at_once() {
        let found = search(&mut Counter { wrong: 11 }, 100);
        // All from 0 to 10 but 1.
        assert_eq!((found.states, found.rests, found.wrong), (10, 10, None));
    }

    #[test]
    fn what_is_wrong_is_shown_with_the_shortest_way_there() {
        let (what, way) = search(&mut Counter { wrong: 6 }, 100).wrong.expect("it is reached");
        assert_eq!((what.as_str(), way), ("there", vec![3, 3]));
    }

    #[test]
    #[should_panic(expected = "more than 5 states")]
    fn a_model_that_is_too_large_is_not_taken_for_a_sound_one() {
        search(&mut Counter { wrong: 11 }, 5);
    }
}
