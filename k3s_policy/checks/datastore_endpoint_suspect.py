"""The datastore endpoint is accepted, and surely not what was meant.

kine and the drivers parse these without an error. K3s then fails to connect, which takes it up to five minutes, or
keeps its state where nobody looks for it:

* MySQL takes a password as it is written: `p%40ss` is sent with its percent sign (go-sql-driver/mysql `dsn.go`). NATS
  does the same (kine `pkg/drivers/nats`), PostgreSQL decodes.
* Backslashes and quotes that were meant for a shell, blanks, and an unquoted `&` that ends the command.
* MySQL has one host: `tcp(a:3306,b:3306)` becomes a single name. Networks are `tcp` and `unix`, a port is a number, an
  IPv6 address stands in brackets.
* Parameters of another driver. MySQL makes a system variable of what it does not know (`sslmode=require` gives no
  TLS), pgx a run-time parameter; both servers refuse the connection.
* PostgreSQL databases lose their capitals since kine 0.13 (K3s 1.31.2, 1.30.6, 1.29.10), and a host without a port gets
  that of its neighbour.
* The etcd list is split at commas and nothing else: blanks stay, and the scheme of the first server decides for all.
* `memory://` forgets the cluster at every restart, a path behind `sqlite://` loses the write-ahead log and the timeout
  that kine sets for its own database (kine `pkg/drivers/sqlite`).

Write the endpoint as the help of the finding says, in quotes or, better, in the config file.

```yaml wrong
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db1.example.com:3306,db2.example.com:3306)/k3s"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```

```yaml right
datastore-endpoint: "mysql://k3s:${PASSWORD}@tcp(db.example.com:3306)/k3s"
datastore-cafile: /etc/ssl/certs/database-ca.pem
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.judge.rule import Problem, rule
from k3s_policy.k3s.endpoint import Backend, mysql, postgres
from k3s_policy.k3s.endpoint.outcome import KINE_0_13, PGX
from k3s_policy.k3s.endpoint.parts import is_port
from k3s_policy.k3s.endpoint.suggestion import FORMS, suggestion
from k3s_policy.k3s.version import has_come
from k3s_policy.model.datastore import cut_short
from k3s_policy.model.finding import Confidence
from k3s_policy.model.subjects import Credential
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k3s_policy.judge.rule import Problems
    from k3s_policy.k3s.endpoint import Address, Endpoint, Parameter
    from k3s_policy.model.datastore import Datastore
    from k3s_policy.text import Text


@rule(
    severity="medium",
    see=("https://docs.k3s.io/datastore", "https://github.com/go-sql-driver/mysql#dsn-data-source-name"),
)
def check(subject: Datastore | Credential) -> Problems:
    """Report what is wrong with an endpoint that no driver refuses, each mistake once."""
    if isinstance(subject, Credential):
        if subject.what == "K3S_DATASTORE_ENDPOINT":
            yield from _cut(subject.value)
        return
    if subject.endpoint.refusal is not None:
        return
    yield from _cut(subject.setting.value)
    doubled = tuple(_doubled(subject.endpoint))
    yield from doubled
    if not doubled:  # else no part is what it seems to be
        yield from _from_shell(subject.endpoint)
        yield from _of_backend(subject)


def _of_backend(datastore: Datastore) -> Iterator[Problem]:
    endpoint = datastore.endpoint
    match datastore.backend:
        case Backend.MYSQL:
            yield from _encoded(endpoint)
            yield from _mysql_address(endpoint)
            yield from _mysql_parameters(endpoint)
        case Backend.POSTGRES:
            yield from _postgres(datastore)
        case Backend.ETCD:
            yield from _etcd(endpoint)
        case Backend.NATS:
            yield from _encoded(endpoint)
            yield from _nats(endpoint)
        case Backend.MEMORY:
            message = "the state is kept in memory: every restart begins a new cluster"
            yield Problem(endpoint.scheme, message, "leave datastore-endpoint out, or name a datastore that lasts")
        case Backend.SQLITE:
            yield from _sqlite(endpoint)


def _write(endpoint: Endpoint) -> str:
    """Say how the endpoint is written right."""
    form = suggestion(endpoint) or (FORMS.get(endpoint.backend) if endpoint.backend is not None else None)
    return f"write {form}" if form else ""


# --- what a shell was meant to read -------------------------------------------------------------------------


def _cut(value: Text) -> Iterator[Problem]:
    end = cut_short(value)
    if end is not None:
        message = f"the shell ends the endpoint at this `{end}`, which stands in no quotes: the rest never reaches K3s"
        yield Problem(end, message, "put the whole endpoint into single quotes")


_SECOND_SCHEME = pattern(r"(?:[a-z]+://)+|//+")


def _doubled(endpoint: Endpoint) -> Iterator[Problem]:
    """Report `mysql://mysql://`, and `mysql:////`: the second becomes a part of the user."""
    if endpoint.backend not in (Backend.MYSQL, Backend.POSTGRES, Backend.ETCD):
        return
    _, _, rest = endpoint.text.partition("://")
    match = _SECOND_SCHEME.match(str(rest))
    if match is None or endpoint.socket is not None or not rest.cut(match).known:
        return
    what = "the scheme stands here a second time" if ":" in match[0] else "slashes stand here that are too many"
    yield Problem(rest.cut(match), f"{what}: K3s takes that for a part of a name", _write(endpoint))


_BACKSLASHES = pattern(r"\\(?:[^\\]*\\)?")
_BRACKET = pattern(r"[()]")
_BLANKS = pattern(r"\s+")


def _from_shell(endpoint: Endpoint) -> Iterator[Problem]:
    """Report backslashes, brackets, quotes and blanks that became a part of the address or the database."""
    if endpoint.backend in (None, Backend.SQLITE, Backend.MEMORY, Backend.T4):
        return
    tail = endpoint.location
    backslashes = _BACKSLASHES.search(str(tail))
    if backslashes and tail.cut(backslashes).known:
        message = "the backslash is part of the endpoint: here no shell takes it away"
        yield Problem(tail.cut(backslashes), message, _write(endpoint))
    bracket = _BRACKET.search(str(endpoint.database))
    if bracket and endpoint.database.cut(bracket).known:
        message = "the parenthesis is part of the database's name"
        yield Problem(endpoint.database.cut(bracket), message, _write(endpoint))
    quote = _quote(endpoint, tail)
    if quote is not None:
        message = "the quotation mark is part of the endpoint: here no shell takes it away"
        yield Problem(quote, message, _write(endpoint))
    for match in _BLANKS.finditer(str(tail)):
        if tail.cut(match).known and endpoint.backend is not Backend.ETCD:
            at_end = match.end() == len(tail)
            kind = "line break" if "\n" in match[0] else "blank"
            message = f"the {kind} {'at the end ' if at_end else ''}is part of the endpoint, and of a name in it"
            yield Problem(tail.cut(match), message, f"take the {kind} out")
            return


def _quote(endpoint: Endpoint, tail: Text) -> Text | None:
    """Return a quotation mark in a name, or one that is left over at the end; parameters may be quoted."""
    names, _, parameters = tail.partition("?")
    for number, character in enumerate(str(names)):
        if character in "'\"`" and names[number].known:
            return names[number]
    if parameters and str(parameters)[-1] in "'\"" and str(parameters).count(str(parameters)[-1]) % 2:
        return parameters[-1]
    first = endpoint.user[:1]
    return first if first.known and str(first) in ("'", '"', "`") else None


# --- login --------------------------------------------------------------------------------------------------

_ENCODED = pattern(r"%(?:2[0-9A-Fa-f]|3[A-Fa-f]|40|5[B-Fb-f]|60|7[B-Eb-e]|[C-Fc-f][0-9A-Fa-f]%[89ABab][0-9A-Fa-f])")
"""What percent-encoding makes of the characters that need it."""


def _encoded(endpoint: Endpoint) -> Iterator[Problem]:
    """Report percent-encoding that nobody decodes; a `%` before other characters may well be meant."""
    for part, name in ((endpoint.password, "password"), (endpoint.user, "user")):
        if any(part.cut(match).known for match in _ENCODED.finditer(str(part))):
            driver = "MySQL" if endpoint.backend is Backend.MYSQL else "NATS"
            advice = f"write the {name} as it is: nothing in it needs to be encoded"
            if endpoint.backend is Backend.NATS:
                advice = "put user and password into a file, and name it with credsFile="
            yield Problem(part, f"the {name} is percent-encoded, and {driver} gets it as it is written here", advice)
            return


# --- MySQL --------------------------------------------------------------------------------------------------

_IPV6 = pattern(r"[0-9A-Fa-f]*(?::[0-9A-Fa-f.]*){2,}")


def _mysql_address(endpoint: Endpoint) -> Iterator[Problem]:
    network, socket = endpoint.network, endpoint.socket
    if network is not None and network.known and str(network).rstrip("\\") not in mysql.NETWORKS:
        yield Problem(
            network, "what stands before the parentheses is no network: there are tcp and unix", _write(endpoint)
        )
    if socket is not None and socket.known and socket:
        if str(network) != "unix":
            yield Problem(socket, "the path of a socket has to stand in `unix(...)`", "write unix(...)")
        elif not socket.startswith(("/", "@")):
            yield Problem(socket, "`unix(...)` takes the path of a socket, and this is none", "write tcp(...)")
    tail = endpoint.location
    if ":)" in str(tail):
        colon = tail[tail.find(":)") :][:1]
        yield Problem(
            colon, "there is no port behind the colon", "write the port, 3306 as a rule, or take the colon out"
        )
    for address in endpoint.addresses:
        yield from _unreachable(endpoint, address)


def _unreachable(endpoint: Endpoint, address: Address) -> Iterator[Problem]:
    """Report an address that is a list, an IPv6 address without brackets, or has a port that is none."""
    host, port = address.host, address.port
    if host.known and "," in str(host):
        if endpoint.backend is Backend.MYSQL:
            message = "MySQL takes the list for the name of one host: an endpoint of MySQL has a single server"
            yield Problem(host, message, "name one host, such as that of a proxy in front of the servers")
        return
    if host.known and _IPV6.fullmatch(str(host)) and not _is_bracketed(host):
        yield Problem(
            host, "an IPv6 address has to stand in brackets, else its end is taken for the port", _write(endpoint)
        )
    written = str(port).rstrip("\\)")
    if port.known and written and not _may_be_port(written):
        yield Problem(port, "the port is no number from 1 to 65535", _write(endpoint))


def _is_bracketed(host: Text) -> bool:
    first = host.runs[0]
    return first.source.content[: first.start].endswith("[")


def _may_be_port(written: str) -> bool:
    """Whether that is a number or the name of a port; `PORT` stands for one."""
    named = written in ("mysql", "postgresql") or (written.isupper() and written.replace("_", "").isalpha())
    return named or is_port(written)


_OF_JDBC = frozenset(
    {
        "allowPublicKeyRetrieval", "autoReconnect", "characterEncoding", "requireSSL", "serverTimezone", "ssl",
        "ssl-ca", "ssl-mode", "sslMode", "ssl_ca", "ssl_mode", "trustServerCertificate", "useSSL", "useUnicode",
        "verifyServerCertificate",
    }
)  # fmt: skip
"""Parameters of clients in other languages."""
_OF_POOLS = frozenset(
    {"binary_parameters", "connection_limit", "pgbouncer", "pool_timeout", "prefer_simple_protocol", "schema",
     "statement_cache_mode"}
)  # fmt: skip
"""Parameters of other PostgreSQL clients; pools of pgx itself are not what kine opens."""


def _mysql_parameters(endpoint: Endpoint) -> Iterator[Problem]:
    ampersand = str(endpoint.database).find("&")
    if ampersand >= 0 and endpoint.database.known and "=" in str(endpoint.database)[ampersand:]:
        message = "parameters begin behind a `?`: this is part of the database's name, and none of them counts"
        yield Problem(endpoint.database[ampersand:], message, "write `?` in place of the first `&`")
    right = {name.lower(): name for name in mysql.PARAMETERS}
    for parameter in _known(endpoint):
        name = str(parameter.name)
        if name == "tls" and str(parameter.value) == "kine":
            message = "`tls=kine` is kine's own name for the datastore files, which it does not know yet at this point"
            yield Problem(parameter.text, message, "leave `tls=` out, and name the authority with datastore-cafile")
        elif name in mysql.PARAMETERS:
            continue
        elif name.lower() in right:
            message = f"the driver has no parameter `{name}`, and makes a variable of it that the server refuses"
            yield Problem(parameter.text, message, f"write {right[name.lower()]}=: names are case-sensitive")
        elif name in postgres.PARAMETERS | _OF_JDBC:
            tls = "ssl" in name.lower()
            message = f"MySQL has no parameter `{name}`: it gives no TLS" if tls else f"MySQL has no parameter `{name}`"
            advice = "leave it out, and name the database's authority with datastore-cafile" if tls else "leave it out"
            yield Problem(parameter.text, f"{message}, and the server refuses the connection", advice)


def _known(endpoint: Endpoint) -> Iterator[Parameter]:
    return (parameter for parameter in endpoint.parameters if parameter.name.known)


# --- PostgreSQL ---------------------------------------------------------------------------------------------


def _postgres(datastore: Datastore) -> Iterator[Problem]:
    endpoint, version = datastore.endpoint, datastore.invocation.version
    if not endpoint.all("dbname") and _has_capitals(endpoint.database) and has_come(KINE_0_13, version):
        message = "K3s opens the database of this name in small letters, which is another one"
        yield Problem(endpoint.database, message, "write the name in small letters, and rename the database")
    yield from _postgres_ports(endpoint)
    right = {name.lower(): name for name in postgres.PARAMETERS}
    foreign = (mysql.PARAMETERS | _OF_JDBC | _OF_POOLS) - postgres.PARAMETERS
    for parameter in _known(endpoint):
        name = str(parameter.name)
        if name == "binary_parameters" and not has_come(PGX, version):
            continue
        if name in foreign or (name not in postgres.PARAMETERS and name.lower() in right):
            message = f"PostgreSQL has no parameter `{name}`, and refuses the connection"
            yield Problem(parameter.text, message, _instead(name, right))


def _instead(name: str, right: dict[str, str]) -> str:
    if name.lower() in right:
        return f"write {right[name.lower()]}=: names are case-sensitive"
    if "ssl" in name.lower() or name == "tls":
        return "write sslmode=verify-full, and name the database's authority with datastore-cafile"
    if name == "schema":
        return "write search_path="
    if name in ("prefer_simple_protocol", "pgbouncer", "binary_parameters", "statement_cache_mode"):
        return "write default_query_exec_mode=exec, or leave it out"
    return "write connect_timeout= in seconds" if name == "timeout" else "leave it out"


def _has_capitals(database: Text) -> bool:
    if not database.known:
        return False
    from urllib.parse import unquote  # rare, and slow to import

    return any(character.isupper() for character in unquote(str(database)))


def _postgres_ports(endpoint: Endpoint) -> Iterator[Problem]:
    """Report hosts that get the port of another: pgx has one port for all, or one for each."""
    ports = {str(address.port) for address in endpoint.addresses if address.port and address.port.known}
    without = [address.host for address in endpoint.addresses if address.host.known and not address.port]
    if len(ports) == 1 and without and not endpoint.all("host") and not endpoint.all("port"):
        (port,) = ports
        yield Problem(without[0], f"the port {port} of another host counts for this one too", "give each host its port")


# --- etcd and NATS ------------------------------------------------------------------------------------------


def _etcd(endpoint: Endpoint) -> Iterator[Problem]:
    if endpoint.socket is not None:
        return
    elements = endpoint.text.split(",")
    listed = list(zip(elements, endpoint.addresses, strict=True))
    yield from _list_form(endpoint, elements)
    yield from _schemes(endpoint, listed)
    if endpoint.user.known and endpoint.user:
        message = "K3s does not log in to etcd: what stands before the `@` is not used"
        advice = (
            "leave user and password out, and name a client certificate with datastore-certfile and datastore-keyfile"
        )
        yield Problem(endpoint.user, message, advice)
    seen: dict[tuple[str, str], Text] = {}
    for element, address in listed:
        if not element.known or not address.host.strip():
            continue
        yield from _unreachable(endpoint, address)
        place = (str(address.host).strip().lower(), str(address.port).strip())
        if place in seen:
            message = "this server stands in the list twice"
            yield Problem(
                element.strip(), message, "name each member once", related=((seen[place], "the same server"),)
            )
        seen.setdefault(place, element.strip())
    yield from _without_port(endpoint)


def _list_form(endpoint: Endpoint, elements: list[Text]) -> Iterator[Problem]:
    """Report blanks, empty elements and other separators, which nothing takes out of the list."""
    for number, element in enumerate(elements):
        blanks = _BLANKS.search(str(element))
        if not element:
            comma = _before(endpoint.text, element, elements[:number])
            message = "the list has an empty element here, which K3s takes for a server"
            yield Problem(comma, message, _write(endpoint))
        elif (semicolon := element.find(";")) >= 0 and element.known:
            message = "the list is split at commas alone, and not at `;`"
            yield Problem(element[semicolon : semicolon + 1], message, "write `,` between the servers")
        elif blanks and element.cut(blanks).known:
            message = "the blank is part of the server's URL: the list is split at commas alone"
            yield Problem(element.cut(blanks), message, _write(endpoint))


def _before(text: Text, element: Text, earlier: list[Text]) -> Text:
    """Return the comma in front of an element."""
    position = sum(len(one) + 1 for one in earlier)
    return text[position - 1 : position] if position else element


def _schemes(endpoint: Endpoint, listed: list[tuple[Text, Address]]) -> Iterator[Problem]:
    """Report the first server whose scheme is another than that of the first, which decides for all."""
    decides = str(endpoint.scheme)
    for element, address in listed[1:]:
        scheme = address.scheme.strip()
        if not element.strip() or not scheme.known or not address.host.known or str(scheme) == decides:
            continue
        counts = "goes without TLS" if decides == "http" else "is asked for TLS"
        message = f"the first server's scheme decides for all of them: this one {counts} too"
        if not scheme:
            message = "this server has no scheme: each of the list needs one"
        yield Problem(scheme or element.strip(), message, _write(endpoint))
        return


def _without_port(endpoint: Endpoint) -> Iterator[Problem]:
    for address in endpoint.addresses:
        host = address.host.strip()
        if not host and address.scheme.known and str(address.scheme).strip() in ("http", "https"):
            yield Problem(address.scheme, "there is no host behind the scheme", f"write {FORMS[Backend.ETCD]}")
        elif host and host.known and not address.port and ":" not in str(host):
            message = "the server has no port, and nothing adds the 2379 of etcd"
            yield Problem(host, message, _write(endpoint), confidence=Confidence.MEDIUM)
            return


def _nats(endpoint: Endpoint) -> Iterator[Problem]:
    if str(endpoint.scheme) == "jetstream":
        message = "`jetstream://` stands for nothing by itself: kine takes it off, and wants a nats:// behind it"
        yield Problem(endpoint.scheme, message, "write nats:// alone")
    for address in endpoint.addresses:
        if address.host.known:
            yield from _unreachable(endpoint, address)


# --- SQLite -------------------------------------------------------------------------------------------------


def _sqlite(endpoint: Endpoint) -> Iterator[Problem]:
    path = endpoint.database
    if not path or not path.known or str(endpoint.scheme) != "sqlite":
        return
    if ":memory:" in str(path) or any(str(one.text) == "mode=memory" for one in endpoint.parameters):
        message = "the state is kept in memory: every restart begins a new cluster"
        yield Problem(path, message, "leave datastore-endpoint out")
    elif not endpoint.parameters and not endpoint.is_open:
        message = "a path without parameters loses the write-ahead log, the busy timeout and the locking that K3s sets"
        advice = "leave datastore-endpoint out and move the data with data-dir, or add " + _SQLITE
        yield Problem(path, message, advice)


_SQLITE = "?_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&_txlock=immediate&cache=shared"
