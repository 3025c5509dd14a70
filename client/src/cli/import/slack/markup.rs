//! Slack's way to write people, channels and links in a text, as plain text.

use std::collections::HashMap;

/// The text as people read it.
pub(super) fn plain(text: &str, names: &HashMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let Some(end) = rest[start..].find('>').map(|end| start + end) else { break };
        out.push_str(&rest[..start]);
        out.push_str(&reference(&rest[start + 1..end], names));
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    // The ampersand last: what it makes is no escape.
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// What stands between `<` and `>`.
fn reference(inner: &str, names: &HashMap<String, String>) -> String {
    let (target, label) =
        inner.split_once('|').map_or((inner, None), |(target, label)| (target, Some(label)));
    let label = label.filter(|label| !label.is_empty());
    match target.split_at_checked(1) {
        Some(("@", user)) => format!("@{}", names.get(user).map(String::as_str).or(label).unwrap_or(user)),
        Some(("#", channel)) => format!("#{}", label.unwrap_or(channel)),
        Some(("!", command)) => {
            let word = command.split('^').next().unwrap_or(command);
            label.map_or_else(|| format!("@{word}"), ToOwned::to_owned)
        }
        _ => match label {
            Some(label) if target.is_empty() => label.to_owned(),
            Some(label) if label != target && !target.ends_with(label) => format!("{label} ({target})"),
            _ => target.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_what_people_read() {
        let names = [("U1".to_owned(), "maria".to_owned())].into();
        for (text, expected) in [
            ("hi <@U1>, <@U2|bob>, <@U3>", "hi @maria, @bob, @U3"),
            ("see <#C1|general> and <#C2>", "see #general and #C2"),
            ("<!here> <!channel> <!subteam^S1|@team> <!date^1^{date}|today>", "@here @channel @team today"),
            ("<https://x.example/a?b=1&amp;c|the page>", "the page (https://x.example/a?b=1&c)"),
            ("<https://x.example> <http://x.example|x.example>", "https://x.example http://x.example"),
            ("a &lt;b&gt; &amp;lt; < c", "a <b> &lt; < c"),
            ("<>|<|x>", "|x"),
            ("größe <ä", "größe <ä"),
        ] {
            assert_eq!(plain(text, &names), expected, "{text}");
        }
    }
}
