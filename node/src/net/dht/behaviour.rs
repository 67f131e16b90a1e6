//! What libp2p's Kademlia learns about our DHT.

use crate::net::limits::{DHT_QUERY, Limits, NEIGHBOURS_BYTES, NEIGHBOURS_RECORDS};
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::kad::{self, Mode, StoreInserts};
use libp2p::{PeerId as TransportId, StreamProtocol};
use std::time::Duration;
use symbolon_presence::record::RECORD_MAX;

/// libp2p's Kademlia, with what is kept for others in memory.
pub(in crate::net) type Kad = kad::Behaviour<MemoryStore>;

/// What is spoken between nodes of the DHT.
pub(in crate::net) const PROTOCOL: StreamProtocol = StreamProtocol::new("/symbolon/kad/1");
/// The longest message: a record, and the addresses of twenty servers.
const PACKET_MAX: usize = RECORD_MAX + 16 * 1024;
/// How often the routing table is refreshed.
const REFRESH: Duration = Duration::from_secs(30 * 60);
/// How often a server gives what it keeps to those who are closest now.
const REPLICATION: Duration = Duration::from_secs(60 * 60);

/// How many records, and bytes of them, are kept for others.
pub(in crate::net) fn kept_for_others(is_server: bool, limits: &Limits) -> (usize, usize) {
    let (records, bytes) = (limits.kept_records, limits.kept_bytes);
    if is_server { (records, bytes) } else { (records.min(NEIGHBOURS_RECORDS), bytes.min(NEIGHBOURS_BYTES)) }
}

/// The behaviour; a server keeps records for others.
pub(in crate::net) fn behaviour(own: TransportId, is_server: bool, limits: &Limits) -> Kad {
    let max_records = kept_for_others(is_server, limits).0;
    let store = MemoryStoreConfig { max_records, max_value_bytes: RECORD_MAX + 1, max_providers_per_key: 1, max_provided_keys: 0 };
    let mut config = kad::Config::new(PROTOCOL);
    config
        .set_query_timeout(DHT_QUERY)
        .set_max_packet_size(PACKET_MAX)
        .set_record_filtering(StoreInserts::FilterBoth)
        .set_replication_interval(is_server.then_some(REPLICATION))
        // Who published comes again by himself.
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_periodic_bootstrap_interval(Some(REFRESH));
    let mut behaviour = kad::Behaviour::with_config(own, MemoryStore::with_config(own, store), config);
    behaviour.set_mode(Some(if is_server { Mode::Server } else { Mode::Client }));
    behaviour
}
