//! `join`: from an invite to an account. What the link says is shown before anything is dialled.

use std::io::{self, IsTerminal as _};

use quipu_client::protocol::{DeviceName, Nickname};
use quipu_client::{Account, Client, ErrorCode, InvitePreview};
use tokio::sync::mpsc;

use super::args::Join;
use super::clock::distance;
use super::context::{Context, now_ms};
use super::exit::Failure;
use super::input::{Line, Source};
use super::out::{Out, ask, note};
use super::{record, render};

/// Redeems an invite.
pub(crate) async fn run(context: &Context, out: &mut Out, args: Join) -> Result<(), Failure> {
    let mut person = Person::new();
    let link = read_link(args.link, &mut person).await?;
    let preview = Client::preview(&link)?;
    show(&preview, now_ms());

    let client = context.open().await?;
    if let Some(account) = client.whoami().await? {
        note(format!("profile {} is {} on {}", context.profile, account.nickname, authority(&account)));
    }
    let device_name = args.device_name.unwrap_or_else(machine_name);
    let account = redeem(&client, &link, args.nick, &device_name, args.yes, &mut person).await?;

    if out.is_json() {
        return out.record(&record::account(&account, &context.profile));
    }
    note(format!("joined {} as {}", authority(&account), account.nickname));
    note("next: quipu rooms --all, quipu chat lobby");
    Ok(())
}

/// Asks for what is missing, and asks again while the nickname is taken.
async fn redeem(
    client: &Client,
    link: &str,
    mut nick: Option<Nickname>,
    device_name: &DeviceName,
    yes: bool,
    person: &mut Person,
) -> Result<Account, Failure> {
    let asked = nick.is_none();
    if !asked && !yes && person.is_there {
        person.confirm("Join this server? [Y/n] ").await?;
    }
    loop {
        let nickname = match nick.take() {
            Some(nickname) => nickname,
            // Giving a name is saying yes.
            None => person.nickname().await?,
        };
        match client.join(link, nickname.as_str(), device_name.as_str()).await {
            Err(error) if error.code == ErrorCode::NicknameTaken && asked => {
                note(format!("{nickname} is taken; choose another"));
            }
            result => return Ok(result?),
        }
    }
}

async fn read_link(link: String, person: &mut Person) -> Result<String, Failure> {
    if link != "-" {
        return Ok(link);
    }
    if person.is_there {
        ask("Invite link: ");
    }
    person.line().await?.ok_or_else(|| Failure::Usage("standard input has no invite link".into()))
}

fn show(preview: &InvitePreview, now_ms: u64) {
    let expiry = distance(preview.expires_ms, now_ms);
    let expired = preview.expires_ms <= now_ms;
    note("This invite leads to");
    note(format!("  server       {}, UDP port {}", render::line(&preview.host), preview.port));
    note(format!("  fingerprint  {}", preview.fingerprint));
    note(format!("  {}      {expiry}", if expired { "expired" } else { "expires" }));
}

/// Whoever sits at the terminal, or nobody.
struct Person {
    is_there: bool,
    lines: Option<mpsc::Receiver<Line>>,
}

impl Person {
    fn new() -> Self {
        Self { is_there: io::stdin().is_terminal() && io::stderr().is_terminal(), lines: None }
    }

    /// The next line of standard input; none when it ended.
    async fn line(&mut self) -> Result<Option<String>, Failure> {
        if self.lines.is_none() {
            self.lines = Some(Source::Stdin.lines()?);
        }
        let Some(lines) = &mut self.lines else {
            return Ok(None);
        };
        let Some(line) = lines.recv().await else {
            return Ok(None);
        };
        let text = line.content.text().map_err(|error| Failure::Usage(format!("standard input: {error}")))?;
        Ok(Some(text.trim().to_owned()))
    }

    async fn confirm(&mut self, question: &str) -> Result<(), Failure> {
        ask(question);
        match self.line().await?.as_deref() {
            Some("" | "y" | "Y" | "yes" | "Yes") => Ok(()),
            _ => Err(Failure::NotAllowed("not joined; nothing was sent".into())),
        }
    }

    async fn nickname(&mut self) -> Result<Nickname, Failure> {
        if !self.is_there {
            return Err(Failure::Usage("say what people shall call you: --nick NAME".into()));
        }
        loop {
            ask("Your nickname (Enter alone: do not join): ");
            match self.line().await?.as_deref() {
                None | Some("") => return Err(Failure::NotAllowed("not joined; nothing was sent".into())),
                Some(text) => match super::parse::nickname(text) {
                    Ok(nickname) => return Ok(nickname),
                    Err(error) => note(error.to_string()),
                },
            }
        }
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub(crate) fn authority(account: &Account) -> String {
    if account.host.contains(':') {
        format!("[{}]:{}", account.host, account.port)
    } else {
        format!("{}:{}", account.host, account.port)
    }
}

/// What this machine calls itself, as far as that is a device name.
fn machine_name() -> DeviceName {
    let variable = |name| std::env::var(name).ok();
    let candidates = [
        variable("HOSTNAME"),
        variable("COMPUTERNAME"),
        std::fs::read_to_string("/proc/sys/kernel/hostname").ok(),
        std::fs::read_to_string("/etc/hostname").ok(),
    ];
    let names = candidates.into_iter().flatten().filter_map(|name| name.trim().parse().ok());
    names.into_iter().next().unwrap_or_else(|| "terminal".parse().expect("eight letters are a device name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_a_name() {
        assert!(!machine_name().as_str().is_empty());
    }
}
