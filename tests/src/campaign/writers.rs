//! Friends who write without pause, what they know about their sends, and the judge who
//! compares that with both histories.
//!
//! Texts are numbers, perhaps with something behind them, so that loss, repetition and
//! disorder show.

use super::Dice;
use crate::node::{Api, ApiError, Node, Pair, Trouble, within};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// After the last fault, everything must have arrived within this time.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// What a writer knows about its sends.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Numbers whose send was answered with a message id.
    pub accepted: BTreeMap<u64, String>,
    /// Numbers whose send was not answered.
    pub unknown: BTreeSet<u64>,
    /// Something that must not happen.
    trouble: Option<Trouble>,
}

/// What a refusal by the store means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusals {
    /// Must not happen.
    Forbidden,
    /// The disk fails under the store, so that the node refuses and may end: nobody can say
    /// what is on it.
    Doubtful,
}

/// One friend who writes.
#[derive(Debug)]
pub struct Writer {
    to: &'static str,
    api: Arc<Mutex<Option<Api>>>,
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    /// Begins; sends once it has an API.
    pub fn start(to: &'static str, seed: u64, refusals: Refusals) -> Self {
        let api: Arc<Mutex<Option<Api>>> = Arc::default();
        let ledger: Arc<Mutex<Ledger>> = Arc::default();
        let stop: Arc<AtomicBool> = Arc::default();
        let (own_api, own_ledger, own_stop) = (Arc::clone(&api), Arc::clone(&ledger), Arc::clone(&stop));
        let thread = std::thread::spawn(move || write(to, &own_api, &own_ledger, &own_stop, &mut Dice::new(seed), refusals));
        Self { to, api, ledger, stop, thread }
    }

    /// Tells where the node is now.
    pub fn set(&self, api: Option<Api>) {
        *lock(&self.api) = api;
    }

    /// What must not happen, if it happened.
    pub fn trouble(&self) -> Option<Trouble> {
        lock(&self.ledger).trouble.clone()
    }

    /// Stops writing and tells what is known.
    ///
    /// # Errors
    /// With what must not happen, if it happened.
    pub fn end(self) -> Result<Ledger, Trouble> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| format!("the writer to {} failed", self.to))?;
        let ledger = std::mem::take(&mut *lock(&self.ledger));
        ledger.trouble.clone().map_or(Ok(ledger), Err)
    }
}

/// Sends number after number as fast as the node takes them, with random pauses.
fn write(to: &str, api: &Mutex<Option<Api>>, ledger: &Mutex<Ledger>, stop: &AtomicBool, dice: &mut Dice, refusals: Refusals) {
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(dice.below(12)));
        let Some(current) = lock(api).clone() else { continue };
        number += 1;
        match current.send(to, &number.to_string()) {
            Ok(id) => {
                lock(ledger).accepted.insert(number, id);
            }
            Err(ApiError::Broken(_)) => {
                lock(ledger).unknown.insert(number);
                // The node is gone; the next one has another address.
                lock(api).take_if(|api| api.address() == current.address());
            }
            Err(ApiError::Refused(503 | 507, _)) if refusals == Refusals::Doubtful => {
                lock(ledger).unknown.insert(number);
            }
            // Nothing was done, and a node that runs has no reason to refuse.
            Err(ApiError::Refused(status, kind)) => {
                lock(ledger).trouble = Some(format!("a send was refused: {status} {kind}"));
            }
        }
    }
}

/// Ends both writers, Andi's first, waits until everything has arrived, and judges.
///
/// # Errors
/// See [`judge`]; also when something does not arrive in time.
pub fn conclude(pair: &Pair, [andi, ben]: [Writer; 2]) -> Result<Tally, Trouble> {
    let (from_andi, from_ben) = (andi.end()?, ben.end()?);
    complete(pair)?;
    let (at_andi, at_ben) = (pair.andi.api()?.history()?, pair.ben.api()?.history()?);
    let mut tally = Tally::default();
    judge(&from_andi, &at_andi, &at_ben, &mut tally).map_err(|trouble| format!("Andi to Ben: {trouble}"))?;
    judge(&from_ben, &at_ben, &at_andi, &mut tally).map_err(|trouble| format!("Ben to Andi: {trouble}"))?;
    Ok(tally)
}

/// Waits until nothing waits on either side.
///
/// # Errors
/// When that takes too long.
pub fn complete(pair: &Pair) -> Result<(), Trouble> {
    let settled = within(SETTLED_WITHIN, "everything accepted arrives", || {
        let is_idle = |node: &Node| Ok::<_, Trouble>(node.api()?.get("status")?.get("queue").and_then(Value::as_u64) == Some(0));
        Ok((is_idle(&pair.andi)? && is_idle(&pair.ben)?).then_some(()))
    });
    settled.map_err(|trouble| {
        let tell = |node: &Node| node.api().map(|api| format!("{:?} {:?}", api.get("status"), api.get("friends")));
        format!("{trouble}; Andi: {:?}; Ben: {:?}", tell(&pair.andi), tell(&pair.ben))
    })
}

/// How many messages were judged.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Accepted: all have arrived once and in order.
    pub accepted: usize,
    /// Sends of which the outcome was never heard.
    pub unknown: usize,
    /// Of these, arrived.
    pub unknown_arrived: usize,
}

/// Compares one direction: what its writer knows, its own history, the friend's history.
///
/// # Errors
/// With the first loss, repetition, disorder, invention or untrue state.
pub fn judge(ledger: &Ledger, sender: &[Value], receiver: &[Value], tally: &mut Tally) -> Result<(), Trouble> {
    let sent = texts(sender, true)?;
    let arrived = texts(receiver, false)?;
    for (what, side) in [("the sender's history", &sent), ("the friend's history", &arrived)] {
        if let Some(pair) = side.windows(2).find(|pair| matches!(pair, [a, b] if a.0 >= b.0)) {
            return Err(format!("{what} is out of order or repeats: {pair:?}"));
        }
        let there: BTreeMap<u64, &str> = side.iter().map(|(number, id, _)| (*number, id.as_str())).collect();
        for (number, id) in &ledger.accepted {
            match there.get(number) {
                None => return Err(format!("{what} lacks number {number}, which was accepted")),
                Some(found) if found != id => return Err(format!("{what} has number {number} under another id")),
                Some(_) => {}
            }
        }
        if let Some(number) = there.keys().find(|number| !ledger.accepted.contains_key(number) && !ledger.unknown.contains(number)) {
            return Err(format!("{what} has number {number}, which was never sent"));
        }
    }
    let same = sent.iter().map(|(number, id, _)| (number, id)).eq(arrived.iter().map(|(number, id, _)| (number, id)));
    if !same {
        return Err(format!("the two histories differ: {} sent, {} arrived", sent.len(), arrived.len()));
    }
    if let Some((number, _, state)) = sent.iter().find(|(_, _, state)| state != "delivered") {
        return Err(format!("number {number} has arrived but is shown as {state}"));
    }
    tally.accepted += ledger.accepted.len();
    tally.unknown += ledger.unknown.len();
    tally.unknown_arrived += arrived.len() - ledger.accepted.len();
    Ok(())
}

/// Number, id and state of each message of one direction, in the order of the history.
fn texts(history: &[Value], mine: bool) -> Result<Vec<(u64, String, String)>, Trouble> {
    let text = |message: &Value, field: &str| message.get(field).and_then(Value::as_str).map(str::to_owned);
    history
        .iter()
        .filter(|message| message.get("mine").and_then(Value::as_bool) == Some(mine))
        .map(|message| {
            let number = text(message, "text").and_then(|text| text.split(' ').next()?.parse().ok());
            match (number, text(message, "message"), text(message, "state")) {
                (Some(number), Some(id), Some(state)) => Ok((number, id, state)),
                _ => Err(format!("a message that nobody wrote: {message}")),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    fn history(numbers: &[u64], mine: bool) -> Vec<Value> {
        numbers.iter().map(|n| json!({ "text": n.to_string(), "message": format!("id{n}"), "mine": mine, "state": "delivered" })).collect()
    }

    fn ledger(accepted: &[u64], unknown: &[u64]) -> Ledger {
        Ledger {
            accepted: accepted.iter().map(|n| (*n, format!("id{n}"))).collect(),
            unknown: unknown.iter().copied().collect(),
            trouble: None,
        }
    }

    fn verdict(ledger: &Ledger, sent: &[u64], arrived: &[u64]) -> Result<(), Trouble> {
        judge(ledger, &history(sent, true), &history(arrived, false), &mut Tally::default())
    }

    #[test]
    fn judge_tells_loss_repetition_disorder_and_invention() {
        let known = ledger(&[1, 2, 4], &[3, 5]);
        assert_eq!(verdict(&known, &[1, 2, 3, 4], &[1, 2, 3, 4]), Ok(()));
        assert_eq!(verdict(&known, &[1, 2, 4], &[1, 2, 4]), Ok(()));
        for (sent, arrived) in [
            (&[1, 2, 4][..], &[1, 2][..]),
            (&[1, 2, 4], &[1, 2, 2, 4]),
            (&[1, 2, 4], &[2, 1, 4]),
            (&[1, 2], &[1, 2, 4]),
            (&[1, 2, 4, 9], &[1, 2, 4, 9]),
            (&[1, 2, 3, 4], &[1, 2, 4]),
        ] {
            assert!(verdict(&known, sent, arrived).is_err(), "{sent:?} {arrived:?}");
        }
        let mut undelivered = history(&[1, 2, 4], true);
        undelivered[1]["state"] = "queued".into();
        assert!(judge(&known, &undelivered, &history(&[1, 2, 4], false), &mut Tally::default()).is_err());
    }
}
