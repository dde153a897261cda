"""A bucket of S3, or of anything that speaks as S3 does, by AWS's own library.

That has its credentials, its region and its address from where all of AWS's tools have them: `AWS_…` in the environment,
`~/.aws`, or the machine's role.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import io
import re
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from stead.transport._contract.errors import InvalidInput, SteadError
from stead.transport._contract.rope import Rope

from .blobs import Take
from .bucket import BucketBlobs, KeptObject

T = TypeVar("T")

PART_BYTES = 8 * 2**20
"""What is larger is sent and fetched in parts of this size, …"""
_PARTS_AT_ONCE = 4
"""… so many at the same time, and no more are in memory."""
_PIECES_WAITING_MAX = 64  # of 256 KiB, between the parts that are fetched and where they are put together
_CONNECT_S, _READ_S, _TRIES = 5, 30, 4
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_making = threading.Lock()
_GONE = frozenset({"404", "NoSuchKey", "NotFound"})
_DENIED = frozenset({"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"})


class S3Missing(SteadError, ImportError):
    """boto3 is not installed."""

    def __str__(self) -> str:
        return "boto3 is needed for large payloads in a bucket, and is not installed here: pip install 'stead[s3]'"


def s3_blobs(bucket: str, path: str) -> BucketBlobs:
    """Large payloads in a bucket. Raises `S3Missing` without the extra `stead[s3]`, and `InvalidInput` for what is no bucket."""
    if _BUCKET.fullmatch(bucket) is None:
        raise InvalidInput(f"large_payloads 's3://{bucket}'", "that is no name of a bucket: write s3://BUCKET/FOLDER")
    if importlib.util.find_spec("boto3") is None:
        raise S3Missing
    prefix = path.strip("/")
    return BucketBlobs(S3Objects(bucket), f"{prefix}/" if prefix else "")


class S3Objects:
    """A bucket's objects. The library is loaded, and its client made, when they are used first."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._made: tuple[Any, Any, tuple[type[Exception], ...]] | None = None

    def _client(self) -> tuple[Any, Any, tuple[type[Exception], ...]]:
        """The client, how it moves what is large, and what it raises."""
        with _making:
            if self._made is None:
                boto3: Any = importlib.import_module("boto3")
                transfer: Any = importlib.import_module("boto3.s3.transfer")
                config: Any = importlib.import_module("botocore.config")
                exceptions: Any = importlib.import_module("botocore.exceptions")
                failed: Any = importlib.import_module("boto3.exceptions")
                client = boto3.client(  # of the default session, which programs may have set up
                    "s3",
                    config=config.Config(
                        connect_timeout=_CONNECT_S,
                        read_timeout=_READ_S,
                        retries={"mode": "standard", "total_max_attempts": _TRIES},
                        max_pool_connections=4 * _PARTS_AT_ONCE,
                    ),
                )
                moving = transfer.TransferConfig(
                    multipart_threshold=PART_BYTES,
                    multipart_chunksize=PART_BYTES,
                    max_concurrency=_PARTS_AT_ONCE,
                    max_io_queue=_PIECES_WAITING_MAX,
                )
                moving.max_in_memory_upload_chunks = moving.max_in_memory_download_chunks = _PARTS_AT_ONCE
                self._made = client, moving, (exceptions.BotoCoreError, exceptions.ClientError, failed.Boto3Error)
            return self._made

    async def _do(self, work: Callable[[Any, Any], T]) -> T | None:
        """Do something in a thread. None if the object is not there."""
        return await asyncio.to_thread(self._work, work)

    def _work(self, work: Callable[[Any, Any], T]) -> T | None:
        try:
            client, moving, raised = self._client()
        except Exception as error:  # no region, a profile that there is not, an address that is none: a dozen kinds
            raise OSError(f"the bucket {self._bucket!r} cannot be used: {error}") from error
        try:
            try:
                return work(client, moving)
            except raised as error:
                if _code(error) not in _GONE:
                    raise
                client.head_bucket(Bucket=self._bucket)  # is it the object that there is not, or the bucket?
                return None
        except raised as error:
            raise OSError(self._told(error)) from error

    def _told(self, error: Exception) -> str:
        code = _code(error)
        if code in _GONE or code == "NoSuchBucket":
            return f"there is no bucket {self._bucket!r}: make it, or name another one"
        if code in _DENIED:
            return (
                f"the bucket {self._bucket!r} is not open to these credentials ({error}): they need s3:ListBucket on it, and "
                "s3:GetObject, s3:PutObject and s3:DeleteObject on what is in it"
            )
        return f"the bucket {self._bucket!r} cannot be used: {error}"

    async def put(self, key: str, content: Rope) -> None:
        def work(client: Any, moving: Any) -> None:
            if len(content) <= PART_BYTES:
                client.put_object(Bucket=self._bucket, Key=key, Body=bytes(content))
            else:
                client.upload_fileobj(_File(content), self._bucket, key, Config=moving)

        await self._do(work)

    async def get(self, key: str, take: Take) -> bool:
        def work(client: Any, moving: Any) -> bool:
            client.download_fileobj(self._bucket, key, _Taking(take), Config=moving)
            return True

        return await self._do(work) is not None

    async def modified_ms(self, key: str) -> int | None:
        def work(client: Any, _: Any) -> int:
            return _milliseconds(client.head_object(Bucket=self._bucket, Key=key)["LastModified"])

        return await self._do(work)

    async def delete(self, key: str) -> None:
        await self._do(lambda client, _: client.delete_object(Bucket=self._bucket, Key=key))

    async def listed(self, prefix: str) -> AsyncIterator[KeptObject]:
        more: dict[str, str] | None = {}
        while more is not None:
            page = await self._do(self._page_of(prefix, more))
            assert page is not None, "a listing of nothing is empty"
            for each in page.get("Contents", ()):
                yield KeptObject(each["Key"], each["Size"], _milliseconds(each["LastModified"]))
            more = {"ContinuationToken": page["NextContinuationToken"]} if page.get("IsTruncated") else None

    def _page_of(self, prefix: str, more: dict[str, str]) -> Callable[[Any, Any], dict[str, Any]]:
        return lambda client, _: client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **more)


class _File(io.RawIOBase):
    """What is in a payload, to be read as a file: what is sent in parts is not put together first."""

    def __init__(self, content: Rope) -> None:
        self._content = content
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + (0, self._place, len(self._content))[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer)
        done = 0
        for chunk in self._content.chunks(self._place, min(self._place + len(target), len(self._content))):
            target[done : done + len(chunk)] = chunk
            done += len(chunk)
        self._place += done
        return done


class _Taking:
    """A file that can only be written, from the first piece to the last: the library keeps what comes too early."""

    def __init__(self, take: Take) -> None:
        self._take = take

    def write(self, piece: bytes) -> None:
        self._take(piece)


def _code(error: Exception) -> str:
    response: Any = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _milliseconds(when: Any) -> int:
    return int(when.timestamp() * 1000)
