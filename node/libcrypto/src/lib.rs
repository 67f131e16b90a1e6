//! Links AWS-LC in the place of OpenSSL: see this crate's `Cargo.toml`.

extern crate aws_lc_sys as _;
