//! Samples of UPLOAD and DOWNLOAD, and of the questions about files.

use quipu_protocol::file::{Content, Download, SendFrom, Upload, Uploaded};
use quipu_protocol::request::{EntryFiles, Files, ListFiles};
use quipu_protocol::{Blob, List, Seq, Text, UploadId};

use super::log::picture;
use super::{ADA, AT_MS, LOBBY, Sample, fits, frame};

pub fn samples() -> Vec<Sample> {
    let hash = || fits(Blob::new(vec![0x77; 32]));
    let download = |offset, length| Download { room: LOBBY, seq: Seq(42), hash: hash(), offset, length };
    let row = |user, files| EntryFiles { seq: Seq(42), at_ms: AT_MS, user, files: fits(List::new(files)) };
    let files = |entries, more| Files { entries: fits(List::new(entries)), more };
    vec![
        frame(
            "upload",
            Upload {
                upload: UploadId::from_bytes([0xf1; 16]),
                room: LOBBY,
                size: 4_711,
                hash: hash(),
                media_type: fits(Text::new("image/png")),
            },
        ),
        frame("send-from", SendFrom { offset: 4_096 }),
        frame("uploaded", Uploaded { until_ms: AT_MS }),
        frame("download", download(0, None)),
        frame("download-range", download(4_096, Some(100))),
        frame("content", Content { size: 4_711, length: 615 }),
        frame("list-files", ListFiles { room: LOBBY, before: None }),
        frame("list-files-before", ListFiles { room: LOBBY, before: Some(Seq(42)) }),
        frame("files-none", files(vec![], false)),
        frame("files", files(vec![row(Some(ADA), vec![picture()]), row(None, vec![])], true)),
    ]
}
