//! The client as a program sees it: one value, cheap to clone, safe to use from everywhere.
//!
//! Here is its life: open, start, events, stop. Each file below holds the actions of one kind: `join`, what goes through the
//! outbox (`messages`, `relating`), reading (`rooms`, `unread`, `search`), `files`, people (`presence`), keeping order
//! (`moderation`, `retention`), programs (`bots`), and in `requests` how any question is asked.
//! Invariant: everything that may ever wait is asynchronous, and cancelling any of it loses nothing.

mod bots;
mod files;
mod join;
mod messages;
mod moderation;
mod presence;
mod relating;
mod requests;
mod retention;
mod rooms;
mod search;
mod types;
mod unread;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::account::{Account, InvitePreview};
use crate::config::Config;
use crate::core::Core;
use crate::error::{Error, ErrorCode};
use crate::event::Numbered;
use crate::keeper;
use crate::state::{AppState, ConnState, Network};
use crate::store::{Store, identity, log, vanishing};
use crate::vanish;

pub use bots::NewBot;
pub use files::Progress;
pub use presence::Presence;
pub use types::{Calls, Draft, NewInvite, OpenFrom, Page, Pinned, RoomSummary, Sent, Undelivered};

/// A client of one profile. Clones are the same client. When the last one goes, so does the connection.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    life: Mutex<Life>,
}

/// Without events: they hold what people said.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// Whether there is somebody who keeps a connection.
#[derive(Debug)]
enum Life {
    Idle,
    Running { stop: CancellationToken, keeper: JoinHandle<()> },
    Shut,
}

impl Client {
    /// Opens a profile. No network: what is in the profile can be read offline. The profile is locked until the last
    /// clone is gone or [`Client::shutdown`] returned.
    ///
    /// # Errors
    /// [`ErrorCode::Locked`] when another process has it, [`ErrorCode::StorageNewer`], [`ErrorCode::Storage`].
    pub async fn open(config: Config) -> Result<Self, Error> {
        let store = Store::open(&config.data_dir, config.blocking).await?;
        let core = Arc::new(Core::new(config, store));
        let local_ms = core.now_ms();
        core.store.run(move |db| vanishing::erase(db, local_ms)).await?;
        Ok(Self { inner: Arc::new(Inner { core, life: Mutex::new(Life::Idle) }) })
    }

    /// What a link says, without dialling.
    ///
    /// # Errors
    /// [`ErrorCode::LinkDamaged`], [`ErrorCode::Version`].
    pub fn preview(link: &str) -> Result<InvitePreview, Error> {
        InvitePreview::of(link)
    }

    /// Who this profile is, if it joined a server.
    ///
    /// # Errors
    /// [`ErrorCode::Storage`].
    pub async fn whoami(&self) -> Result<Option<Account>, Error> {
        let membership = self.core().store.run(identity::membership).await?;
        Ok(membership.map(|membership| membership.account))
    }

    /// Connects, and stays connected until [`Client::stop`]. Returns at once; calling it twice is calling it once.
    /// After [`ConnState::Stopped`] it tries again.
    ///
    /// # Errors
    /// [`ErrorCode::NotJoined`], [`ErrorCode::Stopped`] after a shutdown.
    pub async fn start(&self) -> Result<(), Error> {
        if self.whoami().await?.is_none() {
            return Err(Error::never(ErrorCode::NotJoined, "this profile has not joined a server yet"));
        }
        let mut life = self.life();
        // Saying that it stopped is the last that a keeper does: its task may end a moment later.
        let stopped = matches!(self.state(), ConnState::Stopped { .. });
        match &*life {
            Life::Running { keeper, .. } if !stopped && !keeper.is_finished() => return Ok(()),
            Life::Shut => return Err(Error::never(ErrorCode::Stopped, "the client was shut down")),
            _ => {}
        }
        // Said here already, so that whoever waits for a connection right after this waits.
        self.core().set_state(ConnState::Connecting { attempt: 1 });
        let stop = CancellationToken::new();
        let keeper = tokio::spawn(keeper::run(Arc::clone(self.core()), stop.clone()));
        *life = Life::Running { stop, keeper };
        Ok(())
    }

    /// Disconnects. What is in the outbox stays there. Idempotent.
    pub async fn stop(&self) {
        self.end(Life::Idle).await;
    }

    /// Stops, and gives the profile free. Idempotent; afterwards every action fails with [`ErrorCode::Stopped`].
    pub async fn shutdown(&self) {
        self.end(Life::Shut).await;
        self.core().store.close().await;
    }

    async fn end(&self, next: Life) {
        let before = {
            let mut life = self.life();
            if matches!(*life, Life::Shut) {
                return;
            }
            std::mem::replace(&mut *life, next)
        };
        if let Life::Running { stop, keeper } = before {
            stop.cancel();
            // It ends by itself; a panic in it was logged by the runtime.
            let _ = keeper.await;
        }
        self.core().set_state(ConnState::Idle);
    }

    /// How the connection stands.
    pub fn state(&self) -> ConnState {
        self.core().state.borrow().clone()
    }

    /// Waits until there is a connection.
    ///
    /// # Errors
    /// At once what makes trying pointless; after `wait` why it did not work so far.
    pub async fn wait_online(&self, wait: Duration) -> Result<(), Error> {
        self.core().connected(Instant::now() + wait).await.map(|_| ())
    }

    /// The next events, at most `max`, waiting for the first at most `wait`; empty when none came. Every event is
    /// given once, in order. Cancelling loses nothing. Asking again says that what was given before has been shown:
    /// [`OpenFrom::Resume`] goes on behind it; see [`Client::shown`].
    pub async fn next_events(&self, max: usize, wait: Duration) -> Vec<Numbered> {
        let shown = self.core().shown.settle();
        if !shown.is_empty() {
            // It costs a repetition when it fails, and whoever keeps entries in the same place will hear of it.
            if let Err(error) = self.core().store.run(move |db| log::show(db, &shown)).await {
                tracing::warn!(%error, "how far the program has come could not be kept");
            }
        }
        if max > 0 {
            self.core().events.arrives(wait).await;
        }
        let now_ms = vanish::now_ms(self.core()).await;
        // From here on nothing waits: what is taken is given.
        let events = self.core().events.take(max);
        self.core().shown.taken(&events);
        vanish::veil(events, now_ms)
    }

    /// Events after number `after`, without waiting and without moving [`Client::next_events`]. Begins with a
    /// [`crate::Event::Lagged`] when some are gone.
    pub async fn events_after(&self, after: u64, max: usize) -> Vec<Numbered> {
        let now_ms = vanish::now_ms(self.core()).await;
        vanish::veil(self.core().events.after(after, max), now_ms)
    }

    /// What the platform says about the network.
    pub async fn network(&self, network: Network) {
        self.core().platform.send_modify(|platform| {
            platform.lost = network == Network::Lost;
            if network != Network::Lost {
                platform.moved += 1;
                platform.wake += 1;
            }
        });
    }

    /// What the platform says about the program.
    pub async fn app_state(&self, state: AppState) {
        let now_ms = self.core().now_ms();
        self.core().platform.send_modify(|platform| match state {
            AppState::Background => {}
            AppState::Suspending => platform.suspended_ms = Some(now_ms),
            AppState::Foreground => {
                let slept_ms = platform.suspended_ms.take().map_or(0, |since| now_ms.saturating_sub(since));
                platform.wake += 1;
                if slept_ms >= quipu_protocol::limits::IDLE_TIMEOUT_MS {
                    platform.slept += 1;
                } else if slept_ms > 0 {
                    platform.moved += 1;
                }
            }
        });
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.inner.core
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.inner.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that is dropped without a stop leaves without a word, as after a crash.
impl Drop for Inner {
    fn drop(&mut self) {
        let life = self.life.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Life::Running { keeper, .. } = life {
            keeper.abort();
        }
    }
}

/// Programs spawn these: every future of a client can go to another thread.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::request::{
        Anchor, Reason, RoomRole, RoomSettings, Sanction, ServerRole, Visibility,
    };
    use crate::protocol::{Cursor, DeviceId, InviteId, MessageId, Nickname, RoomId, RoomName, Seq, UserId};

    fn is_send<T: Send>(_: T) {}

    /// Each call within a future that owns the client, as a program spawns it: what is borrowed within a future is
    /// where the compiler stops to see that it is `Send`.
    macro_rules! can_be_spawned {
        ($client:ident: $($call:expr;)+) => {$({
            let $client = $client.clone();
            is_send(async move { $call.await });
        })+};
    }

    type Rooms = (RoomId, RoomName, Cursor);
    type People = (UserId, DeviceId, Nickname);

    /// Never run: it holds when it compiles.
    #[allow(dead_code)]
    fn every_call(
        client: &Client,
        (room, name, cursor): &Rooms,
        (user, device, nickname): &People,
        file: &crate::LocalFile,
    ) {
        let (room, user, device, cursor) = (*room, *user, *device, *cursor);
        let message = MessageId::from_bytes([0; 16]);
        let invite =
            |uses| NewInvite { uses, life: Duration::ZERO, room: None, role: None, own_device: false };
        can_be_spawned! { client:
            Client::open(client.core().config.clone());
            client.whoami();
            client.start();
            client.stop();
            client.shutdown();
            client.wait_online(Duration::ZERO);
            client.next_events(1, Duration::ZERO);
            client.events_after(1, 1);
            client.network(crate::Network::Back);
            client.app_state(crate::AppState::Foreground);
            client.join("", "", "");
            client.diagnose(None);
            client.send(room, Draft::text(""));
            client.send_all(room, vec![]);
            client.wait_sent(message, Duration::ZERO);
            client.unsent();
            client.undelivered(None);
            client.dismiss(&[message]);
            client.retry(message);
            client.cancel_send(message);
            client.open_room(room, OpenFrom::Resume);
            client.close_room(room);
            client.shown(room, cursor);
            client.history(room, Anchor::LATEST, 1);
            client.cached(room, &Anchor::LATEST, 1);
            client.mark_read(room, Seq(1));
            client.describe_file(std::path::Path::new(""));
            client.upload(room, file, |_| {});
            client.download(room, Seq(1), &file.reference, std::path::Path::new(""), |_| {});
            client.files(room, None);
            client.appear(Presence::Online);
            client.appear_everywhere(Presence::Away(None));
            client.settings();
            client.change_settings(crate::protocol::request::Settings::default());
            client.receipts(room);
            client.mark_unread(room, Seq(1));
            client.set_notify(room, crate::protocol::request::Notify::ALL);
            client.mentions(None, false, 1);
            client.rooms(true);
            client.room_named(name);
            client.known_room(name);
            client.members(room);
            client.lookup(nickname);
            client.users(&[user]);
            client.create_room(name.clone(), Visibility::PUBLIC, None);
            client.join_room(room);
            client.leave_room(room);
            client.direct(user);
            client.invite_member(room, user);
            client.remove_member(room, user);
            client.create_invite(invite(1));
            client.invites();
            client.revoke_invite(InviteId::from_bytes([0; 16]));
            client.devices();
            client.search(&crate::protocol::request::Search::for_words(Default::default()));
            client.revoke_device(device);
            client.edit(room, Seq(1), "");
            client.redact(room, Seq(1), None);
            client.react(room, Seq(1), &"+1".parse().unwrap());
            client.unreact(room, Seq(1), &"+1".parse().unwrap());
            client.pin(room, Seq(1));
            client.unpin(room, Seq(1));
            client.reply(room, Seq(1), "");
            client.say_in_thread(room, Seq(1), "");
            client.thread(room, Seq(1), Anchor::LATEST, 1);
            client.reactions(room, Seq(1));
            client.pins(room);
            client.set_topic(room, None);
            client.rename_room(room, name.clone());
            client.set_role(room, user, RoomRole::MEMBER, None);
            client.set_permissions(room, user, None, None);
            client.kick(room, user, None);
            client.impose(room, user, Sanction::BAN, None, None);
            client.lift(room, user, Sanction::BAN, None);
            client.sanctions(room);
            client.set_room(room, RoomSettings::default(), None);
            client.transfer(room, user, None);
            client.deactivate(user, None);
            client.reactivate(user, None);
            client.set_server_role(user, ServerRole::MEMBER, None);
            client.purge(user, None, None);
            client.report(room, Seq(1), Reason::default());
            client.reports(None);
            client.resolve(1, None);
            client.audit(None, 1);
            client.set_retention(room, Default::default(), None);
            client.delete_room(room, Default::default(), None);
            client.delete_account(user, nickname.clone(), true, None);
            client.export(|_| Ok(()));
        }
    }
}
