//! Tests of the MLS cipher beyond the conformance suite.
