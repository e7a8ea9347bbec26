import os
import stat
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from conchgo.accounts.public_keys import fingerprint
from conchgo.ssh.hostkeys import HostKeyError, generate_host_keys, load_host_keys
from tests.programs import require_program


def write_key(path, key, *, passphrase: bytes = b"", public: bool = False) -> None:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    if public:
        text = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    else:
        text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, encryption)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(text)


def test_keys_are_made_once_for_the_owner_only(tmp_path) -> None:
    directory = tmp_path / "new" / "keys"

    made = load_host_keys(str(directory))
    again = load_host_keys(str(directory))

    assert [key.sshType() for key in made] == [b"ssh-ed25519", b"ssh-rsa"]
    assert made[1].size() == 3072
    assert [key.blob() for key in made] == [key.blob() for key in again]
    assert sorted(os.listdir(directory)) == ["ssh_host_ed25519_key", "ssh_host_rsa_key"]
    for name in os.listdir(directory):
        assert stat.S_IMODE(os.stat(directory / name).st_mode) == 0o600


def test_keys_for_a_server_that_keeps_nothing() -> None:
    first, second = generate_host_keys(), generate_host_keys()

    assert [key.sshType() for key in first] == [b"ssh-ed25519", b"ssh-rsa"]
    assert first[0].blob() != second[0].blob()


def test_other_keys_beside_are_served_after_ed25519(tmp_path) -> None:
    write_key(tmp_path / "ssh_host_ecdsa_key", ec.generate_private_key(ec.SECP256R1()))
    write_key(tmp_path / "notes", ec.generate_private_key(ec.SECP256R1()))

    kinds = [key.sshType() for key in load_host_keys(str(tmp_path))]

    assert kinds == [b"ssh-ed25519", b"ecdsa-sha2-nistp256", b"ssh-rsa"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_may_read_or_change_stops_the_start(tmp_path, mode) -> None:
    load_host_keys(str(tmp_path))
    os.chmod(tmp_path / "ssh_host_rsa_key", mode)

    with pytest.raises(HostKeyError, match=r"ssh_host_rsa_key.*chmod 600"):
        load_host_keys(str(tmp_path))


def test_a_weak_key_stops_the_start(tmp_path) -> None:
    write_key(tmp_path / "ssh_host_other_key", rsa.generate_private_key(65537, 1024))

    with pytest.raises(HostKeyError, match="2048 bits"):
        load_host_keys(str(tmp_path))


def test_a_key_of_a_kind_that_is_not_served_stops_the_start(tmp_path) -> None:
    write_key(tmp_path / "ssh_host_other_key", ec.generate_private_key(ec.SECP256R1()), public=True)

    with pytest.raises(HostKeyError, match="cannot be used"):
        load_host_keys(str(tmp_path))


def test_a_key_with_a_passphrase_stops_the_start(tmp_path) -> None:
    write_key(tmp_path / "ssh_host_other_key", ec.generate_private_key(ec.SECP256R1()), passphrase=b"secret")

    with pytest.raises(HostKeyError, match="passphrase"):
        load_host_keys(str(tmp_path))


def test_what_is_no_key_stops_the_start(tmp_path) -> None:
    (tmp_path / "ssh_host_rsa_key").write_text("nonsense")
    os.chmod(tmp_path / "ssh_host_rsa_key", 0o600)

    with pytest.raises(HostKeyError, match=r"ssh_host_rsa_key.*replace it"):
        load_host_keys(str(tmp_path))


def test_a_dangling_link_is_not_written_through(tmp_path) -> None:
    os.symlink(tmp_path / "elsewhere", tmp_path / "ssh_host_rsa_key")

    with pytest.raises(FileNotFoundError):
        load_host_keys(str(tmp_path))
    assert not os.path.exists(tmp_path / "elsewhere")


def test_fingerprints_are_those_of_ssh_keygen(tmp_path) -> None:
    ssh_keygen = require_program("ssh-keygen")
    key = load_host_keys(str(tmp_path))[0]

    shown = subprocess.run([ssh_keygen, "-lf", tmp_path / "ssh_host_ed25519_key"], capture_output=True, check=True)

    assert fingerprint(key.public().blob()) in shown.stdout.decode().split()
