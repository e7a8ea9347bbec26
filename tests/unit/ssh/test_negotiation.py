import struct
from dataclasses import fields, replace

import pytest
from twisted.conch.ssh.common import NS

from conchgo.ssh.algorithms import ALGORITHM_SETS, AlgorithmSet
from conchgo.ssh.negotiation import STRICT_CLIENT, STRICT_SERVER, ClientOffer, Direction, negotiate
from conchgo.ssh.wire import ProtocolViolation

OURS = AlgorithmSet(
    key_exchanges=(b"kex-1", b"kex-2"),
    ciphers=(b"aes128-gcm@openssh.com", b"chacha20-poly1305@openssh.com", b"aes128-ctr", b"aes256-ctr"),
    macs=(b"hmac-sha2-256-etm@openssh.com", b"hmac-sha2-512"),
)
HOST_KEYS = (b"ssh-ed25519", b"rsa-sha2-512")

#: A client that takes whatever we do, in our order.
OFFER = ClientOffer(
    key_exchanges=OURS.key_exchanges,
    host_keys=HOST_KEYS,
    ciphers=(OURS.ciphers, OURS.ciphers),
    macs=(OURS.macs, OURS.macs),
    compressions=((b"none",), (b"none",)),
    guessed=False,
)


def message(*lists: bytes, guessed: bytes = b"\0") -> bytes:
    """KEXINIT without its number."""
    return bytes(16) + b"".join(map(NS, lists)) + guessed + bytes(4)


def refusal(offer: ClientOffer, ours: AlgorithmSet = OURS) -> ProtocolViolation:
    with pytest.raises(ProtocolViolation) as caught:
        negotiate(offer, ours, HOST_KEYS)
    return caught.value


# The message


def test_each_list_has_its_place() -> None:
    names = [b"kex", b"key", b"c-in,c-in2", b"c-out", b"m-in", b"m-out", b"z-in", b"z-out", b"l-in", b"l-out"]
    offer = ClientOffer.parse(message(*names, guessed=b"\1"))

    assert offer == ClientOffer(
        key_exchanges=[b"kex"],
        host_keys=[b"key"],
        ciphers=([b"c-in", b"c-in2"], [b"c-out"]),
        macs=([b"m-in"], [b"m-out"]),
        compressions=([b"z-in"], [b"z-out"]),
        guessed=True,
    )


@pytest.mark.parametrize("end", range(0, len(message(*[b"x"] * 10)), 3))
def test_half_a_message_is_refused(end) -> None:
    with pytest.raises(ProtocolViolation, match="ends too early"):
        ClientOffer.parse(message(*[b"x"] * 10)[:end])


def test_more_than_the_message_is_refused() -> None:
    with pytest.raises(ProtocolViolation, match="more than its fields"):
        ClientOffer.parse(message(*[b"x"] * 10) + b"\0")


def test_a_list_longer_than_the_message_is_refused() -> None:
    with pytest.raises(ProtocolViolation):
        ClientOffer.parse(bytes(16) + struct.pack(">L", 0xFFFFFFFF) + b"x" * 100)


# What is chosen


def test_the_clients_first_name_that_we_know_wins() -> None:
    agreement = negotiate(
        replace(
            OFFER,
            key_exchanges=(b"unknown", b"kex-2", b"kex-1"),
            host_keys=(b"ssh-rsa", b"rsa-sha2-512", b"ssh-ed25519"),
            ciphers=((b"aes256-ctr", b"aes128-ctr"), (b"3des-cbc", b"aes128-ctr")),
            macs=((b"hmac-md5", b"hmac-sha2-512"), (b"hmac-sha2-256-etm@openssh.com", b"hmac-sha2-512")),
            compressions=((b"zlib", b"none"), (b"none", b"zlib")),
        ),
        OURS,
        HOST_KEYS,
    )

    assert (agreement.key_exchange, agreement.host_key) == (b"kex-2", b"rsa-sha2-512")
    assert agreement.incoming == Direction(b"aes256-ctr", b"hmac-sha2-512", b"none")
    assert agreement.outgoing == Direction(b"aes128-ctr", b"hmac-sha2-256-etm@openssh.com", b"none")


@pytest.mark.parametrize("name", ALGORITHM_SETS)
def test_a_client_with_our_own_lists_gets_our_best(name) -> None:
    ours = ALGORITHM_SETS[name]
    offer = ClientOffer(
        ours.key_exchanges, HOST_KEYS, (ours.ciphers,) * 2, (ours.macs,) * 2, (ours.compressions,) * 2, False
    )
    agreement = negotiate(offer, ours, HOST_KEYS)

    assert agreement.key_exchange == ours.key_exchanges[0]
    assert agreement.incoming == agreement.outgoing == Direction(ours.ciphers[0], b"", b"none")


@pytest.mark.parametrize("cipher", [b"aes128-gcm@openssh.com", b"chacha20-poly1305@openssh.com"])
@pytest.mark.parametrize("macs", [(b"umac-64@openssh.com",), (b"",)])
def test_a_cipher_that_authenticates_needs_no_mac_in_common(cipher, macs) -> None:
    agreement = negotiate(replace(OFFER, ciphers=((cipher,),) * 2, macs=(macs,) * 2), OURS, HOST_KEYS)

    assert agreement.incoming == agreement.outgoing == Direction(cipher, b"", b"none")


@pytest.mark.parametrize("way", [0, 1])
def test_the_two_directions_are_independent(way) -> None:
    ciphers, macs = [OURS.ciphers, OURS.ciphers], [(b"nothing",), (b"nothing",)]
    ciphers[way], macs[way] = (b"aes128-ctr",), (b"hmac-sha2-512",)
    agreement = negotiate(replace(OFFER, ciphers=tuple(ciphers), macs=tuple(macs)), OURS, HOST_KEYS)
    directions = (agreement.incoming, agreement.outgoing)

    assert directions[way] == Direction(b"aes128-ctr", b"hmac-sha2-512", b"none")
    assert directions[1 - way] == Direction(b"aes128-gcm@openssh.com", b"", b"none")


# What is missing


@pytest.mark.parametrize("names", [(b"nothing",), (b"",), (b"none",), ()], ids=repr)
@pytest.mark.parametrize("way", [0, 1])
def test_another_cipher_without_a_mac_in_common_is_refused(names, way) -> None:
    macs = [OURS.macs, OURS.macs]
    macs[way] = names
    violation = refusal(replace(OFFER, ciphers=((b"aes128-ctr",),) * 2, macs=tuple(macs)))

    assert (violation.code, violation.text) == (3, "no MAC in common")


@pytest.mark.parametrize("names", [(b"nothing", b"unknown"), (b"",)], ids=repr)
@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("key_exchanges", "key exchange"),
        ("host_keys", "host key"),
        ("ciphers", "cipher"),
        ("compressions", "compression"),
    ],
)
@pytest.mark.parametrize("way", [0, 1])
def test_a_list_with_nothing_in_common_is_named(field, kind, names, way) -> None:
    value = names
    if field not in ("key_exchanges", "host_keys"):
        value = list(getattr(OFFER, field))
        value[way] = names
    violation = refusal(replace(OFFER, **{field: value}))

    assert (violation.code, violation.text) == (3, f"no {kind} in common")


def test_every_list_of_a_client_was_looked_at() -> None:
    """A new field of the offer needs its rows above."""
    known = {"key_exchanges", "host_keys", "ciphers", "macs", "compressions", "guessed"}
    assert {field.name for field in fields(ClientOffer)} == known


@pytest.mark.parametrize("word", [STRICT_CLIENT, STRICT_SERVER, b"ext-info-c", b"ext-info-s"])
def test_words_among_the_key_exchanges_are_none(word) -> None:
    """RFC 8308, section 2.2, and strict key exchange: the words must never be agreed upon."""
    assert refusal(replace(OFFER, key_exchanges=(word,))).text == "no key exchange in common"
    assert all(word not in algorithms.key_exchanges for algorithms in ALGORITHM_SETS.values())


# Guesses


@pytest.mark.parametrize(
    ("key_exchanges", "host_keys", "right"),
    [
        ((b"kex-1",), (b"ssh-ed25519",), True),
        ((b"kex-1", b"kex-2"), (b"ssh-ed25519", b"other"), True),
        ((b"kex-2", b"kex-1"), (b"ssh-ed25519",), False),
        ((b"kex-1",), (b"rsa-sha2-512", b"ssh-ed25519"), False),
        # Both would choose kex-1, and still the guess counts as wrong: the first names differ.
        ((b"unknown", b"kex-1"), (b"ssh-ed25519",), False),
        ((b"kex-1",), (b"unknown", b"ssh-ed25519"), False),
    ],
)
def test_a_guess_is_right_if_both_first_names_are_the_same(key_exchanges, host_keys, right) -> None:
    """RFC 4253, section 7."""
    offer = replace(OFFER, key_exchanges=key_exchanges, host_keys=host_keys)

    assert negotiate(offer, OURS, HOST_KEYS).right_guess is right
