//! `away`, `back`, `settings`, `receipts`: being there, and who may know it.

use quipu_client::Presence;
use quipu_client::protocol::AwayText;
use quipu_client::protocol::inbox::PresenceState;
use quipu_client::protocol::request::{MemberInfo, Settings as Wanted};

use super::args::{Away, OneRoom, Settings};
use super::clock::distance;
use super::context::{Context, now_ms};
use super::exit::Failure;
use super::out::{Out, note};
use super::{record, render, room};

/// Says that this person is elsewhere, on all their devices.
pub(crate) async fn away(context: &Context, out: &mut Out, args: Away) -> Result<(), Failure> {
    let text = text(&args.text.join(" "))?;
    appear(context, out, Presence::Away(text)).await
}

/// Says that they are here again.
pub(crate) async fn back(context: &Context, out: &mut Out) -> Result<(), Failure> {
    appear(context, out, Presence::Online).await
}

/// What somebody says about being away; nothing is no text.
pub(crate) fn text(words: &str) -> Result<Option<AwayText>, Failure> {
    match words.trim() {
        "" => Ok(None),
        words => words.parse().map(Some).map_err(|error| Failure::Usage(format!("{error}"))),
    }
}

async fn appear(context: &Context, out: &mut Out, presence: Presence) -> Result<(), Failure> {
    let session = context.start().await?;
    let connections = session.client.appear_everywhere(presence.clone()).await?;
    // This command's own connection ends with it.
    let others = connections.saturating_sub(1);
    if out.is_json() {
        return out.record(&record::presence(&presence, others));
    }
    note(match &presence {
        Presence::Away(Some(text)) => format!("away: {}", render::line(text.as_str())),
        Presence::Away(None) => "away".into(),
        _ => "here".into(),
    });
    if others == 0 {
        note("none of your devices is connected now: others see you offline");
    }
    Ok(())
}

/// Shows this account's settings, or changes some.
pub(crate) async fn settings(context: &Context, out: &mut Out, args: Settings) -> Result<(), Failure> {
    let session = context.start().await?;
    let wanted =
        Wanted { receipts: args.receipts.map(Into::into), last_seen: args.last_seen.map(Into::into) };
    let settings = match wanted == Wanted::default() {
        true => session.client.settings().await?,
        false => session.client.change_settings(wanted).await?,
    };
    if out.is_json() {
        return out.record(&record::settings(&settings));
    }
    let rows = [
        (
            "receipts",
            settings.receipts,
            "tell how far you have read, and be told it by those who tell it too",
        ),
        ("last-seen", settings.last_seen, "tell when you were last there"),
    ];
    let word = |on: Option<bool>| if on == Some(true) { "on" } else { "off" };
    rows.into_iter().try_for_each(|(name, on, what)| out.text(&format!("{name:<10} {:<4} {what}", word(on))))
}

/// Shows how far others have read in a room.
pub(crate) async fn receipts(context: &Context, out: &mut Out, args: OneRoom) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = room::find(&session.client, &args.room).await?;
    let mut rows = session.client.receipts(room.id).await?;
    rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
    let mut names = session.names();
    names.fetch(&session.client, rows.iter().map(|row| row.user)).await;
    let records: Vec<_> = rows.iter().map(|row| record::receipt(&room, row, names.get(row.user))).collect();
    out.rows(&records, |at| vec![names.label(rows[at].user), format!("[{}]", rows[at].seq)])?;
    if rows.is_empty() && !out.is_json() {
        note("nobody here tells how far they have read");
    }
    Ok(())
}

/// How a member is there, for people; empty when they are not, or when that is not told.
pub(crate) fn standing(member: &MemberInfo) -> String {
    match (member.presence, &member.away_text, member.last_seen_ms) {
        (Some(PresenceState::AWAY), Some(text), _) => format!("away: {}", render::line(text.as_str())),
        (_, _, Some(at_ms)) => format!("last seen {}", distance(at_ms, now_ms())),
        (Some(PresenceState::OFFLINE) | None, _, _) => String::new(),
        (Some(state), _, _) => state.word().into(),
    }
}

/// Who is here, who is not, and who may be either.
pub(crate) fn who_is_where(members: &[MemberInfo]) -> String {
    let here = members.iter().filter(|member| member.online).map(|member| {
        match (standing(member), member.presence) {
            (_, Some(PresenceState::ONLINE)) => member.nickname.to_string(),
            (standing, _) => format!("{} ({standing})", member.nickname),
        }
    });
    let here = here.collect::<Vec<_>>().join(", ");
    let names = |presence: Option<PresenceState>| {
        let members = members.iter().filter(|member| !member.online && member.presence == presence);
        members.map(|member| member.nickname.as_str()).collect::<Vec<_>>().join(", ")
    };
    let parts = [("here", here), ("not here", names(Some(PresenceState::OFFLINE))), ("members", names(None))];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    format!("-- {}", parts.map(|(what, names)| format!("{what}: {names}")).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_client::protocol::UserId;
    use quipu_client::protocol::request::MembershipState;

    #[test]
    fn a_text_is_plain_and_short_or_none() {
        assert_eq!(text("  ").unwrap(), None);
        assert_eq!(text(" at lunch ").unwrap().unwrap().as_str(), "at lunch");
        for bad in ["a\u{1b}[2J", "a\u{202e}b", &"x".repeat(129)] {
            assert_eq!(text(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }

    #[test]
    fn people_are_here_or_not_or_it_is_not_told() {
        let member = |name: &str, presence: Option<u64>, text: Option<&str>| MemberInfo {
            user: UserId::from_bytes([1; 16]),
            nickname: name.parse().unwrap(),
            role: quipu_client::protocol::request::RoomRole::MEMBER,
            membership: MembershipState::JOINED,
            online: presence > Some(0),
            permissions: None,
            presence: presence.map(PresenceState),
            away_text: text.map(|text| text.parse().unwrap()),
            last_seen_ms: None,
        };
        let members = [
            member("ada", Some(1), None),
            member("bob", Some(3), Some("at lunch")),
            member("cyd", Some(2), None),
            member("dan", Some(0), None),
            member("eve", None, None),
        ];
        let said = "-- here: ada, bob (away: at lunch), cyd (idle); not here: dan; members: eve";
        assert_eq!(who_is_where(&members), said);
        assert_eq!(who_is_where(&members[..1]), "-- here: ada");
    }
}
