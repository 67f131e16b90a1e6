//! How sizes, times and addresses are typed.

use std::net::SocketAddr;
use std::time::Duration;
use symbolon_relay::machine::limits::{BYTES_MIN, MAILBOX_BYTES_MIN};

/// A number of bytes: digits, then perhaps K, M, G or T for powers of 1,024.
pub fn size(text: &str) -> Result<u64, String> {
    at_least(text, BYTES_MIN, "a relay")
}

/// The same, for one mailbox.
pub fn mailbox_size(text: &str) -> Result<u64, String> {
    at_least(text, MAILBOX_BYTES_MIN, "a mailbox")
}

fn at_least(text: &str, least: u64, what: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let power = match text.get(digits.len()..).unwrap_or_default().to_ascii_uppercase().trim_end_matches('B').trim_end_matches('I') {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err("write it like 500M or 4G".to_owned()),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << (10 * power)));
    let bytes = bytes.ok_or_else(|| "write it like 500M or 4G".to_owned())?;
    if bytes < least { Err(format!("{what} needs at least {}M", least >> 20)) } else { Ok(bytes) }
}

/// An address of this machine alone.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    let address: SocketAddr = numeric.parse().map_err(|_| "write it as 127.0.0.1:PORT; port 0 picks one".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("it must be a loopback address such as 127.0.0.1:0: the page and the API are for this machine only".to_owned())
    }
}

/// A number and its unit: `45s`, `30m`, `12h`, `7d`; without a unit, seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and a unit, such as 45s, 30m, 12h or 7d; a number alone is in seconds".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_have_a_unit_and_never_overflow() {
        assert_eq!(duration("7d").unwrap().as_secs(), 604_800);
        assert_eq!(duration("30").unwrap().as_secs(), 30);
        for wrong in ["", "d", "7 d", "-1s", "1.5h", "7y", "99999999999999999999s", "18446744073709551615d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn page_is_never_served_beyond_this_machine() {
        for wrong in ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "example.org:80", "127.0.0.1"] {
            assert!(loopback(wrong).is_err(), "{wrong}");
        }
        assert!(loopback("127.0.0.1:0").is_ok() && loopback("[::1]:80").is_ok() && loopback("localhost:80").is_ok());
    }
}
