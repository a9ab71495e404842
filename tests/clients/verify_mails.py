"""Verifies mails as the world's receivers do, and says of each what they do not like.

Usage: verify_mails.py <folder of .eml> <records.json> both|ed25519 postfix|ses

records.json holds our DNS records, names to TXT values; nothing is asked of the network. OpenDKIM and SpamAssassin run as programs.
"""

import email
import email.policy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from email.errors import NonASCIILocalPartDefect

import dkim

# RFC 5322, 2.1.1, with the line's end.
LINE_BYTES_MAX = 1000
ONCE = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "List-Unsubscribe", "List-Unsubscribe-Post"]
SIGNED = {"from", "to", "subject", "mime-version", "content-type", "list-unsubscribe", "list-unsubscribe-post"}
# What a relay of each kind leaves as it is.
SIGNED_TOO = {"postfix": {"date", "message-id", "feedback-id"}, "ses": set()}
# RFC 2369: where the relay brings us mails, one of them unsubscribes, too.
UNSUBSCRIBE_TOO = {"postfix": r",<mailto:u-[a-z2-7]{1,62}@[^<>\s]+\?subject=unsubscribe>", "ses": ""}
ALGORITHMS = {"both": ["ed25519-sha256", "rsa-sha256"], "ed25519": ["ed25519-sha256"]}
ENCODINGS = {"7bit", "quoted-printable", "base64"}
# Rules of SpamAssassin that say nothing of a mail's form.
NOT_OF_FORM = {
    # How it came.
    "NO_RECEIVED": "no hop wrote a Received line before the sink",
    "NO_RELAYS": "the same",
    "ALL_TRUSTED": "the only hop is this machine",
    # What the tests' templates and lists have in them.
    "APOSTROPHE_TOCC": "a recipient's address has an apostrophe",
    "HTML_MESSAGE": "there is an HTML part",
    "HTML_IMAGE_ONLY_08": "the text is short, and the pixel is an image",
    "HTML_IMAGE_ONLY_12": "the same",
    "HTML_IMAGE_ONLY_28": "the same",
    "HTML_IMAGE_ONLY_32": "the same",
    "HTML_TITLE_SUBJ_DIFF": "the template's title is not the subject",
    "WEIRD_PORT": "local links name a port",
    "IP_LINK_PLUS": "they name this machine by its number",
}


def main():
    folder, records, signatures, relay = sys.argv[1:]
    records = json.loads(pathlib.Path(records).read_text(encoding="utf-8"))
    paths = sorted(pathlib.Path(folder).glob("*.eml"))
    assert paths, "no mails"
    problems = []
    with tempfile.TemporaryDirectory() as scratch:
        spam = spamassassin(paths, scratch)
        milter = opendkim_configuration(records, scratch)
        for path in paths:
            raw = path.read_bytes()
            found = list(wire(raw)) + list(structure(raw, relay)) + list(signed(raw, records, signatures, relay))
            found += opendkim(path, milter, signatures)
            found += [f"SpamAssassin: {rule}" for rule in spam[path.name] if rule not in NOT_OF_FORM]
            problems += [f"{path.name}: {problem}" for problem in found]
    print("\n".join(problems) or f"{len(paths)} mails are well")
    sys.exit(bool(problems))


def wire(raw):
    """What SMTP wants of lines."""
    if re.search(rb"(?<!\r)\n|\r(?!\n)", raw):
        yield "a bare CR or LF"
    if b"\0" in raw:
        yield "a NUL"
    longest = max(len(line) for line in raw.split(b"\n")) + 1
    if longest > LINE_BYTES_MAX:
        yield f"a line of {longest} octets"


def structure(raw, relay):
    """What Python's parser says of headers and parts."""
    # Headers of RFC 6532 are UTF-8; the parser takes them as text alone.
    beyond_ascii = not raw.isascii()
    if beyond_ascii:
        message = email.message_from_string(raw.decode("utf-8"), policy=email.policy.SMTPUTF8)
    else:
        message = email.message_from_bytes(raw, policy=email.policy.SMTP)
    for name in ONCE:
        if (count := len(message.get_all(name, []))) != 1:
            yield f"{count} of {name}"
    for part in message.walk():
        yield from (f"defect {defect!r} of a part {part.get_content_type()}" for defect in part.defects)
        for name, value in part.items():
            # An address of RFC 6531 is no defect.
            defects = [each for each in value.defects if not isinstance(each, NonASCIILocalPartDefect)]
            yield from (f"defect {defect!r} of {name}" for defect in defects)
        if part.is_multipart():
            continue
        encoding = part.get("Content-Transfer-Encoding", "7bit").lower()
        if encoding not in ENCODINGS:
            yield f"an encoding {encoding}"
        try:
            content = part.get_content()
        except (LookupError, UnicodeDecodeError) as error:
            yield f"a part that cannot be decoded: {error}"
            continue
        if isinstance(content, str) and "\ufffd" in content:
            yield "a part with replaced characters"
    body = raw.partition(b"\r\n\r\n")[2]
    if not body.isascii():
        yield "a body beyond ASCII without an encoding"
    if message.get_content_type() not in ("multipart/alternative", "multipart/mixed"):
        yield f"a type {message.get_content_type()}"
    if len(message["From"].addresses) != 1 or len(message["To"].addresses) != 1:
        yield "not one address in From and To"
    if message["Date"].datetime is None:
        yield "no date"
    if not re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", message["Message-ID"].strip()):
        yield "a Message-ID that is none"
    # RFC 8058, 3.1
    if message["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click":
        yield "no one-click unsubscription"
    unsubscribe = r"<https?://[^<>\s]+>" + UNSUBSCRIBE_TOO[relay]
    if not re.fullmatch(unsubscribe, "".join(message["List-Unsubscribe"].split())):
        yield "a List-Unsubscribe that is none"


def signed(raw, records, signatures, relay):
    """dkimpy's word on each signature, and what it covers."""

    def resolver(name, timeout=5):
        return records.get(name.decode().rstrip(".").lower(), "").encode() or None

    headers = [value for name, value in dkim.rfc822_parse(raw)[0] if name.lower() == b"dkim-signature"]
    tags = [dkim.parse_tag_value(value) for value in headers]
    found = sorted(tag[b"a"].decode() for tag in tags)
    if found != ALGORITHMS[signatures]:
        yield f"signatures {found}"
    for index, tag in enumerate(tags):
        algorithm = tag[b"a"].decode()
        covered = {name.strip().lower() for name in re.sub(rb"\s", b"", tag[b"h"]).decode().split(":")}
        if missing := (SIGNED | SIGNED_TOO[relay]) - covered:
            yield f"{algorithm} does not cover {sorted(missing)}"
        try:
            valid = dkim.DKIM(raw).verify(idx=index, dnsfunc=resolver)
        except dkim.DKIMException as error:
            valid = error
        if valid is not True:
            yield f"dkimpy does not verify {algorithm}: {valid}"


def opendkim_configuration(records, scratch):
    keys = pathlib.Path(scratch, "records")
    keys.write_text("".join(f"{name} {value}\n" for name, value in records.items()), encoding="ascii")
    path = pathlib.Path(scratch, "opendkim.conf")
    path.write_text(f"Mode v\nTestDNSData file:{keys}\nAlwaysAddARHeader yes\n", encoding="ascii")
    return path


def opendkim(path, configuration, signatures):
    """What the milter would write about the signatures."""
    command = ["opendkim", "-vv", "-x", str(configuration), "-t", str(path)]
    told = subprocess.run(command, capture_output=True, timeout=60, check=False)
    text = told.stdout.decode(errors="replace")
    found = sorted(re.findall(r"dkim=pass\b[^;]*header\.a=([a-z0-9-]+)", text))
    if found != ALGORITHMS[signatures]:
        yield f"OpenDKIM verifies {found}: {text}{told.stderr.decode(errors='replace')}"


def spamassassin(paths, scratch):
    """The rules that each mail fires, by file; one run for all."""
    preferences = pathlib.Path(scratch, "preferences")
    preferences.write_text("use_bayes 0\nfold_headers 0\n", encoding="ascii")
    command = ["spamassassin", "--local", "--test-mode", f"--prefspath={preferences}"]
    environment = dict(os.environ, HOME=scratch)
    fired = {}
    # It says nothing of which file is which, but for the order.
    told = subprocess.run([*command, *map(str, paths)], capture_output=True, timeout=600, env=environment, check=True)
    tests = re.findall(rb"^X-Spam-Status: .*?\btests=(\S*)", told.stdout, re.MULTILINE)
    assert len(tests) == len(paths), f"{len(tests)} answers of {len(paths)}: {told.stderr.decode(errors='replace')}"
    for path, rules in zip(paths, tests):
        fired[path.name] = [rule for rule in rules.decode().split(",") if rule not in ("", "none")]
    return fired


if __name__ == "__main__":
    main()
