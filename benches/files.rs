//! By how much does a large file on a connection slow down what people say on the same connection?
//!
//! One author says a message of 100 bytes two hundred times a second, one reader hears it; both are there as clients are,
//! with the windows and priorities of ours. In turns: nothing else; the author brings a file on its own connection; the
//! reader fetches it on its own; the author brings one on a second connection. Each lasts as long as the file takes, the first as
//! long as it took.
//!
//! Prints the rate of the file, the middle, the slowest tenth and the slowest hundredth of publish-to-acknowledge and of
//! publish-to-hear, and the slowest hundredth in per cent of that without a file. Server and load have a core each,
//! loopback; every message is durable before it is acknowledged, every file before it is done.
//!
//! `cargo bench --bench files`, with `-- --short` for 100 MB instead of 1 GB.

mod support;

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use quinn::{TransportConfig, VarInt};
use quipu_protocol::entry::FileRef;
use quipu_protocol::file::{Content, Download, SendFrom, Upload, Uploaded};
use quipu_protocol::publish::Ack;
use quipu_protocol::{
    BidiType, Blob, Draft, Entry, Ext, FrameType, Kind, List, Message as _, MessageId, RoomId, Seq, Text,
    UploadId,
};
use ring::digest::{Context as Hash, SHA256};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use support::Asked;
use support::frames::{Frames, seq_of};
use support::load::Load;
use support::measured::Measured;
use support::member::{Member, Online, Talk};

/// Messages a second.
const RATE: u32 = 200;
/// As the client reads and writes files.
const CHUNK: usize = 64 * 1024;
const FILE_PRIORITY: i32 = -50;
const LAST_WORDS: Duration = Duration::from_secs(30);

fn main() -> std::process::ExitCode {
    support::main(files)
}

async fn files(asked: Asked) -> Result<()> {
    let (size, rounds) = if asked.short { (100_000_000, 5) } else { (1_000_000_000, 3) };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let quipu = Measured::quipu(folder.path())?;
    let world = World::new(&quipu, folder.path()).await?;
    println!("{size} bytes, {RATE} messages a second, {rounds} rounds in turn\n{}", Row::head());
    let mut rows: [Row; 4] = Default::default();
    for round in 0..rounds {
        let file = File::new(size, round);
        let other = File::new(size, round + 100);
        let up = world.during(world.bring(&world.author, &file)).await?;
        let quiet = world.during(nothing(up.lasted)).await?;
        let seq = world.refer(&file).await?;
        let down = world.during(world.fetch(&file, seq)).await?;
        let beside = world.during(world.bring(&world.second, &other)).await?;
        for (row, said) in rows.iter_mut().zip([quiet, up, down, beside]) {
            row.add(said, size);
        }
    }
    let quiet = (rows[0].ack.at(99), rows[0].hear.at(99));
    for (name, row) in ["no file", "brought, same", "fetched, same", "brought, second"].iter().zip(&rows) {
        println!("{}", row.shown(name, quiet));
    }
    Ok(())
}

/// Content that no other round has, without a gigabyte in memory.
struct File {
    size: u64,
    salt: u64,
    block: Bytes,
    hash: [u8; 32],
}

impl File {
    fn new(size: u64, salt: u64) -> Self {
        let bytes = (0..CHUNK as u64).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ salt as u8);
        let mut file = Self { size, salt, block: bytes.collect::<Vec<_>>().into(), hash: [0; 32] };
        let mut hash = Hash::new(&SHA256);
        (0..size.div_ceil(CHUNK as u64)).for_each(|nth| hash.update(&file.piece(nth)));
        file.hash.copy_from_slice(hash.finish().as_ref());
        file
    }

    fn piece(&self, nth: u64) -> Bytes {
        let left = self.size - nth * CHUNK as u64;
        let mut piece = self.block.to_vec();
        piece[..8].copy_from_slice(&(nth ^ self.salt << 32).to_le_bytes());
        piece.truncate(usize::try_from(left).unwrap_or(CHUNK));
        piece.into()
    }

    fn hash(&self) -> Blob<32> {
        Blob::new(self.hash.to_vec()).expect("SHA-256 has 32 bytes")
    }
}

/// Who is there, and what was said so far.
struct World {
    author: Online,
    second: Online,
    reader: Online,
    room: RoomId,
    talk: tokio::sync::Mutex<quinn::SendStream>,
    chat: Rc<Chat>,
}

#[derive(Default)]
struct Chat {
    /// Position before the first message.
    base: Cell<u64>,
    /// Messages acknowledged.
    acked: Cell<u64>,
    /// Messages heard.
    done: Cell<u64>,
    said: RefCell<Vec<Instant>>,
    acks: RefCell<Vec<Duration>>,
    hears: RefCell<Vec<Duration>>,
}

/// What was measured while something went on.
struct Said {
    lasted: Duration,
    acks: Vec<Duration>,
    hears: Vec<Duration>,
}

impl World {
    async fn new(quipu: &Measured, folder: &Path) -> Result<Self> {
        let load = Load::tuned(3, &folder.join("certs"), as_the_client)?;
        let invite = quipu.invite.as_ref().context("the invite of a new server")?;
        let owner = Member::enrol(&load, quipu.address, invite.pin, &invite.secret, "author").await?;
        let author = owner.connect(&load, quipu.address).await?;
        let second = owner.connect(&load, quipu.address).await?;
        let room = author.create_room("files").await?;
        let secret = author.invite(1, Some(room)).await?;
        let other = Member::enrol(&load, quipu.address, invite.pin, &secret, "reader").await?;
        let reader = other.connect(&load, quipu.address).await?;
        let open = reader.open(room).await?;
        let chat = Rc::new(Chat::default());
        chat.base.set(open.head);
        let talk = Talk::open(&author.connection, BidiType::Publish).await?;
        talk.send.set_priority(80)?;
        tokio::task::spawn_local(acks(talk.listen, Rc::clone(&chat)));
        tokio::task::spawn_local(hears(open.live, Rc::clone(&chat)));
        Ok(Self { author, second, reader, room, talk: tokio::sync::Mutex::new(talk.send), chat })
    }

    fn draft(&self, body: &[u8], ext: Ext) -> Draft {
        let number = self.chat.said.borrow().len() as u128;
        let message = MessageId::from_bytes((number + 1).to_be_bytes());
        let body = Blob::new(body.to_vec()).expect("a short body");
        Draft { room: self.room, message, kind: Kind::TEXT, body, ext }
    }

    async fn say(&self, draft: &Draft) -> Result<()> {
        let frame = draft.to_frame();
        self.chat.said.borrow_mut().push(Instant::now());
        Ok(self.talk.lock().await.write_all(&frame).await?)
    }

    /// Talks while `work` goes on, and until everything is heard.
    async fn during(&self, work: impl Future<Output = Result<()>>) -> Result<Said> {
        self.chat.acks.take();
        self.chat.hears.take();
        let began = Instant::now();
        let mut work = std::pin::pin!(work);
        let mut turns = interval(Duration::from_secs(1) / RATE);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = turns.tick() => self.say(&self.draft(&[b'x'; 100], Ext::default())).await?,
                done = &mut work => { done?; break }
            }
        }
        let lasted = began.elapsed();
        timeout(LAST_WORDS, self.heard()).await.context("not everything was heard in time")?;
        Ok(Said { lasted, acks: self.chat.acks.take(), hears: self.chat.hears.take() })
    }

    async fn heard(&self) {
        while self.chat.acked.get() < self.chat.said.borrow().len() as u64
            || self.chat.done.get() < self.chat.said.borrow().len() as u64
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn bring(&self, online: &Online, file: &File) -> Result<()> {
        let mut talk = Talk::open(&online.connection, BidiType::Upload).await?;
        talk.send.set_priority(FILE_PRIORITY)?;
        let mut upload = [0; 16];
        upload.copy_from_slice(&file.hash[..16]);
        let ask = Upload {
            upload: UploadId::from_bytes(upload),
            room: self.room,
            size: file.size,
            hash: file.hash(),
            media_type: Text::default(),
        };
        talk.say(&ask).await?;
        ensure!(talk.hear::<SendFrom>().await?.offset == 0, "the content was there already");
        for nth in 0..file.size.div_ceil(CHUNK as u64) {
            talk.send.write_chunk(file.piece(nth)).await?;
        }
        talk.send.finish()?;
        talk.hear::<Uploaded>().await.map(drop)
    }

    /// A message that refers to the file; gives its position.
    async fn refer(&self, file: &File) -> Result<Seq> {
        let reference = FileRef {
            hash: file.hash(),
            size: file.size,
            name: "bench".parse()?,
            media_type: Text::default(),
            width: None,
            height: None,
        };
        let files = Some(List::first(vec![reference]));
        self.say(&self.draft(b"", Ext { files, ..Ext::default() })).await?;
        timeout(LAST_WORDS, self.heard()).await.context("the message was not heard")?;
        Ok(Seq(self.chat.base.get() + self.chat.said.borrow().len() as u64))
    }

    async fn fetch(&self, file: &File, seq: Seq) -> Result<()> {
        let mut talk = Talk::open(&self.reader.connection, BidiType::Download).await?;
        talk.send.set_priority(FILE_PRIORITY)?;
        talk.say(&Download { room: self.room, seq, hash: file.hash(), offset: 0, length: None }).await?;
        talk.send.finish()?;
        let content: Content = talk.hear().await?;
        let mut hash = Hash::new(&SHA256);
        let mut came = 0;
        let (rest, mut stream) = talk.listen.raw();
        let mut piece = Some(rest);
        while let Some(bytes) = piece {
            hash.update(&bytes);
            came += bytes.len() as u64;
            piece = stream.read_chunk(32 * 1024, true).await?.map(|chunk| chunk.bytes);
        }
        ensure!(came == content.length && hash.finish().as_ref() == file.hash, "another content came");
        Ok(())
    }
}

async fn nothing(long: Duration) -> Result<()> {
    tokio::time::sleep(long).await;
    Ok(())
}

async fn acks(mut listen: support::member::Listen, chat: Rc<Chat>) {
    while let Ok(ack) = listen.until::<Ack>().await {
        let nth = ack.at.seq.0 - chat.base.get() - 1;
        chat.acked.set(nth + 1);
        chat.acks.borrow_mut().push(chat.said.borrow()[nth as usize].elapsed());
    }
}

async fn hears(mut stream: quinn::RecvStream, chat: Rc<Chat>) {
    let mut frames = Frames::default();
    while let Ok(Some(chunk)) = stream.read_chunk(usize::MAX, true).await {
        let fed = frames.feed(&chunk.bytes, |ty: FrameType, _, payload| {
            if ty == Entry::TYPE {
                let nth = seq_of(payload)? - chat.base.get() - 1;
                ensure!(nth == chat.done.replace(nth + 1), "an entry out of order");
                chat.hears.borrow_mut().push(chat.said.borrow()[nth as usize].elapsed());
            }
            Ok(())
        });
        if let Err(error) = fed {
            eprintln!("a reader: {error}");
            return;
        }
    }
}

/// What the client sets, see `client/src/net/endpoint.rs`.
fn as_the_client(transport: &mut TransportConfig) {
    transport
        .stream_receive_window(VarInt::from_u32(256 * 1024))
        .receive_window(VarInt::from_u32(2 * 1024 * 1024))
        .send_window(1024 * 1024);
}

/// Waits, in order.
#[derive(Default)]
struct Waits(Vec<Duration>);

impl Waits {
    fn add(&mut self, more: Vec<Duration>) {
        self.0.extend(more);
        self.0.sort_unstable();
    }

    /// In milliseconds, the wait that `part` of a hundred did not exceed.
    fn at(&self, part: usize) -> f64 {
        self.0.get(self.0.len() * part / 100).map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
    }
}

/// One way to be busy, over all rounds.
#[derive(Default)]
struct Row {
    ack: Waits,
    hear: Waits,
    bytes: u64,
    lasted: Duration,
}

impl Row {
    fn add(&mut self, said: Said, bytes: u64) {
        self.ack.add(said.acks);
        self.hear.add(said.hears);
        self.bytes += bytes;
        self.lasted += said.lasted;
    }

    fn head() -> String {
        format!(
            "{:>16} {:>6} {:>8} | {:^31} | {:^31}\n{:>16} {:>6} {:>8} | {:>7} {:>7} {:>7} {:>7} | {:>7} {:>7} {:>7} {:>7}",
            "",
            "",
            "",
            "acknowledged, ms",
            "heard, ms",
            "file",
            "MB/s",
            "messages",
            "p50",
            "p90",
            "p99",
            "of quiet",
            "p50",
            "p90",
            "p99",
            "of quiet"
        )
    }

    fn shown(&self, name: &str, quiet: (f64, f64)) -> String {
        let half = |waits: &Waits, quiet: f64| {
            let [p50, p90, p99] = [50, 90, 99].map(|part| waits.at(part));
            format!("{p50:>7.2} {p90:>7.2} {p99:>7.2} {:>6.0} %", p99 / quiet * 100.0)
        };
        let rate = self.bytes as f64 / self.lasted.as_secs_f64() / 1e6;
        let rate = if name == "no file" { "".to_owned() } else { format!("{rate:.0}") };
        let (ack, hear) = (half(&self.ack, quiet.0), half(&self.hear, quiet.1));
        format!("{name:>16} {rate:>6} {:>8} | {ack} | {hear}", self.hear.0.len())
    }
}
