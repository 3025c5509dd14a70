//! A page of the tour as steps, and how what was said is compared with what is printed. Pure.

/// A page: what the server is told, and what is typed.
pub(crate) struct Page {
    pub(crate) settings: String,
    pub(crate) steps: Vec<Step>,
}

/// A command and what it must say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) who: String,
    pub(crate) command: String,
    pub(crate) output: Vec<String>,
    pub(crate) code: i32,
}

impl Page {
    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self { settings: String::new(), steps: Vec::new() };
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let block: Vec<&str> = match line {
                "```toml" | "```console" => lines.by_ref().take_while(|line| *line != "```").collect(),
                _ => continue,
            };
            if line == "```toml" {
                page.settings = block.join("\n");
            } else {
                block.into_iter().for_each(|line| page.read(line));
            }
        }
        page
    }

    fn read(&mut self, line: &str) {
        if let Some((who, command)) = typed(line) {
            let (who, command) = (who.to_owned(), command.to_owned());
            return self.steps.push(Step { who, command, output: Vec::new(), code: 0 });
        }
        let step = self.steps.last_mut().expect("a block begins with a command");
        match line.strip_prefix("[exit ").and_then(|rest| rest.strip_suffix(']')?.parse().ok()) {
            Some(code) => step.code = code,
            // The next line of a command that goes on.
            None if step.command.ends_with('\\') => {
                step.command.push('\n');
                step.command.push_str(line);
            }
            None => step.output.push(line.to_owned()),
        }
    }
}

/// `who$ command`.
fn typed(line: &str) -> Option<(&str, &str)> {
    let (who, command) = line.split_once("$ ")?;
    ["ada", "bob", "cyd", "server"].contains(&who).then_some((who, command))
}

/// Whether `said` is what `printed` stands for.
pub(crate) fn matches(printed: &[String], said: &[String]) -> bool {
    match (printed.split_first(), said.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "…" => {
            matches(rest, said) || said.split_first().is_some_and(|(_, later)| matches(printed, later))
        }
        (Some((first, rest)), Some((line, later))) => fits(first, line) && matches(rest, later),
        _ => false,
    }
}

/// The same with a line and its `…`.
fn fits(printed: &str, line: &str) -> bool {
    let printed = printed.trim_end();
    let mut parts = printed.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.trim_end().strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    let mut open = false;
    while let Some(part) = parts.next() {
        open = true;
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    open || rest.is_empty()
}

#[test]
fn a_page_becomes_steps() {
    let page = Page::parse(
        "# x\n```toml\na = 1\n```\n```console\nada$ one \\\n  more\nout\n[exit 4]\nbob$ two\n```\n",
    );
    let step = |who: &str, command: &str, output: &[&str], code| Step {
        who: who.into(),
        command: command.into(),
        output: output.iter().map(|line| (*line).to_owned()).collect(),
        code,
    };
    assert_eq!(page.settings, "a = 1");
    assert_eq!(page.steps, [step("ada", "one \\\n  more", &["out"], 4), step("bob", "two", &[], 0)]);
}

#[test]
fn what_was_said_is_compared_line_by_line() {
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    for (printed, said, same) in [
        ("a\nb", "a\nb", true),
        ("a\nb", "a", false),
        ("a … c", "a b c", true),
        ("a … c", "a b d", false),
        ("…", "", true),
        ("…\nend", "1\n2\nend", true),
        ("…\nend", "1\n2", false),
        ("at …: x…", "at 12:30: x", true),
        ("abc", "ab", false),
    ] {
        assert_eq!(matches(&lines(printed), &lines(said)), same, "{printed:?} {said:?}");
    }
}
