//! Somebody in between: a relay that ends TLS on both sides, and a victim who does not look at the pin.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use quinn::{Endpoint, TokioRuntime};
use quipu_protocol::Code;
use quipu_protocol::control::{Refresh, Token};
use quipu_protocol::token::{Purpose, refresh_subject};
use quipu_server::seams::Seams;
use quipu_server::tls::{Identity, Secrets, endpoint_config, server_config, server_crypto};
use rustls::pki_types::CertificateDer;
use tokio::task::JoinSet;

use super::harness::{Grants, Member, RawPeer, TestServer, soon};

/// Takes one connection and passes on every byte of its first stream, in both directions.
struct Relay {
    address: SocketAddr,
    authority: CertificateDer<'static>,
    _passing: JoinSet<()>,
}

impl Relay {
    async fn before(server: &TestServer) -> Self {
        let seams = Seams::system();
        let identity = Identity::ephemeral(seams.clock.now_ms(), Arc::clone(&seams.entropy)).unwrap();
        let authority = identity.authority().clone();
        let secrets = Secrets::ephemeral(&seams);
        let crypto = server_crypto(&identity, &secrets, Arc::clone(&seams.clock)).unwrap();
        let config = server_config(crypto, &secrets, seams.clock).unwrap();
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let settings = endpoint_config(&secrets, None);
        let endpoint = Endpoint::new(settings, Some(config), socket, Arc::new(TokioRuntime)).unwrap();
        let address = endpoint.local_addr().unwrap();
        let there = server.dial().await;
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let here = endpoint.accept().await.unwrap().await.unwrap();
            let (mut answers, mut questions) = here.accept_bi().await.unwrap();
            let mut out = there.open_untyped().await;
            let forth = tokio::io::copy(&mut questions, &mut out.send);
            let back = tokio::io::copy(&mut out.read.recv, &mut answers);
            let _ = tokio::join!(forth, back);
        });
        Self { address, authority, _passing: passing }
    }

    /// The victim's connection: it trusts whoever answers, and signs for the server it means.
    async fn fool(&self, pin: [u8; 32]) -> RawPeer {
        let dial = RawPeer::dial(self.address, self.authority.clone(), pin, Grants::default());
        soon("a handshake", dial).await.unwrap()
    }
}

/// The relay sees the token and the proof, and both are worthless on its own connection: the exporter is another.
#[tokio::test]
async fn what_a_relay_passes_on_lets_nobody_in() {
    let server = TestServer::start().await;
    let Member { peer, device, token, me, .. } = server.owner().await;
    let relay = Relay::before(&server).await;
    let victim = relay.fool(peer.pin).await;
    let mut control = victim.greet().await;
    let refused = victim.auth(&mut control, &token.token, &device).await;
    assert_eq!(refused, Err(Code::UNAUTHENTICATED.into()));
    let proof = device.prove(Purpose::Refresh, refresh_subject(&me.device), &victim);
    let refused = control.ask::<Token>(&Refresh { device: me.device, proof }).await;
    assert_eq!(refused, Err(Code::UNAUTHENTICATED.into()));
    // With itself as the only one who is fooled: straight to the server the same is granted.
    let straight = server.dial().await;
    let mut control = straight.greet().await;
    straight.auth(&mut control, &token.token, &device).await.unwrap();
}
