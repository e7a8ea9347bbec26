"""Numbers of SFTP version 3 (draft-ietf-secsh-filexfer-02) and the limits that this server sets."""

from __future__ import annotations

from typing import Final

VERSION: Final = 3

FXP_INIT: Final = 1
FXP_VERSION: Final = 2
FXP_OPEN: Final = 3
FXP_CLOSE: Final = 4
FXP_READ: Final = 5
FXP_WRITE: Final = 6
FXP_LSTAT: Final = 7
FXP_FSTAT: Final = 8
FXP_SETSTAT: Final = 9
FXP_FSETSTAT: Final = 10
FXP_OPENDIR: Final = 11
FXP_READDIR: Final = 12
FXP_REMOVE: Final = 13
FXP_MKDIR: Final = 14
FXP_RMDIR: Final = 15
FXP_REALPATH: Final = 16
FXP_STAT: Final = 17
FXP_RENAME: Final = 18
FXP_READLINK: Final = 19
FXP_SYMLINK: Final = 20
FXP_STATUS: Final = 101
FXP_HANDLE: Final = 102
FXP_DATA: Final = 103
FXP_NAME: Final = 104
FXP_ATTRS: Final = 105
FXP_EXTENDED: Final = 200
FXP_EXTENDED_REPLY: Final = 201

FX_OK: Final = 0
FX_EOF: Final = 1
FX_NO_SUCH_FILE: Final = 2
FX_PERMISSION_DENIED: Final = 3
FX_FAILURE: Final = 4
FX_BAD_MESSAGE: Final = 5
FX_OP_UNSUPPORTED: Final = 8

FXF_READ: Final = 0x01
FXF_WRITE: Final = 0x02
FXF_APPEND: Final = 0x04
FXF_CREAT: Final = 0x08
FXF_TRUNC: Final = 0x10
FXF_EXCL: Final = 0x20

ATTR_SIZE: Final = 0x01
ATTR_UIDGID: Final = 0x02
ATTR_PERMISSIONS: Final = 0x04
ATTR_ACMODTIME: Final = 0x08
ATTR_EXTENDED: Final = 0x80000000

#: The largest packet taken: 256 KiB of data (OpenSSH's SFTP_MAX_MSG_LENGTH) and its header.
MAX_PACKET: Final = 256 * 1024 + 1024
#: The most bytes of one READ or WRITE, told by limits@openssh.com (as OpenSSH: 255 KiB).
MAX_DATA: Final = 255 * 1024
#: The largest offset that a file can have.
MAX_OFFSET: Final = 2**63 - 1
#: Handles that one channel may hold open.
MAX_HANDLES: Final = 1024
#: Of these, directories: each holds names that were read ahead, some 100 KiB.
MAX_DIRECTORIES: Final = 64
