//! Frames on links, and how links end.

use super::*;
use symbolon_core::seam::MAX_FRAME;

fn numbered(n: u32, salt: u8) -> Vec<u8> {
    let mut frame = vec![salt; 8 + (n as usize * 37) % 700];
    frame[..4].copy_from_slice(&n.to_be_bytes());
    frame
}

async fn exchange(listen: &str) {
    const COUNT: u32 = 10_000;
    // As the core does, each side keeps fewer on the way than a link's queue takes.
    const WINDOW: u32 = 500;
    let (mut a, at_a, mut b, at_b) = pair(listen).await;
    let (mut sent_a, mut sent_b, mut got_a, mut got_b) = (0, 0, 0, 0);
    while got_a < COUNT || got_b < COUNT {
        while sent_a < COUNT && sent_a - got_b < WINDOW {
            a.handle.send(at_a, numbered(sent_a, 1));
            sent_a += 1;
        }
        while sent_b < COUNT && sent_b - got_a < WINDOW {
            b.handle.send(at_b, numbered(sent_b, 2));
            sent_b += 1;
        }
        tokio::select! {
            frame = a.frame(at_a), if got_a < COUNT => { assert_eq!(frame, numbered(got_a, 2)); got_a += 1; }
            frame = b.frame(at_b), if got_b < COUNT => { assert_eq!(frame, numbered(got_b, 1)); got_b += 1; }
        }
    }
    assert!(a.until_quiet().await.is_empty());
    assert!(b.until_quiet().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_frames_go_both_ways_in_order_over_tcp() {
    exchange(TCP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_frames_go_both_ways_in_order_over_quic() {
    exchange(QUIC).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_frames_go_both_ways_in_order_over_ipv6() {
    if has_ipv6() {
        exchange(TCP6).await;
        exchange(QUIC6).await;
    }
}

#[tokio::test]
async fn the_smallest_and_the_largest_frame_arrive() {
    for listen in [TCP, QUIC] {
        let (a, at_a, mut b, at_b) = pair(listen).await;
        for len in [1, MAX_FRAME, 1, MAX_FRAME - 1] {
            a.handle.send(at_a, vec![len as u8; len]);
            assert_eq!(b.frame(at_b).await, vec![len as u8; len]);
        }
    }
}

#[tokio::test]
async fn a_frame_of_impossible_length_ends_the_link_at_the_sender() {
    for frame in [Vec::new(), vec![0; MAX_FRAME + 1]] {
        let (mut a, at_a, mut b, at_b) = pair(TCP).await;
        a.handle.send(at_a, frame);
        a.down(at_a).await;
        b.down(at_b).await;
    }
}

#[tokio::test]
async fn a_closed_link_writes_what_is_queued_and_is_silent_afterwards() {
    for listen in [TCP, QUIC] {
        let (mut a, at_a, mut b, at_b) = pair(listen).await;
        for n in 0..300 {
            a.handle.send(at_a, numbered(n, 3));
        }
        a.handle.close(at_a, CloseReason::Idle);
        a.handle.send(at_a, b"too late".to_vec());
        for n in 0..300 {
            assert_eq!(b.frame(at_b).await, numbered(n, 3));
        }
        b.down(at_b).await;
        assert!(a.until_quiet().await.is_empty());
        assert!(b.until_quiet().await.is_empty());
    }
}

#[tokio::test]
async fn nothing_is_delivered_after_a_close_while_frames_keep_coming() {
    let (mut a, at_a, b, at_b) = pair_with(TCP, Limits::default(), 4).await;
    for n in 0..1_000 {
        b.handle.send(at_b, numbered(n, 3));
    }
    for n in 0..10 {
        assert_eq!(a.frame(at_a).await, numbered(n, 3));
    }
    // The reader now waits with the next frame for room in the inputs.
    eventually("inputs are full", || a.inputs.len() == 4).await;
    a.handle.close(at_a, CloseReason::Flood);
    let before: Vec<_> = std::iter::from_fn(|| a.inputs.try_recv().ok()).collect();
    assert_eq!(before.len(), 4);
    assert!(a.until_quiet().await.is_empty());
    // The task is gone with its place, although it was waiting.
    eventually("the place is free", || a.handle.shared.room.available_permits() == a.limits.links).await;
}

#[tokio::test]
async fn a_link_that_is_closed_while_its_end_waits_to_be_told_is_silent() {
    let (mut a, at_a, b, at_b) = pair_with(TCP, Limits::default(), 1).await;
    // The only place in the inputs is taken, so the end of the link must wait.
    a.handle.dial(DialId(8), Vec::new());
    eventually("inputs are full", || a.inputs.len() == 1).await;
    let link = a.handle.shared.link(at_a).unwrap();
    b.handle.close(at_b, CloseReason::Idle);
    eventually("the link has ended", || !link.is_open()).await;
    a.handle.close(at_a, CloseReason::Idle);
    assert_eq!(a.next().await, Input::DialFailed(DialId(8)));
    assert!(a.until_quiet().await.is_empty());
    eventually("the place is free", || a.handle.shared.room.available_permits() == a.limits.links).await;
    assert!(a.inputs.try_recv().is_err());
}

#[tokio::test]
async fn a_reset_is_silent_here_and_a_link_down_there_and_tells_the_addresses_again() {
    let (mut a, at_a, mut b, at_b) = pair(TCP).await;
    a.handle.dial(DialId(8), b.addresses.clone());
    a.handle.reset();
    a.handle.send(at_a, b"nobody hears this".to_vec());
    let addresses = a.addresses.clone();
    assert_eq!(a.next().await, Input::Addresses(addresses));
    b.down(at_b).await;
    assert!(a.until_quiet().await.is_empty());
    assert_eq!(a.handle.shared.link_count(), 0);
    a.handle.dial(DialId(9), b.addresses.clone());
    assert_eq!(a.up().await.1, Some(DialId(9)));
}

#[tokio::test]
async fn links_are_numbered_again_each_time() {
    let (mut a, first, mut b, at_b) = pair(TCP).await;
    a.handle.close(first, CloseReason::Idle);
    b.down(at_b).await;
    a.handle.dial(DialId(8), b.addresses.clone());
    let (second, _) = a.up().await;
    assert_ne!(first, second);
    assert_ne!(b.up().await.0, at_b);
}

#[tokio::test]
async fn a_reader_that_does_not_read_overflows_the_senders_queue_and_nothing_more() {
    for (listen, len) in [(TCP, 200_000), (QUIC, 200_000), (TCP, 2_000)] {
        // One place in the inputs: the reader stops after one frame.
        let (mut a, at_a, mut b, at_b) = pair_with(listen, Limits::default(), 1).await;
        let mut sent = 0u32;
        while a.handle.shared.link_count() == 1 {
            a.handle.send(at_a, vec![9; len]);
            sent += 1;
            tokio::task::yield_now().await;
            // 1,024 frames or 8 MiB wait here; the rest is in the windows between.
            assert!(sent < 20_000, "no end");
            if let Ok(input) = a.inputs.try_recv() {
                assert_eq!(input, Input::LinkDown(at_a));
                break;
            }
        }
        assert!(a.handle.shared.link_count() == 0);
        // What was on its way arrives whole and in order, then the end.
        let mut got = 0u32;
        loop {
            match b.next().await {
                Input::Frame(link, frame) => {
                    assert_eq!((link, frame), (at_b, vec![9; len]));
                    got += 1;
                }
                input => {
                    assert_eq!(input, Input::LinkDown(at_b));
                    break;
                }
            }
        }
        assert!(got < sent);
    }
}

#[tokio::test]
async fn a_queue_takes_exactly_what_it_may() {
    let limits = Limits { queue_frames: 3, queue_bytes: 100, ..Limits::default() };
    let link = link::Link::default();
    for _ in 0..3 {
        link.send(vec![0; 30], &limits);
        assert!(link.is_open());
    }
    link.send(vec![0], &limits);
    assert!(!link.is_open());
    let link = link::Link::default();
    link.send(vec![0; 60], &limits);
    link.send(vec![0; 40], &limits);
    assert!(link.is_open());
    link.send(vec![0], &limits);
    assert!(!link.is_open());
}
