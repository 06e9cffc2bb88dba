-- Ids are 16-byte UUIDs, times are milliseconds since 1970 UTC, bodies are the protocol's JSON.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id           BLOB PRIMARY KEY,
    username     TEXT NOT NULL UNIQUE,          -- lower case
    display_name TEXT NOT NULL,
    password     TEXT NOT NULL,                 -- PHC string
    avatar       TEXT,
    locale       TEXT,                          -- NULL: the browser's
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    id           BLOB PRIMARY KEY,
    token_hash   BLOB NOT NULL UNIQUE,          -- SHA-256; the token itself is never stored
    account      BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device       TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_account ON session (account);

-- head_seq and head_rev are allocated in the transaction that writes what they number, so they have no holes.
CREATE TABLE conversation (
    id           BLOB PRIMARY KEY,
    kind         INTEGER NOT NULL,              -- 0 direct, 1 group
    title        TEXT NOT NULL,
    head_seq     INTEGER NOT NULL DEFAULT 0,
    head_rev     INTEGER NOT NULL DEFAULT 0,
    member_count INTEGER NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE member (
    conversation BLOB NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
    account      BLOB NOT NULL REFERENCES account (id),
    role         INTEGER NOT NULL,              -- 0 member, 1 admin, 2 owner
    read_seq     INTEGER NOT NULL,              -- only ever raised
    joined_seq   INTEGER NOT NULL,              -- messages after this one are theirs to read
    joined_rev   INTEGER NOT NULL,              -- changes after this one are theirs to see
    joined_at    INTEGER NOT NULL,
    PRIMARY KEY (conversation, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_account ON member (account);

-- Clustered by place, because people read far more than they write: a page is one range of the tree.
CREATE TABLE message (
    conversation BLOB NOT NULL,
    seq          INTEGER NOT NULL,
    posted_rev   INTEGER NOT NULL,              -- the change that posted it
    rev          INTEGER NOT NULL,              -- its last change
    id           BLOB NOT NULL,
    sender       BLOB NOT NULL,
    nonce        TEXT NOT NULL,
    digest       INTEGER NOT NULL,              -- of what the nonce was first used for
    body         TEXT NOT NULL,
    sent_at      INTEGER NOT NULL,
    edited_at    INTEGER,
    recalled     INTEGER NOT NULL DEFAULT 0,
    reply_to     BLOB,
    PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX message_id ON message (id);
-- Nonce first: our own clients' nonces are time-ordered, so the index grows at its end.
CREATE UNIQUE INDEX message_nonce ON message (nonce, sender);
CREATE INDEX message_recalled ON message (conversation, seq) WHERE recalled;

-- Every change that is not a new message. Between two of these rows each rev posted exactly one message, so the
-- message behind any rev is found by counting on from the row before it; new messages need no row here.
CREATE TABLE change (
    conversation BLOB NOT NULL,
    rev          INTEGER NOT NULL,
    seq          INTEGER NOT NULL,              -- head_seq when it happened
    kind         INTEGER NOT NULL,              -- 1 joined, 2 left, 3 renamed, 4 role
    actor        BLOB NOT NULL,
    subject      BLOB,
    title        TEXT,
    role         INTEGER,
    changed_at   INTEGER NOT NULL,
    PRIMARY KEY (conversation, rev)
) STRICT, WITHOUT ROWID;
