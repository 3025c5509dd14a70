//! A server that can be stopped and started again on the same folders, and clients of it.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use quipu_client::protocol::{InviteLink, RoomId};
use quipu_client::{Client, Config, ConnState, Event, NewInvite, OpenFrom};
use quipu_server::config;
use quipu_server::seams::Seams;
use quipu_server::server::Server;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    folder: TempDir,
    address: SocketAddr,
    running: Option<(CancellationToken, JoinHandle<()>)>,
    /// The invite printed at the first start.
    pub(crate) owner: InviteLink,
}

/// A client, its profile's folder, and the room everybody is in.
pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) folder: TempDir,
    pub(crate) lobby: RoomId,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let server = Server::bind(&config(&folder, any), Seams::system()).await.unwrap();
        let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, server.local_addr().unwrap().port()));
        let owner = server.owner_invite().await.unwrap().unwrap();
        let mut world = Self { folder, address, running: None, owner };
        world.run(server);
        world
    }

    fn run(&mut self, server: Server) {
        self.running = Some((server.stopping(), tokio::spawn(server.run())));
    }

    /// Stops the server in order.
    pub(crate) async fn stop(&mut self) {
        let (stopping, running) = self.running.take().unwrap();
        stopping.cancel();
        timeout(PATIENCE, running).await.unwrap().unwrap();
    }

    /// Starts it again where it was.
    pub(crate) async fn start(&mut self) {
        let server = Server::bind(&config(&self.folder, self.address), Seams::system()).await.unwrap();
        self.run(server);
    }

    /// Where the server keeps everything.
    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// The owner, online.
    pub(crate) async fn ada(&self) -> Person {
        Person::join(&self.owner.to_string(), "ada").await
    }
}

fn config(folder: &TempDir, listen: SocketAddr) -> config::Config {
    let limits = config::Limits {
        publish_per_second: 1_000,
        publish_burst: 10_000,
        room_publish_per_second: 10_000,
        unauthenticated_per_prefix_max: 1_000,
        ..config::Limits::default()
    };
    config::Config {
        listen,
        data: folder.path().join("data"),
        certs: folder.path().join("certs"),
        limits,
        ..config::Config::default()
    }
}

impl Person {
    /// Joins and goes online.
    pub(crate) async fn join(link: &str, nickname: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = Client::open(Config::new(folder.path())).await.unwrap();
        client.join(link, nickname, "a test").await.unwrap();
        Self::online(client, folder).await
    }

    async fn online(client: Client, folder: TempDir) -> Self {
        client.start().await.unwrap();
        client.wait_online(PATIENCE).await.unwrap();
        let lobby = client.room_named(&"lobby".parse().unwrap()).await.unwrap().room;
        Self { client, folder, lobby }
    }

    /// Invites somebody, who joins.
    pub(crate) async fn brings(&self, nickname: &str) -> Self {
        Self::join(&self.invite().await.to_string(), nickname).await
    }

    pub(crate) async fn invite(&self) -> InviteLink {
        let life = Duration::from_secs(3_600);
        let new = NewInvite { uses: 1, life, room: None, role: None, own_device: false };
        self.client.create_invite(new).await.unwrap().1
    }

    /// Opens the lobby at a place.
    pub(crate) async fn opens(&self, from: OpenFrom) {
        self.client.open_room(self.lobby, from).await.unwrap();
    }

    /// Says something and waits until it is in the log.
    pub(crate) async fn says(&self, text: &str) -> u64 {
        let id = self.client.send(self.lobby, quipu_client::Draft::text(text)).await.unwrap();
        self.client.wait_sent(id, PATIENCE).await.unwrap().at.seq.0
    }

    /// The next events, up to the first for which `last` holds.
    pub(crate) async fn events_until(&self, last: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut seen = Vec::new();
        let waiting = async {
            loop {
                for numbered in self.client.next_events(1, PATIENCE).await {
                    let done = last(&numbered.event);
                    seen.push(numbered.event);
                    if done {
                        return;
                    }
                }
            }
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            panic!("never happened; seen: {seen:#?}");
        }
        seen
    }

    /// Messages and their positions, up to the one that says `last`.
    pub(crate) async fn hears_until(&self, last: &str) -> Vec<(u64, String)> {
        let is_last = |event: &Event| text_of(event).is_some_and(|(_, text)| text == last);
        self.events_until(is_last).await.iter().filter_map(text_of).collect()
    }

    /// Waits for a state.
    pub(crate) async fn is(&self, wanted: impl Fn(&ConnState) -> bool) {
        self.events_until(|event| matches!(event, Event::State(state) if wanted(state))).await;
    }
}

/// Position and text of a message.
pub(crate) fn text_of(event: &Event) -> Option<(u64, String)> {
    match event {
        Event::Entry { cursor, entry, .. } => entry.text().map(|text| (cursor.seq.0, text.to_owned())),
        _ => None,
    }
}

/// Positions of all entries told.
pub(crate) fn seqs(events: &[Event]) -> Vec<u64> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Entry { cursor, .. } => Some(cursor.seq.0),
            _ => None,
        })
        .collect()
}
