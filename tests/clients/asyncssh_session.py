"""asyncssh: many blocks at once, folders, patterns."""

import asyncio
import sys

import asyncssh
import files


async def main(tree):
    options = {"username": files.USER, "client_keys": [files.KEY], "known_hosts": None}
    async with asyncssh.connect(files.HOST, files.PORT, **options) as connection:
        async with connection.start_sftp_client() as sftp:
            await sftp.chdir("/Incoming")
            await sftp.put(tree, "tree", recurse=True)
            await sftp.put(f"{tree}/sub/large.bin", "parallel.bin", block_size=16384, max_requests=128)
            await sftp.get("tree", "back", recurse=True)
            assert await sftp.glob("tree/sub/*.bin") == ["tree/sub/large.bin"]
            await sftp.mput([f"{tree}/*.csv"], ".")
            assert sorted(await sftp.listdir()) == ["a b.csv", "parallel.bin", "tree"]
            await sftp.mget(["*.csv"], "many.csv")
            await sftp.remove("a b.csv")
            assert not await sftp.exists("a b.csv")
            assert (await sftp.stat("parallel.bin")).size == (await sftp.lstat("tree/sub/large.bin")).size


asyncio.run(main(sys.argv[1]))
