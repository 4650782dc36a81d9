"""Files in allowed buckets of S3, held while they are written anew, with all of their versions.

Rules (Amazon S3, "Conditional writes", "Deleting object versions", "Object Lock"):
1. Only under REGISTRY_FILE_ROOTS. The object is copied to a nameless local file, and what replaces
   it is made there, so that nothing half written ever lies in the bucket.
2. It is put under the condition (`If-Match`) that the object still is the one that was read. Its
   type, encoding, user metadata, tags, storage class and encryption are those of the old one.
3. Older versions and delete markers are deleted after it. One that is locked stays, and with it the
   date until which; a legal hold has none. No lock is ever overridden.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlencode, urlsplit

from registry.clock import system_clock
from registry.erasure.connectors.places import CHUNK_BYTES
from registry.erasure.connectors.trouble import Reason, StoppedError
from registry.ledger.fetch import is_under

#: Beyond this an object is put in parts.
SINGLE_PUT_BYTES = 4 << 30
PART_BYTES = 64 << 20
_KEPT_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Metadata",
    "StorageClass",
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "BucketKeyEnabled",
)
_GONE = {"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "404", "NotFound"}
_REFUSED = {
    "AccessDenied",
    "403",
    "MethodNotAllowed",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
}
_CHANGED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_FOREVER = datetime.max.replace(tzinfo=UTC)


def s3_client(options: Mapping[str, str]) -> Any:
    """A client of S3: `endpoint`, `region`, `access_key_id`, `secret_access_key` and
    `session_token` where they are given, else what the environment says.

    Raises StoppedError where the library is not installed.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise StoppedError(
            Reason.NOT_INSTALLED, "Erasing in a bucket needs: pip install 'lineage-registry[s3]'."
        ) from None
    endpoint = options.get("endpoint") or None
    style = {"addressing_style": "path" if endpoint else "auto"}
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name=options.get("region") or None,
        aws_access_key_id=options.get("access_key_id") or None,
        aws_secret_access_key=options.get("secret_access_key") or None,
        aws_session_token=options.get("session_token") or None,
        config=Config(s3=style, retries={"max_attempts": 4, "mode": "standard"}),
    )


class BucketPlace:
    """Objects under allowed `s3://` prefixes. `spool`: folder of the nameless local files."""

    def __init__(self, roots: Sequence[str], client: Any, spool: Path | None = None) -> None:
        self._roots = tuple(roots)
        self._client = client
        self._spool = spool

    @contextmanager
    def hold(self, uri: str) -> Iterator[HeldObject]:
        """Hold an object. Raises StoppedError."""
        bucket, key = self._place(uri)
        with ExitStack() as stack:
            with _speaking(uri):
                found = self._client.get_object(Bucket=bucket, Key=key)
                source = stack.enter_context(self._spooled(found["Body"]))
            held = HeldObject(self, self._client, uri, bucket, key, source, found)
            yield held

    def names(self, folder: str) -> list[str]:
        """The names of the objects in a folder, sorted. Raises StoppedError."""
        prefix, found = self._listed(folder, "Contents", "Key")
        return sorted(key.removeprefix(prefix) for key in found if key != prefix)

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder, sorted. Raises StoppedError."""
        prefix, found = self._listed(folder, "CommonPrefixes", "Prefix")
        return sorted(key.removeprefix(prefix).rstrip("/") for key in found)

    def _listed(self, folder: str, part: str, name: str) -> tuple[str, list[str]]:
        bucket, prefix = self._place(f"{folder.rstrip('/')}/-")
        prefix = prefix[:-1]
        with _speaking(folder):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, Delimiter="/"
            )
            return prefix, [each[name] for page in pages for each in page.get(part, ())]

    def remove(self, uri: str) -> None:
        """Remove an object and every version of it. Raises StoppedError where one is locked."""
        bucket, key = self._place(uri)
        with _speaking(uri):
            versions = _versions(self._client, bucket, key)
            if not versions:
                self._client.delete_object(Bucket=bucket, Key=key)
            _delete(self._client, uri, bucket, key, [each["VersionId"] for each in versions])

    def spooled(self, uri: str, **which: str) -> Any:
        """A context with the bytes of a version of an object."""
        bucket, key = self._place(uri)
        return self._spooled(self._client.get_object(Bucket=bucket, Key=key, **which)["Body"])

    @contextmanager
    def _spooled(self, body: Any) -> Iterator[BinaryIO]:
        with tempfile.TemporaryFile(dir=self._spool) as file:
            for part in body.iter_chunks(CHUNK_BYTES):
                file.write(part)
            file.seek(0)
            yield cast("BinaryIO", file)

    @contextmanager
    def temporary(self) -> Iterator[BinaryIO]:
        """A nameless local file."""
        with tempfile.TemporaryFile(dir=self._spool) as file:
            yield cast("BinaryIO", file)

    def _place(self, uri: str) -> tuple[str, str]:
        split = urlsplit(uri)
        if split.scheme != "s3" or not is_under(uri, self._roots):
            raise StoppedError(
                Reason.OUTSIDE_ROOTS, f"{uri} does not lie under an allowed bucket or prefix."
            )
        return split.netloc, split.path.lstrip("/")


class HeldObject:
    """An object of a bucket (rules 2 and 3). Not thread-safe."""

    def __init__(
        self,
        place: BucketPlace,
        client: Any,
        uri: str,
        bucket: str,
        key: str,
        source: BinaryIO,
        found: Mapping[str, Any],
    ) -> None:
        self.uri = uri
        self.source = source
        self.size = int(found["ContentLength"])
        self._place = place
        self._client = client
        self._at = {"Bucket": bucket, "Key": key}
        self._etag = found["ETag"]
        self._headers = {name: found[name] for name in _KEPT_HEADERS if found.get(name)}
        self._tags = found.get("TagCount", 0)
        self._written: BinaryIO | None = None

    def remember(self, digest: bytes) -> None:
        """Nothing: the store's own tag says whether the object was changed."""

    def leftovers(self) -> list[str]:
        """None: nothing half written lies in the bucket (rule 1)."""
        return []

    def clear_leftovers(self) -> None:
        """There are none."""

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """A nameless local file for what will replace the object."""
        with self._place.temporary() as sink:
            self._written = sink
            yield sink
        self._written = None

    def require_writable(self) -> None:
        """The store says so only when it is asked to."""

    def seal(self) -> None:
        """Have what was written on the disk."""
        if self._written is None:
            raise ValueError("nothing was written")
        self._written.flush()

    def swap(self) -> None:
        """Put what was written in the place of the object (rule 2). Raises StoppedError."""
        if self._written is None:
            raise ValueError("nothing was written")
        headers = dict(self._headers)
        with _speaking(self.uri):
            # Asked as well, because not every store that speaks S3 heeds the condition.
            if self._client.head_object(**self._at)["ETag"] != self._etag:
                raise StoppedError(
                    Reason.CHANGED_MEANWHILE, f"{self.uri} was changed while it was written anew."
                )
            if self._tags:
                tags = self._client.get_object_tagging(**self._at)["TagSet"]
                headers["Tagging"] = urlencode({each["Key"]: each["Value"] for each in tags})
            size = self._written.seek(0, 2)
            self._written.seek(0)
            if size <= SINGLE_PUT_BYTES:
                self._client.put_object(
                    **self._at, **headers, Body=self._written, IfMatch=self._etag
                )
            else:
                self._put_in_parts(headers)

    def settle(self) -> int:
        """Delete older versions (rule 3); how many those were. Raises StoppedError."""
        with _speaking(self.uri):
            older = [each["VersionId"] for each in self._versions() if not each["IsLatest"]]
            _delete(self._client, self.uri, self._at["Bucket"], self._at["Key"], older)
        return len(older)

    def older(self) -> Iterator[tuple[str, BinaryIO]]:
        """Each older version that can still be read."""
        with _speaking(self.uri):
            found = [each for each in self._versions() if not each["IsLatest"]]
        for each in found:
            if "ETag" not in each:
                continue
            version = each["VersionId"]
            with ExitStack() as stack:
                with _speaking(self.uri):
                    body = self._place.spooled(self.uri, VersionId=version)
                    file = stack.enter_context(body)
                yield f"{self.uri}?versionId={version}", file

    def kept_until(self) -> datetime | None:
        """Until when the last of the older versions is locked."""
        with _speaking(self.uri):
            older = [each["VersionId"] for each in self._versions() if not each["IsLatest"]]
            return _locked_until(self._client, self._at["Bucket"], self._at["Key"], older)

    def _versions(self) -> list[dict[str, Any]]:
        return _versions(self._client, self._at["Bucket"], self._at["Key"])

    def _put_in_parts(self, headers: Mapping[str, Any]) -> None:
        upload = self._client.create_multipart_upload(**self._at, **headers)["UploadId"]
        try:
            parts: list[dict[str, object]] = []
            while part := cast("BinaryIO", self._written).read(PART_BYTES):
                number = len(parts) + 1
                put = self._client.upload_part(
                    **self._at, UploadId=upload, PartNumber=number, Body=part
                )
                parts.append({"PartNumber": number, "ETag": put["ETag"]})
            self._client.complete_multipart_upload(
                **self._at,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
                IfMatch=self._etag,
            )
        except BaseException:
            self._client.abort_multipart_upload(**self._at, UploadId=upload)
            raise


def _versions(client: Any, bucket: str, key: str) -> list[dict[str, Any]]:
    """The versions and delete markers of one object; markers have no ETag."""
    found = []
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)
    for page in pages:
        each = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        found += [version for version in each if version["Key"] == key]
    return found


def _delete(client: Any, uri: str, bucket: str, key: str, versions: Sequence[str]) -> None:
    from botocore.exceptions import ClientError

    locked = []
    for version in versions:
        try:
            client.delete_object(Bucket=bucket, Key=key, VersionId=version)
        except ClientError as error:
            if _code(error) not in _REFUSED:
                raise
            if _locked_until(client, bucket, key, [version]) is None:
                raise
            locked.append(version)
    if locked:
        until = _locked_until(client, bucket, key, locked)
        forever = until is None or until == _FOREVER
        raise StoppedError(
            Reason.OBJECT_LOCK,
            f"{len(locked)} older versions of {uri} are locked"
            + (" by a legal hold." if forever else f" until {until:%Y-%m-%dT%H:%M:%SZ}."),
            None if forever else until,
        )


def _locked_until(client: Any, bucket: str, key: str, versions: Sequence[str]) -> datetime | None:
    """The latest date until which one of them is locked; `_FOREVER` under a legal hold."""
    from botocore.exceptions import ClientError

    found: list[datetime] = []
    for version in versions:
        try:
            head = client.head_object(Bucket=bucket, Key=key, VersionId=version)
        except ClientError:
            continue  # a delete marker, which nothing locks
        if head.get("ObjectLockLegalHoldStatus") == "ON":
            found.append(_FOREVER)
        elif head.get("ObjectLockRetainUntilDate") is not None:
            found.append(head["ObjectLockRetainUntilDate"].astimezone(UTC))
    return max((until for until in found if until > system_clock()), default=None)


@contextmanager
def _speaking(uri: str) -> Iterator[None]:
    """Turn what S3 says into StoppedError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = _code(error)
        if code in _GONE:
            raise StoppedError(Reason.GONE, f"There is no object {uri}.") from error
        if code in _CHANGED:
            raise StoppedError(
                Reason.CHANGED_MEANWHILE, f"{uri} was changed while it was written anew."
            ) from error
        if code in _REFUSED:
            raise StoppedError(Reason.READ_ONLY, f"{uri}: the store refuses ({code}).") from error
        raise StoppedError(Reason.OUT_OF_REACH, f"{uri}: the store says {code}.") from error
    except BotoCoreError as error:
        said = type(error).__name__
        raise StoppedError(Reason.OUT_OF_REACH, f"{uri} is out of reach ({said}).") from error


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
