//! Who gets in, from where, and what every answer tells a browser.

use crate::{Server, TOKEN};
use serde_json::json;
use std::time::Duration;
use symbolon_node::api::door::{CONNECTIONS_MAX, STRANGERS_MAX};
use symbolon_node::api::extract::BRIEF_MAX;
use symbolon_node::api::guard::CONTENT_SECURITY_POLICY;
use symbolon_node::api::routes;
use symbolon_node::api::tokens::{ONE_TIME_LIFE, Token};
use symbolon_node::api::{Api, BODY_MAX, HEAD_TIMEOUT, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn api_is_never_served_beyond_loopback() {
    let server = Server::start().await;
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let started = Api::start(Some(address.parse().unwrap()), Token::from_text(TOKEN), None, server.fake.handle.clone()).await;
        assert!(matches!(started, Err(StartError::NotLoopback)), "{address}");
    }
}

#[tokio::test]
async fn a110_no_route_answers_without_a_good_token() {
    let server = Server::start().await;
    let unused = format!("Bearer {}", server.one_time());
    let wrong = ["Bearer ", "Bearer wrong", "Basic Zm9sZGVyLXRva2Vu", TOKEN, unused.as_str()];
    let cookie = format!("symbolon_session_{}={}", server.address.port(), server.sign_in().await);
    for route in routes().filter(|route| !route.is_entrance) {
        let path = route.path.replace("{request}", "aaaa").replace("{message}", "aaaa");
        let method = route.method.to_uppercase();
        let mut refused = vec![server.with(&method, &path, &[], b"").await, server.with(&method, &path, &[("cookie", &cookie)], b"").await];
        for authorization in wrong {
            refused.push(server.with(&method, &path, &[("authorization", authorization)], b"").await);
        }
        for answer in refused {
            assert_eq!((answer.status, answer.error().as_str()), (401, "unauthorized"), "{route:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert!(server.fake.with(|world| world.seen.is_empty()), "nothing reached the node");
    assert_eq!(routes().filter(|route| route.is_entrance).count(), 2);
}

#[tokio::test]
async fn of_two_tokens_in_one_request_none_counts() {
    let server = Server::start().await;
    let good = format!("Bearer {TOKEN}");
    let answer = server.with("GET", "/api/v1/identity", &[("authorization", &good), ("authorization", "Bearer wrong")], b"").await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn a110_one_time_token_is_traded_once_and_opens_nothing_itself() {
    let server = Server::start().await;
    let token = server.one_time();
    let bearer = format!("Bearer {token}");
    // Looking at the address uses nothing up, and sets nothing.
    let looked = server.with("GET", &format!("/?token={token}"), &[], b"").await;
    assert_eq!((looked.status, looked.header("set-cookie")), (200, None));
    assert_eq!(server.with("GET", "/api/v1/identity", &[("authorization", &bearer)], b"").await.status, 401);

    let first = server.trade(&token).await;
    assert_eq!((first.status, first.header("set-cookie")), (200, None));
    let session = first.json()["session"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {session}");
    assert_eq!(server.with("GET", "/api/v1/identity", &[("authorization", &bearer)], b"").await.status, 200);
    for again in [token.as_str(), TOKEN, session.as_str(), "", "wrong"] {
        let answer = server.trade(again).await;
        assert_eq!((answer.status, answer.error().as_str()), (401, "unauthorized"));
    }
}

#[tokio::test]
async fn a110_one_time_token_is_dead_after_a_minute() {
    let server = Server::start().await;
    let token = server.one_time();
    tokio::time::pause();
    tokio::time::advance(ONE_TIME_LIFE).await;
    tokio::time::resume();
    assert_eq!(server.trade(&token).await.status, 401);
}

#[tokio::test]
async fn a110_another_origin_trades_no_token() {
    let server = Server::start().await;
    let token = server.one_time();
    let body = json!({ "token": token }).to_string();
    for (header, value) in [("origin", "http://127.0.0.1:1"), ("host", "evil.example"), ("content-type", "text/plain")] {
        let answer = server.with("POST", "/api/v1/session", &[(header, value)], body.as_bytes()).await;
        assert!(matches!(answer.status, 403 | 415), "{header}");
    }
    let long = json!({ "token": "x".repeat(BRIEF_MAX) }).to_string();
    let answer = server.with("POST", "/api/v1/session", &[("content-type", "application/json")], long.as_bytes()).await;
    assert_eq!((answer.status, answer.error().as_str()), (413, "too_large"));
    assert_eq!(server.trade(&token).await.status, 200, "none of them used it up");
}

#[tokio::test]
async fn a110_proof_is_given_to_who_names_a_session_and_to_nobody_else() {
    let server = Server::start().await;
    server.sign_in().await;
    for session in ["", TOKEN, "00"] {
        let body = json!({ "session": session, "nonce": "n" }).to_string();
        let answer = server.with("POST", "/api/v1/session/proof", &[("content-type", "application/json")], body.as_bytes()).await;
        assert_eq!((answer.status, answer.error().as_str()), (401, "unauthorized"));
    }
}

#[tokio::test]
async fn page_token_prints_a_fresh_address_and_all_browsers_can_be_signed_out() {
    let server = Server::start().await;
    let answer = server.post("/api/v1/page-token", &json!({})).await.json();
    let address = answer["http"].as_str().unwrap();
    let token = answer["token"].as_str().unwrap();
    assert_eq!(address, format!("http://{}/?token={token}", server.host()));
    let session = server.trade(token).await.json()["session"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {session}");
    let ended = server.with("POST", "/api/v1/sessions/end", &[("authorization", &bearer)], b"").await;
    assert_eq!(ended.json(), json!({ "ended": 1 }));
    assert_eq!(server.with("GET", "/api/v1/identity", &[("authorization", &bearer)], b"").await.status, 401);
}

#[tokio::test]
async fn only_own_hosts_are_answered() {
    let server = Server::start().await;
    let port = server.address.port();
    let bearer = format!("Bearer {TOKEN}");
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")] {
        let answer = server.raw("GET", "/api/v1/identity", &[("host", &host), ("authorization", &bearer)], b"").await;
        assert_eq!(answer.status, 200, "{host}");
    }
    let foreign =
        ["evil.example", "127.0.0.1", "localhost", &format!("evil.example:{port}"), &format!("127.0.0.1:{port}.evil.example"), ""];
    for host in foreign {
        for path in ["/api/v1/identity", "/", "/app.js", "/nowhere"] {
            let answer = server.raw("GET", path, &[("host", host), ("authorization", &bearer)], b"").await;
            assert_eq!((answer.status, answer.error().as_str()), (403, "wrong_host"), "{host} {path}");
        }
    }
    let own = server.host();
    let answer = server.raw("GET", "/", &[("authorization", &bearer)], b"").await;
    assert_eq!(answer.status, 403, "no host at all");
    let answer = server.raw("GET", "/", &[("host", &own), ("host", "evil.example")], b"").await;
    assert_eq!(answer.status, 403, "two hosts");
    let answer = server.raw("GET", "http://evil.example/", &[("host", &own)], b"").await;
    assert_eq!(answer.status, 403, "another host in the target");
}

#[tokio::test]
async fn foreign_origin_is_refused_even_with_a_good_token() {
    let server = Server::start().await;
    let port = server.address.port();
    let bearer = format!("Bearer {TOKEN}");
    let own = format!("http://localhost:{port}");
    let answer = server.with("GET", "/api/v1/identity", &[("authorization", &bearer), ("origin", &own)], b"").await;
    assert_eq!(answer.status, 200);
    let foreign = ["null", "https://evil.example", "http://127.0.0.1", &format!("https://127.0.0.1:{port}"), &format!("{own}/"), ""];
    for origin in foreign {
        let answer = server.with("GET", "/api/v1/identity", &[("authorization", &bearer), ("origin", origin)], b"").await;
        assert_eq!((answer.status, answer.error().as_str()), (403, "foreign_origin"), "{origin}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_protecting_headers() {
    let server = Server::start().await;
    let answers = [
        server.with("GET", "/", &[], b"").await,
        server.with("GET", "/app.js", &[], b"").await,
        server.with("GET", "/style.css", &[], b"").await,
        server.with("GET", &format!("/?token={}", server.one_time()), &[], b"").await,
        server.with("GET", "/nowhere", &[], b"").await,
        server.with("DELETE", "/", &[], b"").await,
        server.with("GET", "/api/v1/identity", &[], b"").await,
        server.raw("GET", "/", &[("host", "evil.example")], b"").await,
        server.get("/api/v1/identity").await,
        server.get("/api/v1/identity/qr").await,
        server.post("/api/v1/invites", &json!({ "nonsense": 1 })).await,
    ];
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 404, 405, 401, 403, 200, 200, 400]);
    for answer in answers {
        assert_eq!(answer.header("content-security-policy"), Some(CONTENT_SECURITY_POLICY));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(answer.header("set-cookie"), None);
    }
    assert!(!CONTENT_SECURITY_POLICY.contains("unsafe"));
}

#[tokio::test]
async fn page_files_hold_no_inline_code_and_no_way_to_insert_markup() {
    let server = Server::start().await;
    let index = String::from_utf8(server.with("GET", "/", &[], b"").await.body).unwrap();
    assert!(!index.contains("style=") && !index.contains(" on") && !index.contains("http"), "inline code or outside address");
    let sources = index.split(['"']).filter(|part| part.starts_with('/') && part.contains('.'));
    let mut files: Vec<String> = sources.map(str::to_owned).collect();
    let mut at = 0;
    while let Some(file) = files.get(at).cloned() {
        let answer = server.with("GET", &file, &[], b"").await;
        assert_eq!(answer.status, 200, "{file}");
        let text = String::from_utf8(answer.body).unwrap();
        if file.ends_with(".js") {
            for forbidden in [
                "document.cookie",
                "localStorage",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "DOMParser",
                "https://",
            ] {
                assert!(!text.contains(forbidden), "{file}: {forbidden}");
            }
            let imports = text.split("from \"").skip(1).filter_map(|rest| rest.split('"').next());
            for import in imports.map(str::to_owned).collect::<Vec<_>>() {
                if !files.contains(&import) {
                    files.push(import);
                }
            }
        }
        at += 1;
    }
    assert!(files.len() >= 8, "{files:?}");
}

#[tokio::test]
async fn body_over_64_kib_is_refused_and_nothing_happens() {
    let server = Server::start().await;
    let fits = json!({ "name": "x".repeat(BODY_MAX - 11) }).to_string();
    assert_eq!(fits.len(), BODY_MAX);
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    // The node itself refuses a name of that length.
    assert_eq!(server.with("PUT", "/api/v1/identity/name", &headers, fits.as_bytes()).await.error(), "bad_name");
    let over = json!({ "name": "x".repeat(BODY_MAX - 10) }).to_string();
    let answer = server.with("PUT", "/api/v1/identity/name", &headers, over.as_bytes()).await;
    assert_eq!((answer.status, answer.error().as_str()), (413, "too_large"));
    assert_eq!(server.fake.with(|world| world.seen.len()), 1);
}

#[tokio::test]
async fn bodies_that_are_not_the_expected_json_are_refused() {
    let server = Server::start().await;
    let bearer = format!("Bearer {TOKEN}");
    for (kind, body, status) in [
        ("text/plain", "{\"who\":\"x\"}", 415),
        ("application/x-www-form-urlencoded", "who=x", 415),
        ("application/json", "{", 400),
        ("application/json", "{\"who\":1}", 400),
        ("application/json", "{}", 400),
        ("application/json", "{\"who\":\"x\",\"more\":1}", 400),
        ("application/json; charset=utf-8", "{\"who\":\"x\"}", 404),
    ] {
        let answer = server.with("POST", "/api/v1/block", &[("authorization", &bearer), ("content-type", kind)], body.as_bytes()).await;
        assert_eq!(answer.status, status, "{kind} {body}");
        answer.error();
    }
    let deep = format!("{{\"who\":{}}}", "[".repeat(30_000));
    let answer =
        server.with("POST", "/api/v1/block", &[("authorization", &bearer), ("content-type", "application/json")], deep.as_bytes()).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn node_that_does_not_answer_gives_a_timeout() {
    let server = Server::start().await;
    server.fake.with(|world| world.is_deaf = true);
    let (answer, ()) = tokio::join!(server.get("/api/v1/identity"), async {
        crate::until("the question", || server.fake.with(|world| !world.seen.is_empty())).await;
        // From here on time runs as fast as nothing else happens.
        tokio::time::pause();
    });
    assert_eq!((answer.status, answer.error().as_str()), (504, "timed_out"));
}

/// Opens a connection and sends these bytes.
async fn speak(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn a110_strangers_sockets_delay_nobody_and_are_closed() {
    let server = Server::start().await;
    let bearer = format!("Bearer {TOKEN}");
    let host = server.host();
    let headers = [("host", host.as_str()), ("authorization", &bearer)];
    let mut inside = vec![];
    for _ in 0..CONNECTIONS_MAX - 1 {
        let stream = crate::http::open(server.address, "GET", "/api/v1/events", &headers, b"").await;
        stream.readable().await.unwrap();
        inside.push(stream);
    }
    let half = format!("GET / HTTP/1.1\r\nhost: {host}\r\n");
    let body = format!("POST /api/v1/session HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{{");
    let mut strangers = vec![];
    for bytes in [&b""[..], half.as_bytes(), body.as_bytes()] {
        for _ in 0..2 * STRANGERS_MAX {
            strangers.push(speak(&server, bytes).await);
        }
        // Were it behind them in a queue, it would wait until they are cut off: for seconds each.
        let answer = tokio::time::timeout(HEAD_TIMEOUT, server.get("/api/v1/identity")).await.expect("delayed");
        assert_eq!(answer.status, 200);
    }
    for mut stream in strangers {
        let mut rest = vec![];
        let closed = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "left open");
    }
    server.fake.tell(symbolon_core::seam::Event::Friend(symbolon_presence::id::PeerId([1; 32])));
    for stream in &inside {
        stream.readable().await.unwrap();
        let mut bytes = [0; 4096];
        assert!(stream.try_read(&mut bytes).unwrap() > 0, "one that was let in gave way to strangers");
    }
}

#[tokio::test]
async fn a110_silent_socket_is_closed_after_two_seconds() {
    let server = Server::start().await;
    let (mut silent, mut half) = (speak(&server, b"").await, speak(&server, b"GET / HT").await);
    let begun = std::time::Instant::now();
    for stream in [&mut silent, &mut half] {
        let mut rest = vec![];
        // A reset is an end as well.
        let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await.expect("left open");
    }
    assert!(begun.elapsed() >= HEAD_TIMEOUT - Duration::from_millis(200), "a slow client has its time");
}

#[tokio::test]
async fn connection_without_a_token_serves_one_request() {
    let server = Server::start().await;
    let host = server.host();
    let two = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n").repeat(2);
    let mut answers = String::new();
    speak(&server, two.as_bytes()).await.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 1);
    let two = format!("GET /api/v1/identity HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {TOKEN}\r\n\r\n").repeat(2);
    let mut stream = speak(&server, two.as_bytes()).await;
    let mut answers = String::new();
    let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_string(&mut answers)).await.expect("closed when it rests");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2);
}

#[tokio::test]
async fn connection_number_65_waits_until_one_is_free() {
    let server = Server::start().await;
    let bearer = format!("Bearer {TOKEN}");
    let host = server.host();
    let headers = [("host", host.as_str()), ("authorization", &bearer)];
    let mut streams = vec![];
    for _ in 0..CONNECTIONS_MAX {
        let stream = crate::http::open(server.address, "GET", "/api/v1/events", &headers, b"").await;
        stream.readable().await.unwrap();
        streams.push(stream);
    }
    let mut late = Box::pin(server.get("/api/v1/identity"));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut late).await.is_err(), "served although all are taken");
    streams.pop();
    // The server notices the free place at its next word on that stream at the latest.
    server.fake.tell(symbolon_core::seam::Event::Friend(symbolon_presence::id::PeerId([1; 32])));
    let answer = tokio::time::timeout(Duration::from_secs(10), late).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn stop_answers_then_ends_the_server_and_its_streams() {
    let server = Server::start().await;
    let bearer = format!("Bearer {TOKEN}");
    let events =
        crate::http::open(server.address, "GET", "/api/v1/events", &[("host", &server.host()), ("authorization", &bearer)], b"").await;
    events.readable().await.unwrap();
    let answer = server.post("/api/v1/stop", &json!({})).await;
    assert_eq!((answer.status, answer.json()), (202, json!({ "stopping": true })));
    let address = server.address;
    tokio::time::timeout(Duration::from_secs(3), server.api.stopped()).await.expect("stopped in time");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
