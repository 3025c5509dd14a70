//! Reports of messages, and the record of what was done.
//!
//! A report holds the place of the entry and never what it says: whoever may not read the room is not told it this
//! way, and what is erased there is erased.

use quipu_protocol::limits::ROWS_MAX;
use quipu_protocol::request::{
    Act, Audit, AuditRecord, ListAudit, ListReports, Report, ReportInfo, Reports, Resolve, ServerRole,
};
use quipu_protocol::{Code, List, Refusal, RoomId};

use super::chat::Rooms;
use super::deeds::Deed;
use super::footing::Footing;
use super::rules;
use crate::auth::{Authenticated, in_use};
use crate::limits::REPORTS_MAX;
use crate::store::{Reads, ReportRow, StoreError, WriteError, Writes};

impl Rooms {
    /// Tells the moderators of an entry. The same entry again is the same report.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] for the room or the entry, [`Code::FORBIDDEN`] for whoever does not read the room,
    /// [`Code::BAD_REQUEST`] for what nobody or the asker wrote, [`Code::QUOTA`] when too many of theirs wait.
    pub async fn report(&self, who: &Authenticated, ask: Report) -> Result<(), Refusal> {
        let (who, clock) = (who.clone(), self.clock());
        let job = self.storage().write(move |store| report(store, &who, ask, clock.now_ms()));
        job.await.map_err(WriteError::refusal)
    }

    /// Reports that wait, a page by number: of a room for its moderators, of all for whoever runs the server.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when the room is hidden from the asker, [`Code::FORBIDDEN`].
    pub async fn reports(&self, who: &Authenticated, ask: ListReports) -> Result<Reports, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let question = self.storage().read(move |store| {
            if let Err(no) = may_be_told(store, &who, ask.room, now_ms)? {
                return Ok(Err(no));
            }
            Ok(Ok(store.reports(ask.room, ask.after.unwrap_or(0), ROWS_MAX + 1)?))
        });
        let rows = question.await.map_err(|error| error.refusal())??;
        let more = rows.len() > ROWS_MAX;
        let info = |(report, row): (u64, ReportRow)| ReportInfo {
            report,
            room: row.room,
            seq: row.seq,
            author: row.author,
            by: row.by,
            at_ms: row.at_ms,
            reason: row.reason,
        };
        Ok(Reports { reports: List::first(rows.into_iter().map(info).collect()), more })
    }

    /// Takes a report off the list.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when it is not there, or not for the asker.
    pub async fn resolve(&self, who: &Authenticated, ask: Resolve) -> Result<(), Refusal> {
        let (who, clock) = (who.clone(), self.clock());
        let job = self.storage().write(move |store| {
            let now_ms = clock.now_ms();
            let row = store.report(ask.report)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
            let told = may_be_told(&*store, &who, Some(row.room), now_ms)?;
            told.map_err(|_| Refusal::from(Code::NOT_FOUND))?;
            store.drop_report(ask.report)?;
            let deed = Deed { who: &who, room: row.room, now_ms, reason: ask.reason.as_ref() };
            let detail = format!("report {} of entry {}", ask.report, row.seq);
            deed.record(store, Act::RESOLVE, Some(row.author), Some(detail))
        });
        job.await.map_err(WriteError::refusal)
    }

    /// What was done, newest first: in a room for its moderators, anywhere for whoever runs the server.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when the room is hidden from the asker, [`Code::FORBIDDEN`].
    pub async fn audit(&self, who: &Authenticated, ask: ListAudit) -> Result<Audit, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let question = self.storage().read(move |store| {
            if let Err(no) = may_be_told(store, &who, ask.room, now_ms)? {
                return Ok(Err(no));
            }
            Ok(Ok(store.audit(ask.room, ask.after, ROWS_MAX + 1)?))
        });
        let rows = question.await.map_err(|error| error.refusal())??;
        let more = rows.len() > ROWS_MAX;
        let record = |(record, row): (u64, crate::store::AuditRow)| AuditRecord {
            record,
            at_ms: row.at_ms,
            act: row.act,
            by: row.by,
            room: row.room,
            user: row.user,
            reason: row.reason,
            detail: row.detail,
        };
        Ok(Audit { records: List::first(rows.into_iter().map(record).collect()), more })
    }
}

/// Whether the asker is told of reports and records: of this room, or with none of all.
fn may_be_told(
    store: &dyn Reads,
    who: &Authenticated,
    room: Option<RoomId>,
    now_ms: u64,
) -> Result<Result<(), Refusal>, StoreError> {
    let role = in_use(store, who.user())?.map_or(ServerRole::GUEST, |row| row.role);
    let Some(room) = room else {
        let no = || Refusal::because(Code::FORBIDDEN, "name a room that you moderate");
        return Ok(if role >= ServerRole::ADMIN { Ok(()) } else { Err(no()) });
    };
    match Footing::of(store, room, who.user(), now_ms) {
        Ok(at) => Ok(rules::may_moderate(who, role, &at)),
        Err(error) => error.answer(),
    }
}

fn report(store: &mut dyn Writes, who: &Authenticated, ask: Report, now_ms: u64) -> Result<(), WriteError> {
    let at = Footing::of(&*store, ask.room, who.user(), now_ms)?;
    rules::may(who, &at, quipu_protocol::request::Permissions::READ)?;
    let entry = store.entry(ask.room, ask.seq)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
    let author = entry.user.filter(|user| *user != who.user() && entry.kind.is_publishable());
    let nobody = || Refusal::because(Code::BAD_REQUEST, "report what somebody else said");
    let author = author.ok_or_else(nobody)?;
    if store.is_reported(ask.room, ask.seq, who.user())? {
        return Ok(());
    }
    if store.reports_by(who.user())? >= REPORTS_MAX {
        let text = format!("{REPORTS_MAX} reports of yours wait for a moderator");
        return Err(Refusal::because(Code::QUOTA, text).into());
    }
    let deed = Deed { who, room: ask.room, now_ms, reason: Some(&ask.reason) };
    deed.record(store, Act::REPORT, Some(author), Some(format!("entry {}", ask.seq)))?;
    let row =
        ReportRow { room: ask.room, seq: ask.seq, author, by: who.user(), at_ms: now_ms, reason: ask.reason };
    Ok(store.put_report(&row)?)
}
