//! UPLOAD and DOWNLOAD: one file on a stream of its own, with the lowest priority, over one connection.
//!
//! What ends with the connection is gone on with by the caller, on the next one.

use std::time::Duration;

use bytes::Bytes;
use quipu_protocol::file::{Content, Download, SendFrom, Upload, Uploaded};
use quipu_protocol::{BidiType, Message, Refusal};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::frames::{FrameReader, FrameWriter, in_time, open, priority};
use super::request::Link;
use crate::ending::Ending;
use crate::error::Error;
use crate::limits::{FILE_CHUNK_BYTES, FILE_TIMEOUT};

/// How long to wait for the reason after the server wanted no more, which it says first.
const REASON_TIMEOUT: Duration = Duration::from_secs(2);

impl Link {
    /// Brings a file, from where the server says. `moved` hears how far it has come.
    ///
    /// # Errors
    /// [`Ending::Refused`]; else why it did not come to its end.
    pub(crate) async fn upload(
        &self,
        ask: &Upload,
        file: &mut File,
        moved: &mut (impl FnMut(u64) + Send),
    ) -> Result<Uploaded, Ending> {
        let (mut writer, mut reader) =
            open(&self.connection, BidiType::Upload, priority::FILE, &[ask.to_frame()]).await?;
        let SendFrom { offset } = answer(&mut reader, "the wish to bring a file").await?;
        if offset > ask.size {
            return Err(Ending::Order("an offset behind the end of the file"));
        }
        moved(offset);
        match content(ask.size, offset, file, &mut writer, moved).await {
            Ok(()) => writer.finish(),
            // The server wants no more, and says why.
            Err(Ending::Reset(code)) => {
                let reason = timeout(REASON_TIMEOUT, reader.next()).await;
                return match reason {
                    Ok(Ok(Some(frame))) if frame.is::<Refusal>() => Err(frame.decode::<Refusal>()?.into()),
                    _ => Err(Ending::Reset(code)),
                };
            }
            Err(ending) => return Err(ending),
        }
        answer(&mut reader, "the last byte of a file").await
    }

    /// Fetches the rest of a file of `size` bytes into `file`, where it stands. `heard` is given every piece.
    ///
    /// # Errors
    /// As [`Link::upload`]; before anything is written when the server has something else.
    pub(crate) async fn download(
        &self,
        ask: &Download,
        size: u64,
        file: &mut File,
        heard: &mut (impl FnMut(&[u8]) + Send),
    ) -> Result<(), Ending> {
        let (mut writer, mut reader) =
            open(&self.connection, BidiType::Download, priority::FILE, &[ask.to_frame()]).await?;
        writer.finish();
        let content: Content = answer(&mut reader, "the wish to have a file").await?;
        let mut left = announced(&content, size, ask.offset)?;
        while let Some(piece) = in_time(FILE_TIMEOUT, "a piece of a file", reader.raw()).await? {
            left = left.checked_sub(piece.len() as u64).ok_or(Ending::Order("more than it announced"))?;
            file.write_all(&piece).await.map_err(of_disk)?;
            heard(&piece);
        }
        file.flush().await.map_err(of_disk)?;
        if left > 0 {
            return Err(Ending::Finished("a file before its end"));
        }
        Ok(())
    }
}

/// How many bytes follow: all that is missing, or the file is another one.
fn announced(content: &Content, size: u64, offset: u64) -> Result<u64, Ending> {
    if content.size != size {
        return Err(Error::file("the file has another size than the message says").into());
    }
    if Some(content.length) != size.checked_sub(offset) {
        return Err(Ending::Order("another part of a file than was asked for"));
    }
    Ok(content.length)
}

async fn answer<T: Message>(reader: &mut FrameReader, what: &'static str) -> Result<T, Ending> {
    let answering = async {
        loop {
            let frame = reader.next().await?.ok_or(Ending::Finished("a transfer without an answer"))?;
            if frame.is::<T>() {
                return Ok(frame.decode()?);
            } else if frame.is::<Refusal>() {
                return Err(frame.decode::<Refusal>()?.into());
            } else if frame.ty.is_critical() {
                return Err(frame.unexpected().into());
            }
        }
    };
    in_time(FILE_TIMEOUT, what, answering).await
}

async fn content(
    size: u64,
    offset: u64,
    file: &mut File,
    writer: &mut FrameWriter,
    moved: &mut (impl FnMut(u64) + Send),
) -> Result<(), Ending> {
    file.seek(std::io::SeekFrom::Start(offset)).await.map_err(of_disk)?;
    let mut at = offset;
    while at < size {
        let wanted = usize::try_from(size - at).unwrap_or(usize::MAX).min(FILE_CHUNK_BYTES);
        let mut piece = vec![0; wanted];
        let read = file.read(&mut piece).await.map_err(of_disk)?;
        if read == 0 {
            return Err(Error::file("the file has become shorter").into());
        }
        piece.truncate(read);
        let mut pieces = [Bytes::from(piece)];
        in_time(FILE_TIMEOUT, "a piece of a file", writer.send(&mut pieces)).await?;
        at += read as u64;
        moved(at);
    }
    Ok(())
}

fn of_disk(error: std::io::Error) -> Ending {
    Error::file(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_the_rest_of_the_file_is_refused_before_it_is_written() {
        let content = |size, length| Content { size, length };
        assert_eq!(announced(&content(10, 4), 10, 6).unwrap(), 4);
        assert_eq!(announced(&content(10, 0), 10, 10).unwrap(), 0);
        for (size, length) in [(11, 5), (u64::MAX, u64::MAX), (10, 0), (10, 3), (10, 10), (9, 3)] {
            assert!(announced(&content(size, length), 10, 6).is_err(), "{size} {length}");
        }
        assert!(announced(&content(10, 0), 10, 11).is_err());
    }
}
