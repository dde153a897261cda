"""Places for large payloads, for tests: a folder, and a bucket of a server that speaks as S3 does."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

DAY_S = 86_400


class Place(Protocol):
    """Where large payloads are kept, looked at from outside."""

    url: str

    def kept(self) -> dict[str, bytes]:
        """The payloads, and what is in them."""
        ...

    def age(self, days: float) -> None:
        """Let all that is kept be so old."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Put something there, past stead."""
        ...

    def drop(self, name: str) -> None:
        """Remove a payload, past stead."""
        ...


class Folder:
    """A place that is a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"file://{path}"

    def _files(self) -> list[Path]:
        return sorted(path for path in self.path.rglob("*") if path.is_file())

    def kept(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self._files()}

    def age(self, days: float) -> None:
        for file in self._files():
            touched = file.stat().st_mtime - days * DAY_S
            os.utime(file, (touched, touched))

    def put(self, name: str, content: bytes) -> None:
        path = self.path / name[:2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def drop(self, name: str) -> None:
        (self.path / name[:2] / name).unlink()


class Moto:
    """A server in this process that speaks as S3 does."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server: Any = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.url = "http://{}:{}".format(*self._server.get_host_and_port())

    def stop(self) -> None:
        self._server.stop()


class MotoBeside:
    """The same in a process of its own: what it holds in memory is not this one's."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BESIDE],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def stop(self) -> None:
        self._process.communicate()  # it ends when nobody listens


_BESIDE = """
import sys
from support.payload_places import Moto
moto = Moto()
print(moto.url, flush=True)
sys.stdin.read()
moto.stop()
"""


class ObjectStore:
    """What is known of such a server."""

    def __init__(self, server: Moto | MotoBeside) -> None:
        self._server = server
        self.url = server.url

    def stop(self) -> None:
        self._server.stop()

    def environment(self) -> dict[str, str]:
        """What tells AWS's library of it, and of nothing else."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": "stead",
            "AWS_SECRET_ACCESS_KEY": "secret",  # moto looks at it only when it is told to
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        import boto3

        module: Any = boto3
        return module.client("s3", endpoint_url=self.url, aws_access_key_id="a", aws_secret_access_key="b")


class Bucket:
    """A place that is a folder in a bucket. The environment has to say where the bucket is."""

    FOLDER = "hubs/apart/"

    def __init__(self, store: ObjectStore) -> None:
        self._bucket = f"bucket-{secrets.token_hex(6)}"
        self._client = store.client()
        self._client.create_bucket(Bucket=self._bucket)
        self.url = f"s3://{self._bucket}/{self.FOLDER}"

    def keys(self) -> list[str]:
        found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self.FOLDER).get("Contents", ())
        return [each["Key"].removeprefix(self.FOLDER) for each in found]

    def kept(self) -> dict[str, bytes]:
        return {
            key: self._client.get_object(Bucket=self._bucket, Key=self.FOLDER + key)["Body"].read()
            for key in self.keys()
            if "/" not in key and key != "clock"
        }

    def age(self, days: float) -> None:
        from moto.s3.models import s3_backends

        backends: Any = s3_backends
        for backend in backends["123456789012"].values():
            for key in backend.buckets[self._bucket].keys.values() if self._bucket in backend.buckets else ():
                key.last_modified -= timedelta(days=days)

    def put(self, name: str, content: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=self.FOLDER + name, Body=content)

    def drop(self, name: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=self.FOLDER + name)


@contextmanager
def object_store(server: Callable[[], Moto | MotoBeside] = Moto) -> Generator[ObjectStore]:
    """An object store, as long as it is needed, which the environment names."""
    store = ObjectStore(server())
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("AWS_PROFILE", raising=False)
            for name, value in store.environment().items():
                patch.setenv(name, value)
            yield store
    finally:
        store.stop()


object_store_beside = partial(object_store, MotoBeside)


async def take_away(place: Place) -> dict[str, bytes]:
    """Remove all payloads. Gives what is to be `put` back."""
    kept = place.kept()
    for name in kept:
        await asyncio.to_thread(place.drop, name)
    return kept
