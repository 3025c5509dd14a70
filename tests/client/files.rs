//! Files: a transfer outlives its connection, however long it took before.

use std::time::Duration;

use quipu_client::{Client, Config};
use tokio::sync::oneshot;
use tokio::task::block_in_place;

use crate::world::{PATIENCE, Person, World};

/// Goal: how long a client is patient is counted from the last time something moved.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upload_outlives_a_connection_that_lasted_longer_than_the_client_is_patient() {
    /// Longer than the server takes to come back.
    const PATIENT: Duration = Duration::from_secs(4);
    let mut world = World::new().await;
    let ada = world.ada().await;
    ada.client.shutdown().await;
    let Person { folder, lobby, .. } = ada;
    let client = Client::open(Config { patience: PATIENT, ..Config::new(folder.path()) }).await.unwrap();
    client.start().await.unwrap();
    client.wait_online(PATIENCE).await.unwrap();
    let path = folder.path().join("big.bin");
    std::fs::write(&path, vec![7; 20_000_000]).unwrap();
    let file = client.describe_file(&path).await.unwrap();

    let (moves, moved) = oneshot::channel();
    let (stopped, stops) = std::sync::mpsc::channel();
    let uploading = tokio::spawn({
        let client = client.clone();
        async move {
            let mut first = Some((moves, stops));
            let progress = |progress: quipu_client::Progress| {
                if let Some((moves, stops)) = first.take_if(|_| progress.done > 0) {
                    // Nothing comes yet: the time that passes is what this is about.
                    let longer = PATIENT + Duration::from_millis(100);
                    assert!(block_in_place(|| stops.recv_timeout(longer)).is_err());
                    moves.send(()).unwrap();
                    block_in_place(|| stops.recv().unwrap());
                }
            };
            client.upload(lobby, &file, progress).await
        }
    });
    moved.await.unwrap();
    world.stop().await;
    stopped.send(()).unwrap();
    world.start().await;
    uploading.await.unwrap().unwrap();
}
