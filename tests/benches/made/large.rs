//! A folder with many friends, all of whom are away, and much history: made by whole nodes in this process.

use std::path::Path;
use std::time::{Duration, Instant};
use symbolon_core::command::{Command, MessageState, Reply, Who};
use symbolon_node::run::Opened;
use symbolon_tests::bench::{befriend, node, run, stop};

const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";

/// Makes it under `home` as `own`: Andi's, with so many friends and so many texts to each.
pub fn make(home: &Path, friends: usize, texts: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let start = Instant::now();
    runtime.block_on(async {
        let own = node(&home.join("own"), "Andi", LISTEN).await;
        for number in 0..friends {
            talk(&own, home, number, texts).await;
        }
        stop(own).await;
    });
    runtime.shutdown_background();
    println!("made: {friends} friends, {} messages, in {:.0} s", friends * texts, start.elapsed().as_secs_f64());
}

/// Befriends somebody, writes to them, and waits until all of it is on their disk.
async fn talk(own: &Opened, home: &Path, number: usize, texts: usize) {
    let name = format!("Friend {number}");
    let friend = node(&home.join(format!("friend{number}")), &name, LISTEN).await;
    befriend(&own.handle, &friend.handle).await;
    for batch in (0..texts).step_by(50) {
        let send = |text: usize| {
            let (handle, to) = (own.handle.clone(), Who(name.clone()));
            let text = format!("Text mark{number}and{text} about the weather, the harbour and what is for supper, and the rest");
            tokio::spawn(async move { run(&handle, Command::Send { to, text, lifetime: None }).await })
        };
        for task in (batch..batch + 50).map(send).collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }
    loop {
        let who = Some(Who(name.clone()));
        let Reply::Messages(messages) = run(&own.handle, Command::Read { who, since: None, limit: Some(1), peek: true }).await else {
            panic!()
        };
        if messages.iter().all(|message| message.state == MessageState::Delivered) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop(friend).await;
    std::fs::remove_dir_all(home.join(format!("friend{number}"))).unwrap();
}
