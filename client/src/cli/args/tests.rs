//! What is understood, and what is not.

use super::*;
use clap::CommandFactory as _;

const MANUAL: &str = include_str!("../../../../docs/CLI.md");

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_manual_names_every_command_and_every_option() {
    fn check(command: &clap::Command, path: &str) {
        assert!(MANUAL.contains(&format!("`{path}")), "docs/CLI.md does not explain `{path}`");
        for option in command.get_arguments().filter_map(clap::Arg::get_long) {
            if !["help", "version"].contains(&option) {
                assert!(MANUAL.contains(&format!("`--{option}")), "docs/CLI.md does not explain --{option}");
            }
        }
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            check(inner, &format!("{path} {}", inner.get_name()));
        }
    }
    check(&Cli::command(), "quipu");
}

#[test]
fn commands_are_understood() {
    for good in [
        "quipu join quipu://a/#x --nick maria --device-name laptop --yes",
        "quipu join -",
        "quipu send lobby hello world",
        "quipu send #lobby -",
        "quipu send @maria --each-line",
        "quipu send lobby --file notes.txt --each-line --id import",
        "quipu send lobby - --reply-to 4 --wait queued --timeout 3s",
        "quipu tail",
        "quipu tail lobby @maria --json --since 1.42 --until-caught-up --limit 3 --own",
        "quipu history lobby --before 9 --limit 500",
        "quipu who lobby --json",
        "quipu history lobby --around 9",
        "quipu search backup done --without old --room lobby --room @maria --from ada --since 1h --until 2026-11-23T09:15:00Z",
        "quipu search --from ada --has-file --limit 5 --json --next 1.07070707070707070707070707070707.3",
        "quipu search backup -- -old",
        "quipu away",
        "quipu away back at two --json",
        "quipu back",
        "quipu settings --receipts on --last-seen off",
        "quipu receipts #lobby",
        "quipu read lobby",
        "quipu read lobby 42",
        "quipu unread @maria 42 --json",
        "quipu notify lobby",
        "quipu notify lobby nothing",
        "quipu mentions --unread --limit 5",
        "quipu invite new --uses 3 --expires 48h --room lobby --role guest --qr",
        "quipu invite new --device",
        "quipu devices",
        "quipu devices revoke 00112233445566778899aabbccddeeff",
        "quipu --profile work --data-dir d whoami",
        "quipu doctor - --json",
        "quipu completions bash",
        "quipu role ops bob moderator --reason trusted",
        "quipu permissions ops bob read send pin",
        "quipu permissions ops bob --of-role",
        "quipu ban ops bob --for 2h --reason spam",
        "quipu room set ops --slow 30s --read-only on",
        "quipu purge-user bob --everywhere",
        "quipu retention show ops",
        "quipu retention set ops --age 30d --count 1000 --bytes 0 --life 1h --reason full",
        "quipu send ops soon gone --expires 1h",
        "quipu delete-room ops --confirm ops --reason over",
        "quipu delete-account --confirm ada --erase --reason moved",
        "quipu export --files d",
        "quipu report ops 12 spam",
        "quipu send ops yes --thread 3 --mention bob --mention cyd --mention-room",
        "quipu edit ops 4 better words --mention bob",
        "quipu redact ops 4 --reason rude",
        "quipu react ops 4 👍",
        "quipu unreact @bob 4 +1 --json",
        "quipu topic ops",
        "quipu topic ops --none",
        "quipu rename ops #watch",
        "quipu history ops --thread 3 --limit 5",
        "quipu audit --limit 5",
    ] {
        assert!(parse(good).is_ok(), "{good}: {:?}", parse(good).err().map(|error| error.to_string()));
    }
}

#[test]
fn mistakes_end_with_the_usage_code() {
    for bad in [
        "quipu",
        "quipu dance",
        "quipu send lobby",
        "quipu send Lobby hello",
        "quipu send lobby hello --file f",
        "quipu send lobby --each-line --reply-to 3",
        "quipu send lobby hi --timeout 10",
        "quipu tail --since yesterday",
        "quipu tail --limit 0",
        "quipu history lobby --before 3 --after 1",
        "quipu history lobby --limit 5001",
        "quipu history lobby --around 3 --before 1",
        "quipu search x --since yesterday",
        "quipu search x --next 12",
        "quipu invite new --device --room lobby",
        "quipu invite new --role owner",
        "quipu devices revoke 12",
        "quipu whoami --profile ../x",
        "quipu role ops bob king",
        "quipu permissions ops bob fly",
        "quipu permissions ops bob read --of-role",
        "quipu room set ops",
        "quipu room set ops --read-only perhaps",
        "quipu edit ops 4",
        "quipu react ops 0 +1",
        "quipu react ops 4 two words",
        "quipu topic ops x --none",
        "quipu rename ops Ops",
        "quipu purge-user bob",
        "quipu purge-user bob --everywhere --room ops",
        "quipu retention set ops",
        "quipu room set ops",
        "quipu send ops hi --expires soon",
        "quipu send ops hi --expires 1h --id key",
        "quipu delete-room ops",
        "quipu delete-account bob",
        "quipu settings --receipts maybe",
        "quipu receipts",
        "quipu unread lobby",
        "quipu notify lobby loud",
        "quipu mentions --limit 0",
    ] {
        assert_eq!(parse(bad).map(|_| ()).map_err(|error| error.exit_code()), Err(2), "{bad}");
    }
}
