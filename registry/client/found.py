"""Finds the files of a data set that exists already, in a folder or a bucket.

Rules:
1. Parquet, JSON Lines and CSV (also packed), and Arrow files are taken; of a folder that Hugging
   Face's `save_to_disk` wrote, the files that it names, in its order, and its split.
2. Names that begin with `.` or `_` are none of the data (Spark, Hadoop), nor is what they hold.
3. Files are in the order of their names, numbers in them by value: part-2 comes before part-10.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from registry.client.files import formats, local_path
from registry.errors import InvalidInputError

STATE, SPLITS = "state.json", "dataset_dict.json"
_KINDS = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".arrow": "arrow",
    ".feather": "arrow",
}
_PACKABLE = ("jsonl", "csv")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of a data set. `path` is that within its store, `name` that within the folder."""

    path: str
    name: str
    uri: str
    size: int
    changed_at: datetime | None
    kind: str
    packed: str | None = None
    split: str | None = None

    @property
    def folder(self) -> str:
        """The folder it lies in, within the one that was asked for; `.` for that itself."""
        return str(PurePosixPath(self.name).parent)


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a data set in their store (a pyarrow FileSystem); `ignored` are other names."""

    store: Any
    files: tuple[FoundFile, ...]
    ignored: tuple[str, ...]


def find_files(url: str) -> Found:
    """The files at a path or URL: one file, or all in a folder (rules 1 to 3).

    Raises InvalidInputError where there is nothing, or nothing of a kind that is known here.
    """
    store, root, prefix = _open(url)
    import pyarrow.fs as pfs

    try:
        info = store.get_file_info(root)
        if info.type == pfs.FileType.Directory:
            infos = store.get_file_info(pfs.FileSelector(root, recursive=True))
        else:
            infos = [info] if info.type == pfs.FileType.File else []
    except OSError as error:
        raise _nothing(url, str(error).partition("\n")[0]) from error
    base = root if info.type == pfs.FileType.Directory else str(PurePosixPath(root).parent)
    names = {_within(each.path, base): each for each in infos if each.is_file}
    shown = {name: each for name, each in names.items() if not _is_hidden(name)}
    known = _of_huggingface(store, shown)
    files, ignored = [], []
    for name, each in shown.items():
        kind, packed = _kind(name)
        in_known_folder = str(PurePosixPath(name).parent) in {
            str(PurePosixPath(other).parent) for other in known
        }
        if kind is None or (in_known_folder and name not in known):
            ignored.append(name)
            continue
        uri = prefix + each.path if prefix else Path(each.path).as_uri()
        files.append(FoundFile(each.path, name, uri, each.size, each.mtime, kind, packed))
    if not files:
        empty = "there is no such file or folder"
        if info.type == pfs.FileType.Directory:
            empty = "the folder is empty"
        raise _nothing(url, f"{len(names)} files of other kinds" if names else empty)
    order = sorted(files, key=lambda file: known.get(file.name, (_by_number(file.name), "", 0)))
    found = tuple(
        replace(file, split=known[file.name][1] or None) if file.name in known else file
        for file in order
    )
    return Found(store, found, tuple(sorted(ignored)))


def _open(url: str) -> tuple[Any, str, str]:
    """The store of a URL, the path within it, and what makes a URI of a path ("" for local)."""
    import pyarrow as pa
    import pyarrow.fs as pfs

    path = local_path(url)
    if path is not None:
        return pfs.LocalFileSystem(), str(path.resolve()), ""
    try:
        store, root = pfs.FileSystem.from_uri(url)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise _nothing(url, str(error).partition("\n")[0].rstrip(".")) from error
    return store, root.rstrip("/"), f"{urlsplit(url).scheme}://"


def _of_huggingface(store: Any, names: dict[str, Any]) -> dict[str, tuple[Any, str, int]]:
    """The files that `save_to_disk` wrote: the order of their folder, split, place in it."""
    found: dict[str, tuple[Any, str, int]] = {}
    for name, info in names.items():
        at = PurePosixPath(name)
        if at.name != STATE:
            continue
        state = _read_json(store, info.path)
        is_split = str(at.parent.parent / SPLITS) in names if at.parent.name else False
        for place, entry in enumerate(state.get("_data_files") or ()):
            file = str(at.parent / str(entry.get("filename")))
            split = at.parent.name if is_split else ""
            found[file] = (_by_number(str(at.parent)), split, place)
    return found


def _read_json(store: Any, path: str) -> dict[str, Any]:
    with store.open_input_stream(path) as stream:
        try:
            content = json.loads(stream.read())
        except ValueError as error:
            raise InvalidInputError(
                f"{path} is not JSON: {error}.", remedy="Save the data set anew."
            ) from error
    return content if isinstance(content, dict) else {}


def _kind(name: str) -> tuple[str | None, str | None]:
    extension, packed = formats(Path(name))
    kind = _KINDS.get(extension)
    return (None, None) if packed is not None and kind not in _PACKABLE else (kind, packed)


def _within(path: str, base: str) -> str:
    return str(PurePosixPath(path).relative_to(PurePosixPath(base)))


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def _by_number(name: str) -> list[tuple[int, str]]:
    """A key by which numbers in names count by value (rule 3)."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _nothing(url: str, what: str) -> InvalidInputError:
    return InvalidInputError(
        f"At {url} there is no data set to adopt: {what}.",
        remedy="Name a folder or file with Parquet, JSON Lines, CSV or Arrow files.",
    )
