//! A signal ends a node cleanly. Alone in its file: signals reach the whole process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(unix)]

#[path = "support/fake.rs"]
mod fake;

use fake::Fake;
use std::time::{Duration, Instant};
use symbolon_node::api::tokens::Token;
use symbolon_node::run::{Opened, RunConfig, run};
use tokio::sync::oneshot;

#[tokio::test]
async fn sigterm_and_sigint_each_stop_the_node_within_five_seconds() {
    for signal in ["TERM", "INT"] {
        let fake = Fake::start();
        let (end, ended) = oneshot::channel();
        let handle = fake.handle.clone();
        tokio::spawn(async move {
            handle.stopping().await;
            end.send(Ok(())).unwrap();
        });
        let opened = Opened {
            handle: fake.handle.clone(),
            api_token: Token::from_text("folder"),
            door: None,
            listening: vec![],
            publish_address: Box::new(|_| Ok(())),
            ended,
        };
        let config = RunConfig {
            data: "unused".into(),
            name: None,
            listen: vec![],
            http: Some("127.0.0.1:0".parse().unwrap()),
            open_browser: false,
            passphrase_file: None,
            bootstrap: Vec::new(),
            announce: Vec::new(),
            lookups: Vec::new(),
            relays: Vec::new(),
            lan: symbolon_node::lan::LanMode::Off,
            lan_dht: false,
            hub: None,
        };
        let (tell, told) = oneshot::channel();
        let running = tokio::spawn(run(config, |_| async { Ok(opened) }, move |_| tell.send(()).unwrap()));
        told.await.unwrap();
        let begun = Instant::now();
        let status = std::process::Command::new("kill").args([format!("-{signal}"), std::process::id().to_string()]).status().unwrap();
        assert!(status.success());
        assert_eq!(tokio::time::timeout(Duration::from_secs(5), running).await.expect("in time").unwrap(), Ok(()), "{signal}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
