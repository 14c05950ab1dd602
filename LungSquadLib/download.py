"""Files from the public servers of cohorts and models, whole and checked, or not at all.

Only `get` and `download` of this file use the network, only when a command to fetch was given, and
only with GET requests to the hosts in `HOSTS` or to a server that the user named. The proxy of the
environment is used; a redirection to another host is refused. A file that is not whole has a name
in ".part"; it is continued, and then checked from its beginning.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import CancelledError, InputError, one_line
from .files import make_folder

HOSTS: Mapping[str, str] = {  # and what comes from them
    "s3.amazonaws.com": "CT and outlines of cohorts",
    "storage.googleapis.com": "CT and outlines of cohorts, with --server",
    "www.cancerimagingarchive.net": "clinical tables of cohorts",
    "raw.githubusercontent.com": "published weights",
}
PARTIAL = ".part"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_BLOCK = 1 << 16
_RESERVE = 1 << 28  # bytes that stay free on the disk
_TRIES = 5
_WAIT = 1.0  # seconds before the second try, doubled each time
_LONGEST_WAIT = 30.0
_SILENCE = 60.0  # seconds without a byte
_SLOWEST, _PATIENCE = 1000.0, 120.0  # bytes a second, measured after so many seconds
_REFUSED = (401, 403, 407)
_BUSY = (408, 429, 500, 502, 503, 504)


class ObjectError(InputError):
    """One file cannot be had, or is not what it should be; others may."""


Received = Callable[[int], None]


def ignored(count: int) -> None:
    """Take a number of bytes and do nothing with it."""


@dataclass(frozen=True)
class _Target:
    """What to fetch, and the partial file that it is written to; see `Client.download`."""

    url: str
    part: Path
    size: int | None
    most: int
    received: Received


class _Passing(Exception):  # noqa: N818 - a reason to try again, caught in this file
    """The connection failed in a way that may pass."""


class _NothingMore(Exception):  # noqa: N818 - an outcome, caught in this file
    """The server has nothing beyond the first bytes that were asked for."""


# What `urllib` raises where a connection fails.
_FAILED = (
    *(urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError),
    http.client.HTTPException,
)


class _Redirections(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # noqa: PLR0917 - as urllib calls it
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        old, new = (urllib.parse.urlsplit(url) for url in (req.full_url, newurl))
        if (old.scheme, old.netloc) != (new.scheme, new.netloc):
            raise InputError(
                f"{old.netloc} redirects to another server, {one_line(new.netloc, most=100)}, "
                "which is refused. Is there a proxy that wants a login? Nothing was taken from it."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Client:
    """Makes GET requests to known hosts.

    Args:
        server: a further server that the user named, such as a mirror: "https://HOST".
    """

    def __init__(self, server: str | None = None) -> None:
        self._hosts = {f"https://{host}" for host in HOSTS}
        self.stopped = False  # ends all transfers
        if server is not None:
            self._hosts.add(checked_server(server))
        self._opener = urllib.request.OpenerDirector()
        handlers: tuple[urllib.request.BaseHandler, ...] = (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.UnknownHandler(),
            _Redirections(),
        )
        for handler in handlers:
            self._opener.add_handler(handler)

    def get(self, url: str, *, most: int) -> bytes:
        """Return what is at a URL, at most `most` bytes.

        Raises:
            ObjectError: there is nothing, or more.
            InputError: the server does not answer, or refuses.
        """

        def read() -> bytes:
            with self._response(url) as response:
                content = b"".join(self._blocks(response, most=most))
                length = response.headers.get("Content-Length")
            if length is not None and len(content) != int(length):
                raise _Passing("the response was cut short")
            return content

        return self._retried(read, url)

    def download(
        self,
        url: str,
        path: Path,
        *,
        size: int | None = None,
        most: int = 1 << 32,
        digest: Callable[[Path], str] | None = None,
        expected: str = "",
        received: Received = ignored,
    ) -> None:
        """Write what is at a URL to a file; continue what an earlier call has begun.

        Args:
            url: of an allowed host.
            path: of the file; until it is whole and checked, ".part" is added to its name.
            size: in bytes; None where it is not known.
            most: bytes, where the size is not known.
            digest: checksum of a file.
            expected: checksum.
            received: gets the number of bytes whenever some have come, and takes them back, as a
                negative number, where they were wrong.

        Raises:
            ObjectError: it is not there, or its size or checksum is another.
            InputError: the server does not answer or refuses, or the disk is full.
        """
        part = path.with_name(path.name + PARTIAL)
        make_folder(path.parent)
        continued = part.is_file()
        if continued:
            received(part.stat().st_size)
        target = _Target(url, part, size, most if size is None else size, received)

        def transfer() -> None:
            self._continue(target)

        with _disk_full(path):
            for again in (continued, False):
                self._retried(transfer, url)
                if digest is None or digest(part) == expected:
                    part.replace(path)
                    return
                received(-part.stat().st_size)
                part.unlink()
                if not again:
                    break  # it was taken from its beginning
        raise ObjectError(
            f"'{url}' is damaged: its checksum is not the expected {expected}. Nothing was kept."
        )

    def _continue(self, target: _Target) -> None:
        """Add to a partial file what it lacks."""
        part = target.part
        have = part.stat().st_size if part.is_file() else 0
        if have == target.size and part.is_file():
            return
        if have > target.most:
            target.received(-have)
            have = 0
        try:
            total = self._append(target, have)
        except _NothingMore:
            return
        if total is not None and part.stat().st_size < total:
            raise _Passing("the transfer was cut short")

    def _append(self, target: _Target, have: int) -> int | None:
        """Write what comes from a byte on; return the size of the whole where it is known."""
        with self._response(target.url, start=have) as response:
            if have and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                target.received(-have)
                have = 0  # it sends the whole file
            length = response.headers.get("Content-Length")
            total = have + int(length) if length is not None else target.size
            if target.size is not None and total != target.size:
                target.received(-have)
                target.part.unlink(missing_ok=True)
                raise ObjectError(
                    f"'{target.url}' has {total} bytes and should have {target.size}: it is cut "
                    "short or was changed. Nothing of it was kept."
                )
            with target.part.open("ab" if have else "wb") as file:
                for block in self._blocks(response, most=target.most):
                    file.write(block)
                    target.received(len(block))
        return total

    @contextmanager
    def _response(self, url: str, *, start: int = 0) -> Iterator[Any]:
        """Send a GET request, from a byte on; yield the response."""
        self._check(url)
        headers = {"User-Agent": "LungSquad"}
        if start:
            headers["Range"] = f"bytes={start}-"
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked above
        host = urllib.parse.urlsplit(url).netloc
        try:
            with self._opener.open(request, timeout=_SILENCE) as response:
                yield response
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _BUSY:
                wait = error.headers.get("Retry-After", "")
                reason = f"{error.code} {error.reason}"
                raise _Passing(reason, float(wait) if wait.isdigit() else 0.0) from error
            if error.code == 416:  # there is nothing beyond the partial file
                raise _NothingMore from error
            if error.code in _REFUSED:
                raise InputError(
                    f"{host} refuses '{url}' ({error.code} {one_line(error.reason, most=60)}): it "
                    "may not be public any more, or a proxy does not let it pass. What has been "
                    "fetched is kept."
                ) from error
            what = "is not there" if error.code in (404, 410) else "cannot be had"
            raise ObjectError(
                f"'{url}' {what} ({error.code} {one_line(error.reason, most=60)})."
            ) from error
        except _FAILED as error:
            why: object = getattr(error, "reason", None) or error or type(error).__name__
            raise _Passing(one_line(why, most=150)) from error

    def _check(self, url: str) -> None:
        """Refuse any host but those that are listed or that the user named."""
        parts = urllib.parse.urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" not in self._hosts:
            raise InputError(
                f"'{one_line(url, most=200)}' is on no server that LungSquad fetches from "
                f"({', '.join(sorted(self._hosts))})."
            )

    def _blocks(self, response: Any, *, most: int) -> Iterator[bytes]:
        """Yield what a response holds; end with an error if it is too long or too slow."""
        begun, count = time.monotonic(), 0
        while block := response.read1(_BLOCK):
            count += len(block)
            if count > most:
                raise ObjectError(f"'{response.url}' is longer than {most} bytes: not taken.")
            yield block
            if self.stopped:
                raise CancelledError("Cancelled.")
            passed = time.monotonic() - begun
            if passed > _PATIENCE and count < _SLOWEST * passed:
                raise _Passing(f"it sends less than {_SLOWEST:g} bytes a second")

    def _retried(self, work: Callable[[], Any], url: str) -> Any:
        """Do work, again after a while where it fails in a way that may pass."""
        wait = _WAIT
        for attempt in range(1, _TRIES + 1):
            if self.stopped:
                raise CancelledError("Cancelled.")
            try:
                return work()
            except _Passing as error:
                reason, *seconds = error.args
                if attempt == _TRIES:
                    host = urllib.parse.urlsplit(url).netloc
                    raise InputError(
                        f"{host} did not send '{url}' in {_TRIES} tries ({reason}). Check the "
                        "connection and the proxy, and run the same command again: it goes on "
                        "where it stopped."
                    ) from error
                time.sleep(min(max(wait, *seconds), _LONGEST_WAIT) if seconds else wait)
                wait *= 2
        raise AssertionError("unreachable")


def checked_server(server: str) -> str:
    """Return the address of a server without a final slash.

    Raises:
        InputError: it is no address, or not encrypted though it is another machine.
    """
    parts = urllib.parse.urlsplit(server)
    plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise InputError(f"'{server}' is no server: write https://HOST.")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise InputError(f"'{server}' is not encrypted: write https://HOST.")
    return f"{parts.scheme}://{parts.netloc}"


def check_space(folder: Path, needed: int) -> None:
    """Raise `InputError` unless a disk has room for so many bytes more."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed + _RESERVE:
        raise InputError(
            f"'{folder}' is on a disk with {gigabytes(free)} free, and {gigabytes(needed)} are "
            "needed: make room, or choose another folder or fewer patients. What has been fetched "
            "is kept."
        )


def gigabytes(size: float) -> str:
    """Return a number of bytes as text."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def md5_of_file(path: Path) -> str:
    """Return the MD5 of a file, by which the buckets know their objects."""
    return _digest(path, hashlib.md5(usedforsecurity=False))


def git_blob_sha1(path: Path) -> str:
    """Return the SHA-1 by which git knows the content of a file."""
    digest = hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % path.stat().st_size)
    return _digest(path, digest)


def _digest(path: Path, digest: Any) -> str:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@contextmanager
def _disk_full(path: Path) -> Iterator[None]:
    """Turn the error of a full disk into a sentence, and remove the partial file."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        path.with_name(path.name + PARTIAL).unlink(missing_ok=True)
        raise InputError(
            f"The disk is full while '{os.fspath(path)}' is written: make room and run the same "
            "command again. What has been fetched is kept."
        ) from error
