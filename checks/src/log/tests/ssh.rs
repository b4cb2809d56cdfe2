//! Texts about ssh, its agent and its keys, and about soma-workflow.

use super::{Row, row};

pub(super) static ROWS: &[Row] = &[
    row("Bad owner or permissions on /home/alice/.ssh/config", "ssh-config-mode", &[]),
    row("No user exists for uid 1000\nfatal: Could not read from remote repository.", "ssh-no-user", &[]),
    row("bash: keychain: command not found", "keychain-missing", &[]),
    row("bash: keychain\u{a0}: commande introuvable", "keychain-missing", &[]),
    row("Error connecting to agent: No such file or directory", "ssh-dead-sock", &[110, 111]),
    row("Error connecting to agent: Connection refused", "ssh-dead-sock", &[110]),
    row("Error connecting to agent", "ssh-dead-sock", &[110]),
    row("Could not open a connection to your authentication agent.", "ssh-no-agent", &[110, 112]),
    row("Error connecting to agent: Permission denied", "ssh-agent-forbidden", &[]),
    row("The agent has no identities.", "ssh-agent-no-keys", &[]),
    row(
        "sign_and_send_pubkey: signing failed for ED25519 \"/home/u/.ssh/id_ed25519\" from agent: agent refused operation",
        "ssh-agent-refused",
        &[],
    ),
    row("error fetching identities: invalid format", "ssh-agent-not-agent", &[]),
    row("error fetching identities: communication with agent failed", "ssh-agent-origin-dead", &[]),
    row("Host key verification failed.\nfatal: Could not read from remote repository.", "ssh-hostkey", &[113]),
    row(
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nIT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\nHost key verification failed.",
        "ssh-hostkey-changed",
        &[],
    ),
    row(
        "@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\nPermissions 0644 for '/home/u/k' are too open.",
        "ssh-key-mode",
        &[],
    ),
    row("Load key \"k\": bad permissions", "ssh-key-mode", &[]),
    row("Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures", "ssh-too-many", &[]),
    row("userauth_pubkey: signature algorithm ssh-rsa not in PubkeyAcceptedAlgorithms [preauth]", "ssh-old-signature", &[]),
    row("debug1: send_pubkey_test: no mutual signature algorithm", "ssh-old-signature", &[]),
    row("alice@cluster: Permission denied (publickey,password).", "ssh-publickey-denied", &[112]),
    row(" * Warning: can't find id_nope; skipping", "keychain-key-missing", &[]),
    row(" * Error: Can't query. Does pidfile exist?", "keychain-no-file", &[]),
    row("/usr/bin/keychain: 710: cannot create /home/u/.keychain/vm-lockf.77: Permission denied", "keychain-unwritable", &[]),
    row("bash: bv: command not found", "swf-path", &[116]),
    row("bash: bv\u{a0}: commande introuvable", "swf-path", &[116]),
    row("bash: ligne 1: casa_distro: commande introuvable", "swf-path", &[116]),
    row("zsh: command not found: bv", "swf-path", &[116]),
    row("FileNotFoundError: [Errno 2] No such file or directory: '$SOMAWF_INPUT_PARAMS'", "swf-params", &[117]),
    row(
        "Cannot find soma-workflow on cluster.example.org. Please verify if your PYTHONPATH includes the soma-workflow.",
        "swf-stderr",
        &[],
    ),
    row("a soma-workflow server has already been running with a different version of Python", "swf-python-version", &[]),
];
