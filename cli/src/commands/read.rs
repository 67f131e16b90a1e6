//! `read`: history, printed, and marked as read once it is.

use crate::args::Read;
use crate::client::{Client, Events};
use crate::failure::Failure;
use crate::output::Output;
use crate::show;
use serde_json::{Value, json};
use std::collections::VecDeque;
use symbolon_core::limits::READ_LIMIT;

/// Prints history, and with `--follow` what comes.
pub fn read(client: &Client, output: Output, flags: &Read) -> Result<(), Failure> {
    // Subscribed before the first look, so that nothing falls between.
    let events = flags.follow.then(|| client.events()).transpose()?;
    let mut reader =
        Reader { marks: !flags.peek, last: flags.since.clone(), is_line_due: true, ..Reader::new(client, output, flags.who.as_deref()) };
    let count = match flags.limit {
        Some(limit) => reader.last_ones(limit)?,
        None => reader.all()?,
    };
    // What comes from now on is new, all of it.
    reader.is_line_due = false;
    let Some(mut events) = events else {
        return if count == 0 && flags.limit != Some(0) { output.remark("No messages.\n") } else { Ok(()) };
    };
    loop {
        reader.follow(&mut events)?;
        crate::output::complain("The node has stopped. Waiting for it to start again; Ctrl-C ends this.\n");
        (reader.client, events) = client.again();
        // What came in between.
        reader.all()?;
    }
}

/// Reads on from the last message that was printed.
pub struct Reader<'a> {
    client: Client,
    output: Output,
    who: Option<&'a str>,
    /// Whether what was printed is marked as read.
    marks: bool,
    last: Option<String>,
    /// Whether a line is still to be drawn above the first message that was not read.
    is_line_due: bool,
}

impl<'a> Reader<'a> {
    /// One that marks nothing.
    pub fn new(client: &Client, output: Output, who: Option<&'a str>) -> Self {
        Self { client: client.clone(), output, who, marks: false, last: None, is_line_due: false }
    }

    /// Prints messages as they come, until the node stops.
    fn follow(&mut self, events: &mut Events) -> Result<(), Failure> {
        while let Some(event) = events.next() {
            if matches!(event.as_str(), "message" | "message_state" | "lagged") {
                match self.all() {
                    // It stopped between the event and the question.
                    Err(failure) if matches!(failure.kind.as_str(), "not_running" | "stopping") => break,
                    Err(failure) => return Err(failure),
                    Ok(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Prints everything after the last message, page by page.
    pub fn all(&mut self) -> Result<usize, Failure> {
        let mut count = 0;
        loop {
            let page = self.page(self.last.as_deref(), None)?;
            self.show(&page)?;
            count += page.len();
            if page.len() < READ_LIMIT {
                return Ok(count);
            }
        }
    }

    /// Prints the last so many, but none before the last message.
    fn last_ones(&mut self, limit: u32) -> Result<usize, Failure> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if self.last.is_none() && limit < READ_LIMIT {
            // One more: by the one before them, those that are printed are named afterwards.
            let page = self.page(None, Some(limit.saturating_add(1)))?;
            let (before, page) = page.split_at(page.len().saturating_sub(limit));
            self.last = before.last().and_then(id_of);
            self.show(page)?;
            return Ok(page.len());
        }
        // The node answers the first ones after a message; which are the last is known at
        // the end only. Looked at first, then read from there on.
        let mut ids: VecDeque<Option<String>> = VecDeque::from([self.last.clone()]);
        loop {
            let page = self.page(ids.back().and_then(Option::as_deref), None)?;
            for view in &page {
                ids.push_back(id_of(view));
                if ids.len() > limit.saturating_add(1) {
                    ids.pop_front();
                }
            }
            if page.len() < READ_LIMIT {
                break;
            }
        }
        self.last = ids.pop_front().flatten();
        if limit == 0 { Ok(0) } else { self.all() }
    }

    /// Looks at history; nothing is marked.
    fn page(&self, since: Option<&str>, limit: Option<usize>) -> Result<Vec<Value>, Failure> {
        self.ask(&json!({ "who": self.who, "since": since, "limit": limit, "peek": true }))
    }

    fn ask(&self, body: &Value) -> Result<Vec<Value>, Failure> {
        let mut answer = self.client.post("/api/v1/messages/read", body)?;
        match answer.get_mut("messages").map(Value::take) {
            Some(Value::Array(page)) => Ok(page),
            _ => Ok(Vec::new()),
        }
    }

    /// Prints what follows the last message. Read is what was written: when the reader of the output goes away in the
    /// middle, the rest stays unread.
    fn show(&mut self, page: &[Value]) -> Result<(), Failure> {
        let before = self.last.clone();
        let mut printed = 0usize;
        let mut shown = Ok(());
        for view in page {
            if self.is_line_due && is_new(view) {
                self.is_line_due = false;
                // Above it stand others, or it is all that is there and all of it is new.
                shown = if self.last.is_some() { self.output.remark("---- new ----\n") } else { Ok(()) };
            }
            shown = shown.and_then(|()| self.output.show(view, show::message));
            if shown.is_err() {
                break;
            }
            printed = printed.saturating_add(1);
            self.last = id_of(view).or(self.last.take());
        }
        let marked = self.mark(before.as_deref(), page, printed);
        shown.and(marked)
    }

    /// Marks the first so many of a page that follows a message.
    fn mark(&self, before: Option<&str>, page: &[Value], printed: usize) -> Result<(), Failure> {
        if !self.marks || !page.iter().take(printed).any(is_new) {
            return Ok(());
        }
        let (since, rest) = match before {
            Some(before) => (Some(before.to_owned()), printed),
            // The first one of all: nothing is before it by which it could be named.
            None => {
                let next = page.get(1).and_then(id_of);
                self.ask(&json!({ "who": self.who, "before": next, "limit": 1, "peek": false }))?;
                (page.first().and_then(id_of), printed.saturating_sub(1))
            }
        };
        if rest > 0 {
            self.ask(&json!({ "who": self.who, "since": since, "limit": rest, "peek": false }))?;
        }
        Ok(())
    }
}

/// Whether it came, and was not read.
fn is_new(view: &Value) -> bool {
    view.get("mine") == Some(&Value::Bool(false)) && view.get("state") != Some(&json!("read"))
}

fn id_of(view: &Value) -> Option<String> {
    view.get("message").and_then(Value::as_str).map(str::to_owned)
}
