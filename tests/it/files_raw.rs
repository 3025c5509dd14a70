//! Files as frames: who may bring, refer to and have them, and what happens at every limit.

use std::path::PathBuf;

use quipu_protocol::entry::FileRef;
use quipu_protocol::file::{Content, Download, SendFrom, Upload, Uploaded};
use quipu_protocol::publish::Ack;
use quipu_protocol::request::{
    CreateRoom, Done, Files, InviteMember, Join, ListFiles, Purge, RemoveMember, RoomAnswer, Visibility,
};
use quipu_protocol::token::sha256;
use quipu_protocol::{
    BidiType, Blob, Code, Cursor, Draft, List, Refusal, ResetCode, RoomId, Seq, Text, UploadId,
};

use crate::harness::{Ended, Member, RawStream, TestServer, draft, random, soon};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Bytes that nobody has seen before, `size` of them.
fn content(size: usize) -> Vec<u8> {
    let seed: [u8; 32] = random();
    seed.iter()
        .cycle()
        .zip(0_usize..)
        .map(|(byte, at)| byte.wrapping_add((at / 32) as u8))
        .take(size)
        .collect()
}

fn hash(content: &[u8]) -> Blob<32> {
    Blob::new(sha256(content).to_vec()).unwrap()
}

fn upload(room: RoomId, content: &[u8]) -> Upload {
    Upload {
        upload: UploadId::from_bytes(random()),
        room,
        size: content.len() as u64,
        hash: hash(content),
        media_type: Text::new("text/plain").unwrap(),
    }
}

fn reference(content: &[u8]) -> FileRef {
    FileRef {
        hash: hash(content),
        size: content.len() as u64,
        name: "notes.txt".parse().unwrap(),
        media_type: Text::new("text/plain").unwrap(),
        width: None,
        height: None,
    }
}

fn referring(room: RoomId, files: Vec<FileRef>) -> Draft {
    let mut draft = draft(room, "");
    draft.ext.files = Some(List::new(files).unwrap());
    draft
}

impl Member {
    async fn begin(&self, ask: &Upload) -> (RawStream, Result<SendFrom, Refusal>) {
        let mut stream = self.peer.open(BidiType::Upload.number()).await;
        let from = stream.ask(ask).await;
        (stream, from)
    }

    /// Brings content as a client does.
    async fn bring(&self, ask: &Upload, content: &[u8]) -> Result<Uploaded, Refusal> {
        let (mut stream, from) = self.begin(ask).await;
        stream.write(&content[from?.offset as usize..]).await;
        stream.finish();
        stream.read.answer().await
    }

    async fn says(&self, draft: &Draft) -> Result<Ack, Code> {
        let mut author = self.author().await;
        author.send(draft).await;
        author.published().await.map_err(|refused| refused.refusal.code)
    }

    /// Brings content and refers to it in a message.
    async fn shares(&self, room: RoomId, content: &[u8]) -> Seq {
        self.bring(&upload(room, content), content).await.unwrap();
        self.says(&referring(room, vec![reference(content)])).await.unwrap().at.seq
    }

    async fn download(&self, ask: &Download) -> (RawStream, Result<Content, Refusal>) {
        let mut stream = self.peer.open(BidiType::Download.number()).await;
        stream.send(ask).await;
        stream.finish();
        let answer = stream.read.answer().await;
        (stream, answer)
    }

    /// What comes for the asking, or the code of the refusal.
    async fn fetch(&self, ask: &Download) -> Result<Vec<u8>, Code> {
        let (mut stream, content) = self.download(ask).await;
        let content = content.map_err(|refusal| refusal.code)?;
        let mut bytes = stream.read.take_rest();
        let more = content.length as usize - bytes.len();
        bytes.extend(soon("the content", stream.read.recv.read_to_end(more)).await.unwrap());
        assert_eq!(bytes.len() as u64, content.length);
        Ok(bytes)
    }

    async fn private_room(&self) -> RoomId {
        let room = RoomId::from_bytes(random());
        let name = format!("room-{}", &room.to_string()[..8]).parse().unwrap();
        let create = CreateRoom { room, name, visibility: Visibility::PRIVATE, topic: None };
        self.peer.ask::<RoomAnswer>(&create).await.unwrap();
        room
    }

    async fn lets_in(&self, room: RoomId, other: &Member) {
        self.peer.ask::<Done>(&InviteMember { room, user: other.me.user }).await.unwrap();
        other.peer.ask::<RoomAnswer>(&Join { room }).await.unwrap();
    }
}

fn all_of(room: RoomId, seq: Seq, content: &[u8]) -> Download {
    Download { room, seq, hash: hash(content), offset: 0, length: None }
}

impl TestServer {
    /// What lies in the folder of the files.
    fn stored(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.config.data.join("files"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    }
}

/// Waits until something can be seen.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    soon(what, looking).await;
}

fn code<T: std::fmt::Debug>(outcome: Result<T, Refusal>) -> Code {
    outcome.expect_err("a refusal").code
}

/// Goal: two people share a file, whole and in parts, and the second finds it in the list.
#[tokio::test]
async fn a_file_is_shared_whole_and_in_parts() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let bob = server.join(&ada, "bob").await;
    let room = ada.lobby().await;
    let bytes = content(300_000);
    let seq = ada.shares(room, &bytes).await;

    let listed: Files = bob.peer.ask(&ListFiles { room, before: None }).await.unwrap();
    let entry = &listed.entries[0];
    assert_eq!((entry.seq, entry.user, &entry.files[0]), (seq, Some(ada.me.user), &reference(&bytes)));
    assert!(!listed.more);
    let before: Files = bob.peer.ask(&ListFiles { room, before: Some(seq) }).await.unwrap();
    assert!(before.entries.is_empty());

    let whole = all_of(room, seq, &bytes);
    assert_eq!(bob.fetch(&whole).await.unwrap(), bytes);
    let part = |offset, length| Download { offset, length, ..whole.clone() };
    assert_eq!(bob.fetch(&part(299_000, None)).await.unwrap(), bytes[299_000..]);
    assert_eq!(bob.fetch(&part(100, Some(70_000))).await.unwrap(), bytes[100..70_100]);
    assert_eq!(bob.fetch(&part(300_000, None)).await.unwrap(), b"");
    assert_eq!(bob.fetch(&part(300_001, None)).await, Err(Code::BAD_REQUEST));
}

/// Goal: a hash is no key. Whoever only knows it gets neither the file nor the knowledge that it is there.
#[tokio::test]
async fn whoever_only_knows_a_hash_gets_nothing() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let eve = server.join(&ada, "eve").await;
    let (room, lobby) = (ada.private_room().await, ada.lobby().await);
    let bytes = content(5_000);
    let seq = ada.shares(room, &bytes).await;

    assert_eq!(eve.fetch(&all_of(room, seq, &bytes)).await, Err(Code::NOT_FOUND));
    assert_eq!(eve.fetch(&all_of(lobby, Seq(1), &bytes)).await, Err(Code::NOT_FOUND));
    assert_eq!(eve.says(&referring(lobby, vec![reference(&bytes)])).await, Err(Code::NOT_FOUND));
    let unknown = content(5_000);
    assert_eq!(eve.says(&referring(lobby, vec![reference(&unknown)])).await, Err(Code::NOT_FOUND));
    // She is asked for every byte, as for content that nobody has.
    for ask in [upload(lobby, &bytes), upload(lobby, &unknown)] {
        let (_stream, from) = eve.begin(&ask).await;
        assert_eq!(from, Ok(SendFrom { offset: 0 }));
    }
    // Members alone list files.
    assert_eq!(code(eve.peer.ask::<Files>(&ListFiles { room, before: None }).await), Code::NOT_FOUND);
    // Whoever reads it may pass it on without sending it again.
    ada.lets_in(room, &eve).await;
    assert_eq!(eve.fetch(&all_of(room, seq, &bytes)).await.unwrap(), bytes);
    let (mut stream, from) = eve.begin(&upload(lobby, &bytes)).await;
    assert_eq!(from, Ok(SendFrom { offset: 5_000 }));
    stream.read.expect::<Uploaded>().await;
    eve.says(&referring(lobby, vec![reference(&bytes)])).await.unwrap();
}

/// Goal: a member who is sent out has nothing from then on, not even the rest of what is on its way.
#[tokio::test]
async fn whoever_is_removed_gets_no_more() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let bob = server.join(&ada, "bob").await;
    let room = ada.private_room().await;
    ada.lets_in(room, &bob).await;
    // More than all windows and pieces between two looks take.
    let bytes = content(24 * 1024 * 1024);
    let seq = ada.shares(room, &bytes).await;
    let whole = all_of(room, seq, &bytes);
    let (mut stream, content) = bob.download(&whole).await;
    content.unwrap();
    ada.peer.ask::<Done>(&RemoveMember { room, user: bob.me.user, reason: None }).await.unwrap();
    let mut came = stream.read.take_rest().len();
    let ended = loop {
        match soon("more or the end", stream.read.recv.read_chunk(1 << 20, true)).await {
            Ok(Some(chunk)) => came += chunk.bytes.len(),
            ended => break ended,
        }
    };
    let revoked = quinn::VarInt::from_u32(ResetCode::Revoked.number());
    assert_eq!(ended.unwrap_err(), quinn::ReadError::Reset(revoked));
    assert!(came < bytes.len());
    assert_eq!(bob.fetch(&whole).await, Err(Code::NOT_FOUND));
}

/// Goal: an upload goes on where it stopped: after a lost connection, after a stop, and only for whoever began it.
#[tokio::test]
async fn an_upload_goes_on_where_it_stopped() {
    let mut server = TestServer::start().await;
    let ada = server.owner().await;
    let bob = server.join(&ada, "bob").await;
    let room = ada.lobby().await;
    let bytes = content(3_000_000);
    let ask = upload(room, &bytes);
    let (mut stream, from) = ada.begin(&ask).await;
    assert_eq!(from.unwrap().offset, 0);
    stream.write(&bytes[..1_000_000]).await;
    // It may not have been read yet: what counts is that nothing is skipped or doubled.
    ada.peer.leave().await;
    let ada = server.again(ada).await;
    let (mut stream, from) = ada.begin(&ask).await;
    let offset = from.unwrap().offset as usize;
    assert!(offset <= 1_000_000);
    stream.write(&bytes[offset..2_000_000]).await;
    until("it is on the disk", || {
        server.stored().iter().map(|path| path.metadata().unwrap().len()).sum::<u64>() == 2_000_000
    })
    .await;
    server.stop().await;
    server.restart().await;

    let (ada, bob) = (server.again(ada).await, server.again(bob).await);
    let (_stream, from) = bob.begin(&ask).await;
    assert_eq!(from, Ok(SendFrom { offset: 0 }), "the id is each account's own");
    let other = Upload { size: 1, ..ask.clone() };
    assert_eq!(code(ada.begin(&other).await.1), Code::CONFLICT);
    let (mut stream, from) = ada.begin(&ask).await;
    assert_eq!(from, Ok(SendFrom { offset: 2_000_000 }));
    stream.write(&bytes[2_000_000..]).await;
    stream.finish();
    stream.read.expect::<Uploaded>().await;
    let seq = ada.says(&referring(room, vec![reference(&bytes)])).await.unwrap().at.seq;
    assert_eq!(bob.fetch(&all_of(room, seq, &bytes)).await.unwrap(), bytes);
}

/// Goal: what comes is what was announced, or it is not there.
#[tokio::test]
async fn other_content_than_announced_is_refused_and_leaves_nothing() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let room = ada.lobby().await;
    let bytes = content(10_000);
    let wrong = Upload { hash: hash(b"another"), ..upload(room, &bytes) };
    assert_eq!(code(ada.bring(&wrong, &bytes).await), Code::BAD_REQUEST);
    let long = Upload { size: 9_999, ..upload(room, &bytes) };
    assert_eq!(code(ada.bring(&long, &bytes).await), Code::BAD_REQUEST);
    until("the disk is empty", || server.stored().is_empty()).await;
    // One that ends too early is kept to be gone on with.
    let short = upload(room, &bytes);
    assert_eq!(code(ada.bring(&short, &bytes[..5_000]).await), Code::BAD_REQUEST);
    assert_eq!(ada.begin(&short).await.1, Ok(SendFrom { offset: 5_000 }));
    // Neither is anything a message could refer to, nor is a size that is not true.
    assert_eq!(ada.says(&referring(room, vec![reference(&bytes)])).await, Err(Code::NOT_FOUND));
    ada.bring(&short, &bytes).await.unwrap();
    let lie = FileRef { size: 1, ..reference(&bytes) };
    assert_eq!(ada.says(&referring(room, vec![lie])).await, Err(Code::BAD_REQUEST));
    let odd = FileRef { hash: Blob::new(vec![1; 31]).unwrap(), ..reference(&bytes) };
    assert_eq!(ada.says(&referring(room, vec![odd])).await, Err(Code::BAD_REQUEST));
    // An empty message needs a file.
    assert_eq!(ada.says(&referring(room, vec![])).await, Err(Code::BAD_REQUEST));
    ada.says(&referring(room, vec![reference(&bytes)])).await.unwrap();
}

/// Goal: the same content lies on the disk once, whoever brought it.
#[tokio::test]
async fn the_same_content_is_kept_once() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let bob = server.join(&ada, "bob").await;
    let room = ada.lobby().await;
    let bytes = content(50_000);
    ada.bring(&upload(room, &bytes), &bytes).await.unwrap();
    bob.bring(&upload(room, &bytes), &bytes).await.unwrap();
    until("one is left", || server.stored().len() == 1).await;
    // And whoever brought it before is not asked again.
    assert_eq!(bob.begin(&upload(room, &bytes)).await.1, Ok(SendFrom { offset: 50_000 }));
}

/// Goal: every limit has its answer, and none of them ends the connection.
#[tokio::test]
async fn every_limit_has_its_answer() {
    let server = TestServer::start_with(|config| {
        config.files.server_bytes_max = 5_000;
        config.files.account_bytes_max = 3_000;
        config.files.file_bytes_max = 2_000;
        config.files.types_allowed = vec!["text/*".parse().unwrap(), "image/*".parse().unwrap()];
        config.files.types_forbidden = vec!["image/svg+xml".parse().unwrap()];
    })
    .await;
    let ada = server.owner().await;
    let bob = server.join(&ada, "bob").await;
    let room = ada.lobby().await;
    let [one, two, three] = [2_000, 1_001, 2_000].map(content);

    assert_eq!(code(ada.begin(&upload(room, &content(2_001))).await.1), Code::TOO_LARGE);
    for media_type in ["image/svg+xml", "application/pdf", ""] {
        let ask = Upload { media_type: Text::new(media_type).unwrap(), ..upload(room, &one) };
        assert_eq!(code(ada.begin(&ask).await.1), Code::UNSUPPORTED, "{media_type}");
    }
    let nowhere = upload(RoomId::from_bytes([9; 16]), &one);
    assert_eq!(code(ada.begin(&nowhere).await.1), Code::NOT_FOUND);

    ada.bring(&upload(room, &one), &one).await.unwrap();
    assert_eq!(code(ada.begin(&upload(room, &two)).await.1), Code::QUOTA, "of the account");
    bob.bring(&upload(room, &three), &three).await.unwrap();
    assert_eq!(code(bob.begin(&upload(room, &two)).await.1), Code::QUOTA, "of the account");
    let cyd = server.join(&ada, "cyd").await;
    assert_eq!(code(cyd.begin(&upload(room, &two)).await.1), Code::QUOTA, "of the server");
    // An upload under way counts as what it will be.
    let small = content(1_000);
    let (_stream, from) = cyd.begin(&upload(room, &small)).await;
    from.unwrap();
    assert_eq!(code(bob.begin(&upload(room, &content(1))).await.1), Code::QUOTA, "of the server");
    // Passing on is holding, and counts as well.
    let seq = ada.says(&referring(room, vec![reference(&one)])).await.unwrap().at.seq;
    assert_eq!(bob.fetch(&all_of(room, seq, &one)).await.unwrap(), one);
    assert_eq!(bob.says(&referring(room, vec![reference(&one)])).await, Err(Code::QUOTA));
    // A type that is forbidden is so in a message, too, whatever was said before.
    let forbidden = FileRef { media_type: Text::new("image/svg+xml").unwrap(), ..reference(&one) };
    assert_eq!(ada.says(&referring(room, vec![forbidden])).await, Err(Code::UNSUPPORTED));
    for member in [&ada, &bob, &cyd] {
        member.is_served().await;
    }
}

/// Goal: transfers of one connection are bounded, and one too many is told so.
#[tokio::test]
async fn too_many_transfers_at_once_are_refused() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let room = ada.lobby().await;
    let bytes = content(8 * 1024 * 1024);
    let seq = ada.shares(room, &bytes).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let (stream, from) = ada.begin(&upload(room, &content(10))).await;
        from.unwrap();
        open.push(stream);
    }
    assert_eq!(code(ada.begin(&upload(room, &content(10))).await.1), Code::STREAM_LIMIT);
    // The first of them gives content that is not taken; the others wait their turn behind it.
    let mut waiting = vec![ada.download(&all_of(room, seq, &bytes)).await.0];
    for _ in 0..3 {
        let mut stream = ada.peer.open(BidiType::Download.number()).await;
        stream.send(&all_of(room, seq, &bytes)).await;
        waiting.push(stream);
    }
    let refused = loop {
        let (stream, answer) = ada.download(&all_of(room, seq, &bytes)).await;
        match answer {
            Err(refusal) => break refusal.code,
            Ok(_) => waiting.push(stream),
        }
    };
    assert_eq!(refused, Code::STREAM_LIMIT);
    ada.is_served().await;
    ada.says(&draft(room, "still here")).await.unwrap();
}

#[tokio::test]
async fn an_account_has_so_many_unfinished_uploads() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let room = ada.lobby().await;
    for _ in 0..quipu_server::limits::UPLOADS_PER_USER_MAX {
        ada.begin(&upload(room, &content(1))).await.1.unwrap();
    }
    assert_eq!(code(ada.begin(&upload(room, &content(1))).await.1), Code::QUOTA);
}

#[tokio::test]
async fn a_server_may_take_no_files_at_all() {
    let server = TestServer::start_with(|config| config.files.file_bytes_max = 0).await;
    let ada = server.owner().await;
    let room = ada.lobby().await;
    assert_eq!(code(ada.begin(&upload(room, b"")).await.1), Code::UNSUPPORTED);
}

/// Goal: what no message refers to in time is gone from the disk, and what one refers to is not.
#[tokio::test]
async fn what_nobody_refers_to_goes_in_a_day() {
    let mut server = TestServer::start().await;
    let ada = server.owner().await;
    let room = ada.lobby().await;
    let [kept, forgotten, stopped] = [1_000, 2_000, 3_000].map(content);
    let seq = ada.shares(room, &kept).await;
    let until_ms = ada.bring(&upload(room, &forgotten), &forgotten).await.unwrap().until_ms;
    assert_eq!(until_ms, quipu_server::seams::Clock::now_ms(&*server.clock) + DAY_MS);
    let (mut stream, from) = ada.begin(&upload(room, &stopped)).await;
    from.unwrap();
    stream.write(&stopped[..100]).await;
    drop(stream);
    server.clock.advance(DAY_MS + 1);
    server.stop().await;
    server.restart().await;
    until("one is left", || server.stored().len() == 1).await;
    // Its token ended with the day.
    let bytes = std::fs::read(&server.stored()[0]).unwrap();
    assert_eq!((bytes, seq), (kept, seq));
}

/// Goal: content goes from the disk with the last message that refers to it, and not before.
#[tokio::test]
async fn a_file_goes_with_the_last_message_that_refers_to_it() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let bob = server.join(&ada, "bob").await;
    let (room, lobby) = (ada.private_room().await, ada.lobby().await);
    ada.lets_in(room, &bob).await;
    let [shared, own] = [4_000, 5_000].map(content);
    let seq = ada.shares(room, &shared).await;
    // He passes on what he reads, in another room, and brings something himself.
    let passed = bob.says(&referring(lobby, vec![reference(&shared)])).await.unwrap().at.seq;
    let brought = bob.shares(lobby, &own).await;
    assert_eq!(server.stored().len(), 2);

    let purge = |user, room| Purge { user, room: Some(room), reason: None };
    ada.peer.ask::<Done>(&purge(bob.me.user, lobby)).await.unwrap();
    until("his own is gone", || server.stored().len() == 1).await;
    for gone in [all_of(lobby, passed, &shared), all_of(lobby, brought, &own)] {
        assert_eq!(ada.fetch(&gone).await, Err(Code::NOT_FOUND));
    }
    assert_eq!(bob.fetch(&all_of(room, seq, &shared)).await.unwrap(), shared);
    let listed: Files = ada.peer.ask(&ListFiles { room: lobby, before: None }).await.unwrap();
    assert!(listed.entries.is_empty());

    ada.peer.ask::<Done>(&purge(ada.me.user, room)).await.unwrap();
    until("the last is gone", || server.stored().is_empty()).await;
    assert_eq!(bob.fetch(&all_of(room, seq, &shared)).await, Err(Code::NOT_FOUND));
}

/// Goal: names are data. One that is a path is not even a frame.
#[tokio::test]
async fn a_name_that_is_a_path_is_no_name() {
    let server = TestServer::start().await;
    let ada = server.owner().await;
    let room = ada.lobby().await;
    let bytes = content(10);
    ada.bring(&upload(room, &bytes), &bytes).await.unwrap();
    let frame = quipu_protocol::Message::to_frame(&referring(room, vec![reference(&bytes)]));
    let at = frame.windows(9).position(|window| window == b"notes.txt").unwrap();
    for hostile in [b"../../etc", b"/etc/cron", b"a\\b\\c\\d\\e", b"a\0bcdefgh", b"cod\xe2\x80\xaegpj"] {
        let mut bytes = frame.to_vec();
        bytes[at..at + 9].copy_from_slice(hostile);
        let mut author = ada.author().await;
        author.write(&bytes).await;
        assert_eq!(author.read.broken().await, Ended::Reset(ResetCode::BadCbor), "{hostile:?}");
    }
    let _: Cursor = ada.says(&referring(room, vec![reference(&bytes)])).await.unwrap().at;
}
