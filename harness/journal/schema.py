"""What a journal's file holds, and which files are taken for one.

Rows are ordered by time first: a tick adds to the end of one table and the
oldest leave from the front, so that pages stay full and a tick touches few.
What is read, one series over all time, is found through `tick`, one seek a tick.
"""

from __future__ import annotations

import json
import sqlite3

FILE_NAME = "journal.db"
# Counts up with every change of the tables below. A file of any other number is refused, not guessed at.
VERSION = 1

# The levels of `tick`: at which of the three its values stand.
RAW, FINE, COARSE = 0, 1, 2

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE event (t_s REAL NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE kept (from_s REAL PRIMARY KEY, to_s REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE tick (level INTEGER NOT NULL, t_s REAL NOT NULL, PRIMARY KEY (level, t_s)) WITHOUT ROWID;
CREATE TABLE raw (t_s REAL NOT NULL, series_id INTEGER NOT NULL, value REAL NOT NULL,
                  PRIMARY KEY (t_s, series_id)) WITHOUT ROWID;
CREATE TABLE fine (t_s REAL NOT NULL, series_id INTEGER NOT NULL, n INTEGER NOT NULL,
                   low REAL NOT NULL, mean REAL NOT NULL, high REAL NOT NULL, last REAL NOT NULL,
                   PRIMARY KEY (t_s, series_id)) WITHOUT ROWID;
CREATE TABLE coarse (t_s REAL NOT NULL, series_id INTEGER NOT NULL, n INTEGER NOT NULL,
                     low REAL NOT NULL, mean REAL NOT NULL, high REAL NOT NULL, last REAL NOT NULL,
                     PRIMARY KEY (t_s, series_id)) WITHOUT ROWID;
"""


def create(db: sqlite3.Connection) -> None:
    """Make the tables of a new journal, all or none. Raises sqlite3.Error."""
    db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={VERSION}; COMMIT;")


def check_version(db: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError unless the file is a journal of this version."""
    ((found,),) = db.execute("PRAGMA user_version")
    if found != VERSION:
        by = "a newer Heavyweather" if found > VERSION else "an older Heavyweather, or nothing yet"
        raise sqlite3.DatabaseError(f"its schema version is {found}, that of {by}; only {VERSION} is understood")


def read_meta(db: sqlite3.Connection) -> dict[str, object]:
    """Return the facts about the whole run. Raises sqlite3.Error."""
    return {key: json.loads(value) for key, value in db.execute("SELECT key, value FROM meta")}
