"""Series of the Imaging Data Commons' public buckets: their objects listed, fetched and counted.

The buckets speak Amazon's protocol: ListObjectsV2 and GET, without credentials. An object's ETag is
its MD5, unless it was uploaded in parts (then it has a hyphen).
"""

from __future__ import annotations

import re
import shutil
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from ..download import PARTIAL, Client, ObjectError, Received, check_space, ignored, md5_of_file
from ..errors import one_line
from ..files import make_folder
from .series_list import ListedSeries

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.dcm")
_MD5 = re.compile(r"[0-9a-f]{32}")
_LARGEST_PAGE = 8 << 20
_MOST_PAGES = 100
_SPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@dataclass(frozen=True)
class StoredObject:
    """An object of a bucket: its name in the series' folder, bytes, and MD5 or ""."""

    name: str
    size: int
    md5: str


@dataclass(frozen=True)
class Bucket:
    """A bucket on a server."""

    client: Client
    server: str
    name: str

    def objects(self, uuid: str) -> list[StoredObject]:
        """List the objects of a series.

        Raises:
            ObjectError: the list cannot be read.
            InputError: the server does not answer, or refuses.
        """
        result: list[StoredObject] = []
        token = ""
        for _ in range(_MOST_PAGES):
            query = {"list-type": "2", "prefix": f"{uuid}/"}
            query |= {"continuation-token": token} if token else {}
            url = f"{self.server}/{self.name}?{urllib.parse.urlencode(query)}"
            page = _page(self.client.get(url, most=_LARGEST_PAGE), url)
            result += _objects(page, uuid, url)
            token = page.findtext(f"{_SPACE}NextContinuationToken") or ""
            if not token:
                return result
        raise ObjectError(f"The list of objects of '{uuid}' does not end.")

    def fetch(self, series: ListedSeries, folder: Path, received: Received = ignored) -> None:
        """Fetch a series into a folder, which is there only if it is whole.

        Until then its name ends in ".part". Number and bytes of the objects are those of the list,
        and each has the bucket's MD5.

        Args:
            series: of a list.
            folder: of the series' files.
            received: gets numbers of bytes; see `Client.download`.

        Raises:
            ObjectError: objects are missing, or are not as they were.
            InputError: the server does not answer or refuses, or the disk is full.
        """
        if is_whole(series, folder):
            received(series.size)
            return
        objects = self.objects(series.uuid)
        size = sum(each.size for each in objects)
        if (len(objects), size) != (series.files, series.size):
            raise ObjectError(
                f"The series {series.uuid} has {len(objects)} objects of {size} bytes in the "
                f"bucket {self.name}; the list of the cohort has {series.files} of {series.size}."
            )
        partial = _partial(folder)
        check_space(partial, series.size)
        for each in objects:
            path = partial / each.name
            if _is_object(path, each):
                received(each.size)
                continue
            self.client.download(
                f"{self.server}/{self.name}/{series.uuid}/{each.name}",
                path,
                size=each.size,
                digest=md5_of_file if each.md5 else None,
                expected=each.md5,
                received=received,
            )
        for path in partial.iterdir():
            if path.name not in {each.name for each in objects}:
                path.unlink()
        partial.replace(folder)


def is_whole(series: ListedSeries, folder: Path) -> bool:
    """Return whether a series has been fetched: the number and bytes of its files are right."""
    if not folder.is_dir():
        return False
    sizes = [path.stat().st_size for path in folder.iterdir()]
    return (len(sizes), sum(sizes)) == (series.files, series.size)


def _partial(folder: Path) -> Path:
    """Return the folder of a series that is not whole, made of what there is."""
    partial = folder.with_name(folder.name + PARTIAL)
    if folder.is_dir():  # files were lost or changed since
        if partial.exists():
            shutil.rmtree(folder)
        else:
            folder.rename(partial)
    make_folder(partial)
    return partial


def _is_object(path: Path, each: StoredObject) -> bool:
    if not path.is_file() or path.stat().st_size != each.size:
        return False
    return not each.md5 or md5_of_file(path) == each.md5


def _page(content: bytes, url: str) -> ElementTree.Element:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise ObjectError(f"'{url}' is no list of objects.")
    try:
        page = ElementTree.fromstring(content)  # noqa: S314 - no entities, see above
    except ElementTree.ParseError as error:
        raise ObjectError(f"'{url}' is no list of objects ({one_line(error)}).") from error
    if page.tag != f"{_SPACE}ListBucketResult":
        raise ObjectError(f"'{url}' is no list of objects.")
    return page


def _objects(page: ElementTree.Element, uuid: str, url: str) -> list[StoredObject]:
    result = []
    for item in page.iterfind(f"{_SPACE}Contents"):
        folder, _, name = (item.findtext(f"{_SPACE}Key") or "").partition("/")
        size = item.findtext(f"{_SPACE}Size") or ""
        md5 = (item.findtext(f"{_SPACE}ETag") or "").strip('"')
        if folder != uuid or not _NAME.fullmatch(name) or not re.fullmatch(r"\d{1,12}", size):
            raise ObjectError(f"'{url}' lists an object whose name or size is not allowed.")
        result.append(StoredObject(name, int(size), md5 if _MD5.fullmatch(md5) else ""))
    return result
