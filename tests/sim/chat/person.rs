//! One person with one device: a real client, a profile on disk, and a task that takes events as they come.
//!
//! A crash takes the process and its sockets; the profile stays, and so does what the person remembers. After it the
//! rooms are opened either where the person stopped reading, or where the profile was, and what lies between is read
//! from the profile.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use quipu_client::{Blocking, Client, Config, Draft, ErrorCode, Network as Platform, OpenFrom, Seams};
use quipu_protocol::{Cursor, InviteLink, MessageId, RoomId, UserId};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    chronicle::Chronicle,
    memory::{Memory, Short},
    seams::Epoch,
    transport::SimTransport,
};
use crate::{net::Network, world::World};

/// Events taken at once.
const EVENTS: usize = 256;
/// How long anything may take that needs the server and no fault is in the way.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One person.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) user: UserId,
    pub(crate) transport: Arc<SimTransport>,
    /// Everything said, in the order it was said.
    pub(crate) said: Vec<Said>,
    net: Network,
    chronicle: Chronicle,
    seams: Seams,
    home: TempDir,
    memory: Arc<Mutex<Memory>>,
    rooms: Vec<RoomId>,
    /// How often the program was started.
    pub(crate) lives: u32,
    running: Option<Running>,
}

/// A message handed to the library, which said that it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) room: RoomId,
    pub(crate) id: MessageId,
    pub(crate) body: String,
    /// When, in virtual time.
    pub(crate) at: Duration,
}

/// Somebody's memory, shared.
#[derive(Debug, Clone)]
pub(crate) struct Witness {
    pub(crate) name: &'static str,
    memory: Arc<Mutex<Memory>>,
}

impl Witness {
    /// What was told so far.
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("remembering does not panic")
    }
}

struct Running {
    client: Client,
    reading: JoinHandle<()>,
}

impl Person {
    /// Somebody with an empty profile whose machine is at `ip`.
    pub(crate) async fn new(
        name: &'static str,
        world: &World,
        (ip, server): (Ipv4Addr, SocketAddr),
        epoch: Epoch,
        chronicle: Chronicle,
    ) -> Self {
        let mut person = Self {
            name,
            user: UserId::from_bytes([0; 16]),
            transport: SimTransport::new(world.net.clone(), ip, server, world.rng()),
            said: Vec::new(),
            net: world.net.clone(),
            chronicle,
            seams: epoch.client(world.rng()),
            home: tempfile::tempdir_in(fast_folder()).expect("a temporary folder can be made"),
            memory: Arc::default(),
            rooms: Vec::new(),
            lives: 0,
            running: None,
        };
        person.open().await;
        person
    }

    /// The client of the running program.
    ///
    /// # Panics
    /// While there is none.
    pub(crate) fn client(&self) -> &Client {
        &self.running.as_ref().expect("the program runs").client
    }

    /// What was told so far.
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("remembering does not panic")
    }

    /// What this person remembers, for somebody who looks while the person is busy.
    pub(crate) fn witness(&self) -> Witness {
        Witness { name: self.name, memory: Arc::clone(&self.memory) }
    }

    /// Rooms open in this program and in every later one.
    pub(crate) fn rooms(&self) -> &[RoomId] {
        &self.rooms
    }

    /// Becomes somebody on the server, and stays connected from now on.
    pub(crate) async fn join(&mut self, link: &InviteLink) {
        let link = link.to_string();
        let joined = self.client().join(&link, self.name, "simulated").await;
        let account = joined.unwrap_or_else(|error| panic!("{} cannot join: {error}", self.name));
        self.user = account.user;
        let client = self.client();
        client.start().await.expect("whoever joined can start");
        client.wait_online(PATIENCE).await.expect("nothing is in the way yet");
    }

    /// Reads a room from its beginning on.
    pub(crate) async fn read(&mut self, room: RoomId) {
        self.rooms.push(room);
        let opened = self.client().open_room(room, OpenFrom::Start).await;
        opened.expect("few rooms are open");
    }

    /// Says something; it is on disk when this returns.
    pub(crate) async fn say(&mut self, room: RoomId, body: String) -> MessageId {
        let id = self.client().send(room, Draft::text(body.clone())).await;
        let id = id.expect("the outbox takes it");
        self.note(format_args!("says {id} in {}", Short(&room)));
        self.said.push(Said { room, id, body, at: self.elapsed() });
        id
    }

    /// Marks as read what was read of a room, if the server can be asked soon.
    pub(crate) async fn mark_read(&self, room: RoomId) {
        let Some(Cursor { seq, .. }) = self.memory().cursor(room) else {
            return;
        };
        let marked = timeout(Duration::from_secs(2), self.client().mark_read(room, seq)).await;
        let outcome = if matches!(marked, Ok(Ok(()))) { "marked" } else { "could not mark" };
        self.note(format_args!("{outcome} {} up to {}", Short(&room), seq.0));
    }

    /// Goes to another network, and tells the library so.
    pub(crate) async fn move_to(&self, ip: Ipv4Addr) {
        self.note(format_args!("moves to {ip}"));
        self.transport.move_to(ip);
        self.client().network(Platform::Changed).await;
    }

    /// The address translator forgets the newest socket. Nobody is told.
    pub(crate) fn rebind_nat(&self, seen: SocketAddr) {
        if let Some(real) = self.transport.newest() {
            self.note(format_args!("{real} is seen as {seen} now"));
            self.net.rebind_nat(real, seen);
        }
    }

    /// The program is killed.
    pub(crate) async fn crash(&mut self) {
        self.transport.crash();
        self.note("crashes");
        self.end().await;
    }

    /// The program ends in order.
    pub(crate) async fn quit(&mut self) {
        self.note("quits");
        self.client().shutdown().await;
        self.end().await;
    }

    /// Starts the program again on the same profile; `resume` leaves it to the profile where to read on.
    pub(crate) async fn reopen(&mut self, resume: bool) {
        self.open().await;
        for room in self.rooms.clone() {
            let told = self.memory().cursor(room);
            let from = match told {
                None => OpenFrom::Start,
                Some(told) if !resume => OpenFrom::Cursor(told),
                Some(told) => {
                    // The program remembers more than it had time to say: it may have been killed in between.
                    let shown = self.client().shown(room, told).await;
                    shown.expect("the profile can be written");
                    OpenFrom::Resume
                }
            };
            let opened = self.client().open_room(room, from).await;
            opened.expect("few rooms are open");
        }
        self.client().start().await.expect("whoever joined can start");
    }

    /// Virtual time.
    pub(crate) fn elapsed(&self) -> Duration {
        self.net.elapsed()
    }

    /// Waits until the program is connected; gives how long it took.
    pub(crate) async fn online(&self) -> Duration {
        let began = Instant::now();
        self.client().wait_online(3 * PATIENCE).await.expect("nobody is kept out for ever");
        began.elapsed()
    }

    async fn open(&mut self) {
        let client = loop {
            match Client::open(self.config()).await {
                Ok(client) => break client,
                // What the killed program had under way still holds the profile, as a process that is being reaped.
                Err(error) if error.code == ErrorCode::Locked => sleep(Duration::from_millis(10)).await,
                Err(error) => panic!("{} cannot open their profile: {error}", self.name),
            }
        };
        let reading = tokio::spawn(read(
            client.clone(),
            Arc::clone(&self.memory),
            self.chronicle.clone(),
            (self.name, self.net.clone()),
        ));
        self.lives += 1;
        self.running = Some(Running { client, reading });
    }

    async fn end(&mut self) {
        let Some(Running { client, reading }) = self.running.take() else {
            return;
        };
        reading.abort();
        // It was aborted: that is how it ends.
        let _ = reading.await;
        drop(client);
    }

    fn config(&self) -> Config {
        Config {
            seams: self.seams.clone(),
            transport: self.transport.clone(),
            blocking: Blocking::Inline,
            ..Config::new(self.home.path())
        }
    }

    /// Writes down what happens to this person.
    pub(crate) fn note(&self, what: impl std::fmt::Display) {
        self.chronicle.note(self.name, what);
    }
}

/// Takes events for as long as the program runs.
async fn read(
    client: Client,
    memory: Arc<Mutex<Memory>>,
    chronicle: Chronicle,
    (name, net): (&'static str, Network),
) {
    loop {
        for numbered in client.next_events(EVENTS, Duration::from_secs(3_600)).await {
            let heard =
                memory.lock().expect("remembering does not panic").hear(&numbered.event, net.elapsed());
            if let Some(line) = heard {
                chronicle.note(name, line);
            }
        }
    }
}

/// A folder in memory where there is one: profiles sync every commit, and no simulated crash reaches the disk below.
fn fast_folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}
