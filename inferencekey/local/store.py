"""The platform's state in SQLite: projects, workloads, tokens, first answers of idempotent creates.

One connection, used by the event loop's thread only, is the one writer: a create reads which slugs
are taken and writes the row with nothing in between. Write-ahead logging keeps every committed
change through a kill -9.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .errors import LocalError
from .slug import free_slug
from .tokens import hashed
from .types import Json, OnTaken, Token, TokenKind, Workload

SCHEMA_VERSION = 1
IDEMPOTENCY_DAYS = 1
"""How long the first answer to an `idempotency-key` is given again."""

_SCHEMA = """
CREATE TABLE projects (id TEXT PRIMARY KEY, slug TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL);
CREATE TABLE workloads (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL REFERENCES projects (id), slug TEXT NOT NULL,
    name TEXT NOT NULL, task_type TEXT NOT NULL, backend TEXT NOT NULL, model_name TEXT NOT NULL,
    description TEXT, config TEXT, worker_id TEXT, gpu_resource_id TEXT, execution_policy TEXT,
    execution_policy_config TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    UNIQUE (project_id, slug));
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    project TEXT NOT NULL, scopes TEXT NOT NULL, grants TEXT NOT NULL, created_at TEXT NOT NULL,
    revoked_at TEXT);
CREATE TABLE first_answers (
    project TEXT NOT NULL, key TEXT NOT NULL, body_hash TEXT NOT NULL, answer BLOB NOT NULL,
    created_at TEXT NOT NULL, PRIMARY KEY (project, key));
"""
_JSON_COLUMNS = ("config", "execution_policy_config")
_WORKLOAD_COLUMNS = tuple(field.name for field in fields(Workload) if field.name != "project_slug")


class SlugTaken(Exception):
    """A create named a slug that is taken, and the platform does not append a number."""


class Store:
    """The tables, as values of `types.py`. Every method takes well under a millisecond and is a
    transaction of its own, unless the caller opens one around several.

    path: the database's file, or None to keep everything in memory.
    Raises LocalError where the file cannot be opened or was written by a newer version."""

    def __init__(self, path: Path | None = None) -> None:
        self._where = str(path) if path else "memory"
        try:
            # Made by the thread that starts the platform and used by the loop's thread: never by
            # both at once.
            self._db = sqlite3.connect(
                path or ":memory:", isolation_level=None, check_same_thread=False, timeout=0.5
            )
            try:
                if path:
                    path.chmod(0o600)
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, OSError) as cause:
            raise self._unusable(cause) from cause

    def _unusable(self, cause: Exception) -> LocalError:
        if "locked" in str(cause):
            return LocalError(
                f"another platform uses the database {self._where}",
                hint="stop that one, or name another file with `--db`",
            )
        return LocalError(
            f"cannot open the database {self._where}: {cause}",
            hint="name another file with `--db`",
        )

    def _prepare(self) -> None:
        self._db.row_factory = sqlite3.Row
        # Two platforms over one database would run every engine twice. The lock ends with the
        # process, however that ends.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise LocalError(
                f"the database {self._where} was written by a newer version of inferencekey",
                hint="update inferencekey, or name another file with `--db`",
            )
        if version == 0:
            self._db.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )

    def close(self) -> None:
        """Close the database; a write-ahead log is folded into it."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside happen, or none of them."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # -- projects

    def ensure_project(self, slug: str) -> str:
        """The id of the project `slug`, made where it is missing."""
        self._db.execute(
            "INSERT INTO projects VALUES (?, ?, ?) ON CONFLICT (slug) DO NOTHING",
            (f"proj_{secrets.token_hex(8)}", slug, _now()),
        )
        row = self._db.execute("SELECT id FROM projects WHERE slug = ?", (slug,)).fetchone()
        return str(row["id"])

    # -- workloads

    def workloads(self, project: str | None = None) -> list[Workload]:
        """All workloads of a project (of every project for None), oldest first."""
        return self._select("WHERE ? IS NULL OR p.slug = ? ORDER BY w.rowid", (project, project))

    def workload(self, workload_id: str) -> Workload | None:
        """The workload with this id."""
        return next(iter(self._select("WHERE w.id = ?", (workload_id,))), None)

    def workload_by_slug(self, project: str, slug: str) -> Workload | None:
        """The workload at this address of the project."""
        return next(iter(self._select("WHERE p.slug = ? AND w.slug = ?", (project, slug))), None)

    def create_workload(
        self, project: str, columns: dict[str, Json], on_taken: OnTaken
    ) -> Workload:
        """A new workload. A taken slug gets `-1`, `-2`…, or raises SlugTaken (`on_taken`)."""
        slug = free_slug(
            columns["slug"], lambda slug: self.workload_by_slug(project, slug) is not None
        )
        if on_taken == "conflict" and slug != columns["slug"]:
            raise SlugTaken(columns["slug"])
        now = _now()
        row = columns | {
            "slug": slug,
            "id": f"wl_{secrets.token_hex(12)}",
            "project_id": self.ensure_project(project),
            "created_at": now,
            "updated_at": now,
        }
        marks = ", ".join("?" for _ in _WORKLOAD_COLUMNS)
        self._db.execute(
            f"INSERT INTO workloads ({', '.join(_WORKLOAD_COLUMNS)}) VALUES ({marks})",
            [_encoded(column, row[column]) for column in _WORKLOAD_COLUMNS],
        )
        return self._existing(row["id"])

    def update_workload(self, live: Workload, columns: dict[str, Json]) -> Workload:
        """Set columns. `updated_at` moves only if one of them really changes, and then always
        forward."""
        changed = {k: v for k, v in columns.items() if not _same_json(getattr(live, k), v)}
        if not changed:
            return live
        changed["updated_at"] = _now(after=live.updated_at)
        sets = ", ".join(f"{column} = ?" for column in changed)
        self._db.execute(
            f"UPDATE workloads SET {sets} WHERE id = ?",
            [*(_encoded(column, value) for column, value in changed.items()), live.id],
        )
        return self._existing(live.id)

    def delete_workload(self, workload_id: str) -> bool:
        """Remove a workload; whether it was there."""
        done = self._db.execute("DELETE FROM workloads WHERE id = ?", (workload_id,))
        return done.rowcount == 1

    def _existing(self, workload_id: str) -> Workload:
        workload = self.workload(workload_id)
        if workload is None:
            raise LookupError(workload_id)
        return workload

    def _select(self, where: str, arguments: Sequence[object]) -> list[Workload]:
        columns = ", ".join(f"w.{column}" for column in _WORKLOAD_COLUMNS)
        rows = self._db.execute(
            f"SELECT {columns}, p.slug AS project_slug "
            f"FROM workloads w JOIN projects p ON p.id = w.project_id {where}",
            arguments,
        )
        return [Workload(**{key: _decoded(key, row[key]) for key in dict(row)}) for row in rows]

    # -- tokens

    def add_token(
        self,
        kind: TokenKind,
        token_id: str,
        text: str,
        *,
        name: str,
        project: str,
        scopes: tuple[str, ...] = (),
        grants: tuple[str, ...] = (),
    ) -> Token:
        """Keep a token's hash. A token that is known already stays as it is, revoked or not."""
        self.ensure_project(project)
        row = (
            token_id,
            kind,
            hashed(text),
            name,
            project,
            json.dumps(scopes),
            json.dumps(grants),
            _now(),
        )
        self._db.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL) "
            "ON CONFLICT (hash) DO NOTHING",
            row,
        )
        token = self.token_by_text(text)
        if token is None:
            raise LookupError(token_id)
        return token

    def token_by_text(self, text: str) -> Token | None:
        """The token with this text, also a revoked one."""
        row = self._db.execute("SELECT * FROM tokens WHERE hash = ?", (hashed(text),)).fetchone()
        return _token(row) if row else None

    def tokens(self) -> list[Token]:
        """All tokens, also revoked ones, oldest first."""
        return [_token(row) for row in self._db.execute("SELECT * FROM tokens ORDER BY rowid")]

    def revoke_token(self, token_id: str) -> bool:
        """Revoke a token at once; whether there was one in force."""
        done = self._db.execute(
            "UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
            (_now(), token_id),
        )
        return done.rowcount == 1

    # -- idempotent creates

    def first_answer(self, project: str, key: str) -> tuple[str, bytes] | None:
        """Hash of the body and the answer that were first seen with this key, None after a day."""
        since = _format(datetime.now(timezone.utc) - timedelta(days=IDEMPOTENCY_DAYS))
        self._db.execute("DELETE FROM first_answers WHERE created_at < ?", (since,))
        row = self._db.execute(
            "SELECT body_hash, answer FROM first_answers WHERE project = ? AND key = ?",
            (project, key),
        ).fetchone()
        return (row["body_hash"], row["answer"]) if row else None

    def keep_first_answer(self, project: str, key: str, body_hash: str, answer: bytes) -> None:
        """Remember the answer to a create, in place of one whose workload is gone."""
        self._db.execute(
            "INSERT OR REPLACE INTO first_answers VALUES (?, ?, ?, ?, ?)",
            (project, key, body_hash, answer, _now()),
        )


def workload_object(workload: Workload, phase: str | None) -> dict[str, Json]:
    """A workload as the wire shows it: every key of 2.5, with the phase for clients that poll
    (2.11)."""
    return asdict(workload) | {"workload_slug": workload.slug, "phase": phase}


def _same_json(live: Json, new: Json) -> bool:
    """Equal as JSON text: `1`, `1.0` and `true` are three values, the order of keys is none."""
    return json.dumps(live, sort_keys=True) == json.dumps(new, sort_keys=True)


def _encoded(column: str, value: Json) -> Json:
    if column in _JSON_COLUMNS and value is not None:
        return json.dumps(value, ensure_ascii=False)
    return value


def _decoded(column: str, value: Json) -> Json:
    return json.loads(value) if column in _JSON_COLUMNS and value is not None else value


def _token(row: sqlite3.Row) -> Token:
    columns = dict(row)
    del columns["hash"]
    for key in ("scopes", "grants"):
        columns[key] = tuple(json.loads(columns[key]))
    return Token(**columns)


def _format(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _now(after: str = "") -> str:
    """This moment as RFC 3339 with `Z`; later than `after`, even where the clock stands or was set
    back."""
    now = _format(datetime.now(timezone.utc))
    if now > after:
        return now
    last = datetime.strptime(after, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return _format(last + timedelta(microseconds=1))
