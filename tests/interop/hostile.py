"""What a peer can do to a QUIC connection with frames, handshakes and keys. How to run it: see outlaw.py."""

import asyncio
import contextlib
import copy
import os

from aioquic import tls

from aioquic_client import AUTHENTICATED, varint
from outlaw import main, outlaw

PACKET_BYTES = 1140  # Frames in one packet: what 1200 bytes leave, and a little less.


# ---- Frames


def stream(number, data, offset=0, fin=False):
    return bytes([0x0E | fin]) + varint(number) + varint(offset) + varint(len(data)) + data


def reset(number, final_size=0):
    return b"\x04" + varint(number) + varint(0) + varint(final_size)


def crypto(data, offset):
    return b"\x06" + varint(offset) + varint(len(data)) + data


def ack(largest, more=0):
    """Of one packet, and of every second one before it, so many."""
    return b"\x02" + varint(largest) + varint(0) + varint(more) + bytes(1) + bytes(2) * more


def new_id(sequence, name, retire=0):
    return b"\x18" + varint(sequence) + varint(retire) + bytes([len(name)]) + name + os.urandom(16)


PING = b"\x01"

# A packet each.
BREACHES = {
    "a stream beyond the limit": stream(4 * 1_000, b"?"),
    "a stream of a kind that is not granted": stream(2, b"?"),
    "a stream of the server's": stream(3, b"?"),
    "data beyond a stream's window": stream(4, b"?", offset=200_000),
    "data beyond all streams' window": b"".join(stream(4 * n, b"?", offset=(1 << 17) - 1) for n in range(1, 10)),
    "data beyond the end": stream(4, b"?", offset=9, fin=True) + stream(4, b"?", offset=20),
    "another end": stream(4, b"?", offset=9, fin=True) + stream(4, b"?", offset=11, fin=True),
    "a reset before what came": stream(4, b"?", offset=9) + reset(4, final_size=5),
    "an ack of what was not sent": ack(1_000_000),
    "200 acks of what was not sent": ack(1_000_000, more=199),
    "a frame that is not known": b"\x21",
    "a frame that is cut off": stream(4, b"?" * 9)[:-1],
    "an id of no bytes": new_id(1, b""),
    "an id of 21 bytes": new_id(1, bytes(21)),
    "an id that retires the next": new_id(1, bytes(8), retire=2),
    "more ids than fit": b"".join(new_id(n, bytes(8)) for n in range(2, 20)),
    "2^61 streams": b"\x12" + varint(1 << 61),
    "an id that was not issued": b"\x19" + varint(1_000),
    "a server's HANDSHAKE_DONE": b"\x1e",
    "a server's NEW_TOKEN": b"\x07\x01?",
    "crypto beyond the buffer": crypto(b"?", offset=20_000),
    "a key update of TLS": crypto(bytes.fromhex("1800000100"), offset=0),
}


async def breaches(world):
    """Each by a stranger, who is granted less, and by a member."""
    told = {}
    for who in (world.stranger, world.member):
        told[who.__name__] = {}
        for breach, payload in BREACHES.items():
            async with who() as peer:
                peer.shoot(payload)
                told[who.__name__][breach] = await peer.answer()
    return told


# ---- Handshakes


class UnknownCipher(int):
    """A cipher suite that aioquic can go on with, and that is called otherwise on the wire."""

    def __int__(self):
        return 0x1399


def tls_1_2(context):
    context._supported_versions = [0x0303]


def no_cipher_in_common(context):
    context._cipher_suites = [UnknownCipher(tls.CipherSuite.AES_128_GCM_SHA256)]


def unasked_certificate(context):
    context._certificate_request = tls.CertificateRequest(request_context=b"", signature_algorithms=[])


HANDSHAKES = {
    "no protocol": {"alpn_protocols": None},
    "another protocol": {"alpn_protocols": ["quipu/2"]},
    "TLS 1.2": {"spoil_tls": tls_1_2},
    "no cipher in common": {"spoil_tls": no_cipher_in_common},
    "a certificate nobody asked for": {"spoil_tls": unasked_certificate},
}


async def handshakes(world):
    told = {}
    for name, how in HANDSHAKES.items():
        async with outlaw(world.link, **how) as peer:
            told[name] = await peer.answer()
    return told


# ---- Much of what is allowed


def packets(frame, count):
    return [frame * (PACKET_BYTES // len(frame))] * count


def gaps():
    """Every second byte of what a stream may hold, so that nothing fits together."""
    frames = [stream(4, b"?", offset=2 * n) for n in range(1, 1 << 15)]
    return [b"".join(frames[n : n + 120]) for n in range(0, len(frames), 120)]


FLOODS = {
    "path challenges": packets(b"\x1a12345678", 1_500),
    "pings": packets(PING, 1_000),
    "DATA_BLOCKED": packets(b"\x14\x00", 1_000),
    "MAX_DATA": packets(b"\x10\x00", 1_000),
    "empty datagrams": packets(b"\x31\x00", 1_000),
    "gaps": gaps(),
}


async def floods(world):
    told = {}
    for name, flood in FLOODS.items():
        async with world.member() as peer:
            peer.quic.acknowledges = False  # So that what the server answers piles up on its side.
            told[name] = await peer.flood(flood)
            peer.quic.acknowledges = True
            peer.shoot(PING, PING)
            await peer.heard()  # All of it was worked on.
    return told


async def stale_ids(world):
    """Ids that are retired before they are told. The server must answer each, and is not told that its answers came."""
    async with world.member() as peer:
        peer.quic.acknowledges = False
        name = peer.quic._host_cids[-1].cid  # One that it answers to.
        return await peer.flood([new_id(5, name, retire=5)] + packets(new_id(1, name), 5_000))


async def resets(world):
    """Streams that are opened and reset as fast as the server grants new ones, for two seconds; then one more."""
    async with world.member() as peer:
        opened = 1  # CONTROL.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while not peer.quic.told:
                    granted = peer.quic._remote_max_streams_bidi
                    peer.shoot(b"".join(reset(4 * n) for n in range(opened, granted)) or PING)
                    opened = granted
                    await peer.until(lambda: peer.quic.told or peer.quic._remote_max_streams_bidi > opened)
        peer.shoot(reset(4 * 1_000_000))
        return {"opened": opened, "told": await peer.answer()}


async def datagrams_of_a_stranger(world):
    """Typing, and what is none. Whoever sent them may still say who they are."""
    typing = bytes.fromhex("4071168350a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1f6191770")
    async with world.stranger() as peer:
        await peer.hello(world.link)
        for data in (typing, b"", b"?", bytes(1_100)):
            await peer.flood([b"\x31" + varint(len(data)) + data] * 200)
        peer.quic.lawless = False
        ty, _ = await peer.say(peer.auth(world.mallory.device, world.mallory.token), AUTHENTICATED)
        return {"told": peer.quic.told, "authenticated": ty == AUTHENTICATED}


async def key_updates(world):
    """As fast as the server follows; then before it has."""
    async with world.member() as peer:
        for _ in range(200):
            peer.quic.request_key_update()
            peer.shoot(PING, PING)  # Two, so that they are acknowledged at once.
            await peer.heard()
        followed = peer.quic.told is None
        keys = peer.quic._cryptos[tls.Epoch.ONE_RTT]
        heard = copy.copy(keys.recv)  # The server answers with the keys it has got to.
        for _ in range(3):
            peer.quic.request_key_update()
            peer.shoot(PING)
        keys.recv = heard
        return {"followed": followed, "told": await peer.answer()}


if __name__ == "__main__":
    main(breaches, handshakes, floods, stale_ids, resets, datagrams_of_a_stranger, key_updates)
