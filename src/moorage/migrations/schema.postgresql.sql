-- What the migrations end in, as pg_dump shows it. Nothing reads this file but people.
-- Made by `python tools/schema.py`; a test keeps it so.

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

CREATE TABLE public.absences (
    began_at bigint NOT NULL,
    ended_at bigint NOT NULL
);

CREATE TABLE public.account_identities (
    issuer text NOT NULL,
    subject text NOT NULL,
    account_id text NOT NULL,
    linked_at bigint NOT NULL
);

CREATE TABLE public.account_links (
    id text NOT NULL,
    digest text NOT NULL,
    kind text NOT NULL,
    workspace_id text,
    account_id text,
    email text,
    role text,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    expires_at bigint NOT NULL
);

CREATE TABLE public.account_members (
    workspace_id text NOT NULL,
    account_id text NOT NULL,
    role text NOT NULL,
    since bigint NOT NULL
);

CREATE TABLE public.account_recovery_codes (
    account_id text NOT NULL,
    digest text NOT NULL
);

CREATE TABLE public.account_sessions (
    id text NOT NULL,
    digest text NOT NULL,
    account_id text NOT NULL,
    workspace_id text NOT NULL,
    live boolean NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    address text NOT NULL,
    agent text NOT NULL
);

CREATE TABLE public.accounts (
    id text NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    password text,
    totp text,
    totp_offered text,
    totp_step bigint,
    created_at bigint NOT NULL,
    disabled_at bigint
);

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.alive_marks (
    name text NOT NULL,
    at bigint NOT NULL
);

CREATE TABLE public.announcements (
    at bigint NOT NULL,
    id bigint NOT NULL,
    topics text NOT NULL
);

CREATE TABLE public.audit_entries (
    workspace_id text NOT NULL,
    id bigint NOT NULL,
    at bigint NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    entity_id text NOT NULL,
    details text NOT NULL
);

CREATE TABLE public.commands (
    device_id text NOT NULL,
    id text NOT NULL,
    workspace_id text NOT NULL,
    live boolean NOT NULL,
    kind text NOT NULL,
    arguments text NOT NULL,
    state text NOT NULL,
    open boolean NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    expires_at bigint NOT NULL,
    delivered_at bigint,
    finished_at bigint,
    result text,
    error text
);

CREATE TABLE public.config_layers (
    workspace_id text NOT NULL,
    name text NOT NULL,
    "position" integer NOT NULL,
    patch text NOT NULL,
    updated_at bigint NOT NULL
);

CREATE TABLE public.config_revisions (
    device_id text NOT NULL,
    revision integer NOT NULL,
    own text NOT NULL,
    lower text NOT NULL,
    document text NOT NULL,
    origins text NOT NULL,
    changed text NOT NULL,
    digest text NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL
);

CREATE TABLE public.config_states (
    device_id text NOT NULL,
    revision integer NOT NULL,
    reported_revision bigint,
    reported_digest text,
    reported_state text,
    reported_error text,
    reported_at bigint
);

CREATE TABLE public.device_presence (
    workspace_id text NOT NULL,
    live boolean NOT NULL,
    device_id text NOT NULL,
    interval_s integer NOT NULL,
    last_seen_at bigint,
    last_heartbeat_at bigint,
    boot_id text,
    uptime_s bigint,
    skew_ms bigint
);

CREATE TABLE public.device_tags (
    device_id text NOT NULL,
    tag text NOT NULL,
    "position" integer NOT NULL
);

CREATE TABLE public.device_tombstone_keys (
    digest text NOT NULL,
    device_id text NOT NULL
);

CREATE TABLE public.device_tombstones (
    device_id text NOT NULL,
    workspace_id text NOT NULL,
    live boolean NOT NULL,
    retired_at bigint NOT NULL,
    purged_at bigint
);

CREATE TABLE public.devices (
    id text NOT NULL,
    workspace_id text NOT NULL,
    live boolean NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    external_id text,
    reference text,
    hostname text,
    facts text NOT NULL,
    created_at bigint NOT NULL,
    clone_suspected_at bigint,
    approval text NOT NULL,
    released_at bigint
);

CREATE TABLE public.environments (
    device_id text NOT NULL,
    workspace_id text NOT NULL,
    live boolean NOT NULL,
    state text NOT NULL,
    endpoint_id bigint,
    edge_key text,
    handed_over_at bigint,
    tries integer NOT NULL,
    next_at bigint,
    error text,
    created_at bigint NOT NULL
);

CREATE TABLE public.events (
    device_id text NOT NULL,
    at bigint NOT NULL,
    id bigint NOT NULL,
    device_at bigint,
    received_at bigint NOT NULL,
    workspace_id text NOT NULL,
    live boolean NOT NULL,
    event_id text NOT NULL,
    event text NOT NULL,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    description text,
    error_code text,
    metadata text NOT NULL,
    ended_at bigint
);

CREATE TABLE public.idempotent_answers (
    owner text NOT NULL,
    key text NOT NULL,
    request_digest text NOT NULL,
    status integer,
    body text,
    created_at bigint NOT NULL
);

CREATE TABLE public.install_attempts (
    device_id text NOT NULL,
    id bigint NOT NULL,
    at bigint NOT NULL,
    address text,
    outcome text NOT NULL,
    reason text NOT NULL
);

CREATE TABLE public.install_tokens (
    id text NOT NULL,
    workspace_id text NOT NULL,
    device_id text NOT NULL,
    live boolean NOT NULL,
    offline boolean NOT NULL,
    digest text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    spent_at bigint,
    spent_by_digest text
);

CREATE TABLE public.job_turns (
    job text NOT NULL,
    next_at bigint NOT NULL
);

CREATE TABLE public.keys (
    id text NOT NULL,
    workspace_id text NOT NULL,
    device_id text,
    live boolean NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    scopes text,
    digest text NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    revoked_at bigint,
    disabled_at bigint,
    protected boolean NOT NULL,
    metadata text NOT NULL
);

CREATE TABLE public.log_lines (
    device_id text NOT NULL,
    at bigint NOT NULL,
    id bigint NOT NULL,
    device_at bigint,
    received_at bigint NOT NULL,
    service text NOT NULL,
    severity text NOT NULL,
    message text NOT NULL
)
PARTITION BY RANGE (at);

CREATE TABLE public.provisioning_tokens (
    id text NOT NULL,
    workspace_id text NOT NULL,
    live boolean NOT NULL,
    name text NOT NULL,
    digest text NOT NULL,
    policy text NOT NULL,
    max_uses bigint,
    use_count bigint NOT NULL,
    tags text NOT NULL,
    device_type text,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    expires_at bigint,
    last_used_at bigint,
    revoked_at bigint
);

CREATE TABLE public.report_checkpoints (
    device_id text NOT NULL,
    epoch text NOT NULL,
    sequence bigint NOT NULL,
    chain text NOT NULL,
    at bigint NOT NULL
);

CREATE TABLE public.report_epochs (
    device_id text NOT NULL,
    epoch text NOT NULL,
    store text,
    sequence bigint NOT NULL,
    chain text NOT NULL,
    backfill boolean NOT NULL,
    current boolean NOT NULL,
    continues_epoch text,
    continues_sequence bigint,
    began_at bigint NOT NULL,
    last_at bigint NOT NULL,
    checkpoint_at bigint
);

CREATE TABLE public.report_forks (
    device_id text NOT NULL,
    count bigint NOT NULL,
    last_at bigint NOT NULL,
    told_at bigint
);

CREATE TABLE public.report_ledger (
    device_id text NOT NULL,
    report_id text NOT NULL,
    epoch text NOT NULL,
    sequence bigint NOT NULL,
    digest text NOT NULL,
    chain text NOT NULL,
    ordered boolean NOT NULL,
    received_at bigint NOT NULL
);

CREATE TABLE public.rollup_marks (
    device_id text NOT NULL,
    hour bigint NOT NULL
);

CREATE TABLE public.rollup_progress (
    name text NOT NULL,
    until bigint NOT NULL,
    after text NOT NULL
);

CREATE TABLE public.saved_views (
    workspace_id text NOT NULL,
    owner text NOT NULL,
    name text NOT NULL,
    query text NOT NULL,
    saved_at bigint NOT NULL
);

CREATE TABLE public.server_identity (
    name text NOT NULL,
    check_value text NOT NULL
);

CREATE TABLE public.service_states (
    device_id text NOT NULL,
    name text NOT NULL,
    state text,
    image text,
    restarts bigint,
    cpu_percent double precision,
    memory_mb double precision,
    error text,
    reported_at bigint NOT NULL
);

CREATE TABLE public.sign_in_failures (
    subject text NOT NULL,
    wrong_answers integer NOT NULL,
    last_at bigint NOT NULL,
    paused_until bigint
);

CREATE TABLE public.storage_sizes (
    day integer NOT NULL,
    at bigint NOT NULL,
    used_bytes bigint NOT NULL
);

CREATE TABLE public.stream_rollups (
    device_id text NOT NULL,
    width_s integer NOT NULL,
    start bigint NOT NULL,
    stream_id text NOT NULL,
    samples integer NOT NULL,
    camera_fps_sum double precision,
    inference_fps_sum double precision,
    sharpness_sum double precision,
    camera_fps_n integer,
    inference_fps_n integer,
    sharpness_n integer
);

CREATE TABLE public.stream_samples (
    device_id text NOT NULL,
    at bigint NOT NULL,
    id bigint NOT NULL,
    device_at bigint,
    received_at bigint NOT NULL,
    stream_id text NOT NULL,
    camera_fps double precision,
    inference_fps double precision,
    sharpness double precision
)
PARTITION BY RANGE (at);

CREATE TABLE public.stream_snapshots (
    device_id text NOT NULL,
    stream_id text NOT NULL,
    taken_at bigint NOT NULL,
    command_id text NOT NULL,
    jpeg bytea NOT NULL
);

CREATE TABLE public.stream_states (
    device_id text NOT NULL,
    stream_id text NOT NULL,
    status text,
    pipeline_id text,
    started_at bigint,
    last_event_at bigint,
    camera_fps double precision,
    inference_fps double precision,
    sharpness double precision,
    error text,
    reported_at bigint NOT NULL
);

CREATE TABLE public.telemetry_rollups (
    device_id text NOT NULL,
    width_s integer NOT NULL,
    start bigint NOT NULL,
    samples integer NOT NULL,
    cpu_percent_sum double precision,
    memory_percent_sum double precision,
    disk_percent_sum double precision,
    gpu_percent_sum double precision,
    temperature_c_sum double precision,
    network_upload_bytes_per_sec_sum double precision,
    network_download_bytes_per_sec_sum double precision,
    cpu_percent_n integer,
    memory_percent_n integer,
    disk_percent_n integer,
    gpu_percent_n integer,
    temperature_c_n integer,
    network_upload_bytes_per_sec_n integer,
    network_download_bytes_per_sec_n integer,
    cpu_percent_min double precision,
    memory_percent_min double precision,
    disk_percent_min double precision,
    gpu_percent_min double precision,
    cpu_percent_max double precision,
    memory_percent_max double precision,
    disk_percent_max double precision,
    gpu_percent_max double precision
);

CREATE TABLE public.telemetry_samples (
    device_id text NOT NULL,
    at bigint NOT NULL,
    id bigint NOT NULL,
    device_at bigint,
    received_at bigint NOT NULL,
    cpu_percent double precision,
    memory_percent double precision,
    disk_percent double precision,
    gpu_percent double precision,
    temperature_c double precision,
    network_upload_bytes_per_sec double precision,
    network_download_bytes_per_sec double precision
)
PARTITION BY RANGE (at);

CREATE TABLE public.virtual_devices (
    device_id text NOT NULL,
    workspace_id text NOT NULL,
    live boolean NOT NULL,
    slot integer NOT NULL,
    profile text NOT NULL,
    seed bigint NOT NULL,
    online boolean NOT NULL,
    faulty boolean NOT NULL,
    key text NOT NULL,
    happenings text NOT NULL,
    driver text,
    driven_until bigint
);

CREATE TABLE public.workspaces (
    id text NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    features text NOT NULL,
    retention text NOT NULL,
    created_at bigint NOT NULL
);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.absences
    ADD CONSTRAINT pk_absences PRIMARY KEY (began_at);

ALTER TABLE ONLY public.account_identities
    ADD CONSTRAINT pk_account_identities PRIMARY KEY (issuer, subject);

ALTER TABLE ONLY public.account_links
    ADD CONSTRAINT pk_account_links PRIMARY KEY (id);

ALTER TABLE ONLY public.account_members
    ADD CONSTRAINT pk_account_members PRIMARY KEY (workspace_id, account_id);

ALTER TABLE ONLY public.account_recovery_codes
    ADD CONSTRAINT pk_account_recovery_codes PRIMARY KEY (account_id, digest);

ALTER TABLE ONLY public.account_sessions
    ADD CONSTRAINT pk_account_sessions PRIMARY KEY (id);

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT pk_accounts PRIMARY KEY (id);

ALTER TABLE ONLY public.alive_marks
    ADD CONSTRAINT pk_alive_marks PRIMARY KEY (name);

ALTER TABLE ONLY public.announcements
    ADD CONSTRAINT pk_announcements PRIMARY KEY (at, id);

ALTER TABLE ONLY public.audit_entries
    ADD CONSTRAINT pk_audit_entries PRIMARY KEY (workspace_id, id);

ALTER TABLE ONLY public.commands
    ADD CONSTRAINT pk_commands PRIMARY KEY (device_id, id);

ALTER TABLE ONLY public.config_layers
    ADD CONSTRAINT pk_config_layers PRIMARY KEY (workspace_id, name);

ALTER TABLE ONLY public.config_revisions
    ADD CONSTRAINT pk_config_revisions PRIMARY KEY (device_id, revision);

ALTER TABLE ONLY public.config_states
    ADD CONSTRAINT pk_config_states PRIMARY KEY (device_id);

ALTER TABLE ONLY public.device_presence
    ADD CONSTRAINT pk_device_presence PRIMARY KEY (workspace_id, live, device_id);

ALTER TABLE ONLY public.device_tags
    ADD CONSTRAINT pk_device_tags PRIMARY KEY (device_id, tag);

ALTER TABLE ONLY public.device_tombstone_keys
    ADD CONSTRAINT pk_device_tombstone_keys PRIMARY KEY (digest);

ALTER TABLE ONLY public.device_tombstones
    ADD CONSTRAINT pk_device_tombstones PRIMARY KEY (device_id);

ALTER TABLE ONLY public.devices
    ADD CONSTRAINT pk_devices PRIMARY KEY (id);

ALTER TABLE ONLY public.environments
    ADD CONSTRAINT pk_environments PRIMARY KEY (device_id);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT pk_events PRIMARY KEY (device_id, at, id);

ALTER TABLE ONLY public.idempotent_answers
    ADD CONSTRAINT pk_idempotent_answers PRIMARY KEY (owner, key);

ALTER TABLE ONLY public.install_attempts
    ADD CONSTRAINT pk_install_attempts PRIMARY KEY (device_id, id);

ALTER TABLE ONLY public.install_tokens
    ADD CONSTRAINT pk_install_tokens PRIMARY KEY (id);

ALTER TABLE ONLY public.job_turns
    ADD CONSTRAINT pk_job_turns PRIMARY KEY (job);

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT pk_keys PRIMARY KEY (id);

ALTER TABLE ONLY public.log_lines
    ADD CONSTRAINT pk_log_lines PRIMARY KEY (device_id, at, id);

ALTER TABLE ONLY public.provisioning_tokens
    ADD CONSTRAINT pk_provisioning_tokens PRIMARY KEY (id);

ALTER TABLE ONLY public.report_checkpoints
    ADD CONSTRAINT pk_report_checkpoints PRIMARY KEY (device_id, epoch, sequence);

ALTER TABLE ONLY public.report_epochs
    ADD CONSTRAINT pk_report_epochs PRIMARY KEY (device_id, epoch);

ALTER TABLE ONLY public.report_forks
    ADD CONSTRAINT pk_report_forks PRIMARY KEY (device_id);

ALTER TABLE ONLY public.report_ledger
    ADD CONSTRAINT pk_report_ledger PRIMARY KEY (device_id, report_id);

ALTER TABLE ONLY public.rollup_marks
    ADD CONSTRAINT pk_rollup_marks PRIMARY KEY (device_id, hour);

ALTER TABLE ONLY public.rollup_progress
    ADD CONSTRAINT pk_rollup_progress PRIMARY KEY (name);

ALTER TABLE ONLY public.saved_views
    ADD CONSTRAINT pk_saved_views PRIMARY KEY (workspace_id, owner, name);

ALTER TABLE ONLY public.server_identity
    ADD CONSTRAINT pk_server_identity PRIMARY KEY (name);

ALTER TABLE ONLY public.service_states
    ADD CONSTRAINT pk_service_states PRIMARY KEY (device_id, name);

ALTER TABLE ONLY public.sign_in_failures
    ADD CONSTRAINT pk_sign_in_failures PRIMARY KEY (subject);

ALTER TABLE ONLY public.storage_sizes
    ADD CONSTRAINT pk_storage_sizes PRIMARY KEY (day);

ALTER TABLE ONLY public.stream_rollups
    ADD CONSTRAINT pk_stream_rollups PRIMARY KEY (device_id, width_s, start, stream_id);

ALTER TABLE ONLY public.stream_samples
    ADD CONSTRAINT pk_stream_samples PRIMARY KEY (device_id, at, id);

ALTER TABLE ONLY public.stream_snapshots
    ADD CONSTRAINT pk_stream_snapshots PRIMARY KEY (device_id, stream_id);

ALTER TABLE ONLY public.stream_states
    ADD CONSTRAINT pk_stream_states PRIMARY KEY (device_id, stream_id);

ALTER TABLE ONLY public.telemetry_rollups
    ADD CONSTRAINT pk_telemetry_rollups PRIMARY KEY (device_id, width_s, start);

ALTER TABLE ONLY public.telemetry_samples
    ADD CONSTRAINT pk_telemetry_samples PRIMARY KEY (device_id, at, id);

ALTER TABLE ONLY public.virtual_devices
    ADD CONSTRAINT pk_virtual_devices PRIMARY KEY (device_id);

ALTER TABLE ONLY public.workspaces
    ADD CONSTRAINT pk_workspaces PRIMARY KEY (id);

ALTER TABLE ONLY public.account_links
    ADD CONSTRAINT uq_account_links_digest UNIQUE (digest);

ALTER TABLE ONLY public.account_sessions
    ADD CONSTRAINT uq_account_sessions_digest UNIQUE (digest);

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT uq_accounts_email UNIQUE (email);

ALTER TABLE ONLY public.device_presence
    ADD CONSTRAINT uq_device_presence_device_id UNIQUE (device_id);

ALTER TABLE ONLY public.devices
    ADD CONSTRAINT uq_devices_external_id_workspace_id_live UNIQUE (external_id, workspace_id, live);

ALTER TABLE ONLY public.devices
    ADD CONSTRAINT uq_devices_reference_workspace_id_live UNIQUE (reference, workspace_id, live);

ALTER TABLE ONLY public.install_tokens
    ADD CONSTRAINT uq_install_tokens_digest UNIQUE (digest);

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT uq_keys_digest UNIQUE (digest);

ALTER TABLE ONLY public.provisioning_tokens
    ADD CONSTRAINT uq_provisioning_tokens_digest UNIQUE (digest);

ALTER TABLE ONLY public.virtual_devices
    ADD CONSTRAINT uq_virtual_devices_workspace_id_slot UNIQUE (workspace_id, slot);

ALTER TABLE ONLY public.workspaces
    ADD CONSTRAINT uq_workspaces_slug UNIQUE (slug);

CREATE INDEX ix_account_identities_account_id ON public.account_identities USING btree (account_id);

CREATE INDEX ix_account_links_expires_at ON public.account_links USING btree (expires_at);

CREATE INDEX ix_account_members_account_id ON public.account_members USING btree (account_id);

CREATE INDEX ix_account_sessions_account_id ON public.account_sessions USING btree (account_id);

CREATE INDEX ix_account_sessions_last_used_at ON public.account_sessions USING btree (last_used_at);

CREATE INDEX ix_audit_entries_at ON public.audit_entries USING btree (at);

CREATE INDEX ix_commands_open ON public.commands USING btree (open, device_id);

CREATE INDEX ix_device_tags_tag ON public.device_tags USING btree (tag, device_id);

CREATE INDEX ix_device_tombstone_keys_device_id ON public.device_tombstone_keys USING btree (device_id);

CREATE INDEX ix_devices_by_name ON public.devices USING btree (workspace_id, live, name, id);

CREATE INDEX ix_devices_list ON public.devices USING btree (workspace_id, live, id);

CREATE INDEX ix_devices_texts ON public.devices USING gin (lower(((((((((COALESCE(name, ''::text) || chr(10)) || COALESCE(id, ''::text)) || chr(10)) || COALESCE(hostname, ''::text)) || chr(10)) || COALESCE(external_id, ''::text)) || chr(10)) || COALESCE(reference, ''::text))) public.gin_trgm_ops);

CREATE INDEX ix_environments_next_at ON public.environments USING btree (next_at);

CREATE INDEX ix_events_feed ON public.events USING btree (workspace_id, live, id);

CREATE INDEX ix_idempotent_answers_created_at ON public.idempotent_answers USING btree (created_at);

CREATE INDEX ix_install_attempts_at ON public.install_attempts USING btree (at);

CREATE INDEX ix_install_tokens_device_id ON public.install_tokens USING btree (device_id);

CREATE INDEX ix_install_tokens_expires_at ON public.install_tokens USING btree (expires_at);

CREATE INDEX ix_keys_device_id ON public.keys USING btree (device_id);

CREATE INDEX ix_keys_workspace_id_id ON public.keys USING btree (workspace_id, id);

CREATE INDEX ix_provisioning_tokens_list ON public.provisioning_tokens USING btree (workspace_id, live, id);

CREATE INDEX ix_report_ledger_received_at ON public.report_ledger USING btree (received_at);

CREATE INDEX ix_rollup_marks_hour ON public.rollup_marks USING btree (hour);

CREATE INDEX ix_sign_in_failures_last_at ON public.sign_in_failures USING btree (last_at);

CREATE INDEX ix_stream_snapshots_taken_at ON public.stream_snapshots USING btree (taken_at);

ALTER TABLE ONLY public.account_identities
    ADD CONSTRAINT fk_account_identities_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.account_links
    ADD CONSTRAINT fk_account_links_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.account_links
    ADD CONSTRAINT fk_account_links_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.workspaces(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.account_members
    ADD CONSTRAINT fk_account_members_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.account_members
    ADD CONSTRAINT fk_account_members_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.workspaces(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.account_recovery_codes
    ADD CONSTRAINT fk_account_recovery_codes_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.account_sessions
    ADD CONSTRAINT fk_account_sessions_account_id FOREIGN KEY (account_id) REFERENCES public.accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.account_sessions
    ADD CONSTRAINT fk_account_sessions_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.workspaces(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.commands
    ADD CONSTRAINT fk_commands_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.config_layers
    ADD CONSTRAINT fk_config_layers_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.workspaces(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.config_revisions
    ADD CONSTRAINT fk_config_revisions_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.config_states
    ADD CONSTRAINT fk_config_states_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.device_presence
    ADD CONSTRAINT fk_device_presence_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.device_tags
    ADD CONSTRAINT fk_device_tags_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.device_tombstone_keys
    ADD CONSTRAINT fk_device_tombstone_keys_device_id FOREIGN KEY (device_id) REFERENCES public.device_tombstones(device_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.devices
    ADD CONSTRAINT fk_devices_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.workspaces(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.install_attempts
    ADD CONSTRAINT fk_install_attempts_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.install_tokens
    ADD CONSTRAINT fk_install_tokens_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.install_tokens
    ADD CONSTRAINT fk_install_tokens_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.workspaces(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT fk_keys_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.keys
    ADD CONSTRAINT fk_keys_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.workspaces(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.provisioning_tokens
    ADD CONSTRAINT fk_provisioning_tokens_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.workspaces(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.report_checkpoints
    ADD CONSTRAINT fk_report_checkpoints_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.report_epochs
    ADD CONSTRAINT fk_report_epochs_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.report_forks
    ADD CONSTRAINT fk_report_forks_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.report_ledger
    ADD CONSTRAINT fk_report_ledger_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.rollup_marks
    ADD CONSTRAINT fk_rollup_marks_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.saved_views
    ADD CONSTRAINT fk_saved_views_workspace_id FOREIGN KEY (workspace_id) REFERENCES public.workspaces(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.service_states
    ADD CONSTRAINT fk_service_states_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.stream_snapshots
    ADD CONSTRAINT fk_stream_snapshots_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.stream_states
    ADD CONSTRAINT fk_stream_states_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.virtual_devices
    ADD CONSTRAINT fk_virtual_devices_device_id FOREIGN KEY (device_id) REFERENCES public.devices(id) ON DELETE CASCADE;
