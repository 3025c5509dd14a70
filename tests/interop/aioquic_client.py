"""A Quipu client on aioquic and cbor2, written from PROTOCOL.md.

    python aioquic_client.py 'quipu://host:port/#...'

It redeems the owner's invite and one more, talks, is cut off, comes back, and tries what must not work. On stdout it
reports, as one JSON object, what happened; what that should be, is said by python.rs. Anything it did not expect ends
it with a traceback.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import ssl
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timezone

import cbor2
from aioquic import tls
from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset
from aioquic.quic.packet import QuicProtocolVersion
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

DEADLINE_S = 45  # What takes this long is hanging.

CONTROL, PUBLISH, REQUEST = b"\x00", b"\x01", b"\x02"
ROOM, INBOX = 0x01, 0x02

HELLO, AUTH, AUTHENTICATED, REFUSAL, REDEEM, TOKEN = 0x00, 0x02, 0x04, 0x06, 0x0C, 0x0E
DRAFT, ACK, REFUSED = 0x20, 0x22, 0x24
OPENED, ENTRY, SNAPSHOT, CAUGHT_UP = 0x40, 0x42, 0x46, 0x4B
HEADS, INBOX_READY = 0x60, 0x65
SUBSCRIBE, SUBSCRIBED, LIST_ROOMS, ROOMS = 0x80, 0x82, 0x88, 0x8A
MARK_READ, DONE, CREATE_INVITE, INVITE_ANSWER = 0xA2, 0xA4, 0xA6, 0xA8

TEXT, CREATED, MEMBER = 0, 16, 17


# ---- Sections 1 and 5: the link, the pin, the exporter


@dataclass(frozen=True)
class Link:
    host: str
    port: int
    pin: bytes
    secret: bytes

    @classmethod
    def parse(cls, text):
        place, fragment = text.removeprefix("quipu://").split("/#")
        host, port = place.rsplit(":", 1)
        data = base64.urlsafe_b64decode(fragment + "=" * (-len(fragment) % 4))
        body, check = data[:53], data[53:]
        assert body[0] == 1
        assert hashlib.sha256(place.lower().encode() + b"#" + body).digest()[:2] == check, "a damaged link"
        return cls(host.strip("[]"), int(port), body[1:33], body[33:49])


class PinnedContext(tls.Context):
    """TLS that trusts the pin and nothing else, and keeps the exporter's secret, which aioquic has no use for."""

    pin = None  # Set on a class of its own for each connection.

    def _client_handle_certificate_verify(self, input_buf):
        super()._client_handle_certificate_verify(input_buf)  # The handshake's signature, by the leaf's key.
        leaf, others = self._peer_certificate, self._peer_certificate_chain
        if spki_hash(leaf) != self.pin and not any(self._vouches(other, leaf) for other in others):
            raise tls.AlertBadCertificate("not the server of the link")

    def _vouches(self, authority, leaf):
        """The second of the two certificates that are accepted."""
        if spki_hash(authority) != self.pin:
            return False
        if not authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        leaf.verify_directly_issued_by(authority)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        known = names.get_values_for_type(x509.DNSName)
        known += [str(address) for address in names.get_values_for_type(x509.IPAddress)]
        in_time = leaf.not_valid_before_utc <= datetime.now(timezone.utc) <= leaf.not_valid_after_utc
        return in_time and (self._server_name in known or "server.quipu.internal" in known)

    def _setup_traffic_protection(self, direction, epoch, label):
        super()._setup_traffic_protection(direction, epoch, label)
        if label == b"s ap traffic":  # Now the secret is the master secret, and the hash ends with server Finished.
            self.exporter_master_secret = self.key_schedule.derive_secret(b"exp master")

    def export(self, label, context, length):
        """RFC 8446 section 7.5."""
        algorithm = self.key_schedule.algorithm

        def digest(data):
            hashed = Hash(algorithm)
            hashed.update(data)
            return hashed.finalize()

        def expand(secret, label, hash_value, length):
            return tls.hkdf_expand_label(
                algorithm=algorithm, secret=secret, label=label, hash_value=hash_value, length=length
            )

        derived = expand(self.exporter_master_secret, label, digest(b""), algorithm.digest_size)
        return expand(derived, b"exporter", digest(context), length)


def spki_hash(certificate):
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


# ---- Sections 2 to 4: varints, frames, CBOR


def varint(number):
    for length, mark in ((1, 0x00), (2, 0x40), (4, 0x80), (8, 0xC0)):
        if number < 1 << (8 * length - 2):
            data = bytearray(number.to_bytes(length, "big"))
            data[0] |= mark
            return bytes(data)
    raise ValueError(number)


def frame(ty, item):
    payload = cbor2.dumps(item, canonical=True)
    return varint(ty) + varint(len(payload)) + payload


class Frames:
    """The frames of a stream, behind its type."""

    def __init__(self, reader):
        self.reader = reader

    async def varint(self):
        data = bytearray(await self.reader.readexactly(1))
        length = 1 << (data[0] >> 6)
        data += await self.reader.readexactly(length - 1)
        data[0] &= 0x3F
        return int.from_bytes(data, "big")

    async def next(self):
        ty, length = await self.varint(), await self.varint()
        assert length <= 65536, length
        return ty, await self.reader.readexactly(length)

    async def until(self, *wanted):
        """The next frame of one of these types; odd ones before it may be skipped, even ones may not."""
        while True:
            ty, payload = await self.next()
            if ty in wanted:
                item = cbor2.loads(payload)
                return (ty, item) if len(wanted) > 1 else item
            assert ty % 2 == 1, f"frame {ty:#x}: {cbor2.loads(payload)}"


# ---- Section 6: the device


class Device:
    def __init__(self):
        self.key = Ed25519PrivateKey.generate()

    def cose_key(self):
        public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {1: 1, -1: 6, -2: public}

    def proof(self, purpose, subject, pin, exporter):
        protected = cbor2.dumps({1: -8})
        statement = cbor2.dumps([purpose, subject, pin])
        signature = self.key.sign(cbor2.dumps(["Signature1", protected, exporter, statement]))
        return cbor2.dumps([protected, {}, statement, signature])


# ---- Sections 6 to 12: a connection


class Session(QuicConnectionProtocol):
    """A connection. Streams that the server opens are in `arrived` until somebody looks for them."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.arrived = asyncio.Queue()
        self.ended = None
        self._stream_handler = lambda reader, _writer: self.arrived.put_nowait(Frames(reader))

    def quic_event_received(self, event):
        super().quic_event_received(event)
        if isinstance(event, ConnectionTerminated):
            self.ended = event
        elif isinstance(event, StreamReset):
            self._stream_readers[event.stream_id].feed_eof()

    async def hello(self, link):
        self.link = link
        reader, self.control = await self.create_stream()
        self.answers = Frames(reader)
        self.control.write(CONTROL + frame(HELLO, {1: 0, 2: [], 3: "aioquic/1"}))
        assert (await self.answers.until(HELLO))[1] == 0

    async def redeem(self, device, nickname):
        """Gives (type, answer): TOKEN or REFUSAL."""
        key, secret = device.cose_key(), self.link.secret
        subject = hashlib.sha256(secret + cbor2.dumps(key, canonical=True)).digest()
        proof = self.proof(device, "quipu-redeem-v1", subject)
        return await self.say(frame(REDEEM, {1: secret, 2: key, 3: nickname, 4: "snake", 5: proof}), TOKEN)

    def auth(self, device, token):
        """The Auth frame of this device for this connection."""
        proof = self.proof(device, "quipu-auth-v1", hashlib.sha256(token).digest())
        return frame(AUTH, {1: token, 2: proof})

    async def say(self, question, answer):
        self.control.write(question)
        return await self.answers.until(answer, REFUSAL)

    def proof(self, device, purpose, subject):
        exporter = self._quic.tls.export(b"EXPORTER-quipu-auth-v1", subject, 32)
        return device.proof(purpose, subject, self.link.pin, exporter)

    async def ask(self, ty, question, answer):
        reader, writer = await self.create_stream()
        writer.write(REQUEST + frame(ty, question))
        writer.write_eof()
        item = await Frames(reader).until(answer)
        assert await reader.read() == b"", "more than one answer"
        return item

    async def server_stream(self, ty):
        """The stream of this type; the others go back, to be found by whoever looks for them."""
        others = []
        while True:
            frames = await self.arrived.get()
            if not hasattr(frames, "ty"):
                frames.ty = await frames.varint()
            if frames.ty == ty:
                for other in others:
                    self.arrived.put_nowait(other)
                return frames
            others.append(frames)

    async def lobby(self):
        rooms = (await self.ask(LIST_ROOMS, {1: True, 3: "lobby"}, ROOMS))[1]
        assert len(rooms) == 1
        return rooms[0][1]

    async def publisher(self):
        reader, writer = await self.create_stream()
        writer.write(PUBLISH)
        return Publisher(Frames(reader), writer)

    async def subscribe(self, room, after):
        answer = await self.ask(SUBSCRIBE, {1: [[room, after, 100]]}, SUBSCRIBED)
        [[answered, subscription, refusal]] = answer[1]
        assert (answered, refusal) == (room, None), refusal
        frames = await self.server_stream(ROOM)
        opened = await frames.until(OPENED)
        assert opened[:2] == [subscription, room]
        if after is None:
            assert (await frames.until(SNAPSHOT))[1][1] == room
        return Room(frames, opened[2])

    async def unread(self, room):
        inbox = await self.server_stream(INBOX)
        [[row]] = await inbox.until(HEADS)
        assert row[0] == room and await inbox.until(INBOX_READY) == [1]
        return row[3]


class Publisher:
    def __init__(self, answers, writer):
        self.answers, self.writer = answers, writer

    async def publish(self, room, message, text):
        """Gives (type, answer): ACK or REFUSED."""
        self.writer.write(frame(DRAFT, [room, message, TEXT, text.encode(), {}]))
        return await self.answers.until(ACK, REFUSED)

    async def acked(self, room, text):
        ty, ack = await self.publish(room, os.urandom(16), text)
        assert ty == ACK and ack[3] is False, ack
        return ack[1]


class Room:
    """A ROOM stream, and the rule that nothing is left out or told twice."""

    def __init__(self, frames, start):
        self.frames, self.cursor = frames, start

    async def next(self):
        """The next entry, or None where the stream becomes live."""
        ty, item = await self.frames.until(ENTRY, CAUGHT_UP)
        if ty == CAUGHT_UP:
            assert item == [self.cursor[1]]
            return None
        assert item[0] == self.cursor[1] + 1, "a hole, or a place told twice"
        self.cursor = [self.cursor[0], item[0]]
        return item

    async def backlog(self):
        entries = []
        while entry := await self.next():
            entries.append(entry)
        return entries


def settings(link, **others):
    """How to connect to the server of `link`."""
    tls.Context = type("PinnedContext", (PinnedContext,), {"pin": link.pin})
    usual = {
        "alpn_protocols": ["quipu/1"],
        "max_datagram_frame_size": 1200,
        "server_name": link.host,
        "supported_versions": [QuicProtocolVersion.VERSION_1],
        "verify_mode": ssl.CERT_NONE,  # No public authority is asked; `PinnedContext` checks the pin, and aioquic the signature.
    }
    return QuicConfiguration(**usual | others)


@contextlib.asynccontextmanager
async def dial(link):
    """A connection to the server of `link`, after Hello."""
    async with connect(link.host, link.port, configuration=settings(link), create_protocol=Session) as session:
        await session.hello(link)
        yield session


# ---- What happens


class Person:
    """Somebody with an account."""

    @classmethod
    async def join(cls, link, nickname):
        self = cls()
        self.link, self.nickname, self.device = link, nickname, Device()
        async with dial(link) as session:
            ty, answer = await session.redeem(self.device, nickname)
            assert ty == TOKEN, answer
            self.token, self.user = answer[1], answer[3]
            ty, who = await session.say(session.auth(self.device, self.token), AUTHENTICATED)
            assert (ty, who[1], who[2], who[3]) == (AUTHENTICATED, self.user, answer[4], nickname), who
        return self

    @contextlib.asynccontextmanager
    async def connect(self):
        async with dial(self.link) as session:
            ty, answer = await session.say(session.auth(self.device, self.token), AUTHENTICATED)
            assert ty == AUTHENTICATED, answer
            yield session


def told(entry):
    """An entry in words."""
    kind, body = entry[5], entry[6]
    if kind == MEMBER:
        _user, change, nickname, _role = cbor2.loads(body)
        return f"{nickname} {['joined', 'left', 'invited', 'removed'][change]}"
    return {TEXT: bytes.decode, CREATED: lambda _: "created"}[kind](body)


async def conversation(ada, report):
    async with ada.connect() as here:
        lobby = await here.lobby()
        invite = await here.ask(CREATE_INVITE, {1: 1, 2: 60_000}, INVITE_ANSWER)
        bob = await Person.join(replace(ada.link, secret=invite[2]), "bob")
        report["joined"] = [ada.nickname, bob.nickname]

        room = await here.subscribe(lobby, None)
        report["began"] = [told(entry) for entry in await room.backlog()]
        async with bob.connect() as there:
            place = await (await there.publisher()).acked(lobby, "from Python, with ☃")
        entry = await room.next()
        assert (entry[2], room.cursor) == (bob.user, place)
        report["heard"] = [told(entry)]
        await here.ask(MARK_READ, {1: lobby, 2: place[1]}, DONE)

    async with bob.connect() as there:
        publisher = await there.publisher()
        for text in ("one", "two", "three"):
            place = await publisher.acked(lobby, text)
    async with ada.connect() as here:
        report["unread"] = await here.unread(lobby)
        room = await here.subscribe(lobby, room.cursor)
        report["missed"] = [told(entry) for entry in await room.backlog()]
        assert room.cursor == place


async def saying_it_twice(ada, report):
    message = os.urandom(16)
    async with ada.connect() as session:
        lobby = await session.lobby()
        _, first = await (await session.publisher()).publish(lobby, message, "once")
    async with ada.connect() as session:
        publisher = await session.publisher()
        _, again = await publisher.publish(lobby, message, "once")
        ty, changed = await publisher.publish(lobby, message, "twice")
        assert ty == REFUSED
        room = await session.subscribe(lobby, None)
        log = await room.backlog()
    report["retried"] = {
        "duplicate": [first[3], again[3]],
        "same_place": first[:2] == again[:2],
        "changed": changed[1][1],
        "times_in_log": sum(entry[4] == message for entry in log),
    }


async def what_must_not_work(ada, report):
    async with dial(ada.link) as session:
        stolen = session.auth(ada.device, ada.token)
        ty, answer = await session.say(stolen, AUTHENTICATED)
        assert ty == AUTHENTICATED, answer
        async with dial(ada.link) as thief:
            answers = [await thief.say(stolen, AUTHENTICATED) for _ in range(3)]
            await thief.wait_closed()
        report["replayed"] = {
            "refused": [item[1] for ty, item in answers if ty == REFUSAL],
            "closed": thief.ended.error_code,
        }
    async with dial(ada.link) as session:
        ty, answer = await session.redeem(Device(), "eve")
        report["second_redeem"] = answer[1] if ty == REFUSAL else "let in"
    report["wrong_pin"] = await wrong_pin(ada.link)


async def wrong_pin(link):
    try:
        async with dial(replace(link, pin=bytes(32))):
            return "spoken to"
    except ConnectionError:
        return "refused"


async def main(link):
    report = {}
    ada = await Person.join(Link.parse(link), "ada")
    await conversation(ada, report)
    await saying_it_twice(ada, report)
    await what_must_not_work(ada, report)
    return report


if __name__ == "__main__":
    print(json.dumps(asyncio.run(asyncio.wait_for(main(sys.argv[1]), DEADLINE_S))))
