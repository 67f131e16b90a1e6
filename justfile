# Recipes for work on Symbolon; `just` lists them.

# Rewrites the known-answer vectors: only with a deliberate change of the protocol.
vectors:
    VECTORS_WRITE=1 cargo test -q -p symbolon-tests --test vectors

# Writes the seeds of the fuzz corpus anew; what fuzzing found stays.
corpus:
    CORPUS_WRITE=1 cargo test -q -p symbolon-tests --test corpus every_seed
