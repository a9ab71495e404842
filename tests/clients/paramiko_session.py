"""paramiko: put with its check, a prefetching get, and every mode of open."""

import sys

import files

transport, sftp = files.paramiko_session()
local = sys.argv[1]
sftp.chdir("/Incoming")
attributes = sftp.put(local, "large.bin", confirm=True)
with open(local, "rb") as file:
    whole = file.read()
assert attributes.st_size == len(whole)
with open("back.bin", "wb") as file:
    assert sftp.getfo("large.bin", file, prefetch=True) == len(whole)
with sftp.open("large.bin", "rb") as file:
    # Pieces in any order, as from a disk.
    pieces = [(9_000_000, 1000), (5, 10), (len(whole) - 3, 100), (len(whole) + 7, 10)]
    assert [bytes(piece) for piece in file.readv(pieces[:2])] == [whole[at : at + size] for at, size in pieces[:2]]
    for at, size in pieces:
        file.seek(at)
        assert file.read(size) == whole[at : at + size]

with sftp.open("modes.txt", "w") as file:
    file.write("first")
with sftp.open("modes.txt", "w") as file:
    file.write("rewritten")
with sftp.open("exclusive.txt", "wx") as file:
    file.write("first")
files.refused(lambda: sftp.open("exclusive.txt", "wx"), "exists")
# A finished file is neither appended to nor changed inside, and stays as it is.
for mode in ["a", "r+", "a+"]:

    def change(mode=mode):
        with sftp.open("modes.txt", mode) as file:
            file.write("lost?")

    files.refused(change)
    with sftp.open("modes.txt") as file:
        assert file.read() == b"rewritten", mode
for mode in ["r", "r+"]:
    files.refused(lambda mode=mode: sftp.open("none.txt", mode))
with sftp.open("appended.txt", "a") as file:
    file.write("new")
assert sftp.stat("appended.txt").st_size == 3

sftp.utime("modes.txt", (1, 2))
sftp.chmod("modes.txt", 0o600)
files.refused(lambda: sftp.symlink("modes.txt", "link"))
files.refused(lambda: sftp.truncate("modes.txt", 3))
sftp.mkdir("folder")
files.refused(lambda: sftp.rename("modes.txt", "exclusive.txt"), "exists")
sftp.rename("appended.txt", "folder/appended.txt")
assert sftp.listdir("folder") == ["appended.txt"]
sftp.posix_rename("folder/appended.txt", "folder/b.txt")
sftp.remove("folder/b.txt")
sftp.rmdir("folder")
assert sorted(sftp.listdir()) == ["exclusive.txt", "large.bin", "modes.txt"]
assert sftp.normalize("../Exports/./x/..") == "/Exports"
transport.close()
