# `just` lists these; each is one line that can be typed by hand as well.

# List the recipes.
default:
    @just --list

# All tests, as CI runs them.
test *ARGS:
    cargo test --locked --workspace {{ARGS}}

# Everything that CI checks.
ci:
    .ci/run

# Which crate depends on what.
purity:
    .ci/purity

# The simulation: `just sim 500` for so many seeds.
sim seeds="50":
    SIM_SEEDS={{seeds}} cargo test --locked -p symbolon-tests --test simulation -- --nocapture

# One seed of the simulation again.
replay seed:
    SIM_SEED={{seed}} cargo test --locked -p symbolon-tests --test simulation every_accepted -- --nocapture

# Rewrites the known-answer vectors: only with a deliberate change of the protocol.
vectors:
    VECTORS_WRITE=1 cargo test --locked -q -p symbolon-tests --test vectors

# Writes the seeds of the fuzz corpus anew; what fuzzing found stays.
corpus:
    CORPUS_WRITE=1 cargo test --locked -q -p symbolon-tests --test corpus every_seed

# Benches.
bench *ARGS:
    cargo bench --locked -p symbolon-tests {{ARGS}}

# Fuzzes one decoder of tests/src/decoders.rs for so many seconds; needs cargo-fuzz.
fuzz target seconds="60":
    mkdir -p tests/fuzz/found/{{target}}
    cd tests/fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir . -s none {{target}} found/{{target}} corpus/{{target}} corpus/nasty -- -max_total_time={{seconds}} -rss_limit_mb=512 -timeout=5

# Licences, sources and bans of all crates; needs cargo-deny.
deny:
    cargo deny check
