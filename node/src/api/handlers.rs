//! One function a route: request in, command to the node, view out.

use super::doctor::{Check, examine};
use super::errors::{CANDIDATES_MAX, Candidate, Fault, Problem};
use super::extract::{Brief, Json, Query};
use super::openapi;
use super::qr::Qr;
use super::{ApiState, views};
use crate::clock::{Clock, SystemClock};
use crate::net::server_address_from_text;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use symbolon_core::command::{Command, CommandError, MessageState, MessageView, Reply, Who};
use symbolon_core::limits::INVITE_LIFETIME;
use symbolon_core::names::is_same;
use symbolon_core::seam::{Address, Event};
use symbolon_presence::id::{MessageId, RequestId};
use tokio::time::Instant;

/// What every handler answers.
pub type Answer = Result<axum::Json<Value>, Problem>;

async fn ask(state: &ApiState, command: Command) -> Result<Reply, Problem> {
    match state.node().command(command).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(error.into()),
        Err(_stopped) => Err(Fault::Stopping.into()),
    }
}

async fn answer(state: &ApiState, command: Command) -> Answer {
    ask(state, command).await.map(|reply| axum::Json(views::reply(&reply)))
}

/// Like [`answer`]; an ambiguous name comes back with the ids that it could mean.
async fn answer_about(state: &ApiState, who: &str, command: Command) -> Answer {
    match answer(state, command).await {
        Err(problem) if problem.fault == Fault::Command(CommandError::Ambiguous) => {
            Err(Problem { candidates: candidates(state, who).await, ..problem })
        }
        other => other,
    }
}

/// Everybody whom a name or the beginning of an id could mean.
async fn candidates(state: &ApiState, who: &str) -> Vec<Candidate> {
    let who = who.trim();
    let beginning = who.to_ascii_lowercase();
    let fits = |id: &str, name: &str| (!beginning.is_empty() && id.starts_with(&beginning)) || is_same(name, who);
    let mut found = Vec::new();
    if let Ok(Reply::Friends(friends)) = ask(state, Command::Friends).await {
        let all = friends.into_iter().map(|friend| Candidate { id: friend.id.to_string(), name: friend.name });
        found.extend(all.filter(|one| fits(&one.id, &one.name)));
    }
    if let Ok(Reply::Requests(requests)) = ask(state, Command::Requests).await {
        let all = requests.into_iter().map(|request| Candidate { id: request.request.to_string(), name: request.name });
        found.extend(all.filter(|one| fits(&one.id, &one.name)));
    }
    found.truncate(CANDIDATES_MAX);
    found
}

/// A request's whole id, or a beginning that fits one request only.
async fn request_id(state: &ApiState, text: &str) -> Result<RequestId, Problem> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let beginning = text.to_ascii_lowercase();
    let Reply::Requests(requests) = ask(state, Command::Requests).await? else { return Err(Fault::Internal.into()) };
    let mut fits = requests.iter().map(|view| view.request).filter(|id| !beginning.is_empty() && id.to_string().starts_with(&beginning));
    match (fits.next(), fits.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(CommandError::NotFound.into()),
        (Some(_), Some(_)) => {
            Err(Problem { fault: Fault::Command(CommandError::Ambiguous), candidates: candidates(state, &beginning).await })
        }
    }
}

/// `GET /api/v1/openapi.json`
pub async fn description() -> axum::Json<Value> {
    axum::Json(openapi::document())
}

/// `GET /api/v1/events`
pub async fn events(State(state): State<ApiState>, headers: HeaderMap) -> Response {
    let last_id = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    Sse::new(state.log().stream(last_id)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}

/// `GET /api/v1/identity`
pub async fn identity(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Identity).await
}

/// `GET /api/v1/identity/qr`
pub async fn identity_qr(State(state): State<ApiState>) -> Result<Response, Problem> {
    let Reply::Identity(view) = ask(&state, Command::Identity).await? else { return Err(Fault::Internal.into()) };
    let qr = Qr::link(&view.id.to_string()).ok_or(Fault::Internal)?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], qr.svg()).into_response())
}

/// Body of [`set_name`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameBody {
    name: String,
}

/// `PUT /api/v1/identity/name`
pub async fn set_name(State(state): State<ApiState>, Json(body): Json<NameBody>) -> Answer {
    answer(&state, Command::SetName(body.name)).await
}

/// Body of [`invite`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InviteBody {
    expires_in: Option<u64>,
    #[serde(default)]
    no_ip: bool,
    #[serde(default)]
    auto_accept: bool,
}

/// `POST /api/v1/invites`
pub async fn invite(State(state): State<ApiState>, Json(body): Json<InviteBody>) -> Answer {
    let lifetime = body.expires_in.map_or(INVITE_LIFETIME, |seconds| seconds.saturating_mul(1_000));
    answer(&state, Command::Invite { lifetime, no_ip: body.no_ip, auto_accept: body.auto_accept }).await
}

/// `GET /api/v1/invites`
pub async fn invites(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Invites).await
}

/// `POST /api/v1/invites/{invite}/revoke`
pub async fn invite_revoke(State(state): State<ApiState>, Path(invite): Path<String>) -> Answer {
    answer(&state, Command::InviteRevoke(invite)).await
}

/// `GET /api/v1/requests`
pub async fn requests(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Requests).await
}

/// Body of [`add`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddBody {
    target: String,
    note: Option<String>,
}

/// `POST /api/v1/requests`
pub async fn add(State(state): State<ApiState>, Json(body): Json<AddBody>) -> Answer {
    answer(&state, Command::Add { target: body.target, note: body.note }).await
}

/// `POST /api/v1/requests/{request}/accept`
pub async fn accept(State(state): State<ApiState>, Path(request): Path<String>) -> Answer {
    let request = request_id(&state, &request).await?;
    answer(&state, Command::Accept(request)).await
}

/// `POST /api/v1/requests/{request}/ignore`
pub async fn ignore(State(state): State<ApiState>, Path(request): Path<String>) -> Answer {
    let request = request_id(&state, &request).await?;
    answer(&state, Command::Ignore(request)).await
}

/// `POST /api/v1/requests/{request}/cancel`
pub async fn cancel(State(state): State<ApiState>, Path(request): Path<String>) -> Answer {
    let request = request_id(&state, &request).await?;
    answer(&state, Command::Cancel(request)).await
}

/// Body of [`block`] and [`unblock`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoBody {
    who: String,
}

/// `POST /api/v1/block`
pub async fn block(State(state): State<ApiState>, Json(body): Json<WhoBody>) -> Answer {
    or_request(&state, &body.who, Command::Block).await
}

/// `POST /api/v1/unblock`
pub async fn unblock(State(state): State<ApiState>, Json(body): Json<WhoBody>) -> Answer {
    or_request(&state, &body.who, Command::Unblock).await
}

/// As typed; where nobody has that name, as the beginning of a request's id.
async fn or_request(state: &ApiState, who: &str, command: fn(Who) -> Command) -> Answer {
    match answer_about(state, who, command(Who(who.to_owned()))).await {
        Err(problem) if problem.fault == Fault::Command(CommandError::NotFound) => {
            let request = request_id(state, who).await?;
            answer(state, command(Who(request.to_string()))).await
        }
        other => other,
    }
}

/// `GET /api/v1/friends`
pub async fn friends(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Friends).await
}

/// Body of [`rename`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenameBody {
    friend: String,
    name: String,
}

/// `POST /api/v1/friends/rename`
pub async fn rename(State(state): State<ApiState>, Json(body): Json<RenameBody>) -> Answer {
    let command = Command::Rename { friend: Who(body.friend.clone()), name: body.name };
    answer_about(&state, &body.friend, command).await
}

/// Body of [`introduce`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntroduceBody {
    asker: String,
    target: String,
    #[serde(default)]
    note: Option<String>,
}

/// `POST /api/v1/introductions`
pub async fn introduce(State(state): State<ApiState>, Json(body): Json<IntroduceBody>) -> Answer {
    let IntroduceBody { asker, target, note } = body;
    let command = Command::Introduce { asker: Who(asker.clone()), target: Who(target.clone()), note };
    match answer_about(&state, &asker, command).await {
        // Which of the two it is, is not said: those that either could mean.
        Err(problem) if problem.fault == Fault::Command(CommandError::Ambiguous) => {
            let more = candidates(&state, &target).await;
            let mut all = problem.candidates;
            all.extend(more);
            all.truncate(CANDIDATES_MAX);
            Err(Problem { fault: problem.fault, candidates: all })
        }
        other => other,
    }
}

/// Body of [`hide`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HideBody {
    friend: String,
    hidden: bool,
}

/// `POST /api/v1/friends/hide`
pub async fn hide(State(state): State<ApiState>, Json(body): Json<HideBody>) -> Answer {
    let HideBody { friend, hidden } = body;
    answer_about(&state, &friend, Command::Hide { friend: Who(friend.clone()), hidden }).await
}

/// Body of [`unfriend`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnfriendBody {
    friend: String,
}

/// `POST /api/v1/friends/unfriend`
pub async fn unfriend(State(state): State<ApiState>, Json(body): Json<UnfriendBody>) -> Answer {
    answer_about(&state, &body.friend, Command::Unfriend(Who(body.friend.clone()))).await
}

/// Body of [`verify`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    friend: String,
    words: Option<String>,
}

/// `POST /api/v1/friends/verify`
pub async fn verify(State(state): State<ApiState>, Json(body): Json<VerifyBody>) -> Answer {
    let command = Command::Verify { friend: Who(body.friend.clone()), words: body.words };
    answer_about(&state, &body.friend, command).await
}

/// Query of [`messages`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessagesQuery {
    who: Option<String>,
    since: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/messages`
pub async fn messages(State(state): State<ApiState>, Query(query): Query<MessagesQuery>) -> Answer {
    history(&state, query.who, query.since, query.limit, true).await
}

/// Body of [`read`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadBody {
    who: Option<String>,
    since: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    peek: bool,
}

/// `POST /api/v1/messages/read`
pub async fn read(State(state): State<ApiState>, Json(body): Json<ReadBody>) -> Answer {
    history(&state, body.who, body.since, body.limit, body.peek).await
}

async fn history(state: &ApiState, who: Option<String>, since: Option<String>, limit: Option<usize>, peek: bool) -> Answer {
    let since = since.map(|id| message_id(&id)).transpose()?;
    let name = who.clone().unwrap_or_default();
    answer_about(state, &name, Command::Read { who: who.map(Who), since, limit, peek }).await
}

fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse().map_err(|_| CommandError::NotFound.into())
}

/// Body of [`send`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendBody {
    to: String,
    text: String,
    lifetime_seconds: Option<u64>,
}

/// `POST /api/v1/messages`
pub async fn send(State(state): State<ApiState>, Json(body): Json<SendBody>) -> Answer {
    let lifetime = body.lifetime_seconds.map(|seconds| seconds.saturating_mul(1_000));
    answer_about(&state, &body.to, Command::Send { to: Who(body.to.clone()), text: body.text, lifetime }).await
}

/// Query of [`search`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchQuery {
    text: String,
    before: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/messages/search`
pub async fn search(State(state): State<ApiState>, Query(query): Query<SearchQuery>) -> Answer {
    let before = query.before.map(|id| message_id(&id)).transpose()?;
    answer(&state, Command::Search { text: query.text, before, limit: query.limit }).await
}

/// `GET /api/v1/messages/{message}`
pub async fn message(State(state): State<ApiState>, Path(message): Path<String>) -> Answer {
    answer(&state, Command::Message(message_id(&message)?)).await
}

/// Query of [`wait`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitQuery {
    state: String,
    timeout: Option<u64>,
}

/// Longest wait of one [`wait`], in seconds: well below the request time-out.
pub const WAIT_MAX: u64 = 25;

/// `GET /api/v1/messages/{message}/wait`
pub async fn wait(State(state): State<ApiState>, Path(message): Path<String>, Query(query): Query<WaitQuery>) -> Answer {
    let id = message_id(&message)?;
    let wanted = views::parse_message_state(&query.state).ok_or(Fault::BadRequest)?;
    let limit = Duration::from_secs(query.timeout.unwrap_or(WAIT_MAX).min(WAIT_MAX));
    let deadline = Instant::now() + limit;
    // Subscribed before the first look, so that no change falls between.
    let mut events = state.node().subscribe();
    loop {
        let Reply::Message(view) = ask(&state, Command::Message(id)).await? else { return Err(Fault::Internal.into()) };
        let reached = has_reached(&view, wanted);
        if reached || view.state == MessageState::Failed {
            return Ok(waited(view, reached));
        }
        let changed = async {
            loop {
                match events.recv().await {
                    Ok(event) if event.event == (Event::MessageState { message: id }) => return true,
                    Ok(_) => {}
                    // Events were missed; this one may have been among them.
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return true,
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return false,
                }
            }
        };
        tokio::select! {
            changed = changed => if !changed { return Err(Fault::Stopping.into()) },
            () = state.node().stopping() => return Err(Fault::Stopping.into()),
            () = tokio::time::sleep_until(deadline) => return Ok(waited(view, false)),
        }
    }
}

fn has_reached(view: &MessageView, wanted: MessageState) -> bool {
    // A delivered message may never have been stored elsewhere: it got further.
    view.state == wanted || (view.state != MessageState::Failed && wanted != MessageState::Failed && view.state > wanted)
}

fn waited(view: MessageView, reached: bool) -> axum::Json<Value> {
    let mut value = views::reply(&Reply::Message(view));
    if let Some(object) = value.as_object_mut() {
        object.insert("reached".to_owned(), Value::Bool(reached));
    }
    axum::Json(value)
}

/// `GET /api/v1/relays`
pub async fn relays(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Relays).await
}

/// Body of [`relay_add`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayBody {
    link: String,
    claim: Option<String>,
}

/// `POST /api/v1/relays`
pub async fn relay_add(State(state): State<ApiState>, Json(body): Json<RelayBody>) -> Answer {
    answer(&state, Command::RelayAdd { link: body.link, claim: body.claim }).await
}

/// `POST /api/v1/device/confirm`
pub async fn device_confirm(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::DeviceConfirm).await
}

/// Body of [`device_resend`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResendBody {
    friend: String,
}

/// `POST /api/v1/device/resend`
pub async fn device_resend(State(state): State<ApiState>, Json(body): Json<ResendBody>) -> Answer {
    answer(&state, Command::DeviceResend(Who(body.friend))).await
}

/// Body of [`relay_claim`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayClaimBody {
    code: String,
}

/// `POST /api/v1/relays/claim`
pub async fn relay_claim(State(state): State<ApiState>, Json(body): Json<RelayClaimBody>) -> Answer {
    answer(&state, Command::RelayClaim(body.code)).await
}

/// Body of [`relay_remove`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayRemoveBody {
    relay: String,
}

/// `POST /api/v1/relays/remove`
pub async fn relay_remove(State(state): State<ApiState>, Json(body): Json<RelayRemoveBody>) -> Answer {
    answer(&state, Command::RelayRemove(body.relay)).await
}

/// `GET /api/v1/lookups`
pub async fn lookups(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Lookups).await
}

/// Body of [`lookup_add`] and [`lookup_remove`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupBody {
    lookup: String,
}

impl LookupBody {
    fn address(&self) -> Result<Address, Problem> {
        server_address_from_text(self.lookup.trim()).ok_or(CommandError::BadAddress.into())
    }
}

/// `POST /api/v1/lookups`
pub async fn lookup_add(State(state): State<ApiState>, Json(body): Json<LookupBody>) -> Answer {
    answer(&state, Command::LookupAdd(body.address()?)).await
}

/// `POST /api/v1/lookups/remove`
pub async fn lookup_remove(State(state): State<ApiState>, Json(body): Json<LookupBody>) -> Answer {
    answer(&state, Command::LookupRemove(body.address()?)).await
}

/// Body of [`set_findable`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindableBody {
    findable: bool,
}

/// `POST /api/v1/identity/findable`
pub async fn set_findable(State(state): State<ApiState>, Json(body): Json<FindableBody>) -> Answer {
    answer(&state, Command::SetFindable(body.findable)).await
}

/// `GET /api/v1/status`
pub async fn status(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Status).await
}

/// `GET /api/v1/doctor`
pub async fn doctor(State(state): State<ApiState>) -> Answer {
    let Reply::Doctor(core) = ask(&state, Command::Doctor).await? else { return Err(Fault::Internal.into()) };
    let health = state.node().health().clone();
    let facts = tokio::task::spawn_blocking(move || health.facts()).await.map_err(|_| Fault::Internal)?;
    let checks: Vec<Value> = examine(&core, &facts).iter().map(Check::view).collect();
    Ok(axum::Json(json!({ "checks": checks })))
}

/// `POST /api/v1/page-token`
pub async fn page_token(State(state): State<ApiState>) -> Answer {
    let token = state.tokens().issue(Instant::now()).map_err(|_| Fault::Internal)?;
    Ok(axum::Json(json!({ "http": state.page_address(&token), "token": token.secret() })))
}

/// Body of [`session`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionBody {
    token: String,
}

/// `POST /api/v1/session`
pub async fn session(State(state): State<ApiState>, Brief(body): Brief<SessionBody>) -> Answer {
    let (now, wall) = (Instant::now(), SystemClock.now());
    // It writes a file.
    let traded = tokio::task::spawn_blocking(move || state.tokens().redeem(&body.token, now, wall));
    let traded = traded.await.map_err(|_| Fault::Internal)?.map_err(|_| Fault::Internal)?;
    let (session, expires) = traded.ok_or(Fault::Unauthorized)?;
    Ok(axum::Json(json!({ "session": session.secret(), "expires": views::time(expires) })))
}

/// Body of [`proof`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofBody {
    session: String,
    nonce: String,
}

/// `POST /api/v1/session/proof`
pub async fn proof(State(state): State<ApiState>, Brief(body): Brief<ProofBody>) -> Answer {
    let proof = state.tokens().proof(&body.session, &body.nonce, SystemClock.now()).ok_or(Fault::Unauthorized)?;
    Ok(axum::Json(json!({ "proof": proof })))
}

/// `POST /api/v1/sessions/end`
pub async fn end_sessions(State(state): State<ApiState>) -> Answer {
    let ended = tokio::task::spawn_blocking(move || state.tokens().end_sessions()).await.map_err(|_| Fault::Internal)?;
    Ok(axum::Json(json!({ "ended": ended })))
}

/// `POST /api/v1/stop`
pub async fn stop(State(state): State<ApiState>) -> Response {
    state.node().stop();
    (StatusCode::ACCEPTED, axum::Json(json!({ "stopping": true }))).into_response()
}
