"""No output shows a credential, wherever and however it is written; and nothing else is hidden.

A marker is planted in every form a credential can have, and every output format is searched for it, for any part
of it, and for it encoded. The marker's two halves are random, what stands between them is every special
character that the form can hold.
"""

from __future__ import annotations

import base64
import contextlib
import html
import io
import json
import random
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock
from urllib.parse import quote, unquote

import growth
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k3s_policy import cli
from k3s_policy.judge.rule import Problem, Rule, load
from k3s_policy.k3s import credential
from k3s_policy.text import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

HALF = 8
"""Characters of each half of a marker; two of them are no coincidence."""
LEAK = 5
"""How many neighbouring characters of a half make a leak."""

LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
EVERY = "@:/?#&()%$!'\" `\\=,;|<>[]{}*^~+"
CONFIG = "etc/rancher/k3s/config.yaml"
HOSTS = "hosts/one/" + CONFIG
UNIT = "etc/systemd/system/k3s.service"
REGISTRIES = "hosts/one/etc/rancher/k3s/registries.yaml"


class Marker(NamedTuple):
    """A credential that cannot occur by chance."""

    first: str
    second: str
    specials: str

    def made_of(self, allowed: str) -> str:
        """Return the credential with those special characters that a form can hold."""
        return self.first + "".join(one for one in self.specials if one in allowed) + self.second


def marker_of(seed: int) -> Marker:
    """Return a marker made of a number: so no search for a smaller example makes a word of it."""
    generator = random.Random(seed)  # noqa: S311 - nobody's secret
    first, second = ("".join(generator.sample(LETTERS, HALF)) for _ in range(2))
    # All at once for the maskings that end too early, few for the rules that would take some for a template.
    specials = generator.sample(EVERY, generator.choice([0, 2, 5, len(EVERY)]))
    return Marker(first, second, "".join(specials))


def fragments(marker: Marker) -> set[str]:
    """Return what must not be found: each part of a half, in clear and encoded."""
    parts = set()
    for half in (marker.first, marker.second):
        for start in range(HALF - LEAK + 1):
            parts.add(half[start : start + LEAK])
        for shift in range(3):
            # What base64 makes of it depends on where it begins; the outer characters depend on its neighbours.
            encoded = base64.b64encode(b"x" * shift + half.encode()).decode().rstrip("=")
            parts.add(encoded[shift and shift + 1 : -1])
    return parts


OWN_WORDS = "".join(
    path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent.parent / "k3s_policy").rglob("*.py"))
)
"""What outputs say of their own: a marker with five letters of `stands` would be found there."""

markers = (
    st.integers(0, 1 << 64).map(marker_of).filter(lambda drawn: not any(part in OWN_WORDS for part in fragments(drawn)))
)


class Run(NamedTuple):
    """What a command gave: exit code and outputs."""

    code: int
    outputs: dict[str, str]


def command(*arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
    """Run the command line inside this process and return its exit code, output and errors."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        if stdin is not None:
            data = io.TextIOWrapper(io.BytesIO(stdin.encode()))
            stack.enter_context(mock.patch.object(sys, "stdin", data))
        code = cli.main(arguments)
    return code, out.getvalue(), err.getvalue()


class Bench:
    """A folder to write files to and to scan."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = folder / "repository"

    def write(self, files: dict[str, str]) -> None:
        shutil.rmtree(self.repository, ignore_errors=True)
        for path, content in files.items():
            file = self.repository / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode())

    def scan(self, files: dict[str, str], *options: str) -> Run:
        """Scan some files, in every format at once."""
        self.write(files)
        reports = {form: self.folder / f"report.{form}" for form in ("text", "json", "sarif")}
        outputs = [word for form, path in reports.items() for word in ("--output", f"{form}:{path}")]
        code, out, err = command("scan", str(self.repository), "--color", "always", *outputs, *options)
        listed = command("scan", str(self.repository), "--list-files")
        shown = [command("show", str(self.repository), "--format", form) for form in ("text", "json")]
        return Run(
            code,
            {
                "color": out,
                "stderr": err,
                "listed": listed[1] + listed[2],
                "shown": "".join(part for _, *parts in shown for part in parts),
                **{form: path.read_text(encoding="utf-8") for form, path in reports.items()},
            },
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("redaction"))


def readings(output: str) -> dict[str, str]:
    """Return an output as different programs would read it."""
    plain = re.sub("\x1b\\[[0-9;]*m", "", output)
    unescaped = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), plain)
    return {
        "as it is": output,
        "plain": plain,
        "unescaped": re.sub(r"\\(.)", r"\1", unescaped),
        "percent-decoded": unquote(plain),
        "HTML-decoded": html.unescape(plain),
    }


def leaks(outputs: dict[str, str], marker: Marker) -> list[str]:
    """Return where parts of the marker show, with the line they show in."""
    wanted = fragments(marker)
    found = []
    for name, output in outputs.items():
        for how, reading in readings(output).items():
            found += [
                f"{name}, {how}: {line.strip()}"
                for line in reading.splitlines()
                if any(part in line for part in wanted)
            ]
    return found


# --- ways to write a credential -----------------------------------------------------------------------


def in_single_quotes(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def in_double_quotes(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def with_escapes(value: str) -> str:
    """Return a double-quoted scalar whose every special character is an escape."""
    return '"' + "".join(one if one.isalnum() else f"\\x{ord(one):02x}" for one in value) + '"'


def for_shell(value: str) -> str:
    return '"' + re.sub(r'([\\$`"!])', r"\\\1", value) + '"'


def with_backslashes(value: str) -> str:
    return "".join(one if one.isalnum() else "\\" + one for one in value)


def for_systemd(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") + '"'


def for_environment_file(value: str) -> str:
    return '"' + re.sub(r'([\\$`"])', r"\\\1", value) + '"'


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def for_compose(value: str) -> str:
    return in_double_quotes(value.replace("$", "$$"))


def indented(text: str, width: int) -> str:
    return "".join(" " * width + line for line in text.splitlines(keepends=True))


PLAIN = "@:/?&()%$!'\"`\\=;|<>*^~+"
"""Specials of a plain YAML scalar that starts with a letter; `:` stays harmless between other characters."""
FLOW = "@/?&()%$!'\"`\\=;|<>*^~+"
URL = "$!'()*+;=~&,"
"""Specials that a URL's password may hold unescaped."""
UNESCAPED = "@:/?#&()%$!*;="
"""What people paste into URLs although it should be percent-encoded."""

MYSQL = "mysql://k3s:{}@tcp(db.example.com:3306)/k3s?tls=skip-verify"
POSTGRES = "postgres://k3s:{}@db.example.com:5432/k3s?sslmode=disable"
Form = Callable[[Marker], dict[str, str]]


def config(template: str, allowed: str, write: Callable[[str], str] = str, path: str = HOSTS) -> Form:
    """Return a form of config.yaml: `{}` in the template is the credential, written by `write`."""
    return lambda marker: {path: template.replace("{}", write(marker.made_of(allowed)))}


def endpoint(
    dsn: str, allowed: str, encode: Callable[[str], str] = str, write: Callable[[str], str] = in_single_quotes
) -> Form:
    """Return a form of config.yaml with a datastore-endpoint."""
    return lambda marker: {
        HOSTS: f"datastore-endpoint: {write(dsn.replace('{}', encode(marker.made_of(allowed))))}\n"
        'datastore-certfile: /tls.crt\nwrite-kubeconfig-mode: "0644"\n'
    }


def unit(line: str, allowed: str = EVERY) -> Form:
    return lambda marker: {
        UNIT: "[Service]\n" + line.replace("{}", for_systemd(marker.made_of(allowed))) + "\n"
        "ExecStart=/usr/local/bin/k3s server --write-kubeconfig-mode 644\n"
    }


def script(template: str, allowed: str = EVERY, write: Callable[[str], str] = shlex.quote) -> Form:
    return lambda marker: {
        "install-k3s.sh": "#!/bin/sh\n" + template.replace("{}", write(marker.made_of(allowed))) + "\n"
    }


def pod(containers: str, allowed: str = EVERY, write: Callable[[str], str] = in_double_quotes) -> Form:
    return lambda marker: {
        "k3s-pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: k3s\nspec:\n  containers:\n"
        "    - name: k3s\n      image: rancher/k3s:v1.33.4-k3s1\n"
        + indented(containers.replace("{}", write(marker.made_of(allowed))), 6)
    }


def registries(body: str, allowed: str, write: Callable[[str], str] = str, path: str = REGISTRIES) -> Form:
    """Return a form of registries.yaml in which something is found besides the credential, in its own line."""

    def make(marker: Marker) -> dict[str, str]:
        return {path: body.replace("{}", write(marker.made_of(allowed)))}

    return make


def keeper(kind: str, part: str, body: str, allowed: str = FLOW, *, encoded: bool = False, kept: str = "") -> Form:
    """Return a ConfigMap or Secret with a config.yaml, in clear or as base64."""

    def make(marker: Marker) -> dict[str, str]:
        text = body.replace("{}", marker.made_of(allowed))
        value = f" {base64_of(text)}\n" if encoded else " |\n" + indented(text, 4)
        return {
            "k3s.yaml": f"apiVersion: v1\nkind: {kind}\nmetadata:\n  name: k3s\n{kept}{part}:\n  config.yaml:{value}"
        }

    return make


def user_data(content: str, allowed: str = FLOW, *, encoded: bool = False) -> Form:
    """Return user-data that writes a config.yaml, in clear or as base64, that everybody can read."""

    def make(marker: Marker) -> dict[str, str]:
        text = content.replace("{}", marker.made_of(allowed))
        value = f"{base64_of(text)}\n    encoding: b64\n" if encoded else "|\n" + indented(text, 6)
        return {"user-data": f"#cloud-config\nwrite_files:\n  - path: /{CONFIG}\n    content: {value}"}

    return make


def ignition(content: str, allowed: str = FLOW, *, encoded: bool = False) -> Form:
    """Return a file for Ignition that writes a config.yaml as a data URL."""

    def make(marker: Marker) -> dict[str, str]:
        text = content.replace("{}", marker.made_of(allowed))
        url = f"data:;base64,{base64_of(text)}" if encoded else f"data:,{quote(text, safe='')}"
        file = {"path": f"/{CONFIG}", "mode": 420, "contents": {"source": url}}
        document = {"ignition": {"version": "3.4.0"}, "storage": {"files": [file]}}
        return {"k3s.ign": json.dumps(document, indent=2) + "\n"}

    return make


OPEN_MODE = '\nwrite-kubeconfig-mode: "0644"\n'
HEX = "0123456789abcdef" * 4
BODY = 'token: {}\nwrite-kubeconfig-mode: "0644"\ntls-san: k3s.example.com\n'

COMPOSE = "services:\n  k3s:\n    image: rancher/k3s:v1.33.4-k3s1\n"
KUBECONFIG = "apiVersion: v1\nkind: Config\nusers:\n  - {name: default, user: {client-key-data: {}}}\n"
K3D = "apiVersion: k3d.io/v1alpha5\nkind: Simple\nservers: 2\n"
PLAN = (
    "apiVersion: upgrade.cattle.io/v1\nkind: Plan\nmetadata: {name: k3s}\nspec:\n  upgrade:\n    image: k3s-upgrade\n"
)
CHART = "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: one}\nspec:\n  plainHTTP: true\n"
TRAEFIK = "apiVersion: helm.cattle.io/v1\nkind: HelmChartConfig\nmetadata: {name: traefik}\nspec:\n  valuesContent: |\n"
HETZNER = "cluster_name: k3s\nk3s_version: v1.33.4+k3s1\nmasters_pool: {instance_count: 2}\n"
CONTROL_PLANE = (
    "apiVersion: controlplane.cluster.x-k8s.io/v1beta2\nkind: KThreesControlPlane\nmetadata: {name: k3s}\n"
    "spec:\n  replicas: 2\n  kthreesConfigSpec:\n    files:\n"
)

FORMS: dict[str, Form] = {
    # config.yaml, in each style of YAML
    "plain": config("token: {}" + OPEN_MODE, PLAIN),
    "plain with a comment": config("token: {} # the token" + OPEN_MODE, PLAIN),
    "plain over two lines": config("token:\n  {}" + OPEN_MODE, PLAIN),
    "single quotes": config("token: {}" + OPEN_MODE, EVERY, in_single_quotes),
    "double quotes": config("token: {}" + OPEN_MODE, EVERY, in_double_quotes),
    "escapes": config("token: {}" + OPEN_MODE, EVERY, with_escapes),
    "quoted key": config('"token": {}' + OPEN_MODE, EVERY, in_double_quotes),
    "block": config("token: |\n  {}" + OPEN_MODE, EVERY.replace(" ", "")),
    "block with a tag and an anchor": config("token: !!str &token |-\n  {}" + OPEN_MODE, EVERY.replace(" ", "")),
    "folded": config("token: >-\n  {}" + OPEN_MODE, EVERY),
    "folded in the middle": config("token: >-\n  K10abc\n  {}\n  end" + OPEN_MODE, EVERY),
    "flow": config('{token: {}, write-kubeconfig-mode: "0644"}\n', FLOW),
    "flow in quotes": config('{"token": {}, "write-kubeconfig-mode": "0644"}\n', EVERY, in_double_quotes),
    "flow of one line each": config('{\n  token: {},\n  "write-kubeconfig-mode": "0644"\n}\n', FLOW),
    "anchor": config("agent-token: &token {}\ntoken: *token" + OPEN_MODE, PLAIN),
    "anchor of another key": config("unused: &t {}\ntoken: *t" + OPEN_MODE, PLAIN),
    "list": config("token:\n  - {}" + OPEN_MODE, PLAIN),
    "flow list": config("token: [{}]" + OPEN_MODE, FLOW),
    "given twice": config("token: {}\ntoken: other-literal-9f" + OPEN_MODE, PLAIN),
    "carriage returns": config('token: {}\r\nwrite-kubeconfig-mode: "0644"\r\n', PLAIN),
    "byte-order mark": config("\ufefftoken: {}" + OPEN_MODE, PLAIN),
    "second document": config("write-kubeconfig-mode: '0644'\n---\ntoken: {}\n", PLAIN),
    "comment": config("write-kubeconfig-mode: '0644' # token: {}\n", PLAIN),
    "repeated in a comment": config("token: {}\nwrite-kubeconfig-mode: '0644' # was {}\n", "@/?&()%$!"),
    "Latin-1 and control characters": config(
        'token: "caf\x85\ufffd{}"' + OPEN_MODE, EVERY.replace('"', "").replace("\\", "")
    ),
    # sensitive flags and forms of the token
    "full token": config(f"token: K10{HEX}::server:{{}}" + OPEN_MODE, "@/?&()%$!"),
    "full token of a user": config(f"token: K10{HEX}::node:{{}}" + OPEN_MODE, "@/?&()%$!"),
    "agent token": config("agent-token: {}" + OPEN_MODE, PLAIN),
    "S3 keys": config(
        "etcd-s3: true\netcd-s3-access-key: {}\netcd-s3-secret-key: {}\netcd-s3-session-token: {}" + OPEN_MODE, PLAIN
    ),
    "vpn-auth": config("vpn-auth: name=tailscale,joinKey={}" + OPEN_MODE, "@:/?&()%$!"),
    "removed flag": config("cluster-secret: {}" + OPEN_MODE, PLAIN),
    "appended": config("token+: {}" + OPEN_MODE, PLAIN),
    "etcd-s3-proxy": config("etcd-s3-proxy: http://proxy:{}@proxy.example.com:3128" + OPEN_MODE, URL.replace(",", "")),
    "server URL": config(
        "server: https://user:{}@k3s.example.com:6443\ntoken-file: /t" + OPEN_MODE, URL.replace(",", "")
    ),
    "component argument": config("kube-apiserver-arg: --audit-webhook=https://u:{}@h/x" + OPEN_MODE, "$!'()*;~"),
    "component arguments": config(
        "kube-apiserver-arg:\n  - audit-webhook=https://u:{}@h/x\n  - v=2" + OPEN_MODE, "$!'()*;~"
    ),
    "component argument named like one": config("kubelet-arg: bootstrap-token={}" + OPEN_MODE, "$!'()*;~"),
    "drop-in": config("token: {}" + OPEN_MODE, PLAIN, path="hosts/one/etc/rancher/k3s/config.yaml.d/10-token.yaml"),
    "another name": config(
        "token: {}\nwrite-kubeconfig-mode: '0644'\ntls-san: a\n", PLAIN, path="group_vars/k3s_config.yml"
    ),
    # endpoints
    "MySQL": endpoint(MYSQL, EVERY),
    "MySQL in double quotes": endpoint(MYSQL, EVERY, write=in_double_quotes),
    "MySQL with escapes": endpoint(MYSQL, EVERY, write=with_escapes),
    "MySQL plain": endpoint(MYSQL, "@:/?&()%$!'\"`\\=", write=str),
    "MySQL folded": endpoint(
        "mysql://k3s:{}@tcp(db:3306)/k3s?tls=skip-verify", EVERY, write=lambda dsn: f">-\n  {dsn}"
    ),
    "MySQL without a scheme": endpoint("k3s:{}@tcp(db:3306)/k3s?tls=skip-verify", EVERY),
    "MySQL without a database": endpoint("mysql://k3s:{}@tcp(db:3306)?tls=skip-verify", EVERY),
    "MySQL, percent-encoded": endpoint(MYSQL, EVERY, lambda one: quote(one, safe="")),
    "PostgreSQL, percent-encoded": endpoint(POSTGRES, EVERY, lambda one: quote(one, safe="")),
    "PostgreSQL, not encoded": endpoint(POSTGRES, UNESCAPED),
    "PostgreSQL, every character": endpoint(POSTGRES, EVERY),
    "PostgreSQL, in a parameter": endpoint("postgres://db/k3s?user=k3s&password={}&sslmode=disable", "@:/?()%$!"),
    "PostgreSQL, two hosts": endpoint("postgres://k3s:{}@one:5432,two:5432/k3s", UNESCAPED),
    "NATS": endpoint("nats://k3s:{}@nats.example.com:4222?bucket=k3s", UNESCAPED),
    "NATS token": endpoint("nats://{}@nats.example.com:4222", "$!*;="),
    "NATS, several": endpoint("nats://a:{}@one:4222,nats://b:{}@two:4222", URL.replace(",", "")),
    "etcd": endpoint("https://root:{}@etcd.example.com:2379", UNESCAPED),
    "etcd, several": endpoint("https://one:2379,https://root:{}@two:2379", URL.replace(",", "")),
    "unknown driver": endpoint("cockroach://k3s:{}@db/k3s", UNESCAPED),
    "no driver": endpoint("k3s:{}@db.example.com:5432/k3s", UNESCAPED),
    "misspelt driver": endpoint("postgress//k3s:{}@db.example.com/k3s", UNESCAPED),
    "one slash": endpoint("mysql:/k3s:{}@tcp(db:3306)/k3s", UNESCAPED),
    "no host": endpoint("postgres://k3s:{}@", UNESCAPED),
    "libpq's form": endpoint("host=db user=k3s password={} dbname=k3s", "@:/?#&()%$!*;"),
    # what K3s does not know
    "misspelt key": config("tokn: {}" + OPEN_MODE, PLAIN, path=CONFIG),
    "misspelt key with a list": config("tokn: [{}]" + OPEN_MODE, FLOW, path=CONFIG),
    "misspelt key with a mapping": config("agent-tokn: {value: {}}" + OPEN_MODE, FLOW),
    "key with an underscore": config("agent_token: {}" + OPEN_MODE, PLAIN),
    "key in capitals": config("Token: {}" + OPEN_MODE, PLAIN),
    "key of the environment": config("K3S_TOKEN: {}" + OPEN_MODE, PLAIN),
    "key without its first words": config("s3-secret-key: {}\nsecret-key: {}" + OPEN_MODE, PLAIN),
    "endpoint of a misspelt key": config(
        "datastore-endpont: mysql://k3s:{}@tcp(db:3306)/k3s" + OPEN_MODE, "@:/?&()%$!'\"`\\="
    ),
    "unknown key with a URL": config("registry: https://u:{}@registry.example.com" + OPEN_MODE, URL),
    # registries.yaml
    "registry, password": registries("configs:\n  a:\n    auth:\n      password: {}\n      pass: {}\n", PLAIN),
    "registry, password in single quotes": registries(
        "configs:\n  https://a:\n    auth: {password: {}, tokn: {}}\n", EVERY, in_single_quotes
    ),
    "registry, password in double quotes": registries(
        "configs: {https://a: {auth: {password: {}}, tls: {insecure: true}}}\n", EVERY, in_double_quotes
    ),
    "registry, password with escapes": registries(
        "configs: {a: {auth: {password: {}}, tls: {insecure_skip_verify: true}}}\n", EVERY, with_escapes
    ),
    "registry, password over two lines": registries(
        "configs:\n  a:\n    tls: {insecure_skip_verify: true}\n    auth:\n      password: >-\n        {}\n", EVERY
    ),
    "registry, auth": registries(
        "configs: {https://a: {auth: {auth: {}}, tls: {insecure_skip_verify: true}}}\n", EVERY, base64_of
    ),
    "registry, auth that is no base64": registries("configs: {https://a: {auth: {auth: {}}}}\n", FLOW),
    "registry, identity_token": registries("configs: {a: {tls: {ca: x}, auth: {identity_token: {}}}}\n", FLOW),
    "registry, identity token by another name": registries("configs: {a: {auth: {identitytoken: {}}}}\n", FLOW),
    "registry, auth that is a text": registries("configs:\n  a:\n    auth: u:{}\n", "@/?&()%$!"),
    "registry, auth that is a list": registries(
        "mirrors: {a: {endpoint: [http://a]}}\nconfigs: {a: {auth: {password: [{}], auth: [[{}]]}}}\n", FLOW
    ),
    "registry, auths": registries("auths: {a: {auth: {}}, b: {password: {}}}\n", FLOW),
    "registry, configs in mirrors": registries("mirrors: {configs: {a: {auth: {password: {}, auth: {}}}}}\n", FLOW),
    "registry, password twice": registries("configs: {a: {auth: {password: {}, password: x}}}\n", FLOW),
    "registry, login through an anchor": registries(
        "x: &x {auth: {auth: {}}}\nconfigs: {a: *x, https://b: *x}\n", FLOW
    ),
    "registry, second document": registries("auths:\n---\nconfigs: {a: {auth: {auth: {}, password: {}}}}\n", FLOW),
    "registry, credential by another name": registries(
        "configs: {https://a: {auth: {username: a, cr3d: {}}, tls: {ca: x}}}\n", EVERY, in_double_quotes
    ),
    "registry, URL": registries('mirrors: {a: {endpoint: ["http://u:{}@a:5000/v2"]}}\n', UNESCAPED.replace("#", "")),
    "registry, URL without a scheme": registries('mirrors: {a: {endpoint: ["u:{}@a:port"]}}\n', URL.replace("&", "")),
    "registry, URL that is no list": registries('mirrors: {a: {endpoint: "http://u:{}@a:5000"}}\n', URL),
    "registry, URL for a name": registries('configs: {"https://u:{}@a:5000": {tls: {ca: x}}}\n', URL),
    "registry, URL for a mirror": registries('mirrors: {"https://u:{}@a:5000": {endpoint: [https://]}}\n', URL),
    "registry, login in front of a name": registries(
        'configs: {"u:{}@a:5000": {tls: {ca: x, insecure_skip_verify: true}}}\n', URL.replace("&", "")
    ),
    "registry, login in front of a mirror's name": registries(
        'mirrors: {"u:{}@a:5000": {endpoint: [http://b]}}\n', URL.replace("&", "")
    ),
    "registry, private key for a file": registries("configs: {a: {tls: {key: {}}}}\n", FLOW),
    "registry, URL at the top": registries('"https://u:{}@a:5000": {endpoint: [https://]}\n', URL),
    "registry, token for an unknown key": registries("mirrors:\ntoken: {}\nsecret: {}\n", PLAIN),
    "registry, comment": registries("mirrors:\nauths: # password: {}\n", "@/?&()%$!"),
    "registries that do not parse": registries("configs: {a: {auth: {password: {}, auth: {}}}\n", FLOW),
    "registries with a tab": registries("configs:\n\ta: {auth: {auth: {}}}\n", FLOW),
    "registries that are a list": registries("- auth: {}\n- password: {}\n", PLAIN),
    "registries that are a text": registries("password={}\n", PLAIN),
    "registries in a script": script(
        "cat > /etc/rancher/k3s/registries.yaml <<'END'\nconfigs:\n  https://a:\n    auth: {auth: {}, token: {}}\nEND",
        "@/?%=",
        str,
    ),
    "registries in a script with a variable": script(
        'P={}\ncat > /etc/rancher/k3s/registries.yaml <<END\nconfigs: {https://a: {auth: {password: "$P"}}}\nEND',
        "@:/?%=,",
    ),
    "registries by content": registries(
        "mirrors: {quay.io: {endpoint: ['http://a']}}\nconfigs: {a.b: {auth: {auth: {}}}}\n",
        EVERY,
        in_double_quotes,
        "x/lab.yaml",
    ),
    # files that do not parse
    "open bracket": config("token: [{}\nserver: x\n", FLOW),
    "open quote": config('token: "{}\nserver: x\n', "@:/?#&()%$!'"),
    "tab": config("token: x\n\t{}: y\n", PLAIN),
    "text only": config("token={}\n", PLAIN),
    "unknown alias": config("token: *{}\n", ""),
    "unknown tag": config("%YAML 1.1\n%TAG ! {}\n---\ntoken: !{} x: y\n", ""),
    "duplicate anchor": config("a: &{} x: y\n", ""),
    "list only": config("- token: {}\n", PLAIN),
    "colon in a value": config("token: x: {}\n", ""),
    # units and environment files
    "unit, argument": unit("ExecStart=/usr/local/bin/k3s server --token {} --cluster-init"),
    "unit, argument behind =": unit("ExecStart=/usr/local/bin/k3s server --token={} --cluster-init"),
    "unit, short argument": unit(
        "ExecStart=/usr/local/bin/k3s agent -t {} --server https://k3s:6443 --lb-server-port 6444"
    ),
    "unit, short argument behind =": unit("ExecStart=/usr/local/bin/k3s agent -t={} --server https://k3s:6443"),
    "unit, glued short argument": unit("ExecStart=/usr/local/bin/k3s agent -t{} --server https://k3s:6443"),
    "unit, misspelt argument": unit("ExecStart=/usr/local/bin/k3s server --tokn {} --cluster-init"),
    "unit, misspelt argument behind =": unit("ExecStart=/usr/local/bin/k3s server --tokn={} --cluster-init"),
    "unit, colon for =": unit("ExecStart=/usr/local/bin/k3s server --token:{} --cluster-init"),
    "unit, three dashes": unit("ExecStart=/usr/local/bin/k3s server ---token={} --cluster-init"),
    "unit, continued": unit(
        "ExecStart=/usr/local/bin/k3s server \\\n  --write-kubeconfig-mode 644 --token \\\n    {} \\\n  --cluster-init"
    ),
    "environment file, misspelt": lambda marker: {
        "etc/default/k3s": f"K3S_TOKN={for_environment_file(marker.made_of(EVERY))}\nK3S_KUBECONFIG_MODE=644\n"
    },
    "unit, Environment": unit("Environment=K3S_TOKEN={}"),
    "unit, Environment as a whole in quotes": lambda marker: {
        UNIT: f"[Service]\nEnvironment={for_systemd('K3S_TOKEN=' + marker.made_of(EVERY))} K3S_KUBECONFIG_MODE=644\n"
        "ExecStart=/usr/local/bin/k3s server\n"
    },
    "unit, two variables": unit("Environment=K3S_KUBECONFIG_MODE=644 K3S_AGENT_TOKEN={} K3S_DATASTORE_CERTFILE=/c"),
    "unit, variable with a URL": unit(
        "Environment=HTTPS_PROXY=http://u:{}@proxy:3128 K3S_KUBECONFIG_MODE=644", URL.replace(",", "")
    ),
    "unit, endpoint": unit(
        "ExecStart=/usr/local/bin/k3s server --datastore-endpoint=mysql://k3s:{}@tcp(db:3306)/k3s?tls=skip-verify",
        UNESCAPED,
    ),
    "unit, through a variable": unit(
        'Environment="TOKEN={}"\nExecStart=/usr/local/bin/k3s server --token ${TOKEN}', "@:/?#&()!"
    ),
    "unit, shell": lambda marker: {
        UNIT: "[Service]\nExecStart=/bin/sh -c 'exec k3s server --write-kubeconfig-mode 644 --token "
        f'"{marker.made_of("@:/?#&()=,;")}"\'\n'
    },
    "unit, bad line": lambda marker: {
        UNIT: f"[Service]\nExecStart=/usr/bin/k3s server\n{marker.made_of('@:/?#')}\n[Service\n"
    },
    "unit, open quote": lambda marker: {
        UNIT: f'[Service]\nExecStart=/usr/bin/k3s server --token "{marker.made_of("@:/?#")}\n'
    },
    "unit, bad escape": lambda marker: {
        UNIT: f'[Service]\nExecStart=/usr/bin/k3s server --token "\\q{marker.made_of("@:/?#")}"\n'
    },
    "unit, bad specifier": lambda marker: {
        UNIT: f'[Service]\nExecStart=/usr/bin/k3s server --token "%{marker.made_of("@:/?#")}"\n'
    },
    "unit, bad program": lambda marker: {
        UNIT: f"[Service]\nExecStart=k3s/{marker.made_of('@:/?#')} server\nEnvironment={marker.second}\n"
    },
    "drop-in of a unit": lambda marker: {
        UNIT: "[Service]\nExecStart=/usr/local/bin/k3s server --write-kubeconfig-mode 644\n",
        UNIT + ".d/10-token.conf": f"[Service]\nEnvironment=K3S_TOKEN={for_systemd(marker.made_of(EVERY))}\n",
    },
    "unit that systemd refuses": unit("ExecStart=/usr/local/bin/k3s server --agent-token %4{} --token-fil %z{}"),
    "unit, endpoint percent-encoded": lambda marker: {
        UNIT: "[Service]\nExecStart=/usr/local/bin/k3s server "
        f"--datastore-endpoint=postgres://k3s:{marker.first}%40%C3%BC{marker.second}@db/k3s\n"
    },
    "unit, variables that are dropped": lambda marker: {
        UNIT: f"[Service]\nEnvironment=K3S_TOKEN=%4{marker.made_of('#&')} HTTPS_PROXY=http://k3s:%4{marker.made_of('#&')}@h\n"
        "ExecStart=/usr/local/bin/k3s server\n"
    },
    "unit, line that is lost": unit("ExecStart=/usr/local/bin/k3s server\n    --token {} \\\n    --agent-token={}"),
    "unit, backslash too many": unit("ExecStart=/usr/local/bin/k3s server --token {} \\\nRestart=always"),
    "unit, dollar sign": lambda marker: {
        UNIT: f"[Service]\nExecStart=/usr/local/bin/k3s server --token=${marker.made_of('')} --agent-token $"
        f"{marker.made_of('')} --debug=$X\n"
    },
    "environment file with faults": lambda marker: {
        "etc/default/k3s": f"export K3S_TOKEN={marker.made_of('')} # {marker.made_of('')}\n"
        f'K3S_AGENT_TOKEN=x"{marker.made_of("")}" ${{X}};\nK3S_VPN_AUTH=$({marker.made_of("")})\n'
        f'K3S_DATASTORE_ENDPOINT="mysql://k3s:{marker.made_of("")}@tcp(db)/k3s\nK3S_URL=$X\n'
    },
    "environment file with a byte-order mark": lambda marker: {
        "etc/default/k3s": f"\ufeffK3S_TOKEN={marker.made_of('')}\nK3S_URL=$X\n"
    },
    "environment file": lambda marker: {
        UNIT: "[Service]\nEnvironmentFile=/etc/default/k3s\nExecStart=/usr/local/bin/k3s server --token $K3S_TOKEN\n",
        "etc/default/k3s": f"K3S_TOKEN={for_environment_file(marker.made_of(EVERY))}\nK3S_KUBECONFIG_MODE=644\n",
    },
    "environment file in single quotes": lambda marker: {
        "k3s.env": f"K3S_KUBECONFIG_MODE=644\nK3S_TOKEN='{marker.made_of(EVERY.replace(chr(39), ''))}'\n"
    },
    "environment file without quotes": lambda marker: {
        "k3s.env": f"K3S_KUBECONFIG_MODE=644\nK3S_AGENT_TOKEN={marker.made_of('@:/?#&()%!=,')}\n"
        f"AWS_SECRET_ACCESS_KEY={marker.first}\n"
    },
    "environment file with an endpoint": lambda marker: {
        "k3s.env": f"K3S_DATASTORE_ENDPOINT='mysql://k3s:{marker.made_of('@:/?#&()%$!')}@tcp(db:3306)/k3s"
        "?tls=skip-verify'\n"
    },
    # manifests
    "container, argument": pod("args: [server, --token, {}, --write-kubeconfig-mode, '644']\n"),
    "container, argument behind =": pod(
        "args:\n  - server\n  - '--write-kubeconfig-mode=644'\n  - --token={}\n", FLOW, str
    ),
    "container, command": pod('command: ["/bin/k3s", "server", "--write-kubeconfig-mode=644", "-t", {}]\n'),
    "container, shell": pod(
        "command: [sh, -c]\nargs:\n  - |\n    exec k3s server --write-kubeconfig-mode 644 --token {}\n",
        EVERY,
        shlex.quote,
    ),
    "container, environment": pod(
        "args: [server, --write-kubeconfig-mode=644]\nenv:\n  - name: K3S_TOKEN\n    value: {}\n"
    ),
    "container, environment in one line": pod(
        "args: [server]\nenv: [{name: K3S_KUBECONFIG_MODE, value: '644'}, {name: K3S_TOKEN, value: {}}]\n"
    ),
    "container, misspelt": pod("args: [server, --tokn, {}, --write-kubeconfig-mode, '644']\n"),
    "ConfigMap": keeper("ConfigMap", "data", BODY),
    "Secret in clear": keeper("Secret", "stringData", BODY),
    "Secret": keeper("Secret", "data", BODY, encoded=True),
    "Secret with an endpoint": keeper(
        "Secret", "data", f"datastore-endpoint: '{MYSQL}'\nwrite-kubeconfig-mode: '0644'\n", "@:/?#&()%$!", encoded=True
    ),
    "Secret with a misspelt key": keeper("Secret", "data", BODY.replace("token", "agent-tokn"), encoded=True),
    "Secret that does not parse": keeper("Secret", "data", BODY + "tls-san: [\n", encoded=True),
    "Secret of S3 settings": lambda marker: {
        "k3s-s3.yaml": "apiVersion: v1\nkind: Secret\ntype: etcd.k3s.cattle.io/s3-config-secret\nmetadata: {name: s3}\n"
        f"data:\n  etcd-s3-access-key: {base64_of(marker.made_of(EVERY))}\n"
        f"stringData: {{etcd-s3-secret-key: {in_double_quotes(marker.made_of(EVERY))}}}\n"
    },
    "manifest as JSON": lambda marker: {
        "k3s.json": json.dumps(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "k3s"},
                "data": {
                    "config.yaml": f"token: {in_double_quotes(marker.made_of(EVERY))}\nwrite-kubeconfig-mode: '0644'\n"
                },
            }
        )
    },
    # what other tools read
    "compose, list": config(COMPOSE + "    environment: ['K3S_TOKEN={}']\n", "@:/?#&()%!", path="compose.yaml"),
    "compose, mapping": config(
        COMPOSE + "    command: server --bogus\n    environment: {K3S_TOKEN: {}}\n", EVERY, for_compose, "compose.yaml"
    ),
    "compose, command": config(COMPOSE + "    command: [server, --token, {}]\n", EVERY, for_compose, "compose.yaml"),
    "compose, default": config(
        COMPOSE + "    environment: ['K3S_TOKEN=${K3S_TOKEN:-{}}']\n", "@:/?#&()%!", path="compose.yaml"
    ),
    "image": config("FROM rancher/k3s\nENV K3S_TOKEN={}\nCMD [server]\n", "@:/?&()%!", path="Containerfile"),
    "job": config(
        "env: {K3S_TOKEN: {}}\njobs: {a: {steps: [{run: 'k3s server --write-kubeconfig-mode 644'}]}}\n",
        EVERY,
        in_double_quotes,
        ".github/workflows/a.yml",
    ),
    "makefile": config("k3s:\n\tk3s server --token {}\n", "@:/?&%+", for_shell, "Makefile"),
    "file of just": config("k3s:\n  k3s server --token {}\n", "@:/?&%+", for_shell, "justfile"),
    "Vagrantfile": config(
        "config.vm.provision 'shell', inline: <<-'S'\nk3s server --token {}\nS\n", "@:/?&%+", for_shell, "Vagrantfile"
    ),
    "argument of a provisioner": config(
        "config.vm.provision 'shell', inline: 'k3s server --token \"$1\"', args: [\"{}\"]\n",
        "@:/?&%+;",
        str,
        "Vagrantfile",
    ),
    "NixOS": config('{ services.k3s.token = "{}"; }\n', "@:/?#&()%!;<>[]*^~+", path="k3s.nix"),
    "token of a cluster": config("K10" + HEX + "::server:{}\n", "@/?#&()%!", path="k3s/node-token"),
    "k3d": config(K3D + "token: {}\n", EVERY, in_double_quotes, "k3d.yaml"),
    "k3d, environment": config(K3D + "env:\n  - envVar: 'K3S_TOKEN={}'\n", "@:/?#&()%!", path="k3d.yaml"),
    "k3d, argument": config(
        K3D + "options:\n  k3s:\n    extraArgs:\n      - arg: '--token={}'\n", "@:/?#&()%!", path="k3d.yaml"
    ),
    "k3d, file": config(
        K3D + "files:\n  - source: |\n      token: '{}'\n      debug: true\n"
        "    destination: /etc/rancher/k3s/config.yaml\n",
        "@:/?#&()%!",
        path="k3d.yaml",
    ),
    "k3d, command": script("k3d cluster create k3s --servers 2 --token {}"),
    "k3d, argument of a command": script("k3d cluster create k3s --k3s-arg '--token={}@server:*'", ":/?#&()%", str),
    "chart": config(CHART + "  repo: https://me:{}@charts.example.com\n", ":&%!*", path="chart.yaml"),
    "values of a chart": config(
        TRAEFIK + "    env: [{name: API_TOKEN, value: '{}'}]\n", "@:/?#&()%!", path="chart.yaml"
    ),
    "Plan": config(
        PLAN + "    envs: [{name: K3S_AGENT_TOKEN, value: blue-cat-9}, {name: K3S_TOKEN, value: {}}]\n",
        EVERY,
        in_double_quotes,
        "plan.yaml",
    ),
    "hetzner-k3s with an endpoint": config(
        HETZNER + "datastore:\n  mode: external\n  external_datastore_endpoint: '" + MYSQL + "'\n",
        UNESCAPED,
        path="cluster.yaml",
    ),
    "hetzner-k3s with the keys of a bucket": config(
        HETZNER + "hetzner_token: {}\ndatastore: {etcd: {s3_secret_key: {}}}\n", EVERY, in_double_quotes, "cluster.yaml"
    ),
    "Cluster API, file": config(
        CONTROL_PLANE
        + "      - path: /etc/rancher/k3s/config.yaml.d/1.yaml\n        content: |\n          token: '{}'\n",
        "@:/?#&()%!",
        path="cluster.yaml",
    ),
    # scripts
    "keywords of libpq": config(
        'datastore-endpoint: "host=db user=k3s password={} dbname=k3s"' + OPEN_MODE, "'&/:?#%@"
    ),
    "endpoint that a blank cuts": lambda marker: {
        UNIT: "[Service]\nExecStart=/usr/local/bin/k3s server --write-kubeconfig-mode=644 "
        f"--datastore-endpoint=nats://u:{marker.first} {marker.second}@n:4222\n"
    },
    "endpoint that an ampersand cuts": lambda marker: {
        "install-k3s.sh": "k3s server --write-kubeconfig-mode 644 "
        f"--datastore-endpoint=k3s:{marker.first}&{marker.second}@tcp(db:3306)/k3s\n"
    },
    "copied from a login": script(
        "scp root:{}@h:/k3s.yaml /etc/rancher/k3s/config.yaml\ncurl -sfL https://get.k3s.io | sh -s - server "
        "--write-kubeconfig-mode 644"
    ),
    "copied from a command": script(
        'cp <(curl -H "Authorization: Bearer {}" https://h/c) /etc/rancher/k3s/config.yaml\n'
        "k3s server --write-kubeconfig-mode 644",
        "",
        str,
    ),
    "cookie of a download": script("curl -kLo k3s -b session={} https://h/k3s", "@:/?&%+"),
    "password of a certificate": script("curl -kLo k3s --cert c.pem:{} https://h/k3s", "@:/?&%+"),
    "password of wget": script("wget --no-check-certificate -O k3s --proxy-password={} https://h/k3s", "@:/?&%+"),
    "prefix": script("curl -sfL https://get.k3s.io | K3S_KUBECONFIG_MODE=644 K3S_TOKEN={} sh -"),
    "prefix in double quotes": script(
        "curl -sfL https://get.k3s.io | K3S_TOKEN={} K3S_KUBECONFIG_MODE=644 sh -", write=for_shell
    ),
    "prefix with backslashes": script(
        "curl -sfL https://get.k3s.io | K3S_TOKEN={} K3S_KUBECONFIG_MODE=644 sh -", write=with_backslashes
    ),
    "export": script("export K3S_TOKEN={} K3S_KUBECONFIG_MODE=644\ncurl -sfL https://get.k3s.io | sh -"),
    "assignment": script(
        "TOKEN={}\ncurl -sfL https://get.k3s.io | K3S_TOKEN=$TOKEN sh -s - --write-kubeconfig-mode 644"
    ),
    "assignment used as an argument": script('T={}\nk3s server --token "$T" --write-kubeconfig-mode 644'),
    "default value": script('k3s server --token "${TOKEN:-{}}" --write-kubeconfig-mode 644', "@:/?#%=,"),
    "argument": script("curl -sfL https://get.k3s.io | sh -s - server --token {} --write-kubeconfig-mode 644"),
    "argument behind =": script("k3s server --write-kubeconfig-mode=644 --token={} --cluster-init"),
    "short argument": script("k3s agent -t {} --server https://k3s:6443 --write-kubeconfig-mode 644"),
    "glued short argument": script("k3s agent --server https://k3s:6443 -t{}", "@:/?#%"),
    "misspelt argument": script("k3s server --tokn {} --write-kubeconfig-mode 644"),
    "misspelt argument behind =": script("k3s server --tokn={} --write-kubeconfig-mode 644"),
    "INSTALL_K3S_EXEC": script(
        'export INSTALL_K3S_EXEC="server --write-kubeconfig-mode 644 --token {}"\ncurl -sfL https://get.k3s.io | sh -',
        "@:/?%=,",
        str,
    ),
    "heredoc": script(
        "cat > /etc/rancher/k3s/config.yaml <<'END'\ntoken: {}\nwrite-kubeconfig-mode: '0644'\nEND",
        PLAIN,
        str,
    ),
    "heredoc with a variable": script(
        'SECRET={}\ncat > /etc/rancher/k3s/config.yaml <<END\nwrite-kubeconfig-mode: "0644"\ntoken: "$SECRET"\nEND',
        "@:/?%=,",
    ),
    "echo": script(
        "echo 'token: {}' > /etc/rancher/k3s/config.yaml\n"
        "echo 'write-kubeconfig-mode: \"0644\"' >> /etc/rancher/k3s/config.yaml",
        "@/?%=",
        str,
    ),
    "k3sup": script(
        "k3sup install --ip 10.0.0.1 --k3s-extra-args '--write-kubeconfig-mode 644 --token {}'", "@:/?%=,", str
    ),
    "k3sup, datastore": script(
        "k3sup install --ip 10.0.0.1 --datastore='mysql://k3s:{}@tcp(db:3306)/k3s?tls=skip-verify' --token {}",
        "@:/?%=,",
        str,
    ),
    "etcd-snapshot": script("k3s etcd-snapshot save --s3 --s3-access-key {} --s3-secret-key {} --tokn x"),
    "etcd-snapshot behind =": script("k3s etcd-snapshot save --s3 --s3-secret-key={} --etcd-s3-session-token={}"),
    "token rotation": script("k3s token rotate --token {} --new-token {}"),
    "docker run": script(
        "docker run -d -e K3S_TOKEN={} rancher/k3s:v1.33.4-k3s1 server --write-kubeconfig-mode 644 --token {}"
    ),
    "other commands beside": script(
        "mysql -u root --password={} -e 'x'; k3s server --write-kubeconfig-mode 644; mysql -p{}", "@:/?#"
    ),
    "ssh": script("ssh root@host \"k3s server --write-kubeconfig-mode 644 --token '{}'\"", "@:/?%=,", str),
    "open quote in a script": script("k3s server --write-kubeconfig-mode 644 --token '{}", "@:/?#&()%$!", str),
    "open bracket in a script": script("k3s server --write-kubeconfig-mode 644 --token {} $(", "@:/?#%", str),
    "comment in a script": script("k3s server --write-kubeconfig-mode 644 # with K3S_TOKEN={}"),
    "other commands": script(
        "sshpass -p {} ssh root@host x; mysqladmin -u root -p{} create k3s; k3s server --write-kubeconfig-mode 644",
        "@:/?#",
    ),
    "requests": script(
        'curl -u me:{} https://x | k3s server --write-kubeconfig-mode 644; curl -H "Authorization: Bearer {}" https://x',
        "@:/?#",
        str,
    ),
    # descriptions of hosts
    "user-data": user_data(BODY),
    "encoded user-data": user_data(BODY, encoded=True),
    "commands of user-data": config(
        "#cloud-config\nruncmd:\n  - K3S_TOKEN={} k3s server --write-kubeconfig-mode 644\n", "@/?%=,", path="user-data"
    ),
    "words of user-data": config(
        "#cloud-config\nruncmd:\n  - [k3s, server, --write-kubeconfig-mode=644, --token, {}]\n",
        EVERY,
        in_double_quotes,
        path="user-data",
    ),
    "token file of user-data": config(
        "#cloud-config\nwrite_files:\n  - path: /etc/rancher/k3s/token\n    content: {}\n", PLAIN, path="user-data"
    ),
    "Butane": config(
        f"variant: fcos\nstorage:\n  files:\n    - path: /{CONFIG}\n      contents:\n        inline: |\n"
        + indented(BODY, 10),
        PLAIN,
        path="k3s.bu",
    ),
    "Ignition": ignition(BODY),
    "encoded Ignition": ignition(BODY, encoded=True),
    "k3OS": config(
        "k3os:\n  token: {}\n  environment:\n    K3S_AGENT_TOKEN: {}\n  k3s_args: [--write-kubeconfig-mode=644]\n",
        PLAIN,
    ),
    "arguments of k3OS": config(
        "k3os:\n  k3s_args: [server, --token, {}]\n", EVERY, in_double_quotes, path="k3os.yaml"
    ),
    "Kairos": config(
        "#cloud-config\np2p:\n  network_token: {}\n"
        "k3s:\n  env:\n    K3S_TOKEN: {}\n  args: [--write-kubeconfig-mode=644]\n",
        PLAIN,
        path="kairos.yaml",
    ),
    "nested shell": script("sudo bash -c 'K3S_TOKEN=\"{}\" k3s server --write-kubeconfig-mode 644'", "@:/?%=,", str),
    # Ansible
    "inventory": config(
        "k3s_cluster:\n  children: {server: {hosts: {a: , b: }}}\n"
        "  vars:\n    k3s_version: v1.33.4+k3s1\n    api_endpoint: a\n    token: {}\n    server_config_yaml: |\n"
        "      token: {}\n      write-kubeconfig-mode: '0644'\n",
        PLAIN,
        path="inventory.yml",
    ),
    "inventory in ini format": config(
        "[master]\na k3s_token={}\nb\n[k3s_cluster:children]\nmaster\n[k3s_cluster:vars]\napiserver_endpoint=a\n"
        "k3s_token={}x\nextra_server_args=--write-kubeconfig-mode 644\n",
        "@:/?%=,",
        path="hosts.ini",
    ),
    "variables of a role": config(
        'k3s_version: v1.33.4+k3s1\ntoken: {}\nextra_server_args: "--token {} --write-kubeconfig-mode 644"\n',
        "@:/?%=,",
        path="group_vars/all.yml",
    ),
    "config in a variable": config(
        "k3s_server: {datastore-endpoint: 'mysql://k3s:{}@tcp(db)/k3s?tls=skip-verify', disable: [flannel]}\n"
        "k3s_control_token: {}\n",
        "@:/?%=,",
        path="host_vars/a.yml",
    ),
    "other variables": config(
        "k3s: {token: {}}\nour: {env: {K3S_TOKEN: {}, K3S_KUBECONFIG_MODE: '644'}}\n",
        EVERY,
        in_double_quotes,
        path="group_vars/k3s.yml",
    ),
    "tasks": config(
        "- name: K3s\n  shell: k3s server --write-kubeconfig-mode 644 --token '{}' creates=/x\n"
        "  environment: {K3S_TOKEN: '{}'}\n"
        "- name: File\n  lineinfile: {path: /etc/rancher/k3s/config.yaml, line: 'token: {}'}\n",
        "@:/?%=,",
        path="roles/k3s/tasks/main.yml",
    ),
    "task of words": config(
        "- name: K3s\n  command: k3s server --write-kubeconfig-mode=644 --token={} creates=/x\n",
        "@:/?%=,",
        path="roles/k3s/tasks/main.yml",
    ),
}

SILENT = {
    # Forms in which nothing may be found, and with it nothing is shown.
    "token rotation",
    "Secret that does not parse",
    "Secret of S3 settings",
}


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(marker=markers)
def test_no_output_shows_a_credential(bench: Bench, name: str, marker: Marker) -> None:
    result = bench.scan(FORMS[name](marker))
    assert leaks(result.outputs, marker) == []
    if name not in SILENT and "not judged" not in result.outputs["text"]:
        assert result.code == 1, result.outputs["text"] + result.outputs["stderr"]


# --- other ways into the output -----------------------------------------------------------------------


def test_no_output_shows_the_key_of_a_kubeconfig(bench: Bench) -> None:
    key = base64_of("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIDummyDummyDummyDummy\n")
    outputs = bench.scan({"k3s.yaml": KUBECONFIG.replace("{}", key)}).outputs
    assert all("committed-cluster-secret" in outputs[form] for form in ("text", "json", "sarif"))
    assert not [form for form, output in outputs.items() if key[20:40] in output]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(marker=markers, other=markers)
def test_a_place_in_another_file_shows_no_credential(bench: Bench, marker: Marker, other: Marker) -> None:
    """A related place is shown with its line, which holds a credential of its own."""
    result = bench.scan(
        {
            "install-k3s.sh": f"T={shlex.quote(marker.made_of(EVERY))} M=644 U=https://u:{other.first}@proxy:1\n"
            'k3s server --datastore-endpoint "mysql://k3s:$T@tcp(db)/k3s?tls=skip-verify" --write-kubeconfig-mode $M'
            f" --datastore-cafile /c --token {shlex.quote(other.made_of(EVERY))}\n",
            CONFIG: f"datastore-endpoint: '{MYSQL.replace('{}', 'x')}'\n"
            f"datastore-cafile: /c # token: {other.made_of(PLAIN)}\n",
        }
    )
    assert result.code == 1
    assert leaks(result.outputs, marker) == []
    assert leaks(result.outputs, other) == []


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(marker=markers)
def test_our_own_options_show_no_credential(bench: Bench, marker: Marker) -> None:
    value = marker.made_of(PLAIN)
    for content in (
        f"token: {value}\n",
        f"k3s-version: {value}\n",
        f"clusters: {value}\n",
        f"clusters:\n  edge: {{servers: [a], tokn: {marker.made_of(FLOW)}}}\n",
        f"clusters:\n  edge:\n    servers: {{a: {marker.made_of(FLOW)}}}\n",
        f"- {value}\n",
        f"{value}\n",
        f'clusters: "{marker.first}\n',
        f"clusters: *{marker.first}\n",
    ):
        result = bench.scan({".k3s-policy.yaml": content, CONFIG: "write-kubeconfig-mode: '0644'\n"})
        assert result.code == 2, content
        assert leaks(result.outputs, marker) == [], content


@pytest.mark.parametrize("form", ["text", "json", "sarif"])
@settings(max_examples=10)
@given(marker=markers)
def test_standard_input_shows_no_credential(form: str, marker: Marker) -> None:
    content = f"token: {in_single_quotes(marker.made_of(EVERY))}\nwrite-kubeconfig-mode: '0644'\n"
    code, out, err = command("scan", "-", "--format", form, stdin=content)
    assert code == 1
    assert leaks({"out": out, "err": err}, marker) == []


@pytest.mark.parametrize(
    "error",
    [
        ValueError,
        KeyError,
        RuntimeError,
        RecursionError,
        UnicodeError,
        OSError,
        AssertionError,
        cli.UsageError,
        SystemError,
    ],
)
@pytest.mark.parametrize("place", ["check", "reader", "report"])
def test_an_exception_shows_no_credential(
    error: type[Exception], place: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = marker_of(1)
    value = marker.made_of(PLAIN)

    def fail(*_: object, **__: object) -> Iterator[Any]:
        raise error(f"cannot use {value}")

    if place == "check":
        judged_by(monkeypatch, fail)
    elif place == "reader":
        monkeypatch.setattr("k3s_policy.readers.door.read", fail)
    else:
        monkeypatch.setattr("k3s_policy.reports.text.render", fail)
    bench.write({CONFIG: f"token: {value}\n"})
    code, out, err = command("scan", str(bench.repository))
    assert code == 2
    # A reader that fails costs its file and not the scan; the report says so.
    assert (f"could not be read: {error.__name__}" in out) == (place == "reader")
    assert (out == "") == (place != "reader")
    assert "Traceback" not in err
    if not (error is cli.UsageError and place == "report"):
        assert leaks({"out": out, "err": err}, marker) == []


def judged_by(monkeypatch: pytest.MonkeyPatch, check: Callable[[Any], Iterator[Problem]]) -> None:
    """Let every rule have this check."""
    monkeypatch.setattr(
        "k3s_policy.run.load_for",
        lambda wanted, _: [Rule(load(name).card, load(name).judges, check) for name in wanted],
    )


def test_a_check_that_fails_says_which_and_where(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> Iterator[Problem]:
        raise ValueError("Zq7Secret")

    judged_by(monkeypatch, fail)
    bench.write({CONFIG: "node-name: a\ntoken: Zq7Secret\n"})
    code, out, err = command("scan", str(bench.repository), "--select", "plaintext-credential")
    assert (code, out) == (2, "")
    assert err == (f"k3s-policy: internal error: the rule plaintext-credential failed at {CONFIG}:1: ValueError\n")


def test_a_message_that_repeats_a_credential_is_masked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check should not say what the value is; should one do so, the value is masked all the same."""
    marker = marker_of(2)
    value = marker.made_of(PLAIN)

    def talkative(subject: Any) -> Iterator[Problem]:  # noqa: ANN401 - whatever the rule judges
        setting = subject.settings[0]
        said = str(setting.value)
        yield Problem(setting.at, f"the token is {said}", f"not {said}", related=((setting.at, f"{said}!"),))

    judged_by(monkeypatch, talkative)
    result = bench.scan({CONFIG: f"token: {value}\n"}, "--select=unknown-flag")
    assert result.code == 1
    assert "the token is ******" in result.outputs["text"]
    assert leaks(result.outputs, marker) == []


def test_equal_lines_but_for_the_credential_have_equal_fingerprints(bench: Bench) -> None:
    """Neither a fingerprint nor a line hash is made from the credential, which could be guessed from it."""

    def fingerprints(value: str) -> tuple[list[str], list[str]]:
        result = bench.scan({CONFIG: f"token: {value}\nwrite-kubeconfig-mode: '0644'\n"})
        report = json.loads(result.outputs["json"])
        sarif = json.loads(result.outputs["sarif"])
        hashes = [one["partialFingerprints"]["primaryLocationLineHash"] for one in sarif["runs"][0]["results"]]
        return [finding["fingerprint"] for finding in report["findings"]], hashes

    assert fingerprints("9f86d081884c7d65") == fingerprints("2c26b46b68ffc68ff99b453c1d304134")


# --- what masking must not hide -----------------------------------------------------------------------


def frame(bench: Bench, path: str, content: str, rule: str) -> tuple[str, str]:
    """Return the line that is shown for the first finding of a rule, and what stands above its carets."""
    bench.write({path: content})
    _, out, err = command("scan", str(bench.repository), "--select", rule)
    assert not err, err
    lines = out.splitlines()
    below = next(number for number, line in enumerate(lines) if re.match(r" +\| +\^", line))
    shown, carets = lines[below - 1], lines[below]
    return shown.partition("| ")[2], shown[carets.index("^") : carets.rindex("^") + 1]


MARK = "Zq7#Secret9"


@pytest.mark.parametrize(
    ("path", "content", "rule", "shown", "marked"),
    [
        (
            CONFIG,
            f"datastore-endpoint: 'mysql://k3s:{MARK}@tcp(db:3306)/k3s?tls=skip-verify'\n",
            "mysql-tls-skip-verify",
            "datastore-endpoint: 'mysql://k3s:******@tcp(db:3306)/k3s?tls=skip-verify'",
            "tls=skip-verify",
        ),
        (
            CONFIG,
            f'datastore-endpoint: "mysql://k3s:{MARK}@tcp(db:3306)/k3s?charset=utf8&tls=skip-verify" # database\n',
            "mysql-tls-skip-verify",
            'datastore-endpoint: "mysql://k3s:******@tcp(db:3306)/k3s?charset=utf8&tls=skip-verify" # database',
            "tls=skip-verify",
        ),
        (
            CONFIG,
            f'{{token: "{MARK}", write-kubeconfig-mode: "0644", node-name: one}}\n',
            "world-readable-kubeconfig",
            '{token: "******", write-kubeconfig-mode: "0644", node-name: one}',
            'write-kubeconfig-mode: "0644',
        ),
        (
            CONFIG,
            "{token: Zq7Secret9, write-kubeconfig-mode: '0644'}\n",
            "world-readable-kubeconfig",
            "{token: ******, write-kubeconfig-mode: '0644'}",
            "write-kubeconfig-mode: '0644",
        ),
        (
            CONFIG,
            f"token: '{MARK}' # from the safe\n",
            "plaintext-credential",
            "token: '******' # from the safe",
            "******",
        ),
        (
            UNIT,
            f"[Service]\nExecStart=/usr/bin/k3s server --token {MARK} --write-kubeconfig-mode=644 --cluster-init\n",
            "world-readable-kubeconfig",
            "ExecStart=/usr/bin/k3s server --token ****** --write-kubeconfig-mode=644 --cluster-init",
            "--write-kubeconfig-mode=644",
        ),
        (
            UNIT,
            f"[Service]\nExecStart=/usr/bin/k3s server -t={MARK} --token-file /etc/token --wirte-kubeconfig-mode=644\n",
            "unknown-flag",
            "ExecStart=/usr/bin/k3s server -t=****** --token-file /etc/token --wirte-kubeconfig-mode=644",
            "--wirte-kubeconfig-mode",
        ),
        (
            UNIT,
            "[Service]\nExecStart=/usr/bin/k3s server --token ${K3S_TOKEN} --write-kubeconfig-mode 644\n",
            "world-readable-kubeconfig",
            "ExecStart=/usr/bin/k3s server --token ${K3S_TOKEN} --write-kubeconfig-mode 644",
            "--write-kubeconfig-mode 644",
        ),
        (
            "etc/systemd/system/k3s.service.j2",
            "[Service]\nExecStart=/usr/bin/k3s server --token {{ k3s_token }} --write-kubeconfig-mode 644\n",
            "world-readable-kubeconfig",
            "ExecStart=/usr/bin/k3s server --token {{ k3s_token }} --write-kubeconfig-mode 644",
            "--write-kubeconfig-mode 644",
        ),
        (
            "install-k3s.sh",
            f"curl -sfL https://get.k3s.io | K3S_TOKEN='{MARK}' K3S_KUBECONFIG_MODE=644 sh -s - --disable traefik\n",
            "world-readable-kubeconfig",
            "curl -sfL https://get.k3s.io | K3S_TOKEN='******' K3S_KUBECONFIG_MODE=644 sh -s - --disable traefik",
            "K3S_KUBECONFIG_MODE=644",
        ),
        (
            "install-k3s.sh",
            "curl -sfL https://get.k3s.io | K3S_TOKEN=$TOKEN K3S_KUBECONFIG_MODE=644 sh -s - --disable traefik\n",
            "world-readable-kubeconfig",
            "curl -sfL https://get.k3s.io | K3S_TOKEN=$TOKEN K3S_KUBECONFIG_MODE=644 sh -s - --disable traefik",
            "K3S_KUBECONFIG_MODE=644",
        ),
        (
            CONFIG,
            "write-kubeconfig-mode: '0644' # see token-file: /etc/k3s/token, \"<token>\" and https://user@host:1/\n",
            "world-readable-kubeconfig",
            "write-kubeconfig-mode: '0644' # see token-file: /etc/k3s/token, \"<token>\" and https://user@host:1/",
            "write-kubeconfig-mode: '0644",
        ),
        (
            "install-k3s.sh",
            "k3s server --token-file /etc/token --datastore-endpoint 'postgres://k3s@db/k3s' --tls-sans x\n",
            "unknown-flag",
            "k3s server --token-file /etc/token --datastore-endpoint 'postgres://k3s@db/k3s' --tls-sans x",
            "--tls-sans",
        ),
        (
            "hosts.ini",
            "[k3s]\nnorth-1 k3s_control_node=true\na k3s_control_node=true\n[k3s:vars]\nk3s_etcd_datastore=true\n",
            "even-etcd-members",
            "north-1 k3s_control_node=true",
            "north-1",
        ),
    ],
)  # fmt: skip
def test_masking_hides_nothing_else(  # noqa: PLR0917 - fixtures are arguments
    bench: Bench, path: str, content: str, rule: str, shown: str, marked: str
) -> None:
    line, above_carets = frame(bench, path, content, rule)
    assert above_carets == marked
    assert line == shown
    assert "Zq7" not in line


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        ("--tls-sans", "--tls-sans"),
        ("--tlsSan", "--tlsSan"),
        ("--tokenfile", "--tokenfile"),
        ("-trusted-ca", "--trusted-ca"),
        ("--trustedCA", "--trustedCA"),
        ("--Node-Label", "--Node-Label"),
        ("-tK9Zq7Secret", "--t******"),
        ("--tokenK9Zq7Secret", "--token******"),
        ("--token:K9Zq7Secret", "--token:******"),
        ("--tokn:K9Zq7Secret", "--tokn:******"),
    ],
)
def test_the_name_of_an_unknown_option_is_shown_but_for_a_credential(bench: Bench, option: str, shown: str) -> None:
    bench.write({"k3s.sh": f"k3s server {option} --cluster-init\n"})
    _, out, _ = command("scan", str(bench.repository), "--select", "unknown-flag")
    assert f"`{shown}`" in out.partition("\n")[0]
    assert "Zq7" not in out


# --- secret_spans by itself ---------------------------------------------------------------------------


def masked(content: str, *known: str) -> str:
    source = Source("x", content)
    found = [Span(source, content.index(one), content.index(one) + len(one)) for one in known]
    for span in reversed(credential.secret_spans(source, found)):
        content = f"{content[: span.start]}***{content[span.end :]}"
    return content


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("token: a b # c", "token: *** # c"),
        ('token: "a b" # c', 'token: "***" # c'),
        ("K3S_TOKEN=abc K3S_URL=x", "K3S_TOKEN=*** K3S_URL=x"),
        ("a=https://u:p@h/x", "a=https://u:***@h/x"),
        ("a=https://u:p@s@h/x", "a=https://u:***@h/x"),
        ("--token abc --debug", "--token *** --debug"),
        ("--token=abc --debug", "--token=*** --debug"),
        ("-t abc -v 2", "-t *** -v 2"),
        ("--token --debug", "--token --debug"),
        ("--token-file /x", "--token-file /x"),
        ("token-file: /x", "token-file: /x"),
        ("token: $TOKEN", "token: $TOKEN"),
        ("token: $k3s_token", "token: $k3s_token"),
        ("token: $sEcr3t", "token: ***"),
        ("token: ${TOKEN}", "token: ${TOKEN}"),
        ("token: ${TOKEN:?is not set}", "token: ${TOKEN:?is not set}"),
        ("token: ${TOKEN:-abc}", "token: ***"),
        ("token: {{ token }}", "token: {{ token }}"),
        ("token: {{ token | default('abc') }}", "token: ***"),
        ("token: <token>", "token: <token>"),
        ("token: xxxxx", "token: xxxxx"),
        ("K10abcdef0123::server:abc", "***"),
        ("passphrase = 'abc'", "passphrase = '***'"),
        ("secretName: x, tokens: y", "secretName: x, tokens: y"),
        ("sshpass -p abc ssh h", "sshpass -p *** ssh h"),
        ("mysql -u root -pabc k3s", "mysql -u root -p*** k3s"),
        ("curl -u me:abc https://h", "curl -u me:*** https://h"),
        ("mkdir -p /etc/rancher/k3s", "mkdir -p /etc/rancher/k3s"),
        ("docker run -p 80:80 -u 1:1 x", "docker run -p 80:80 -u 1:1 x"),
    ],
)
def test_what_looks_like_a_credential_is_masked(content: str, shown: str) -> None:
    assert masked(content) == shown


def test_a_reader_that_knows_where_a_value_ends_is_believed() -> None:
    assert masked("{token: abc, node-name: one}", "abc") == "{token: ***, node-name: one}"
    assert masked("{token: abc, node-name: one}") == "{token: ***"


@pytest.mark.parametrize("piece", ["a", "a-", "://a:", "curl ", "mysql ", "'\"", "token: "])
def test_looking_for_credentials_takes_as_long_as_the_line_is(piece: str) -> None:
    growth.assert_linear(lambda number: credential.secret_spans(Source("x", piece * number), ()), 200_000 // len(piece))
