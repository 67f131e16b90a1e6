//! The local API and the page: HTTP on loopback for the node's own user.
//!
//! Not a way in for other people: the server binds to loopback only, and every request
//! needs a token ([`tokens`]) and has to come from here ([`guard`]). The command line and
//! the page use nothing else.
//!
//! | file | holds |
//! |---|---|
//! | [`routes`] | every route once; server and description are made from it |
//! | [`handlers`] | one function a route |
//! | [`views`] | the JSON that is shown, all field names |
//! | [`errors`] | every fault with kind, status, sentence and hint |
//! | [`doctor`] | the judgement on the node's condition |
//! | [`events`] | the event stream and its memory |
//! | [`guard`], [`tokens`] | who may ask, from where |
//! | [`page`] | the page's files and the one-time address |
//! | [`qr`] | QR codes for page and terminal |

pub mod doctor;
pub mod errors;
pub mod events;
pub mod extract;
pub mod guard;
pub mod handlers;
pub mod openapi;
pub mod page;
pub mod qr;
pub mod routes;
pub mod tokens;
pub mod views;

use crate::handle::NodeHandle;
use axum::Router;
use errors::Fault;
use events::EventLog;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokens::{NoRandomness, Token, Tokens};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// Longest request body, in bytes.
pub const BODY_MAX: usize = 64 * 1024;
/// An answer begins within this time. Event streams go on after it.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The head of a request is there within this time.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections served at once; the next waits.
pub const CONNECTIONS_MAX: usize = 64;
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

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    node: NodeHandle,
    tokens: Tokens,
    log: Arc<EventLog>,
    address: SocketAddr,
    hosts: [String; 3],
    cookie: String,
}

impl ApiState {
    fn node(&self) -> &NodeHandle {
        &self.0.node
    }

    fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    fn log(&self) -> &Arc<EventLog> {
        &self.0.log
    }

    /// What a request's `Host` may say.
    fn hosts(&self) -> &[String] {
        &self.0.hosts
    }

    /// Cookies know no ports: the name keeps two nodes on one machine apart.
    fn cookie_name(&self) -> &str {
        &self.0.cookie
    }

    fn page_address(&self, token: &Token) -> String {
        format!("http://{}/?token={}", self.0.address, token.secret())
    }
}

/// A running API. Ends when the node is asked to stop.
#[derive(Debug)]
pub struct Api {
    state: ApiState,
    server: JoinHandle<()>,
}

impl Api {
    /// Binds and serves. `token` is the data folder's.
    pub async fn start(listen: SocketAddr, token: Token, node: NodeHandle) -> Result<Self, StartError> {
        if !listen.ip().is_loopback() {
            return Err(StartError::NotLoopback);
        }
        let listener = TcpListener::bind(listen).await.map_err(StartError::Listen)?;
        let address = listener.local_addr().map_err(StartError::Listen)?;
        let port = address.port();
        let nonce = Token::random()?.secret().chars().take(16).collect();
        let shared = Shared {
            tokens: Tokens::new(token),
            log: EventLog::start(&node, nonce),
            address,
            hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")],
            cookie: format!("symbolon_session_{port}"),
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
        let token = self.state.tokens().issue()?;
        Ok(self.state.page_address(&token))
    }

    /// Resolves once the node was asked to stop and open connections are done or cut.
    pub async fn stopped(self) {
        // A panic of the server task is a stop as well.
        let _ = self.server.await;
    }
}

fn router(state: &ApiState) -> Router {
    let mut api = Router::new();
    for route in routes::ROUTES {
        api = api.route(route.path, (route.handler)());
    }
    let api = api.layer(axum::middleware::from_fn_with_state(state.clone(), guard::api_request));
    api.merge(page::router())
        .fallback(|| async { Fault::NoRoute })
        .method_not_allowed_fallback(|| async { Fault::WrongMethod })
        .layer(axum::middleware::from_fn_with_state(state.clone(), guard::every_request))
        .with_state(state.clone())
}

async fn serve(listener: TcpListener, state: ApiState) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let service = router(&state);
    let mut connections = JoinSet::new();
    let stopping = state.node().stopping();
    tokio::pin!(stopping);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let accepted = tokio::select! {
            () = &mut stopping => break,
            accepted = accepted => accepted,
        };
        let (Ok(slot), Ok((stream, _))) = accepted else {
            // Out of descriptors, most likely: give others time to close theirs.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let service = service.clone();
        let node = state.node().clone();
        connections.spawn(async move {
            connection(stream, service, node).await;
            drop(slot);
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    // What is not done by then is cut when the set is dropped.
    let _ = tokio::time::timeout(DRAIN, drained).await;
}

async fn connection(stream: TcpStream, service: Router, node: NodeHandle) {
    // Without it, small answers wait for the other side's acknowledgement.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BODY_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = node.stopping() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
