//! Samples of presence, receipts and settings.

use quipu_protocol::inbox::{
    PersonPresence, Presence, PresenceAnew, PresenceState, Receipts, SettingsChanged,
};
use quipu_protocol::request::{
    ChangeSettings, ListReceipts, MemberInfo, Members, MembershipState, PresenceSet, Receipt, ReceiptList,
    RoomRole, SetPresence, Settings, SettingsAnswer, ShowSettings,
};
use quipu_protocol::{List, Seq};

use super::{ADA, AT_MS, BOB, LOBBY, Sample, fits, frame, name};

pub fn samples() -> Vec<Sample> {
    let set = |state, text, everywhere| SetPresence { state, text, everywhere };
    let receipts = || vec![Receipt { user: ADA, seq: Seq(42) }, Receipt { user: BOB, seq: Seq(7) }];
    let settings = |receipts, last_seen| Settings { receipts, last_seen };
    let lunch = || Some(name("at lunch ☕"));
    let away = PersonPresence { user: BOB, state: PresenceState::AWAY, text: lunch() };
    let idle = PersonPresence { user: ADA, state: PresenceState::IDLE, text: None };
    let member = MemberInfo {
        user: BOB,
        nickname: name("bob"),
        role: RoomRole::MEMBER,
        membership: MembershipState::JOINED,
        online: true,
        permissions: None,
        presence: Some(PresenceState::AWAY),
        away_text: lunch(),
        last_seen_ms: None,
    };
    let gone = MemberInfo {
        online: false,
        presence: Some(PresenceState::OFFLINE),
        away_text: None,
        last_seen_ms: Some(AT_MS),
        ..member.clone()
    };
    vec![
        frame("presence-away", Presence { people: fits(List::new(vec![away, idle])) }),
        frame("presence-anew", PresenceAnew {}),
        frame("receipts", Receipts { room: LOBBY, rows: fits(List::new(receipts())) }),
        frame("settings-changed", SettingsChanged { settings: settings(Some(true), Some(false)) }),
        frame("members-presence", Members { members: fits(List::new(vec![member, gone])), more: false }),
        frame("set-presence", set(PresenceState::IDLE, None, None)),
        frame("set-presence-away", set(PresenceState::AWAY, lunch(), Some(true))),
        frame("presence-set", PresenceSet { connections: 2 }),
        frame("list-receipts", ListReceipts { room: LOBBY }),
        frame("receipt-list", ReceiptList { rows: fits(List::new(receipts())) }),
        frame("show-settings", ShowSettings {}),
        frame("change-settings", ChangeSettings { settings: settings(Some(true), None) }),
        frame("settings-answer", SettingsAnswer { settings: settings(None, Some(true)) }),
    ]
}
