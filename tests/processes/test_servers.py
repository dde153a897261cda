"""All that a hub offers: on each server that this machine has, for a user with the rights that the documentation names, over TLS."""

from __future__ import annotations

import re
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from stead.transport import ServerUnsuitable
from support.everything_app import app, use_everything
from support.forwarding import forwarded
from support.valkey_server import ValkeyServer

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

# The embedded one, and what is installed: Debian's packages, where they are.
PROGRAMS = ["", *sorted({path for name in ("redis-server", "valkey-server") if (path := shutil.which(name))})]
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "production.md"


def rules() -> list[str]:
    """What the documentation gives to a user."""
    found = re.search(r"^ *ACL SETUSER stead (.+)$", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert found
    return found[1].replace(">password", ">secret").split()


@pytest.fixture(params=PROGRAMS, ids=lambda program: Path(program).name or "embedded")
def any_server(request: pytest.FixtureRequest, start_server: Callable[..., ValkeyServer]) -> ValkeyServer:
    return start_server(program=request.param)


async def test_everything_works_on_it_with_the_rights_that_are_documented(any_server: ValkeyServer) -> None:
    any_server.run("ACL", "SETUSER", "stead", *rules())
    async with forwarded(any_server) as port:
        url = f"redis://stead:secret@127.0.0.1:{port}"
        async with app.worker(url), app.connect(url) as client:
            await use_everything(client)


async def test_a_user_with_less_is_refused_by_name(own_server: ValkeyServer) -> None:
    own_server.run("ACL", "SETUSER", "stead", *rules(), "-zrange", "-hset")
    async with forwarded(own_server) as port:
        with pytest.raises(ServerUnsuitable, match=r"may not use HSET, ZRANGE"):
            async with app.connect(f"redis://stead:secret@127.0.0.1:{port}"):
                pass


async def test_everything_works_over_tls(own_server: ValkeyServer, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.tempfile() as pem:
        context.load_cert_chain(pem)
    async with forwarded(own_server, context) as port:
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={tmp_path / 'ca.pem'}"
        async with app.worker(url), app.connect(url) as client:
            await use_everything(client)
