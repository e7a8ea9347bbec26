"""crypt(3) of the system's own libcrypt: what /etc/shadow holds. Python's own module for it is gone since 3.13."""

from __future__ import annotations

import ctypes
import functools
from typing import Any, Final

#: The library's names on Debian and on Fedora; searching by name would start a compiler.
_NAMES: Final = ("libcrypt.so.1", "libcrypt.so.2")
#: No known `struct crypt_data` is bigger (glibc's has 131,232 bytes, libxcrypt's 32,768).
_DATA_SIZE: Final = 256 * 1024


def available() -> bool:
    return _crypt_r() is not None


def crypt(password: bytes, setting: str) -> str | None:
    """The hash of a password without NUL, in the format and with the salt of `setting` (any hash of that format).

    None where the library is missing or does not know the format. Other threads run meanwhile.
    """
    crypt_r = _crypt_r()
    if crypt_r is None:
        return None
    data = ctypes.create_string_buffer(_DATA_SIZE)
    found: bytes | None = crypt_r(password, setting.encode("ascii"), data)
    return None if found is None else found.decode("ascii", "replace")


@functools.cache
def _crypt_r() -> Any:
    for name in _NAMES:
        try:
            function = ctypes.CDLL(name).crypt_r
        except (OSError, AttributeError):
            continue
        function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
        function.restype = ctypes.c_char_p
        return function
    return None
