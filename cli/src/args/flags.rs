//! What looks like a flag and may have been meant as a text.

/// What stands where the text of `send` could stand, and is a flag: nobody can know what was meant.
pub fn flag_for_text(arguments: &[String]) -> Option<&str> {
    let mut words = arguments.iter().map(String::as_str).skip_while(|word| *word != "send").skip(1);
    let mut has_name = false;
    while let Some(word) = words.next() {
        match word {
            "--" => return None,
            "--data" | "--expires" | "--wait" | "--timeout" => {
                words.next();
            }
            "--help" | "--json" | "--verbose" if has_name => return Some(word),
            _ if word.starts_with("--") => {}
            _ if word.len() > 1 && word.starts_with('-') && word.chars().skip(1).all(|c| "hv".contains(c)) => {
                if has_name {
                    return Some(word);
                }
            }
            // The text stands there.
            _ if has_name => return None,
            _ => has_name = true,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_in_the_place_of_the_text_is_seen() {
        let seen = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            flag_for_text(&words).map(str::to_owned)
        };
        for (line, flag) in [
            ("send Ben -h", Some("-h")),
            ("--data send send Ben x", None),
            ("send --wait stored Ben --json", Some("--json")),
            ("send Ben --expires 7d -vv", Some("-vv")),
            ("send -v Ben hi", None),
            ("send Ben hi --json", None),
            ("send Ben -- -h", None),
            ("send --help", None),
            ("send Ben -hello", None),
            ("send Ben -", None),
            ("read Ben -h", None),
        ] {
            assert_eq!(seen(line).as_deref(), flag, "{line}");
        }
    }
}
