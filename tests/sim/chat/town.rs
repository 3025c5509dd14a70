//! A town: one server, some people who joined it, two rooms all of them read. What every scenario begins with.
//!
//! It is founded on a clean network; faults come later, and [`Town::settle`] ends them again.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use quipu_client::{NewInvite, protocol::request::Visibility};
use quipu_protocol::{InviteLink, RoomId, Seq};
use tokio::time::sleep;

use super::{
    check,
    chronicle::Chronicle,
    host::Host,
    memory::Short,
    person::{Person, Witness},
    seams::Epoch,
};
use crate::{
    net::{LinkModel, Network},
    world::World,
};

/// Virtual time in which everything must be in order again once nothing is in the way any more.
const CALM_MAX: Duration = Duration::from_secs(180);
/// Time in which the inbox tells how rooms stand.
const INBOX_MAX: Duration = Duration::from_secs(20);
const NAMES: [&str; 4] = ["ann", "bob", "cai", "dee"];

/// One server and its people.
pub(crate) struct Town {
    pub(crate) host: Host,
    pub(crate) people: Vec<Person>,
    /// The lobby, and one that the first person made.
    pub(crate) rooms: [RoomId; 2],
    pub(crate) chronicle: Chronicle,
    pub(crate) net: Network,
    pub(crate) epoch: Epoch,
}

impl Town {
    /// A town of `size` people, at most four. `prepare` sees the host before it starts.
    pub(crate) async fn found(world: &World, size: usize, prepare: impl FnOnce(&mut Host)) -> Self {
        let (epoch, chronicle) = (Epoch::now(), Chronicle::new(world.net.clone()));
        let mut host = Host::new(world, server_addr(), epoch, chronicle.clone());
        prepare(&mut host);
        let owner_invite = host.start().await.expect("nobody owns the server yet");
        let mut people = Vec::new();
        for name in &NAMES[..size] {
            let addresses = (home(people.len(), 0), host.addr);
            people.push(Person::new(name, world, addresses, epoch, chronicle.clone()).await);
        }
        people[0].join(&owner_invite).await;
        let rooms = make_rooms(&people[0]).await;
        if size > 1 {
            let invite = invite(&people[0], size - 1, Some(rooms[1])).await;
            for person in &mut people[1..] {
                person.join(&invite).await;
            }
        }
        for person in &mut people {
            for room in rooms {
                person.read(room).await;
            }
        }
        Self { host, people, rooms, chronicle, net: world.net.clone(), epoch }
    }

    /// An invite to the server and its second room for `uses` more.
    pub(crate) async fn invite(&self, uses: usize) -> InviteLink {
        invite(&self.people[0], uses, Some(self.rooms[1])).await
    }

    /// Crashes the server, and checks that it takes nothing back.
    ///
    /// # Panics
    /// When somebody saw what is gone now.
    pub(crate) fn crash_server(&mut self) {
        self.host.crash();
        self.nothing_was_taken_back();
    }

    /// Checks that nobody saw what the disk does not have.
    ///
    /// # Panics
    /// When somebody did.
    pub(crate) fn nothing_was_taken_back(&self) {
        check::nothing_was_taken_back(&self.host.disk, &self.witnesses());
    }

    /// Everybody's memory.
    pub(crate) fn witnesses(&self) -> Vec<Witness> {
        self.people.iter().map(Person::witness).collect()
    }

    /// Ends all faults, waits until everybody knows everything, and checks it all.
    ///
    /// # Panics
    /// With everything that is not in order.
    pub(crate) async fn settle(&mut self) {
        self.chronicle.note("town", "no more faults");
        self.net.set_model(LinkModel::clean());
        self.net.heal_all();
        self.host.health.set_chance(0.0);
        if !self.host.is_up() {
            self.host.start().await;
        }
        let mut waited = Duration::ZERO;
        while let Some(why) = self.unsettled().await {
            assert!(waited < CALM_MAX, "no calm after {CALM_MAX:?}: {why}{}", self.faults());
            sleep(Duration::from_secs(1)).await;
            waited += Duration::from_secs(1);
        }
        self.chronicle.note("town", format_args!("settled after {waited:?}"));
        let faults = self.faults();
        assert!(faults.is_empty(), "broken promises:{faults}");
        self.clients_count_as_the_server_does().await;
    }

    fn faults(&self) -> String {
        let faults = check::faults(&self.host.disk, &self.everybody(), &self.rooms);
        faults.into_iter().map(|fault| format!("\n  {fault}")).collect()
    }

    fn everybody(&self) -> Vec<&Person> {
        self.people.iter().collect()
    }

    /// What is still to be waited for.
    async fn unsettled(&self) -> Option<String> {
        for person in &self.people {
            let unsent = person.client().unsent().await.expect("the profile can be read");
            if unsent > 0 {
                return Some(format!("{} has {unsent} unsent", person.name));
            }
            for room in person.rooms() {
                let known = person.memory().cursor(*room).map_or(Seq::ZERO, |cursor| cursor.seq);
                let head = self.host.disk.head(*room);
                if known < head {
                    let (known, head) = (known.0, head.0);
                    return Some(format!("{} knows {known} of {head} in {}", person.name, Short(room)));
                }
            }
        }
        None
    }

    /// Closes all rooms, so that the inbox speaks of them, and compares what it says with the disk.
    async fn clients_count_as_the_server_does(&self) {
        for person in &self.people {
            for room in person.rooms() {
                person.client().close_room(*room).await;
            }
            let mut waited = Duration::ZERO;
            while let Some(fault) = self.miscounted(person).await {
                assert!(waited < INBOX_MAX, "after {INBOX_MAX:?} {}: {fault}", person.name);
                sleep(Duration::from_secs(1)).await;
                waited += Duration::from_secs(1);
            }
        }
    }

    async fn miscounted(&self, person: &Person) -> Option<String> {
        let told = match person.client().rooms(true).await {
            Ok(told) => told,
            Err(error) => return Some(error.to_string()),
        };
        for row in self.host.disk.heads(person.user) {
            let told = told.iter().find(|told| told.info.room == row.room)?;
            if (told.unread, told.marker) != (Some(row.unread), Some(row.member.reached)) {
                return Some(format!("{:?} {:?}, on the disk {row:?}", told.unread, told.marker));
            }
        }
        None
    }
}

async fn make_rooms(owner: &Person) -> [RoomId; 2] {
    let name = "lobby".parse().expect("a room's name");
    let lobby = owner.client().room_named(&name).await.expect("every server has one");
    let name = "weather".parse().expect("a room's name");
    let made = owner.client().create_room(name, Visibility::PUBLIC, None).await;
    [lobby.room, made.expect("an owner may make rooms").room]
}

async fn invite(owner: &Person, uses: usize, room: Option<RoomId>) -> InviteLink {
    let invite = NewInvite {
        uses: uses as u64,
        life: Duration::from_secs(24 * 3600),
        room,
        role: None,
        own_device: false,
    };
    owner.client().create_invite(invite).await.expect("an owner may invite").1
}

/// Where the server is.
pub(crate) fn server_addr() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 4433))
}

/// The address a person's machine has after so many moves.
pub(crate) fn home(person: usize, moves: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, person as u8, moves + 1)
}
