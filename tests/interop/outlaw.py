"""aioquic with its manners taken away, and how a server bears it: what hostile.py and hostile_udp.py have in common.

    python hostile.py CASE 'quipu://host:port/#...' ADDRESS PID

People join as they always do; one of them does what CASE says to the server at ADDRESS; then it is seen whether the other
is still served. On stdout it is reported, as one JSON object, what the server said, and by how much the memory of its
process PID grew at most. What that should be, is said by hostile.rs.
"""

import asyncio
import collections
import contextlib
import dataclasses
import json
import os
import socket
import sys

from aioquic import tls
from aioquic.quic.connection import QuicConnection, QuicConnectionError
from aioquic.quic.packet import QuicFrameType, QuicPacketType

import aioquic_client
from aioquic_client import CREATE_INVITE, INVITE_ANSWER, Link, Person, Session, settings

DEADLINE_S = 50  # What takes this long is hanging.
SOON_S = 10  # The same for one answer.
BURST = 16  # Packets sent at once: few enough that no socket's buffer overflows.
INITIAL_BYTES = 1200  # RFC 9000 section 14.1: smaller datagrams open nothing.
VERSION_UNKNOWN = bytes.fromhex("1a2a3a4a")  # One of those that RFC 9000 section 15 keeps unknown.


def long_header(version, source_id):
    """How a packet before a connection begins, to a made-up id."""
    return b"\xc1" + version + b"\x08" + os.urandom(8) + b"\x08" + source_id


def fence(mark):
    """A question that is answered without a connection. Datagrams are taken in their order, so the answer says that the
    server has those before."""
    return long_header(VERSION_UNKNOWN, mark).ljust(INITIAL_BYTES, b"\0")


def is_fence(datagram, mark):
    return datagram[0] & 0x80 and datagram[1:5] == bytes(4) and datagram[6:14] == mark


# ---- A connection


class Outlaw(QuicConnection):
    """Honest until it is told what to send. From then on it sends that and nothing else: no window, no limit, no pace.

    Names with an underscore are aioquic's own; requirements.txt pins the version they belong to.
    """

    def __init__(self, configuration, spoil_tls=None):
        super().__init__(configuration=configuration)
        self.lawless = False
        self.acknowledges = True
        self.payloads = collections.deque()  # Of packets yet to be sent: frames as they are.
        self.acknowledged = -1  # The largest packet the server says it has.
        self.told = None  # Why the server closed the connection.
        self.spoil_tls = spoil_tls

    def _initialize(self, peer_cid):
        super()._initialize(peer_cid)
        if self.spoil_tls:
            self.spoil_tls(self.tls)

    def _write_application(self, builder, network_path, now):
        if not self.lawless:
            return super()._write_application(builder, network_path, now)
        builder.max_flight_bytes = None  # Of congestion it does not want to hear.
        crypto, space = self._cryptos[tls.Epoch.ONE_RTT], self._spaces[tls.Epoch.ONE_RTT]
        while self.payloads:
            builder.start_packet(QuicPacketType.ONE_RTT, crypto)
            builder._buffer.push_bytes(self.payloads.popleft())  # Not a frame aioquic would repeat.
        if space.ack_at is not None:
            builder.start_packet(QuicPacketType.ONE_RTT, crypto)
            self._write_ack_frame(builder=builder, space=space, now=now)

    def _write_ack_frame(self, builder, space, now):
        if self.acknowledges:
            super()._write_ack_frame(builder=builder, space=space, now=now)
        else:
            space.ack_at = None

    def _handle_ack_frame(self, context, frame_type, buf):
        if context.epoch == tls.Epoch.ONE_RTT:
            start = buf.tell()
            self.acknowledged = max(self.acknowledged, buf.pull_uint_var())
            buf.seek(start)
        super()._handle_ack_frame(context, frame_type, buf)

    def _handle_retire_connection_id_frame(self, context, frame_type, buf):
        if self.lawless:
            buf.pull_uint_var()  # It goes on answering to all its names.
        else:
            super()._handle_retire_connection_id_frame(context, frame_type, buf)

    def _handle_connection_close_frame(self, context, frame_type, buf):
        start = buf.tell()
        by = "quic" if frame_type == QuicFrameType.TRANSPORT_CLOSE else "quipu"
        self.told = f"{by} {buf.pull_uint_var():#x}"
        buf.seek(start)
        super()._handle_connection_close_frame(context, frame_type, buf)


def deaf(heard):
    """A frame that is about a stream aioquic knows nothing of: no reason to give up, and nothing is done about it."""

    def handler(self, *frame):
        try:
            heard(self, *frame)
        except QuicConnectionError:
            if not self.lawless:
                raise

    return handler


for about in ("stop_sending", "max_stream_data", "reset_stream", "stream"):
    name = f"_handle_{about}_frame"
    setattr(Outlaw, name, deaf(getattr(QuicConnection, name)))


class Peer(Session):
    """An `Outlaw` with a socket, and the protocol for as long as it is honest."""

    def __init__(self, quic):
        super().__init__(quic)
        self.quic = quic
        self.news = asyncio.Event()
        self.mark = None  # Of the fence that is not answered yet.

    def datagram_received(self, data, addr):
        if self.mark and is_fence(data, self.mark):
            self.mark = None
        super().datagram_received(data, addr)
        self.news.set()

    def shoot(self, *payloads):
        """Sends these packets now."""
        self.quic.lawless = True
        self.quic.payloads.extend(payloads)
        self.transmit()

    async def until(self, happened):
        async with asyncio.timeout(SOON_S):
            while not happened():
                self.news.clear()
                await self.news.wait()

    async def answer(self):
        """How the server closes the connection, or that it does not."""
        with contextlib.suppress(TimeoutError):
            await self.until(lambda: self.quic.told)
        return self.quic.told or "nothing"

    async def heard(self):
        """Until the server acknowledges what was sent. It may keep its word about the last packet to itself for a while."""
        due = self.quic._packet_number - 2
        await self.until(lambda: self.quic.told or self.quic.acknowledged >= due)

    async def flood(self, packets):
        """Sends as fast as the server takes it, so that nothing is lost. Gives how it closed the connection, if it did."""
        for start in range(0, len(packets), BURST):
            if self.quic.told:
                break
            self.shoot(*packets[start : start + BURST])
            self.mark = os.urandom(8)
            self._transport.sendto(fence(self.mark), self.quic._network_paths[0].addr)
            await self.until(lambda: self.quic.told or not self.mark)
        return self.quic.told


@contextlib.asynccontextmanager
async def outlaw(link, spoil_tls=None, **others):
    """A connection whose handshake is over, or was refused."""
    quic = Outlaw(settings(link, **others), spoil_tls)
    loop = asyncio.get_running_loop()
    [(family, *_, address), *_] = await loop.getaddrinfo(link.host, link.port, type=socket.SOCK_DGRAM)
    transport, peer = await loop.create_datagram_endpoint(lambda: Peer(quic), family=family)
    try:
        peer.connect(address)
        await peer.until(lambda: quic.told or quic._handshake_confirmed)
        yield peer
    finally:
        peer.close()
        transport.close()


@contextlib.asynccontextmanager
async def dial(link):
    """A connection after Hello, as everybody's, that does not stay to see whether its farewell arrived."""
    async with outlaw(link) as peer:
        await peer.hello(link)
        yield peer


aioquic_client.dial = dial  # There are too many here to wait for each.


@dataclasses.dataclass
class World:
    """A server, somebody who is honest, and somebody who is not."""

    link: Link
    ada: Person
    mallory: Person

    def stranger(self):
        """A connection of nobody in particular."""
        return outlaw(self.link)

    def member(self):
        """A connection of somebody who has an account, and more rights."""
        return self.mallory.connect()

    async def serves(self):
        """Somebody honest comes and is served."""
        async with self.ada.connect() as session:
            await (await session.publisher()).acked(await session.lobby(), "still here")


# ---- What happens


def memory_kib(process, what):
    with open(f"/proc/{process}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(what))


def cpu_s(process):
    with open(f"/proc/{process}/stat") as stat:
        user, system = stat.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def report(case, link, address, process):
    link = dataclasses.replace(Link.parse(link), host=address)
    ada = await Person.join(link, "ada")
    async with ada.connect() as session:
        invite = await session.ask(CREATE_INVITE, {1: 1, 2: 60_000}, INVITE_ANSWER)
    world = World(link, ada, await Person.join(dataclasses.replace(link, secret=invite[2]), "mallory"))
    await world.serves()
    memory, cpu = memory_kib(process, "VmRSS"), cpu_s(process)
    told = await case(world)
    spent = round(cpu_s(process) - cpu, 2)
    await world.serves()
    return {"told": told, "grown_kib": memory_kib(process, "VmHWM") - memory, "cpu_s": spent}


def main(*cases):
    case, *rest = sys.argv[1:]
    [chosen] = [it for it in cases if it.__name__ == case]
    print(json.dumps(asyncio.run(asyncio.wait_for(report(chosen, *rest), DEADLINE_S))))
