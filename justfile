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

# Which module uses which.
floors:
    .ci/floors

# The simulation: `just sim 500` for so many seeds.
sim seeds="50":
    SIM_SEEDS={{seeds}} cargo test --locked -p symbolon-tests --test simulation -- --nocapture

# One seed of the simulation again.
replay seed:
    SIM_SEED={{seed}} cargo test --locked -p symbolon-tests --test simulation every_accepted -- --nocapture

# Rewrites the known-answer vectors: only with a deliberate change of the protocol.
vectors:
    VECTORS_WRITE=1 cargo test --locked -q -p symbolon-tests --test vectors

# Writes the seeds of the fuzz corpus again; what fuzzing found stays.
corpus:
    CORPUS_WRITE=1 cargo test --locked -q -p symbolon-tests --test corpus every_seed

# Benches.
bench *ARGS:
    cargo bench --locked -p symbolon-tests {{ARGS}}

# A bench of another revision and that of this tree by turns, side by side: `just bench-compare HEAD~5 relay`.
bench-compare rev bench="delivery" times="3":
    tests/benches/compare {{rev}} {{bench}} {{times}}

# Fuzzes one decoder of tests/src/decoders.rs for so many seconds; needs cargo-fuzz.
fuzz target seconds="60":
    mkdir -p tests/fuzz/found/{{target}}
    cd tests/fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir . -s none {{target}} found/{{target}} corpus/{{target}} corpus/nasty -- -max_total_time={{seconds}} -rss_limit_mb=512 -timeout=5

# The symbolic models of docs/models and their broken twins; needs Verifpal.
models *ARGS:
    docs/models/run {{ARGS}}

# Licences, sources and bans of all crates; needs cargo-deny.
deny:
    cargo deny check

# Every mutant of tests/mutants must be killed by so many stories of the simulation.
mutants seeds="120" *ARGS:
    tests/mutants/run {{seeds}} {{ARGS}}

# So many stories of the simulation on an optimised build.
stories seeds="10000":
    tests/mutants/run --stories {{seeds}}

# The digests of 200 stories: equal before and after a change that only moves code.
digests:
    tests/mutants/run --stories 200

# Nodes killed by `kill -9` so many times.
kill9 rounds="1000" seed="1":
    cargo run --locked -p symbolon-tests --example kill9 -- --rounds {{rounds}} --seed {{seed}}

# The disk of a node loses power so many times; needs root.
power cuts="200" seed="1":
    cargo run --locked -p symbolon-tests --example power -- --cuts {{cuts}} --seed {{seed}}

# A disk that is full again and again; needs root.
full rounds="20":
    cargo run --locked -p symbolon-tests --example full -- --rounds {{rounds}}

# Damaged stores, so many of each kind.
damage rounds="100" seed="1":
    cargo run --locked -p symbolon-tests --example damage -- --rounds {{rounds}} --seed {{seed}}

# Several hosts on one machine; needs root.
lab:
    cargo test --locked -p symbolon-tests --test lab

# All floods at once for so many seconds, while two friends talk.
flood seconds="900":
    FLOOD_SECONDS={{seconds}} cargo test --release --locked -p symbolon-tests --test flood -- --nocapture

# So many owners connected to one relay: what each of them costs it.
owners count="2000":
    cargo run --release --locked -p symbolon-tests --example owners -- {{count}}

# The network of several hosts is away for so many minutes; needs root.
outage minutes="15":
    OUTAGE_MINUTES={{minutes}} cargo test --locked -p symbolon-tests --test lab a108 -- --nocapture

# A room of so many people with whole nodes in the simulation: texts, adds, a removal, somebody who was away for a month.
large people="100":
    LARGE_ROOM={{people}} cargo test --locked --workspace --test groups -- --ignored --nocapture a_hundred_people
