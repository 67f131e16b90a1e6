//! How resources ask the node, and find whom a name or the beginning of an id means.

use super::errors::{CANDIDATES_MAX, Candidate, Fault, Problem, sought};
use super::state::ApiState;
use serde_json::Value;
use std::time::Duration;
use symbolon_core::command::{Command, CommandError, Reply};
use symbolon_core::names::{begins, is_same};
use symbolon_presence::id::RequestId;
use tokio::time::Instant;

/// What every handler answers.
pub type Answer = Result<axum::Json<Value>, Problem>;

/// How a resource shows a reply; `None` for one that is not its own.
pub type Show = fn(&Reply) -> Option<Value>;

/// Hands the node a command.
pub async fn ask(state: &ApiState, command: Command) -> Result<Reply, Problem> {
    let sought = sought::of(&command);
    match state.node().command(command).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(CommandError::NotFound)) => Err(Problem { sought, ..CommandError::NotFound.into() }),
        Ok(Err(error)) => Err(error.into()),
        Err(_stopped) => Err(Fault::Stopping.into()),
    }
}

/// Hands the node a command, and shows what it replies.
pub async fn answer(state: &ApiState, command: Command, show: Show) -> Answer {
    let reply = ask(state, command).await?;
    Ok(axum::Json(show(&reply).ok_or(Fault::Internal)?))
}

/// Like [`answer`]; an ambiguous name comes back with the ids that it could mean.
pub async fn answer_about(state: &ApiState, who: &str, command: Command, show: Show) -> Answer {
    match answer(state, command, show).await {
        Err(problem) if problem.is_ambiguous() => Err(Problem { candidates: candidates(state, who).await, ..problem }),
        other => other,
    }
}

/// Everybody whom a name or the beginning of an id could mean.
pub async fn candidates(state: &ApiState, who: &str) -> Vec<Candidate> {
    let who = who.trim();
    let beginning = who.to_ascii_lowercase();
    let fits = |one: &Candidate| (!beginning.is_empty() && one.id.starts_with(&beginning)) || is_same(&one.name, who);
    let mut all = Vec::new();
    if let Ok(Reply::Friends(friends)) = ask(state, Command::Friends).await {
        all.extend(friends.into_iter().map(|friend| Candidate { id: friend.id.to_string(), name: friend.name }));
    }
    if let Ok(Reply::Rooms(rooms)) = ask(state, Command::Rooms).await {
        all.extend(rooms.into_iter().map(|room| Candidate { id: room.room.to_string(), name: room.name }));
    }
    if let Ok(Reply::Requests(requests)) = ask(state, Command::Requests).await {
        all.extend(requests.into_iter().map(|request| Candidate { id: request.request.to_string(), name: request.name }));
    }
    // A beginning of a name counts only where nothing has the whole of it.
    let has_whole = all.iter().any(fits);
    all.retain(|one| if has_whole { fits(one) } else { begins(&one.name, who) });
    all.truncate(CANDIDATES_MAX);
    all
}

/// A request's whole id, or a beginning that fits one request only.
pub async fn request_id(state: &ApiState, text: &str) -> Result<RequestId, Problem> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let beginning = text.to_ascii_lowercase();
    let Reply::Requests(requests) = ask(state, Command::Requests).await? else { return Err(Fault::Internal.into()) };
    let mut fits = requests.iter().map(|view| view.request).filter(|id| !beginning.is_empty() && id.to_string().starts_with(&beginning));
    match (fits.next(), fits.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(Problem { sought: Some(sought::REQUEST), ..CommandError::NotFound.into() }),
        (Some(_), Some(_)) => Err(Problem { candidates: candidates(state, &beginning).await, ..CommandError::Ambiguous.into() }),
    }
}

/// Asks again and again for what the node is about to know, while the reply says that it waits, at most for so long. The
/// last reply is answered.
pub async fn ask_while(
    state: &ApiState,
    command: impl Fn() -> Command,
    (patience, pause): (Duration, Duration),
    waits: impl Fn(&Reply) -> bool,
) -> Result<Reply, Problem> {
    let begin = Instant::now();
    loop {
        let reply = ask(state, command()).await?;
        if !waits(&reply) || begin.elapsed() >= patience {
            return Ok(reply);
        }
        tokio::time::sleep(pause).await;
    }
}
