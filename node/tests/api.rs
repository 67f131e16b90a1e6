//! The local API over real sockets, in front of a made-up node.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::wildcard_enum_match_arm)]

#[path = "api/commands.rs"]
mod commands;
#[path = "api/door.rs"]
mod door;
#[path = "support/fake.rs"]
mod fake;
#[path = "support/http.rs"]
mod http;
#[path = "api/rooms.rs"]
mod rooms;
#[path = "api/stream.rs"]
mod stream;

use fake::Fake;
use http::Answer;
use serde_json::Value;
use std::net::SocketAddr;
use symbolon_node::api::Api;
use symbolon_node::api::tokens::Token;

const TOKEN: &str = "folder-token-for-tests";

/// A running API with its made-up node.
struct Server {
    fake: Fake,
    api: Api,
    address: SocketAddr,
}

impl Server {
    async fn start() -> Self {
        let fake = Fake::start();
        let api = Api::start(Some("127.0.0.1:0".parse().unwrap()), Token::from_text(TOKEN), None, fake.handle.clone()).await.unwrap();
        let address = api.address().strip_prefix("http://").unwrap().parse().unwrap();
        Self { fake, api, address }
    }

    fn host(&self) -> String {
        self.address.to_string()
    }

    /// A fresh one-time token.
    fn one_time(&self) -> String {
        self.api.page_address().unwrap().split_once("?token=").unwrap().1.to_owned()
    }

    /// A request with exactly these headers.
    async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        http::request(self.address, method, path, headers, body).await
    }

    /// A request with the right host and these headers besides.
    async fn with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let host = self.host();
        let mut all = vec![("host", host.as_str())];
        all.extend_from_slice(headers);
        self.raw(method, path, &all, body).await
    }

    /// A request as the command line makes it.
    async fn get(&self, path: &str) -> Answer {
        self.with("GET", path, &[("authorization", &format!("Bearer {TOKEN}"))], b"").await
    }

    /// A change as the command line makes it.
    async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("authorization", &*format!("Bearer {TOKEN}")), ("content-type", "application/json")];
        self.with(method, path, &headers, body.to_string().as_bytes()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body).await
    }

    /// Trades a one-time token as the page does.
    async fn trade(&self, token: &str) -> Answer {
        let body = serde_json::json!({ "token": token }).to_string();
        self.with("POST", "/api/v1/session", &[("content-type", "application/json")], body.as_bytes()).await
    }

    /// Goes in by a one-time address; answers the session.
    async fn sign_in(&self) -> String {
        let answer = self.trade(&self.one_time()).await;
        assert_eq!(answer.status, 200);
        answer.json()["session"].as_str().unwrap().to_owned()
    }
}

/// Waits for something that another task brings about.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "never came: {what}");
        tokio::task::yield_now().await;
    }
}
