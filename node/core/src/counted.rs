//! Numbers in sentences.

/// A number and what is counted: "1 friend", "2 friends".
#[must_use]
pub fn counted(count: impl TryInto<u64>, one: &str, more: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_all_else_is_more() {
        assert_eq!(["0 texts", "1 text", "2 texts"], [0_usize, 1, 2].map(|count| counted(count, "text", "texts")));
    }
}
