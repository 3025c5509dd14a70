//! A client whose program may die: what is on disk stays, everything else is gone.

use std::path::PathBuf;

use quipu_client::{Client, Config, ErrorCode};
use tokio::time::timeout;

use crate::binaries::SOON;

/// A client, and the folder of its profile.
pub(crate) struct Peer {
    pub(crate) client: Client,
    folder: PathBuf,
}

impl Peer {
    /// Opens the profile in `folder`, without connecting.
    pub(crate) async fn open(folder: PathBuf) -> Self {
        let opening = async {
            loop {
                match Client::open(Config::new(&folder)).await {
                    Ok(client) => return client,
                    // Its last user has just died: the lock goes with the last of its tasks.
                    Err(error) => assert_eq!(error.code, ErrorCode::Locked, "{error}"),
                }
                tokio::task::yield_now().await;
            }
        };
        let client = timeout(SOON, opening).await.expect("the profile becomes free");
        Self { client, folder }
    }

    /// Dies without a word and starts again. Every other clone of the client must be gone.
    pub(crate) async fn crash(&mut self) {
        let folder = self.folder.clone();
        // Something else in its place, because a crash asks nobody.
        let spare = Client::open(Config::new(folder.join("spare"))).await.unwrap();
        drop(std::mem::replace(&mut self.client, spare));
        *self = Self::open(folder).await;
        self.client.start().await.unwrap();
    }
}
