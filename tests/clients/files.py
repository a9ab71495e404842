"""Where the gateway is, and who we are: what the tests put into the environment."""

import os

HOST = os.environ["FILES_HOST"]
PORT = int(os.environ["FILES_PORT"])
USER = os.environ["FILES_USER"]
KEY = os.environ["FILES_KEY"]
PASSWORD = os.environ["FILES_PASSWORD"]


def paramiko_session():
    """A connection by password, and SFTP over it."""
    import paramiko

    transport = paramiko.Transport((HOST, PORT))
    transport.connect(username=USER, password=PASSWORD)
    return transport, paramiko.SFTPClient.from_transport(transport)


def refused(action, *words):
    """The action fails with an error that has these words."""
    try:
        action()
    except OSError as error:
        told = str(error)
        assert all(word in told for word in words), told
        return
    raise AssertionError(f"not refused: {words}")
