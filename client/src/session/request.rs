//! REQUEST: one question on a stream of its own, and its answer.

use std::sync::Arc;
use std::time::Duration;

use quinn::Connection;
use quipu_protocol::control::Limits;
use quipu_protocol::entry::Entry;
use quipu_protocol::limits::PAGE_ENTRIES_MAX;
use quipu_protocol::request::{
    ExportAccount, ExportRecord, Exported, History, ListMentions, ListPins, Mention, Mentions, Page, Pins,
    SearchPlace, Tallies,
};
use quipu_protocol::{BidiType, Frame, Message, Refusal};

use super::frames::{FrameReader, in_time, open, priority};
use crate::ending::Ending;

/// An authenticated connection, as far as asking questions goes.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) connection: Connection,
    pub(crate) limits: Arc<Limits>,
}

impl Link {
    /// Asks, and gives the answer.
    ///
    /// # Errors
    /// [`Ending::Refused`]; else why there is no answer.
    pub(crate) async fn ask<Q: Message, A: Message>(
        &self,
        question: &Q,
        wait: Duration,
    ) -> Result<A, Ending> {
        in_time(wait, Q::NAME, async { Ok(self.put::<Q, A>(question).await?.0) }).await
    }

    /// Asks for a page, and gives it with its entries, their frames, and how people react to them.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(crate) async fn page(&self, question: &History, wait: Duration) -> Result<Read, Ending> {
        let asking = async {
            let (page, mut reader) = self.put::<History, Page>(question).await?;
            let (mut entries, mut tallies) = (Vec::new(), Vec::new());
            entries_of(&mut reader, page.entries.min(question.limit), &mut entries, &mut tallies).await?;
            Ok(Read { page, entries, tallies })
        };
        in_time(wait, "a question about history", asking).await
    }

    /// Asks what is pinned, and gives each with its entry.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(crate) async fn pins(
        &self,
        question: &ListPins,
        wait: Duration,
    ) -> Result<(Pins, Vec<Entry>), Ending> {
        let asking = async {
            let (pins, mut reader) = self.put::<ListPins, Pins>(question).await?;
            let mut entries = Vec::new();
            entries_of(&mut reader, pins.pins.len() as u64, &mut entries, &mut Vec::new()).await?;
            Ok((pins, entries.into_iter().map(|(entry, _)| entry).collect()))
        };
        in_time(wait, "a question about pins", asking).await
    }

    /// Asks for a page of an export, and gives it with its records.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(crate) async fn exported(
        &self,
        question: &ExportAccount,
        wait: Duration,
    ) -> Result<(Exported, Vec<ExportRecord>), Ending> {
        let asking = async {
            let (page, mut reader) = self.put::<ExportAccount, Exported>(question).await?;
            let mut records = Vec::new();
            while (records.len() as u64) < page.records.min(PAGE_ENTRIES_MAX as u64) {
                let frame =
                    reader.next().await?.ok_or(Ending::Finished("an export before its last record"))?;
                if frame.is::<ExportRecord>() {
                    records.push(frame.decode()?);
                } else if frame.ty.is_critical() {
                    return Err(frame.unexpected().into());
                }
            }
            Ok((page, records))
        };
        in_time(wait, "an export", asking).await
    }

    /// Asks who calls, and gives each row with its entry, and where to go on.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(crate) async fn mentions(
        &self,
        question: &ListMentions,
        wait: Duration,
    ) -> Result<(Vec<(Mention, Entry)>, Option<SearchPlace>), Ending> {
        let asking = async {
            let (answer, mut reader) = self.put::<ListMentions, Mentions>(question).await?;
            let mut entries = Vec::new();
            entries_of(&mut reader, answer.rows.len() as u64, &mut entries, &mut Vec::new()).await?;
            let entries = entries.into_iter().map(|(entry, _)| entry);
            let rows = answer.rows.into_vec().into_iter().zip(entries);
            Ok((rows.collect(), answer.next))
        };
        in_time(wait, "a question about mentions", asking).await
    }

    async fn put<Q: Message, A: Message>(&self, question: &Q) -> Result<(A, FrameReader), Ending> {
        let frame = question.to_frame();
        let (mut writer, mut reader) =
            open(&self.connection, BidiType::Request, priority::REQUEST, &[frame]).await?;
        writer.finish();
        loop {
            let frame = reader.next().await?.ok_or(Ending::Finished("a question without answering it"))?;
            if frame.is::<A>() {
                return Ok((frame.decode()?, reader));
            } else if frame.is::<Refusal>() {
                return Err(frame.decode::<Refusal>()?.into());
            } else if frame.ty.is_critical() {
                return Err(frame.unexpected().into());
            }
        }
    }
}

/// A page as it came.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) page: Page,
    pub(crate) entries: Vec<(Entry, Frame)>,
    /// Reactions to those that have any.
    pub(crate) tallies: Vec<Tallies>,
}

/// Takes so many Entry frames. By what comes, not by what was announced: nothing is reserved on the server's word.
async fn entries_of(
    reader: &mut FrameReader,
    count: u64,
    entries: &mut Vec<(Entry, Frame)>,
    tallies: &mut Vec<Tallies>,
) -> Result<(), Ending> {
    while (entries.len() as u64) < count {
        let frame = reader.next().await?.ok_or(Ending::Finished("a page before its last entry"))?;
        if frame.is::<Entry>() {
            entries.push((frame.decode()?, frame));
        } else if frame.is::<Tallies>() && tallies.len() <= entries.len() {
            tallies.push(frame.decode()?);
        } else if frame.ty.is_critical() {
            return Err(frame.unexpected().into());
        }
    }
    Ok(())
}
