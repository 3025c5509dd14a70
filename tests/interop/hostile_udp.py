"""What a peer can do to a QUIC server before there is a connection: with packets alone. How to run it: see outlaw.py."""

import asyncio
import os
import random
import select
import socket
import time

from aioquic_client import settings
from outlaw import BURST, INITIAL_BYTES, SOON_S, VERSION_UNKNOWN, Outlaw, fence, is_fence, long_header, main

VERSION_1 = bytes.fromhex("00000001")

HANDSHAKE_TIMEOUT_S = 10  # Limits of the server, and of quinn.
HANDSHAKES_UNPROVEN_MAX = 128
PREFIX_UNPROVEN_MAX = 8
RETRY_TOKEN_S = 15


# ---- Packets


class Line:
    """A socket that speaks to the server alone, and counts."""

    def __init__(self, link, source="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((source, 0))
        self.socket.connect((link.host, link.port))
        self.sent = self.received = 0

    def send(self, datagram):
        self.socket.send(datagram)
        self.sent += len(datagram)

    def take(self, patience_s=SOON_S):
        """The next datagram, or None."""
        if not select.select([self.socket], [], [], patience_s)[0]:
            return None
        datagram = self.socket.recv(65536)
        self.received += len(datagram)
        return datagram

    def fence(self):
        """Until the server has all that was sent. Gives what it answered."""
        mark, answers = os.urandom(8), []
        self.socket.send(fence(mark))
        while answer := self.take():
            if is_fence(answer, mark):
                self.received -= len(answer)
                return answers
            answers.append(answer)
        raise AssertionError("the server says nothing")


def kind(datagram):
    """What an answer is to whoever cannot read it."""
    if not datagram[0] & 0x80:
        return "reset"  # There is no connection, so there are no short headers but these.
    if datagram[1:5] == bytes(4):
        return "versions"
    return "retry" if datagram[0] >> 4 & 3 == 3 else "handshake"


class Opening:
    """A handshake of which only the first flight is sent, unless somebody goes on with it."""

    def __init__(self, link, source="127.0.0.1", token=b"", size=INITIAL_BYTES):
        self.address = (link.host, link.port)
        self.line = Line(link, source)
        self.quic = Outlaw(settings(link, token=token))
        self.quic._max_datagram_size = size
        self.quic.connect(self.address, now=time.monotonic())
        [(self.first, _)] = self.quic.datagrams_to_send(now=time.monotonic())

    def begin(self):
        """Sends it, and gives what kind of answer came."""
        self.line.send(self.first)
        return self.heard(self.line)

    def heard(self, line):
        answer = line.take()
        assert answer, "the server says nothing"
        self.quic.receive_datagram(answer, self.address, now=time.monotonic())
        return self.quic.told or kind(answer)

    def again(self):
        """What an honest client sends after a Retry."""
        [(datagram, _)] = self.quic.datagrams_to_send(now=time.monotonic())
        return datagram


# ---- Packets that are none


def noise(chance, length):
    return chance.randbytes(length)


def unknown_version(chance, length):
    return (long_header(VERSION_UNKNOWN, os.urandom(8)) + chance.randbytes(length))[:length]


def initial(chance, length):
    """Up to its encryption it is one."""
    head = long_header(VERSION_1, os.urandom(8)) + b"\0"
    rest = max(0, length - len(head) - 2)
    return (head + (0x4000 | rest).to_bytes(2, "big") + chance.randbytes(rest))[:length]


def short_header(chance, length):
    return (bytes([0x40 | chance.randrange(64)]) + chance.randbytes(length))[:length]


async def garbage(world):
    """Of each length that an Ethernet carries."""
    told = {}
    for make in (noise, unknown_version, initial, short_header):
        line, chance, answers, begun = Line(world.link), random.Random(1), [], time.monotonic()
        for length in range(1501):
            line.send(make(chance, length))
            if length % BURST == 0:
                answers += line.fence()
        answers += line.fence()
        kinds = [kind(answer) for answer in answers]
        told[make.__name__] = {
            "versions": kinds.count("versions"),
            "retries": kinds.count("retry"),
            "handshakes": kinds.count("handshake"),
            "resets": kinds.count("reset"),
            "seconds": time.monotonic() - begun,
            "largest": max(map(len, answers), default=0),
            "times": line.received / line.sent,
        }
    return told


async def short_initials(world):
    """A handshake in a datagram one byte too small is not answered; the same in one of the right size is."""
    small = Opening(world.link, size=INITIAL_BYTES - 1)
    assert len(small.first) == INITIAL_BYTES - 1
    small.line.send(small.first)
    answers = small.line.fence()
    answered = Opening(world.link).begin()
    # What there is on the way to the small one by now, came before the other's.
    return {"small": len(answers + small.line.fence()), "whole": answered}


async def unknown_ids(world):
    """As the packets of 10,000 connections that the server has forgotten."""
    line, begun, answers = Line(world.link), time.monotonic(), []
    for n in range(10_000):
        line.send(b"\x40" + os.urandom(42))
        if n % BURST == 0:
            answers += line.fence()
    answers += line.fence()
    kinds = {kind(answer) for answer in answers}
    return {
        "kinds": sorted(kinds),
        "resets": len(answers),
        "seconds": time.monotonic() - begun,
        "largest": max(map(len, answers), default=0),
    }


# ---- Handshakes that are not gone on with


def listen(openings, patience_s):
    """Counts what still comes, for as long as that."""
    lines = {opening.line.socket: opening.line for opening in openings}
    until = time.monotonic() + patience_s
    while (left := until - time.monotonic()) > 0:
        for ready in select.select(lines, [], [], left)[0]:
            lines[ready].take()


async def stalls(world):
    """From more addresses than may begin at once; each may be somebody else's who was never asked."""
    # Each in a network of its own: one network alone may not begin so many.
    addresses = (f"127.{1 + n // 250}.{n % 250}.1" for n in range(60_000))
    openings = [Opening(world.link, next(addresses)) for _ in range(300)]
    answers = {"handshake": [], "retry": []}
    for opening in openings:
        answers[opening.begin()].append(opening)
        if len(answers["handshake"]) == HANDSHAKES_UNPROVEN_MAX and not answers["retry"]:
            full = time.monotonic()
    begun = time.monotonic()
    await world.serves()
    told = {"login_s": time.monotonic() - begun}

    # They are let go when newcomers begin without proof again, as many as there were.
    newcomers = 0
    while newcomers < HANDSHAKES_UNPROVEN_MAX and time.monotonic() < full + 2 * HANDSHAKE_TIMEOUT_S:
        if Opening(world.link, next(addresses)).begin() == "handshake":
            newcomers += 1
        else:
            listen(openings, 0.1)
    told["freed_s"] = time.monotonic() - full
    listen(openings, 0.5)
    lines = {answer: [opening.line for opening in got] for answer, got in answers.items()}
    for answer, got in lines.items():
        told[answer] = {"addresses": len(got), "times": max(line.received / line.sent for line in got)}
    everybody = sum(lines.values(), [])
    told["times"] = sum(line.received for line in everybody) / sum(line.sent for line in everybody)
    return told


async def retry_tokens(world):
    """Where a Retry is asked for, its token counts for the address it was given to, for a while."""
    crowd = [Opening(world.link) for _ in range(PREFIX_UNPROVEN_MAX)]
    assert {opening.begin() for opening in crowd} == {"handshake"}

    def retried():
        opening = Opening(world.link)
        assert opening.begin() == "retry"
        return opening

    def elsewhere(source):
        opening, line = retried(), Line(world.link, source)
        line.send(opening.again())
        return opening.heard(line)

    def here(opening):
        opening.line.send(opening.again())
        return opening.heard(opening.line)

    old = retried()
    issued = time.monotonic()
    damaged = retried()
    damaged.quic._peer_token = damaged.quic._peer_token[:-1] + bytes([damaged.quic._peer_token[-1] ^ 1])
    told = {
        "as it should be": here(retried()),
        "at another port": elsewhere("127.0.0.1"),
        "at another address": elsewhere("127.9.9.9"),
        "damaged": here(damaged),
        "made up": Opening(world.link, token=os.urandom(64)).begin(),
    }
    await asyncio.sleep(issued + RETRY_TOKEN_S + 1.5 - time.monotonic())
    told["too late"] = here(old)
    return told


if __name__ == "__main__":
    main(garbage, short_initials, unknown_ids, stalls, retry_tokens)
