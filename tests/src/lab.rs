//! The network lab: several hosts on one machine, each in a network namespace of its own,
//! joined by switches without a way to anywhere else.
//!
//! Needs Linux, root and `ip`. A child process belongs to the namespace of the thread that
//! started it, so everything that tests do elsewhere works here inside of [`Host::run`].

use crate::node::Trouble;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Tells the labs of one process apart.
static LABS: AtomicU32 = AtomicU32::new(0);

/// A network namespace, deleted when nobody holds it any longer.
#[derive(Debug)]
struct Space(String);

impl Space {
    fn make(name: String) -> Result<Self, Trouble> {
        ip(&["netns", "add", &name])?;
        let space = Self(name);
        space.ip(&["link", "set", "lo", "up"])?;
        Ok(space)
    }

    fn ip(&self, arguments: &[&str]) -> Result<(), Trouble> {
        ip(&[&["-n", &self.0], arguments].concat())
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.0]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), Trouble> {
    let done = Command::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    if done.status.success() {
        Ok(())
    } else {
        Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim()))
    }
}

/// A set of hosts and switches.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    spaces: AtomicU32,
}

/// A switch: anyone who is plugged into it shares a link.
#[derive(Debug)]
pub struct Switch {
    space: Arc<Space>,
    ports: AtomicU32,
}

/// A cable between two switches; pulled out with either of them.
#[derive(Debug)]
pub struct Trunk {
    space: Arc<Space>,
    port: String,
}

/// A machine.
#[derive(Debug)]
pub struct Host {
    space: Arc<Space>,
    devices: AtomicU32,
}

impl Lab {
    /// A lab; `None`, with the reason on standard error, where this machine cannot have one.
    pub fn open() -> Option<Self> {
        let reason = if !rustix::process::geteuid().is_root() {
            "not root".to_owned()
        } else {
            let number = LABS.fetch_add(1, Ordering::Relaxed);
            let lab = Self { prefix: format!("symbolon-{}-{number}", std::process::id()), spaces: AtomicU32::new(0) };
            match lab.host() {
                Ok(_) => return Some(lab),
                Err(trouble) => trouble,
            }
        };
        eprintln!("skipped: no network lab here: {reason}");
        None
    }

    fn space(&self) -> Result<Arc<Space>, Trouble> {
        let number = self.spaces.fetch_add(1, Ordering::Relaxed);
        Space::make(format!("{}-{number}", self.prefix)).map(Arc::new)
    }

    /// A switch with nobody on it.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn switch(&self) -> Result<Switch, Trouble> {
        let space = self.space()?;
        space.ip(&["link", "add", "switch", "type", "bridge"])?;
        space.ip(&["link", "set", "switch", "up"])?;
        Ok(Switch { space, ports: AtomicU32::new(0) })
    }

    /// A router between a house and the world: it forwards what the house begins and what answers
    /// that, under its own address, and drops all else without a word. `None`, with the reason on
    /// standard error, where there is no `nft`.
    ///
    /// # Errors
    /// When `ip` or `nft` fails.
    pub fn router(&self, world: (&Switch, &str), house: (&Switch, &str), nat: Nat) -> Result<Option<Host>, Trouble> {
        if Command::new("nft").arg("--version").output().is_err() {
            eprintln!("skipped: no router here: it takes nft (nftables)");
            return Ok(None);
        }
        let router = self.host()?;
        let (outside, inside) = (router.plug(world.0, &[world.1])?, router.plug(house.0, &[house.1])?);
        let ports = if nat == Nat::DrawsPorts { "random,fully-random" } else { "" };
        let rules = format!(
            "table ip nat {{
                chain leaving {{
                    type nat hook postrouting priority srcnat;
                    oifname {outside} masquerade {ports}
                }}
            }}
            table inet filter {{
                chain through {{
                    type filter hook forward priority 0; policy drop;
                    ct state established,related accept
                    iifname {inside} accept
                }}
                chain here {{
                    type filter hook input priority 0; policy drop;
                    ct state established,related accept
                    iifname {inside} accept
                }}
            }}"
        );
        router.run(|| {
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").map_err(|error| format!("ip_forward: {error}"))?;
            let done = Command::new("nft").arg(&rules).output().map_err(|error| format!("nft: {error}"))?;
            if done.status.success() { Ok(()) } else { Err(format!("nft: {}", String::from_utf8_lossy(&done.stderr).trim())) }
        })?;
        Ok(Some(router))
    }

    /// A machine that is not plugged in.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn host(&self) -> Result<Host, Trouble> {
        Ok(Host { space: self.space()?, devices: AtomicU32::new(0) })
    }
}

/// How a router gives ports of its own address to connections from its house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nat {
    /// The port of the machine behind it, no matter who is talked to: a hole can be punched.
    KeepsPorts,
    /// A random one for each connection (a symmetric NAT): what others see tells nobody anything.
    DrawsPorts,
}

/// A cable that delays and loses; pulled out when dropped.
#[derive(Debug)]
pub struct SlowCable {
    ends: [Child; 2],
    _folder: tempfile::TempDir,
}

impl SlowCable {
    /// Joins two machines by a cable on which each frame takes `delay` and `loss` of a thousand
    /// are lost. Answers the device's name, the same at both; `None`, with the reason on standard
    /// error, where there is no `python3` or no `/dev/net/tun`.
    ///
    /// # Errors
    /// When `ip` fails, or an end does not come up.
    pub fn join(hosts: [&Host; 2], addresses: [&str; 2], delay: Duration, loss: u32) -> Result<Option<(Self, &'static str)>, Trouble> {
        const DEVICE: &str = "slow0";
        if !Path::new("/dev/net/tun").exists() || Command::new("python3").arg("--version").output().is_err() {
            eprintln!("skipped: no slow cable here: it takes python3 and /dev/net/tun");
            return Ok(None);
        }
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/wire.py");
        let socket = |end: usize| folder.path().join(end.to_string());
        let end = |own: usize, other: usize, host: &Host| {
            let mut wire = Command::new("python3");
            wire.arg(&script).arg(DEVICE).arg(socket(own)).arg(socket(other));
            wire.args([delay.as_millis().to_string(), loss.to_string(), own.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
            let mut child = host.run(|| wire.spawn().map_err(|error| error.to_string()))?;
            let mut line = String::new();
            let said = child.stdout.take().map(|output| BufReader::new(output).read_line(&mut line));
            if line.trim() == "ready" { Ok(child) } else { Err(format!("an end of the cable does not come up: {said:?}")) }
        };
        let ends = [end(0, 1, hosts[0])?, end(1, 0, hosts[1])?];
        let cable = Self { ends, _folder: folder };
        for (host, address) in hosts.into_iter().zip(addresses) {
            host.space.ip(&["link", "set", DEVICE, "up"])?;
            host.add(DEVICE, &[address])?;
        }
        Ok(Some((cable, DEVICE)))
    }
}

impl Drop for SlowCable {
    fn drop(&mut self) {
        for end in &mut self.ends {
            let _ = end.kill();
            let _ = end.wait();
        }
    }
}

impl Switch {
    /// Joins it to another switch: who is plugged into either shares one link.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn join(&self, other: &Self) -> Result<Trunk, Trouble> {
        let draw = |switch: &Self| format!("port{}", switch.ports.fetch_add(1, Ordering::Relaxed));
        let (port, far) = (draw(self), draw(other));
        self.space.ip(&["link", "add", &port, "type", "veth", "peer", "name", &far, "netns", &other.space.0])?;
        for (space, port) in [(&self.space, &port), (&other.space, &far)] {
            space.ip(&["link", "set", port, "master", "switch", "up"])?;
        }
        Ok(Trunk { space: Arc::clone(&self.space), port })
    }

    /// Switches it off or on: the cables stay plugged in at both ends, and nothing passes.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn power(&self, on: bool) -> Result<(), Trouble> {
        self.space.ip(&["link", "set", "switch", if on { "up" } else { "down" }])
    }
}

impl Trunk {
    /// Pulls it out or puts it back. Who hangs on another cable of the switch does not see that.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn connect(&self, up: bool) -> Result<(), Trouble> {
        self.space.ip(&["link", "set", &self.port, if up { "up" } else { "down" }])
    }
}

impl Host {
    /// Plugs the machine into a switch, with these addresses (`10.9.0.1/24`) beside the
    /// link-local one that IPv6 draws. Answers the device's name.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn plug(&self, switch: &Switch, addresses: &[&str]) -> Result<String, Trouble> {
        let device = format!("eth{}", self.devices.fetch_add(1, Ordering::Relaxed));
        let port = format!("port{}", switch.ports.fetch_add(1, Ordering::Relaxed));
        switch.space.ip(&["link", "add", &port, "type", "veth", "peer", "name", &device, "netns", &self.space.0])?;
        switch.space.ip(&["link", "set", &port, "master", "switch", "up"])?;
        self.space.ip(&["link", "set", &device, "up"])?;
        self.add(&device, addresses)?;
        Ok(device)
    }

    fn add(&self, device: &str, addresses: &[&str]) -> Result<(), Trouble> {
        addresses.iter().try_for_each(|address| self.space.ip(&["addr", "add", address, "dev", device]))
    }

    /// Sends what is for nobody near to this machine.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn leave_by(&self, router: &str) -> Result<(), Trouble> {
        self.space.ip(&["route", "add", "default", "via", router])
    }

    /// Takes all addresses but the link-local ones from a device and gives it these.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn renumber(&self, device: &str, addresses: &[&str]) -> Result<(), Trouble> {
        self.space.ip(&["addr", "flush", "dev", device, "scope", "global"])?;
        self.add(device, addresses)
    }

    /// Pulls a cable or puts it back.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn connect(&self, device: &str, up: bool) -> Result<(), Trouble> {
        self.space.ip(&["link", "set", device, if up { "up" } else { "down" }])
    }

    /// Does something on the machine: sockets and processes made by it are the machine's.
    ///
    /// # Errors
    /// When the machine cannot be entered; whatever the doing says.
    pub fn run<T>(&self, doing: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
        let open = |path: &str| File::open(path).map_err(|error| format!("{path}: {error}"));
        let space = open(&format!("/run/netns/{}", self.space.0))?;
        let _back = Visit(open("/proc/thread-self/ns/net")?);
        enter(&space)?;
        doing()
    }
}

/// Brings this thread back to the namespace from which it came.
struct Visit(File);

impl Drop for Visit {
    fn drop(&mut self) {
        if let Err(trouble) = enter(&self.0) {
            // Whatever this thread does next would happen on the wrong machine.
            eprintln!("no way back: {trouble}");
            #[allow(clippy::disallowed_methods, reason = "a test process that is lost ends here")]
            std::process::abort();
        }
    }
}

fn enter(space: &File) -> Result<(), Trouble> {
    move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|error| error.to_string())
}
