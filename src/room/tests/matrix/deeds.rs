//! What is asked, each deed through the method a connection calls.

use quipu_protocol::file::{Download, Upload};
use quipu_protocol::request::*;
use quipu_protocol::{Blob, Code, Kind, List, Seq, Text, UploadId, UserId};

use super::code;
use super::stage::{self, Stage};
use crate::store::WriteError;

/// Something somebody may or may not do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    List,
    Subscribe,
    History,
    Members,
    Files,
    Download,
    Search,
    MarkRead,
    MarkUnread,
    Notify,
    Join,
    Leave,
    Send,
    Upload,
    InviteLink,
    Settings,
    Topic,
    Rename,
    Edit,
    Redact,
    React,
    Pin,
    Reactions,
    Pins,
    Retention,
    DeleteRoom,
    Report,
    Reports,
    Resolve,
    Audit,
    Sanctions,
    Hooks,
    Invite,
    Kick,
    Ban,
    Unban,
    Mute,
    Unmute,
    Role(RoomRole),
    Permit(Permissions),
    Unpermit,
    Transfer,
    Purge,
    /// The same, and saying why.
    PurgeAloud,
    StepDownAloud,
}

/// Deeds that are done to nobody.
pub(super) const ALONE: &[Deed] = &[
    Deed::List,
    Deed::Subscribe,
    Deed::History,
    Deed::Members,
    Deed::Files,
    Deed::Download,
    Deed::Search,
    Deed::MarkRead,
    Deed::MarkUnread,
    Deed::Notify,
    Deed::Join,
    Deed::Leave,
    Deed::Send,
    Deed::Upload,
    Deed::InviteLink,
    Deed::Settings,
    Deed::Topic,
    Deed::Rename,
    Deed::Edit,
    Deed::Redact,
    Deed::React,
    Deed::Pin,
    Deed::Reactions,
    Deed::Pins,
    Deed::Retention,
    Deed::DeleteRoom,
    Deed::Report,
    Deed::Reports,
    Deed::Resolve,
    Deed::Audit,
    Deed::Sanctions,
    Deed::Hooks,
];

/// Explicit permissions of little and of much.
pub(super) const QUIET: Permissions = Permissions::READ;
pub(super) const GUARD: Permissions = Permissions::READ.or(Permissions::KICK);

/// Deeds that are done to somebody.
pub(super) const TO_SOMEBODY: &[Deed] = &[
    Deed::Invite,
    Deed::Kick,
    Deed::Ban,
    Deed::Unban,
    Deed::Mute,
    Deed::Unmute,
    Deed::Role(RoomRole::READER),
    Deed::Role(RoomRole::MEMBER),
    Deed::Role(RoomRole::MODERATOR),
    Deed::Role(RoomRole::OWNER),
    Deed::Permit(QUIET),
    Deed::Permit(GUARD),
    Deed::Permit(Permissions::ALL),
    Deed::Unpermit,
    Deed::Transfer,
    Deed::Purge,
    Deed::PurgeAloud,
    Deed::StepDownAloud,
];

/// Questions without cells here, and why.
pub(super) const ELSEWHERE: &[(&str, &str)] = &[
    ("LookUp", "accounts are no secret: everybody may ask"),
    ("ListDevices", "gives the asker's own"),
    ("SetPresence", "says how the asker is"),
    ("ListReceipts", "for who may read the room and tells their own: its cells are tests of receipts"),
    ("ShowSettings", "gives the asker's own"),
    ("ChangeSettings", "changes the asker's own"),
    ("ExportAccount", "gives the asker's own"),
    ("CreateHook", "takes what ListHooks takes, and a bot: tests/it webhooks"),
    ("RevokeHook", "takes what ListHooks takes in the room of the webhook: tests/it webhooks"),
    ("ListMentions", "gives what calls the asker in rooms they read now: see unread"),
];

impl Deed {
    /// The question it is asked by.
    pub(super) fn question(self) -> &'static str {
        match self {
            Self::List => "ListRooms",
            Self::Subscribe => "Subscribe",
            Self::History => "History",
            Self::Members => "ListMembers",
            Self::Files => "ListFiles",
            Self::Download => "Download",
            Self::Search => "Search",
            Self::MarkRead => "MarkRead",
            Self::MarkUnread => "MarkUnread",
            Self::Notify => "SetNotify",
            Self::Join => "Join",
            Self::Leave => "Leave",
            Self::Send | Self::Edit | Self::Redact | Self::React | Self::Pin => "Draft",
            Self::Upload => "Upload",
            Self::InviteLink => "CreateInvite",
            Self::Settings => "SetRoom",
            Self::Topic => "SetTopic",
            Self::Rename => "RenameRoom",
            Self::Reactions => "ListReactions",
            Self::Pins => "ListPins",
            Self::Retention => "SetRetention",
            Self::DeleteRoom => "DeleteRoom",
            Self::Report => "Report",
            Self::Reports => "ListReports",
            Self::Resolve => "Resolve",
            Self::Audit => "ListAudit",
            Self::Sanctions => "ListSanctions",
            Self::Hooks => "ListHooks",
            Self::Invite => "InviteMember",
            Self::Kick => "RemoveMember",
            Self::Ban | Self::Mute => "Impose",
            Self::Unban | Self::Unmute => "Lift",
            Self::Role(_) | Self::StepDownAloud => "SetRole",
            Self::Permit(_) | Self::Unpermit => "SetPermissions",
            Self::Transfer => "Transfer",
            Self::Purge | Self::PurgeAloud => "Purge",
        }
    }

    /// Asks it.
    pub(super) async fn ask(self, stage: &Stage, user: UserId) -> Option<Code> {
        let (rooms, who, room) = (&stage.rooms, &stage.asker, stage.room);
        let reason = None;
        let impose = |sanction| Impose { room, user, sanction, life_ms: None, reason: None };
        let lift = |sanction| Lift { room, user, sanction, reason: None };
        match self {
            Self::List => {
                let ask = ListRooms { mine: false, after: None, name: Some(stage.name()) };
                let listed = rooms.list(who, ask).await.unwrap().rooms.iter().any(|info| info.room == room);
                (!listed).then_some(Code::NOT_FOUND)
            }
            Self::Subscribe => {
                code(rooms.subscribe(who, &SubscribeRoom { room, after: None, backlog: 1 }).await)
            }
            Self::History => code(
                rooms.history(who, History { room, anchor: Anchor::LATEST, limit: 1, thread: None }).await,
            ),
            Self::Members => code(rooms.members(who, ListMembers { room, after: None }).await),
            Self::Files => code(rooms.files(who, ListFiles { room, before: None }).await),
            Self::Download => {
                let hash = Blob::new(stage::FILE.to_vec()).unwrap();
                code(
                    rooms.file(who, &Download { room, seq: stage.said, hash, offset: 0, length: None }).await,
                )
            }
            Self::Search => {
                let words = Search::for_words(Text::new("quiet").unwrap());
                code(rooms.search(who, Search { rooms: Some(List::first(vec![room])), ..words }).await)
            }
            Self::MarkRead => code(rooms.mark_read(who, MarkRead { room, seq: Seq(1) }).await),
            Self::MarkUnread => code(rooms.mark_unread(who, MarkUnread { room, from: Seq(1) }).await),
            Self::Notify => code(rooms.set_notify(who, SetNotify { room, level: Notify::MENTIONS }).await),
            Self::Join => code(rooms.join(who, room).await),
            Self::Leave => code(rooms.leave(who, room).await),
            Self::Send => stage.send(Kind::TEXT, "aloud").await,
            Self::Edit => stage.send(Kind::EDIT, "louder").await,
            Self::Redact => stage.send(Kind::REDACTION, "").await,
            Self::React => stage.send(Kind::REACTION, "+1").await,
            Self::Pin => stage.send(Kind::PIN, "").await,
            Self::Topic => {
                code(rooms.set_topic(who, SetTopic { room, topic: Some("quiet".parse().unwrap()) }).await)
            }
            Self::Rename => {
                let name = format!("{}-anew", stage.name()).parse().unwrap();
                code(rooms.rename(who, RenameRoom { room, name }).await)
            }
            Self::Reactions => {
                code(rooms.reactions(who, ListReactions { room, seq: stage.said, after: None }).await)
            }
            Self::Pins => code(rooms.pins(who, ListPins { room, after: None }).await),
            Self::Upload => self.upload(stage).await,
            Self::InviteLink => {
                let (leads, who) = (rooms.leads(), who.clone());
                code(
                    rooms
                        .storage()
                        .write(move |store| leads(&*store, &who, room))
                        .await
                        .map_err(WriteError::refusal),
                )
            }
            Self::Settings => {
                let settings = RoomSettings { slow_ms: Some(7), ..RoomSettings::default() };
                code(rooms.set_room(who, SetRoom { room, settings, reason }).await)
            }
            Self::Retention => {
                let retention = Retention { count: Some(1_000), ..Retention::default() };
                code(rooms.set_retention(who, SetRetention { room, retention, reason }).await)
            }
            Self::DeleteRoom => {
                let confirm = Text::new(stage.name().to_string()).unwrap();
                code(rooms.delete(who, DeleteRoom { room, confirm, reason }).await)
            }
            Self::Report => {
                let ask = Report { room, seq: stage.said, reason: Text::new("loud").unwrap() };
                code(rooms.report(who, ask).await)
            }
            Self::Reports => code(rooms.reports(who, ListReports { room: Some(room), after: None }).await),
            Self::Resolve => {
                code(rooms.resolve(who, Resolve { report: stage.reported().await, reason }).await)
            }
            Self::Audit => code(rooms.audit(who, ListAudit { room: Some(room), after: None }).await),
            Self::Sanctions => code(rooms.sanctions(who, ListSanctions { room, after: None }).await),
            Self::Hooks => code(rooms.hooks(who, ListHooks { room, after: None }).await),
            Self::Invite => code(rooms.invite_member(who, InviteMember { room, user }).await),
            Self::Kick => code(rooms.remove_member(who, RemoveMember { room, user, reason }).await),
            Self::Ban => code(rooms.impose(who, impose(Sanction::BAN)).await),
            Self::Mute => code(rooms.impose(who, impose(Sanction::MUTE)).await),
            Self::Unban => code(rooms.lift(who, lift(Sanction::BAN)).await),
            Self::Unmute => code(rooms.lift(who, lift(Sanction::MUTE)).await),
            Self::Role(role) => code(rooms.set_role(who, SetRole { room, user, role, reason }).await),
            Self::Permit(_) | Self::Unpermit => {
                let permissions = if let Self::Permit(set) = self { Some(set) } else { None };
                code(rooms.set_permissions(who, SetPermissions { room, user, permissions, reason }).await)
            }
            Self::Transfer => code(rooms.transfer(who, Transfer { room, user, reason }).await),
            Self::Purge => code(rooms.purge(who, Purge { user, room: Some(room), reason }).await),
            Self::PurgeAloud => {
                let reason = Some(Text::new("listen").unwrap());
                code(rooms.purge(who, Purge { user, room: Some(room), reason }).await)
            }
            Self::StepDownAloud => {
                let reason = Some(Text::new("listen").unwrap());
                code(rooms.set_role(who, SetRole { room, user, role: RoomRole::READER, reason }).await)
            }
        }
    }

    async fn upload(self, stage: &Stage) -> Option<Code> {
        let ask = Upload {
            upload: UploadId::from_bytes(*stage.room.as_bytes()),
            room: stage.room,
            size: 3,
            hash: Blob::new(vec![3; 32]).unwrap(),
            media_type: Text::new("text/plain").unwrap(),
        };
        let begun = stage.rooms.begin_upload(&stage.asker, &ask).await;
        if let Ok(crate::room::Begun::Wanted(row)) = &begun {
            stage.rooms.drop_upload(row.clone()).await.unwrap();
        }
        code(begun)
    }
}
