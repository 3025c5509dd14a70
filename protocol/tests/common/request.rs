//! Samples of REQUEST: every question and every answer, with and without what is optional.

use quipu_protocol::request::*;
use quipu_protocol::{Blob, Code, Entry, Ext, Incarnation, Kind, List, Refusal, Seq, Text};

use super::{ADA, AT_MS, BOB, INVITE, LAPTOP, LOBBY, PHONE, Sample, TEAM, at, fits, frame, item, name};

pub fn samples() -> Vec<Sample> {
    [reading(), rooms(), people(), invites(), devices(), search(), retention()]
        .into_iter()
        .flatten()
        .collect()
}

pub fn lobby() -> RoomInfo {
    RoomInfo {
        room: LOBBY,
        visibility: Visibility::PUBLIC,
        head: at(42),
        members: 2,
        membership: MembershipState::JOINED,
        role: RoomRole::MEMBER,
        name: Some(name("lobby")),
        topic: Some(name("for all")),
        peer: None,
        peer_nickname: None,
        permissions: Some(Permissions::READ.or(Permissions::SEND)),
        settings: Some(RoomSettings::default()),
        muted: None,
        retention: None,
        deleted: None,
    }
}

pub fn team() -> RoomInfo {
    RoomInfo {
        room: TEAM,
        visibility: Visibility::PRIVATE,
        membership: MembershipState::INVITED,
        role: RoomRole::READER,
        retention: Some(keeps_all()),
        deleted: Some(true),
        name: Some(name("team-4")),
        topic: None,
        permissions: None,
        settings: None,
        ..lobby()
    }
}

pub fn direct_room() -> RoomInfo {
    RoomInfo {
        visibility: Visibility::DIRECT,
        name: None,
        topic: None,
        peer: Some(BOB),
        peer_nickname: Some(name("bob")),
        settings: Some(RoomSettings {
            read_only: Some(true),
            invite_only: Some(false),
            slow_ms: Some(30_000),
        }),
        muted: Some(Muted { until_ms: Some(AT_MS) }),
        ..lobby()
    }
}

fn reading() -> Vec<Sample> {
    let open = |room, after, backlog| SubscribeRoom { room, after, backlog };
    let granted =
        |room, subscription| SubscribedRoom { room, subscription: Some(subscription), refusal: None };
    let history = |anchor| History { room: LOBBY, anchor, limit: 50, thread: None };
    let between = Anchor { kind: AnchorKind::BETWEEN, seq: Seq(10), to: Seq(20) };
    vec![
        frame(
            "subscribe-first",
            Subscribe { rooms: fits(List::new(vec![open(LOBBY, None, 100)])), priority: None },
        ),
        frame(
            "subscribe-resume",
            Subscribe {
                rooms: fits(List::new(vec![open(LOBBY, Some(at(41)), 500), open(TEAM, None, 0)])),
                priority: Some(1),
            },
        ),
        frame(
            "subscribed",
            Subscribed {
                rooms: fits(List::new(vec![
                    granted(LOBBY, 1),
                    SubscribedRoom {
                        room: TEAM,
                        subscription: None,
                        refusal: Some(Refusal::new(Code::NOT_FOUND)),
                    },
                ])),
            },
        ),
        frame("history-latest", history(Anchor::LATEST)),
        frame("history-before", history(Anchor::before(Seq(41)))),
        frame("history-after", history(Anchor::after(Seq(41)))),
        frame("history-around", history(Anchor::around(Seq(41)))),
        frame("history-between", history(between)),
        frame("history-thread", History { thread: Some(Seq(7)), ..history(Anchor::LATEST) }),
        frame(
            "page",
            Page {
                entries: 2,
                floor: Seq(1),
                head: Seq(42),
                more_before: true,
                more_after: false,
                incarnation: Incarnation(7),
            },
        ),
        frame("mark-read", MarkRead { room: LOBBY, seq: Seq(42) }),
        frame("done", Done {}),
    ]
}

fn rooms() -> Vec<Sample> {
    let create =
        |topic| CreateRoom { room: TEAM, name: name("team-4"), visibility: Visibility::PRIVATE, topic };
    let list = |mine, after, name| ListRooms { mine, after, name };
    let rooms = |rooms, more| Rooms { rooms: fits(List::new(rooms)), more };
    vec![
        frame("list-rooms", list(false, None, None)),
        frame("list-rooms-mine-after", list(true, Some(LOBBY), None)),
        frame("list-rooms-by-name", list(false, None, Some(name("lobby")))),
        frame("rooms-none", rooms(vec![], false)),
        frame("rooms", rooms(vec![lobby(), team(), direct_room()], true)),
        frame("create-room", create(None)),
        frame("create-room-topic", create(Some(name("what we do")))),
        frame("room-answer", RoomAnswer { info: lobby() }),
        item("muted-for-good", "muted", Muted { until_ms: None }),
        frame("join", Join { room: LOBBY }),
        frame("leave", Leave { room: LOBBY }),
        frame("direct", Direct { user: BOB }),
    ]
}

fn people() -> Vec<Sample> {
    let list = |after| ListMembers { room: LOBBY, after };
    let member = |user, nickname, role, online| MemberInfo {
        user,
        nickname: name(nickname),
        role,
        membership: MembershipState::JOINED,
        online,
        permissions: online.then_some(Permissions::ALL),
        presence: None,
        away_text: None,
        last_seen_ms: None,
    };
    let look_up = |users, nickname| LookUp { users: fits(List::new(users)), nickname };
    let user =
        |user, nickname, role, deactivated| UserInfo { user, nickname: name(nickname), role, deactivated };
    vec![
        frame("list-members", list(None)),
        frame("list-members-after", list(Some(ADA))),
        frame(
            "members",
            Members {
                members: fits(List::new(vec![
                    member(ADA, "Ada", RoomRole::OWNER, true),
                    member(BOB, "bob", RoomRole::MEMBER, false),
                ])),
                more: false,
            },
        ),
        frame("look-up-ids", look_up(vec![ADA, BOB], None)),
        frame("look-up-nickname", look_up(vec![], Some(name("ada")))),
        frame(
            "users",
            Users {
                users: fits(List::new(vec![
                    user(ADA, "Ada", ServerRole::OWNER, None),
                    user(BOB, "bob", ServerRole::GUEST, Some(true)),
                ])),
            },
        ),
        frame("invite-member", InviteMember { room: TEAM, user: BOB }),
        frame("remove-member", RemoveMember { room: TEAM, user: BOB, reason: None }),
        frame(
            "remove-member-why",
            RemoveMember { room: TEAM, user: BOB, reason: Some(fits(Text::new("because"))) },
        ),
    ]
}

fn invites() -> Vec<Sample> {
    let create =
        |room, role, own_device| CreateInvite { uses: 1, life_ms: 86_400_000, room, role, own_device };
    let info = |created_by, room| InviteInfo {
        invite: INVITE,
        uses_left: 0,
        expires_ms: AT_MS,
        revoked: false,
        redeemed_by: fits(List::new(vec![BOB])),
        created_by,
        room,
    };
    let list = |after| ListInvites { after };
    vec![
        frame("create-invite", create(None, None, None)),
        frame("create-invite-room", create(Some(TEAM), Some(ServerRole::GUEST), None)),
        frame("create-invite-device", create(None, None, Some(true))),
        frame(
            "invite-answer",
            InviteAnswer {
                invite: INVITE,
                secret: fits(Blob::new(super::signed::SECRET.to_vec())),
                expires_ms: AT_MS,
            },
        ),
        frame("list-invites", list(None)),
        frame("list-invites-after", list(Some(INVITE))),
        frame(
            "invites",
            Invites {
                invites: fits(List::new(vec![info(Some(ADA), Some(TEAM)), info(None, None)])),
                more: true,
            },
        ),
        frame("revoke-invite", RevokeInvite { invite: INVITE }),
    ]
}

fn devices() -> Vec<Sample> {
    let device = |device, device_name, online, revoked_ms| DeviceInfo {
        device,
        name: name(device_name),
        created_ms: AT_MS - 1_000,
        seen_ms: AT_MS,
        online,
        revoked_ms,
    };
    vec![
        frame("list-devices", ListDevices {}),
        frame(
            "devices",
            Devices {
                devices: fits(List::new(vec![
                    device(LAPTOP, "Ada's laptop", true, None),
                    device(PHONE, "old phone", false, Some(AT_MS)),
                ])),
            },
        ),
        frame("revoke-device", RevokeDevice { device: PHONE }),
    ]
}

fn search() -> Vec<Sample> {
    let words = |words: &str| fits(Text::new(words));
    let place = SearchPlace { at_ms: AT_MS, room: LOBBY, seq: Seq(41) };
    let all = Search {
        words: words("\"is done\" backup -old conf* 日本"),
        limit: 20,
        rooms: Some(fits(List::new(vec![LOBBY, TEAM]))),
        author: Some(ADA),
        since_ms: Some(AT_MS - 60_000),
        until_ms: Some(AT_MS + 1),
        has_file: Some(true),
        after: Some(place.clone()),
    };
    let plain = Search {
        words: words("backup"),
        rooms: None,
        author: None,
        since_ms: None,
        until_ms: None,
        has_file: None,
        after: None,
        ..all.clone()
    };
    let hit = |user, matches| Hit {
        room: LOBBY,
        at: at(41),
        at_ms: AT_MS,
        text: fits(Text::new("the backup is done")),
        matches: fits(List::new(matches)),
        more_before: false,
        more_after: true,
        user,
    };
    let found = |hits, ignored, partial, next| Found {
        hits: fits(List::new(hits)),
        ignored: fits(List::new(ignored)),
        partial: fits(List::new(partial)),
        next,
    };
    let marked = vec![Match { start: 4, end: 10 }, Match { start: 11, end: 18 }];
    vec![
        frame("search", plain),
        frame("search-everything", all),
        frame("found-none", found(vec![], vec![], vec![], None)),
        frame(
            "found",
            found(
                vec![hit(Some(ADA), marked), hit(None, vec![])],
                vec![words("!!")],
                vec![PartialRoom { room: TEAM, since: Seq(512) }],
                Some(place),
            ),
        ),
    ]
}

pub fn keeps_all() -> Retention {
    Retention {
        age_ms: Some(30 * 86_400_000),
        count: Some(10_000),
        bytes: Some(64 * 1024 * 1024),
        ttl_ms: Some(3_600_000),
    }
}

fn retention() -> Vec<Sample> {
    let set = |retention| SetRetention { room: TEAM, retention, reason: None };
    let delete = |erase| DeleteAccount { user: BOB, confirm: name("bob"), erase, reason: None };
    let room = || DeleteRoom { room: TEAM, confirm: fits(Text::new("team-4")), reason: None };
    let why = || Some(fits(Text::new("it is over")));
    let place = || fits(Blob::new(vec![3; 41]));
    let record = ExportRecord::default;
    let account = ExportedAccount {
        user: ADA,
        nickname: name("Ada"),
        role: ServerRole::OWNER,
        created_ms: AT_MS,
        seen_ms: None,
    };
    let seen = ExportedAccount { seen_ms: Some(AT_MS), ..account.clone() };
    let device = DeviceInfo {
        device: LAPTOP,
        name: name("Ada's laptop"),
        created_ms: AT_MS - 1_000,
        seen_ms: AT_MS,
        online: false,
        revoked_ms: None,
    };
    let membership = |room, name| ExportedMembership {
        room,
        membership: MembershipState::JOINED,
        role: RoomRole::MEMBER,
        marker: Seq(40),
        name,
    };
    let invite = InviteInfo {
        invite: INVITE,
        uses_left: 1,
        expires_ms: AT_MS,
        revoked: false,
        redeemed_by: List::default(),
        created_by: Some(ADA),
        room: None,
    };
    let entry = Entry {
        seq: Seq(42),
        at_ms: AT_MS,
        user: Some(ADA),
        device: Some(LAPTOP),
        message: None,
        kind: Kind::TEXT,
        body: fits(Blob::new(b"hello".to_vec())),
        ext: Ext::default(),
    };
    vec![
        frame("set-retention", set(keeps_all())),
        frame("set-retention-count", set(Retention { count: Some(0), ..Retention::default() })),
        frame("set-retention-reason", SetRetention { reason: why(), ..set(keeps_all()) }),
        frame("delete-room", room()),
        frame("delete-room-reason", DeleteRoom { reason: why(), ..room() }),
        frame("delete-account", delete(None)),
        frame("delete-account-erase", delete(Some(true))),
        frame("delete-account-reason", DeleteAccount { reason: why(), ..delete(None) }),
        frame("export-account", ExportAccount { after: None }),
        frame("export-account-after", ExportAccount { after: Some(place()) }),
        frame("exported", Exported { records: 2, next: Some(place()) }),
        frame("exported-last", Exported { records: 0, next: None }),
        frame("export-record-account", ExportRecord { account: Some(account), ..record() }),
        frame("export-record-account-seen", ExportRecord { account: Some(seen), ..record() }),
        frame(
            "export-record-settings",
            ExportRecord {
                settings: Some(Settings { receipts: Some(true), last_seen: Some(false) }),
                ..record()
            },
        ),
        frame("export-record-device", ExportRecord { device: Some(device), ..record() }),
        frame(
            "export-record-membership",
            ExportRecord { membership: Some(membership(LOBBY, Some(name("lobby")))), ..record() },
        ),
        frame(
            "export-record-membership-direct",
            ExportRecord { membership: Some(membership(TEAM, None)), ..record() },
        ),
        frame("export-record-invite", ExportRecord { invite: Some(invite), ..record() }),
        frame(
            "export-record-message",
            ExportRecord { message: Some(ExportedMessage { room: LOBBY, entry }), ..record() },
        ),
        frame(
            "export-record-file",
            ExportRecord {
                file: Some(ExportedFile { hash: fits(Blob::new(vec![0xfe; 32])), size: 1_024 }),
                ..record()
            },
        ),
    ]
}
