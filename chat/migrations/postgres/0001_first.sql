-- The tables of migrations/sqlite, in Postgres's types: ids are UUIDs, times are milliseconds since 1970 UTC, bodies are the protocol's JSON as
-- TEXT, so that words come back byte for byte (JSONB would refuse \u0000 and reorder keys). Text is compared by its bytes (COLLATE "C"): the same
-- order and the same folding, ASCII only, as SQLite's.

CREATE TABLE meta (
    key   TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE account (
    id           UUID PRIMARY KEY,
    username     TEXT COLLATE "C" NOT NULL UNIQUE,  -- lower case
    display_name TEXT COLLATE "C" NOT NULL,
    password     TEXT NOT NULL,                     -- PHC string
    avatar       TEXT,
    locale       TEXT,                              -- NULL: the browser's
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT
);

CREATE TABLE session (
    id           UUID PRIMARY KEY,
    token_hash   BYTEA NOT NULL UNIQUE,             -- SHA-256; the token itself is never stored
    account      UUID NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);
CREATE INDEX session_account ON session (account);

-- head_seq and head_rev are allocated in the transaction that writes what they number, under this row's lock, so they have no holes. Room is left
-- on each page, so that a head moves within its page and no index is touched.
CREATE TABLE conversation (
    id           UUID PRIMARY KEY,
    kind         SMALLINT NOT NULL,                 -- 0 direct, 1 group
    title        TEXT COLLATE "C" NOT NULL,
    head_seq     BIGINT NOT NULL DEFAULT 0,
    head_rev     BIGINT NOT NULL DEFAULT 0,
    member_count INTEGER NOT NULL,
    created_at   BIGINT NOT NULL,
    public       BOOLEAN NOT NULL DEFAULT FALSE,
    history      SMALLINT NOT NULL DEFAULT 0        -- 0 from the join, 1 all
) WITH (fillfactor = 70);
CREATE INDEX conversation_public ON conversation (member_count) WHERE public;

CREATE TABLE member (
    conversation UUID NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
    account      UUID NOT NULL REFERENCES account (id),
    role         SMALLINT NOT NULL,                 -- 0 member, 1 admin, 2 owner
    read_seq     BIGINT NOT NULL,                   -- only ever raised
    joined_seq   BIGINT NOT NULL,                   -- messages after this one are theirs to read
    joined_rev   BIGINT NOT NULL,                   -- changes after this one are theirs to see
    joined_at    BIGINT NOT NULL,
    muted_until  BIGINT,
    pinned       BOOLEAN NOT NULL DEFAULT FALSE,
    archived     BOOLEAN NOT NULL DEFAULT FALSE,
    draft        TEXT NOT NULL DEFAULT '',
    unread_from  BIGINT,                            -- cleared by the next read
    PRIMARY KEY (conversation, account)
) WITH (fillfactor = 70);
CREATE INDEX member_account ON member (account);

-- mentions: 16 bytes a person, in order of the text. reactions: the protocol's JSON, NULL: none.
CREATE TABLE message (
    conversation UUID NOT NULL,
    seq          BIGINT NOT NULL,
    posted_rev   BIGINT NOT NULL,                   -- the change that posted it
    rev          BIGINT NOT NULL,                   -- its last change
    id           UUID NOT NULL,
    sender       UUID NOT NULL,
    nonce        TEXT COLLATE "C" NOT NULL,
    digest       BIGINT NOT NULL,                   -- of what the nonce was first used for
    body         TEXT NOT NULL,
    sent_at      BIGINT NOT NULL,
    edited_at    BIGINT,
    recalled     BOOLEAN NOT NULL DEFAULT FALSE,
    reply_to     UUID,
    mentions     BYTEA,
    mentions_all BOOLEAN NOT NULL DEFAULT FALSE,
    reactions    TEXT,
    pinned       BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (conversation, seq)
);
CREATE UNIQUE INDEX message_id ON message (id);
-- Nonce first: our own clients' nonces are time-ordered, so the index grows at its end.
CREATE UNIQUE INDEX message_nonce ON message (nonce, sender);
CREATE INDEX message_recalled ON message (conversation, seq) WHERE recalled;
CREATE INDEX message_pinned ON message (conversation, seq) WHERE pinned;

-- Every change that is not a new message. Between two of these rows each rev posted exactly one message, so the
-- message behind any rev is found by counting on from the row before it; new messages need no row here.
CREATE TABLE change (
    conversation UUID NOT NULL,
    rev          BIGINT NOT NULL,
    seq          BIGINT NOT NULL,                   -- head_seq when it happened
    kind         SMALLINT NOT NULL,                 -- 1 joined, 2 left, 3 renamed, 4 role, 5 edited, 6 recalled, 7 reacted, 8 pinned, 9 access
    actor        UUID NOT NULL,
    subject      UUID,
    title        TEXT,
    role         SMALLINT,
    changed_at   BIGINT NOT NULL,
    target       BIGINT,                            -- the message it is about; NULL: it stands in the timeline by itself
    public       BOOLEAN,
    history      SMALLINT,
    PRIMARY KEY (conversation, rev)
);
CREATE INDEX change_line ON change (conversation, seq) WHERE target IS NULL;

-- Who is named where, so that unread mentions are counted and never kept. Account of 16 zero bytes: everybody.
CREATE TABLE mention (
    account      UUID NOT NULL,
    conversation UUID NOT NULL,
    seq          BIGINT NOT NULL,
    sender       UUID NOT NULL,
    PRIMARY KEY (account, conversation, seq)
);

-- What a message said before. Taken away with the message's words.
CREATE TABLE edit (
    conversation UUID NOT NULL,
    seq          BIGINT NOT NULL,
    since        BIGINT NOT NULL,                   -- when it began to say so
    body         TEXT NOT NULL,
    PRIMARY KEY (conversation, seq, since)
);

-- Nonces of requests other than new messages, kept for ever like those.
CREATE TABLE request (
    nonce        TEXT COLLATE "C" NOT NULL,
    sender       UUID NOT NULL,
    digest       BIGINT NOT NULL,
    conversation UUID NOT NULL,
    seq          BIGINT,                            -- the message it was about; NULL: the founding of the conversation
    PRIMARY KEY (nonce, sender)
);
