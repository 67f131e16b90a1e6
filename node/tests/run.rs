//! A node from start to stop, with a made-up one in the place of the real.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/fake.rs"]
mod fake;
#[path = "support/http.rs"]
mod http;

use fake::Fake;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbolon_node::api::tokens::Token;
use symbolon_node::run::{Opened, Ready, RunConfig, RunError, run};
use tokio::sync::oneshot;

fn config(http: &str) -> RunConfig {
    let http = Some(http.parse().unwrap());
    RunConfig {
        data: "unused".into(),
        name: None,
        listen: vec![],
        http,
        open_browser: false,
        passphrase_file: None,
        bootstrap: Vec::new(),
        announce: Vec::new(),
        lookups: Vec::new(),
        relays: vec![],
        lan: symbolon_node::lan::LanMode::Off,
        lan_dht: false,
        hub: None,
    }
}

/// A made-up opening: the node ends when it is stopped, or when `ended` receives a result.
struct Opening {
    fake: Fake,
    published: Arc<Mutex<Option<String>>>,
    end: oneshot::Sender<Result<(), RunError>>,
    ended: oneshot::Receiver<Result<(), RunError>>,
}

impl Opening {
    fn new() -> Self {
        let (end, ended) = oneshot::channel();
        Self { fake: Fake::start(), published: Arc::default(), end, ended }
    }

    fn split(self) -> (Opened, oneshot::Sender<Result<(), RunError>>) {
        let published = Arc::clone(&self.published);
        let opened = Opened {
            handle: self.fake.handle.clone(),
            api_token: Token::from_text("folder"),
            door: None,
            listening: vec!["/ip4/127.0.0.1/tcp/4001".to_owned()],
            publish_address: Box::new(move |address| {
                *published.lock().unwrap() = Some(address.to_owned());
                Ok(())
            }),
            ended: self.ended,
        };
        (opened, self.end)
    }
}

/// Ends the node cleanly once it is asked to stop.
fn end_when_stopped(fake: &Fake, end: oneshot::Sender<Result<(), RunError>>) {
    let handle = fake.handle.clone();
    tokio::spawn(async move {
        handle.stopping().await;
        let _ = end.send(Ok(()));
    });
}

fn fault() -> RunError {
    RunError::new("damaged", "the store is damaged", "Restore a backup.")
}

#[tokio::test]
async fn ready_is_told_once_everything_answers_and_stop_ends_it() {
    let opening = Opening::new();
    let (fake, published) = (opening.fake.clone(), Arc::clone(&opening.published));
    let (opened, end) = opening.split();
    end_when_stopped(&fake, end);
    let (tell, told) = oneshot::channel::<Ready>();
    let running = tokio::spawn(run(config("127.0.0.1:0"), |_| async { Ok(opened) }, move |ready| tell.send(ready.clone()).unwrap()));
    let ready = told.await.unwrap();
    assert_eq!((ready.id.len(), ready.name.as_str(), ready.listen.len()), (52, "Andi", 1));
    let base = published.lock().unwrap().clone().expect("published before ready");
    let (address, token) = ready.http.strip_prefix("http://").unwrap().split_once("/?token=").unwrap();
    assert_eq!(base, format!("http://{address}"));
    let address: SocketAddr = address.parse().unwrap();
    let host = address.to_string();
    let headers = [("host", host.as_str()), ("content-type", "application/json")];
    let body = serde_json::json!({ "token": token }).to_string();
    let session = http::request(address, "POST", "/api/v1/session", &headers, body.as_bytes()).await.json();
    let bearer = format!("Bearer {}", session["session"].as_str().unwrap());
    let answer = http::request(address, "POST", "/api/v1/stop", &[("host", &host), ("authorization", &bearer)], b"").await;
    assert_eq!(answer.status, 202);
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), running).await.expect("in time").unwrap(), Ok(()));
}

#[tokio::test]
async fn node_that_fails_ends_the_run_with_its_reason() {
    let (opened, end) = Opening::new().split();
    let (tell, told) = oneshot::channel();
    let running = tokio::spawn(run(config("127.0.0.1:0"), |_| async { Ok(opened) }, move |_| tell.send(()).unwrap()));
    told.await.unwrap();
    end.send(Err(fault())).unwrap();
    assert_eq!(running.await.unwrap(), Err(fault()));
}

#[tokio::test]
async fn opening_that_fails_is_told_and_nothing_is_ready() {
    let result = run(config("127.0.0.1:0"), |_| async { Err(fault()) }, |_| panic!("not ready")).await;
    assert_eq!(result, Err(fault()));
}

#[tokio::test]
async fn face_that_cannot_start_stops_the_node_again() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    for (http, kind) in [("0.0.0.0:0", "http_not_loopback"), (taken.as_str(), "http_unavailable")] {
        let opening = Opening::new();
        let fake = opening.fake.clone();
        let (opened, end) = opening.split();
        end_when_stopped(&fake, end);
        let result = run(config(http), |_| async { Ok(opened) }, |_| panic!("not ready")).await;
        assert_eq!(result.unwrap_err().kind, kind);
        fake.handle.stopping().await;
    }
    drop(holder);
}

#[tokio::test]
async fn node_that_never_ends_is_cut_off_within_five_seconds() {
    let opening = Opening::new();
    let fake = opening.fake.clone();
    let (opened, _end) = opening.split();
    let (tell, told) = oneshot::channel();
    let running = tokio::spawn(run(config("127.0.0.1:0"), |_| async { Ok(opened) }, move |_| tell.send(()).unwrap()));
    told.await.unwrap();
    let begun = std::time::Instant::now();
    fake.handle.stop();
    assert_eq!(running.await.unwrap().unwrap_err().kind, "stop_timed_out");
    assert!(begun.elapsed() < Duration::from_secs(5));
}
