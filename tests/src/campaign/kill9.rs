//! Both friends write without pause while one or both nodes are killed at random moments,
//! also while they start. At the end, what was accepted must have arrived: exactly once, in
//! order, on both sides.
//!
//! A send whose connection broke is neither: it may have arrived or not, but not twice and
//! not out of order.

use super::Dice;
use crate::node::{Api, ApiError, Carrier, Node, Pair, Trouble, within};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// After the last kill, everything must have arrived within this time.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// What a campaign looked like.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Processes killed.
    pub kills: u64,
    /// Of these, killed before they were ready.
    pub early: u64,
    /// Messages accepted, both sides together: all have arrived once and in order.
    pub accepted: usize,
    /// Sends of which the outcome was never told.
    pub unknown: usize,
    /// Of these, arrived.
    pub unknown_arrived: usize,
    /// The whole campaign.
    pub took: Duration,
    /// From the last start until everything had arrived.
    pub settled: Duration,
}

/// What a writer knows about its sends.
#[derive(Debug, Default)]
struct Ledger {
    /// Numbers whose send was answered with a message id.
    accepted: BTreeMap<u64, String>,
    /// Numbers whose send was not answered.
    unknown: BTreeSet<u64>,
    /// Something that must not happen.
    trouble: Option<Trouble>,
}

/// One friend who writes.
struct Writer {
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
    fn start(to: &'static str, seed: u64) -> Self {
        let api: Arc<Mutex<Option<Api>>> = Arc::default();
        let ledger: Arc<Mutex<Ledger>> = Arc::default();
        let stop: Arc<AtomicBool> = Arc::default();
        let (own_api, own_ledger, own_stop) = (Arc::clone(&api), Arc::clone(&ledger), Arc::clone(&stop));
        let thread = std::thread::spawn(move || write(to, &own_api, &own_ledger, &own_stop, &mut Dice::new(seed)));
        Self { to, api, ledger, stop, thread }
    }

    fn set(&self, api: Option<Api>) {
        *lock(&self.api) = api;
    }

    fn end(self) -> Result<Ledger, Trouble> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| format!("the writer to {} failed", self.to))?;
        let ledger = std::mem::take(&mut *lock(&self.ledger));
        ledger.trouble.clone().map_or(Ok(ledger), Err)
    }
}

/// Sends number after number as fast as the node takes them, with random pauses.
fn write(to: &str, api: &Mutex<Option<Api>>, ledger: &Mutex<Ledger>, stop: &AtomicBool, dice: &mut Dice) {
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
            // Nothing was done, and a node that runs has no reason to refuse.
            Err(ApiError::Refused(status, kind)) => {
                lock(ledger).trouble = Some(format!("a send was refused: {status} {kind}"));
            }
        }
    }
}

/// Runs a campaign.
///
/// # Errors
/// With the first loss, repetition, disorder, panic or hang, and the seed's own words.
pub fn run(rounds: u64, seed: u64, carrier: Carrier) -> Result<Report, Trouble> {
    let begin = Instant::now();
    let mut dice = Dice::new(seed);
    let mut pair = Pair::befriended(carrier)?;
    let mut report = Report::default();
    let writers = [Writer::start("Ben", dice.below(u64::MAX)), Writer::start("Andi", dice.below(u64::MAX))];
    for (writer, node) in writers.iter().zip([&pair.andi, &pair.ben]) {
        writer.set(Some(node.api()?));
    }
    let mut last = Instant::now();
    for round in 0..rounds {
        std::thread::sleep(Duration::from_millis(dice.below(300)));
        let victims = 1 + dice.below(3);
        let [andi, ben] = &writers;
        let mut killed: Vec<(&mut Node, &Writer)> = Vec::new();
        if victims & 1 != 0 {
            killed.push((&mut pair.andi, andi));
        }
        if victims & 2 != 0 {
            killed.push((&mut pair.ben, ben));
        }
        for (node, _) in &mut killed {
            node.kill()?;
            report.kills += 1;
        }
        for (node, writer) in killed {
            writer.set(None);
            if dice.below(4) == 0 {
                node.restart_and_kill(Duration::from_millis(dice.below(400)))?;
                report.kills += 1;
                report.early += 1;
            }
            node.restart().map_err(|trouble| format!("round {round}: {trouble}"))?;
            writer.set(Some(node.api()?));
        }
        last = Instant::now();
        if let Some(trouble) = writers.iter().find_map(|writer| lock(&writer.ledger).trouble.clone()) {
            return Err(format!("round {round}: {trouble}"));
        }
    }
    // The last texts are written by nodes that live on.
    std::thread::sleep(Duration::from_millis(200));
    let [andi, ben] = writers;
    let ledgers = [andi.end()?, ben.end()?];
    within(SETTLED_WITHIN, "everything accepted arrives", || {
        let idle = |node: &Node| Ok::<_, Trouble>(node.api()?.get("status")?.get("queue").and_then(Value::as_u64) == Some(0));
        Ok((idle(&pair.andi)? && idle(&pair.ben)?).then_some(()))
    })?;
    report.settled = last.elapsed();
    let histories = [pair.andi.api()?.history()?, pair.ben.api()?.history()?];
    let [from_andi, from_ben] = &ledgers;
    let [at_andi, at_ben] = &histories;
    judge(from_andi, at_andi, at_ben, &mut report).map_err(|trouble| format!("Andi to Ben: {trouble}"))?;
    judge(from_ben, at_ben, at_andi, &mut report).map_err(|trouble| format!("Ben to Andi: {trouble}"))?;
    pair.assert_calm()?;
    report.took = begin.elapsed();
    Ok(report)
}

/// Compares one direction: what its writer knows, its own history, the friend's history.
fn judge(ledger: &Ledger, sender: &[Value], receiver: &[Value], report: &mut Report) -> Result<(), Trouble> {
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
    report.accepted += ledger.accepted.len();
    report.unknown += ledger.unknown.len();
    report.unknown_arrived += arrived.len() - ledger.accepted.len();
    Ok(())
}

/// Number, id and state of each message of one direction, in the order of the history.
fn texts(history: &[Value], mine: bool) -> Result<Vec<(u64, String, String)>, Trouble> {
    let text = |message: &Value, field: &str| message.get(field).and_then(Value::as_str).map(str::to_owned);
    history
        .iter()
        .filter(|message| message.get("mine").and_then(Value::as_bool) == Some(mine))
        .map(|message| {
            let number = text(message, "text").and_then(|text| text.parse().ok());
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
        judge(ledger, &history(sent, true), &history(arrived, false), &mut Report::default())
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
        assert!(judge(&known, &undelivered, &history(&[1, 2, 4], false), &mut Report::default()).is_err());
    }
}
