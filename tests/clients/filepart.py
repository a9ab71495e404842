"""An upload under `list.bin.filepart` that dies (begin SIZE), and the one that goes on with it and renames it (finish SIZE WAY)."""

import os
import signal
import sys

import files
from paramiko.sftp import CMD_OPEN
from paramiko.sftp_attr import SFTPAttributes
from paramiko.sftp_client import SFTP_FLAG_WRITE
from paramiko.sftp_file import SFTPFile

NAME = "/Incoming/list.bin.filepart"
CHUNK = 200_000

transport, sftp = files.paramiko_session()
size = int(sys.argv[2])
with open("list.bin", "rb") as file:
    whole = file.read()


def write(remote, begin, end):
    for at in range(begin, end, CHUNK):
        remote.write(whole[at : min(at + CHUNK, end)])


def existing(way):
    if way == "write":
        # The flag alone, neither creating nor cutting: paramiko has no mode for it.
        _, answer = sftp._request(CMD_OPEN, NAME.encode(), SFTP_FLAG_WRITE, SFTPAttributes())
        return SFTPFile(sftp, answer.get_binary(), "r+")
    return sftp.open(NAME, way)


if sys.argv[1] == "begin":
    remote = sftp.open(NAME, "w")
    write(remote, 0, size)
    assert remote.stat().st_size == size
    os.kill(os.getpid(), signal.SIGKILL)

assert sftp.stat(NAME).st_size == size
files.refused(lambda: sftp.open(NAME).read(10))
with existing(sys.argv[3]) as remote:
    remote.seek(size)
    write(remote, size, len(whole))
sftp.rename(NAME, "/Incoming/list.bin")
assert sftp.listdir("/Incoming") == ["list.bin"]
transport.close()
