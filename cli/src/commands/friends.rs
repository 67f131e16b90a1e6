//! The end of a friendship.

use super::list::entries;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show;
use serde_json::{Value, json};

/// Ends a friendship, after a question at a terminal.
pub fn unfriend(client: &Client, output: Output, friend: &str, (yes, leave_rooms): (bool, bool)) -> Result<(), Failure> {
    if !yes && !output.json {
        if !output.can_ask() {
            return Err(Failure::new(
                "not_confirmed",
                "this ends a friendship, and without a terminal you cannot be asked",
                "Give --yes if that is meant.",
            ));
        }
        let question = format!(
            "End the friendship with {}? What waits for them is given up; they do not hear of it. History stays.{}",
            crate::text::line(friend),
            shared_rooms(client, friend, leave_rooms)?
        );
        if !output.ask(&question)? {
            return Err(Failure::declined());
        }
    }
    output.show(&client.post("/api/v1/friends/unfriend", &json!({ "friend": friend, "leave_rooms": leave_rooms }))?, show::unfriended)
}

/// What becomes of the rooms that both are in, for who is asked.
fn shared_rooms(client: &Client, friend: &str, leave_rooms: bool) -> Result<String, Failure> {
    let answer = client.get("/api/v1/rooms/with", &[("who", friend)])?;
    let rooms = entries(&answer, "rooms").filter_map(|room| room.get("name")).filter_map(Value::as_str);
    let rooms: Vec<String> = rooms.map(crate::text::line).collect();
    Ok(match (rooms.is_empty(), leave_rooms) {
        (true, _) => String::new(),
        (false, true) => format!(" You leave the rooms that both of you are in: {}.", rooms.join(", ")),
        (false, false) => format!(" You both stay in: {} (--leave-rooms leaves them).", rooms.join(", ")),
    })
}
