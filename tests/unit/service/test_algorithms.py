"""Algorithms by name: what a list means, and in which words it is refused."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from conchgo.service.algorithms import LISTS, algorithm_set
from conchgo.service.errors import StartError
from conchgo.service.settings import SSHSection
from conchgo.ssh.algorithms import ALGORITHM_SETS, ALGORITHMS

DEFAULT, COMPATIBLE = ALGORITHM_SETS["default"], ALGORITHM_SETS["compatible"]


def test_every_field_of_a_set_has_a_key() -> None:
    assert list(LISTS.values()) == [field.name for field in fields(DEFAULT)] == list(ALGORITHMS)


@pytest.mark.parametrize("name", ALGORITHM_SETS)
def test_without_lists_it_is_the_set(name: str) -> None:
    assert algorithm_set(SSHSection(algorithms=name)) == ALGORITHM_SETS[name]


@pytest.mark.parametrize(("key", "field"), LISTS.items())
def test_a_list_stands_in_the_place_of_the_sets_own_in_its_order(key: str, field: str) -> None:
    names = tuple(reversed(tuple(ALGORITHMS[field])))
    section = SSHSection(algorithms="compatible", **{key: [name.decode() for name in names]})

    assert algorithm_set(section) == replace(COMPATIBLE, **{field: names})


def test_one_of_the_compatible_algorithms_can_be_added_to_the_default_ones() -> None:
    names = ["curve25519-sha256", "diffie-hellman-group16-sha512"]

    assert algorithm_set(SSHSection(kex_algorithms=names)) == replace(
        DEFAULT, key_exchanges=tuple(name.encode() for name in names)
    )


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("kex_algorithms", "diffie-hellman-group14-sha1"),
        ("kex_algorithms", "diffie-hellman-group-exchange-sha256"),
        ("kex_algorithms", "kex-strict-s-v00@openssh.com"),
        ("kex_algorithms", "ext-info-s"),
        ("ciphers", "aes256-cbc"),
        ("ciphers", "none"),
        ("ciphers", "AES256-CTR"),
        ("ciphers", "aes256-ctr,aes128-ctr"),
        ("ciphers", "+aes256-ctr"),
        ("ciphers", "aes256-\u0446tr"),
        ("ciphers", ""),
        ("macs", "hmac-sha1"),
        ("macs", "none"),
        ("compression", "zlib"),
        ("compression", "yes"),
        ("host_key_algorithms", "ssh-rsa"),
        ("host_key_algorithms", "ssh-dss"),
        ("pubkey_accepted_algorithms", "ssh-rsa"),
    ],
)
def test_what_is_unknown_or_not_safe_is_named_with_all_that_is_known(key: str, name: str) -> None:
    known = [each.decode() for each in ALGORITHMS[LISTS[key]]]
    with pytest.raises(StartError) as caught:
        algorithm_set(SSHSection(**{key: [known[0], name]}))

    assert str(caught.value) == f"ssh.{key}: {name!r} is not known; known are {', '.join(known)}"


@pytest.mark.parametrize("key", LISTS)
def test_a_name_stands_there_once(key: str) -> None:
    name = next(iter(ALGORITHMS[LISTS[key]])).decode()
    with pytest.raises(StartError, match=f"^ssh.{key}: {name} stands there twice$"):
        algorithm_set(SSHSection(**{key: [name, name]}))
