//! Where a node listens, what it tells about it, and how it stops.

use super::*;

fn config(listen: &[&str], port: Option<u16>) -> NetConfig {
    NetConfig {
        listen: listen.iter().map(|text| (*text).to_owned()).collect(),
        port,
        is_port_named: false,
        lan: false,
        forward: None,
        hub: false,
        bootstrap: Vec::new(),
        announce: Vec::new(),
        limits: Limits::default(),
    }
}

#[tokio::test]
async fn one_drawn_port_serves_quic_and_tcp_and_is_kept_over_a_restart() {
    let (sender, _inputs) = mpsc::channel(8);
    let net = Net::start(config(&[TCP, QUIC], None), sender).await.unwrap();
    let port = net.port().unwrap();
    let listening = net.listening();
    assert!(listening.contains(&format!("/ip4/127.0.0.1/tcp/{port}")), "{listening:?}");
    assert!(listening.contains(&format!("/ip4/127.0.0.1/udp/{port}/quic-v1")), "{listening:?}");
    assert!(!net.port_moved());
    net.stop().await;
    let (sender, _inputs) = mpsc::channel(8);
    let again = Net::start(config(&[TCP, QUIC], Some(port)), sender).await.unwrap();
    assert_eq!((again.port(), again.port_moved()), (Some(port), false));
    assert_eq!(again.listening(), listening);
}

#[tokio::test]
async fn where_a_node_is_stands_in_the_queue_before_anybody_can_ask_it_anything() {
    let (sender, mut inputs) = mpsc::channel(8);
    let net = Net::start(config(&[TCP, QUIC], None), sender).await.unwrap();
    let Ok(Input::Addresses(places)) = inputs.try_recv() else { panic!("an invite that is made now would name no place") };
    assert_eq!(places.len(), 2);
    // Said once.
    tokio::time::sleep(Duration::from_millis(50)).await;
    while let Ok(input) = inputs.try_recv() {
        assert!(!matches!(input, Input::Addresses(_)));
    }
    net.stop().await;
}

#[tokio::test]
async fn a_full_queue_at_the_start_puts_off_where_a_node_is_and_does_not_stop_it() {
    let (sender, mut inputs) = mpsc::channel(1);
    sender.try_send(Input::Addresses(Vec::new())).unwrap();
    let net = Net::start(config(&[TCP], None), sender).await.unwrap();
    assert!(matches!(inputs.recv().await, Some(Input::Addresses(places)) if places.is_empty()));
    assert!(matches!(inputs.recv().await, Some(Input::Addresses(places)) if places.len() == 1));
    net.stop().await;
}

#[tokio::test]
async fn a_second_node_on_the_same_port_draws_another_and_says_so() {
    let (sender, _inputs) = mpsc::channel(8);
    let first = Net::start(config(&[TCP, QUIC], None), sender.clone()).await.unwrap();
    let second = Net::start(config(&[TCP, QUIC], first.port()), sender).await.unwrap();
    assert!(second.port_moved());
    assert_ne!(second.port(), first.port());
}

#[tokio::test]
async fn a_named_port_that_is_taken_is_a_clear_error() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (sender, _inputs) = mpsc::channel(8);
    let text = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let error = Net::start(config(&[&text], None), sender).await.unwrap_err();
    assert_eq!(error, NetError::Listen(io::ErrorKind::AddrInUse));
    assert_eq!(error.to_string(), "cannot listen: address in use");
}

#[tokio::test]
async fn listen_addresses_that_are_none_are_named_by_number() {
    let (sender, _inputs) = mpsc::channel(8);
    let error = Net::start(config(&[TCP, "/dns4/localhost/tcp/0"], None), sender.clone()).await.unwrap_err();
    assert_eq!(error, NetError::BadListen(1));
    let many = [TCP; LISTEN_MAX + 1];
    assert_eq!(Net::start(config(&many, None), sender).await.unwrap_err(), NetError::BadListen(LISTEN_MAX));
}

#[tokio::test]
async fn by_default_a_node_listens_everywhere_and_tells_no_loopback_if_it_has_more() {
    let (sender, mut inputs) = mpsc::channel(8);
    let net = Net::start(config(&[], None), sender).await.unwrap();
    let port = net.port().unwrap();
    assert!(net.listening().iter().any(|text| *text == format!("/ip4/127.0.0.1/tcp/{port}")));
    let Some(Input::Addresses(told)) = timeout(PATIENCE, inputs.recv()).await.unwrap() else { panic!("no addresses") };
    assert!(!told.is_empty() && told.len() <= limits::ADDRESSES_MAX);
    let told: Vec<_> = told.iter().map(|address| address_to_text(address).unwrap()).collect();
    let loopback = |text: &String| text.contains("/127.0.0.1/") || text.contains("/::1/");
    let only_loopback = net.listening().iter().all(loopback);
    assert!(told.iter().all(|text| loopback(text) == only_loopback), "{told:?}");
}

#[tokio::test]
async fn a_stop_is_quick_and_reaches_the_other_side_at_once() {
    for listen in [TCP, QUIC] {
        let (a, at_a, mut b, at_b) = pair(listen).await;
        a.handle.send(at_a, b"last words".to_vec());
        let begun = Instant::now();
        a.net.stop().await;
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert_eq!(b.frame(at_b).await, b"last words");
        b.down(at_b).await;
        // Well before anybody could call it silence.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_stop_is_quick_even_when_nobody_reads_and_nobody_takes_inputs() {
    let (a, at_a, b, at_b) = pair_with(TCP, Limits::default(), 1).await;
    for _ in 0..50 {
        a.handle.send(at_a, vec![0; 100_000]);
        b.handle.send(at_b, vec![0; 100_000]);
    }
    eventually("inputs are full", || a.inputs.len() == 1 && b.inputs.len() == 1).await;
    let begun = Instant::now();
    a.net.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
