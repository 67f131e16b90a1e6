//! Shared rooms: groups of devices of several people. The protocol page is `docs/protocol/rooms.md`.

pub mod order;
