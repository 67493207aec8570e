//! Every limit of the product, in one place. Sizes in bytes, times in milliseconds.

macro_rules! limits {
    ($( $(#[$doc:meta])* $name:ident : $type:ty = $value:expr; )*) => {
        $( $(#[$doc])* pub const $name: $type = $value; )*

        /// Name and value of every limit, for documentation and the generated client.
        pub const ALL: &[(&str, u64)] = &[ $( (stringify!($name), { let value: $type = $value; value as u64 }), )* ];
    };
}

limits! {
    /// A goal, a reason, a message of a person.
    GOAL_BYTES_MAX: usize = 16 * 1024;
    /// Tasks of one plan.
    PLAN_TASKS_MAX: usize = 500;
    /// Unretired tasks that may be under way at once.
    WINDOW_TASKS: usize = 64;
    /// Attempts running at once.
    SLOTS_MAX: usize = 64;
    /// Steps of one attempt.
    ATTEMPT_STEPS_MAX: usize = 60;
    /// Failed tries of one task before a replan is asked for.
    TASK_RETRIES: usize = 1;
    /// Plan versions of one run.
    PLAN_VERSIONS_MAX: usize = 5;
    /// Tool calls in one model answer.
    TOOL_CALLS_PER_ANSWER_MAX: usize = 16;
    /// Canonical JSON of the arguments of one tool call.
    TOOL_ARGUMENTS_BYTES_MAX: usize = 1024 * 1024;
    /// Part of a tool result a model sees; the rest stays in a blob.
    TOOL_RESULT_BYTES_MAX: usize = 48 * 1024;
    /// A task's result text handed on.
    TASK_RESULT_BYTES_MAX: usize = 48 * 1024;
    /// Paths listed in a prompt.
    PROMPT_FILES_MAX: usize = 200;
    /// Preview text inside an event.
    PREVIEW_BYTES_MAX: usize = 400;
    /// A blob up to this size lives in the database, a larger one in its own file.
    BLOB_INLINE_BYTES_MAX: usize = 64 * 1024;
    /// One blob.
    BLOB_BYTES_MAX: usize = 256 * 1024 * 1024;
    /// Canonical bytes of one event.
    EVENT_BYTES_MAX: usize = 1024 * 1024;
    /// Events of one group commit.
    COMMIT_EVENTS_MAX: usize = 512;
    /// Appends waiting for the writer.
    LEDGER_QUEUE_MAX: usize = 4096;
    /// Events of one page of a listing.
    PAGE_EVENTS_MAX: usize = 2000;
    /// Frames waiting for one stream before it is resent from the ledger.
    STREAM_QUEUE_MAX: usize = 1024;
    /// Frames handed over in one batch.
    STREAM_BATCH_MAX: usize = 64;
    /// Open streams of one installation.
    STREAMS_MAX: usize = 64;
    /// Files of a project that are copied into a base.
    PROJECT_FILES_MAX: usize = 20_000;
    /// Bytes of a project that are copied into a base.
    PROJECT_BYTES_MAX: usize = 200 * 1024 * 1024;
    /// One file read by a tool.
    FILE_READ_BYTES_MAX: usize = 64 * 1024 * 1024;
    /// One file written by a tool.
    FILE_WRITE_BYTES_MAX: usize = 64 * 1024 * 1024;
    /// Output kept of one process, each of stdout and stderr.
    PROCESS_OUTPUT_BYTES_MAX: usize = 8 * 1024 * 1024;
    /// Wall time of one process unless the call asks for less.
    PROCESS_WALL_MS_MAX: u64 = 600_000;
    /// Resident memory of one process tree.
    PROCESS_MEMORY_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
    /// Processes and threads of one process tree.
    PROCESS_TASKS_MAX: usize = 256;
    /// One request body of the HTTP API.
    REQUEST_BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
    /// One answer of a model, all parts.
    MODEL_ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
    /// Tokens asked of a model for one answer.
    MODEL_OUTPUT_TOKENS: usize = 8192;
    /// A model call without any byte.
    MODEL_IDLE_MS_MAX: u64 = 120_000;
    /// A model call, all of it.
    MODEL_WALL_MS_MAX: u64 = 900_000;
    /// Tries of one model call (first try included).
    MODEL_TRIES_MAX: usize = 4;
    /// Models of one list that a provider gives.
    MODEL_LIST_MAX: usize = 1_000;
    /// Bytes of such a list.
    MODEL_LIST_BYTES_MAX: usize = 2 * 1024 * 1024;
    /// Looking for a model server at one port of this machine.
    LOCAL_MODEL_MS_MAX: u64 = 1_500;
    /// Trying a provider out.
    PROVIDER_TEST_MS_MAX: u64 = 60_000;
    /// Money one run may be given, in millionths of a US dollar.
    BUDGET_MICRO_USD_MAX: u64 = 1_000_000_000_000;
    /// Tokens one run may be given.
    BUDGET_TOKENS_MAX: u64 = 1_000_000_000_000;
    /// Price of a million tokens, or of a minute of sound, in millionths of a US dollar.
    MODEL_PRICE_MICRO_USD_MAX: u64 = 100_000_000_000;
    /// Tokens a provider adds to a question of its own: templates, its words about tools.
    MODEL_TEMPLATE_TOKENS_MAX: usize = 4_096;
    /// Tokens of one picture, whatever the provider.
    MODEL_PICTURE_TOKENS_MAX: usize = 40_000;
    /// Rules that say which model serves what.
    ROUTES_MAX: usize = 100;
    /// Models that stand in for the one of a rule.
    ROUTE_FALLBACKS_MAX: usize = 8;
    /// Usage events the native model fabric keeps; the oldest go first.
    USAGE_EVENTS_MAX: usize = 10_000;
    /// Bytes of one recording as a model gets it.
    AUDIO_BYTES_MAX: usize = 25 * 1024 * 1024;
    /// Characters of what a model is told about a recording.
    AUDIO_PROMPT_CHARS_MAX: usize = 2_000;
    /// Tokens of a second of sound, whatever the provider.
    AUDIO_TOKENS_PER_SECOND_MAX: usize = 50;
    /// Runs under way at once.
    RUNS_MAX: usize = 16;
    /// Pending questions of one run.
    APPROVALS_PENDING_MAX: usize = 256;
    /// Messages people send to one run.
    RUN_MESSAGES_MAX: usize = 256;
    /// A launch link.
    LAUNCH_LINK_MS: u64 = 600_000;
    /// Open sessions of one run.
    SESSIONS_MAX: usize = 32;
    /// A lease whose holder says nothing ends by itself.
    LEASE_IDLE_MS: u64 = 900_000;
    /// Lines of scrollback a terminal keeps.
    TERMINAL_SCROLLBACK_LINES: usize = 5_000;
    /// Bytes of a page's text one browser tool call returns: some 4,000 tokens.
    BROWSER_TEXT_BYTES_MAX: usize = 14_000;
    /// Tabs of one task's browser.
    BROWSER_TABS_MAX: usize = 8;
    /// A page that does not finish loading is read as it is.
    BROWSER_LOAD_MS_MAX: u64 = 20_000;
    /// Live browsers of an installation, one a task that opened a page.
    BROWSERS_MAX: usize = 8;
    /// One message of a browser; a larger one is dropped and its question ends.
    BROWSER_MESSAGE_BYTES_MAX: usize = 48 * 1024 * 1024;
    /// One answer of a browser.
    BROWSER_ANSWER_MS_MAX: u64 = 20_000;
    /// A page's whole text, of which a call returns a part.
    BROWSER_PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
    /// Refs a task's browser remembers; the oldest go first.
    BROWSER_REFS_MAX: usize = 50_000;
    /// One screenshot.
    BROWSER_SCREENSHOT_BYTES_MAX: usize = 32 * 1024 * 1024;
    /// MCP servers of an installation.
    MCP_SERVERS_MAX: usize = 32;
    /// Tools of one MCP server.
    MCP_TOOLS_MAX: usize = 256;
    /// One message of an MCP server.
    MCP_MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
    /// One call of an MCP tool.
    MCP_CALL_MS_MAX: u64 = 120_000;
    /// From the start of an MCP server to its definitions.
    MCP_START_MS_MAX: u64 = 30_000;
    /// An MCP server that was not called for this long is ended; the next call starts it again.
    MCP_IDLE_MS: u64 = 60_000;
    /// Processes of MCP servers alive at once.
    MCP_PROCESSES_MAX: usize = 64;
    /// What an MCP server says unasked (notices, standard error) from one call to the next.
    MCP_NOISE_BYTES_MAX: usize = 8 * 1024 * 1024;
    /// Lines of an MCP server's standard output that are no messages.
    MCP_GARBAGE_LINES_MAX: usize = 32;
    /// The end of an MCP server's standard error that is kept to be shown.
    MCP_LOG_BYTES_MAX: usize = 8 * 1024;
    /// Description of an MCP tool, or of a part of its schema, as a model reads it.
    MCP_DESCRIPTION_CHARS_MAX: usize = 4096;
    /// Canonical JSON of the schema of one MCP tool.
    MCP_SCHEMA_BYTES_MAX: usize = 64 * 1024;
    /// Definitions of one MCP server together.
    MCP_DEFINITIONS_BYTES_MAX: usize = 1024 * 1024;
    /// Pixels of a picture's longer side as a model gets it; a larger one is made smaller.
    IMAGE_MODEL_PIXELS_MAX: usize = 1_568;
    /// Bytes of a picture as a model gets it: Anthropic takes 5 MiB of its base64, which is a third more.
    IMAGE_MODEL_BYTES_MAX: usize = 15 * 256 * 1024;
    /// Pixels of a picture that is decoded.
    IMAGE_DECODE_PIXELS_MAX: usize = 50_000_000;
    /// Notes one worker sees.
    NOTES_MAX: usize = 500;
    /// Pages served at once for one run.
    PREVIEWS_MAX: usize = 8;
    /// Files of one served page.
    PREVIEW_SITE_FILES_MAX: usize = 2_000;
    /// Bytes of one served page.
    PREVIEW_SITE_BYTES_MAX: usize = 50 * 1024 * 1024;
    /// One uploaded file.
    UPLOAD_BYTES_MAX: usize = 100 * 1024 * 1024;
    /// Part of a file a preview or a diff shows.
    PREVIEW_FILE_BYTES_MAX: usize = 512 * 1024;
    /// Rows and columns of a table a preview shows.
    PREVIEW_ROWS_MAX: usize = 500;
    /// Scripts running at once.
    SCRIPTS_MAX: usize = 16;
    /// TypeScript of one script, its modules included.
    SCRIPT_SOURCE_BYTES_MAX: usize = 64 * 1024;
    /// Levels of nesting in a script's source.
    SCRIPT_NESTING_MAX: usize = 1_000;
    /// Processor time of one script, waiting for tools not counted.
    SCRIPT_CPU_MS_MAX: u64 = 10_000;
    /// From the moment a script must stop to the answer, even if the engine does not let go.
    SCRIPT_STOP_MS_MAX: u64 = 100;
    /// Heap of one script.
    SCRIPT_HEAP_BYTES_MAX: usize = 64 * 1024 * 1024;
    /// Stack of one script.
    SCRIPT_STACK_BYTES_MAX: usize = 512 * 1024;
    /// Lines a script prints, all together; what comes after is dropped and said.
    SCRIPT_OUTPUT_BYTES_MAX: usize = 64 * 1024;
    /// JSON of a script's inputs, of its result, of one answer of a tool, and of the arguments of all calls that wait to start.
    SCRIPT_VALUE_BYTES_MAX: usize = 8 * 1024 * 1024;
    /// Calls of tools one script makes.
    SCRIPT_CALLS_MAX: usize = 10_000;
    /// Calls of tools a script waits for at once.
    SCRIPT_CALLS_PENDING_MAX: usize = 1_000;
    /// Of those, calls under way at once; the others wait in order.
    SCRIPT_CALLS_RUNNING_MAX: usize = 16;
    /// Timers of one script waiting at once.
    SCRIPT_TIMERS_MAX: usize = 1_000;
    /// Files that runs delivered, kept in the library's list; the oldest go first.
    LIBRARY_ENTRIES_MAX: usize = 20_000;
    /// Entries of one page of the library.
    LIBRARY_PAGE_MAX: usize = 100;
    /// Words looked for in audit or library.
    SEARCH_TEXT_CHARS_MAX: usize = 200;
    /// Events looked at for one part of an audit's search.
    AUDIT_SEARCH_EVENTS_MAX: usize = 20_000;
    /// Entries of one part.
    AUDIT_PAGE_MAX: usize = 200;
    /// Bytes of one answer with stored rows; the last row may go over it.
    AUDIT_ROWS_BYTES_MAX: usize = 4 * 1024 * 1024;
    /// Tool calls of one attempt that a playbook carries out.
    PLAYBOOK_STEPS_MAX: usize = 10_000;
    /// Playbooks that are listed.
    PLAYBOOKS_MAX: usize = 200;
    /// Files of one playbook.
    PLAYBOOK_FILES_MAX: usize = 32;
    /// Things one playbook asks for.
    PLAYBOOK_INPUTS_MAX: usize = 32;
    /// A text a playbook is given.
    PLAYBOOK_TEXT_BYTES_MAX: usize = 16 * 1024;
    /// Capabilities a run is given, or denied, beforehand.
    RUN_RULES_MAX: usize = 200;
    /// Paths with text from outside that a run's base names; of more, only their folders are.
    LABELLED_PATHS_MAX: usize = 2_000;
    /// Bytes of such paths in one event.
    LABELLED_PATHS_BYTES_MAX: usize = 256 * 1024;
    /// Contents with text from outside that one task leaves; of more, every file of the project counts.
    LABELLED_TASK_FILES_MAX: usize = 5_000;
    /// Contents and names with text from outside remembered of one project; over it, every file of the project counts.
    LABELLED_PROJECT_FILES_MAX: usize = 20_000;
    /// Connections of one child open at once.
    CONNECTIONS_MAX: usize = 256;
    /// A pairing link and its code.
    PAIRING_MS: u64 = 600_000;
    /// Wrong codes after which a pairing is locked.
    PAIRING_TRIES_MAX: usize = 5;
    /// Pairings of an installation, waiting and locked.
    PAIRINGS_MAX: usize = 16;
    /// Characters of a device's name.
    DEVICE_NAME_CHARS_MAX: usize = 60;
    /// Life of a certificate of this server.
    CERTIFICATE_MS: u64 = 60 * 24 * 3_600_000;
    /// Names and addresses under which a server is reached.
    SERVER_NAMES_MAX: usize = 32;
    /// Streams of one HTTP/2 connection open at once.
    HTTP2_STREAMS_MAX: usize = 100;
    /// Connections of one address beyond this machine.
    PEER_CONNECTIONS_MAX: usize = 64;
    /// Events between two snapshots of the fold.
    SNAPSHOT_EVENTS: usize = 10_000;
}
