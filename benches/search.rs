//! How long does somebody wait for a search in a million messages, and what does the index weigh?
//!
//! Real conversations (the IRC logs in the folder that `QUIPU_IRC_LOGS` names, else sentences made of the words of our
//! own manuals) are said again and again until there are 1,000,000 messages, one in a hundred in Chinese, Japanese or
//! Korean: half of them in one room, the others in nineteen. A member of all twenty asks over a real connection, one
//! question after the other, and goes on where an answer stopped until a screen is full or nothing is left. Prints the middle, the
//! slowest hundredth and the slowest of the times from asking to having an answer, the same of whole searches, how many
//! messages a search found, and how many answers it took. Then 100,000 more are said, and as many of a kind that nobody can search.
//!
//! `cargo bench --bench search`, with `-- --short` for 100,000 messages.

mod support;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use quipu_protocol::request::{Found, Search};
use quipu_protocol::{Blob, DeviceId, Ext, Kind, List, MessageId, RoomId, Text, UserId};
use quipu_server::store::sqlite::SqliteStore;
use quipu_server::store::{Blocking, Effect, NewEntry, Observer, Storage};
use tokio::time::Instant;

use support::Asked;
use support::load::Load;
use support::measured::Measured;
use support::member::{Member, Online};

const ROOMS: usize = 20;
/// Questions of each kind.
const QUESTIONS: usize = 400;
/// Messages a question wants: a screen.
const WANTED: u64 = 20;
/// Messages in one job of the import.
const JOB_MESSAGES: usize = 256;
/// Messages said at the end to see what the index costs.
const MORE: usize = 100_000;
/// A kind of a later version: kept, and in no index.
const UNSEARCHED: Kind = Kind(9_999);

const DENSE: &[&str] = &[
    "今天我们讨论一下备份的问题",
    "服务器已经重新启动了",
    "明天在北京见面吧",
    "请把文件发给我，谢谢",
    "サーバーを再起動しました",
    "バックアップは終わりましたか",
    "明日の会議は東京で行います",
    "設定ファイルを確認してください",
    "서버가 다시 시작되었습니다",
    "내일 회의는 서울에서 합니다",
    "백업이 끝났는지 확인해 주세요",
    "파일을 보내 주셔서 감사합니다",
];

fn main() -> ExitCode {
    support::main(bench)
}

async fn bench(asked: Asked) -> Result<()> {
    let messages = if asked.short { 100_000 } else { 1_000_000 };
    let said = conversations()?;
    let folder = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    let (member, rooms) = settle(folder.path()).await?;
    fill(folder.path(), &rooms, &said, 0..messages, Kind::TEXT).await?;
    weigh(folder.path(), messages)?;

    let server = Measured::quipu(folder.path())?;
    let load = Load::new(1, &folder.path().join("certs"))?;
    let online = member.connect(&load, server.address).await?;
    println!(
        "{:>34} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "a question of", "p50 ms", "p99 ms", "max ms", "all p50", "all p99", "found", "answers"
    );
    for (what, question) in kinds(&said, rooms[0]) {
        ask(&online, what, question).await?;
    }
    drop(online);
    server.stop().await?;
    // What nobody can search is said as it would be without an index.
    let more = |part: usize| messages + part * MORE..messages + (part + 1) * MORE;
    fill(folder.path(), &rooms, &said, more(0), Kind::TEXT).await?;
    fill(folder.path(), &rooms, &said, more(1), UNSEARCHED).await
}

/// Somebody in all the rooms, on a server that has stopped again.
async fn settle(folder: &Path) -> Result<(Member, Vec<RoomId>)> {
    let server = Measured::quipu(folder)?;
    let invite = server.invite.clone().context("a new server invites its owner")?;
    let load = Load::new(1, &folder.join("certs"))?;
    let member = Member::enrol(&load, server.address, invite.pin, &invite.secret, "owner").await?;
    let online = member.connect(&load, server.address).await?;
    let mut rooms = Vec::new();
    for number in 0..ROOMS {
        rooms.push(online.create_room(&format!("room-{number}")).await?);
    }
    drop(online);
    server.stop().await?;
    Ok((member, rooms))
}

struct Nobody;

impl Observer for Nobody {
    fn committed(&self, _: &[Effect]) {}
}

/// Says all these, straight into the store.
async fn fill(
    folder: &Path,
    rooms: &[RoomId],
    said: &[Said],
    numbers: Range<usize>,
    kind: Kind,
) -> Result<()> {
    let store = SqliteStore::open(&folder.join("data"))?;
    let storage = Storage::start(Box::new(store), Blocking::Pool, Arc::new(Nobody))?;
    let (begin, messages) = (Instant::now(), numbers.len());
    for first in numbers.clone().step_by(JOB_MESSAGES) {
        let some = first..numbers.end.min(first + JOB_MESSAGES);
        let some: Vec<NewEntry> = some.map(|number| entry(rooms, said, number, kind)).collect();
        let job = move |writes: &mut dyn quipu_server::store::Writes| {
            some.into_iter().try_for_each(|new| writes.append(new).map(drop))?;
            Ok(())
        };
        storage.write(job).await?;
    }
    let each = begin.elapsed().as_secs_f64() * 1e6 / messages as f64;
    println!("{messages} messages of {kind:?} taken, {each:.0} µs each, {JOB_MESSAGES} in a batch");
    storage.close().await;
    Ok(())
}

fn entry(rooms: &[RoomId], said: &[Said], number: usize, kind: Kind) -> NewEntry {
    let turn = scattered(number);
    let one = &said[turn % said.len()];
    let text = if number % 100 == 7 { DENSE[turn / 7 % DENSE.len()] } else { &one.text };
    let room = if number.is_multiple_of(2) { 0 } else { 1 + turn % (rooms.len() - 1) };
    NewEntry {
        room: rooms[room],
        now_ms: 1_700_000_000_000 + number as u64 * 1_000,
        author: Some((one.author, DeviceId::from_bytes([9; 16]))),
        message: Some(MessageId::from_bytes(((turn as u128) << 64 | number as u128).to_be_bytes())),
        kind,
        body: Blob::new(text.as_bytes().to_vec()).unwrap_or_default(),
        ext: Ext::default(),
        membership: None,
    }
}

/// A number that follows from another one and looks as if it did not.
fn scattered(number: usize) -> usize {
    let mixed = (number as u64 ^ 0x5bf0_3635).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) as usize >> 24
}

/// How much of the file is the index.
fn weigh(folder: &Path, messages: usize) -> Result<()> {
    let file = folder.join("data").join("quipu.db");
    let whole = std::fs::metadata(&file)?.len();
    let conn = rusqlite::Connection::open(file)?;
    let index: i64 = conn.query_row("SELECT sum(length(block)) FROM words_data", [], |row| row.get(0))?;
    let each = |bytes: f64| bytes / messages as f64;
    println!("{:.0} bytes of disk for each, {:.0} of them the index", each(whole as f64), each(index as f64));
    Ok(())
}

type Question = Box<dyn Fn(usize) -> Search>;

/// What was said, as words worth a search: a source of questions, one for each turn.
struct Heard(Vec<Vec<String>>);

impl Heard {
    fn line(&self, turn: usize) -> &[String] {
        &self.0[scattered(turn) % self.0.len()]
    }

    fn word(&self, turn: usize) -> &str {
        let line = self.line(turn);
        &line[scattered(turn ^ 77) % line.len()]
    }

    /// Two neighbours.
    fn pair(&self, turn: usize) -> (&str, &str) {
        let line = self.line(turn);
        let at = scattered(turn ^ 78) % (line.len() - 1);
        (&line[at], &line[at + 1])
    }

    fn two_words(&self, turn: usize) -> String {
        let (one, another) = self.pair(turn);
        format!("{another} {one}")
    }

    fn strangers(&self, turn: usize) -> String {
        format!("{} {}", self.word(turn), self.word(turn + 9_999))
    }

    fn phrase(&self, turn: usize) -> String {
        let (one, another) = self.pair(turn);
        format!("\"{one} {another}\"")
    }

    fn beginning(&self, turn: usize) -> String {
        format!("{}*", self.word(turn).chars().take(4).collect::<String>())
    }
}

/// Two neighbouring characters of something in [`DENSE`].
fn two_characters(turn: usize) -> String {
    let text: Vec<char> = DENSE[turn % DENSE.len()].chars().filter(|char| char.is_alphanumeric()).collect();
    let at = scattered(turn) % (text.len() - 1);
    text[at..at + 2].iter().collect()
}

/// What is asked: a question for each turn.
fn kinds(said: &[Said], large: RoomId) -> Vec<(&'static str, Question)> {
    let lines = said.iter().map(|one| words(&one.text)).filter(|some| some.len() > 3).collect();
    let heard = Arc::new(Heard(lines));
    let of = |ask: fn(&Heard, usize) -> String| -> Question {
        let heard = Arc::clone(&heard);
        Box::new(move |turn| question(&ask(&heard, turn)))
    };
    let everywhere = of(Heard::two_words);
    let within: Question =
        Box::new(move |turn| Search { rooms: List::new(vec![large]).ok(), ..everywhere(turn) });
    vec![
        ("one word", of(|heard, turn| heard.word(turn).to_owned())),
        ("two words of one message", of(Heard::two_words)),
        ("two words of any two", of(Heard::strangers)),
        ("a phrase of two words", of(Heard::phrase)),
        ("a beginning of a word", of(Heard::beginning)),
        ("two characters, CJK", of(|_, turn| two_characters(turn))),
        ("two words in the largest room", within),
        ("two words nobody says together", of(|_, turn| format!("the 东京{turn} the"))),
    ]
}

fn question(words: &str) -> Search {
    Search { limit: WANTED, ..Search::for_words(Text::cut(words.to_owned())) }
}

async fn ask(online: &Online, what: &str, question: Question) -> Result<()> {
    let (mut answers, mut wholes, mut hits) = (Vec::new(), Vec::new(), 0);
    for turn in 0..QUESTIONS {
        let (mut question, begin, mut found) = (question(turn), Instant::now(), 0);
        loop {
            let asked = Instant::now();
            let answer: Found = online.ask(&question).await?;
            answers.push(asked.elapsed());
            found += answer.hits.len();
            question.limit = WANTED.saturating_sub(found as u64);
            question.after = answer.next;
            if question.after.is_none() || question.limit == 0 {
                break;
            }
        }
        wholes.push(begin.elapsed());
        hits += found;
        // Well below the bound of requests: it is not what is measured.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let found = hits as f64 / QUESTIONS as f64;
    let each = answers.len() as f64 / QUESTIONS as f64;
    answers.sort_unstable();
    wholes.sort_unstable();
    let ms = |waits: &[Duration], percent: usize| {
        let at = (waits.len() * percent / 100).min(waits.len() - 1);
        waits[at].as_secs_f64() * 1_000.0
    };
    println!(
        "{what:>34} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {found:>8.1} {each:>8.2}",
        ms(&answers, 50),
        ms(&answers, 99),
        ms(&answers, 100),
        ms(&wholes, 50),
        ms(&wholes, 99),
    );
    Ok(())
}

/// Something somebody said.
struct Said {
    author: UserId,
    text: String,
}

fn conversations() -> Result<Vec<Said>> {
    let said = match std::env::var_os("QUIPU_IRC_LOGS") {
        Some(folder) => logs(&PathBuf::from(folder))?,
        None => made_up(),
    };
    anyhow::ensure!(said.len() > 100, "only {} messages to say again", said.len());
    println!("{} different messages", said.len());
    Ok(said)
}

/// Lines `[12:34] <nick> text` of every `.log` in a folder.
fn logs(folder: &Path) -> Result<Vec<Said>> {
    let mut said = Vec::new();
    for file in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let path = file?.path();
        if path.extension().is_none_or(|ending| ending != "log") {
            continue;
        }
        let bytes = std::fs::read(&path)?;
        said.extend(String::from_utf8_lossy(&bytes).lines().filter_map(|line| {
            let (nick, text) = line.split_once("] <")?.1.split_once("> ")?;
            (!text.is_empty()).then(|| Said { author: author(nick), text: text.to_owned() })
        }));
    }
    Ok(said)
}

/// Sentences from the words of our manuals; a word comes as often as it does there.
fn made_up() -> Vec<Said> {
    let manuals = [include_str!("../docs/CLI.md"), include_str!("../protocol/spec/PROTOCOL.md")].concat();
    let words = words(&manuals);
    let sentence = |number: usize| {
        let some = (0..4 + scattered(number) % 12)
            .map(|at| words[scattered(number * 31 + at) % words.len()].as_str());
        some.collect::<Vec<_>>().join(" ")
    };
    (0..6_000)
        .map(|number| Said { author: author(&(number % 40).to_string()), text: sentence(number) })
        .collect()
}

fn author(nick: &str) -> UserId {
    let mut bytes = [0; 16];
    nick.bytes().enumerate().for_each(|(at, byte)| bytes[at % 16] ^= byte.rotate_left(at as u32 / 16));
    UserId::from_bytes(bytes)
}

/// The words of a text that are worth a search.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|char: char| !char.is_alphanumeric()).filter(|part| part.len() >= 3);
    parts.map(str::to_lowercase).collect()
}
