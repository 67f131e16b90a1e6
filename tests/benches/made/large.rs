//! A folder with many friends, all of whom are away, and much history: made by whole nodes in this process.

use std::path::Path;
use std::time::{Duration, Instant};
use symbolon_core::command::{Command, MessageState, Reply, RequestStatus, Who};
use symbolon_node::handle::NodeHandle;
use symbolon_node::run::{Opened, RunConfig};

const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";

/// Makes it under `home` as `own`: Andi's, with so many friends and so many texts to each.
pub fn make(home: &Path, friends: usize, texts: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let start = Instant::now();
    runtime.block_on(async {
        let own = node(&home.join("own"), "Andi").await;
        for number in 0..friends {
            talk(&own, home, number, texts).await;
        }
        stop(own).await;
    });
    runtime.shutdown_background();
    println!("made: {friends} friends, {} messages, in {:.0} s", friends * texts, start.elapsed().as_secs_f64());
}

async fn node(data: &Path, name: &str) -> Opened {
    let config = RunConfig {
        data: data.to_path_buf(),
        name: Some(name.to_owned()),
        listen: vec![LISTEN.to_owned()],
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
    symbolon_node::run::open::open(config).await.expect("the node opens")
}

async fn run(node: &NodeHandle, command: Command) -> Reply {
    match node.command(command).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => panic!("{error:?}"),
        Err(_) => panic!("stopped"),
    }
}

async fn stop(node: Opened) {
    let Opened { handle, ended, publish_address, .. } = node;
    // It holds the folder.
    drop(publish_address);
    handle.stop();
    ended.await.unwrap().unwrap();
}

/// Befriends somebody, writes to them, and waits until all of it is on their disk.
async fn talk(own: &Opened, home: &Path, number: usize, texts: usize) {
    let name = format!("Friend {number}");
    let friend = node(&home.join(format!("friend{number}")), &name).await;
    let Reply::Invite { link, .. } = run(&own.handle, Command::Invite { lifetime: 3_600_000, no_ip: false, auto_accept: true }).await
    else {
        panic!()
    };
    run(&friend.handle, Command::Add { target: link, note: None }).await;
    loop {
        let Reply::Requests(rows) = run(&friend.handle, Command::Requests).await else { panic!() };
        let Reply::Friends(friends) = run(&own.handle, Command::Friends).await else { panic!() };
        let there = friends.iter().any(|friend| friend.name == name && friend.mutual);
        if there && rows.iter().all(|row| row.status == RequestStatus::Confirmed) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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
