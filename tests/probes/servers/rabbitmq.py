"""A real RabbitMQ node of a test's own, with its management API, and the port mapper it needs, on free ports."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from app.supervisor.account import Account, identity, unprivileged
from tests.programs import program

# The script in PATH insists on the package's own account and folders; this is what it calls.
BIN = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

# One thread that does not spin, because tests share the machine; and no other machine is to come in.
ALONE = "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
# How finely it keeps figures, (how long, every) in seconds: by default they come in steps of 5 s.
KEPT = ", ".join(f"{{{kind}, [{{60, 1}}]}}" for kind in ("global", "basic", "detailed"))
SOON = f"[{{rabbitmq_management_agent, [{{sample_retention_policies, [{KEPT}]}}]}}]."


@contextmanager
def rabbitmq(*lines: str) -> Iterator[str]:
    """URL of its management API while it runs with these further lines of configuration; user guest, password guest."""
    program("rabbitmq-server", "rabbitmq-server")
    mapper = program("epmd", "erlang-base")
    account = unprivileged()
    folder = Path(mkdtemp(prefix="tocsin-rabbitmq-"))
    node, management, distribution, epmd = free_ports(4)
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.default = 127.0.0.1:{node}\n"
        f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n"
        "collect_statistics_interval = 200\n" + "".join(f"{line}\n" for line in lines)
    )
    (folder / "advanced.config").write_text(SOON)
    (folder / "plugins").write_text("[rabbitmq_management].")
    environment = {
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),  # its cookie
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"tocsin{node}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ALONE,
    }
    if account is not None:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, account.uid, account.gid)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(_running([mapper, "-port", str(epmd)], environment, account))
        process = stack.enter_context(_running([BIN], environment, account))
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Server startup complete" in line:
                break
        else:
            raise AssertionError("".join(said[-30:]))
        yield f"http://127.0.0.1:{management}"


@contextmanager
def _running(command: list[Any], environment: dict[str, str], account: Account | None) -> Iterator[subprocess.Popen[str]]:
    """A program in a process group of its own, ended with everything it started."""
    said: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(
        command, env=environment, cwd="/", text=True, start_new_session=True, **said, **identity(account)
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a node takes 5 s to leave by itself, and nothing of it is kept
            assert process.stdout is not None
            process.stdout.read()


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in taken]
