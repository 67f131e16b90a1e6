//! The local API and the page: HTTP on loopback for the node's own user.
//!
//! Not a way in for other people: the server binds to loopback only, and every request
//! needs a token ([`tokens`]) and has to come from here ([`guard`]). The command line and
//! the page use nothing else.
//!
//! | file | holds |
//! |---|---|
//! | this one | every resource once: what the server answers and what `/api/v1/openapi.json` describes; every event; the server |
//! | `identity`, `invites`, `requests`, `friends`, ... | one resource each: routes, schemas, bodies, handlers, JSON |
//! | `ask`, [`extract`] | how a handler asks the node; how it reads bodies |
//! | [`route`], [`schema`], `json` | what routes, schemas and shown values are made of |
//! | [`openapi`] | the description |
//! | [`errors`] | every fault with kind, status, sentence and hint |
//! | [`doctor`] | the judgement on the node's condition |
//! | [`events`] | the event stream and its memory |
//! | [`door`] | which connections are served, and which give way |
//! | [`guard`], [`tokens`] | who may ask, from where |
//! | [`page`] | the page's files |
//! | [`qr`] | QR codes for page and terminal |

mod ask;
mod backup;
mod blocks;
mod condition;
mod device;
mod devices;
pub mod doctor;
pub mod door;
mod drafts;
pub mod errors;
pub mod events;
pub mod extract;
mod friends;
pub mod guard;
mod identity;
mod introductions;
mod invites;
pub(crate) mod json;
mod limits;
mod lookups;
mod messages;
pub mod openapi;
pub mod page;
mod people;
pub mod qr;
mod relays;
mod requests;
mod rooms;
pub mod route;
pub mod schema;
mod sessions;
mod settings;
mod state;
mod stream;
pub mod tokens;

pub use limits::{BODY_MAX, HEAD_TIMEOUT, REQUEST_TIMEOUT, STRANGER_TIMEOUT};
pub use state::ApiState;

use crate::folder::door::DoorFile;
use crate::handle::NodeHandle;
use axum::Router;
use door::{Door, Ear, Visitor};
use errors::Fault;
use events::EventLog;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use route::{Resource, Route};
use serde_json::Value;
use state::Shared;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use symbolon_core::seam::Event;
use tokens::{NoRandomness, Token, Tokens};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// Every resource.
pub const RESOURCES: &[Resource] = &[
    openapi::RESOURCE,
    stream::RESOURCE,
    identity::RESOURCE,
    invites::RESOURCE,
    requests::RESOURCE,
    blocks::RESOURCE,
    friends::RESOURCE,
    introductions::RESOURCE,
    rooms::RESOURCE,
    settings::RESOURCE,
    messages::RESOURCE,
    drafts::RESOURCE,
    relays::RESOURCE,
    lookups::RESOURCE,
    devices::RESOURCE,
    backup::RESOURCE,
    device::RESOURCE,
    condition::RESOURCE,
    sessions::RESOURCE,
];

/// All routes.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    RESOURCES.iter().flat_map(|resource| resource.routes)
}

/// An event's name and data. Names only what changed; the content is read by its own route.
pub fn event(event: &Event) -> (&'static str, Value) {
    use serde_json::json;
    match event {
        Event::Message { room, message } => ("message", json!({ "conversation_id": room.to_string(), "message": message.to_string() })),
        Event::MessageState { message } => ("message_state", json!({ "message": message.to_string() })),
        Event::Request(request) => ("request", json!({ "request": request.to_string() })),
        Event::Friend(peer) => ("friend", json!({ "id": peer.to_string() })),
        Event::Room(room) => ("room", json!({ "room": room.to_string() })),
        Event::Drafts => ("drafts", json!({})),
        Event::Online { peer, online } => ("online", json!({ "id": peer.to_string(), "online": online })),
        Event::Warning(warning) => {
            let (kind, text) = events::warning_text(*warning);
            ("warning", json!({ "warning": kind, "text": text }))
        }
    }
}

/// Connections at once, those that are being closed among them; the next waits for one to end.
const TASKS_MAX: usize = 512;
/// What open connections get to finish when the node stops.
const DRAIN: Duration = Duration::from_secs(1);

/// Why the API did not start.
#[derive(Debug)]
pub enum StartError {
    /// The address is not loopback: it would serve the private API to the network.
    NotLoopback,
    /// The address cannot be listened on.
    Listen(std::io::Error),
    /// The operating system gave no random bytes.
    NoRandomness,
}

impl From<NoRandomness> for StartError {
    fn from(_: NoRandomness) -> Self {
        Self::NoRandomness
    }
}

/// A running API. Ends when the node is asked to stop.
#[derive(Debug)]
pub struct Api {
    state: ApiState,
    server: JoinHandle<()>,
}

impl Api {
    /// Binds and serves: at `listen`, or else at the port that was drawn once. `token` is the
    /// data folder's, `file` is where port and sessions outlive the process.
    pub async fn start(listen: Option<SocketAddr>, token: Token, file: Option<DoorFile>, node: NodeHandle) -> Result<Self, StartError> {
        let mut kept = file.as_ref().map(DoorFile::read).unwrap_or_default();
        let listener = match listen {
            Some(listen) if !listen.ip().is_loopback() => return Err(StartError::NotLoopback),
            Some(listen) => TcpListener::bind(listen).await.map_err(StartError::Listen)?,
            None => bind_kept(kept.port).await.map_err(StartError::Listen)?,
        };
        let address = listener.local_addr().map_err(StartError::Listen)?;
        let port = address.port();
        if let Some(file) = file.as_ref().filter(|_| listen.is_none() && kept.port.is_none()) {
            kept.port = Some(port);
            // Without it the port is drawn again, as at a first start.
            let _ = file.write(&kept);
        }
        let nonce = Token::random()?.secret().chars().take(16).collect();
        let shared = Shared {
            tokens: Tokens::new(token, port, kept, file),
            log: EventLog::start(&node, nonce, event),
            door: Door::default(),
            describe: || openapi::document(RESOURCES),
            address,
            hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")],
            node,
        };
        let state = ApiState(Arc::new(shared));
        let server = tokio::spawn(serve(listener, state.clone()));
        Ok(Self { state, server })
    }

    /// `http://127.0.0.1:PORT`, for programs that hold the folder's token.
    pub fn address(&self) -> String {
        format!("http://{}", self.state.0.address)
    }

    /// A fresh address of the page, with a one-time token: to show to the user.
    pub fn page_address(&self) -> Result<String, NoRandomness> {
        let token = self.state.tokens().issue(Instant::now())?;
        Ok(self.state.page_address(&token))
    }

    /// Resolves once the node was asked to stop and open connections are done or cut.
    pub async fn stopped(self) {
        // A panic of the server task is a stop as well.
        let _ = self.server.await;
    }
}

fn router(state: &ApiState) -> Router {
    let (mut api, mut entrance) = (Router::new(), Router::new());
    for route in routes() {
        let router = if route.is_entrance { &mut entrance } else { &mut api };
        *router = std::mem::take(router).route(route.path, (route.handler)());
    }
    let api = api.layer(axum::middleware::from_fn_with_state(state.clone(), guard::api_request));
    api.merge(entrance)
        .merge(page::router())
        .fallback(|| async { Fault::NoRoute })
        .method_not_allowed_fallback(|| async { Fault::WrongMethod })
        .layer(axum::middleware::from_fn_with_state(state.clone(), guard::every_request))
        .with_state(state.clone())
}

/// Binds at the port that was drawn once. While something else has it, another one does: it
/// stays ours, for the next start.
async fn bind_kept(kept: Option<u16>) -> std::io::Result<TcpListener> {
    if let Some(port) = kept {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => tracing::warn!(kind = %error.kind(), "the page's port is taken; the page has another one until the next start"),
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

async fn serve(listener: TcpListener, state: ApiState) {
    let service = router(&state);
    let mut connections = JoinSet::new();
    let stopping = state.node().stopping();
    tokio::pin!(stopping);
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= TASKS_MAX {
            // Those sent away end as soon as they are looked at.
            let _ = connections.join_next().await;
        }
        let accepted = tokio::select! {
            () = &mut stopping => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: a stranger's gives way.
            state.door().make_room();
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let visitor = state.door().enter();
        let (state, service) = (state.clone(), service.clone());
        connections.spawn(async move {
            connection(stream, &visitor, service, state.node()).await;
            state.door().leave(&visitor);
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    // What is not done by then is cut when the set is dropped.
    let _ = tokio::time::timeout(DRAIN, drained).await;
}

async fn connection(stream: TcpStream, visitor: &Arc<Visitor>, service: Router, node: &NodeHandle) {
    // Without it, small answers wait for the other side's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(service);
    let asked = Arc::clone(visitor);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        asked.asks();
        request.extensions_mut().insert(Arc::clone(&asked));
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BODY_MAX)
        .serve_connection(TokioIo::new(Ear::new(stream, Arc::clone(visitor))), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = visitor.sent_away() => {}
        () = too_long_a_stranger(visitor) => {}
        () = node.stopping() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn too_long_a_stranger(visitor: &Visitor) {
    tokio::time::sleep(STRANGER_TIMEOUT).await;
    if visitor.is_known() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
