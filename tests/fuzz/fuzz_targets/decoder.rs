//! Fuzzes the decoder that this binary is named after. Every target is built from this file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use symbolon_fuzz::decoders::{self, Decoder};

static DECODER: LazyLock<&Decoder> =
    LazyLock::new(|| decoders::find(env!("CARGO_BIN_NAME")).expect("the target has the name of a decoder"));

fuzz_target!(|input: &[u8]| {
    (DECODER.run)(input);
});
