-- What the migrations end in, as SQLite shows it. Nothing reads this file but people.
-- Made by `python tools/schema.py`; a test keeps it so.

CREATE TABLE absences (
    began_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    CONSTRAINT pk_absences PRIMARY KEY (began_at)
);

CREATE TABLE account_identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    account_id TEXT NOT NULL,
    linked_at BIGINT NOT NULL,
    CONSTRAINT pk_account_identities PRIMARY KEY (issuer, subject),
    CONSTRAINT fk_account_identities_account_id FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE
);

CREATE INDEX ix_account_identities_account_id ON account_identities (account_id);

CREATE TABLE account_links (
    id TEXT NOT NULL,
    digest TEXT NOT NULL,
    kind TEXT NOT NULL,
    workspace_id TEXT,
    account_id TEXT,
    email TEXT,
    role TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT pk_account_links PRIMARY KEY (id),
    CONSTRAINT fk_account_links_account_id FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT fk_account_links_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
    CONSTRAINT uq_account_links_digest UNIQUE (digest)
);

CREATE INDEX ix_account_links_expires_at ON account_links (expires_at);

CREATE TABLE account_members (
    workspace_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    role TEXT NOT NULL,
    since BIGINT NOT NULL,
    CONSTRAINT pk_account_members PRIMARY KEY (workspace_id, account_id),
    CONSTRAINT fk_account_members_account_id FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT fk_account_members_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE
);

CREATE INDEX ix_account_members_account_id ON account_members (account_id);

CREATE TABLE account_recovery_codes (
    account_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    CONSTRAINT pk_account_recovery_codes PRIMARY KEY (account_id, digest),
    CONSTRAINT fk_account_recovery_codes_account_id FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE
);

CREATE TABLE account_sessions (
    id TEXT NOT NULL,
    digest TEXT NOT NULL,
    account_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    CONSTRAINT pk_account_sessions PRIMARY KEY (id),
    CONSTRAINT fk_account_sessions_account_id FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT fk_account_sessions_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
    CONSTRAINT uq_account_sessions_digest UNIQUE (digest)
);

CREATE INDEX ix_account_sessions_account_id ON account_sessions (account_id);

CREATE INDEX ix_account_sessions_last_used_at ON account_sessions (last_used_at);

CREATE TABLE accounts (
    id TEXT NOT NULL,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    password TEXT,
    totp TEXT,
    totp_offered TEXT,
    totp_step BIGINT,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT,
    CONSTRAINT pk_accounts PRIMARY KEY (id),
    CONSTRAINT uq_accounts_email UNIQUE (email)
);

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE alive_marks (
    name TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_alive_marks PRIMARY KEY (name)
);

CREATE TABLE announcements (
    at BIGINT NOT NULL,
    id BIGINT NOT NULL,
    topics TEXT NOT NULL,
    CONSTRAINT pk_announcements PRIMARY KEY (at, id)
);

CREATE TABLE audit_entries (
    workspace_id TEXT NOT NULL,
    id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    details TEXT NOT NULL,
    CONSTRAINT pk_audit_entries PRIMARY KEY (workspace_id, id)
);

CREATE INDEX ix_audit_entries_at ON audit_entries (at);

CREATE TABLE commands (
    device_id TEXT NOT NULL,
    id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    kind TEXT NOT NULL,
    arguments TEXT NOT NULL,
    state TEXT NOT NULL,
    open BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    delivered_at BIGINT,
    finished_at BIGINT,
    result TEXT,
    error TEXT,
    CONSTRAINT pk_commands PRIMARY KEY (device_id, id),
    CONSTRAINT fk_commands_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
);

CREATE INDEX ix_commands_open ON commands (open, device_id);

CREATE TABLE config_layers (
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    patch TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_config_layers PRIMARY KEY (workspace_id, name),
    CONSTRAINT fk_config_layers_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE
);

CREATE TABLE config_revisions (
    device_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    own TEXT NOT NULL,
    lower TEXT NOT NULL,
    document TEXT NOT NULL,
    origins TEXT NOT NULL,
    changed TEXT NOT NULL,
    digest TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    CONSTRAINT pk_config_revisions PRIMARY KEY (device_id, revision),
    CONSTRAINT fk_config_revisions_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
);

CREATE TABLE config_states (
    device_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    reported_revision BIGINT,
    reported_digest TEXT,
    reported_state TEXT,
    reported_error TEXT,
    reported_at BIGINT,
    CONSTRAINT pk_config_states PRIMARY KEY (device_id),
    CONSTRAINT fk_config_states_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
)
 WITHOUT ROWID
;

CREATE TABLE device_presence (
    workspace_id TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    device_id TEXT NOT NULL,
    interval_s INTEGER NOT NULL,
    last_seen_at BIGINT,
    last_heartbeat_at BIGINT,
    boot_id TEXT,
    uptime_s BIGINT,
    skew_ms BIGINT,
    CONSTRAINT pk_device_presence PRIMARY KEY (workspace_id, live, device_id),
    CONSTRAINT fk_device_presence_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE,
    CONSTRAINT uq_device_presence_device_id UNIQUE (device_id)
)
 WITHOUT ROWID
;

CREATE TABLE device_tags (
    device_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    position INTEGER NOT NULL,
    CONSTRAINT pk_device_tags PRIMARY KEY (device_id, tag),
    CONSTRAINT fk_device_tags_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
)
 WITHOUT ROWID
;

CREATE INDEX ix_device_tags_tag ON device_tags (tag, device_id);

CREATE TABLE device_tombstone_keys (
    digest TEXT NOT NULL,
    device_id TEXT NOT NULL,
    CONSTRAINT pk_device_tombstone_keys PRIMARY KEY (digest),
    CONSTRAINT fk_device_tombstone_keys_device_id FOREIGN KEY(device_id) REFERENCES device_tombstones (device_id) ON DELETE CASCADE
);

CREATE INDEX ix_device_tombstone_keys_device_id ON device_tombstone_keys (device_id);

CREATE TABLE device_tombstones (
    device_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    retired_at BIGINT NOT NULL,
    purged_at BIGINT,
    CONSTRAINT pk_device_tombstones PRIMARY KEY (device_id)
);

CREATE TRIGGER devices_texts_changed
AFTER UPDATE OF name, hostname, external_id, reference ON devices
WHEN coalesce(old.name, '') || char(10) || coalesce(old.id, '') || char(10) || coalesce(old.hostname, '') || char(10) || coalesce(old.external_id, '') || char(10) || coalesce(old.reference, '') <> coalesce(new.name, '') || char(10) || coalesce(new.id, '') || char(10) || coalesce(new.hostname, '') || char(10) || coalesce(new.external_id, '') || char(10) || coalesce(new.reference, '') BEGIN
    INSERT INTO devices_texts_index (devices_texts_index, rowid, text) SELECT 'delete', number, text FROM devices_texts WHERE key = old.id;
    UPDATE devices_texts SET text = coalesce(new.name, '') || char(10) || coalesce(new.id, '') || char(10) || coalesce(new.hostname, '') || char(10) || coalesce(new.external_id, '') || char(10) || coalesce(new.reference, '') WHERE key = old.id;
    INSERT INTO devices_texts_index (rowid, text) SELECT number, text FROM devices_texts WHERE key = old.id;
END;

CREATE TRIGGER devices_texts_ended AFTER DELETE ON devices BEGIN
    INSERT INTO devices_texts_index (devices_texts_index, rowid, text) SELECT 'delete', number, text FROM devices_texts WHERE key = old.id;
    DELETE FROM devices_texts WHERE key = old.id;
END;

CREATE TRIGGER devices_texts_made AFTER INSERT ON devices BEGIN
    INSERT INTO devices_texts (key, text) VALUES (new.id, coalesce(new.name, '') || char(10) || coalesce(new.id, '') || char(10) || coalesce(new.hostname, '') || char(10) || coalesce(new.external_id, '') || char(10) || coalesce(new.reference, ''));
    INSERT INTO devices_texts_index (rowid, text) SELECT number, text FROM devices_texts WHERE key = new.id;
END;

CREATE TABLE devices (
    id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    external_id TEXT,
    reference TEXT,
    hostname TEXT,
    facts TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    clone_suspected_at BIGINT,
    approval TEXT NOT NULL,
    released_at BIGINT,
    CONSTRAINT pk_devices PRIMARY KEY (id),
    CONSTRAINT fk_devices_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
    CONSTRAINT uq_devices_external_id_workspace_id_live UNIQUE (external_id, workspace_id, live),
    CONSTRAINT uq_devices_reference_workspace_id_live UNIQUE (reference, workspace_id, live)
);

CREATE INDEX ix_devices_by_name ON devices (workspace_id, live, name, id);

CREATE INDEX ix_devices_list ON devices (workspace_id, live, id);

CREATE TABLE devices_texts (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, text TEXT NOT NULL
);

CREATE VIRTUAL TABLE devices_texts_index USING fts5(
    text, content='devices_texts', content_rowid='number', tokenize='trigram', detail=none
);

CREATE TABLE environments (
    device_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    endpoint_id BIGINT,
    edge_key TEXT,
    handed_over_at BIGINT,
    tries INTEGER NOT NULL,
    next_at BIGINT,
    error TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_environments PRIMARY KEY (device_id)
);

CREATE INDEX ix_environments_next_at ON environments (next_at);

CREATE TABLE events (
    device_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    id BIGINT NOT NULL,
    device_at BIGINT,
    received_at BIGINT NOT NULL,
    workspace_id TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    event_id TEXT NOT NULL,
    event TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    description TEXT,
    error_code TEXT,
    metadata TEXT NOT NULL,
    ended_at BIGINT,
    CONSTRAINT pk_events PRIMARY KEY (device_id, at, id)
)
 WITHOUT ROWID
;

CREATE INDEX ix_events_feed ON events (workspace_id, live, id);

CREATE TABLE idempotent_answers (
    owner TEXT NOT NULL,
    "key" TEXT NOT NULL,
    request_digest TEXT NOT NULL,
    status INTEGER,
    body TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_idempotent_answers PRIMARY KEY (owner, "key")
);

CREATE INDEX ix_idempotent_answers_created_at ON idempotent_answers (created_at);

CREATE TABLE install_attempts (
    device_id TEXT NOT NULL,
    id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    address TEXT,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    CONSTRAINT pk_install_attempts PRIMARY KEY (device_id, id),
    CONSTRAINT fk_install_attempts_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
)
 WITHOUT ROWID
;

CREATE INDEX ix_install_attempts_at ON install_attempts (at);

CREATE TABLE install_tokens (
    id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    offline BOOLEAN NOT NULL,
    digest TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent_at BIGINT,
    spent_by_digest TEXT,
    CONSTRAINT pk_install_tokens PRIMARY KEY (id),
    CONSTRAINT fk_install_tokens_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE,
    CONSTRAINT fk_install_tokens_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
    CONSTRAINT uq_install_tokens_digest UNIQUE (digest)
);

CREATE INDEX ix_install_tokens_device_id ON install_tokens (device_id);

CREATE INDEX ix_install_tokens_expires_at ON install_tokens (expires_at);

CREATE TABLE job_turns (
    job TEXT NOT NULL,
    next_at BIGINT NOT NULL,
    CONSTRAINT pk_job_turns PRIMARY KEY (job)
);

CREATE TABLE keys (
    id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    device_id TEXT,
    live BOOLEAN NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    scopes TEXT,
    digest TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    revoked_at BIGINT,
    disabled_at BIGINT,
    protected BOOLEAN NOT NULL,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_keys PRIMARY KEY (id),
    CONSTRAINT fk_keys_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE,
    CONSTRAINT fk_keys_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
    CONSTRAINT uq_keys_digest UNIQUE (digest)
);

CREATE INDEX ix_keys_device_id ON keys (device_id);

CREATE INDEX ix_keys_workspace_id_id ON keys (workspace_id, id);

CREATE TABLE log_lines (
    device_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    id BIGINT NOT NULL,
    device_at BIGINT,
    received_at BIGINT NOT NULL,
    service TEXT NOT NULL,
    severity TEXT NOT NULL,
    message TEXT NOT NULL,
    CONSTRAINT pk_log_lines PRIMARY KEY (device_id, at, id)
)
 WITHOUT ROWID
;

CREATE TABLE provisioning_tokens (
    id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    policy TEXT NOT NULL,
    max_uses BIGINT,
    use_count BIGINT NOT NULL,
    tags TEXT NOT NULL,
    device_type TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT,
    CONSTRAINT pk_provisioning_tokens PRIMARY KEY (id),
    CONSTRAINT fk_provisioning_tokens_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE,
    CONSTRAINT uq_provisioning_tokens_digest UNIQUE (digest)
);

CREATE INDEX ix_provisioning_tokens_list ON provisioning_tokens (workspace_id, live, id);

CREATE TABLE report_checkpoints (
    device_id TEXT NOT NULL,
    epoch TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    chain TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_report_checkpoints PRIMARY KEY (device_id, epoch, sequence),
    CONSTRAINT fk_report_checkpoints_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
)
 WITHOUT ROWID
;

CREATE TABLE report_epochs (
    device_id TEXT NOT NULL,
    epoch TEXT NOT NULL,
    store TEXT,
    sequence BIGINT NOT NULL,
    chain TEXT NOT NULL,
    backfill BOOLEAN NOT NULL,
    current BOOLEAN NOT NULL,
    continues_epoch TEXT,
    continues_sequence BIGINT,
    began_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    checkpoint_at BIGINT,
    CONSTRAINT pk_report_epochs PRIMARY KEY (device_id, epoch),
    CONSTRAINT fk_report_epochs_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
)
 WITHOUT ROWID
;

CREATE TABLE report_forks (
    device_id TEXT NOT NULL,
    count BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    told_at BIGINT,
    CONSTRAINT pk_report_forks PRIMARY KEY (device_id),
    CONSTRAINT fk_report_forks_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
);

CREATE TABLE report_ledger (
    device_id TEXT NOT NULL,
    report_id TEXT NOT NULL,
    epoch TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    digest TEXT NOT NULL,
    chain TEXT NOT NULL,
    ordered BOOLEAN NOT NULL,
    received_at BIGINT NOT NULL,
    CONSTRAINT pk_report_ledger PRIMARY KEY (device_id, report_id),
    CONSTRAINT fk_report_ledger_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
)
 WITHOUT ROWID
;

CREATE INDEX ix_report_ledger_received_at ON report_ledger (received_at);

CREATE TABLE rollup_marks (
    device_id TEXT NOT NULL,
    hour BIGINT NOT NULL,
    CONSTRAINT pk_rollup_marks PRIMARY KEY (device_id, hour),
    CONSTRAINT fk_rollup_marks_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
)
 WITHOUT ROWID
;

CREATE INDEX ix_rollup_marks_hour ON rollup_marks (hour);

CREATE TABLE rollup_progress (
    name TEXT NOT NULL,
    until BIGINT NOT NULL,
    "after" TEXT NOT NULL,
    CONSTRAINT pk_rollup_progress PRIMARY KEY (name)
);

CREATE TABLE saved_views (
    workspace_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    "query" TEXT NOT NULL,
    saved_at BIGINT NOT NULL,
    CONSTRAINT pk_saved_views PRIMARY KEY (workspace_id, owner, name),
    CONSTRAINT fk_saved_views_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id) ON DELETE CASCADE
);

CREATE TABLE server_identity (
    name TEXT NOT NULL,
    check_value TEXT NOT NULL,
    CONSTRAINT pk_server_identity PRIMARY KEY (name)
);

CREATE TABLE service_states (
    device_id TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT,
    image TEXT,
    restarts BIGINT,
    cpu_percent DOUBLE,
    memory_mb DOUBLE,
    error TEXT,
    reported_at BIGINT NOT NULL,
    CONSTRAINT pk_service_states PRIMARY KEY (device_id, name),
    CONSTRAINT fk_service_states_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
);

CREATE TABLE sign_in_failures (
    subject TEXT NOT NULL,
    wrong_answers INTEGER NOT NULL,
    last_at BIGINT NOT NULL,
    paused_until BIGINT,
    CONSTRAINT pk_sign_in_failures PRIMARY KEY (subject)
);

CREATE INDEX ix_sign_in_failures_last_at ON sign_in_failures (last_at);

CREATE TABLE storage_sizes (
    day INTEGER NOT NULL,
    at BIGINT NOT NULL,
    used_bytes BIGINT NOT NULL,
    CONSTRAINT pk_storage_sizes PRIMARY KEY (day)
);

CREATE TABLE stream_rollups (
    device_id TEXT NOT NULL,
    width_s INTEGER NOT NULL,
    start BIGINT NOT NULL,
    stream_id TEXT NOT NULL,
    samples INTEGER NOT NULL,
    camera_fps_sum DOUBLE,
    inference_fps_sum DOUBLE,
    sharpness_sum DOUBLE,
    camera_fps_n INTEGER,
    inference_fps_n INTEGER,
    sharpness_n INTEGER,
    CONSTRAINT pk_stream_rollups PRIMARY KEY (device_id, width_s, start, stream_id)
)
 WITHOUT ROWID
;

CREATE TABLE stream_samples (
    device_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    id BIGINT NOT NULL,
    device_at BIGINT,
    received_at BIGINT NOT NULL,
    stream_id TEXT NOT NULL,
    camera_fps DOUBLE,
    inference_fps DOUBLE,
    sharpness DOUBLE,
    CONSTRAINT pk_stream_samples PRIMARY KEY (device_id, at, id)
)
 WITHOUT ROWID
;

CREATE TABLE stream_snapshots (
    device_id TEXT NOT NULL,
    stream_id TEXT NOT NULL,
    taken_at BIGINT NOT NULL,
    command_id TEXT NOT NULL,
    jpeg BLOB NOT NULL,
    CONSTRAINT pk_stream_snapshots PRIMARY KEY (device_id, stream_id),
    CONSTRAINT fk_stream_snapshots_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
);

CREATE INDEX ix_stream_snapshots_taken_at ON stream_snapshots (taken_at);

CREATE TABLE stream_states (
    device_id TEXT NOT NULL,
    stream_id TEXT NOT NULL,
    status TEXT,
    pipeline_id TEXT,
    started_at BIGINT,
    last_event_at BIGINT,
    camera_fps DOUBLE,
    inference_fps DOUBLE,
    sharpness DOUBLE,
    error TEXT,
    reported_at BIGINT NOT NULL,
    CONSTRAINT pk_stream_states PRIMARY KEY (device_id, stream_id),
    CONSTRAINT fk_stream_states_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
);

CREATE TABLE telemetry_rollups (
    device_id TEXT NOT NULL,
    width_s INTEGER NOT NULL,
    start BIGINT NOT NULL,
    samples INTEGER NOT NULL,
    cpu_percent_sum DOUBLE,
    memory_percent_sum DOUBLE,
    disk_percent_sum DOUBLE,
    gpu_percent_sum DOUBLE,
    temperature_c_sum DOUBLE,
    network_upload_bytes_per_sec_sum DOUBLE,
    network_download_bytes_per_sec_sum DOUBLE,
    cpu_percent_n INTEGER,
    memory_percent_n INTEGER,
    disk_percent_n INTEGER,
    gpu_percent_n INTEGER,
    temperature_c_n INTEGER,
    network_upload_bytes_per_sec_n INTEGER,
    network_download_bytes_per_sec_n INTEGER,
    cpu_percent_min DOUBLE,
    memory_percent_min DOUBLE,
    disk_percent_min DOUBLE,
    gpu_percent_min DOUBLE,
    cpu_percent_max DOUBLE,
    memory_percent_max DOUBLE,
    disk_percent_max DOUBLE,
    gpu_percent_max DOUBLE,
    CONSTRAINT pk_telemetry_rollups PRIMARY KEY (device_id, width_s, start)
)
 WITHOUT ROWID
;

CREATE TABLE telemetry_samples (
    device_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    id BIGINT NOT NULL,
    device_at BIGINT,
    received_at BIGINT NOT NULL,
    cpu_percent DOUBLE,
    memory_percent DOUBLE,
    disk_percent DOUBLE,
    gpu_percent DOUBLE,
    temperature_c DOUBLE,
    network_upload_bytes_per_sec DOUBLE,
    network_download_bytes_per_sec DOUBLE,
    CONSTRAINT pk_telemetry_samples PRIMARY KEY (device_id, at, id)
)
 WITHOUT ROWID
;

CREATE TABLE virtual_devices (
    device_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    live BOOLEAN NOT NULL,
    slot INTEGER NOT NULL,
    profile TEXT NOT NULL,
    seed BIGINT NOT NULL,
    online BOOLEAN NOT NULL,
    faulty BOOLEAN NOT NULL,
    "key" TEXT NOT NULL,
    happenings TEXT NOT NULL,
    driver TEXT,
    driven_until BIGINT,
    CONSTRAINT pk_virtual_devices PRIMARY KEY (device_id),
    CONSTRAINT fk_virtual_devices_device_id FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE,
    CONSTRAINT uq_virtual_devices_workspace_id_slot UNIQUE (workspace_id, slot)
);

CREATE TABLE workspaces (
    id TEXT NOT NULL,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    features TEXT NOT NULL,
    retention TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_workspaces PRIMARY KEY (id),
    CONSTRAINT uq_workspaces_slug UNIQUE (slug)
);
